//! Propagators that the program has written.

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};

use super::Boxed;
use crate::user_code::catch_panic;

/// A propagator of the program. A panic in it, which the panic hook reports, costs neither the request nor what other
/// propagators read and write: it then reads nothing, and has written what it had written before.
#[derive(Debug)]
pub(super) struct Custom(pub(super) Boxed);

impl TextMapPropagator for Custom {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        catch_panic(|| self.0.inject_context(context, injector));
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let extracted = catch_panic(|| self.0.extract_with_context(context, extractor));
        extracted.unwrap_or_else(|| context.clone())
    }

    fn fields(&self) -> FieldIter<'_> {
        catch_panic(|| self.0.fields()).unwrap_or_else(|| FieldIter::new(&[]))
    }
}
