//! A collector in this process that answers as it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::sync::oneshot;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

/// What a request is answered with. Accepting is the rule.
#[derive(Clone)]
pub(super) enum Answer {
    Accept,
    /// Takes the request but not these items.
    Reject(i64, &'static str),
    Status(Status),
    /// Never.
    Silent,
}

pub(super) struct Collector {
    pub(super) address: SocketAddr,
    seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: VecDeque<Answer>,
    always: Option<Answer>,
    requests: usize,
    /// Names of the spans taken.
    spans: Vec<String>,
    /// Scope and text of the log records taken.
    logs: Vec<ExportLogsServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
    peers: Vec<SocketAddr>,
    metadata: Option<tonic::metadata::MetadataMap>,
}

impl Collector {
    pub(super) fn start() -> Self {
        Self::start_with(SocketAddr::from(([127, 0, 0, 1], 0)), None)
    }

    /// At an address that another one had, or with a limit for messages.
    pub(super) fn start_with(address: SocketAddr, max_message: Option<usize>) -> Self {
        let seen = Arc::new(Seen::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let service = Service(Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind(address).await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                let limit = max_message.unwrap_or(64 << 20);
                let server = tonic::transport::Server::builder()
                    .add_service(
                        TraceServiceServer::new(service.clone())
                            .max_decoding_message_size(limit)
                            .accept_compressed(CompressionEncoding::Gzip),
                    )
                    .add_service(LogsServiceServer::new(service.clone()))
                    .add_service(MetricsServiceServer::new(service))
                    .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener));
                // Open connections are cut, as when a process is killed.
                tokio::select! { _ = server => {}, _ = stopped => {} }
            });
            runtime.shutdown_background();
        });
        let address = is_ready.recv().unwrap();
        Self { address, seen, stop: Some(stop), thread: Some(thread) }
    }

    /// The next requests get these answers, in order.
    pub(super) fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().next.extend(answers);
    }

    /// All requests that `answer_next` says nothing about get this one.
    pub(super) fn answer_always(&self, answer: Answer) {
        self.state().always = Some(answer);
    }

    pub(super) fn spans(&self) -> Vec<String> {
        self.state().spans.clone()
    }

    pub(super) fn logs(&self) -> Vec<ExportLogsServiceRequest> {
        self.state().logs.clone()
    }

    pub(super) fn metrics(&self) -> Vec<ExportMetricsServiceRequest> {
        self.state().metrics.clone()
    }

    /// Requests answered or not.
    pub(super) fn requests(&self) -> usize {
        self.state().requests
    }

    pub(super) fn peers(&self) -> Vec<SocketAddr> {
        let mut peers = self.state().peers.clone();
        peers.sort();
        peers.dedup();
        peers
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        let state = self.state();
        let value = state.metadata.as_ref()?.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }

    /// Waits until as many requests have come.
    pub(super) fn wait_for_requests(&self, count: usize) {
        let (_state, timeout) = self
            .seen
            .changed
            .wait_timeout_while(self.state(), PATIENCE, |state| state.requests < count)
            .unwrap();
        assert!(!timeout.timed_out(), "no {count} requests within {PATIENCE:?}");
    }

    pub(super) fn wait_for_spans(&self, count: usize) {
        let (state, timeout) = self
            .seen
            .changed
            .wait_timeout_while(self.state(), PATIENCE, |state| state.spans.len() < count)
            .unwrap();
        assert!(!timeout.timed_out(), "{} of {count} spans within {PATIENCE:?}", state.spans.len());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.seen.state.lock().unwrap()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

#[derive(Clone)]
struct Service(Arc<Seen>);

impl Service {
    /// The items that are rejected, or the error.
    async fn take<T>(
        &self,
        request: Request<T>,
        keep: impl FnOnce(&mut State, T),
    ) -> Result<Option<(i64, String)>, Status> {
        let answer = {
            let mut state = self.0.state.lock().unwrap();
            state.requests += 1;
            state.peers.extend(request.remote_addr());
            state.metadata = Some(request.metadata().clone());
            let always = state.always.clone();
            let answer = state.next.pop_front().or(always).unwrap_or(Answer::Accept);
            if matches!(answer, Answer::Accept | Answer::Reject(..)) {
                keep(&mut state, request.into_inner());
            }
            answer
        };
        self.0.changed.notify_all();
        match answer {
            Answer::Accept => Ok(None),
            Answer::Reject(items, reason) => Ok(Some((items, reason.to_owned()))),
            Answer::Status(status) => Err(status),
            Answer::Silent => std::future::pending().await,
        }
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let keep = |state: &mut State, request: ExportTraceServiceRequest| {
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            state.spans.extend(scopes.flat_map(|scope| scope.spans).map(|span| span.name));
        };
        let rejected = self.take(request, keep).await?;
        let partial_success = rejected.map(|(rejected_spans, error_message)| ExportTracePartialSuccess {
            rejected_spans,
            error_message,
        });
        Ok(Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl LogsService for Service {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.take(request, |state, request| state.logs.push(request)).await?;
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Service {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.take(request, |state, request| state.metrics.push(request)).await?;
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
