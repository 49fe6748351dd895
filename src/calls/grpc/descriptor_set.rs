//! The methods that a descriptor set lists.

use std::error::Error;
use std::fmt;

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// Names of all methods in an encoded `FileDescriptorSet`.
pub(super) fn methods_of(descriptor_set: &[u8]) -> Result<Vec<String>, DescriptorSetError> {
    let set = FileDescriptorSet::decode(descriptor_set).map_err(|error| DescriptorSetError(error.into()))?;
    let mut names = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let path = [file.package(), service.name()];
            let path = path.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
            names.extend(service.method.iter().map(|method| format!("{path}/{}", method.name())));
        }
    }
    Ok(names)
}

/// The error for bytes that are no encoded `FileDescriptorSet`.
#[derive(Debug)]
pub struct DescriptorSetError(Box<dyn Error + Send + Sync>);

impl fmt::Display for DescriptorSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the known methods' descriptor set is not an encoded FileDescriptorSet")
    }
}

impl Error for DescriptorSetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
