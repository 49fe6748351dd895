//! The subscriber under the stock layer.
//!
//! | call of the stock layer | answered by |
//! |---|---|
//! | `span_data(id)` from an extension trait | the twin of our span with this id, which is created now |
//! | the same while a twin is created or started | the twin itself: ids are those of the registry of twins |
//! | a span that is excluded, closed or another subscriber's | an empty span without data, which is never started |
//! | events, records, `follows_from`, enter, exit | nothing: our bridge sees them |

use std::fmt;
use std::sync::Arc;

use tracing_core::callsite::Callsite;
use tracing_core::field::{Field, Value};
use tracing_core::metadata::Kind;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Interest, Level, Metadata, Subscriber};
use tracing_opentelemetry::get_otel_context;
use tracing_subscriber::layer::{Identity, Layered, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

use super::super::SpanBridge;
use super::Stock;
use crate::export::own_threads::{ForkMutex, ThreadFlag};

type Twins = Layered<Identity, Registry>;

/// A registry of twins. Each is found by the id of the span whose twin it is.
pub(in crate::subscriber::spans) struct TwinRegistry {
    /// Only a stack of layers closes spans of a registry.
    twins: Twins,
    /// Knows the spans and their twins.
    bridge: Arc<SpanBridge>,
    /// Represents spans without a twin: the stock layer requires that every span is found.
    without_data: Id,
    /// Twins of spans that have been closed. They are removed before the next span is created, since a registry removes
    /// nothing while the thread is closing a span of another registry.
    ended: ForkMutex<Vec<Id>>,
}

impl TwinRegistry {
    /// Creates a registry without twins.
    pub(super) fn new(bridge: Arc<SpanBridge>) -> Self {
        let twins = Registry::default().with(Identity::new());
        let no_fields: [(&Field, Option<&dyn Value>); 0] = [];
        let fields = TWIN.fields().value_set(&no_fields);
        let without_data = twins.new_span(&Attributes::new_root(&TWIN, &fields));
        Self { twins, bridge, without_data, ended: ForkMutex::default() }
    }

    /// Removes the twins of closed spans.
    ///
    /// If a layer of the user creates a span while one is being closed, a twin stays, and further ones are left for
    /// the next time.
    fn remove_ended(&self) {
        // What is dropped with a twin can be the user's: no lock is held meanwhile.
        let mut ended = std::mem::take(&mut *self.ended.lock());
        while let Some(twin) = ended.pop() {
            self.twins.try_close(twin.clone());
            if self.twins.span_data(&twin).is_some() {
                break;
            }
        }
        self.ended.lock().append(&mut ended);
    }
}

impl fmt::Debug for TwinRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwinRegistry").finish_non_exhaustive()
    }
}

/// Creates the twin of the span with this id, below the current context. It is not started, and has no field but that id:
/// those of its span are kept by our bridge.
pub(super) fn create_twin(stock: &Stock, id: &Id) -> Option<Id> {
    let _twins = ThreadFlag::TwinIds.set();
    let fields = TWIN.fields();
    let (field, id) = (fields.field(SPAN_ID)?, id.into_u64().cast_signed());
    let values = [(&field, Some(&id as &dyn Value))];
    Some(stock.new_span(&Attributes::new(&TWIN, &fields.value_set(&values))))
}

/// Starts a twin whose span has started.
///
/// A twin is never entered: the stock layer would attach its context, which panics where the current one is borrowed.
pub(super) fn start_twin(dispatch: &Dispatch, twin: &Id) {
    let _twins = ThreadFlag::TwinIds.set();
    _ = get_otel_context(twin, dispatch);
}

/// Removes a twin without the stock layer: it would end a span that our bridge ends.
pub(super) fn close_twin(stock: &Stock, twin: &Id) {
    if let Some(registry) = twins_of(stock) {
        registry.ended.lock().push(twin.clone());
    }
}

/// Removes the twins of closed spans. The thread must not be closing one.
pub(super) fn remove_ended(stock: &Stock) {
    if let Some(registry) = twins_of(stock) {
        registry.remove_ended();
    }
}

/// The registry under a stock layer.
pub(super) fn twins_of(stock: &Stock) -> Option<&TwinRegistry> {
    let stock: &dyn Subscriber = stock;
    stock.downcast_ref()
}

impl Subscriber for TwinRegistry {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.twins.new_span(attributes)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl<'a> LookupSpan<'a> for TwinRegistry {
    type Data = <Twins as LookupSpan<'a>>::Data;

    fn span_data(&'a self, id: &Id) -> Option<Self::Data> {
        if ThreadFlag::TwinIds.is_set() {
            return self.twins.span_data(id);
        }
        let twin = self.bridge.twin(id);
        self.twins.span_data(twin.as_ref().unwrap_or(&self.without_data))
    }
}

/// The callsite of all twins; no macro made it.
struct TwinCallsite;

impl Callsite for TwinCallsite {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &TWIN
    }
}

static TWIN_CALLSITE: TwinCallsite = TwinCallsite;

static TWIN: Metadata<'static> = tracing_core::metadata! {
    name: "twin",
    target: module_path!(),
    level: Level::TRACE,
    fields: &[SPAN_ID],
    callsite: &TWIN_CALLSITE,
    kind: Kind::SPAN
};

/// The field of a twin, and so the first attribute of its builder: the id of its span.
pub(super) const SPAN_ID: &str = "telemetry_bootstrap.span";
