//! Keeps a request when its answer has gone out, and not before: what is kept is what was acknowledged.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;
use tonic::server::NamedService;
use tower_service::Service;

use super::state::State;
use crate::collector::collected::Request;

/// A service whose requests are kept when the trailers of their answers go out, which a client that has given up
/// prevents.
#[derive(Clone)]
pub(super) struct Acknowledging<S>(pub(super) S);

impl<S: NamedService> NamedService for Acknowledging<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<tonic::body::Body>> for Acknowledging<S>
where
    S: Service<http::Request<tonic::body::Body>, Response = http::Response<tonic::body::Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let response = self.0.call(request);
        Box::pin(async move {
            let mut response = response.await?;
            let pending = response.extensions_mut().remove::<Pending>();
            Ok(response.map(|body| match pending {
                Some(pending) => tonic::body::Body::new(AcknowledgingBody { body, pending }),
                None => body,
            }))
        })
    }
}

struct AcknowledgingBody {
    body: tonic::body::Body,
    pending: Pending,
}

impl Body for AcknowledgingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && frame.is_trailers()
        {
            self.pending.keep();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request on its way to being kept; travels with the response to the service above, as an extension.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    state: Arc<State>,
    request: Arc<Mutex<Option<Request>>>,
}

impl Pending {
    pub(super) fn new(state: Arc<State>, request: Request) -> Self {
        Self { state, request: Arc::new(Mutex::new(Some(request))) }
    }

    pub(super) fn keep(&self) {
        let request = self.request.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(request) = request {
            self.state.keep(request);
        }
    }
}
