//! The container, by the names that runtimes give to its control groups (version 1, and version 2 of the host) or to
//! the files that they mount into it (version 2).
//!
//! | control group or mount | container runtime |
//! |---|---|
//! | `/docker/<id>` | Docker |
//! | `/system.slice/docker-<id>.scope` | Docker, systemd |
//! | `/kubepods/…/<id>`, `/kubepods.slice/…/cri-containerd-<id>.scope` | containerd |
//! | `/…/crio-<id>.scope` | CRI-O |
//! | `/…/libpod-<id>.scope` | Podman |
//! | `/ecs/<task>/<task>-<number>` | Amazon ECS |
//! | `/var/lib/docker/containers/<id>/hostname`, mounted at `/etc/hostname` | Docker, control groups version 2 |
//! | `…/overlay-containers/<id>/userdata/.containerenv` | Podman |
//! | `…/containers/<namespace>/<id>/hostname` | nerdctl |
//!
//! Ids have 64 hexadecimal digits, which keeps other parts of these paths from being taken for one. In a pod of
//! Kubernetes the mounted files are those of the pod's sandbox, which has its own id: they are not read there.

use super::{Attributes, Source};
use crate::semconv::resource::CONTAINER_ID;

/// Finds nothing outside of a container.
pub(super) fn detect(source: &Source, found: &mut Attributes) {
    let from_groups = || source.read("proc/self/cgroup")?.lines().find_map(id_of_group);
    let from_mounts = || id_of_mounts(&source.read("proc/self/mountinfo")?);
    found.add(CONTAINER_ID, from_groups().or_else(from_mounts));
}

/// Returns the id in a line `12:memory:/docker/<id>`.
fn id_of_group(line: &str) -> Option<String> {
    let path = line.splitn(3, ':').nth(2)?;
    // The innermost of nested containers.
    path.rsplit('/').find_map(id_of_segment)
}

/// Returns the id in `<id>`, `docker-<id>.scope`, `cri-containerd-<id>.scope`, `…:cri-containerd:<id>`, …
fn id_of_segment(segment: &str) -> Option<String> {
    let segment = segment.strip_suffix(".scope").unwrap_or(segment);
    // Tasks of ECS: `<id of the task>-<number>`.
    if let Some((task, number)) = segment.split_once('-')
        && is_hex(task, 32)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Some(segment.to_owned());
    }
    let id = segment.rsplit(['-', ':']).next()?;
    is_hex(id, 64).then(|| id.to_owned())
}

/// Returns the id in the source of a file that the runtime mounts: `/var/lib/docker/containers/<id>/hostname`,
/// `…/overlay-containers/<id>/userdata/hostname`. The directories of `sandboxes` have the id of a pod.
fn id_of_mounts(mounts: &str) -> Option<String> {
    // mount id, parent id, device, root, mount point, …
    let mounts =
        || mounts.lines().filter_map(|line| line.split(' ').skip(3).zip(line.split(' ').skip(4)).next());
    if mounts().any(|(root, point)| point == "/etc/hosts" && root.ends_with("/etc-hosts")) {
        return None;
    }
    let id = |root: &str| {
        let mut segments = root.split('/').skip_while(|segment| !segment.ends_with("containers"));
        segments.find(|segment| is_hex(segment, 64)).map(str::to_owned)
    };
    MOUNTED.iter().find_map(|file| mounts().filter(|(_, point)| point == file).find_map(|(root, _)| id(root)))
}

/// Returns `true` for exactly `length` hexadecimal digits.
fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Files that runtimes mount from a directory whose name is the id of the container. The first is the container's own
/// where containers share a network, and with it the others.
const MOUNTED: [&str; 4] = ["/run/.containerenv", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
