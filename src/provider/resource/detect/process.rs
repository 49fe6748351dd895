//! The process: its ids, its start, its executable and its owner.
//!
//! | attribute | source | systems |
//! |---|---|---|
//! | `process.pid`, `process.executable.*` | the standard library | all |
//! | `process.parent_pid` | the standard library | Unix |
//! | `process.creation.time` | `/proc/stat` and `/proc/self/stat` | Linux |
//! | `process.owner` | `/proc/self/status` and `/etc/passwd` | Linux |

use std::time::{Duration, UNIX_EPOCH};

use super::{Attributes, Source};
#[cfg(unix)]
use crate::semconv::resource::PROCESS_PARENT_PID;
use crate::semconv::resource::{
    PROCESS_CREATION_TIME, PROCESS_EXECUTABLE_NAME, PROCESS_EXECUTABLE_PATH, PROCESS_OWNER, PROCESS_PID,
};
use crate::time::clock::Clock;

/// Reads ids, path and owner. The command line is left out because it can hold secrets.
pub(super) fn detect(source: &Source, found: &mut Attributes) {
    found.add(PROCESS_PID, Some(i64::from(std::process::id())));
    #[cfg(unix)]
    found.add(PROCESS_PARENT_PID, Some(i64::from(std::os::unix::process::parent_id())));
    found.add(PROCESS_CREATION_TIME, creation_time(source));
    let executable = std::env::current_exe().ok();
    let name = executable.as_deref().and_then(|path| path.file_name());
    found.add(PROCESS_EXECUTABLE_NAME, name.map(|name| name.to_string_lossy().into_owned()));
    found.add(PROCESS_EXECUTABLE_PATH, executable.map(|path| path.to_string_lossy().into_owned()));
    found.add(PROCESS_OWNER, owner(source));
}

/// Returns when the process was started, as the system reports it: after the boot, whose time is in whole seconds.
fn creation_time(source: &Source) -> Option<String> {
    let system = source.read("proc/stat")?;
    let boot: u64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let process = source.read("proc/self/stat")?;
    // The second field, the name in parentheses, may contain anything; 20 fields after it comes the start.
    let ticks: u64 = process.rsplit_once(") ")?.1.split_whitespace().nth(19)?.parse().ok()?;
    let start =
        Duration::from_secs(boot).checked_add(Duration::from_millis(ticks.checked_mul(MILLIS_PER_TICK)?))?;
    let mut text = Vec::new();
    Clock::default().write(&mut text, UNIX_EPOCH.checked_add(start)?);
    String::from_utf8(text).ok()
}

/// Returns the name of the effective user, if it is in the list of users.
fn owner(source: &Source) -> Option<String> {
    let status = source.read("proc/self/status")?;
    // The real one, the effective one, …
    let id = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?;
    let users = source.read("etc/passwd")?;
    let mut users = users.lines().map(|user| user.split(':'));
    users.find_map(|mut user| {
        let name = user.next()?;
        (user.nth(1) == Some(id)).then(|| name.to_owned())
    })
}

/// `USER_HZ` is 100 on all architectures that Rust supports.
const MILLIS_PER_TICK: u64 = 10;
