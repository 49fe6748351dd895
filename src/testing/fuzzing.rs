//! Internals for the fuzz targets in `fuzz/`. Only exists if `cargo fuzz` builds the crate.

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

/// Returns a propagator of a non-default format.
pub fn propagator_of(format: u8) -> TextMapCompositePropagator {
    let all = [Propagator::B3, Propagator::B3Multi, Propagator::Jaeger, Propagator::XRay];
    propagation::propagator(&[all[usize::from(format) % all.len()]], Vec::new())
}

/// Returns the log message for the response to an export request, and the pause that it requests. The first protocol
/// is gRPC, followed by HTTP with protobuf and HTTP with JSON.
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

/// Converts a JSON export request to protobuf.
pub fn request_from_json(signal: u8, json: &[u8]) -> Option<Vec<u8>> {
    export::encode::json::request_to_protobuf(signal_of(signal), json)
}

/// Converts a protobuf export request to JSON.
pub fn request_to_json(signal: u8, request: &[u8]) -> Vec<u8> {
    export::encode::json::request(signal_of(signal), request)
}

/// Maps any number to one of the three signals.
fn signal_of(signal: u8) -> Signal {
    [Signal::Traces, Signal::Metrics, Signal::Logs][usize::from(signal) % 3]
}

/// Returns the content type for a scraper with these values of `Accept`.
#[cfg(feature = "prometheus")]
pub fn scrape_format(accepted: &[&[u8]]) -> &'static str {
    let values = accepted.iter().filter_map(|value| http::HeaderValue::from_bytes(value).ok());
    export::prometheus::content_type(&values.map(|value| (http::header::ACCEPT, value)).collect())
}

/// Returns the settings of an environment in their `Debug` form, and the warnings.
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

/// Returns the errors in filter directives.
pub fn directives(text: &str) -> Vec<String> {
    Filter::parse(text).1.iter().map(ToString::to_string).collect()
}

/// Returns the settings of a configuration file in their `Debug` form, or its errors. The value of each variable is
/// its name.
#[cfg(feature = "config-file")]
pub fn configuration_file(bytes: &[u8]) -> Result<String, Vec<crate::error::ConfigMistake>> {
    settings::settings_of(bytes, &|name| Some(name.to_owned()))
}
