//! A collector that accepts everything and keeps nothing, in a process of its own.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use http::{HeaderMap, HeaderValue, Response};
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
    let mut server = h2::server::Builder::new();
    server.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let Ok(mut connection) = server.handshake::<_, bytes::Bytes>(connection).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request.into_body(), respond));
    }
}

async fn answer(mut body: h2::RecvStream, mut respond: h2::server::SendResponse<bytes::Bytes>) {
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
    }
    let head = Response::builder().header("content-type", "application/grpc").body(()).expect("a head");
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    // An empty message: everything was taken.
    let _ = stream.send_data(bytes::Bytes::from_static(&[0; 5]), false);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let _ = stream.send_trailers(trailers);
}

const COLLECTOR: &str = "BENCH_COLLECTOR";
const WINDOW: u32 = 16 << 20;
