//! Metrics of one name that are not the same, found where they are collected: behind the views.
//!
//! A view can give two instruments one name, and it can give two that have one name different ones. So where a view may
//! be for an instrument, what [`Identities`](super::identity::Identities) compares when it is created decides nothing,
//! and the collections are compared instead. They show names, kinds, number types and units; descriptions and
//! boundaries that differ are not noticed there. Readers of the user do not show theirs: without one of this crate,
//! nothing is compared where a view may be.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics};

use crate::diagnostics::{Diagnostics, FieldValue};
use crate::settings::ViewSelector;

/// Compares the metrics of collections. Clones share what was reported.
#[derive(Clone, Debug)]
pub(super) struct StreamConflicts {
    /// Decides which instruments are compared here.
    views: Arc<Views>,
    /// Scopes, each with a name in lower case, that were reported.
    reported: Arc<Mutex<HashSet<(String, String)>>>,
    diagnostics: Diagnostics,
}

/// The views of a provider, as far as they show which instruments they are for.
#[derive(Debug)]
pub(super) enum Views {
    /// None are: collections are not compared.
    None,
    /// Those of a configuration file.
    OfFile(Vec<ViewSelector>),
    /// Those of the program, which may be for any instrument.
    Any,
}

impl StreamConflicts {
    pub(super) fn new(views: Views, diagnostics: Diagnostics) -> Self {
        Self { views: Arc::new(views), reported: Arc::default(), diagnostics }
    }

    /// Returns `true` if a view may be for an instrument of this name, so it is compared in collections alone.
    pub(super) fn concerns(&self, name: &str) -> bool {
        match &*self.views {
            Views::None => false,
            Views::OfFile(selectors) => selectors.iter().any(|selector| {
                selector.instrument_name.as_ref().is_none_or(|pattern| pattern.matches_ignoring_case(name))
            }),
            Views::Any => true,
        }
    }

    /// Notes that instruments of this name were reported when they were created.
    pub(super) fn note_reported(&self, scope: &str, name: &str) {
        self.report_once(scope, name);
    }

    /// Warns of metrics of one scope and name that differ, once for each name.
    pub(super) fn check(&self, metrics: &ResourceMetrics) {
        if matches!(*self.views, Views::None) {
            return;
        }
        for of_scope in metrics.scope_metrics() {
            let mut known: HashMap<String, &Metric> = HashMap::new();
            for metric in of_scope.metrics() {
                let name = metric.name().to_ascii_lowercase();
                let Some(first) = known.get(&name) else {
                    known.insert(name, metric);
                    continue;
                };
                let scope = of_scope.scope().name();
                if self.report_once(scope, &name) {
                    self.report(scope, first, metric);
                }
            }
        }
    }

    /// Returns `true` the first time that it is called for this name.
    fn report_once(&self, scope: &str, name: &str) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.len() < MAX_REPORTS && reported.insert((scope.to_owned(), name.to_ascii_lowercase()))
    }

    fn report(&self, scope: &str, first: &Metric, second: &Metric) {
        self.diagnostics.warn(
            "two metrics have the same name after the views",
            &[
                ("scope", FieldValue::Text(&scope)),
                ("first", FieldValue::Text(&Shown(first))),
                ("second", FieldValue::Text(&Shown(second))),
                (
                    "check",
                    FieldValue::Text(
                        &"backends may refuse or mix them; give one of them another name in a view",
                    ),
                ),
            ],
        );
    }
}

/// A metric as a warning shows it.
struct Shown<'a>(&'a Metric);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = self.0;
        let (number, kind) = match metric.data() {
            AggregatedMetrics::F64(data) => ("f64", kind(data)),
            AggregatedMetrics::U64(data) => ("u64", kind(data)),
            AggregatedMetrics::I64(data) => ("i64", kind(data)),
        };
        let (name, unit, description) = (metric.name(), metric.unit(), metric.description());
        write!(f, "{name} ({kind} of {number}, unit {unit:?}, description {description:?})")
    }
}

/// Returns what the points of a metric are.
fn kind<T>(data: &MetricData<T>) -> &'static str {
    match data {
        MetricData::Gauge(_) => "gauge",
        MetricData::Sum(_) => "sum",
        MetricData::Histogram(_) => "histogram",
        MetricData::ExponentialHistogram(_) => "exponential histogram",
    }
}

/// Names that are remembered. Further ones are not reported, so names made from input cost no memory.
const MAX_REPORTS: usize = 1000;
