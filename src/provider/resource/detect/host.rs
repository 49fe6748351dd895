//! The host, or the container or pod that presents itself as one.
//!
//! | attribute | first of |
//! |---|---|
//! | `host.name` | `/proc/sys/kernel/hostname`, `/etc/hostname`, `HOSTNAME`, `COMPUTERNAME` |
//! | `host.id` | `/etc/machine-id`, `/var/lib/dbus/machine-id` |
//! | `host.arch` | the architecture that the program was built for |

use super::{Attributes, Source};
use crate::semconv::resource::{HOST_ARCH, HOST_ID, HOST_NAME};

/// Reads the name, the id of the installation, and the architecture.
pub(super) fn detect(source: &Source, found: &mut Attributes) {
    let name = source.read_line("proc/sys/kernel/hostname").or_else(|| source.read_line("etc/hostname"));
    found.add(HOST_NAME, name.or_else(|| source.variable(&["HOSTNAME", "COMPUTERNAME"])));
    let id = source.read_line("etc/machine-id").or_else(|| source.read_line("var/lib/dbus/machine-id"));
    // What systemd writes before the first boot has ended.
    found.add(HOST_ID, id.filter(|id| id != "uninitialized"));
    found.add(HOST_ARCH, Some(architecture()));
}

/// Returns the architecture in the values of `host.arch`. One that has none there keeps the name that Rust gives it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}
