//! The service, and the server that offers it.

use std::future::Future;
use std::pin::Pin;
use std::string::FromUtf8Error;
use std::sync::Arc;
use std::time::Duration;

use telemetry_bootstrap::grpc::ServerLayer;
use telemetry_bootstrap::record_error;
use telemetry_bootstrap::tracing::{Instrument, info, info_span};
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

use super::instruments::Instruments;
use super::proto::my_service_server::{MyService as Service, MyServiceServer};
use super::proto::{MyRequest, MyRequests, MyResponse};

/// Serves until `shutdown` resolves, then lets calls in progress end.
pub(crate) async fn serve(
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    if let Ok(address) = listener.local_addr() {
        info!(server.address = %address.ip(), server.port = address.port(), "Starting gRPC server");
    }
    // Without it, each small message of a stream would wait for the acknowledgement of the one before.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        // Traces and measures every call.
        .layer(ServerLayer::new())
        .add_service(MyServiceServer::new(MyService::new()))
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await
}

#[derive(Clone, Debug)]
pub(crate) struct MyService {
    instruments: Arc<Instruments>,
}

impl MyService {
    pub(crate) fn new() -> Self {
        Self { instruments: Arc::new(Instruments::new()) }
    }

    async fn process(&self, method: &'static str, request: MyRequest) -> Result<MyResponse, BusinessError> {
        let mut measured = self.instruments.request(method);
        // Fields, not text: a search finds the request by its id. The layers add the trace's ids.
        info!(request.id = request.id, "Processing request");

        // Everything inside is a child of this span, over each `.await`.
        let span = info_span!("process-business-logic", request.id = request.id);
        async {
            match business_logic(&request).await {
                Ok(response) => {
                    measured.succeeded();
                    let duration = measured.elapsed().as_secs_f64();
                    info!(request.id = request.id, duration, "Request processed successfully");
                    Ok(response)
                }
                Err(error) => {
                    // Span status, exception event and error line in one.
                    record_error(&error);
                    Err(error)
                }
            }
        }
        .instrument(span)
        .await
    }
}

#[tonic::async_trait]
impl Service for MyService {
    async fn process_request(&self, request: Request<MyRequest>) -> Result<Response<MyResponse>, Status> {
        Ok(Response::new(self.process("ProcessRequest", request.into_inner()).await?))
    }

    type ProcessRequestsStream = Pin<Box<dyn Stream<Item = Result<MyResponse, Status>> + Send>>;

    async fn process_requests(
        &self,
        request: Request<MyRequests>,
    ) -> Result<Response<Self::ProcessRequestsStream>, Status> {
        let service = self.clone();
        let requests = tokio_stream::iter(request.into_inner().ids);
        // What happens while the client reads still belongs to the span of the call.
        let results = requests.then(move |id| {
            let service = service.clone();
            async move { Ok(service.process("ProcessRequests", MyRequest { id }).await?) }
        });
        Ok(Response::new(Box::pin(results)))
    }
}

async fn business_logic(request: &MyRequest) -> Result<MyResponse, BusinessError> {
    let row = query_database(&request.id).await.ok_or(BusinessError::NoSuchRequest)?;
    Ok(MyResponse { result: String::from_utf8(row)? })
}

/// Stands in for a database that has no rows for ids like `unknown-1`, and damaged ones for `broken-1`.
async fn query_database(id: &str) -> Option<Vec<u8>> {
    let span = info_span!("database-query", db.system = "postgresql", db.operation = "SELECT");
    async {
        info!("Executing database query");
        tokio::time::sleep(Duration::from_millis(10)).await;
        match id {
            id if id.starts_with("unknown") => None,
            id if id.starts_with("broken") => Some(vec![0xff]),
            _ => Some(b"success".to_vec()),
        }
    }
    .instrument(span)
    .await
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BusinessError {
    #[error("Business logic failed: no such request")]
    NoSuchRequest,
    #[error("Business logic failed: the stored result is damaged")]
    DamagedResult(#[from] FromUtf8Error),
}

/// NOT_FOUND is the client's affair: the span of the server's call stays without an error. INTERNAL is ours.
impl From<BusinessError> for Status {
    fn from(error: BusinessError) -> Self {
        let code = match error {
            BusinessError::NoSuchRequest => Code::NotFound,
            BusinessError::DamagedResult(_) => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}
