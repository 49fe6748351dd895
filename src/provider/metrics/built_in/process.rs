//! The process, as Linux describes it in `/proc`. Other systems have no such metrics here.
//!
//! Each instrument reads its file anew at each collection; a file that cannot be read yields no measurement.
//!
//! | metric | kind | source |
//! |---|---|---|
//! | `process.cpu.time` by `cpu.mode` | counter, s | `/proc/self/stat`, fields 14 and 15 |
//! | `process.paging.faults` by `system.paging.fault.type` | counter | `/proc/self/stat`, fields 10 and 12 |
//! | `process.uptime` | gauge, s | `/proc/uptime` minus field 22 of `/proc/self/stat` |
//! | `process.memory.usage` | up-down counter, By | `VmRSS` in `/proc/self/status` |
//! | `process.memory.virtual` | up-down counter, By | `VmSize` in `/proc/self/status` |
//! | `process.thread.count` | up-down counter | `Threads` in `/proc/self/status` |
//! | `process.unix.file_descriptor.count` | up-down counter | entries of `/proc/self/fd` |

use std::fs;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use crate::semconv::process as names;

/// Creates the instruments.
pub(super) fn observe(meter: &Meter) {
    let cpu = |counter: &dyn AsyncInstrument<f64>| {
        if let Some(stat) = Stat::read() {
            counter.observe(stat.user, &[KeyValue::new(names::CPU_MODE, "user")]);
            counter.observe(stat.system, &[KeyValue::new(names::CPU_MODE, "system")]);
        }
    };
    let _ = meter.f64_observable_counter(names::CPU_TIME).with_unit("s").with_callback(cpu).build();
    let faults = |counter: &dyn AsyncInstrument<u64>| {
        if let Some(stat) = Stat::read() {
            counter.observe(stat.minor_faults, &[KeyValue::new(names::FAULT_TYPE, "minor")]);
            counter.observe(stat.major_faults, &[KeyValue::new(names::FAULT_TYPE, "major")]);
        }
    };
    let _ =
        meter.u64_observable_counter(names::PAGING_FAULTS).with_unit("{fault}").with_callback(faults).build();
    let uptime = |gauge: &dyn AsyncInstrument<f64>| {
        if let Some(uptime) = uptime() {
            gauge.observe(uptime, &[]);
        }
    };
    let _ = meter.f64_observable_gauge(names::UPTIME).with_unit("s").with_callback(uptime).build();
    amount(meter, names::MEMORY_USAGE, "By", || Some(status("VmRSS:")? * 1024));
    amount(meter, names::MEMORY_VIRTUAL, "By", || Some(status("VmSize:")? * 1024));
    amount(meter, names::THREAD_COUNT, "{thread}", || status("Threads:"));
    amount(meter, names::FILE_DESCRIPTOR_COUNT, "{file_descriptor}", || {
        // One of them reads the directory.
        i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok().map(|count| count - 1)
    });
}

/// Creates one up-down counter with one series, whose value is read by `value`. `None` yields no measurement.
fn amount(meter: &Meter, name: &'static str, unit: &'static str, value: fn() -> Option<i64>) {
    let observe = move |amount: &dyn AsyncInstrument<i64>| {
        if let Some(value) = value() {
            amount.observe(value, &[]);
        }
    };
    let _ = meter.i64_observable_up_down_counter(name).with_unit(unit).with_callback(observe).build();
}

/// Returns the number in the line of `/proc/self/status` that begins with `key`. Memory is in KiB there.
fn status(key: &str) -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Returns the seconds since the process started, by the clock that also runs while the system sleeps.
fn uptime() -> Option<f64> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let since_boot: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Some((since_boot - Stat::read()?.start).max(0.0))
}

/// A part of `/proc/self/stat`. Times are seconds.
struct Stat {
    /// Page faults that needed no I/O.
    minor_faults: u64,
    /// Page faults that read from a disk.
    major_faults: u64,
    /// CPU time in user mode, of all threads.
    user: f64,
    /// CPU time in the kernel, of all threads.
    system: f64,
    /// The start of the process, in seconds after the system's.
    start: f64,
}

impl Stat {
    /// Reads the file. `None` on systems without it.
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field, the name in parentheses, may contain anything.
        let fields: Vec<_> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - FIRST)?.parse::<u64>().ok();
        let seconds = |field| Some(number(field)? as f64 / TICKS_PER_SECOND);
        Some(Self {
            minor_faults: number(10)?,
            major_faults: number(12)?,
            user: seconds(14)?,
            system: seconds(15)?,
            start: seconds(22)?,
        })
    }
}

/// The number of the first field after the name, as proc(5) counts.
const FIRST: usize = 3;
/// `USER_HZ`, which is the same on all architectures that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;
