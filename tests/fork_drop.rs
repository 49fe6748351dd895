//! A forked child drops the guard while threads of the parent use what is behind it.
//!
//! The program is this test program again, for one ignored test.

#![cfg(unix)]
#![expect(clippy::exit, reason = "test code")]

mod child_process;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fork::{Fork, fork};
use telemetry_bootstrap::LogFormat;
use telemetry_bootstrap::tracing_subscriber::Registry;

const CONFIGURATION: &str = "
file_format: '1.1'
meter_provider:
  readers:
    - pull: {exporter: {prometheus/development: {host: 127.0.0.1, port: 0}}}
    - periodic: {interval: 1, exporter: {otlp_grpc: {endpoint: 'http://127.0.0.1:9'}}}
";
/// Enough that a lock of each channel is held at some of them.
const FORKS: usize = 400;
/// Much longer than a drop that does not wait takes.
const HANGS: Duration = Duration::from_secs(10);

#[test]
fn dropping_the_guard_in_a_child_waits_for_no_lock_of_the_parent() {
    child_process::passed("child", &[]);
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn child() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), CONFIGURATION).unwrap();
    let builder = telemetry_bootstrap::init()
        .ignore_env()
        .config_file(file.path())
        // Watched all the time, flushed and scraped as well.
        .reload_interval(Duration::from_millis(1))
        .log_output(|output| output.format(LogFormat::Off));
    let guard = builder.build_local::<Registry>().unwrap().1;
    let meters = guard.meter_provider().clone();
    let address = guard.prometheus().unwrap().address().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let _ = scrape(address);
            }
        });
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let _ = meters.force_flush();
            }
        });
        let mut all_ended = true;
        for _ in 0..FORKS {
            match fork().unwrap() {
                Fork::Child => {
                    // Ends a child that hangs.
                    std::thread::spawn(|| {
                        std::thread::sleep(HANGS);
                        std::process::abort();
                    });
                    drop(guard);
                    std::process::exit(0);
                }
                Fork::Parent(child) => {
                    all_ended &= ExitStatus::from_raw(fork::waitpid(child).unwrap()).success();
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(all_ended);
    });
}

fn scrape(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
