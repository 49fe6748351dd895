//! The trace goes through queues, tasks and threads.

use std::collections::HashMap;

use opentelemetry::KeyValue;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::TraceContextExt as _;
use telemetry_bootstrap::testing::{Collector, SpanKind};
use telemetry_bootstrap::{LogFormat, SpanExt as _, context_from_headers, context_headers, opentelemetry};
use tokio::sync::mpsc;
use tracing::{Instrument as _, info, info_span};

#[tokio::test]
async fn queues_tasks_and_threads_keep_the_trace() {
    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init()
        .ignore_env()
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(LogFormat::Off))
        .build()
        .unwrap();
    assert!(context_headers().is_empty(), "there is no span");

    // One service sends, as a map, and the other one receives, in two ways.
    let (queue, mut messages) = mpsc::channel::<HashMap<String, String>>(2);
    info_span!("send", otel.kind = "producer").in_scope(|| {
        let tenant = opentelemetry::Context::current_with_baggage([KeyValue::new("tenant", "acme")]);
        let _attached = tenant.attach();
        for _ in 0..2 {
            queue.try_send(context_headers().into_iter().collect()).unwrap();
        }
    });
    let message = messages.recv().await.unwrap();
    let process = info_span!("process", otel.kind = "consumer");
    process.set_parent(context_from_headers(&message)).unwrap();
    async {
        let baggage = opentelemetry::Context::map_current(|context| context.baggage().get("tenant").cloned());
        assert_eq!(baggage.unwrap().as_str(), "acme");
        telemetry_bootstrap::spawn(async { info!("in a task") }).await.unwrap();
        telemetry_bootstrap::spawn_blocking(|| info_span!("in a thread").in_scope(|| ())).await.unwrap();
    }
    .instrument(process)
    .await;
    // As bytes, with names in upper case: as a link.
    let message = messages.recv().await.unwrap();
    let bytes = message.iter().map(|(name, value)| (name.to_ascii_uppercase(), value.as_bytes()));
    let sender = context_from_headers(bytes).span().span_context().clone();
    info_span!("batch").add_link(sender);

    telemetry.shutdown().unwrap();
    let received = collector.received();
    let (send, process) = (received.span("send"), received.span("process"));
    assert_eq!((send.kind(), process.kind()), (SpanKind::Producer, SpanKind::Consumer));
    assert!(send.is_parent_of(&process));
    assert!(process.is_parent_of(&received.span("in a thread")));
    assert_eq!(received.log("in a task").span_id(), Some(process.span_id()));
    assert_eq!(received.span("batch").span.links[0].span_id, send.span.span_id);

    headers_without_a_valid_context_give_none();
}

/// Needs the propagators that were installed.
fn headers_without_a_valid_context_give_none() {
    let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let is_valid = |headers: &[(&str, &[u8])]| {
        context_from_headers(headers.iter().copied()).span().span_context().is_valid()
    };
    assert!(is_valid(&[("traceparent", valid.as_bytes())]));
    assert!(is_valid(&[("other", &[0xff]), ("TraceParent", valid.as_bytes())]));
    for invalid in [&b""[..], b"00-00", &[0xff]] {
        assert!(!is_valid(&[("traceparent", invalid)]));
    }
    assert!(!is_valid(&[]));
}
