//! Filtering of the layer: globally, or per layer next to other layers.

use tracing_core::{Interest, Level, LevelFilter, Metadata};
use tracing_subscriber::layer::{Context, Filter};

use crate::subscriber::combined_filter::CombinedFilter;
use crate::trace_ids::is_sdk_target;

/// Scope of the filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filtering {
    /// To the whole subscriber.
    Global,
    /// To this layer.
    PerLayer,
}

/// The filter of a layer beside others. It decides about callsites only.
///
/// Its verdict about a single span or event would travel in a thread-local value of `tracing-subscriber`, which level
/// checks and nested macros overwrite. The layer takes that verdict itself.
pub(super) struct CallsiteFilter(pub(super) CombinedFilter);

impl<S> Filter<S> for CallsiteFilter {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        let interest = self.0.interest(metadata);
        // So that `enabled` can keep the events of our own threads from the layers beside this one. `enabled` is also
        // called for callsites that only other layers enable.
        if !interest.is_never() && (is_of_transport(metadata) || is_sdk_chatter(metadata)) {
            Interest::sometimes()
        } else {
            interest
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.ceiling())
    }
}

/// Returns `true` for spans and events of the libraries that export uses.
fn is_of_transport(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    ["h2", "hyper", "hyper_util", "rustls", "tokio", "tokio_rustls", "mio", "want"].contains(&library)
}

/// Returns `true` for what the SDK says about its own doing. Its warnings and errors are for everybody.
pub(super) fn is_sdk_chatter(metadata: &Metadata<'_>) -> bool {
    is_sdk_target(metadata.target()) && *metadata.level() > Level::WARN
}
