//! These tests assert the line as a reader receives it.

mod span_fields;

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use serde_json::{Value, json};
use tracing::subscriber::with_default;
use tracing::{error, info, info_span, trace, warn};
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::lines::json::keys::{Field, FieldNames, MissingIds};

/// Collects what is written, one entry for each `write`.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<String>>>);

impl io::Write for &Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// The lines that `work` logs through the layer that `configure` makes, as text.
fn texts(configure: impl FnOnce(JsonLayer<Output>) -> JsonLayer<Output>, work: impl FnOnce()) -> Vec<String> {
    let output = Output::default();
    let layer = configure(JsonLayer::new(output.clone()));
    with_default(tracing_subscriber::registry().with(layer), work);
    let lines = output.0.lock().unwrap();
    assert!(lines.iter().all(|line| line.matches('\n').count() == 1 && line.ends_with('\n')));
    lines.clone()
}

fn lines_with(
    configure: impl FnOnce(JsonLayer<Output>) -> JsonLayer<Output>,
    work: impl FnOnce(),
) -> Vec<Value> {
    texts(configure, work).iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// The only line that `work` logs.
fn line(work: impl FnOnce()) -> Value {
    let mut lines = lines_with(|layer| layer, work);
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

/// The line without what every line has.
fn fields(work: impl FnOnce()) -> Value {
    let mut line = line(work);
    let object = line.as_object_mut().unwrap();
    ["timestamp", "level", "message", "target"].iter().for_each(|key| drop(object.remove(*key)));
    line
}

fn keys(text: &str) -> Vec<String> {
    text.split(",\"")
        .filter_map(|part| part.trim_start_matches("{\"").split_once("\":").map(|(key, _)| key.to_owned()))
        .collect()
}

fn in_opentelemetry_span<T>(flags: TraceFlags, work: impl FnOnce() -> T) -> T {
    let span = SpanContext::new(
        TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
        SpanId::from(0xb7ad_6b71_6920_3331),
        flags,
        false,
        TraceState::default(),
    );
    let _attached = opentelemetry::Context::new().with_remote_span_context(span).attach();
    work()
}

#[test]
fn keys_are_in_the_documented_order() {
    let texts = texts(
        |layer| layer.service_name("shop"),
        || {
            in_opentelemetry_span(TraceFlags::SAMPLED, || {
                let _outer = info_span!("outer", tenant = "acme").entered();
                let _inner = info_span!("inner", step = 2).entered();
                info!(items = 3, paid = true, "order placed");
            });
        },
    );
    let expected = ["timestamp", "level", "message", "trace_id", "span_id", "trace_flags", "target"];
    let fields = ["service.name", "items", "paid", "step", "tenant"];
    assert_eq!(keys(&texts[0]), [&expected[..], &fields[..]].concat());
}

#[test]
fn values_keep_their_types() {
    let line = line(|| {
        info!(
            text = "a \"quoted\"\nline",
            small = -1_i64,
            big = u64::MAX,
            wide = u128::MAX,
            ratio = 0.5,
            nan = f64::NAN,
            flag = false,
            bytes = &[0xff_u8, 0xfe][..],
            shown = %"shown",
            debugged = ?Some("x"),
            "hello {}",
            "world"
        );
    });
    assert_eq!(line["message"], "hello world");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["target"], module_path!());
    assert_eq!(line["text"], "a \"quoted\"\nline");
    assert_eq!(line["small"], -1);
    assert_eq!(line["big"], u64::MAX);
    assert_eq!(line["wide"], u128::MAX.to_string());
    assert_eq!(line["ratio"], 0.5);
    assert_eq!(line["nan"], "NaN");
    assert_eq!(line["flag"], false);
    assert_eq!(line["bytes"], "//4=");
    assert_eq!(line["shown"], "shown");
    assert_eq!(line["debugged"], "Some(\"x\")");
}

#[test]
fn the_time_is_the_time_of_the_event() {
    let seconds = || SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let before = seconds();
    let line = line(|| info!("now"));
    let mut clock = crate::time::clock::Clock::default();
    let candidates: Vec<String> = (before..=seconds())
        .map(|second| {
            let mut text = Vec::new();
            clock.write(&mut text, std::time::UNIX_EPOCH + std::time::Duration::from_secs(second));
            String::from_utf8(text).unwrap()[..20].to_owned()
        })
        .collect();
    let timestamp = line["timestamp"].as_str().unwrap();
    assert!(candidates.iter().any(|second| timestamp.starts_with(second)), "{timestamp}");
}

#[test]
fn an_event_without_a_message_has_none() {
    assert_eq!(line(|| info!(a = 1)).get("message"), None);
}

#[test]
fn ids_are_those_of_the_opentelemetry_span() {
    let line = line(|| in_opentelemetry_span(TraceFlags::NOT_SAMPLED, || info!("inside")));
    assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(line["span_id"], "b7ad6b7169203331");
    assert_eq!(line["trace_flags"], "00");
}

#[test]
fn absent_ids_are_omitted_by_default() {
    assert_eq!(fields(|| info!("outside")), json!({}));
    let zero = &lines_with(|layer| layer.missing_ids(MissingIds::Zero), || info!("outside"))[0];
    assert_eq!(
        (&zero["trace_id"], &zero["span_id"], zero.get("trace_flags")),
        (&json!("0"), &json!("0"), None)
    );
    let null = &lines_with(|layer| layer.missing_ids(MissingIds::Null), || info!("outside"))[0];
    assert!(["trace_id", "span_id", "trace_flags"].iter().all(|key| null.get(*key) == Some(&Value::Null)));
}

#[test]
fn events_of_the_sdk_do_not_touch_the_context() {
    let line =
        line(|| in_opentelemetry_span(TraceFlags::SAMPLED, || info!(target: "opentelemetry_sdk", "inside")));
    assert_eq!(line.get("trace_id"), None);
}

#[test]
fn redacted_values_appear_nowhere() {
    #[derive(Debug, thiserror::Error)]
    #[error("token 4711 is wrong")]
    struct TokenError;

    let redaction = Redaction::keys(["password", "error"]);
    let texts = texts(
        |layer| layer.redact(redaction),
        || {
            let span = info_span!("span", PASSWORD = "4711", late = tracing::field::Empty).entered();
            span.record("PASSWORD", "4711");
            info!(password = 4711, "text");
            error!(error = &TokenError as &dyn Error, "text");
        },
    );
    assert!(texts.iter().all(|text| text.contains("[redacted]") && !text.contains("4711")), "{texts:?}");
}

#[test]
fn error_value_has_its_type_and_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot place the order")]
    struct OrderError(#[source] std::num::ParseIntError);

    let error = OrderError("x".parse::<i32>().unwrap_err());
    let fields = fields(|| error!(error = &error as &dyn Error, "failed"));
    assert_eq!(
        fields,
        json!({
            "error": "cannot place the order",
            "exception.type": "OrderError",
            "exception.message": "cannot place the order",
            "exception.stacktrace":
                "OrderError: cannot place the order\nCaused by: invalid digit found in string",
        })
    );
}

#[test]
fn panicking_values_leave_a_complete_line() {
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            panic!("in Display")
        }
    }
    impl fmt::Debug for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("in Debug")
        }
    }
    impl Error for Panics {}

    let lines = lines_with(
        |layer| layer,
        || {
            let _span = info_span!("span", first = ?Panics, second = 2).entered();
            info!(shown = %Panics, after = 1, "text {}", Panics);
            error!(error = &Panics as &dyn Error, "text");
        },
    );
    assert_eq!(lines[0]["message"], "[panicked]");
    assert_eq!(lines[0]["shown"], "[panicked]");
    assert_eq!((&lines[0]["after"], &lines[0]["second"]), (&json!(1), &json!(2)));
    assert_eq!(lines[0]["first"], "[panicked]");
    assert_eq!(lines[1]["error"], "[panicked]");
    assert_eq!(lines[1]["exception.message"], "[panicked]");
}

#[test]
fn fields_of_the_context_and_named_baggage_are_in_lines() {
    use opentelemetry::baggage::BaggageExt as _;
    let lines = lines_with(
        |layer| layer.baggage_keys(["tenant"]).redact(Redaction::keys(["token"])),
        || {
            let fields =
                [KeyValue::new("request.id", 7), KeyValue::new("token", "x"), KeyValue::new("a", "context")];
            let _fields = crate::with_fields(fields).attach();
            let baggage = [KeyValue::new("tenant", "acme"), KeyValue::new("card", "4711")];
            let _baggage = opentelemetry::Context::current_with_baggage(baggage).attach();
            let _span = info_span!("span", a = "span").entered();
            info!("with both");
            info!(a = "event", "with both");
        },
    );
    assert_eq!(lines[0]["request.id"], 7);
    assert_eq!(lines[0]["token"], "[redacted]");
    assert_eq!(lines[0]["tenant"], "acme");
    assert_eq!(lines[0].get("card"), None);
    assert_eq!((&lines[0]["a"], &lines[1]["a"]), (&json!("context"), &json!("event")));
}

#[test]
fn raw_identifiers_lose_their_prefix() {
    assert_eq!(fields(|| info!(r#type = "x")), json!({"type": "x"}));
}

#[test]
fn our_own_lines_look_like_the_others() {
    let output = Output::default();
    let layer = JsonLayer::new(output.clone()).service_name("shop");
    let fields = [
        ("lost", FieldValue::Count(3)),
        ("seconds", FieldValue::Seconds(0.2)),
        ("level", FieldValue::Text(&"odd")),
    ];
    layer.write_own(Level::WARN, "collector \"x\" is away", &fields);
    let line: Value = serde_json::from_str(&output.0.lock().unwrap()[0]).unwrap();
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["message"], "collector \"x\" is away");
    assert_eq!(line["target"], "telemetry_bootstrap");
    assert_eq!((&line["lost"], &line["seconds"]), (&json!(3), &json!(0.2)));
    assert_eq!(line["field.level"], "odd");
}

#[test]
fn levels_have_the_names_of_each_preset() {
    let levels = |style| {
        let lines = lines_with(
            |layer| layer.field_names(style).rename(Field::Level, "level"),
            || {
                trace!("");
                tracing::debug!("");
                info!("");
                warn!("");
                error!("");
            },
        );
        lines.iter().map(|line| line["level"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(levels(FieldNames::OpenTelemetry), "TRACE DEBUG INFO WARN ERROR");
    assert_eq!(levels(FieldNames::ElasticCommonSchema), "TRACE DEBUG INFO WARN ERROR");
    assert_eq!(levels(FieldNames::GoogleCloudLogging), "DEBUG DEBUG INFO WARNING ERROR");
}

#[test]
fn value_does_not_replace_an_object_of_the_schema() {
    let failure = io::Error::from(io::ErrorKind::NotFound);
    let line = &lines_with(
        |layer| layer.field_names(FieldNames::ElasticCommonSchema),
        || error!(error = &failure as &dyn Error, log = 1, "text"),
    )[0];
    assert_eq!((line.get("error"), line.get("log")), (None, None));
    assert_eq!(line["field.log"], json!(1));
    assert_eq!(
        (&line["error.type"], &line["error.message"]),
        (&json!("std::io::Error"), &json!("entity not found"))
    );
}

/// A bridge as most programs have it, and one that does not activate the contexts of its spans.
#[test]
fn ids_are_those_of_the_bridges_span() {
    use opentelemetry::trace::TracerProvider as _;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    for activation in [true, false] {
        let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
        let bridge = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let output = Output::default();
        let subscriber = tracing_subscriber::registry()
            .with(bridge.with_context_activation(activation))
            .with(JsonLayer::new(output.clone()));
        let expected = with_default(subscriber, || {
            let other = info_span!("other");
            let span = info_span!("span").entered();
            info!("contextual");
            info!(parent: &other, "explicit");
            info!(parent: None, "root");
            [span.context(), other.context()]
                .map(|context| context.span().span_context().span_id().to_string())
        });
        let lines: Vec<Value> =
            output.0.lock().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!([&lines[0]["span_id"], &lines[1]["span_id"]], [&json!(expected[0]), &json!(expected[1])]);
        assert_eq!(lines[2].get("span_id"), None);
    }
}

#[test]
fn ids_of_explicit_parents_are_found_inside_wrappers_of_layers() {
    use opentelemetry::trace::TracerProvider as _;

    type Boxed = Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>;
    let wrappers: [fn(JsonLayer<Output>) -> Boxed; 2] =
        [|layer| Box::new(layer), |layer| Box::new(tracing_subscriber::reload::Layer::new(layer).0)];
    for wrap in wrappers {
        let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
        let output = Output::default();
        let bridge = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let subscriber =
            tracing_subscriber::registry().with(wrap(JsonLayer::new(output.clone()))).with(bridge);
        with_default(subscriber, || {
            let parent = info_span!("parent");
            info!(parent: &parent, "explicit");
        });
        let line: Value = serde_json::from_str(&output.0.lock().unwrap()[0]).unwrap();
        assert!(line["span_id"].is_string(), "{line}");
    }
}
