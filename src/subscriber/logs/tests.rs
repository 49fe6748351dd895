mod harness;

use std::error::Error;
use std::fmt;

use opentelemetry::trace::TraceFlags;
use opentelemetry::{Array, StringValue};
use opentelemetry_proto::tonic::common::v1::any_value;
use tracing_core::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use self::harness::*;
use super::*;
use crate::export::Take;

#[test]
fn a_record_has_what_the_event_has() {
    let (scope, record) = one(|| tracing::info!(target: "shop", port = 50051, "starting {}", "up"));
    let line = line!() - 1;
    assert_eq!(scope, "shop");
    assert_eq!(body(&record), "starting up");
    assert_eq!((record.severity_number, record.severity_text.as_str()), (9, "INFO"));
    assert_eq!(record.time_unix_nano, NANOS);
    assert_eq!(record.observed_time_unix_nano, NANOS);
    assert_eq!(record.event_name, "");
    let expected = [
        ("code.file.path", "src/subscriber/logs/tests.rs".to_owned()),
        ("code.line.number", line.to_string()),
        ("port", "50051".to_owned()),
    ];
    assert_eq!(texts(&record), expected.map(|(key, value)| (key.to_owned(), value)).into());
}

#[test]
fn levels_have_their_numbers_and_names() {
    let records = all(|| {
        tracing::trace!("");
        tracing::debug!("");
        tracing::info!("");
        tracing::warn!("");
        tracing::error!("");
    });
    let levels: Vec<_> =
        records.iter().map(|(_, record)| (record.severity_number, record.severity_text.as_str())).collect();
    assert_eq!(levels, [(1, "TRACE"), (5, "DEBUG"), (9, "INFO"), (13, "WARN"), (17, "ERROR")]);
}

#[test]
fn values_keep_their_types() {
    use any_value::Value::{BoolValue, BytesValue, DoubleValue, IntValue, StringValue};

    let (_, record) = one(|| {
        tracing::info!(
            int = -5_i64,
            big = u64::MAX,
            huge = u128::MAX,
            least = i128::MIN,
            float = 0.5,
            yes = true,
            text = "äöü",
            bytes = &[1_u8, 0, 255][..],
            debug = ?Some(1),
            display = %"shown",
            r#type = "raw",
            absent = None::<i64>,
        );
    });
    let text = |value: &str| StringValue(value.to_owned());
    let expected = [
        ("int", IntValue(-5)),
        ("big", text("18446744073709551615")),
        ("huge", text(&u128::MAX.to_string())),
        ("least", text(&i128::MIN.to_string())),
        ("float", DoubleValue(0.5)),
        ("yes", BoolValue(true)),
        ("text", text("äöü")),
        ("bytes", BytesValue(vec![1, 0, 255])),
        ("debug", text("Some(1)")),
        ("display", text("shown")),
        ("type", text("raw")),
    ];
    let found: Vec<_> = record.attributes.iter().take(expected.len()).map(value_of).collect();
    assert_eq!(found, expected);
    assert_eq!(record.attributes.len(), expected.len() + 2, "and where it came from");
    assert_eq!(record.body, None, "there was no message");
}

#[test]
fn ids_are_those_given_and_absent_without_any() {
    let (_, record) = one_with(&options(), Some(IDS), &[], || tracing::info!("in a span"));
    assert_eq!(record.trace_id, IDS.trace_id.to_bytes());
    assert_eq!(record.span_id, IDS.span_id.to_bytes());
    assert_eq!(record.flags, 1);
    let (_, record) = one(|| tracing::info!("outside"));
    assert_eq!((record.trace_id, record.span_id, record.flags), (vec![], vec![], 0));
}

#[test]
fn a_name_makes_the_record_an_event() {
    let records = all(|| {
        tracing::info!(otel.event.name = "order.placed", "1");
        tracing::info!(event.name = %"order.paid", "2");
    });
    let names: Vec<_> = records.iter().map(|(_, record)| record.event_name.as_str()).collect();
    assert_eq!(names, ["order.placed", "order.paid"]);
    assert!(records.iter().all(|(_, record)| record.attributes.len() == 2));
}

#[test]
fn records_of_the_log_crate_have_their_own_target_and_place() {
    let (scope, record) = one(|| {
        let record = log::Record::builder()
            .level(log::Level::Warn)
            .target("a_library")
            .file(Some("lib.rs"))
            .line(Some(7))
            .module_path(Some("a_library::inner"))
            .args(format_args!("old school"))
            .build();
        tracing_log::format_trace(&record).unwrap();
    });
    assert_eq!(scope, "a_library");
    assert_eq!(body(&record), "old school");
    assert_eq!(record.severity_text, "WARN");
    let expected = [("code.file.path", "lib.rs"), ("code.line.number", "7")];
    assert_eq!(texts(&record), expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
}

#[test]
fn fields_of_the_user_that_are_named_like_those_of_log_stay() {
    let (_, record) = one(|| tracing::info!(log.file = "mine"));
    assert_eq!(texts(&record)["log.file"], "mine");
}

#[derive(Debug)]
struct OrderFailed(std::num::ParseIntError);

impl fmt::Display for OrderFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("order failed")
    }
}

impl Error for OrderFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_error_value_becomes_an_exception() {
    let error = OrderFailed("x".parse::<u8>().unwrap_err());
    let other = "y".parse::<u8>().unwrap_err();
    let (_, record) = one(|| {
        tracing::error!(
            error = &error as &(dyn Error + 'static),
            other = &other as &(dyn Error + 'static),
            "it failed"
        );
    });
    let texts = texts(&record);
    assert_eq!(texts["exception.type"], "OrderFailed");
    assert_eq!(texts["exception.message"], "order failed");
    assert_eq!(
        texts["exception.stacktrace"],
        "OrderFailed: order failed\nCaused by: invalid digit found in string"
    );
    assert_eq!(texts["other"], "invalid digit found in string", "one record, one exception");
    assert!(!texts.contains_key("error"));
}

#[test]
fn error_without_causes_has_no_stacktrace_and_free_text_has_no_type() {
    let error: Box<dyn Error> = "out of stock".into();
    let (_, record) = one(|| tracing::error!(error = &*error));
    let texts = texts(&record);
    assert_eq!(texts["exception.message"], "out of stock");
    assert!(!texts.contains_key("exception.type") && !texts.contains_key("exception.stacktrace"));
}

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half")?;
        panic!("a broken implementation");
    }
}

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("a broken implementation");
    }
}

#[test]
fn panicking_value_leaves_the_rest_of_the_record() {
    for path in [direct, through] {
        let records = run(path, &options(), None, &[], || {
            tracing::info!(before = 1, first = ?Panics, between = 2, second = %Panics, after = 3, "{}", Panics);
            tracing::info!("the next one");
        });
        let (_, record) = &records[0];
        let texts = texts(record);
        assert_eq!(body(record), "[panicked]");
        let found: Vec<_> =
            ["before", "first", "between", "second", "after"].map(|key| texts[key].as_str()).into();
        assert_eq!(found, ["1", "[panicked]", "2", "[panicked]", "3"]);
        assert_eq!(record.attributes.len(), 7);
        assert_eq!(body(&records[1].1), "the next one");
    }
}

#[test]
fn a_value_that_logs_while_it_is_formatted_makes_two_records() {
    struct Logs;
    impl fmt::Debug for Logs {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            tracing::info!("inner");
            f.write_str("value")
        }
    }
    let records = all(|| tracing::info!(field = ?Logs, "outer"));
    // `tracing` does not pass the inner event on while a scoped subscriber handles the outer one.
    let (_, outer) = records.last().unwrap();
    assert_eq!((body(outer), texts(outer)["field"].as_str()), ("outer", "value"));
}

#[test]
fn redacted_fields_have_no_values() {
    let options = LogOptions { redaction: Redaction::keys(["password", "token"]), ..options() };
    let extra = extra(&[("token", "abc".into()), ("tenant", "acme".into())]);
    let (_, record) = one_with(&options, None, &extra, || tracing::info!(password = "secret", user = "ann"));
    let texts = texts(&record);
    assert_eq!(texts["password"], "[redacted]");
    assert_eq!(texts["token"], "[redacted]");
    assert_eq!((texts["user"].as_str(), texts["tenant"].as_str()), ("ann", "acme"));
}

#[test]
fn limits_hold_for_attributes_but_not_for_the_message() {
    let limits = AttributeLimits { count: 2, value_length: Some(3) };
    let options = LogOptions { limits, ..options() };
    for path in [direct, through] {
        let records = run(path, &options, None, &extra(&[("more", 1.into())]), || {
            tracing::info!(a = "äöüß", b = ?"long", c = 1, "a long message");
        });
        let (_, record) = &records[0];
        assert_eq!(
            texts(record),
            [("a", "äöü"), ("b", "\"lo")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
        );
        assert_eq!(record.dropped_attributes_count, 4, "c, more, and the place");
        assert_eq!(body(record), "a long message");
    }
}

#[test]
fn fields_of_the_event_win_over_those_of_the_caller() {
    let extra = extra(&[
        ("user", "outer".into()),
        ("tenant", "acme".into()),
        ("tenant", "older".into()),
        ("", 1.into()),
    ]);
    let (_, record) = one_with(&options(), None, &extra, || tracing::info!(user = "inner"));
    let keys: Vec<_> = record.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(keys, ["user", "tenant", "code.file.path", "code.line.number"]);
    assert_eq!(record.dropped_attributes_count, 1, "the one without a key");
    assert_eq!((texts(&record)["user"].as_str(), texts(&record)["tenant"].as_str()), ("inner", "acme"));
}

#[test]
fn less_severe_and_unsampled_records_can_be_left_out() {
    let warnings = LogOptions { minimum: SharedLevel::new(LevelFilter::WARN), ..options() };
    let records = run(direct, &warnings, None, &[], || {
        tracing::info!("less");
        tracing::warn!("enough");
    });
    assert_eq!(records.len(), 1);

    let sampled = LogOptions { sampled_traces_only: true, ..options() };
    let unsampled = TraceIds { flags: TraceFlags::default(), ..IDS };
    for (ids, expected) in [(None, 1), (Some(IDS), 1), (Some(unsampled), 0)] {
        assert_eq!(run(direct, &sampled, ids, &[], || tracing::info!("")).len(), expected, "{ids:?}");
    }
}

#[test]
fn queue_and_provider_receive_the_same_records() {
    let error = OrderFailed("x".parse::<u8>().unwrap_err());
    let extra = extra(&[
        ("array", opentelemetry::Value::Array(Array::String(vec![StringValue::from("a"), "b".into()]))),
        ("flag", true.into()),
        ("float", 1.5.into()),
        ("int", 7.into()),
    ]);
    let events = || {
        tracing::info!(target: "one", a = 1, b = "two", c = 0.5, d = true, e = ?Some("x"), "message {}", 1);
        tracing::error!(target: "two", error = &error as &(dyn Error + 'static), bytes = &[1_u8][..], "failed");
        tracing::warn!(target: "one", { event.name = "named", big = u64::MAX }, "an event");
        let record = log::Record::builder().level(log::Level::Debug).target("three").build();
        tracing_log::format_trace(&record).unwrap();
    };
    for ids in [None, Some(IDS)] {
        let one = run(direct, &options(), ids, &extra, events);
        let other = run(through, &options(), ids, &extra, events);
        assert_eq!(one.len(), 4);
        assert_eq!(one, other);
    }
}

#[test]
fn context_is_not_read_if_ids_are_given() {
    use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};

    let span = SpanContext::new(IDS.trace_id, IDS.span_id, IDS.flags, false, TraceState::NONE);
    let _attached = opentelemetry::Context::new().with_remote_span_context(span).attach();
    for path in [direct, through] {
        let records = run(path, &options(), None, &[], || tracing::info!("a root event"));
        assert_eq!(records[0].1.trace_id, Vec::<u8>::new());
    }
}

#[test]
fn record_does_not_allocate() {
    let _alone = alone();
    let (queue, consumer) = queue();
    let logs = Arc::new(OtlpLogs::direct(Arc::clone(&queue), options()));
    let subscriber =
        Registry::default().with(ToLogs { logs, ids: Some(IDS), extra: extra(&[("tenant", "a".into())]) });
    tracing::subscriber::with_default(subscriber, || {
        let event = || tracing::info!(a = 1, b = "two", c = 0.5, d = ?Some(1), "message {}", 1);
        // Buffers grow to their size, and batches come back to be filled again.
        for _ in 0..4 {
            (0..1000).for_each(|_| event());
            std::iter::from_fn(|| consumer.take(Take::Any)).for_each(|batch| consumer.recycle(batch));
        }
        let allocations = allocation_counter::measure(|| (0..100).for_each(|_| event()));
        assert_eq!(allocations.count_total, 0);
    });
}
