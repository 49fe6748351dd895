//! Which events are exported as log records, and with what: seen at the collector.

#![expect(clippy::unwrap_used, reason = "test code")]

use opentelemetry::KeyValue;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_sdk::trace::Sampler;
use telemetry_bootstrap::testing::{CollectedTelemetry, Collector};
use telemetry_bootstrap::tracing::{self, Level};
use telemetry_bootstrap::{Builder, LogFormat, Redaction, init, with_fields};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

/// What arrives of `events`.
fn exported(settings: impl FnOnce(Builder) -> Builder, events: impl FnOnce()) -> CollectedTelemetry {
    let collector = Collector::start().unwrap();
    let builder =
        init().endpoint(collector.endpoint()).log_output(|output| output.format(LogFormat::Off)).ignore_env();
    let (layer, guard) = settings(builder).build_local::<Registry>().unwrap();
    tracing::subscriber::with_default(Registry::default().with(layer), events);
    guard.shutdown().unwrap();
    collector.received()
}

fn bodies(received: &CollectedTelemetry) -> Vec<String> {
    received.logs().iter().map(|log| log.body()).collect()
}

#[test]
fn records_below_the_minimum_severity_are_not_exported() {
    let received = exported(
        |builder| builder.log_filter("trace").logs(|logs| logs.minimum_severity(Level::WARN)),
        || {
            tracing::info!("info");
            tracing::warn!("warn");
            log_record(log::Level::Info, "info of log");
            log_record(log::Level::Error, "error of log");
        },
    );
    assert_eq!(bodies(&received), ["warn", "error of log"]);
}

fn log_record(level: log::Level, text: &str) {
    tracing_log::format_trace(
        &log::Record::builder().level(level).target("old").args(format_args!("{text}")).build(),
    )
    .unwrap();
}

#[test]
fn sampled_traces_only_drops_records_of_unsampled_traces_alone() {
    let events = || {
        tracing::info!("outside of any trace");
        tracing::info_span!("work").in_scope(|| tracing::info!("inside"));
    };
    let run = |sampler: Sampler| {
        bodies(&exported(
            |builder| {
                builder.traces(|traces| traces.sampler(sampler)).logs(|logs| logs.sampled_traces_only())
            },
            events,
        ))
    };
    assert_eq!(run(Sampler::AlwaysOff), ["outside of any trace"]);
    assert_eq!(run(Sampler::AlwaysOn), ["outside of any trace", "inside"]);
    let all = exported(|builder| builder.traces(|traces| traces.sampler(Sampler::AlwaysOff)), events);
    assert_eq!(all.log_count(), 2, "by default all are exported");
}

#[test]
fn records_have_span_fields_on_request() {
    let received = exported(
        |builder| builder.redact(Redaction::keys(["token"])).logs(|logs| logs.include_span_fields()),
        || {
            let outer = tracing::info_span!(
                "outer",
                tenant = "acme",
                attempts = 3_u64,
                ratio = 0.5,
                ok = true,
                token = "secret",
                depth = 1,
                late = tracing::field::Empty,
            );
            let _outer = outer.enter();
            let _context =
                with_fields([KeyValue::new("request", "r-1"), KeyValue::new("tenant", "of the context")])
                    .attach();
            let _inner = tracing::info_span!("inner", depth = 2, hidden = 1).entered();
            outer.record("late", "first");
            outer.record("late", "second");
            tracing::info!(hidden = "by the event", "inside");
            tracing::info!(parent: None, "a root");
        },
    );
    let logs = received.logs();
    let text = |value: &str| Value::StringValue(value.to_owned());
    let value = |key: &str| {
        let found: Vec<_> =
            logs[0].record.attributes.iter().filter(|attribute| attribute.key == key).collect();
        assert_eq!(found.len(), 1, "{key} among {:?}", logs[0].record.attributes);
        found[0].value.clone().unwrap().value.unwrap()
    };
    assert_eq!(value("tenant"), text("of the context"));
    assert_eq!(value("request"), text("r-1"));
    assert_eq!(value("attempts"), Value::IntValue(3));
    assert_eq!(value("ratio"), Value::DoubleValue(0.5));
    assert_eq!(value("ok"), Value::BoolValue(true));
    assert_eq!(value("token"), text("[redacted]"));
    assert_eq!(value("depth"), Value::IntValue(2));
    assert_eq!(value("late"), text("second"));
    assert_eq!(value("hidden"), text("by the event"));
    assert_eq!(logs[1].attribute("depth"), None, "it belongs to no span");
}

#[test]
fn panicking_span_field_leaves_the_rest_of_the_record() {
    struct Panics;
    impl std::fmt::Debug for Panics {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("a broken implementation")
        }
    }
    let received = exported(
        // The bridge to spans, which is not ours, would let the panic through.
        |builder| builder.span_filter("off").logs(|logs| logs.include_span_fields()),
        || {
            tracing::info_span!("work", before = 1, bad = ?Panics, after = 2)
                .in_scope(|| tracing::info!("inside"));
        },
    );
    let log = &received.logs()[0];
    let texts = ["before", "bad", "after"].map(|key| log.attribute_text(key).unwrap());
    assert_eq!(texts, ["1", "[panicked]", "2"]);
}

#[test]
fn span_fields_are_those_of_spans_that_the_filter_of_records_lets_pass() {
    let received = exported(
        |builder| {
            builder
                .log_filter("off,exported_logs=debug")
                .logs(|logs| logs.filter("info").include_span_fields())
        },
        || {
            let _seen = tracing::info_span!("seen", a = 1).entered();
            let _hidden = tracing::debug_span!("hidden", b = 2).entered();
            tracing::info!("inside");
        },
    );
    let log = &received.logs()[0];
    assert_eq!((log.attribute_text("a").as_deref(), log.attribute("b")), (Some("1"), None));
}

#[test]
fn records_have_no_span_fields_by_default() {
    let received = exported(
        |builder| builder,
        || tracing::info_span!("work", a = 1).in_scope(|| tracing::info!("inside")),
    );
    assert_eq!(received.logs()[0].attribute("a"), None);
}

/// `containers` lists or maps around a number.
fn nested(containers: usize, is_map: bool) -> AnyValue {
    (0..containers).fold(AnyValue::Int(7), |inner, _| match is_map {
        true => AnyValue::Map(Box::new([("key".into(), inner)].into())),
        false => AnyValue::ListAny(Box::new(vec![inner])),
    })
}

/// The innermost value, and how many containers are around it.
fn innermost(value: &Value) -> (usize, &Value) {
    let inner = match value {
        Value::ArrayValue(list) => list.values[0].value.as_ref(),
        Value::KvlistValue(map) => map.values[0].value.as_ref().and_then(|value| value.value.as_ref()),
        _ => return (0, value),
    };
    let (containers, innermost) = innermost(inner.unwrap());
    (containers + 1, innermost)
}

#[test]
fn values_nested_too_deep_are_cut_where_receivers_can_read_them() {
    let collector = Collector::start().unwrap();
    let (_layer, guard) =
        init().endpoint(collector.endpoint()).ignore_env().build_local::<Registry>().unwrap();
    let logger = guard.logger_provider().logger("test");
    for is_map in [false, true] {
        for containers in [1, 31, 32, 49, 500] {
            let mut record = logger.create_log_record();
            record.set_body(nested(containers, is_map));
            record.add_attribute("nested", nested(containers, is_map));
            logger.emit(record);
        }
    }
    guard.shutdown().unwrap();
    let logs = collector.received().logs();
    assert_eq!(logs.len(), 10, "the collector reads the whole batch");
    for (log, containers) in logs.iter().zip([1, 31, 32, 49, 500].into_iter().cycle()) {
        let body = log.record.body.as_ref().and_then(|body| body.value.as_ref()).unwrap();
        let attribute = log.record.attributes[0].value.as_ref().and_then(|value| value.value.as_ref());
        for value in [body, attribute.unwrap()] {
            let expected = match containers {
                ..=31 => (containers, Value::IntValue(7)),
                _ => (31, Value::StringValue("[nested too deep]".to_owned())),
            };
            let (found, innermost) = innermost(value);
            assert_eq!((found, innermost.clone()), expected);
        }
    }
}
