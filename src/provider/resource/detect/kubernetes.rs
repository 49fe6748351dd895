//! The pod, as the downward API gives it to the container: in variables, or in the files of a volume at `/etc/podinfo`.
//!
//! Neither has names that Kubernetes sets; these are those that its documentation and the OpenTelemetry operator use.
//! Without them there remain the namespace of the service account, the name of the host, and the id of the pod in the
//! names of control groups and mounts.
//!
//! | attribute | first of |
//! |---|---|
//! | `k8s.pod.name` | variables, `name` in the volume, `HOSTNAME` unless the pod uses the network of its node |
//! | `k8s.namespace.name` | variables, `namespace` in the volume, the namespace of the service account |
//! | `k8s.pod.uid` | variables, `uid` in the volume, control groups, mounts |
//! | `k8s.node.name` | variables, `node_name` in the volume |
//! | `k8s.container.name` | variables, mounts |
//!
//! Each attribute is found by itself: a pod that passes only its name on has the others from where they can be found.

use super::{Attributes, Source};
use crate::semconv::resource::{
    K8S_CONTAINER_NAME, K8S_NAMESPACE_NAME, K8S_NODE_NAME, K8S_POD_NAME, K8S_POD_UID,
};

/// Finds nothing outside of Kubernetes, where variables such as `POD_NAME` may mean something else.
pub(super) fn detect(source: &Source, found: &mut Attributes) {
    if source.variable(&["KUBERNETES_SERVICE_HOST"]).is_none() && source.read_line(NAMESPACE).is_none() {
        return;
    }
    let name =
        source.variable(&["K8S_POD_NAME", "OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "POD_NAME", "MY_POD_NAME"]);
    let name = name.or_else(|| file(source, &["name", "pod_name", "podname"]));
    found.add(K8S_POD_NAME, name.or_else(|| name_of_host(source)));
    let namespace = source.variable(&[
        "K8S_NAMESPACE_NAME",
        "K8S_POD_NAMESPACE",
        "OTEL_RESOURCE_ATTRIBUTES_POD_NAMESPACE",
        "POD_NAMESPACE",
        "MY_POD_NAMESPACE",
    ]);
    let namespace = namespace.or_else(|| file(source, &["namespace", "pod_namespace"]));
    found.add(K8S_NAMESPACE_NAME, namespace.or_else(|| source.read_line(NAMESPACE)));
    let uid = source.variable(&["K8S_POD_UID", "OTEL_RESOURCE_ATTRIBUTES_POD_UID", "POD_UID", "MY_POD_UID"]);
    found
        .add(K8S_POD_UID, uid.or_else(|| file(source, &["uid", "pod_uid"])).or_else(|| detected_uid(source)));
    let node = source.variable(&[
        "K8S_NODE_NAME",
        "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME",
        "NODE_NAME",
        "MY_NODE_NAME",
    ]);
    found.add(K8S_NODE_NAME, node.or_else(|| file(source, &["node_name", "nodename"])));
    let container = source.variable(&["K8S_CONTAINER_NAME", "CONTAINER_NAME"]);
    found.add(K8S_CONTAINER_NAME, container.or_else(|| container_of_mount(source)));
}

/// Returns the name of the host, which is that of the pod, unless the pod uses the network of its node: the kubelet
/// writes this into the file of hosts.
fn name_of_host(source: &Source) -> Option<String> {
    let is_node = source.read_line("etc/hosts").is_some_and(|first| first.contains("(host network)"));
    if is_node { None } else { source.variable(&["HOSTNAME"]) }
}

/// Returns the name in `/var/lib/kubelet/pods/<id>/containers/<name>/<file>`, the source of `/dev/termination-log`.
///
/// That is the root of the mount, the fourth field. It begins at the file system of the kubelet's directory, with
/// `/pods/` if that is its own mount. Volumes of the pod are below `<id>` as well, and may have any name.
fn container_of_mount(source: &Source) -> Option<String> {
    let mounts = source.read("proc/self/mountinfo")?;
    let name = |line: &str| {
        let root = line.split(' ').nth(3)?;
        let mut parts = root.split_once("/pods/")?.1.split('/').skip(1);
        parts.next().filter(|directory| *directory == "containers")?;
        parts.next().map(str::to_owned)
    };
    mounts.lines().find_map(name)
}

/// Returns the first line of the first of these files of the volume.
fn file(source: &Source, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| source.read_line(&format!("etc/podinfo/{name}")))
}

/// Returns the id in `…/kubepods-burstable-pod<id>.slice/…`, or in `/var/lib/kubelet/pods/<id>/etc-hosts`.
fn detected_uid(source: &Source) -> Option<String> {
    let groups = source.read("proc/self/cgroup").unwrap_or_default();
    let group = |segment: &str| {
        let segment = segment.strip_suffix(".slice").unwrap_or(segment);
        uid(segment.rsplit_once("pod")?.1)
    };
    let mounts = source.read("proc/self/mountinfo").unwrap_or_default();
    let mount = |line: &str| uid(line.split_once("/pods/")?.1.split('/').next()?);
    let of_group = groups.lines().filter(|line| line.contains("kubepods")).flat_map(|line| line.split('/'));
    of_group.filter_map(group).next().or_else(|| mounts.lines().find_map(mount))
}

/// Returns a UUID in its usual form, or `None` for any other text. Systemd writes underscores for the dashes.
fn uid(text: &str) -> Option<String> {
    let text = text.replace('_', "-");
    uuid::Uuid::try_parse(&text).ok().filter(|_| text.len() == 36).map(|_| text)
}

/// The file with the namespace, mounted into every pod with a service account.
const NAMESPACE: &str = "var/run/secrets/kubernetes.io/serviceaccount/namespace";
