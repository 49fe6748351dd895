//! The `tracing` span of a call.

use opentelemetry::trace::{TraceContextExt as _, Tracer as _};

use super::rig::{Options, Rig, ids};

#[test]
fn handler_span_is_the_span_of_its_call() {
    for filtered in [false, true] {
        let rig = Rig::with(Options {
            spans: "error",
            lines: "off",
            beside_others: filtered,
            ..Options::default()
        });
        let span = rig.tracer().start("call");
        let context = opentelemetry::Context::new().with_span(span);
        let handler = crate::subscriber::handler_span(&context, "call".into());
        assert!(!handler.is_disabled());
        handler.in_scope(|| {
            let current = tracing::Span::current();
            current.record("user.id", 7);
            tracing::info!("inside");
            let follower = tracing::error_span!("follower");
            follower.follows_from(&current);
            std::thread::scope(|scope| {
                let dispatch = tracing::dispatcher::get_default(tracing::Dispatch::clone);
                scope.spawn(move || {
                    tracing::dispatcher::with_default(&dispatch, || {
                        current.in_scope(|| drop(tracing::error_span!("child")));
                    });
                });
            });
        });
        drop(handler);
        assert!(context.span().is_recording(), "closing the handler span does not end the call");
        context.span().end();
        let call = rig.spans.named("call");
        let id = call.span_context.span_id();
        assert_eq!(call.attributes, [opentelemetry::KeyValue::new("user.id", 7)]);
        assert_eq!(rig.spans.named("child").parent_span_id, id);
        assert_eq!(rig.spans.named("follower").links.links[0].span_context.span_id(), id);
        assert_eq!(ids(&rig.records)[0].unwrap().span_id, id);
    }
    assert!(crate::subscriber::handler_span(&opentelemetry::Context::new(), "none".into()).is_disabled());
}
