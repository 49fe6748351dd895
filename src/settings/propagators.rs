//! Which propagators are used.

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
        "propagator", ["OTEL_PROPAGATORS"], PROPAGATOR_LIST, Cow::Borrowed(&[Propagator::TraceContext, Propagator::Baggage]);
}

impl Resolver<'_> {
    /// Returns propagators in the order of the variable, without duplicates.
    pub(super) fn propagators(&mut self, config: &BuilderConfig) -> Vec<Propagator> {
        let [variable] = PROPAGATORS.variables else { return Vec::new() };
        let otherwise = || config.common.values.get(&PROPAGATORS).unwrap_or(PROPAGATORS.default).into_owned();
        let Some(list) = self.env.get(variable) else { return otherwise() };
        self.used(variable);
        let (chosen, unknown) = parse(list);
        if !unknown.is_empty() {
            let instead = match chosen {
                Some(_) => "it is ignored".to_owned(),
                None => format!("using {}", (PROPAGATOR_LIST.show)(&otherwise().into())),
            };
            let unknown = unknown.join(", ");
            self.warn_once(
                variable,
                format!("{} is not one of tracecontext, baggage, none; {instead}", quoted(&unknown)),
            );
        }
        chosen.unwrap_or_else(otherwise)
    }
}

/// Returns the known propagators, or `None` if there is no known name, and the unknown names.
fn parse(list: &str) -> (Option<Vec<Propagator>>, Vec<&str>) {
    let mut chosen = None;
    let mut unknown = Vec::new();
    for item in items(list) {
        match NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(item)) {
            Some((_, propagator)) => {
                let chosen: &mut Vec<_> = chosen.get_or_insert_default();
                chosen.extend(propagator.filter(|propagator| !chosen.contains(propagator)));
            }
            None => unknown.push(item),
        }
    }
    (chosen, unknown)
}

const PROPAGATOR_LIST: Kind<Cow<'static, [Propagator]>> = Kind {
    parse: |list| Ok(parse(list).0.unwrap_or_default().into()),
    check: any,
    show: |propagators| {
        let name = |propagator: &Propagator| {
            NAMES
                .iter()
                .find(|(_, known)| known.as_ref() == Some(propagator))
                .map_or("those added in code", |(name, _)| name)
        };
        propagators.iter().map(name).collect::<Vec<_>>().join(", ")
    },
    quote: plain,
};

/// `none` is a name, too, but adds nothing.
const NAMES: [(&str, Option<Propagator>); 3] = [
    ("tracecontext", Some(Propagator::TraceContext)),
    ("baggage", Some(Propagator::Baggage)),
    ("none", None),
];
