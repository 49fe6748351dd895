//! A collector that accepts everything and keeps nothing, over gRPC and HTTP, in a process of its own.

use std::convert::Infallible;
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};

/// The process; ends when it is dropped.
pub(crate) struct Collector {
    process: Child,
    endpoint: String,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let mut process = Command::new(env::current_exe().expect("this program"))
            .env(COLLECTOR, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut endpoint = String::new();
        let mut answers = BufReader::new(process.stdout.take().expect("a pipe"));
        answers.read_line(&mut endpoint).expect("it prints its endpoint");
        Self { process, endpoint: endpoint.trim().to_owned() }
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is the collector, if this process was started for that.
pub(crate) fn play() -> bool {
    if env::var_os(COLLECTOR).is_none() {
        return false;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("http://{}", listener.local_addr().expect("an address"));
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection));
        }
    });
    true
}

async fn serve(connection: TcpStream) {
    let _ = connection.set_nodelay(true);
    let mut server = Builder::new(TokioExecutor::new());
    server.http2().initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let _ = server.serve_connection(TokioIo::new(connection), service_fn(answer)).await;
}

/// Reads a request, and answers that everything was taken: an empty message.
async fn answer(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let (head, mut body) = request.into_parts();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    let content_type = head.headers.get(header::CONTENT_TYPE).cloned();
    let is_grpc = content_type.as_ref().is_some_and(|kind| kind == "application/grpc");
    let body = if is_grpc {
        let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
        Full::from(&[0; 5][..]).with_trailers(async { Some(Ok(trailers)) }).boxed()
    } else {
        Empty::new().boxed()
    };
    let mut response = Response::new(body);
    response.headers_mut().extend(content_type.map(|kind| (header::CONTENT_TYPE, kind)));
    Ok(response)
}

const COLLECTOR: &str = "BENCH_COLLECTOR";
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const WINDOW: u32 = 16 << 20;
