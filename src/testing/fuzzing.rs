//! Internals for the fuzz targets in `fuzz/`. Exists only if `cargo fuzz` builds the crate.

#[cfg(feature = "otlp-http")]
use std::time::Duration;

use opentelemetry::propagation::TextMapCompositePropagator;

#[cfg(feature = "otlp-http")]
use crate::settings::Protocol;
use crate::settings::{self, BuilderConfig, Env, Propagator, Signal};
use crate::subscriber::filter::Filter;
use crate::{export, propagation};

/// Returns the default propagator: trace context and baggage.
pub fn propagator() -> TextMapCompositePropagator {
    propagation::propagator(&[Propagator::TraceContext, Propagator::Baggage], Vec::new())
}

/// Returns the propagator of another format than the default ones.
pub fn propagator_of(format: u8) -> TextMapCompositePropagator {
    let all = [Propagator::B3, Propagator::B3Multi, Propagator::Jaeger, Propagator::XRay];
    propagation::propagator(&[all[usize::from(format) % all.len()]], Vec::new())
}

/// Returns what is logged about the answer to an export request, and the pause that it asks for. The first of the
/// protocols is gRPC, then come HTTP with protobuf and with JSON.
#[cfg(feature = "otlp-http")]
pub fn answer(
    protocol: u8,
    status: u16,
    headers: &[(&str, &[u8])],
    body: &[u8],
    trailers: &[(&str, &[u8])],
) -> Option<(String, Option<Duration>)> {
    let protocols = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];
    let protocol = protocols[usize::from(protocol) % protocols.len()];
    let read = export::fuzzing::read_answer(protocol, status, headers, body, trailers)?;
    Some((read.text, read.retry_after))
}

/// Returns an export request of JSON as protobuf.
pub fn request_from_json(signal: u8, json: &[u8]) -> Option<Vec<u8>> {
    export::encode::json::request_to_protobuf(signal_of(signal), json)
}

/// Returns an export request of protobuf as JSON.
pub fn request_to_json(signal: u8, request: &[u8]) -> Vec<u8> {
    export::encode::json::request(signal_of(signal), request)
}

/// Returns one of the three signals, whatever the number.
fn signal_of(signal: u8) -> Signal {
    [Signal::Traces, Signal::Metrics, Signal::Logs][usize::from(signal) % 3]
}

/// Returns the content type for a scraper with these values of `Accept`.
#[cfg(feature = "prometheus")]
pub fn scrape_format(accepted: &[&[u8]]) -> &'static str {
    let values = accepted.iter().filter_map(|value| http::HeaderValue::from_bytes(value).ok());
    export::prometheus::content_type(&values.map(|value| (http::header::ACCEPT, value)).collect())
}

/// Returns the settings of an environment as `Debug` shows them, and its warnings.
pub fn environment<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let env = Env::from_pairs(variables);
    let mut text = format!("{:?}", settings::resolve(&BuilderConfig::default(), &env));
    #[cfg(feature = "grpc")]
    {
        let mut warnings = Vec::new();
        text += &format!("{:?}", settings::rpc_conventions(&env, &mut warnings));
        let captured = settings::grpc_captured_headers(&env, &mut warnings);
        text += &format!("{captured:?}{warnings:?}");
    }
    text.shrink_to_fit();
    text
}

/// Returns the faults of filter directives.
pub fn directives(text: &str) -> Vec<String> {
    Filter::parse(text).1.iter().map(ToString::to_string).collect()
}

/// Returns the settings of a configuration file as `Debug` shows them, or its mistakes. Each variable holds its name.
#[cfg(feature = "config-file")]
pub fn configuration_file(bytes: &[u8]) -> Result<String, Vec<crate::error::ConfigMistake>> {
    settings::settings_of(bytes, &|name| Some(name.to_owned()))
}
