//! What differs between two versions of a document and cannot change while the program runs.
//!
//! A file can be read again while the program runs ([`TelemetryGuard::reload`](crate::TelemetryGuard::reload)).
//! Filters, the sampler and levels change at once; exporters, queues and the resource are built once. A new version
//! that changes something else is applied as far as it can be, and the warning lists the paths found here.
//!
//! The version at the start is compared with the newest one, not each version with the one before: a change that was
//! undone needs no restart.
//!
//! | node | differs by |
//! |---|---|
//! | scalar | its typed value: `10` and `0xA` are the same number, `true` and `'true'` are not the same |
//! | list | the items at the same places, and items that one of the lists lacks |
//! | mapping | the keys of both, in any order |
//! | a section with something live in it | as a mapping; absent, null and empty are the same |
//!
//! # Where a path ends
//!
//! A path leads to the deepest node that differs: `tracer_provider.processors[0].batch.schedule_delay` for another
//! delay, `tracer_provider` if one of the versions has no such section. Lists are compared item by item, so that an
//! item that was inserted at the front makes all items differ.
//!
//! Comments, the order of keys, quotes that change no type, anchors and positions make no difference. A variable with
//! another value does, since references are replaced before.

use super::report::Path;
use super::yaml::{Node, Value};

/// Returns the path of each node that differs, except where a change takes effect at once, and where nothing is read.
///
/// `started` is the document at the start and `new` the newest one, both after the changes of code. Empty if the new
/// version takes effect completely.
pub(super) fn fixed_changes(started: &Node, new: &Node) -> Vec<String> {
    let mut changes = Changes(Vec::new());
    changes.compare(Some(started), Some(new), &mut Path::default());
    changes.0
}

/// The paths found so far, in the order of the old document.
struct Changes(Vec<String>);

impl Changes {
    /// Notes the path if the nodes differ, or those of the nodes below it.
    ///
    /// `None` stands for a node that is absent. A node that is live, or that is not read, is left out with everything
    /// below it.
    fn compare(&mut self, old: Option<&Node>, new: Option<&Node>, path: &mut Path) {
        let is_section = SECTIONS.contains(&path.as_str());
        let [old, new] = [old, new].map(|node| node.filter(|node| !is_section || !node.is_null()));
        if is_same(old, new) || !is_relevant(path.as_str()) {
            return;
        }
        let (old_value, new_value) = (old.map(|node| &node.value), new.map(|node| &node.value));
        match (old_value, new_value) {
            (Some(Value::Map(_)), Some(Value::Map(_))) => self.compare_keys(old, new, path),
            // A section whose absence means the same as an empty one.
            (Some(Value::Map(_)), None) | (None, Some(Value::Map(_))) if is_section => {
                self.compare_keys(old, new, path);
            }
            (Some(Value::List(old)), Some(Value::List(new))) => {
                for index in 0..old.len().max(new.len()) {
                    let outer = path.push_index(index);
                    self.compare(old.get(index), new.get(index), path);
                    path.pop(outer);
                }
            }
            _ => self.0.push(path.as_str().to_owned()),
        }
    }

    /// Compares the values of all keys that either mapping has: those of the old one first, then those that were added.
    ///
    /// One of the nodes may be absent: all keys of the other one then count.
    fn compare_keys(&mut self, old: Option<&Node>, new: Option<&Node>, path: &mut Path) {
        let keys_of_old = keys(old);
        let added = keys(new).into_iter().filter(|key| !keys_of_old.contains(key));
        for key in keys_of_old.iter().copied().chain(added) {
            let outer = path.push_key(key);
            self.compare(old.and_then(|node| node.get(key)), new.and_then(|node| node.get(key)), path);
            path.pop(outer);
        }
    }
}

/// Returns the keys of a mapping; none for any other node.
fn keys(node: Option<&Node>) -> Vec<&str> {
    match node.map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
        _ => Vec::new(),
    }
}

/// Returns `true` if two nodes have the same values, wherever they are in their files.
///
/// Two absent nodes are the same. Positions do not count.
fn is_same(a: Option<&Node>, b: Option<&Node>) -> bool {
    let (a, b) = match (a, b) {
        (None, None) => return true,
        (Some(a), Some(b)) => (a, b),
        _ => return false,
    };
    match (&a.value, &b.value) {
        (Value::Scalar(a), Value::Scalar(b)) => a == b || a.typed() == b.typed(),
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(Some(a), Some(b)))
        }
        (Value::Map(of_a), Value::Map(of_b)) => {
            of_a.len() == of_b.len()
                && of_a.iter().all(|entry| is_same(Some(&entry.value), b.get(&entry.key)))
        }
        _ => false,
    }
}

/// Returns `true` if a change at this path, or below it, needs a new start.
///
/// Under `distribution` and `instrumentation/development`, sections of other vendors and languages are not read, so
/// that a change in them has no effect.
fn is_relevant(path: &str) -> bool {
    let is_read = |parent: &str, known: &[&str]| {
        let key = match parent.is_empty() {
            true => Some(path),
            false => path.strip_prefix(parent).and_then(|rest| rest.strip_prefix('.')),
        };
        key.is_none_or(|key| key.is_empty() || known.iter().any(|known| is_at_or_below(key, known)))
    };
    !LIVE.iter().any(|live| is_at_or_below(path, live))
        && is_read("", &READ)
        && is_read("distribution", &["telemetry_bootstrap"])
        && is_read("instrumentation/development", &["general"])
}

/// Returns `true` if a path leads to a node, or to one below it.
///
/// Whole steps are compared: `logs.filters` is not below `logs.filter`.
fn is_at_or_below(path: &str, node: &str) -> bool {
    path.strip_prefix(node).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// What takes effect at once.
///
/// The paths of the nodes; everything below them is live as well.
pub(super) const LIVE: [&str; 7] = [
    "log_level",
    "tracer_provider.sampler",
    "distribution.telemetry_bootstrap.log_filter",
    "distribution.telemetry_bootstrap.span_filter",
    "distribution.telemetry_bootstrap.log_output.filter",
    "distribution.telemetry_bootstrap.logs.filter",
    "distribution.telemetry_bootstrap.logs.minimum_severity",
];

/// The keys at the top that are read, except the version. Others are allowed, and have no effect.
const READ: [&str; 9] = [
    "disabled",
    "attribute_limits",
    "logger_provider",
    "meter_provider",
    "propagator",
    "tracer_provider",
    "resource",
    "instrumentation/development",
    "distribution",
];

/// Sections that are the same absent, null and empty, and hold what takes effect at once.
const SECTIONS: [&str; 4] = [
    "distribution",
    "distribution.telemetry_bootstrap",
    "distribution.telemetry_bootstrap.log_output",
    "distribution.telemetry_bootstrap.logs",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::file::report::Report;
    use crate::settings::file::yaml::{Variable, parse};

    fn changes(old: &str, new: &str) -> Vec<String> {
        let node = |text: &str| parse(text.as_bytes(), &|_| Variable::Unset, &mut Report::default()).unwrap();
        fixed_changes(&node(old), &node(new))
    }

    #[test]
    fn a_change_is_named_by_the_path_of_its_node() {
        for (old, new, expected) in [
            ("disabled: true", "disabled: false", &["disabled"][..]),
            (
                "a: 1\ntracer_provider: {processors: [{simple: {exporter: {console: }}}]}",
                "a: 2",
                &["tracer_provider"],
            ),
            (
                "tracer_provider: {processors: [{batch: {schedule_delay: 1, exporter: {console: }}}]}",
                "tracer_provider: {processors: [{batch: {schedule_delay: 2, exporter: {console: }}}, {simple: }]}",
                &["tracer_provider.processors[0].batch.schedule_delay", "tracer_provider.processors[1]"],
            ),
            (
                "resource: {attributes: [{name: a, value: 1}]}",
                "resource: {attributes: []}",
                &["resource.attributes[0]"],
            ),
            (
                "distribution: ",
                "distribution: {telemetry_bootstrap: {log_filter: warn, logs: {filter: info, max_queue_bytes: 1}}}",
                &["distribution.telemetry_bootstrap.logs.max_queue_bytes"],
            ),
            (
                "propagator: {composite: [{b3: }]}",
                "propagator: {composite: [{b3multi: }]}",
                &["propagator.composite[0].b3", "propagator.composite[0].b3multi"],
            ),
        ] {
            assert_eq!(changes(old, new), expected, "{old} / {new}");
        }
    }

    #[test]
    fn settings_applied_at_once_and_unread_keys_are_not_reported_as_changes() {
        for (old, new) in [
            ("log_level: info", "log_level: warn"),
            ("tracer_provider: {}", "tracer_provider: {sampler: {always_off: }}"),
            (
                "tracer_provider: {sampler: {trace_id_ratio_based: {ratio: 1}}}",
                "tracer_provider: {sampler: {trace_id_ratio_based: {ratio: 0.5}}}",
            ),
            ("file_format: '1.0'\nown: 1", "file_format: '1.1'\nown: {a: b}"),
            ("distribution: {other: {a: 1}}", "distribution: {other: {a: 2}, telemetry_bootstrap: }"),
            ("instrumentation/development: {java: 1}", "instrumentation/development: {java: 2}"),
            (
                "resource: {schema_url: 'a', attributes_list: b}",
                "# moved\nresource:\n  attributes_list: b\n  schema_url: a",
            ),
            (
                "meter_provider: {readers: [{periodic: {interval: 10}}]}",
                "meter_provider: {readers: [{periodic: {interval: 0xA}}]}",
            ),
        ] {
            assert_eq!(changes(old, new), [""; 0], "{old} / {new}");
        }
    }

    #[test]
    fn a_type_is_part_of_a_value() {
        assert_eq!(changes("disabled: true", "disabled: 'true'"), ["disabled"]);
        assert_eq!(changes("resource: ", "resource: {}"), ["resource"]);
    }

    #[test]
    fn the_keys_that_are_read_are_those_of_the_schema() {
        let document = include_str!("model/mod.rs");
        let (_, fields) = document.split_once("null refused {").unwrap();
        let (fields, _) = fields.split_once("    }\n}").unwrap();
        let fields = fields.lines().map(str::trim).filter(|line| !line.starts_with("///"));
        let keys = fields.filter_map(|line| line.split_once(": ")).map(|(field, _)| {
            field.split_once("[\"").map_or(field, |(_, renamed)| renamed.trim_end_matches("\"]"))
        });
        for key in keys.filter(|key| !["file_format", "log_level"].contains(key)) {
            assert!(READ.contains(&key), "{key}");
        }
    }
}
