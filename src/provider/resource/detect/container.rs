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
//! | `…/overlay-containers/<id>/userdata/hostname` | Podman, CRI-O |
//!
//! Ids have 64 hexadecimal digits, which keeps other parts of these paths from being taken for one.

use super::{Attributes, Source};
use crate::semconv::resource::CONTAINER_ID;

/// Finds nothing outside of a container.
pub(super) fn detect(source: &Source, found: &mut Attributes) {
    let from_groups = || source.read("proc/self/cgroup")?.lines().find_map(id_of_group);
    let from_mounts = || source.read("proc/self/mountinfo")?.lines().find_map(id_of_mount);
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
fn id_of_mount(line: &str) -> Option<String> {
    // mount id, parent id, device, root, mount point, …
    let mut fields = line.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    if !MOUNTED.contains(&point) {
        return None;
    }
    let mut pairs = root.split('/').zip(root.split('/').skip(1));
    let (_, id) = pairs.find(|(parent, id)| parent.ends_with("containers") && is_hex(id, 64))?;
    Some(id.to_owned())
}

/// Returns `true` for exactly `length` hexadecimal digits.
fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The files that runtimes mount from a directory whose name is the id of the container.
const MOUNTED: [&str; 4] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/run/.containerenv"];
