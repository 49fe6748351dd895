//! The server: three OTLP services on one thread, with its own runtime.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tonic::transport::server::TcpIncoming;
use tonic::{Response, Status};

use super::acknowledge::{Acknowledging, Pending};
use super::fault::{Answer, Fate};
use super::state::State;
use crate::collector::collected::Request;
use crate::collector::export::Export;
use crate::export::own_threads::become_io_thread;

macro_rules! configured {
    ($service:expr) => {{
        // The limit is the business of `fault`, which answers as the Go collector does.
        let service = $service.max_decoding_message_size(usize::MAX);
        #[cfg(feature = "gzip")]
        let service = service.accept_compressed(tonic::codec::CompressionEncoding::Gzip);
        Acknowledging(service)
    }};
}

/// A running server.
pub(super) struct Server {
    ending: watch::Sender<Option<Ending>>,
    thread: JoinHandle<()>,
}

/// How a server ends.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Ending {
    /// What was acknowledged reaches the client.
    AnswersGoOut,
    AtOnce,
}

impl Server {
    /// Returns when the server listens.
    pub(super) fn start(address: SocketAddr, state: Arc<State>) -> io::Result<Self> {
        let (ending, ended) = watch::channel(None);
        let (ready, listening) = channel();
        let thread = std::thread::Builder::new()
            .name("testing-collector".to_owned())
            .spawn(move || run(address, &state, &ended, &ready))?;
        match listening.recv() {
            Ok(Ok(())) => Ok(Self { ending, thread }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the collector's thread ended")),
        }
    }

    /// Returns when the thread has ended.
    pub(super) fn end(self, ending: Ending) {
        let _ = self.ending.send(Some(ending));
        let _ = self.thread.join();
    }
}

type Ended = watch::Receiver<Option<Ending>>;

fn run(address: SocketAddr, state: &Arc<State>, ended: &Ended, ready: &Sender<io::Result<()>>) {
    // A subscriber of the program under test would see the server's own events, and export them to it.
    become_io_thread();
    let _suppressed = opentelemetry::Context::enter_telemetry_suppressed_scope();
    if let Err(error) = listen_and_serve(address, state, ended, ready) {
        let _ = ready.send(Err(error));
    }
}

fn listen_and_serve(
    address: SocketAddr,
    state: &Arc<State>,
    ended: &Ended,
    ready: &Sender<io::Result<()>>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = listen(address)?;
        let _ = ready.send(Ok(()));
        serve(listener, state, ended).await;
        Ok(())
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn serve(listener: TcpListener, state: &Arc<State>, ended: &Ended) {
    let connected = Arc::clone(state);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).inspect(|_| connected.connected());
    let receiver = Receiver { state: Arc::clone(state), ended: ended.clone() };
    let serving = tonic::transport::Server::builder()
        .add_service(configured!(TraceServiceServer::new(receiver.clone())))
        .add_service(configured!(MetricsServiceServer::new(receiver.clone())))
        .add_service(configured!(LogsServiceServer::new(receiver)))
        .serve_with_incoming_shutdown(incoming, end_of(ended.clone()));
    tokio::select! {
        _ = serving => {}
        () = patience(ended.clone()) => {}
    }
}

/// Resolves when the server is to end.
async fn end_of(mut ended: Ended) {
    // An error means that the handle is gone: the same.
    let _ = ended.wait_for(Option::is_some).await;
}

/// Resolves when the connections must be closed, whether or not the clients have taken their answers.
async fn patience(mut ended: Ended) {
    let ending = ended.wait_for(Option::is_some).await.map_or(None, |ending| *ending);
    if ending == Some(Ending::AnswersGoOut) {
        tokio::time::sleep(GRACE).await;
    }
}

/// The three services.
#[derive(Clone)]
struct Receiver {
    state: Arc<State>,
    ended: Ended,
}

struct Accepted {
    pending: Pending,
    rejected: Option<(i64, String)>,
}

impl Receiver {
    /// Does what the faults of the moment say.
    async fn receive<T>(
        &self,
        request: tonic::Request<T>,
        export: fn(T) -> Export,
    ) -> Result<Accepted, Status> {
        let (metadata, _, message) = request.into_parts();
        let mut request = Request::new(metadata.into_headers(), export(message));
        let fate = self.state.fate_of(request.export.signal(), request.export.size());
        let rejected = tokio::select! {
            biased;
            () = end_of(self.ended.clone()) => return Err(Status::unavailable("the collector was stopped")),
            rejected = suffer(fate, &mut request.export) => rejected?,
        };
        request.time = SystemTime::now();
        Ok(Accepted { pending: Pending::new(Arc::clone(&self.state), request), rejected })
    }
}

/// Returns what is to be said about rejected items.
async fn suffer(fate: Fate, export: &mut Export) -> Result<Option<(i64, String)>, Status> {
    if !fate.delay.is_zero() {
        tokio::time::sleep(fate.delay).await;
    }
    match fate.answer {
        Answer::Accept => Ok(None),
        Answer::Refuse(status) => Err(status),
        Answer::Never => std::future::pending().await,
        Answer::Reject { items, message } => {
            let items = items.min(export.item_count());
            export.reject(items);
            Ok(Some((i64::try_from(items).unwrap_or(i64::MAX), message)))
        }
    }
}

impl Accepted {
    fn respond<T>(self, response: impl FnOnce(Option<(i64, String)>) -> T) -> Response<T> {
        let mut response = Response::new(response(self.rejected));
        response.extensions_mut().insert(self.pending);
        response
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let accepted = self.receive(request, Export::Traces).await?;
        Ok(accepted.respond(|rejected| ExportTraceServiceResponse {
            partial_success: rejected.map(|(rejected_spans, error_message)| ExportTracePartialSuccess {
                rejected_spans,
                error_message,
            }),
        }))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let accepted = self.receive(request, Export::Metrics).await?;
        Ok(accepted.respond(|rejected| ExportMetricsServiceResponse {
            partial_success: rejected.map(|(rejected_data_points, error_message)| {
                ExportMetricsPartialSuccess { rejected_data_points, error_message }
            }),
        }))
    }
}

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let accepted = self.receive(request, Export::Logs).await?;
        Ok(accepted.respond(|rejected| ExportLogsServiceResponse {
            partial_success: rejected.map(|(rejected_log_records, error_message)| ExportLogsPartialSuccess {
                rejected_log_records,
                error_message,
            }),
        }))
    }
}

const BACKLOG: u32 = 1024;
/// What a stopping server waits for clients to take their answers.
const GRACE: Duration = Duration::from_secs(1);
