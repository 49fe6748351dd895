//! Processes that a test starts: most are the test program itself, started once more for one ignored test.

#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "helpers of tests, of which each uses some")]

use std::io::{BufRead as _, BufReader, Read};
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Returns the command that runs an ignored test. What the environment of the tests says about telemetry does not reach
/// it.
pub(crate) fn command(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    without_telemetry_variables(&mut command);
    command.args(arguments(test)).stdin(Stdio::null());
    command
}

/// Returns the arguments that make a test program run one ignored test.
pub(crate) fn arguments(test: &str) -> [&str; 5] {
    ["--ignored", "--exact", "--nocapture", "--test-threads=1", test]
}

pub(crate) fn without_telemetry_variables(command: &mut Command) {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTEL_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
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

/// A process that is killed when the test that started it is over, also by a panic.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Sends a signal, such as `TERM`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        signal(name, self.id());
    }

    /// Returns how it ended, within this time.
    pub(crate) fn end_within(mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            match self.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() > deadline => panic!("the process did not end within {limit:?}"),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

/// Reads lines on a thread: the process never waits for its reader, and the reader can limit its own wait.
pub(crate) fn read_lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Sends a signal, such as `TERM`, to a process.
#[cfg(unix)]
pub(crate) fn signal(name: &str, process: u32) {
    // A command of the shell: not every system has a program of this name.
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {process}")).status();
    assert!(status.unwrap().success(), "kill -{name} {process}");
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Neither does anything to a process whose end was seen.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
