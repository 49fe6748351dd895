//! Ignored tests that run in a process of their own: the test program, started once more for one of them.

#![allow(dead_code, clippy::unwrap_used, reason = "helpers of tests, of which each uses some")]

use std::process::{Command, Output, Stdio};

/// Returns the command that runs an ignored test. What the environment of the tests says about telemetry does not reach
/// it.
pub(crate) fn command(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTEL_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command.args(["--ignored", "--exact", "--nocapture", "--test-threads=1", test]).stdin(Stdio::null());
    command
}

/// Runs an ignored test with these variables, to its end, whatever that is. Exactly one test must have run.
pub(crate) fn ended(test: &str, variables: &[(&str, &str)]) -> Output {
    let output = command(test).envs(variables.iter().copied()).output().unwrap();
    assert!(output.stdout.starts_with(b"\nrunning 1 test\n"), "{test}: {output:?}");
    output
}

/// Runs an ignored test with these variables. Returns what it wrote to standard output and to standard error; it must
/// have passed.
pub(crate) fn passed(test: &str, variables: &[(&str, &str)]) -> (String, String) {
    let Output { status, stdout, stderr } = ended(test, variables);
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(status.success(), "{test}: {stdout}{stderr}");
    (stdout, stderr)
}
