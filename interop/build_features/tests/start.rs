//! What is logged at the start, in a process of its own, about the features of `tracing` in this build.

use std::process::Command;

use telemetry_bootstrap::LogDestination;

#[test]
fn features_of_tracing_that_change_what_is_logged_are_reported() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "child"])
        .env("RUST_LOG", "warn,a=debug,[span]=trace")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && out.contains("running 1 test"), "{out}{err}");
    assert!(out.contains("every event is logged twice"), "{out}");
    for origin in ["RUST_LOG", "set_log_filter"] {
        let is_hint = |line: &str| line.contains("built without events of that level") && line.contains(origin);
        assert_eq!(out.lines().filter(|line| is_hint(line)).count(), 1, "{origin}: {out}");
    }
    // What `EnvFilter` would write itself.
    assert!(!err.contains("disabled statically"), "{err}");
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn child() {
    let output = |output: telemetry_bootstrap::LogOutput| output.destination(LogDestination::Stdout);
    let guard = telemetry_bootstrap::init().log_output(output).build().unwrap();
    guard.set_log_filter("debug").unwrap();
    guard.shutdown().unwrap();
}
