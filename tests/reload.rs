//! The configuration file, changed while the program runs: what changes, what does not, and that nothing is lost by it.

#![cfg(all(feature = "testing", feature = "config-file"))]
#![expect(clippy::unwrap_used, reason = "test code")]

mod child_process;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::trace::TraceContextExt as _;
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{
    Builder, InitError, LogDestination, LogFormat, ReloadError, ReloadSummary, SpanExt as _, TelemetryGuard,
    init, tracing,
};
use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt as _;

#[path = "reload/process.rs"]
mod process;
// Seen from outside as Linux shows threads.
#[cfg(target_os = "linux")]
#[path = "reload/watched.rs"]
mod watched;

/// Telemetry under a file that changes.
struct Run {
    guard: Option<TelemetryGuard>,
    subscriber: tracing::Dispatch,
    collector: Collector,
    directory: TempDir,
}

impl Run {
    fn start(text: &str) -> Self {
        Self::start_with(text, |builder| builder)
    }

    fn start_with(text: &str, adjust: impl FnOnce(Builder) -> Builder) -> Self {
        let collector = Collector::start().unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("otel.yaml"), document(text, collector.port())).unwrap();
        let lines = LogDestination::File(directory.path().join("lines"));
        let builder = init()
            .config_file(directory.path().join("otel.yaml"))
            .log_output(|output| output.format(LogFormat::Json).destination(lines));
        let (layer, guard) = adjust(builder).build_local().unwrap();
        let subscriber = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
        Self { guard: Some(guard), subscriber, collector, directory }
    }

    fn guard(&self) -> &TelemetryGuard {
        self.guard.as_ref().unwrap()
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("otel.yaml")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), document(text, self.collector.port())).unwrap();
    }

    fn reload(&self, text: &str) -> ReloadSummary {
        self.write(text);
        self.guard().reload().unwrap()
    }

    fn with<T>(&self, record: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&self.subscriber, record)
    }

    /// Records spans and events of several levels, and returns what arrived of them, and which lines were written.
    fn seen(&self) -> String {
        self.collector.clear();
        let before = self.lines("reload").len();
        self.with(|| {
            tracing::info_span!("coarse").in_scope(|| {
                tracing::debug_span!("fine").in_scope(|| {
                    tracing::debug!("detail");
                    tracing::warn!("warning");
                });
            });
        });
        let _ = self.guard().force_flush(Duration::from_secs(5));
        let received = self.collector.received();
        let mut spans: Vec<_> = received.spans().iter().map(|span| span.name().to_owned()).collect();
        spans.sort();
        let records: Vec<_> = received.logs().iter().map(|log| log.body()).collect();
        let lines = self.lines("reload").split_off(before);
        format!("{} | {} | {}", spans.join(" "), records.join(" "), lines.join(" "))
    }

    /// The messages of the lines of a target. Lines of this crate itself come from `telemetry_bootstrap`.
    fn lines(&self, target: &str) -> Vec<String> {
        let written = self.json_lines();
        let of_target = written.iter().filter(|line| line["target"].as_str().unwrap().starts_with(target));
        of_target.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }

    fn json_lines(&self) -> Vec<serde_json::Value> {
        json_lines(&self.directory.path().join("lines"))
    }

    /// Waits until a line with this message was written `count` times, and returns the last.
    fn wait_for_line(&self, message: &str, count: usize) -> serde_json::Value {
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut found = self.json_lines();
            found.retain(|line| line["message"] == message);
            if found.len() >= count {
                assert_eq!(found.len(), count, "{found:?}");
                return found.pop().unwrap();
            }
            assert!(Instant::now() < deadline, "{message}: {:?}", self.json_lines());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn json_lines(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    // The last one may be half written.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Three providers, with what a test adds: `log_level` and such at the top, `sampler` to the tracer provider, and the
/// settings of this crate.
fn document(text: &str, port: u16) -> String {
    let (mut top, mut sampler, mut own) = (String::new(), String::new(), String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(' ') {
            Some(("sampler:", value)) => sampler = format!("sampler: {value}, "),
            Some(("own:", value)) => own = value.to_owned(),
            _ => top = format!("{top}{line}\n"),
        }
    }
    let exporter = |signal: &str| {
        format!("exporter: {{otlp_http: {{endpoint: 'http://localhost:{port}/v1/{signal}'}}}}")
    };
    format!(
        "file_format: '1.1'\n{top}\
         tracer_provider: {{{sampler}processors: [{{simple: {{{}}}}}]}}\n\
         meter_provider: {{readers: [{{periodic: {{{}}}}}]}}\n\
         logger_provider: {{processors: [{{simple: {{{}}}}}]}}\n\
         distribution: {{telemetry_bootstrap: {{{own}}}}}\n",
        exporter("traces"),
        exporter("metrics"),
        exporter("logs"),
    )
}

fn changed(summary: &ReloadSummary) -> Vec<(&str, &str)> {
    summary.changed().collect()
}

#[test]
fn filters_levels_and_sampler_change_at_once() {
    let everything = "coarse | warning | warning";
    for (text, path, value, expected) in [
        ("own: log_filter: debug", "log_filter", "debug", "coarse | detail warning | detail warning"),
        ("own: log_output: {filter: off}", "log_output.filter", "off", "coarse | warning | "),
        ("own: logs: {filter: debug}", "logs.filter", "debug", "coarse | detail warning | warning"),
        ("own: logs: {minimum_severity: error}", "logs.minimum_severity", "error", "coarse |  | warning"),
        ("own: span_filter: debug", "span_filter", "debug", "coarse fine | warning | warning"),
    ] {
        let run = Run::start("");
        assert_eq!(run.seen(), everything);
        let summary = run.reload(text);
        let path = format!("distribution.telemetry_bootstrap.{path}");
        assert_eq!(changed(&summary), [(&*path, value)], "{text}");
        assert_eq!(summary.needs_restart(), [""; 0], "{text}");
        assert_eq!(run.seen(), expected, "{text}");
        run.reload("");
        assert_eq!(run.seen(), everything, "{text}, and back");
        let lines = run.json_lines();
        let line = lines.iter().find(|line| line["message"] == "configuration file reloaded").unwrap();
        assert_eq!(line["level"], "INFO");
        assert!(line["path"].as_str().unwrap().ends_with("otel.yaml"), "{line}");
    }
}

#[test]
fn every_sampler_can_replace_every_other() {
    let samplers = [
        ("{always_on: }", "always_on", true),
        ("{always_off: }", "always_off", false),
        ("{trace_id_ratio_based: {ratio: 0}}", "traceidratio 0", false),
        ("{trace_id_ratio_based: {ratio: 1}}", "traceidratio 1", true),
        ("{parent_based: {root: {always_off: }}}", "parentbased_always_off", false),
        ("{parent_based: {root: {always_on: }}}", "parentbased_always_on", true),
        (
            "{parent_based: {root: {always_on: }, remote_parent_sampled: {always_off: }}}",
            "parent_based (always_on)",
            true,
        ),
    ];
    let run = Run::start("sampler: {always_on: }");
    // The ratio counts for its name; the schema's default is 1.
    let mut current = "always_on".to_owned();
    for (first, name, is_sampled) in samplers {
        for (second, second_name, second_is_sampled) in samplers {
            for (text, name, is_sampled) in
                [(first, name, is_sampled), (second, second_name, second_is_sampled)]
            {
                let summary = run.reload(&format!("sampler: {text}"));
                match current == name {
                    true => assert_eq!(summary, ReloadSummary::default()),
                    false => assert_eq!(changed(&summary), [("tracer_provider.sampler", name)]),
                }
                current = name.to_owned();
                let spans = run.with(|| {
                    let root = tracing::info_span!("root").entered();
                    let child = tracing::info_span!("child").entered();
                    [root.context(), child.context()].map(|it| it.span().span_context().is_sampled())
                });
                assert_eq!(spans, [is_sampled; 2], "{first} {second}");
            }
        }
    }
}

#[test]
fn sampler_in_code_is_used_while_the_file_names_none() {
    let own = opentelemetry_sdk::trace::Sampler::AlwaysOff;
    let run = Run::start_with("", |builder| builder.traces(|traces| traces.sampler(own)));
    assert_eq!(run.seen(), " | warning | warning");
    let summary = run.reload("sampler: {always_on: }");
    assert_eq!(changed(&summary), [("tracer_provider.sampler", "always_on")]);
    assert_eq!(run.seen(), "coarse | warning | warning");
    assert_eq!(changed(&run.reload("")), [("tracer_provider.sampler", "custom")]);
    assert_eq!(run.seen(), " | warning | warning");
}

#[test]
fn the_level_of_our_own_lines_changes() {
    let run = Run::start("log_level: error");
    run.reload("log_level: error\nown: log_filter: debug");
    assert_eq!(run.lines("telemetry_bootstrap"), [""; 0]);
    assert_eq!(changed(&run.reload("log_level: info")).len(), 2);
    run.wait_for_line("configuration file reloaded", 1);
}

#[test]
fn settings_that_need_a_restart_are_listed_by_path() {
    let run = Run::start("sampler: {always_on: }");
    for (text, path) in [
        ("disabled: true", "disabled"),
        ("attribute_limits: {attribute_count_limit: 1}", "attribute_limits"),
        ("resource: {attributes: [{name: service.name, value: other}]}", "resource"),
        ("propagator: {composite: [{b3: }]}", "propagator"),
        (
            "instrumentation/development: {general: {stability_opt_in_list: rpc/dup}}",
            "instrumentation/development",
        ),
        ("own: shutdown_timeout: 1", "distribution.telemetry_bootstrap.shutdown_timeout"),
        ("own: reload_interval: 1", "distribution.telemetry_bootstrap.reload_interval"),
        ("own: log_output: {format: pretty}", "distribution.telemetry_bootstrap.log_output.format"),
        (
            "own: logs: {sampled_traces_only: true}",
            "distribution.telemetry_bootstrap.logs.sampled_traces_only",
        ),
        ("own: traces: {max_queue_bytes: 1}", "distribution.telemetry_bootstrap.traces"),
        ("own: metrics: {built_in: [process]}", "distribution.telemetry_bootstrap.metrics"),
        ("own: exception_signal: logs", "distribution.telemetry_bootstrap.exception_signal"),
    ] {
        let summary = run.reload(&format!("sampler: {{always_on: }}\n{text}"));
        assert_eq!(summary.needs_restart(), [path], "{text}");
        assert_eq!(changed(&summary), [], "{text}");
        assert_eq!(run.seen(), "coarse | warning | warning", "{text}");
    }
    let text = document("sampler: {always_on: }", run.collector.port());
    for (from, to, expected) in [
        (
            "simple: {exporter",
            "batch: {schedule_delay: 1, exporter",
            &["tracer_provider.processors[0].simple", "tracer_provider.processors[0].batch"][..],
        ),
        ("/v1/traces", "/elsewhere", &["tracer_provider.processors[0].simple.exporter.otlp_http.endpoint"]),
        ("/v1/metrics'}}", "/v1/metrics'}}, interval: 1", &["meter_provider.readers[0].periodic.interval"]),
    ] {
        fs::write(run.path(), text.replacen(from, to, 1)).unwrap();
        assert_eq!(run.guard().reload().unwrap().needs_restart(), expected, "{to}");
        assert_eq!(run.seen(), "coarse | warning | warning", "{to}");
    }
    let line =
        run.json_lines().into_iter().rfind(|line| line["level"] == "WARN" && line.get("settings").is_some());
    let line = line.unwrap();
    assert_eq!(line["message"], "changes of the configuration file take effect only at the next start");
    assert_eq!(line["settings"], "meter_provider.readers[0].periodic.interval");
}

#[test]
fn a_provider_that_comes_or_goes_changes_neither_sampler_nor_spans() {
    let run = Run::start("sampler: {always_on: }");
    let text = document("sampler: {always_off: }", run.collector.port());
    let without: String =
        text.lines().filter(|line| !line.starts_with("tracer")).map(|line| format!("{line}\n")).collect();
    fs::write(run.path(), &without).unwrap();
    let summary = run.guard().reload().unwrap();
    assert_eq!((changed(&summary), summary.needs_restart()), (vec![], &["tracer_provider".to_owned()][..]));
    assert_eq!(run.seen(), "coarse | warning | warning");
    fs::write(run.path(), &text).unwrap();
    let summary = run.guard().reload().unwrap();
    assert_eq!(changed(&summary), [("tracer_provider.sampler", "always_off")]);
    assert_eq!(run.seen(), " | warning | warning");

    let other = Run::start("disabled: true");
    let summary = other.reload("sampler: {always_off: }");
    assert_eq!((changed(&summary), summary.needs_restart()), (vec![], &["disabled".to_owned()][..]));
}

#[test]
fn a_file_with_mistakes_changes_nothing_and_lists_them() {
    let run = Run::start("own: log_filter: debug");
    let text = document(
        "log_level: loud\nsampler: {always_off: }\nown: log_filter: 'a=b=c', no_color: 7",
        run.collector.port(),
    );
    fs::write(run.path(), text).unwrap();
    let error = run.guard().reload().unwrap_err();
    let ReloadError::Invalid(InitError::ConfigFile { mistakes, .. }) = &error else { panic!("{error:?}") };
    assert_eq!(mistakes[0].path(), "log_level");
    assert_eq!((mistakes[0].line(), mistakes[0].column()), (2, 12));
    assert_eq!(run.seen(), "coarse | detail warning | detail warning");
    // A filter is checked by its own parser, later.
    run.write("sampler: {always_off: }\nown: log_filter: 'warn,a=b=c'");
    let error = run.guard().reload().unwrap_err().to_string();
    assert!(error.contains("a=b=c") && error.contains("line 5 of "), "{error}");
    assert_eq!(run.seen(), "coarse | detail warning | detail warning");
    for missing in ["removed", "directory"] {
        let _ = fs::remove_file(run.path());
        if missing == "directory" {
            fs::create_dir(run.path()).unwrap();
        }
        let error = format!("{:?}", run.guard().reload().unwrap_err());
        assert!(error.contains("(set by .config_file()): the file cannot be read: "), "{error}");
        assert_eq!(run.seen(), "coarse | detail warning | detail warning");
    }
    fs::remove_dir(run.path()).unwrap();
    assert_eq!(changed(&run.reload("")).len(), 1);
    assert_eq!(run.seen(), "coarse | warning | warning");
}

#[test]
fn without_a_file_there_is_nothing_to_reload() {
    let (_, guard) = init().ignore_env().build_local::<tracing_subscriber::Registry>().unwrap();
    assert!(matches!(guard.reload(), Err(ReloadError::NoConfigFile)));
}

#[test]
fn filter_set_by_the_program_stays_while_the_file_keeps_its_own() {
    let run = Run::start("own: log_filter: info");
    run.guard().set_log_filter("debug").unwrap();
    run.reload("own: log_filter: info, span_filter: debug");
    assert_eq!(run.seen(), "coarse fine | detail warning | detail warning");
    run.reload("own: log_filter: warn, span_filter: debug");
    assert_eq!(run.seen(), "coarse fine | warning | warning");
}

#[test]
fn the_closure_that_changes_the_document_is_called_again() {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let run = Run::start_with("", |builder| {
        builder.config_file_changes(|document| match CALLS.fetch_add(1, Ordering::SeqCst) {
            0 => document.set("distribution.telemetry_bootstrap.span_filter", "off"),
            1 => document.set("distribution.telemetry_bootstrap.span_filter", "debug"),
            _ => panic!("the closure has had enough"),
        })
    });
    assert_eq!(run.seen(), " | warning | warning");
    assert_eq!(changed(&run.guard().reload().unwrap()).len(), 1);
    assert_eq!(run.seen(), "coarse fine | warning | warning");
    let error = run.guard().reload().unwrap_err().to_string();
    assert!(error.contains(".config_file_changes()") && error.contains("the closure panicked"), "{error}");
    assert_eq!(run.seen(), "coarse fine | warning | warning");
}

#[test]
fn a_reload_within_a_reload_is_an_error() {
    static GUARD: std::sync::OnceLock<Run> = std::sync::OnceLock::new();
    static INNER: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    let run = Run::start_with("", |builder| {
        builder.config_file_changes(|_| {
            if let Some(run) = GUARD.get() {
                let outcome = format!("{:?}", run.guard().reload().unwrap_err());
                INNER.lock().unwrap().push(outcome);
            }
        })
    });
    let run = GUARD.get_or_init(|| run);
    run.guard().reload().unwrap();
    assert_eq!(*INNER.lock().unwrap(), ["this thread is already reloading the configuration file"]);
}

#[test]
fn two_guards_have_each_their_own_file() {
    let (one, other) = (Run::start(""), Run::start(""));
    one.reload("sampler: {always_off: }\nown: log_filter: debug");
    assert_eq!(one.seen(), " | detail warning | detail warning");
    assert_eq!(other.seen(), "coarse | warning | warning");
    other.reload("own: span_filter: debug");
    assert_eq!(one.seen(), " | detail warning | detail warning");
    assert_eq!(other.seen(), "coarse fine | warning | warning");
}

/// Every span that its thread saw sampled, and every record, arrives, while all that can change changes.
#[test]
fn nothing_that_was_recorded_is_lost_while_the_file_changes() {
    let mut run = Run::start("own: log_output: {filter: off}");
    let port = run.collector.port();
    let (sampled, records, reloads) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        // Dropped by a panic as well, for which the scope would wait forever.
        let recording = Arc::new(());
        let is_recording = Arc::downgrade(&recording);
        let (run, reloads) = (&run, &reloads);
        let workers = [0, 1].map(|_| {
            scope.spawn(|| {
                run.with(|| {
                    for _ in 0..5_000 {
                        let span = tracing::info_span!("work").entered();
                        tracing::warn!("done");
                        records.fetch_add(1, Ordering::Relaxed);
                        let is_sampled = span.context().span().span_context().is_sampled();
                        sampled.fetch_add(u64::from(is_sampled), Ordering::Relaxed);
                    }
                });
            })
        });
        scope.spawn(move || {
            let versions = [
                "sampler: {always_off: }\nown: log_output: {filter: off}",
                "sampler: {trace_id_ratio_based: {ratio: 0.5}}\nown: log_output: {filter: off}, log_filter: 'warn,other=trace'",
                "sampler: {always_on: }\nown: log_output: {filter: off}, log_filter: '[none]=debug,warn'",
                "own: log_output: {filter: off}, span_filter: 'info,x[y]=trace', logs: {minimum_severity: warn}",
            ];
            let mut at_least = 100;
            for version in versions.iter().cycle() {
                fs::write(run.path(), document(version, port)).unwrap();
                run.guard().reload().unwrap();
                reloads.fetch_add(1, Ordering::Relaxed);
                at_least -= i32::from(at_least > 0);
                if at_least == 0 && is_recording.strong_count() == 0 {
                    break;
                }
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        drop(recording);
    });
    run.guard().force_flush(LIMIT * 3).unwrap();
    let stats = run.guard.take().unwrap().shutdown().unwrap();
    let (sampled, records) = (sampled.into_inner(), records.into_inner());
    assert!(sampled > 0 && sampled < 10_000 && reloads.into_inner() >= 100, "{sampled}");
    assert_eq!((stats.traces.delivered, stats.logs.delivered), (sampled, records), "{stats}");
    let received = run.collector.received();
    assert_eq!((received.span_count() as u64, received.log_count() as u64), (sampled, 10_000));
}

/// The limit of every wait.
const LIMIT: Duration = Duration::from_secs(20);
