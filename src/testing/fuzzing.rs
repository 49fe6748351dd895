//! Internals for the fuzz targets in `fuzz/`. Exists only if `cargo fuzz` builds the crate.

use opentelemetry::propagation::TextMapCompositePropagator;

use crate::propagation;
use crate::settings::{self, BuilderConfig, Env, Propagator};
use crate::subscriber::filter::Filter;

/// The default propagator: trace context and baggage.
pub fn propagator() -> TextMapCompositePropagator {
    propagation::propagator(&[Propagator::TraceContext, Propagator::Baggage], Vec::new())
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
