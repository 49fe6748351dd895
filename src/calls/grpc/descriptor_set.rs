//! The methods that a descriptor set lists.
//!
//! Three levels of names are read of it, so a program without protobuf of its own needs no library for it.
//!
//! ```text
//! FileDescriptorSet
//! └─ 1 FileDescriptorProto          SET_FILE
//!    ├─ 2 package                   FILE_PACKAGE
//!    └─ 6 ServiceDescriptorProto    FILE_SERVICE
//!       ├─ 1 name                   SERVICE_NAME
//!       └─ 2 MethodDescriptorProto  SERVICE_METHOD
//!          └─ 1 name                METHOD_NAME
//! ```
//!
//! Unlike in the exporters, a malformed field is an error here: the bytes are a constant of the program, and a list of
//! methods that ends early would move calls to `_OTHER` without notice.

use std::error::Error;
use std::fmt;

use crate::export::encode::{WireValue, all_fields};

/// Names of all methods in an encoded `FileDescriptorSet`.
pub(super) fn methods_of(descriptor_set: &[u8]) -> Result<Vec<String>, DescriptorSetError> {
    let mut names = Vec::new();
    for file in contents(descriptor_set, SET_FILE)? {
        let package = text(file, FILE_PACKAGE)?;
        for service in contents(file, FILE_SERVICE)? {
            let path = [package, text(service, SERVICE_NAME)?];
            let path = path.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
            for method in contents(service, SERVICE_METHOD)? {
                names.push(format!("{path}/{}", text(method, METHOD_NAME)?));
            }
        }
    }
    Ok(names)
}

/// The contents of the fields of this number.
fn contents(message: &[u8], wanted: u32) -> Result<Vec<&[u8]>, DescriptorSetError> {
    let fields = all_fields(message).ok_or(DescriptorSetError(()))?.into_iter();
    let content = |(_, value)| match value {
        WireValue::Bytes(content) => Ok(content),
        _ => Err(DescriptorSetError(())),
    };
    fields.filter(|(number, _)| *number == wanted).map(content).collect()
}

/// The text of a field, which is empty if it is not there.
fn text(message: &[u8], wanted: u32) -> Result<&str, DescriptorSetError> {
    let last = contents(message, wanted)?.pop().unwrap_or_default();
    std::str::from_utf8(last).map_err(|_| DescriptorSetError(()))
}

/// The error for bytes that are no encoded `FileDescriptorSet`.
#[derive(Debug)]
pub struct DescriptorSetError(());

impl fmt::Display for DescriptorSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the known methods' descriptor set is not an encoded FileDescriptorSet")
    }
}

impl Error for DescriptorSetError {}

// The numbers of fields in google/protobuf/descriptor.proto.
/// `file`: a message for each `.proto` file.
const SET_FILE: u32 = 1;
/// `package`: may be absent, then the service's name stands alone.
const FILE_PACKAGE: u32 = 2;
/// `service`: a message for each service.
const FILE_SERVICE: u32 = 6;
/// `name`, without the package.
const SERVICE_NAME: u32 = 1;
/// `method`: a message for each method.
const SERVICE_METHOD: u32 = 2;
/// `name`, as it is in the path of requests.
const METHOD_NAME: u32 = 1;

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// The result of prost.
    fn expected(descriptor_set: &[u8]) -> Option<Vec<String>> {
        let set = FileDescriptorSet::decode(descriptor_set).ok()?;
        let services = set.file.iter().flat_map(|file| file.service.iter().map(|one| (file.package(), one)));
        let methods = services.flat_map(|(package, service)| {
            let path = format!("{package}.{}", service.name());
            let path = path.trim_start_matches('.').to_owned();
            service.method.iter().map(move |method| format!("{path}/{}", method.name()))
        });
        Some(methods.collect())
    }

    #[test]
    fn the_methods_are_those_that_prost_reads() {
        let health = tonic_health::pb::FILE_DESCRIPTOR_SET;
        assert_eq!(
            methods_of(health).unwrap(),
            ["grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch"]
        );
        let mut set = FileDescriptorSet::decode(health).unwrap();
        set.file.push(set.file[0].clone());
        set.file[1].package = None;
        let two = set.encode_to_vec();
        assert_eq!(methods_of(&two).ok(), expected(&two));
        assert_eq!(methods_of(&two).unwrap().len(), 4);
        assert_eq!(methods_of(b"").unwrap(), [""; 0]);
    }

    #[test]
    fn cut_and_changed_bytes_are_refused_as_prost_refuses_them() {
        let health = tonic_health::pb::FILE_DESCRIPTOR_SET;
        for length in 0..health.len() {
            assert_eq!(methods_of(&health[..length]).ok(), expected(&health[..length]), "{length}");
        }
        // Other fields of the set are not looked into: there prost refuses more.
        let (mut compared, mut refused) = (0, Vec::new());
        for index in 0..health.len() {
            for flipped in [0x01, 0x02, 0x10, 0x81] {
                let mut changed = health.to_vec();
                changed[index] ^= flipped;
                let Some(theirs) = expected(&changed) else { continue };
                match methods_of(&changed) {
                    Ok(ours) => assert_eq!(ours, theirs, "{index} {flipped}"),
                    Err(_) => refused.push((index, flipped)),
                }
                compared += 1;
            }
        }
        // The lengths of the names of both input types: what is cut off, `st`, is an unknown group. protoc writes none.
        assert_eq!(refused, [(282, 0x02), (364, 0x02)]);
        assert!(compared > health.len(), "{compared}");
    }
}
