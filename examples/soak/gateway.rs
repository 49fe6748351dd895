//! A gateway between a program and its collector: it passes requests on over HTTP/1.1 and HTTP/2, and while it is in
//! trouble it answers some of them itself, late, or not at all.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A gateway, for as long as it is held.
pub(crate) struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

struct Shared {
    collector: String,
    clients: [Client<HttpConnector, Body>; 2],
    is_in_trouble: AtomicBool,
    requests: AtomicU64,
    random: RandomState,
    connections: Mutex<Vec<AbortHandle>>,
}

impl Gateway {
    pub(crate) fn start(collector: u16) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let shared = {
            let _inside = runtime.enter();
            let client = |http2| Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
            Arc::new(Shared {
                collector: format!("127.0.0.1:{collector}"),
                clients: [client(false), client(true)],
                is_in_trouble: AtomicBool::new(false),
                requests: AtomicU64::new(0),
                random: RandomState::new(),
                connections: Mutex::default(),
            })
        };
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _runtime: runtime })
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Begins or ends the trouble.
    pub(crate) fn set_trouble(&self, is_in_trouble: bool) {
        self.shared.is_in_trouble.store(is_in_trouble, Ordering::Relaxed);
    }

    /// Closes all connections of the program, wherever requests and answers are just then.
    pub(crate) fn cut(&self) {
        self.shared.connections.lock().unwrap().drain(..).for_each(|connection| connection.abort());
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let serving = Arc::clone(&shared);
        let connection = tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                let shared = Arc::clone(&serving);
                async move { Ok::<_, Infallible>(shared.answer(request.map(Body::new)).await) }
            });
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
        shared.connections.lock().unwrap().push(connection.abort_handle());
    }
}

impl Shared {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        // Of ten requests in a time of trouble, six get through, two of them late.
        let choice = if self.is_in_trouble.load(Ordering::Relaxed) { self.random(10) } else { 9 };
        match choice {
            0..=3 => self.own_answer(),
            4..=5 => {
                tokio::time::sleep(Duration::from_millis(self.random(400))).await;
                self.pass_on(request).await
            }
            _ => self.pass_on(request).await,
        }
    }

    /// Answers as gateways do: nothing of the request has reached the collector.
    fn own_answer(&self) -> Response<Body> {
        let statuses = [429, 502, 503, 504, 413];
        let status = statuses[self.random(statuses.len() as u64) as usize];
        let bodies = [
            ("text/html", "<html><head><title>Error</title></head><body>gateway</body></html>"),
            ("text/plain", "upstream connect error or disconnect/reset before headers"),
            ("application/json", r#"{"message":"no healthy upstream"}"#),
            ("", ""),
        ];
        let (content_type, body) = bodies[self.random(bodies.len() as u64) as usize];
        let mut response = Response::builder().status(status);
        if !content_type.is_empty() {
            response = response.header("content-type", content_type);
        }
        response.body(Body::from(body)).unwrap()
    }

    async fn pass_on(&self, request: Request<Body>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let is_http2 = parts.version == http::Version::HTTP_2;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = format!("http://{}{path}", self.collector).parse::<Uri>().unwrap();
        parts.headers.remove("host");
        let client = &self.clients[usize::from(is_http2)];
        match client.request(Request::from_parts(parts, body)).await {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                let text = format!("<html>cannot reach the collector: {error}</html>");
                let mut response = Response::new(Body::from(text));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        }
    }

    fn random(&self, of: u64) -> u64 {
        self.random.hash_one(self.requests.fetch_add(1, Ordering::Relaxed)) % of
    }
}
