//! Processes that are measured: this program once more, in a role.

use std::env;
use std::io::{BufRead, BufReader, Write, stdin};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use cpu_time::ProcessTime;

use super::Collector;

/// What a process can be started for, by name: given the endpoint of the collector it prepares its work.
pub(crate) type Role = (&'static str, fn(&str) -> Work);

/// Does so many items, and returns a number whose meaning depends on the bench.
pub(crate) type Work = Box<dyn FnMut(u64) -> u64>;

/// A process in one of the roles. Ends when it is dropped.
pub(crate) struct Side {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Processor time of the whole process, at its last answer.
    used: Duration,
}

impl Side {
    /// Starts this program, under another one where that is wanted: `BENCH_UNDER="valgrind --tool=callgrind"`.
    pub(crate) fn start(role: &str, collector: &Collector) -> Self {
        Self::start_under(&env::var("BENCH_UNDER").unwrap_or_default(), role, collector)
    }

    /// Starts this program under another one, which is given with its arguments.
    pub(crate) fn start_under(program: &str, role: &str, collector: &Collector) -> Self {
        let mut process = command(program)
            .env(ROLE, role)
            .env(ENDPOINT, collector.endpoint())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut side = Self { process, orders, answers, used: Duration::ZERO };
        side.work(0);
        side
    }

    /// Has so many items done. Gives the processor time that the process has used since its last answer.
    pub(crate) fn work(&mut self, items: u64) -> (Duration, u64) {
        let orders = self.orders.as_mut().expect("open until dropped");
        writeln!(orders, "{items}").expect("the process lives");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the process answers");
        let (used, number) = answer.trim().split_once(' ').expect("two numbers");
        let used = Duration::from_nanos(used.parse().expect("a number"));
        let since = used - std::mem::replace(&mut self.used, used);
        (since, number.parse().expect("a number"))
    }

    pub(crate) fn cpu(&mut self, items: u64) -> Duration {
        self.work(items).0
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.process.wait();
    }
}

/// This program, or another one that runs it.
fn command(under: &str) -> Command {
    let program = env::current_exe().expect("this program");
    let mut words = under.split_whitespace();
    let Some(profiler) = words.next() else { return Command::new(program) };
    let mut command = Command::new(profiler);
    command.args(words).arg(program);
    command
}

/// Plays the role that this process was started for, if any, until the orders end.
pub(super) fn play(roles: &[Role]) -> bool {
    let (Ok(role), Ok(endpoint)) = (env::var(ROLE), env::var(ENDPOINT)) else { return false };
    let (_, prepare) = roles.iter().find(|(name, _)| *name == role).expect("a role of this bench");
    let mut work = prepare(&endpoint);
    for order in stdin().lines() {
        let items = order.expect("a line").parse().expect("a number");
        let number = work(items);
        let used = ProcessTime::now().as_duration().as_nanos();
        println!("{used} {number}");
    }
    true
}

const ROLE: &str = "BENCH_ROLE";
const ENDPOINT: &str = "BENCH_ENDPOINT";
