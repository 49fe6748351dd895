//! What Datadog reads in a line.

use super::{Line, expanded_members, numbers};

/// Nothing that the program logs takes the place of an attribute that the intake reads.
pub(crate) fn datadog(line: &Line) -> Result<(), String> {
    for name in [
        "host",
        "hostname",
        "syslog.hostname",
        "service",
        "syslog.appname",
        "date",
        "Timestamp",
        "_timestamp",
        "@timestamp",
        "eventTime",
        "published_date",
        "syslog.timestamp",
        "severity",
        "level",
        "syslog.severity",
        "source",
        "ddsource",
        "ddtags",
        "tags",
        "msg",
        "log",
        "trace_id",
        "span_id",
        "contextMap.dd.trace_id",
        "named_tags.dd.span_id",
        "named_tags.dd.trace_id",
    ] {
        if line.contains_key(name) {
            return Err(format!("{name} is read by the intake"));
        }
    }
    if line.get("status").is_some_and(|it| it != "INFO") {
        return Err("status is the level".to_owned());
    }
    if line.get("dd.service").is_some_and(|it| it != "shop") {
        return Err("dd.service is the service".to_owned());
    }
    expanded_members(line.clone())?;
    let is_long = |number: &serde_json::Number| !number.is_u64() || number.as_i64().is_some();
    match line.values().flat_map(numbers).find(|number| !is_long(number)) {
        Some(number) => Err(format!("{number} is no long")),
        None => Ok(()),
    }
}
