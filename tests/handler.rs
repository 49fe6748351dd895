//! `tracing::Span::current()` in a handler is the span of the call, for gRPC and HTTP, up to the end of a stream.

#![cfg(all(feature = "grpc", feature = "http", feature = "testing"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail with them")]

mod grpc_support;
mod local;

use std::convert::Infallible;
use std::future::Future;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use local::Local;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use serde_json::Value;
use telemetry_bootstrap::testing::{CollectedSpan, Collector, StatusCode};
use telemetry_bootstrap::{SpanExt as _, grpc, record_error};
use tokio_stream::StreamExt as _;
use tonic::body::Body;
use tower::{Layer, Service, ServiceExt};
use tracing::{Instrument as _, Span, error, info, info_span};

/// A protocol, and the layer that records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stack {
    Grpc,
    Http,
    GrpcInHttp,
}

const STACKS: [Stack; 3] = [Stack::Grpc, Stack::Http, Stack::GrpcInHttp];

impl Stack {
    fn request(self, traceparent: Option<&str>) -> Request<Body> {
        let mut request = Request::post("http://shop/shop.Orders/Place");
        if self != Self::Http {
            request = request.header("content-type", "application/grpc");
        }
        if let Some(parent) = traceparent {
            request = request.header("traceparent", parent);
        }
        request.body(Body::empty()).unwrap()
    }

    fn response(self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        if self != Self::Http {
            response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
            response.headers_mut().insert("grpc-status", "0".parse().unwrap());
        }
        response
    }

    fn span_name(self) -> &'static str {
        if self == Self::Http { "POST" } else { "shop.Orders/Place" }
    }

    /// Serves one request with `handler` and reads the response to its end.
    async fn serve<F>(
        self,
        local: &Local,
        traceparent: Option<&str>,
        handler: impl Fn() -> F + Clone + Send + 'static,
    ) where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let (traces, metrics) = (local.guard.tracer_provider(), local.guard.meter_provider());
        let handler = tower::service_fn(move |_: Request<Body>| {
            let response = handler();
            async { Ok::<_, Infallible>(response.await) }
        });
        let request = self.request(traceparent);
        match self {
            Self::Grpc => {
                let layer =
                    grpc::ServerLayer::new().tracer_provider(traces.clone()).meter_provider(metrics.clone());
                read(layer.layer(handler), request).await;
            }
            Self::Http | Self::GrpcInHttp => {
                let layer = telemetry_bootstrap::http::ServerLayer::new()
                    .tracer_provider(traces.clone())
                    .meter_provider(metrics.clone());
                read(layer.layer(handler), request).await;
            }
        }
    }
}

async fn read<S, B>(service: S, request: Request<Body>)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body,
{
    let response = service.oneshot(request).await.unwrap();
    let _ = response.into_body().collect().await;
}

/// Runs one call of `stack`, and returns what was exported and written.
fn run<F>(stack: Stack, handler: impl Fn() -> F + Clone + Send + 'static) -> (Vec<CollectedSpan>, Vec<Value>)
where
    F: Future<Output = Response<Body>> + Send + 'static,
{
    run_with(stack, None, |builder| builder, handler)
}

fn run_with<F>(
    stack: Stack,
    traceparent: Option<&str>,
    adjust: impl FnOnce(telemetry_bootstrap::Builder) -> telemetry_bootstrap::Builder,
    handler: impl Fn() -> F + Clone + Send + 'static,
) -> (Vec<CollectedSpan>, Vec<Value>)
where
    F: Future<Output = Response<Body>> + Send + 'static,
{
    propagate();
    let collector = Collector::start().unwrap();
    let local = Local::with(&collector.endpoint(), adjust);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tracing::dispatcher::with_default(&local.subscriber, || {
        runtime.block_on(stack.serve(&local, traceparent, handler));
    });
    let (stats, lines) = local.shutdown();
    assert_eq!((stats.lost(), stats.open_spans), (0, 0), "{stack:?}");
    (collector.received().spans(), lines)
}

fn propagate() {
    let propagator = opentelemetry_sdk::propagation::TraceContextPropagator::new();
    opentelemetry::global::set_text_map_propagator(propagator);
}

fn named<'a>(spans: &'a [CollectedSpan], name: &str) -> &'a CollectedSpan {
    let mut found = spans.iter().filter(|span| span.name() == name);
    let span = found.next().unwrap_or_else(|| panic!("{name} is not in {spans:?}"));
    assert!(found.next().is_none(), "{name} is there twice");
    span
}

fn line<'a>(lines: &'a [Value], message: &str) -> &'a Value {
    lines.iter().find(|line| line["message"] == message).unwrap()
}

#[tracing::instrument]
async fn look_up() {
    info!("looking up");
}

#[test]
fn everything_that_is_done_with_the_current_span_reaches_the_call() {
    for stack in STACKS {
        let (spans, lines) = run(stack, move || async move {
            let call = Span::current();
            assert!(!call.is_none());
            call.record("user.id", 7);
            call.set_attribute("basket.size", 3);
            look_up().await;
            let spawned = tokio::spawn(
                async { info_span!("in a task").in_scope(|| info!("indexing")) }.in_current_span(),
            );
            spawned.await.unwrap();
            let job = info_span!(parent: None, "job");
            let _ = telemetry_bootstrap::SpanExt::set_parent(&job, Context::new());
            job.follows_from(&call);
            let other = info_span!("other").context().span().span_context().clone();
            call.add_link(other);
            record_error(&std::io::Error::other("no stock"));
            stack.response(Body::empty())
        });
        let call = named(&spans, stack.span_name());
        assert_eq!(call.attribute_text("user.id").as_deref(), Some("7"), "{stack:?}");
        assert_eq!(call.attribute_text("basket.size").as_deref(), Some("3"));
        for child in ["look_up", "in a task", "other"] {
            assert!(call.is_parent_of(named(&spans, child)), "{stack:?}: {child}");
        }
        assert_eq!(named(&spans, "job").span.links[0].span_id, call.span.span_id);
        assert_eq!(call.span.links[0].span_id, named(&spans, "other").span.span_id);
        assert_eq!(call.events("exception").count(), 1);
        assert_eq!(call.status(), StatusCode::Error);
        assert_eq!(line(&lines, "looking up")["user.id"], 7, "{stack:?}");
        assert_eq!(line(&lines, "indexing")["trace_id"], call.trace_id().as_str());
        assert_eq!(line(&lines, "no stock")["span_id"], call.span_id().as_str());
    }
}

#[test]
fn fields_of_the_call_are_in_lines_and_records_whose_filter_names_the_program_alone() {
    for stack in STACKS {
        let filters = |builder: telemetry_bootstrap::Builder| {
            builder.log_filter("handler=info").logs(|logs| logs.filter("handler=info").include_span_fields())
        };
        let collector = Collector::start().unwrap();
        let exported = |builder| filters(builder).endpoint(collector.endpoint());
        let (_, lines) = run_with(stack, None, exported, move || async move {
            Span::current().record("tenant", "acme");
            info!("inside");
            stack.response(Body::empty())
        });
        assert_eq!(line(&lines, "inside")["tenant"], "acme", "{stack:?}");
        let received = collector.received();
        let records = received.logs();
        let inside = records.iter().find(|record| record.attribute_text("tenant").is_some());
        assert_eq!(inside.unwrap().attribute_text("tenant").unwrap(), "acme", "{stack:?}");
    }
}

#[test]
fn a_stream_is_produced_in_the_span_of_the_call() {
    for stack in STACKS {
        let (spans, _) = run(stack, move || async move {
            let frames = tokio_stream::iter(0..3).then(|item| async move {
                Span::current().record("request.id", item);
                drop(info_span!("item", item));
                Ok::<_, tonic::Status>(http_body::Frame::data(bytes::Bytes::from_static(b"\0\0\0\0\0")))
            });
            let body = Body::new(http_body_util::StreamBody::new(frames));
            let mut response = stack.response(body);
            response.headers_mut().remove("grpc-status");
            response
        });
        let call = named(&spans, stack.span_name());
        assert_eq!(call.attribute_text("request.id").as_deref(), Some("2"), "{stack:?}");
        let items: Vec<_> = spans.iter().filter(|span| span.name() == "item").collect();
        assert!(items.len() == 3 && items.iter().all(|item| call.is_parent_of(item)), "{stack:?}");
    }
}

#[test]
fn an_error_event_alone_does_not_mark_the_call() {
    for stack in STACKS {
        let (spans, _) = run(stack, move || async move {
            let broken = std::io::Error::other("no stock");
            error!(error = &broken as &dyn std::error::Error, "cannot place the order");
            stack.response(Body::empty())
        });
        let call = named(&spans, stack.span_name());
        assert_eq!((call.status(), call.events("exception").count()), (StatusCode::Unset, 0), "{stack:?}");
        assert_eq!(call.attribute("error.type"), None);
    }
}

#[test]
fn an_error_that_is_recorded_inside_and_outside_is_one_exception() {
    for stack in STACKS {
        let (spans, _) = run(stack, move || async move {
            let broken = std::io::Error::other("no stock");
            info_span!("place").in_scope(|| record_error(&broken));
            record_error(&broken);
            stack.response(Body::empty())
        });
        let exceptions: usize = spans.iter().map(|span| span.events("exception").count()).sum();
        assert_eq!(exceptions, 1, "{stack:?}");
        assert_eq!(named(&spans, stack.span_name()).status(), StatusCode::Error);
    }
}

#[test]
fn the_task_of_an_unsampled_call_is_not_sampled_either() {
    for stack in STACKS {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let (spans, lines) = run_with(
            stack,
            Some(parent),
            |builder| builder,
            move || async move {
                Span::current().record("user.id", 7);
                tokio::spawn(look_up().in_current_span()).await.unwrap();
                stack.response(Body::empty())
            },
        );
        assert_eq!(spans.len(), 0, "{stack:?}");
        assert_eq!(line(&lines, "looking up")["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    }
}

#[test]
fn a_filter_that_excludes_everything_leaves_the_context_of_the_call() {
    for stack in STACKS {
        let off = |builder: telemetry_bootstrap::Builder| builder.log_filter("off").span_filter("off");
        let (spans, _) = run_with(stack, None, off, move || async move {
            let is_recording = Context::map_current(|context| context.span().is_recording());
            assert!(is_recording, "{stack:?}");
            stack.response(Body::empty())
        });
        assert_eq!(named(&spans, stack.span_name()).events("exception").count(), 0);
    }
}

#[test]
fn without_a_subscriber_of_this_crate_there_is_no_span() {
    for stack in STACKS {
        let collector = Collector::start().unwrap();
        let local = Local::start(&collector.endpoint());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handler = move || async move {
            assert!(Span::current().is_none());
            assert!(Context::map_current(|context| context.span().is_recording()));
            stack.response(Body::empty())
        };
        runtime.block_on(stack.serve(&local, None, handler));
        let foreign = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
        tracing::subscriber::with_default(foreign, || {
            runtime.block_on(stack.serve(&local, None, handler));
        });
        local.shutdown();
        assert_eq!(collector.received().spans().len(), 2, "{stack:?}");
    }
}

#[tokio::test]
async fn a_panic_is_one_exception_of_the_call() {
    if !grpc_support::in_child("a_panic_is_one_exception_of_the_call", "PANICS", "1") {
        return;
    }
    let collector = Collector::start().unwrap();
    let telemetry = telemetry_bootstrap::init().ignore_env().endpoint(collector.endpoint()).build().unwrap();
    let broken = || {
        tower::service_fn(|_: Request<Body>| async {
            if true {
                panic!("out of stock");
            }
            Ok::<_, Infallible>(Response::new(Body::empty()))
        })
    };
    let grpc = grpc::ServerLayer::new().layer(broken()).oneshot(Stack::Grpc.request(None));
    assert!(tokio::spawn(grpc).await.is_err());
    let http = telemetry_bootstrap::http::ServerLayer::new();
    let uncaught = http.clone().layer(broken()).oneshot(Stack::Http.request(None));
    assert!(tokio::spawn(uncaught).await.is_err());
    let caught = http.catch_panics().layer(broken()).oneshot(Stack::Http.request(None)).await.unwrap();
    assert_eq!(caught.status(), 500);
    telemetry.shutdown().unwrap();
    let spans = collector.spans();
    assert_eq!(spans.len(), 3);
    for (span, error_type) in spans.iter().zip(["INTERNAL", "panic", "panic"]) {
        assert_eq!((span.status(), span.status_message()), (StatusCode::Error, "panicked"));
        assert_eq!(span.attribute_text("error.type").as_deref(), Some(error_type));
        let exceptions: Vec<_> = span.events("exception").collect();
        assert_eq!(exceptions.len(), 1, "{span:?}");
        assert!(format!("{:?}", exceptions[0]).contains("out of stock"));
    }
}
