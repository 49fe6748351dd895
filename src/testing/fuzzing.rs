//! What the fuzz targets in `fuzz/` reach that users do not. Only there when `cargo fuzz` builds the crate.

use opentelemetry::propagation::TextMapCompositePropagator;

use crate::propagation;
use crate::settings::{self, BuilderConfig, Env, Propagator};
use crate::subscriber::filter::Filter;

/// Of trace context and baggage, as it is by default.
pub fn propagator() -> TextMapCompositePropagator {
    propagation::propagator(&[Propagator::TraceContext, Propagator::Baggage], Vec::new())
}

/// Everything that is said about an environment: its settings as `Debug` shows them, and the warnings.
pub fn environment<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let env = Env::from_pairs(variables);
    let mut said = format!("{:?}", settings::resolve(&BuilderConfig::default(), &env));
    #[cfg(feature = "grpc")]
    {
        let mut warnings = Vec::new();
        said += &format!("{:?}", settings::rpc_conventions(&env, &mut warnings));
        let captured = settings::grpc_captured_headers(&env, &mut warnings);
        said += &format!("{captured:?}{warnings:?}");
    }
    said.shrink_to_fit();
    said
}

/// What is wrong with filter directives.
pub fn directives(text: &str) -> Vec<String> {
    Filter::parse(text).1.iter().map(ToString::to_string).collect()
}
