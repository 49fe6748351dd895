//! Our propagators for `interop/propagation.py`: each line of standard input is a JSON object of headers; the answer is
//! what was extracted from them, and what is sent on. `OTEL_PROPAGATORS` chooses.

#![expect(clippy::print_stdout, reason = "another program reads it")]

use std::collections::HashMap;
use std::error::Error;
use std::io::BufRead as _;

use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, global};

fn main() -> Result<(), Box<dyn Error>> {
    let _telemetry = telemetry_bootstrap::init().service_name("propagation").build()?;
    for line in std::io::stdin().lock().lines() {
        let headers: HashMap<String, String> = serde_json::from_str(&line?)?;
        let context = global::get_text_map_propagator(|propagator| {
            propagator.extract_with_context(&Context::new(), &headers)
        });
        let mut sent = HashMap::new();
        global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut sent));
        let span = context.span().span_context().clone();
        let baggage: HashMap<_, _> = context
            .baggage()
            .into_iter()
            .map(|(key, (value, _))| (key.to_string(), value.to_string()))
            .collect();
        let answer = serde_json::json!({
            "trace_id": span.trace_id().to_string(),
            "span_id": span.span_id().to_string(),
            "sampled": span.is_sampled(),
            "baggage": baggage,
            "headers": sent,
        });
        println!("{answer}");
    }
    Ok(())
}
