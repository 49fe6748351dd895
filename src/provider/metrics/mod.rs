//! The meter provider: the SDK's, with one reader that hands each collection to the queue, one view, and checks in
//! front.
//!
//! ```text
//! instrument → meter (checks) → SDK aggregation → reader → export::MetricQueue
//!                observer (callbacks) ─┘             └ collects every interval, at a flush, at the shutdown
//! ```
//!
//! | file | adds to the SDK |
//! |---|---|
//! | `provider` | the public type; hands out checked meters |
//! | `meter`, `identity` | warnings about instruments of one name that differ; boundaries for seconds |
//! | `stream_conflicts` | the same warnings where views rename instruments |
//! | `attributes` | the last value of a repeated key |
//! | `sums` | sums of integers that do not wrap |
//! | `observer` | callbacks on a thread of their own, without the SDK's lock |
//! | `reader` | collections bounded in time, and none while the queue is full |
//! | `collection_times` | how long collections take, on request |
//! | `built_in` | metrics of the process, the tokio runtime and the export itself, on request |

mod attributes;
pub(crate) mod built_in;
mod collection_times;
mod duration_histogram;
mod identity;
mod meter;
mod observer;
mod provider;
#[cfg(feature = "prometheus")]
mod pull;
mod reader;
mod stream_conflicts;
mod sums;

use std::sync::Arc;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{MeterProviderBuilder, SdkMeterProvider, Temporality};

pub use self::duration_histogram::duration_histogram;
use self::observer::Observer;
use self::provider::Readers;
pub use self::provider::TelemetryMeterProvider;
#[cfg(feature = "prometheus")]
pub(crate) use self::pull::PullReader;
use self::reader::QueueReader;
use self::stream_conflicts::{StreamConflicts, Views};
use self::sums::{Resets, SumSettings};
use super::builder_hooks::{BuilderHooks, View};
use super::views;
use crate::diagnostics::Diagnostics;
use crate::error::InitError;
use crate::export::{MetricQueue, OverflowReports};
use crate::settings::MetricSettings;

/// Creates the provider, and starts a reader's thread for each queue. `views` and `additions` are the user's.
///
/// The order in which the SDK gets its parts matters: the user's builder hooks come first, then the resource, so the
/// settings decide it, then the views, those of the settings before those of the user, and the readers last.
///
/// | readers of the user | queue or scraper | [`Readers`] |
/// |---|---|---|
/// | any | – | `Custom`: histograms of integers stay integers |
/// | none | any | `Own` |
/// | none | none | `None`: instruments do nothing |
///
/// # Errors
///
/// [`InitError::Thread`] if the system refuses one to a reader.
pub(crate) fn meter_provider(
    settings: &MetricSettings,
    resource: Resource,
    queues: Vec<MetricQueue>,
    views: Vec<View>,
    additions: BuilderHooks<MeterProviderBuilder>,
    #[cfg_attr(not(feature = "prometheus"), expect(unused_variables, reason = "the queue has it"))]
    overflow: OverflowReports,
    diagnostics: &Diagnostics,
) -> Result<TelemetryMeterProvider, InitError> {
    let has_own = !queues.is_empty() || settings.prometheus.is_some();
    let readers = match (additions.is_empty(), has_own) {
        (false, _) => Readers::Custom,
        (true, true) => Readers::Own,
        (true, false) => Readers::None,
    };
    let observer = Arc::new(Observer::new(diagnostics.clone()));
    // A builder hook may add views.
    let is_shared = !additions.is_empty() || !views.is_empty() || !settings.views.is_empty();
    let sum_settings = SumSettings { is_shared, resets: Resets::default() };
    let of_views = match (views.is_empty(), settings.views.is_empty()) {
        (false, _) => Views::Any,
        (true, false) => Views::OfFile(settings.views.iter().map(|view| view.selector.clone()).collect()),
        (true, true) => Views::None,
    };
    let conflicts = StreamConflicts::new(of_views, diagnostics.clone());
    let has_one_reader = readers == Readers::Own && queues.len() == 1 && settings.prometheus.is_none();
    let builder = additions.apply(SdkMeterProvider::builder());
    let builder = builder.with_resource(resource);
    let views = views::views(settings, views).into_iter();
    let mut builder = views.fold(builder, |builder, view| builder.with_view(view));
    let start = |queue: MetricQueue| {
        let is_reset = has_one_reader && queue.temporality() != Temporality::Cumulative;
        let resets = if is_reset { sum_settings.resets.clone() } else { Resets::default() };
        QueueReader::start(
            queue,
            Arc::clone(&observer),
            settings.interval,
            resets,
            conflicts.clone(),
            diagnostics.clone(),
        )
    };
    let own = queues.into_iter().map(start).collect::<Result<Vec<_>, _>>().map_err(|error| {
        InitError::Thread(format!("the system refused one for the metric reader: {error}").into())
    })?;
    builder = own.iter().cloned().fold(builder, MeterProviderBuilder::with_reader);
    #[cfg(feature = "prometheus")]
    let pull = settings
        .prometheus
        .as_ref()
        .map(|_| PullReader::new(Arc::clone(&observer), overflow, conflicts.clone()));
    #[cfg(feature = "prometheus")]
    if let Some(pull) = &pull {
        builder = builder.with_reader(pull.clone());
    }
    let provider = TelemetryMeterProvider::new(
        builder.build(),
        readers,
        own,
        observer,
        sum_settings,
        conflicts,
        diagnostics.clone(),
    );
    #[cfg(feature = "prometheus")]
    let provider = provider.with_pull_reader(pull);
    Ok(provider)
}
