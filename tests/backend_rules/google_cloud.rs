//! What Google Cloud reads in a line.

use serde_json::Value as Json;

use super::{Line, numbers};

/// The special fields of structured logging have their type, and numbers survive `google.protobuf.Struct`.
pub(crate) fn google_cloud(line: &Line) -> Result<(), String> {
    let severities = ["DEBUG", "INFO", "WARNING", "ERROR"];
    let is_text = |key: &str| line.get(key).is_none_or(Json::is_string);
    if line.get("severity").is_some_and(|it| !severities.contains(&it.as_str().unwrap_or_default())) {
        return Err("unknown severity".to_owned());
    }
    if !is_text("logging.googleapis.com/trace") || !is_text("logging.googleapis.com/spanId") {
        return Err("ids are text".to_owned());
    }
    if line.get("logging.googleapis.com/trace_sampled").is_some_and(|it| !it.is_boolean()) {
        return Err("trace_sampled is a boolean".to_owned());
    }
    if line
        .get("time")
        .is_some_and(|it| !it.as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 27))
    {
        return Err("time is a timestamp".to_owned());
    }
    for name in [
        "timestamp",
        "timestampSeconds",
        "timestampNanos",
        "httpRequest",
        "stack_trace",
        "exception",
        "context",
        "@type",
        "logging.googleapis.com/httpRequest",
        "logging.googleapis.com/http_request",
        "logging.googleapis.com/insertId",
        "logging.googleapis.com/labels",
        "logging.googleapis.com/operation",
        "logging.googleapis.com/severity",
        "logging.googleapis.com/sourceLocation",
    ] {
        if line.contains_key(name) {
            return Err(format!("{name} has a meaning of its own"));
        }
    }
    if line.get("serviceContext").is_some_and(|it| !it["service"].is_string()) {
        return Err("serviceContext is an object".to_owned());
    }
    let is_exact = |number: &serde_json::Number| {
        number.as_i64().is_none_or(|it| it.unsigned_abs() <= 1 << 53)
            && (!number.is_u64() || number.as_i64().is_some())
    };
    let inexact = line.values().flat_map(numbers).find(|number| !is_exact(number));
    inexact.map_or(Ok(()), |number| Err(format!("{number} is not exact as a double")))
}
