//! Telemetry as text for people, from the bytes that are exported.
//!
//! | file | what it shows |
//! |---|---|
//! | `tree` | a trace: a line a span, with the log records inside it |
//! | `table` | metrics: a headline each, and a line a series |
//! | `item`, `metric` | spans, log records and metrics, read from their encoded form |
//! | `attributes` | attributes as `key=value` |
//! | `terminal` | colours, times and escaping, for log lines as well |
//!
//! Names and values come from the program, and from its callers: whatever could act on a terminal is escaped.
//!
//! It reads bytes instead of the SDK's types because bytes are what all sources have in common: the console exporter,
//! the test collector, and captures. What is shown is therefore what was exported, with its limits, redaction and cut
//! values.
//!
//! Fields are read by their numbers in `opentelemetry/proto/*/v1`. A field that is missing has its default, as protobuf
//! prescribes; one that is malformed ends the reading of its message, without an error: nothing here decides anything.
//!
//! | who shows it | what |
//! |---|---|
//! | the console exporter | traces as trees, metrics as tables, on standard output |
//! | `testing::Collector`, `testing::capture` | the same as strings, and single values for assertions |
//! | the Prometheus exporter | the decoded metrics, in its own format |

mod attributes;
mod item;
mod metric;
mod table;
pub(crate) mod terminal;
mod tree;

#[cfg(any(feature = "testing", feature = "prometheus"))]
pub(crate) use self::attributes::Attribute;
#[cfg(feature = "prometheus")]
pub(super) use self::attributes::decode as decode_attributes;
pub(crate) use self::attributes::hex;
#[cfg(feature = "testing")]
pub(crate) use self::attributes::{line, value_text};
pub(crate) use self::item::{LogRecord, Span};
pub(crate) use self::metric::Metric;
#[cfg(any(feature = "testing", feature = "prometheus"))]
pub(crate) use self::metric::Point;
#[cfg(feature = "prometheus")]
pub(super) use self::metric::{Exponential, PointValue};
pub(crate) use self::table::{Collected, table};
#[cfg(feature = "testing")]
pub(crate) use self::table::{SeriesValue, quantile, series};
pub(crate) use self::tree::{record_line, tree};

use super::encode::{WireValue, fields};

/// Returns the items of an export request: spans or log records, each encoded.
pub(crate) fn items(request: &[u8]) -> impl Iterator<Item = &[u8]> {
    messages(request, 1).flat_map(|resource| messages(resource, 2)).flat_map(|scope| messages(scope, 2))
}

/// Returns the metrics of an export request, with the text of their resource and the name of their scope.
pub(crate) fn metrics(request: &[u8]) -> Vec<Collected> {
    let mut all = Vec::new();
    for of_resource in messages(request, 1) {
        let resource = messages(of_resource, 1).next().unwrap_or_default();
        let resource = attributes::sorted_line(&attributes::decode(resource, 1));
        for of_scope in messages(of_resource, 2) {
            let scope = messages(of_scope, 1).next().and_then(|scope| messages(scope, 1).next());
            let scope = String::from_utf8_lossy(scope.unwrap_or_default()).into_owned();
            all.extend(messages(of_scope, 2).map(|metric| Collected {
                resource: resource.clone(),
                scope: scope.clone(),
                metric: Metric::decode(metric),
            }));
        }
    }
    all
}

/// Returns the fields of a message that have this number and hold messages, text or bytes.
pub(super) fn messages(message: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    fields(message).filter_map(move |(field, value)| match value {
        WireValue::Bytes(content) if field == number => Some(content),
        _ => None,
    })
}

/// Returns text as it is shown: protobuf strings are UTF-8, and whatever is not is replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
