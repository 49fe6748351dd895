//! Detectors: attributes of the resource that are read from the system.
//!
//! Each reads a few small files and variables, once, at the start. What cannot be read is left out: a detector does not
//! fail. None reads command lines, which may hold secrets.
//!
//! | detector | attributes | source |
//! |---|---|---|
//! | `process` | `process.pid`, `.parent_pid`, `.creation.time`, `.executable.*`, `.owner` | the standard library, `/proc`, `/etc/passwd` |
//! | `host` | `host.name`, `.id`, `.arch` | `/proc/sys/kernel/hostname`, `/etc/machine-id` |
//! | `os` | `os.type`, `.name`, `.version`, `.description`, `.build_id` | `/etc/os-release`, `/proc/sys/kernel/osrelease` |
//! | `container` | `container.id` | `/proc/self/cgroup`, `/proc/self/mountinfo` |
//! | `kubernetes` | `k8s.pod.*`, `k8s.namespace.name`, `k8s.node.name`, `k8s.container.name` | variables and files of the downward API, control groups, mounts |
//!
//! On systems without these files, only what the standard library knows is found.

mod container;
mod host;
mod kubernetes;
mod os;
mod process;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use opentelemetry::{KeyValue, Value};

use crate::settings::{ResourceDetector, read_start};

/// Returns the attributes that these detectors find on this system.
pub(super) fn detect(detectors: &[ResourceDetector]) -> Vec<KeyValue> {
    Source::default().detect(detectors)
}

/// The root directory and the variables that detectors read. Tests replace both.
struct Source {
    /// The directory that paths are relative to, `/` outside of tests.
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
    /// Runs the detectors in the order of the list. Of a key that two of them find, the later value wins.
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

    /// Returns the content of a file, if it is a regular one, or one of `/proc`. At most [`MAX_FILE_SIZE`] bytes of it.
    fn read(&self, path: &str) -> Option<String> {
        let content = read_start(&self.root.join(path.trim_start_matches('/')), MAX_FILE_SIZE).ok()?;
        Some(String::from_utf8_lossy(&content).into_owned())
    }

    /// Returns the first line of a file. `None` if it is blank, or cannot be a name.
    fn read_line(&self, path: &str) -> Option<String> {
        let line = self.read(path)?.lines().next()?.trim().to_owned();
        let is_name = !line.is_empty() && line.len() <= MAX_NAME && !line.contains(char::is_control);
        is_name.then_some(line)
    }

    /// Returns the first of these variables that is set. Blank ones are not.
    fn variable(&self, names: &[&str]) -> Option<String> {
        let value = |name: &&str| (self.variable)(name).map(|value| value.trim().to_owned());
        names.iter().filter_map(value).find(|value| !value.is_empty())
    }
}

/// The attributes found so far.
#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    /// Adds an attribute if there is a value.
    fn add<V: Into<Value>>(&mut self, key: &'static str, value: Option<V>) {
        self.0.extend(value.map(|value| KeyValue::new(key, value)));
    }
}

/// The most bytes that are read of a file.
const MAX_FILE_SIZE: u64 = 1 << 20;
/// Longer lines are no names.
const MAX_NAME: usize = 1024;
