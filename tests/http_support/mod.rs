//! Layers that record in memory, services that answer as configured, and what one request must have left behind.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "each test uses its part"
)]

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use http::{Method, Request, Response};
use opentelemetry::Value;
use opentelemetry_sdk::trace::SpanData;
use telemetry_bootstrap::http::{ClientLayer, ServerLayer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::Service;

use crate::grpc_support::{Recorded, attribute, value};

pub fn server(recorded: &Recorded) -> ServerLayer {
    ServerLayer::new()
        .tracer_provider(recorded.tracer_provider.clone())
        .meter_provider(recorded.meter_provider.clone())
        .record_active_requests()
}

pub fn client(recorded: &Recorded) -> ClientLayer {
    ClientLayer::new()
        .tracer_provider(recorded.tracer_provider.clone())
        .meter_provider(recorded.meter_provider.clone())
        .record_active_requests()
}

/// A service with this response to every request.
pub fn answer<B>(
    response: impl Fn() -> Response<B> + Clone,
) -> impl Service<Request<Body>, Response = Response<B>, Error = Infallible, Future: Send> + Clone
where
    B: Send,
{
    tower::service_fn(move |_: Request<Body>| std::future::ready(Ok(response())))
}

/// A body of unknown length that sends these frames, and then ends or fails.
pub fn stream<const N: usize>(frames: [&'static str; N], fails: bool) -> Body {
    let end =
        fails.then(|| Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection reset")));
    Body::from_stream(tokio_stream::iter(frames.map(|frame| Ok(Bytes::from(frame))).into_iter().chain(end)))
}

pub fn active(recorded: &Recorded, side: &str) -> f64 {
    recorded.active(&format!("http.{side}.active_requests"))
}

/// One request was recorded: one span and one duration that agree, and no request is active.
pub async fn finished(
    recorded: &Recorded,
    side: &str,
    status: Option<u16>,
    error_type: Option<&str>,
) -> SpanData {
    let span = recorded.ended(1).await.remove(0);
    let expected = status.map(|status| Value::I64(status.into()));
    assert_eq!(value(&span.attributes, "http.response.status_code"), expected.as_ref(), "{span:?}");
    assert_eq!(attribute(&span, "error.type").as_deref(), error_type, "{span:?}");
    let points = recorded.points(&format!("http.{side}.request.duration"));
    assert_eq!((points.len(), points[0].count), (1, 1), "{points:?}");
    assert_eq!(points[0].get("http.response.status_code"), status.map(|status| status.to_string()));
    assert_eq!(points[0].get("error.type").as_deref(), error_type);
    let lasted = span.end_time.duration_since(span.start_time).unwrap().as_secs_f64();
    assert!((points[0].sum - lasted).abs() < 1e-6, "measured {} of {lasted}", points[0].sum);
    assert_eq!(active(recorded, side), 0.0);
    span
}

/// Sends a request over a connection of its own, and returns all that comes back.
pub async fn raw_request(address: std::net::SocketAddr, method: &Method, path: &str) -> Vec<u8> {
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    answer
}
