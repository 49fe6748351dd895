//! What the benches share: each way to do a thing runs in a process of its own, the processes are measured in turns,
//! and the ratio between them is printed beside its budget.
//!
//! A process of its own, because telemetry is installed for a process; and because all that it costs counts then: the
//! threads that export, and the runtime under them. In turns, because the speed of a machine drifts. Processor time and
//! not the clock's, because other programs run too.

#![allow(
    dead_code,
    unused_imports,
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program for people, each of which uses its part"
)]

pub(crate) mod callgrind;
mod collector;
pub(crate) mod load;
mod ratio;
mod side;

pub(crate) use self::collector::{Collector, play as play_collector};
pub(crate) use self::ratio::{Budget, compare};
pub(crate) use self::side::{Role, Side, Work};

use criterion::Criterion;

/// Plays the role that this process was started for, or else runs the benches.
pub(crate) fn main(roles: &[Role], bench: fn(&mut Criterion)) {
    if play_collector() || side::play(roles) {
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
}

/// Whether everything is only to run once.
pub(crate) fn is_test() -> bool {
    std::env::args().any(|argument| argument == "--test")
}
