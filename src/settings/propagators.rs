//! The propagators in use.
//!
//! Names that are not known are reported, and the known ones are used. A list without a known name counts as not set; `none`
//! alone turns propagation off.
//!
//! | name | reads and writes |
//! |---|---|
//! | `tracecontext` | `traceparent`, `tracestate` (W3C) |
//! | `baggage` | `baggage` (W3C) |
//! | `b3` | `b3`; reads `X-B3-…` too |
//! | `b3multi` | `X-B3-TraceId`, `X-B3-SpanId`, `X-B3-Sampled`; reads `b3` too |
//! | `jaeger` | `uber-trace-id` |
//! | `xray` | `X-Amzn-Trace-Id` |
//!
//! The order matters for reading: a later propagator that finds a context replaces that of an earlier one. Propagators
//! that the program wrote itself are used beside those of code, and not beside those of the environment, which are the
//! operator's choice.

use std::borrow::Cow;

use super::builder_config::BuilderConfig;
use super::env::items;
use super::resolve::Resolver;
use super::secrets::quoted;
use super::setting::settings;
use super::types::Propagator;
use super::value_kind::{Kind, any, plain};

settings! {
    /// Propagators in the order in which they are called.
    PROPAGATORS: Cow<'static, [Propagator]> =
        "propagators", ["OTEL_PROPAGATORS"], PROPAGATOR_LIST, Cow::Borrowed(&[Propagator::TraceContext, Propagator::Baggage]);
}

impl Resolver<'_> {
    /// Returns propagators in their order, without duplicates, and whether those that the user wrote are used as well:
    /// the environment replaces them.
    pub(super) fn propagators(&mut self, config: &BuilderConfig) -> (Vec<Propagator>, bool) {
        let otherwise = || {
            let mut chosen = Vec::new();
            let from_code = config.common.values.get(&PROPAGATORS).unwrap_or(PROPAGATORS.default);
            from_code.iter().for_each(|propagator| push_once(&mut chosen, *propagator));
            chosen
        };
        let listed =
            PROPAGATORS.variables.first().and_then(|variable| Some((variable, self.env.get(variable)?)));
        let Some((variable, list)) = listed else {
            if config.common.values.get(&PROPAGATORS).is_some() {
                self.used(PROPAGATORS.key(), &PROPAGATORS.origin());
            }
            return (otherwise(), true);
        };
        self.used(PROPAGATORS.key(), variable);
        let (chosen, unknown) = parse(list);
        if !unknown.is_empty() {
            let instead = match chosen {
                Some(_) => "it is ignored".to_owned(),
                None => format!("using {}", (PROPAGATOR_LIST.show)(&otherwise().into())),
            };
            let unknown = unknown.join(", ");
            self.warn_once(
                variable,
                format!(
                    "{} is not one of {}; {instead}",
                    quoted(&unknown),
                    NAMES.map(|(name, _)| name).join(", ")
                ),
            );
        }
        match chosen {
            Some(chosen) => (chosen, false),
            None => (otherwise(), true),
        }
    }
}

/// Appends a propagator that is not in the list yet.
pub(super) fn push_once(chosen: &mut Vec<Propagator>, propagator: Propagator) {
    if !chosen.contains(&propagator) {
        chosen.push(propagator);
    }
}

/// Returns the known propagators, or `None` if there is no known name, and the unknown names.
pub(super) fn parse(list: &str) -> (Option<Vec<Propagator>>, Vec<&str>) {
    let mut chosen = None;
    let mut unknown = Vec::new();
    for item in items(list) {
        match NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(item)) {
            Some((_, propagator)) => {
                let chosen: &mut Vec<_> = chosen.get_or_insert_default();
                propagator.iter().for_each(|propagator| push_once(chosen, *propagator));
            }
            None => unknown.push(item),
        }
    }
    (chosen, unknown)
}

/// Returns the names of all propagators.
#[cfg(feature = "config-file")]
pub(super) fn names() -> String {
    NAMES.map(|(name, _)| name).join(", ")
}

/// Returns the name of a propagator.
pub(super) fn name(propagator: Propagator) -> &'static str {
    let found = NAMES.iter().find(|(_, known)| *known == Some(propagator));
    found.map_or("none", |(name, _)| name)
}

/// A list of names, separated by commas.
const PROPAGATOR_LIST: Kind<Cow<'static, [Propagator]>> = Kind {
    parse: |list| Ok(parse(list).0.unwrap_or_default().into()),
    check: any,
    show: |propagators| propagators.iter().map(|propagator| name(*propagator)).collect::<Vec<_>>().join(", "),
    quote: plain,
};

/// `none` is a valid name and adds nothing.
const NAMES: [(&str, Option<Propagator>); 7] = [
    ("tracecontext", Some(Propagator::TraceContext)),
    ("baggage", Some(Propagator::Baggage)),
    ("b3", Some(Propagator::B3)),
    ("b3multi", Some(Propagator::B3Multi)),
    ("jaeger", Some(Propagator::Jaeger)),
    ("xray", Some(Propagator::XRay)),
    ("none", None),
];
