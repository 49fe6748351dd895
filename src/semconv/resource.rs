//! Names of the attributes that the resource detectors find.
//!
//! They are strings here, because most of them are in development and the semantic conventions crate gates these behind
//! a feature that may change in a patch release.

/// 64 hexadecimal digits, from the control groups or mounts.
pub(crate) const CONTAINER_ID: &str = "container.id";
/// `amd64`, `arm64`, `x86`, …
pub(crate) const HOST_ARCH: &str = "host.arch";
/// The machine id of the system.
pub(crate) const HOST_ID: &str = "host.id";
/// The output of `hostname`.
pub(crate) const HOST_NAME: &str = "host.name";
/// The name of the container in its pod.
pub(crate) const K8S_CONTAINER_NAME: &str = "k8s.container.name";
/// The namespace of the pod.
pub(crate) const K8S_NAMESPACE_NAME: &str = "k8s.namespace.name";
/// The node that the pod runs on.
pub(crate) const K8S_NODE_NAME: &str = "k8s.node.name";
/// The name of the pod.
pub(crate) const K8S_POD_NAME: &str = "k8s.pod.name";
/// The unique id of the pod.
pub(crate) const K8S_POD_UID: &str = "k8s.pod.uid";
/// The build of the system, where it has one.
pub(crate) const OS_BUILD_ID: &str = "os.build_id";
/// The name and version of the system, for people.
pub(crate) const OS_DESCRIPTION: &str = "os.description";
/// The distribution or product.
pub(crate) const OS_NAME: &str = "os.name";
/// `linux`, `darwin`, `windows`, …
pub(crate) const OS_TYPE: &str = "os.type";
/// The version of the distribution or product.
pub(crate) const OS_VERSION: &str = "os.version";
/// The start time of the process, in RFC 3339.
pub(crate) const PROCESS_CREATION_TIME: &str = "process.creation.time";
/// The file name of the program.
pub(crate) const PROCESS_EXECUTABLE_NAME: &str = "process.executable.name";
/// The whole path of the program.
pub(crate) const PROCESS_EXECUTABLE_PATH: &str = "process.executable.path";
/// The name of the user who runs the process.
pub(crate) const PROCESS_OWNER: &str = "process.owner";
/// The id of the parent process.
#[cfg(unix)]
pub(crate) const PROCESS_PARENT_PID: &str = "process.parent_pid";
/// The id of the process.
pub(crate) const PROCESS_PID: &str = "process.pid";
