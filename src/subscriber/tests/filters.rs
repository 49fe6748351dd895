//! Filters and events of this crate, and filters by the values of spans.

use std::fmt;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::rig::{Options, Rig, texts};
use crate::record_error;

fn with_lines(lines: &'static str) -> Rig {
    Rig::with(Options { lines, ..Options::default() })
}

#[test]
fn events_of_this_crate_pass_filters_of_other_targets_but_not_those_of_their_own() {
    let error = || fmt::Error;
    for (filter, written) in [
        ("info", 1),
        ("some_crate=info", 1),
        ("some_crate=info,[span]=debug", 1),
        ("off", 0),
        ("info,record_error=off", 0),
        ("record_error=off,some_crate=info", 0),
        ("info,record_error=off,[span]=debug", 0),
        ("some_crate=off,record_error=error", 1),
    ] {
        let rig = with_lines(filter);
        record_error(&error());
        assert_eq!(texts(&rig.lines).len(), written, "{filter}");
    }
    for (filter, written) in [("some_crate=info", 1), ("info,panic=off", 0)] {
        let rig = with_lines(filter);
        tracing::error!(target: crate::semconv::PANIC_TARGET, "thread 'x' panicked: boom");
        assert_eq!(texts(&rig.lines).len(), written, "{filter}");
    }
}

/// A value whose formatting does this.
struct Value(Format);

type Format = fn(&mut fmt::Formatter<'_>) -> fmt::Result;

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0(f)
    }
}

#[test]
fn values_that_a_filter_compares_cannot_harm_the_program() {
    let values: [(&str, Format); 3] = [
        ("panics", |_| panic!("on purpose")),
        ("fails", |_| Err(fmt::Error)),
        ("makes spans", |f| {
            let _inner = tracing::info_span!("request", user = "ann").entered();
            tracing::info_span!("request", user = tracing::field::Empty).record("user", "ann");
            f.write_str("ann")
        }),
    ];
    for (name, format) in values {
        let (done, end) = channel();
        std::thread::spawn(move || {
            let rig = with_lines("warn,[request{user=ann}]=debug");
            let span = tracing::info_span!("request", user = ?Value(format));
            span.in_scope(|| tracing::debug!("created"));
            let span = tracing::info_span!("request", user = tracing::field::Empty);
            span.record("user", tracing::field::debug(Value(format)));
            span.in_scope(|| tracing::debug!("recorded"));
            // The filter goes on.
            tracing::info_span!("request", user = "ann").in_scope(|| tracing::debug!("after"));
            done.send(texts(&rig.lines)).unwrap();
        });
        let written =
            end.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let written: Vec<_> = written.iter().filter(|text| !text.contains("on purpose")).collect();
        let is_equal = name == "makes spans";
        assert_eq!(written.len(), if is_equal { 3 } else { 1 }, "{name}: {written:?}");
    }
}

#[test]
fn values_of_every_kind_are_compared() {
    let rig = with_lines(
        "warn,[s{b=true}]=debug,[s{i=-7}]=debug,[s{u=7}]=debug,[s{f=1.5}]=debug,[s{t=an.}]=debug,[s{d=Some}]=debug",
    );
    let inside = |span: tracing::Span| span.in_scope(|| tracing::debug!("seen"));
    let seen = || texts(&rig.lines).len();
    inside(tracing::info_span!("s", b = false, i = 7_i64, u = 8_u64, f = 2.5, t = "bob", d = ?None::<u8>));
    assert_eq!(seen(), 0);
    inside(tracing::info_span!("s", b = true));
    inside(tracing::info_span!("s", i = -7_i64));
    inside(tracing::info_span!("s", u = 7_u64));
    inside(tracing::info_span!("s", f = 1.5));
    inside(tracing::info_span!("s", t = "ann"));
    inside(tracing::info_span!("s", t = %"ann"));
    inside(tracing::info_span!("s", d = ?SomeValue::Some));
    assert_eq!(seen(), 7);
}

/// A value that `Debug` writes as its name.
#[derive(Debug)]
enum SomeValue {
    Some,
}
