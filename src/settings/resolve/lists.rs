//! Settings that are lists or choices of names.

use super::decide::Resolver;
use crate::settings::env::{items, names};
use crate::settings::types::{ExceptionSignal, Propagator};

impl Resolver<'_> {
    /// The first of the variables that is set: only `true` is true, whatever its case.
    pub(super) fn flag(&mut self, variables: &[&'static str]) -> Option<bool> {
        let (name, text) = variables.iter().find_map(|&name| Some((name, self.env.get(name)?)))?;
        if !text.eq_ignore_ascii_case("true") && !text.eq_ignore_ascii_case("false") {
            self.warn(format!("invalid {name}={text:?}: neither true nor false; using false"));
        }
        Some(text.eq_ignore_ascii_case("true"))
    }

    /// Whether a signal is exported, if the variable says so.
    pub(super) fn exporter(&mut self, variable: &'static str) -> Option<bool> {
        let list = self.env.get(variable)?;
        let mut otlp = None;
        let mut unknown = Vec::new();
        for item in items(list) {
            match item.to_ascii_lowercase().as_str() {
                "otlp" => otlp = Some(true),
                "none" => otlp = otlp.or(Some(false)),
                _ => unknown.push(item),
            }
        }
        if !unknown.is_empty() {
            let unknown = unknown.join(", ");
            self.warn_of(
                variable,
                format!("{unknown:?} is not available here, only otlp and none; it is ignored"),
            );
        }
        otlp
    }

    /// Propagators in the order of the variable, without duplicates.
    pub(super) fn propagators(&mut self, custom: bool) -> Vec<Propagator> {
        let mut standard = vec![Propagator::TraceContext, Propagator::Baggage];
        standard.extend(custom.then_some(Propagator::Custom));
        let Some(list) = self.env.get(names::OTEL_PROPAGATORS) else { return standard };
        let mut chosen = Vec::new();
        let mut unknown = Vec::new();
        let mut none = false;
        for item in items(list) {
            match item.to_ascii_lowercase().as_str() {
                "tracecontext" => push_once(&mut chosen, Propagator::TraceContext),
                "baggage" => push_once(&mut chosen, Propagator::Baggage),
                "none" => none = true,
                _ => unknown.push(item),
            }
        }
        let nothing_known = chosen.is_empty() && !none;
        if !unknown.is_empty() {
            let instead = if nothing_known { "using tracecontext, baggage" } else { "it is ignored" };
            let unknown = unknown.join(", ");
            self.warn_of(
                names::OTEL_PROPAGATORS,
                format!("{unknown:?} is not one of tracecontext, baggage, none; {instead}"),
            );
        }
        if nothing_known { standard } else { chosen }
    }

    pub(super) fn exception_signal(&mut self) -> ExceptionSignal {
        let name = names::OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN;
        let Some(text) = self.env.get(name) else { return ExceptionSignal::default() };
        match text.to_ascii_lowercase().as_str() {
            "logs" => ExceptionSignal::Logs,
            "logs/dup" => ExceptionSignal::Both,
            _ => {
                self.warn(format!("invalid {name}={text:?}: not one of logs, logs/dup; using span events"));
                ExceptionSignal::default()
            }
        }
    }
}

fn push_once(chosen: &mut Vec<Propagator>, propagator: Propagator) {
    if !chosen.contains(&propagator) {
        chosen.push(propagator);
    }
}
