//! Finds misspelt names of variables.
//!
//! A variable with a typo would otherwise be ignored silently. The environment belongs to other programs, too, and
//! `OTEL_…` to other languages' SDKs, so few names are reported:
//!
//! | the known name | reported |
//! |---|---|
//! | `OTEL_…` | what is within two edits: `OTLE_SERVICE_NAME`, `OTEL_SERVICENAME` |
//! | shared with other programs, such as `RUST_LOG` | within one: `GOPROXY` is not `NO_PROXY` |
//! | each | the same name in other letters, such as `otel_service_name` |
//!
//! The nearest known name is suggested: `OTEL_EXPORTER_OTLP_ENDPIONT: this variable is not known; did you mean
//! OTEL_EXPORTER_OTLP_ENDPOINT?`. The value of such a variable is never shown: what it was meant for is a guess.

use super::descriptions;
use super::env::names;
use super::resolve::Resolver;

/// Warns about each variable whose name is nearly one that is read.
pub(super) fn warn_misspelt_variables(resolver: &mut Resolver<'_>) {
    let known = known_variables();
    let mut unknown: Vec<_> = resolver.env.names().filter(|name| !known.contains(name)).collect();
    unknown.sort_unstable();
    for name in unknown {
        if let Some(meant) = meant_variable(name, &known) {
            resolver.warn_once(name, format!("this variable is not known; did you mean {meant}?"));
        }
    }
}

/// Returns the known name that is nearest to this one, if it is near enough.
fn meant_variable<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let upper = name.to_ascii_uppercase();
    let near = known.iter().filter_map(|known| {
        let distance = edit_distance(&upper, &known.to_ascii_uppercase());
        let limit = if known.starts_with("OTEL_") { MAX_DISTANCE } else { 1 };
        (distance <= limit).then_some((distance, *known))
    });
    near.min().map(|(_, meant)| meant)
}

/// Returns every variable that is read, or that is known to have no effect.
pub(crate) fn known_variables() -> Vec<&'static str> {
    let mut known: Vec<_> = descriptions().iter().flat_map(|setting| setting.variables).copied().collect();
    known.extend(names::WITHOUT_EFFECT.iter().map(|(name, _)| *name));
    #[cfg(feature = "grpc")]
    known.extend(names::GRPC_CAPTURES);
    known.push(names::HTTP_KNOWN_METHODS);
    known.extend(names::HTTP_CAPTURES);
    known.extend([names::CONFIG_FILE, names::EXPERIMENTAL_CONFIG_FILE]);
    known
}

/// The number of letters to insert, remove, replace or exchange with their neighbour (Damerau-Levenshtein, restricted).
///
/// Returns `usize::MAX` for more than [`MAX_DISTANCE`], as soon as that is certain. Bytes are counted, which is exact
/// for the ASCII names that are compared.
pub(crate) fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > MAX_DISTANCE {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        // No later row has a smaller number than the smallest of two rows.
        if row.iter().chain(&last).all(|&edits| edits > MAX_DISTANCE) {
            return usize::MAX;
        }
        before = std::mem::replace(&mut last, row);
    }
    if last[b.len()] > MAX_DISTANCE { usize::MAX } else { last[b.len()] }
}

/// Two edits are a misspelling; more may be another program's variable.
const MAX_DISTANCE: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance_counts_single_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("abc", "abd", 1),
            ("abc", "ab", 1),
            ("ab", "cd", 2),
        ] {
            assert_eq!(edit_distance(a, b), expected, "{a} {b}");
        }
        assert_eq!(edit_distance("abc", "abcdef"), usize::MAX);
    }

    #[test]
    fn variables_of_other_programs_are_not_reported_as_misspelt() {
        let known = known_variables();
        let names = "PATH HOME LANG PWD USER TERM SHELL HOSTNAME LOG_LEVEL LOGNAME EDITOR DEBUG PORT HTTP_PORT TZ \
                     RUST_BACKTRACE RUST_LOG_STYLE RUST_LIB_BACKTRACE RUST_MIN_STACK RUST_LIB CARGO_HOME CARGO_PKG_NAME \
                     FTP_PROXY ftp_proxy GOPROXY WS_PROXY SOCKS_PROXY RSYNC_PROXY CLICOLOR COLORTERM FORCE_COLOR \
                     KUBERNETES_SERVICE_HOST POD_NAME DD_SERVICE AWS_REGION OTEL_GO_X_EXEMPLAR OTEL_DOTNET_AUTO_HOME \
                     OTEL_PYTHON_LOG_LEVEL OTEL_JAVAAGENT_ENABLED OTEL_INSTRUMENTATION_COMMON_DEFAULT_ENABLED";
        for name in names.split_whitespace() {
            assert_eq!(meant_variable(name, &known), None, "{name}");
        }
    }
}
