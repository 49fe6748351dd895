//! The semantic conventions in use.
//!
//! Both variables are the specification's, and both are lists that the instrumentation of other libraries reads too.
//!
//! | variable | value | effect |
//! |---|---|---|
//! | `OTEL_SEMCONV_STABILITY_OPT_IN` | `rpc` | the stable names, which are the default |
//! | | `rpc/dup` | the stable and the old names |
//! | | `rpc/old` | the names before the first stable version; an addition of this crate |
//! | | `http`, `database`, … | none: HTTP has its stable names only |
//! | | `http/dup` | none, with a warning |
//! | `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN` | `logs` | errors are log records, not span events |
//! | | `logs/dup` | both |

use super::env::{Env, items};
use super::secrets::quoted;
use super::setting::settings;
use super::types::{ExceptionSignal, RpcConventions};
use super::value_kind::{Kind, any, one_of, plain};

settings! {
    /// Where an error value is recorded.
    EXCEPTION_SIGNAL: ExceptionSignal =
        "", ["OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN"], EXCEPTION_SIGNALS, ExceptionSignal::SpanEvent;
    /// The names in the telemetry of calls. The variable is a list that other instrumentation reads too.
    RPC_CONVENTIONS: RpcConventions =
        "", ["OTEL_SEMCONV_STABILITY_OPT_IN"], RPC_CONVENTION_LIST, RpcConventions::Stable;
}

/// Returns the names in RPC telemetry, for layers that work without `init()` too.
///
/// Warnings are added for items that begin with `rpc/` and are unknown; all others belong to someone else.
pub(crate) fn rpc_conventions(env: &Env, warnings: &mut Vec<String>) -> RpcConventions {
    let [variable] = RPC_CONVENTIONS.variables else { return RpcConventions::default() };
    let list = env.get(variable).unwrap_or_default();
    warnings.extend(items(list).filter(|item| is_unknown_rpc_convention(item)).map(|item| {
        format!(
            "{variable}: {} is not one of rpc, rpc/dup, rpc/old; it is ignored",
            quoted(&item.to_ascii_lowercase())
        )
    }));
    (RPC_CONVENTION_LIST.parse)(list).unwrap_or_default()
}

/// Warns where the old names of HTTP are requested: the layers have the stable names only.
#[cfg(feature = "http")]
pub(super) fn warn_old_http_names(env: &Env, warnings: &mut Vec<String>) {
    let [variable] = RPC_CONVENTIONS.variables else { return };
    if items(env.get(variable).unwrap_or_default()).any(|item| item.eq_ignore_ascii_case("http/dup")) {
        warnings.push(format!("{variable}: http/dup has no effect, HTTP has its stable names only"));
    }
}

/// Returns `true` for an item about RPC that is not one of [`RPC_NAMES`], such as `rpc/new`.
fn is_unknown_rpc_convention(item: &str) -> bool {
    let prefix = item.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("rpc/"));
    prefix && one_of(item, &RPC_NAMES).is_err()
}

/// Items of other conventions are skipped. Of several items, the one that emits most wins, as the specification
/// requires.
const RPC_CONVENTION_LIST: Kind<RpcConventions> = Kind {
    parse: |list| {
        let chosen: Vec<_> = items(list).filter_map(|item| one_of(item, &RPC_NAMES).ok()).collect();
        let both = chosen.iter().find(|chosen| **chosen == RpcConventions::Both);
        Ok(both.or(chosen.first()).copied().unwrap_or_default())
    },
    check: any,
    show: |conventions| {
        RPC_NAMES.iter().find(|(_, known)| known == conventions).map_or("", |(name, _)| name).into()
    },
    quote: plain,
};

/// The names in the variable, which are compared without regard to case.
const RPC_NAMES: [(&str, RpcConventions); 3] =
    [("rpc", RpcConventions::Stable), ("rpc/dup", RpcConventions::Both), ("rpc/old", RpcConventions::Old)];

/// Where an error is recorded. The default has no name in the specification: the variable is left unset.
const EXCEPTION_SIGNALS: Kind<ExceptionSignal> = Kind {
    parse: |text| one_of(text, &[("logs", ExceptionSignal::Logs), ("logs/dup", ExceptionSignal::Both)]),
    check: any,
    show: |signal| match signal {
        ExceptionSignal::SpanEvent => "span events".into(),
        ExceptionSignal::Logs => "logs".into(),
        ExceptionSignal::Both => "logs/dup".into(),
    },
    quote: plain,
};
