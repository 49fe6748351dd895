//! Bodies of the program whose `size_hint` or `is_end_stream` panics: the layers, which call them more often than a
//! transport, change nothing about the body, and the call ends once.

#![cfg(all(feature = "http", feature = "axum", feature = "grpc"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail with them")]

mod grpc_support;
mod http_support;

use std::convert::Infallible;
use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use grpc_support::{Recorded, one_call};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_support::*;
use tonic::codegen::Bytes;
use tower::{Layer, Service, ServiceExt};

/// Which function panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Panics {
    SizeHint,
    IsEndStream,
}

/// Two pieces, of a body that panics in one function.
struct Hostile {
    pieces: Vec<&'static [u8]>,
    panics: Panics,
    armed: Arc<AtomicBool>,
}

impl Hostile {
    fn new(panics: Panics) -> Self {
        Self { pieces: vec![b"a", b"b"], panics, armed: Arc::new(AtomicBool::new(true)) }
    }

    fn in_(&self, function: Panics) {
        assert!(self.panics != function || !self.armed.load(Ordering::Relaxed), "the body panics");
    }
}

impl Body for Hostile {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = (!self.pieces.is_empty()).then(|| self.pieces.remove(0));
        Poll::Ready(next.map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.in_(Panics::IsEndStream);
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.in_(Panics::SizeHint);
        SizeHint::default()
    }
}

/// A service for both protocols that answers with such a body.
fn hostile(
    panics: Panics,
) -> impl Service<Request<String>, Response = Response<Hostile>, Error = Infallible, Future: Send> + Clone {
    tower::service_fn(move |_: Request<String>| ready(Ok(Response::new(Hostile::new(panics)))))
}

fn request(content_type: &str) -> Request<String> {
    Request::post("http://h/a.B/C").header("content-type", content_type).body(String::new()).unwrap()
}

/// Sends a request, and returns the body of the response.
async fn body_of<B>(
    service: impl Service<Request<String>, Response = Response<B>, Error = Infallible>,
    content_type: &str,
) -> B {
    service.oneshot(request(content_type)).await.unwrap().into_body()
}

#[tokio::test]
async fn a_panic_where_only_the_layer_looks_costs_nothing() {
    for panics in [Panics::SizeHint, Panics::IsEndStream] {
        for is_server in [true, false] {
            let recorded = Recorded::new();
            let side = if is_server { "server" } else { "client" };
            for content_type in ["text/plain", "application/grpc"] {
                let bytes = match is_server {
                    true => {
                        let service = server(&recorded).catch_panics().layer(hostile(panics));
                        body_of(service, content_type).await.collect().await
                    }
                    false => {
                        let service = client(&recorded).layer(hostile(panics));
                        body_of(service, content_type).await.collect().await
                    }
                };
                assert_eq!(bytes.unwrap().to_bytes(), "ab", "{panics:?} {side} {content_type}");
            }
            // The gRPC response had no trailers.
            let spans = recorded.ended(2).await;
            let statuses: Vec<_> = spans
                .iter()
                .map(|span| {
                    grpc_support::attribute(span, "http.response.status_code")
                        .or_else(|| grpc_support::attribute(span, "rpc.status_code"))
                })
                .collect();
            assert_eq!(statuses, [Some("200".to_owned()), Some("UNKNOWN".to_owned())], "{panics:?} {side}");
            assert_eq!(recorded.points(&format!("http.{side}.request.duration")).remove(0).count, 1);
            assert_eq!(recorded.points(&format!("rpc.{side}.call.duration")).remove(0).count, 1);
            assert_eq!(active(&recorded, side), 0.0);
        }
    }
}

/// As without the layer: the panic is that of the body, and reaches who called it.
#[tokio::test]
async fn a_panic_that_a_transport_runs_into_ends_the_call_once() {
    for panics in [Panics::SizeHint, Panics::IsEndStream] {
        let recorded = Recorded::new();
        let body = body_of(server(&recorded).layer(hostile(panics)), "text/plain").await;
        let looked = catch_unwind(AssertUnwindSafe(|| match panics {
            Panics::SizeHint => drop(body.size_hint()),
            Panics::IsEndStream => drop(body.is_end_stream()),
        }));
        assert!(looked.is_err());
        drop(body);
        finished(&recorded, "server", Some(200), Some("cancelled")).await;

        let recorded = Recorded::new();
        let body = body_of(recorded.server().layer(hostile(panics)), "application/grpc").await;
        drop(body);
        one_call(&recorded, "server", "CANCELLED", false).await;
    }
}

#[tokio::test]
async fn the_body_of_a_request_is_sent_as_it_is() {
    for panics in [Panics::SizeHint, Panics::IsEndStream] {
        let recorded = Recorded::new();
        let body = Hostile::new(panics);
        let armed = Arc::clone(&body.armed);
        // tonic looks as well.
        armed.store(false, Ordering::Relaxed);
        let body = tonic::body::Body::new(body);
        armed.store(true, Ordering::Relaxed);
        let service = tower::service_fn(|request: Request<tonic::body::Body>| async {
            let body = request.into_body().collect().await.unwrap();
            assert_eq!(body.to_bytes(), "ab");
            let answer = Response::builder().header("grpc-status", "0");
            Ok::<_, Infallible>(answer.body(tonic::body::Body::empty()).unwrap())
        });
        let (head, _) = request("application/grpc").into_parts();
        let layered = recorded.client().layer(service);
        layered.oneshot(Request::from_parts(head, body)).await.unwrap();
        one_call(&recorded, "client", "OK", false).await;
    }
}
