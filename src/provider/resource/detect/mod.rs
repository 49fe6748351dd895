//! Detectors: attributes of the resource that are read from the system.
//!
//! Each reads a few small files and variables, once, at the start. What cannot be read is left out: a detector does not
//! fail. None reads command lines, which may hold secrets.

mod container;
mod host;
mod kubernetes;
mod os;
mod process;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use opentelemetry::{KeyValue, Value};

use crate::settings::ResourceDetector;

/// Returns what these detectors find on this system.
pub(super) fn detect(detectors: &[ResourceDetector]) -> Vec<KeyValue> {
    Source::default().detect(detectors)
}

/// Where detectors look. Tests replace the root directory and the variables.
struct Source {
    /// Paths of files are relative to it.
    root: PathBuf,
    /// Reads a variable of the environment.
    variable: fn(&str) -> Option<String>,
}

impl Default for Source {
    fn default() -> Self {
        Self { root: PathBuf::from("/"), variable: |name| std::env::var(name).ok() }
    }
}

impl Source {
    /// Runs the detectors in the order of the list. Of a key that two of them find, the later value counts.
    fn detect(&self, detectors: &[ResourceDetector]) -> Vec<KeyValue> {
        let mut found = Attributes::default();
        for detector in detectors {
            match detector {
                ResourceDetector::Process => process::detect(self, &mut found),
                ResourceDetector::Host => host::detect(self, &mut found),
                ResourceDetector::Os => os::detect(self, &mut found),
                ResourceDetector::Container => container::detect(self, &mut found),
                ResourceDetector::Kubernetes => kubernetes::detect(self, &mut found),
            }
        }
        found.0
    }

    /// Returns the content of a file, if it is a regular one, or one of `/proc`, of a usual size.
    fn read(&self, path: &str) -> Option<String> {
        let path = self.root.join(path.trim_start_matches('/'));
        // A pipe, or a device, would block.
        if !path.metadata().ok()?.is_file() {
            return None;
        }
        let mut content = Vec::new();
        File::open(path).ok()?.take(MAX_FILE_SIZE).read_to_end(&mut content).ok()?;
        Some(String::from_utf8_lossy(&content).into_owned())
    }

    /// Returns the first line of a file.
    fn read_line(&self, path: &str) -> Option<String> {
        self.read(path)?.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
    }

    /// Returns the first of these variables that is set.
    fn variable(&self, names: &[&str]) -> Option<String> {
        let value = |name: &&str| (self.variable)(name).map(|value| value.trim().to_owned());
        names.iter().filter_map(value).find(|value| !value.is_empty())
    }
}

/// What was found.
#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    /// Adds an attribute if there is a value.
    fn add<V: Into<Value>>(&mut self, key: &'static str, value: Option<V>) {
        self.0.extend(value.map(|value| KeyValue::new(key, value)));
    }
}

/// More of a file is not read.
const MAX_FILE_SIZE: u64 = 1 << 20;
