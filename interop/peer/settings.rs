//! Our half of `interop/settings.py`: one span, one log record and two metrics that exceed every limit which a variable
//! can set, exported as the environment says. Standard output gets the headers that a call would send. `print` writes the
//! settings as a configuration file instead, for `interop/files.py`.

#![expect(clippy::print_stdout, reason = "another program reads it")]

use std::collections::HashMap;
use std::error::Error;

use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::trace::{Link, SpanContext, TraceContextExt as _, TraceState, Tracer as _};
use opentelemetry::{Context, Key, KeyValue, SpanId, TraceFlags, TraceId, global};

/// More than the limits that the specification names by default.
const MANY: u16 = 140;

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("print") {
        print!("{}", telemetry_bootstrap::init().effective_configuration()?);
        return Ok(());
    }
    let telemetry = telemetry_bootstrap::init().build()?;
    let requests = global::meter("settings").u64_counter("requests").with_unit("{request}").build();
    requests.add(3, &[KeyValue::new("kind", "read")]);
    global::meter("settings").f64_histogram("size").with_unit("By").build().record(7.0, &[]);
    global::meter("settings").i64_up_down_counter("open").build().add(2, &[]);

    let tracer = global::tracer("settings");
    let links = (1..=MANY).map(link).collect();
    let span =
        tracer.span_builder("operation").with_attributes(attributes()).with_links(links).start(&tracer);
    let context = Context::new().with_baggage([KeyValue::new("tenant", "acme")]).with_span(span);
    for _ in 0..MANY {
        context.span().add_event("step", attributes());
    }
    let mut headers = HashMap::new();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut headers));
    println!("{}", serde_json::json!({ "headers": headers.keys().collect::<Vec<_>>() }));

    {
        let _current = context.clone().attach();
        let logger = telemetry.logger_provider().logger("settings");
        let mut record = logger.create_log_record();
        record.set_severity_number(Severity::Warn);
        record.set_body(AnyValue::from("low on disk"));
        for attribute in attributes() {
            record.add_attribute(attribute.key, AnyValue::from(attribute.value.to_string()));
        }
        logger.emit(record);
    }
    context.span().end();
    Ok(())
}

fn attributes() -> Vec<KeyValue> {
    (0..MANY)
        .map(|number| KeyValue::new(Key::new(format!("key.{number}")), "0123456789".repeat(20)))
        .collect()
}

fn link(number: u16) -> Link {
    let context = SpanContext::new(
        TraceId::from(u128::from(number)),
        SpanId::from(u64::from(number)),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    Link::new(context, attributes(), 0)
}
