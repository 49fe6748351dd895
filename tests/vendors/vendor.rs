//! A program with a vendor's variables, and the same with one mistake.

use std::collections::HashSet;
use std::process::Command;

use telemetry_bootstrap::Signal::{self, Logs, Metrics, Traces};
use telemetry_bootstrap::SignalStats;

use self::Change::{NothingInCode, Variable};
use crate::page;
use crate::stand_in::{Rule, StandIn};

/// A vendor: the title and the number of the block on the page, what it takes, and its rules.
pub(crate) struct Vendor {
    pub(crate) title: &'static str,
    pub(crate) block: usize,
    pub(crate) signals: &'static [Signal],
    pub(crate) rules: &'static [Rule],
    pub(crate) mistakes: &'static [Mistake],
}

/// One thing that the page says, done otherwise, and what comes of it.
pub(crate) struct Mistake {
    change: Change,
    /// The signals that are refused then.
    refused: &'static [Signal],
    /// The receiver's words.
    words: &'static str,
    refusal: Refusal,
}

/// What is done otherwise.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// A variable has another value; an empty one is as good as none.
    Variable(&'static str, &'static str),
    /// What the page says to give in code is left out.
    NothingInCode,
}

/// The status of a refusal, and what the program logs to check.
pub(crate) type Refusal = (&'static str, &'static str);

/// A variable with a wrong value, the signals that are refused then, and the words and the kind of the refusal.
pub(crate) const fn wrong(
    variable: &'static str,
    value: &'static str,
    refused: &'static [Signal],
    words: &'static str,
    refusal: Refusal,
) -> Mistake {
    Mistake { change: Variable(variable, value), refused, words, refusal }
}

/// What the page says to give in code is left out.
pub(crate) const fn nothing_in_code(refused: &'static [Signal], words: &'static str) -> Mistake {
    Mistake { change: NothingInCode, refused, words, refusal: UNAUTHORIZED }
}

pub(crate) const ALL: &[Signal] = &[Traces, Metrics, Logs];

impl Vendor {
    /// Everything arrives with the variables of the page, and nothing of a signal with a mistake in them.
    pub(crate) fn check(&self) -> StandIn {
        let Run { stand_in, counts, lines } = self.run(None);
        assert!(lines.is_empty(), "{}: {lines:?}", self.title);
        for signal in ALL {
            let SignalStats { accepted, delivered, .. } = counts.of(*signal);
            assert_eq!(accepted, delivered, "{}, {signal}: {:?}", self.title, stand_in.refusals());
            assert_eq!(delivered > 0, self.signals.contains(signal), "{}, {signal}", self.title);
            assert_eq!(stand_in.taken(*signal) > 0, delivered > 0, "{}, {signal}", self.title);
        }
        self.mistakes.iter().for_each(|mistake| self.check_mistake(mistake));
        stand_in
    }

    /// The signals are refused, and each line about it names what the receiver said and the setting to check.
    fn check_mistake(&self, Mistake { change, refused, words, refusal: (status, check) }: &Mistake) {
        let Run { stand_in, counts, lines } = self.run(Some(*change));
        for signal in ALL {
            let SignalStats { accepted, delivered, .. } = counts.of(*signal);
            let expected = if refused.contains(signal) { 0 } else { accepted };
            assert_eq!(delivered, expected, "{} with {change:?}: {signal}", self.title);
        }
        assert!(!stand_in.refusals().is_empty(), "{} with {change:?}", self.title);
        let line = (format!("HTTP status {status}: {words}"), (*check).to_owned());
        assert_eq!(lines, HashSet::from([line]), "{} with {change:?}", self.title);
    }

    /// Runs a program with the variables of the page, and one change.
    fn run(&self, change: Option<Change>) -> Run {
        let stand_in = StandIn::start(self.rules);
        let mut block = page::blocks(self.title).remove(self.block);
        page::redirect(&mut block, &stand_in.address);
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env_clear()
            .envs(block)
            .envs(match change {
                Some(Variable(name, value)) => Some((name, value)),
                Some(NothingInCode) => Some((NO_CODE, "1")),
                None => None,
            })
            .env(VENDOR, self.title)
            .env("OTEL_RUST_SHUTDOWN_TIMEOUT", "5000")
            .output()
            .unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(output.status.success() && stdout.contains("running 1 test\n"), "{stdout}{stderr}");
        let counts = stdout.lines().find_map(|line| line.strip_prefix("counts "));
        let counts = counts.unwrap_or_else(|| panic!("{stdout}{stderr}"));
        let counts = Counts(serde_json::from_str(counts).unwrap());
        Run { stand_in, counts, lines: stderr.lines().filter_map(error_and_check).collect() }
    }
}

/// What a run of a program has left.
struct Run {
    stand_in: StandIn,
    counts: Counts,
    /// See [`error_and_check`].
    lines: HashSet<(String, String)>,
}

/// The fields `error` and `check` of a line about telemetry that is not delivered.
fn error_and_check(line: &str) -> Option<(String, String)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| Some(line[name].as_str()?.to_owned());
    field("error").zip(field("check"))
}

/// Accepted and delivered items of traces, metrics and logs.
struct Counts([(u64, u64); 3]);

impl Counts {
    fn of(&self, signal: Signal) -> SignalStats {
        let (accepted, delivered) = self.0[ALL.iter().position(|known| *known == signal).unwrap()];
        let mut stats = SignalStats::default();
        (stats.accepted, stats.delivered) = (accepted, delivered);
        stats
    }
}

/// For the child: whose variables it has.
pub(crate) const VENDOR: &str = "VENDOR";
/// For the child: it gives nothing in code.
pub(crate) const NO_CODE: &str = "NO_CODE";

pub(crate) const UNAUTHORIZED: Refusal = (
    "401 Unauthorized",
    "the credentials were not accepted: check OTEL_EXPORTER_OTLP_HEADERS, or the source of the token, or user and password of \
     the proxy if there is one",
);
pub(crate) const UNSUPPORTED: Refusal = ("415 Unsupported Media Type", BAD_JSON.1);
pub(crate) const BAD_JSON: Refusal =
    ("400 Bad Request", "does the receiver take JSON? If not, set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf");
pub(crate) const BAD: Refusal = ("400 Bad Request", "what does the collector's own log say?");
