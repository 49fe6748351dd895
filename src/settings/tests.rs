//! What is asked for, by builder and environment, and what comes of it.

mod detectors;
mod documentation;
mod export;
mod exporters;
mod files;
mod mistakes;
mod network;
mod precedence;
mod secrets;
mod specification;

use super::*;
use crate::builder::{Builder, init};
use crate::error::InitError;

fn resolve(config: &BuilderConfig, env: &Env) -> Result<Settings, InitError> {
    let (settings, errors) = super::resolve(config, env);
    InitError::from_all(errors).map_or(Ok(settings), Err)
}

fn resolved(builder: Builder, env: &Env) -> Settings {
    resolve(&builder.into_parts().0, env).unwrap_or_else(|error| panic!("{error}"))
}

fn from_env<const N: usize>(variables: [(&str, &str); N]) -> Settings {
    resolved(init(), &Env::from_pairs(variables))
}

/// The only destination of a signal.
fn otlp(destinations: &[DestinationSettings]) -> Option<&ExportSettings> {
    match destinations {
        [] => None,
        [DestinationSettings::Otlp(export)] => Some(export),
        several => panic!("{several:?}"),
    }
}

fn headers(export: Option<&ExportSettings>) -> Vec<String> {
    let headers = &export.unwrap().headers;
    headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect()
}

fn attribute(settings: &Settings, key: &str) -> Option<String> {
    let mut found = settings.resource.iter().filter(|attribute| attribute.key.as_str() == key);
    let value = found.next().map(|attribute| attribute.value.to_string());
    assert_eq!(found.next(), None, "{key} twice");
    value
}
