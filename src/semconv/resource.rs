//! Names of the attributes that the resource detectors find.
//!
//! They are strings here, because most of them are in development and the semantic conventions crate gates these behind
//! a feature that may change in a patch release.

pub(crate) const CONTAINER_ID: &str = "container.id";
pub(crate) const HOST_ARCH: &str = "host.arch";
pub(crate) const HOST_ID: &str = "host.id";
pub(crate) const HOST_NAME: &str = "host.name";
pub(crate) const K8S_CONTAINER_NAME: &str = "k8s.container.name";
pub(crate) const K8S_NAMESPACE_NAME: &str = "k8s.namespace.name";
pub(crate) const K8S_NODE_NAME: &str = "k8s.node.name";
pub(crate) const K8S_POD_NAME: &str = "k8s.pod.name";
pub(crate) const K8S_POD_UID: &str = "k8s.pod.uid";
pub(crate) const OS_BUILD_ID: &str = "os.build_id";
pub(crate) const OS_DESCRIPTION: &str = "os.description";
pub(crate) const OS_NAME: &str = "os.name";
pub(crate) const OS_TYPE: &str = "os.type";
pub(crate) const OS_VERSION: &str = "os.version";
pub(crate) const PROCESS_EXECUTABLE_NAME: &str = "process.executable.name";
pub(crate) const PROCESS_EXECUTABLE_PATH: &str = "process.executable.path";
pub(crate) const PROCESS_OWNER: &str = "process.owner";
#[cfg(unix)]
pub(crate) const PROCESS_PARENT_PID: &str = "process.parent_pid";
pub(crate) const PROCESS_PID: &str = "process.pid";
