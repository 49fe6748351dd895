//! What `build()` does to a process, what it leaves alone when it fails, and what it reports about the environment.
//!
//! Each test runs `child` in a process of its own, with the task in a variable.

#![expect(clippy::unwrap_used, reason = "test code")]
#![expect(clippy::print_stdout, reason = "the programs speak to their parent")]

mod child_process;

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use child_process::Running;
use opentelemetry::trace::{Tracer as _, TracerProvider as _};
use opentelemetry::{InstrumentationScope, KeyValue, global};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use telemetry_bootstrap::Signal;
use telemetry_bootstrap::testing::{CollectedTelemetry, Collector};
use telemetry_bootstrap::{InitError, LogFormat, init, tracing};

#[test]
fn one_call_sets_up_three_signals_with_one_resource() {
    let collector = Collector::start().unwrap();
    run("three signals", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())]);
    let received = collector.received();

    let (spans, logs, metrics) = (received.spans(), received.logs(), received.metrics());
    let resource = &spans[0].resource;
    assert!(logs.iter().all(|log| log.resource == *resource));
    assert!(metrics.iter().all(|metric| metric.resource == *resource));
    assert_eq!(spans[0].resource_attribute("service.name"), Some("shop".into()));
    assert_eq!(spans[0].resource_attribute("service.version"), Some("1.2.3".into()));
    for key in
        ["service.instance.id", "telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version"]
    {
        assert!(spans[0].resource_attribute(key).is_some(), "{key}");
    }
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        assert!(received.requests(signal).count() > 0, "{signal:?}");
    }

    let scopes: Vec<_> = ["of the guard", "of the global"]
        .iter()
        .map(|name| received.spans_named(name)[0].scope.clone())
        .map(|scope| (scope.name.clone(), scope.version.clone()))
        .collect();
    assert_eq!(scopes, [("a.guard".into(), String::new()), ("a.global".into(), "3".to_owned())]);
    let counter = metrics.iter().find(|metric| metric.metric.name == "orders").unwrap();
    assert_eq!(counter.scope.name, "a.meter");
    assert_eq!(
        (counter.metric.unit.as_str(), counter.metric.description.as_str()),
        ("{order}", "Orders taken")
    );
    assert!(matches!(&counter.metric.data, Some(Data::Sum(sum)) if sum.is_monotonic));
    assert_eq!(received.value("orders", &[("kind", "big")]), Some(2.0));
}

/// Not with a panic on a thread, which would end the process under `panic = "abort"`.
#[cfg(unix)]
#[test]
fn too_few_file_descriptors_are_an_error_with_the_reason() {
    let program = std::env::current_exe().unwrap();
    let mut refused = 0;
    for limit in 4..20 {
        let output = Command::new("sh")
            .args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")])
            .arg(&program)
            .args(child_process::arguments("child"))
            .env(TASK, "few descriptors")
            .output()
            .unwrap();
        let text =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(!text.contains("panicked"), "{limit}: {text}");
        refused += usize::from(text.contains("refused: Too many open files"));
    }
    assert!(refused > 0);
}

fn few_descriptors() {
    if let Err(error) = init()
        .ignore_env()
        .endpoint("http://127.0.0.1:1")
        .log_output(|output| output.format(LogFormat::Off))
        .build()
    {
        println!("refused: {}", std::error::Error::source(&error).unwrap());
    }
}

/// The advice is about the collector only where the collector may be the cause.
#[cfg(unix)]
#[test]
fn missing_file_descriptors_are_reported_as_the_cause_of_a_failed_connection() {
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(child_process::arguments("child"))
        .env(TASK, "no descriptor left")
        .output()
        .unwrap();
    let output_text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{output_text}");
    let line = output_text.lines().find(|line| line.contains("not being delivered")).unwrap();
    assert!(line.contains("Too many open files") && line.contains("ulimit -n"), "{line}");
    assert!(!line.contains("is the collector running"), "{line}");
}

#[cfg(unix)]
fn no_descriptor_left() {
    let builder = init()
        .ignore_env()
        .endpoint("http://127.0.0.1:1")
        .log_output(|output| output.format(LogFormat::Json));
    let guard = builder.build().unwrap();
    let files: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    guard.tracer("test").in_span("order", |_| {});
    guard.force_flush(Duration::from_secs(10)).unwrap_err();
    drop(files);
}

fn three_signals() {
    let guard = init().service_name("shop").service_version("1.2.3").build().unwrap();
    guard.tracer("a.guard").in_span("of the guard", |_| {});
    let scope = InstrumentationScope::builder("a.global").with_version("3").build();
    global::tracer_provider().tracer_with_scope(scope).in_span("of the global", |_| {});
    tracing::info!("hello");
    let orders = guard
        .meter("a.meter")
        .u64_counter("orders")
        .with_unit("{order}")
        .with_description("Orders taken")
        .build();
    orders.add(2, &[KeyValue::new("kind", "big")]);
    guard.shutdown().unwrap();
}

#[test]
fn a_second_start_is_an_error_that_changes_nothing() {
    let collector = Collector::start().unwrap();
    run("twice", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())]);
    let received = collector.received();
    let bodies: Vec<_> = received.logs().iter().map(|log| log.body()).collect();
    assert_eq!(bodies, ["once"]);
    assert_eq!(received.spans_named("once").len(), 1);
    assert_eq!(received.spans()[0].resource_attribute("service.name"), Some("first".into()));
}

fn twice() {
    let guard = init().service_name("first").build().unwrap();
    let threads = Threads::now();
    assert!(matches!(init().service_name("second").build(), Err(InitError::AlreadyInitialized)));
    threads.wait_until_no_more();
    tracing::info_span!("once").in_scope(|| tracing::info!("once"));
    guard.shutdown().unwrap();
}

#[test]
fn a_foreign_subscriber_is_an_error_that_changes_nothing() {
    let collector = Collector::start().unwrap();
    run("foreign", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())]);
    assert_eq!(collector.received().span_count(), 0);
}

fn foreign() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
    let threads = Threads::now();
    assert!(matches!(init().build(), Err(InitError::SubscriberInstalled)));
    threads.wait_until_no_more();
    let mut is_recording = true;
    global::tracer("any").in_span("nothing", |context| {
        is_recording = opentelemetry::trace::TraceContextExt::span(&context).is_recording();
    });
    assert!(!is_recording, "the global provider is as it was");
}

/// How many threads this process has.
struct Threads(usize);

impl Threads {
    fn now() -> Self {
        // Where there is no such directory, nothing is found out.
        Self(std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count))
    }

    fn wait_until_no_more(&self) {
        let limit = Instant::now() + Duration::from_secs(10);
        while Self::now().0 > self.0 {
            assert!(Instant::now() < limit, "threads stay behind");
            std::thread::yield_now();
        }
    }
}

#[test]
fn an_interval_of_a_second_delivers_within_two() {
    let collector = Collector::start().unwrap();
    let mut program = Running::start(
        child_process::command("child")
            .envs([
                (TASK, "interval"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint()),
                ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
            ])
            .stdin(Stdio::piped()),
    );
    let arrived = |received: &CollectedTelemetry| received.point_count() > 0;
    collector.wait_for(Duration::from_secs(20), arrived).unwrap();
    // The best of several, since others may take the processor.
    let comes_in_time = |_| {
        let first = collector.received().point_count();
        collector.wait_for(Duration::from_secs(2), |received| received.point_count() > first).is_ok()
    };
    assert!((0..5).any(comes_in_time));
    drop(program.stdin.take());
    assert!(program.end_within(Duration::from_secs(20)).success());
}

fn interval() {
    let guard = init().service_name("interval").build().unwrap();
    guard.meter("m").u64_counter("ticks").build().add(1, &[]);
    // Until the test has seen the second collection.
    std::io::stdin().read_to_string(&mut String::new()).unwrap();
    guard.shutdown().unwrap();
}

#[test]
fn no_secret_of_the_environment_is_ever_printed() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key.pem");
    std::fs::write(&key, format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"))
        .unwrap();
    let refused = Collector::closed_endpoint().unwrap();
    let environments = [
        vec![("HEADERS", format!("authorization=Bearer {SECRET}")), ("ENDPOINT", refused.clone())],
        vec![("HEADERS", format!("authorization={SECRET}%zz")), ("ENDPOINT", refused.clone())],
        vec![("HEADERS", format!("not a name={SECRET}")), ("ENDPOINT", refused.clone())],
        vec![("HEADERS", format!("a={SECRET},=,b")), ("ENDPOINT", refused)],
        vec![("ENDPOINT", format!("http://user:{SECRET}@127.0.0.1:1"))],
        vec![("ENDPOINT", format!("user:{SECRET}@127.0.0.1:1"))],
        vec![("ENDPOINT", format!("ftp://user:{SECRET}@127.0.0.1:1"))],
        vec![("ENDPOINT", format!("http://127.0.0.1:1/?token={SECRET}#{SECRET}"))],
        vec![
            ("ENDPOINT", "https://127.0.0.1:1".to_owned()),
            ("CLIENT_KEY", key.display().to_string()),
            ("CLIENT_CERTIFICATE", key.display().to_string()),
        ],
    ];
    for environment in environments {
        for signal in ["", "TRACES_", "METRICS_", "LOGS_"] {
            let variables: Vec<_> = environment
                .iter()
                .map(|(name, value)| (format!("OTEL_EXPORTER_OTLP_{signal}{name}"), value.as_str()))
                .collect();
            let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            let (stdout, stderr) = run("talk", &[&[("RUST_LOG", "trace")], &variables[..]].concat());
            let output_text = stdout + &stderr;
            assert!(output_text.contains("has started"), "{output_text}");
            assert!(!output_text.contains(SECRET), "{variables:?}: {output_text}");
        }
    }
}

fn talk() {
    let builder = init()
        .service_name("talk")
        .log_output(|output| output.format(LogFormat::Json))
        .shutdown_timeout(Duration::from_secs(1));
    println!("{builder:?}");
    match builder.build() {
        Ok(guard) => {
            println!("{guard:?}");
            tracing::info_span!("work").in_scope(|| tracing::info!("has started"));
            println!("{:?}", guard.shutdown());
        }
        Err(error) => println!("{error} {error:?}"),
    }
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    match std::env::var(TASK).as_deref() {
        Ok("few descriptors") => few_descriptors(),
        #[cfg(unix)]
        Ok("no descriptor left") => no_descriptor_left(),
        Ok("three signals") => three_signals(),
        Ok("twice") => twice(),
        Ok("foreign") => foreign(),
        Ok("interval") => interval(),
        Ok("talk") => talk(),
        unknown => panic!("no such task: {unknown:?}"),
    }
}

fn run(task: &str, variables: &[(&str, &str)]) -> (String, String) {
    child_process::passed("child", &[&[(TASK, task)], variables].concat())
}

const TASK: &str = "START_TASK";
const SECRET: &str = "hunter2";
