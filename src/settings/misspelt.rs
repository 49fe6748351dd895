//! Finds misspelt names of variables.
//!
//! A variable with a typo would otherwise be ignored silently. Only names within two edits of a known one are
//! reported: `OTEL_…` also belongs to other programs and to other languages' SDKs.
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
        let nearest = known.iter().map(|known| (edit_distance(name, known), *known)).min();
        if let Some((1..=MAX_DISTANCE, nearest)) = nearest {
            resolver.warn_once(name, format!("this variable is not known; did you mean {nearest}?"));
        }
    }
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
/// Returns `usize::MAX` where the lengths alone differ by more than [`MAX_DISTANCE`]. Bytes are counted, which is exact
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
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
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
    fn known_variables_are_not_reported_as_misspelt() {
        let known = known_variables();
        let distinct: std::collections::HashSet<_> = known.iter().collect();
        assert!(distinct.len() > 70, "{}", distinct.len());
    }
}
