//! Systems made of files in a directory.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use opentelemetry::Value;

use super::Source;
use crate::settings::ResourceDetector;

const ID: &str = "b9a1d37d9c7f4ae9a1c0ffee00000000b9a1d37d9c7f4ae9a1c0ffee00000000";
const OTHER_ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const UID: &str = "ef36ab8a-8a0c-4a8b-a6f9-71bc1c3c8de8";

fn detect(
    detector: ResourceDetector,
    files: &[(&str, &str)],
    variable: fn(&str) -> Option<String>,
) -> BTreeMap<String, Value> {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let source = Source { root: root.path().to_owned(), variable };
    let found = source.detect(&[detector]).into_iter();
    found.map(|attribute| (attribute.key.to_string(), attribute.value)).collect()
}

fn none(_: &str) -> Option<String> {
    None
}

fn text(found: &BTreeMap<String, Value>, key: &str) -> Option<String> {
    found.get(key).map(|value| value.as_str().into_owned())
}

#[test]
fn container_ids_are_found_in_the_groups_and_mounts_of_every_runtime() {
    let groups: [&str; 10] = [
        "12:memory:/docker/{ID}\n1:name=systemd:/docker/{ID}\n",
        "11:devices:/\n9:cpu:/kubepods/burstable/pod{UID}/{ID}\n",
        "1:name=systemd:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-{ID}.scope\n",
        "3:cpu:/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:{ID}\n",
        "0::/system.slice/docker-{ID}.scope\n",
        "0::/kubepods.slice/crio-{ID}.scope\n",
        "0::/machine.slice/libpod-{ID}.scope/container\n",
        "0::/machine.slice/libpod-{ID}.scope\r\n",
        "4:pids:/docker/{OTHER}/docker/{ID}\n",
        "2:cpu:/ecs/55091c13-b8cf-4801-b527-f4601742204d/{ID}\n",
    ];
    for group in groups {
        let group = group.replace("{ID}", ID).replace("{OTHER}", OTHER_ID).replace("{UID}", UID);
        let found = detect(ResourceDetector::Container, &[("proc/self/cgroup", &group)], none);
        assert_eq!(text(&found, "container.id").as_deref(), Some(ID), "{group}");
    }
    let task =
        "1:name=systemd:/ecs/447438d1540d41c2a7a5a4cc0ee4c7e2/447438d1540d41c2a7a5a4cc0ee4c7e2-3054012820\n";
    let found = detect(ResourceDetector::Container, &[("proc/self/cgroup", task)], none);
    let expected = "447438d1540d41c2a7a5a4cc0ee4c7e2-3054012820";
    assert_eq!(text(&found, "container.id").as_deref(), Some(expected));
    // With version 2 and a namespace of groups, only the mounts have it.
    let mounts = [
        "473 456 254:1 /docker/volumes/x/_data /data rw - ext4 /dev/vda1 rw\n\
         474 456 254:1 /var/lib/docker/containers/{ID}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw\n\
         475 456 254:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n",
        "983 961 0:56 /containers/overlay-containers/{ID}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n",
        // In a pod of podman, containers share the names of another one.
        "983 961 0:56 /containers/overlay-containers/{OTHER}/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw\n\
         984 961 0:56 /containers/overlay-containers/{ID}/userdata/.containerenv /run/.containerenv rw - tmpfs tmpfs rw\n",
        "983 961 0:56 /var/lib/nerdctl/1935db59/containers/default/{ID}/hostname /etc/hostname rw - ext4 a rw\n",
        "983 961 0:56 /@/var/lib/docker/100000.100000/containers/{ID}/hosts /etc/hosts rw - btrfs a rw\n",
    ];
    for mounts in mounts {
        let mounts = mounts.replace("{ID}", ID).replace("{OTHER}", OTHER_ID);
        let files = [("proc/self/cgroup", "0::/\n"), ("proc/self/mountinfo", &*mounts)];
        let found = detect(ResourceDetector::Container, &files, none);
        assert_eq!(text(&found, "container.id").as_deref(), Some(ID), "{mounts}");
    }
}

#[test]
fn no_container_id_is_found_outside_a_container() {
    let sandbox = format!(
        "1 2 0:1 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{ID}/hostname /etc/hostname rw - ext4 a rw\n\
         1 2 0:1 /var/lib/docker/overlay2/{ID}/merged / rw - overlay overlay rw\n"
    );
    // In a pod these files are those of its sandbox, whatever the runtime.
    let pod = format!(
        "1 2 0:1 /var/lib/kubelet/pods/{UID}/etc-hosts /etc/hosts rw - ext4 a rw\n\
         1 2 0:1 /containers/storage/overlay-containers/{ID}/userdata/hostname /etc/hostname rw - tmpfs a rw\n\
         1 2 0:1 /containers/storage/overlay-containers/{ID}/userdata/.containerenv /run/.containerenv rw - tmpfs a rw\n"
    );
    for files in [
        vec![],
        vec![("proc/self/cgroup", "0::/\n"), ("proc/self/mountinfo", &*pod)],
        vec![("proc/self/cgroup", "0::/user.slice/user-1000.slice/session-3.scope\n")],
        vec![("proc/self/cgroup", "0::/\n"), ("proc/self/mountinfo", &*sandbox)],
        vec![("proc/self/cgroup", "\u{0}\n:::\n0::"), ("proc/self/mountinfo", "1 2\n\n   ")],
        vec![("proc/self/cgroup", "0::/docker/b9a1d37d9c7f\n")],
    ] {
        assert!(detect(ResourceDetector::Container, &files, none).is_empty(), "{files:?}");
    }
}

#[test]
fn pods_are_described_by_variables_by_files_or_by_what_the_kubelet_leaves() {
    let variables = |name: &str| {
        let value = match name {
            "KUBERNETES_SERVICE_HOST" => "10.0.0.1",
            "POD_NAME" => "shop-1",
            "K8S_POD_UID" => UID,
            "K8S_NAMESPACE_NAME" => "default",
            "NODE_NAME" => "node-7",
            "K8S_CONTAINER_NAME" => "shop",
            "HOSTNAME" => "other",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let found = detect(ResourceDetector::Kubernetes, &[], variables);
    let expected = [
        ("k8s.container.name", "shop"),
        ("k8s.namespace.name", "default"),
        ("k8s.node.name", "node-7"),
        ("k8s.pod.name", "shop-1"),
        ("k8s.pod.uid", UID),
    ];
    assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), Value::from(value))).into());

    let in_cluster = |name: &str| match name {
        "KUBERNETES_SERVICE_HOST" => Some("10.0.0.1".to_owned()),
        "HOSTNAME" => Some("shop-2".to_owned()),
        _ => None,
    };
    let files =
        [("etc/podinfo/name", "shop-3\n"), ("etc/podinfo/namespace", "prod"), ("etc/podinfo/uid", UID)];
    let found = detect(ResourceDetector::Kubernetes, &files, in_cluster);
    assert_eq!(text(&found, "k8s.pod.name").as_deref(), Some("shop-3"));
    assert_eq!(text(&found, "k8s.namespace.name").as_deref(), Some("prod"));
    assert_eq!(text(&found, "k8s.pod.uid").as_deref(), Some(UID));

    let underscores = UID.replace('-', "_");
    let version_1 = format!("1:cpu:/kubepods.slice/kubepods-besteffort-pod{underscores}.slice/x\n");
    let cgroupfs = format!("1:cpu:/kubepods/burstable/pod{UID}/{ID}\n");
    let mounts = format!("1 2 0:1 /var/lib/kubelet/pods/{UID}/etc-hosts /etc/hosts rw - ext4 a rw\n");
    for detected in [
        ("proc/self/cgroup", &*version_1),
        ("proc/self/cgroup", &*cgroupfs),
        ("proc/self/mountinfo", &*mounts),
    ] {
        let files = [("var/run/secrets/kubernetes.io/serviceaccount/namespace", "prod"), detected];
        let found = detect(ResourceDetector::Kubernetes, &files, in_cluster);
        assert_eq!(text(&found, "k8s.pod.uid").as_deref(), Some(UID), "{detected:?}");
        assert_eq!(text(&found, "k8s.namespace.name").as_deref(), Some("prod"));
        assert_eq!(text(&found, "k8s.pod.name").as_deref(), Some("shop-2"));
    }
}

#[test]
fn host_name_is_not_taken_for_the_pod_name_in_the_host_network() {
    let in_cluster = |name: &str| match name {
        "KUBERNETES_SERVICE_HOST" => Some("10.0.0.1".to_owned()),
        "HOSTNAME" => Some("node-7".to_owned()),
        _ => None,
    };
    for (hosts, expected) in [
        ("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n", Some("node-7")),
        ("# Kubernetes-managed hosts file (host network).\n127.0.0.1\tlocalhost\n", None),
    ] {
        let found = detect(ResourceDetector::Kubernetes, &[("etc/hosts", hosts)], in_cluster);
        assert_eq!(text(&found, "k8s.pod.name").as_deref(), expected, "{hosts}");
    }
}

#[test]
fn container_name_is_read_from_the_mount_of_the_termination_log() {
    let mounts = format!(
        "1 2 0:1 /var/lib/kubelet/pods/{UID}/etc-hosts /etc/hosts rw - ext4 a rw\n\
         1 2 0:1 /var/lib/kubelet/pods/{UID}/containers/shop/1f3a5b7c /dev/termination-log rw - ext4 a rw\n"
    );
    let in_cluster = |name: &str| (name == "KUBERNETES_SERVICE_HOST").then(|| "10.0.0.1".to_owned());
    let found = detect(ResourceDetector::Kubernetes, &[("proc/self/mountinfo", &mounts)], in_cluster);
    assert_eq!(text(&found, "k8s.container.name").as_deref(), Some("shop"));
    assert_eq!(text(&found, "k8s.pod.uid").as_deref(), Some(UID));
}

#[test]
fn container_name_is_read_from_the_root_of_a_mount_alone() {
    let in_cluster = |name: &str| (name == "KUBERNETES_SERVICE_HOST").then(|| "10.0.0.1".to_owned());
    let termination_log =
        format!("1 2 0:1 /pods/{UID}/containers/shop/1f3a5b7c /dev/termination-log rw - ext4 a rw\n");
    for (other, expected) in [
        (format!("1 2 0:1 / /host/pods/{UID}/containers/other/x rw - ext4 a rw\n"), "shop"),
        (format!("1 2 0:1 /pods/{UID}/etc-hosts /pods/x/containers/other/hosts rw - ext4 a rw\n"), "shop"),
        (format!("1 2 0:1 /pods/{UID}/volumes/a/containers/other/x /data rw - ext4 a rw\n"), "shop"),
    ] {
        let mounts = format!("{other}{termination_log}");
        let found = detect(ResourceDetector::Kubernetes, &[("proc/self/mountinfo", &mounts)], in_cluster);
        assert_eq!(text(&found, "k8s.container.name").as_deref(), Some(expected), "{mounts}");
        let found = detect(ResourceDetector::Kubernetes, &[("proc/self/mountinfo", &other)], in_cluster);
        assert_eq!(text(&found, "k8s.container.name"), None, "{other}");
    }
}

#[test]
fn no_pod_is_detected_outside_kubernetes() {
    let variable = |name: &str| ["HOSTNAME", "POD_NAME"].contains(&name).then(|| "laptop".to_owned());
    assert!(detect(ResourceDetector::Kubernetes, &[], variable).is_empty());
}

#[test]
fn linux_describes_itself_in_os_release() {
    let release = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n# VERSION_ID=1\nNAME='Debian'\nVERSION_ID=\"12\"\n\
                   BUILD_ID=a\\$b\nEMPTY=\nbroken\n";
    let found = detect(ResourceDetector::Os, &[("usr/lib/os-release", release)], none);
    assert_eq!(text(&found, "os.name").as_deref(), Some("Debian"));
    assert_eq!(text(&found, "os.version").as_deref(), Some("12"));
    assert_eq!(text(&found, "os.description").as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
    assert_eq!(text(&found, "os.build_id").as_deref(), Some("a$b"));
    assert!(found.contains_key("os.type"));
    assert_eq!(detect(ResourceDetector::Os, &[], none).len(), 1);
    // Most distributions have no builds.
    let files = [("etc/os-release", "NAME=Debian\n"), ("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n")];
    let found = detect(ResourceDetector::Os, &files, none);
    assert_eq!(text(&found, "os.build_id").as_deref(), Some("6.1.0-18-amd64"));
}

#[test]
fn hosts_have_a_name_an_id_and_an_architecture() {
    let files = [("proc/sys/kernel/hostname", "db-1\n"), ("var/lib/dbus/machine-id", "abc\n")];
    let found = detect(ResourceDetector::Host, &files, none);
    assert_eq!(text(&found, "host.name").as_deref(), Some("db-1"));
    assert_eq!(text(&found, "host.id").as_deref(), Some("abc"));
    assert!(found.contains_key("host.arch"));
    let found = detect(ResourceDetector::Host, &[("etc/machine-id", "uninitialized\n")], none);
    assert_eq!(text(&found, "host.id"), None);
}

#[test]
fn processes_have_ids_and_an_owner_but_no_command_line() {
    let files = [
        ("proc/stat", "cpu 1 2 3\nbtime 951782400\nprocesses 7\n"),
        ("proc/self/stat", "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 12345 1 1 1\n"),
        ("proc/self/status", "Name:\tx\nUid:\t0\t1000\t0\t0\n"),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nshop:x:1000:1000::/:/bin/sh\n"),
    ];
    let found = detect(ResourceDetector::Process, &files, none);
    assert_eq!(found["process.pid"], Value::I64(std::process::id().into()));
    assert_eq!(text(&found, "process.owner").as_deref(), Some("shop"));
    assert_eq!(text(&found, "process.creation.time").as_deref(), Some("2000-02-29T00:02:03.450000Z"));
    assert!(found.contains_key("process.executable.name") && found.contains_key("process.executable.path"));
    assert!(found.keys().all(|key| !key.contains("command")), "{found:?}");
}

#[test]
fn all_detectors_together_are_quick_and_never_fail() {
    // The best of several, as the machine may be busy.
    let took = (0..20).map(|_| {
        let begin = Instant::now();
        let found = super::detect(&ResourceDetector::ALL);
        assert!(found.iter().any(|attribute| attribute.key.as_str() == "process.pid"));
        begin.elapsed()
    });
    let best = took.min().unwrap();
    assert!(best < Duration::from_millis(20), "{best:?}");
}

#[test]
#[cfg(unix)]
fn unreadable_and_huge_files_are_skipped() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["etc", "proc/self", "proc/sys/kernel"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    // A folder, a link to nowhere and in a circle, bytes that are no text, and 64 MiB without a line end.
    fs::create_dir(root.path().join("etc/hostname")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.path().join("etc/os-release")).unwrap();
    std::os::unix::fs::symlink("cgroup", root.path().join("proc/self/cgroup")).unwrap();
    fs::write(root.path().join("proc/self/mountinfo"), [0xff, 0, b'\n'].repeat(1000)).unwrap();
    fs::File::create(root.path().join("etc/machine-id")).unwrap().set_len(64 << 20).unwrap();
    let source = Source { root: root.path().to_owned(), variable: none };
    let begin = Instant::now();
    let found = source.detect(&ResourceDetector::ALL);
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    let longest = found.iter().map(|attribute| attribute.value.as_str().len()).max();
    assert!(longest < Some(4096), "{longest:?}");
    assert!(found.iter().all(|found| found.key.as_str() != "host.id"), "{found:?}");
}

#[test]
#[cfg(unix)]
fn special_files_do_not_block_and_huge_files_are_truncated() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    let file = root.path().join("etc/machine-id");
    let source = Source { root: root.path().to_owned(), variable: none };
    let has_id =
        || source.detect(&[ResourceDetector::Host]).iter().any(|found| found.key.as_str() == "host.id");
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    assert!(!has_id());
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(!has_id());
    fs::remove_dir(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    assert!(!has_id());
    fs::remove_file(&file).unwrap();
    fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
    fs::File::options().append(true).open(&file).unwrap().set_len(1 << 40).unwrap();
    assert!(has_id());
}
