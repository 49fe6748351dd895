//! The process: its ids, its executable and its owner.

use super::{Attributes, Source};
#[cfg(unix)]
use crate::semconv::resource::PROCESS_PARENT_PID;
use crate::semconv::resource::{
    PROCESS_EXECUTABLE_NAME, PROCESS_EXECUTABLE_PATH, PROCESS_OWNER, PROCESS_PID,
};

/// Reads ids, path and owner. The command line is left out because it can hold secrets.
pub(super) fn detect(source: &Source, found: &mut Attributes) {
    found.add(PROCESS_PID, Some(i64::from(std::process::id())));
    #[cfg(unix)]
    found.add(PROCESS_PARENT_PID, Some(i64::from(std::os::unix::process::parent_id())));
    let executable = std::env::current_exe().ok();
    let name = executable.as_deref().and_then(|path| path.file_name());
    found.add(PROCESS_EXECUTABLE_NAME, name.map(|name| name.to_string_lossy().into_owned()));
    found.add(PROCESS_EXECUTABLE_PATH, executable.map(|path| path.to_string_lossy().into_owned()));
    found.add(PROCESS_OWNER, owner(source));
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
