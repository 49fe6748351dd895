//! A receiver that checks each signature as AWS documents it, and the published test vector.

mod verifier;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::Request;
use telemetry_bootstrap::tracing_subscriber::Registry;
use telemetry_bootstrap::{Compression, ExportStats, LogFormat, Protocol, TelemetryGuard};
use telemetry_bootstrap_sigv4::{add_signature, signer};

use self::verifier::{Received, signature};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn credentials(secret: &str, token: Option<&str>) -> Credentials {
    Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned), None, "tests")
}

/// `post-vanilla` of the test suite that AWS has published.
#[test]
fn signer_and_verifier_agree_with_the_published_vector() {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    let mut request = Request::post("https://example.amazonaws.com/").body(Bytes::new()).unwrap();
    add_signature(&mut request, "service", "us-east-1", credentials(SECRET, None), time).unwrap();
    let expected = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
    let authorization = request.headers()["authorization"].to_str().unwrap();
    assert!(authorization.ends_with(&format!("Signature={expected}")), "{authorization}");
    let mut headers: Vec<_> = request.headers().iter().collect();
    let host = ("host".parse().unwrap(), "example.amazonaws.com".parse().unwrap());
    headers.push((&host.0, &host.1));
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
    };
    let received = Received {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: headers.into_iter().map(text).collect(),
        body: Vec::new(),
    };
    assert_eq!(signature(&received, SECRET, "us-east-1", "service").unwrap(), expected);
}

/// Accepts requests with the right signature, and refuses all others.
struct Aws {
    endpoint: String,
    accepted: Arc<AtomicUsize>,
}

impl Aws {
    fn start(service: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/v1", listener.local_addr().unwrap());
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, count) = (stream.unwrap(), Arc::clone(&count));
                std::thread::spawn(move || serve(stream, service, &count));
            }
        });
        Self { endpoint, accepted }
    }
}

/// Answers each request of a connection.
fn serve(stream: TcpStream, service: &str, accepted: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(received) = read(&mut reader) {
        let given = received.header("authorization").and_then(|text| text.split_once("Signature="));
        let expected = signature(&received, SECRET, "us-east-1", service);
        let is_right = given.is_some() && given.map(|(_, given)| given.to_owned()) == expected;
        accepted.fetch_add(usize::from(is_right), Ordering::Relaxed);
        let status = if is_right { "200 OK" } else { "403 Forbidden" };
        write!(&stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
    }
}

/// Reads a request of HTTP/1.1, or the end of the connection.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(1..) if line != "\r\n" => lines.push(line.trim_end().to_owned()),
            Ok(1..) => break,
            _ => return None,
        }
    }
    let mut words = lines.first()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let header = |line: &String| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let mut received =
        Received { method, path, headers: lines[1..].iter().map(header).collect(), body: Vec::new() };
    received.body = vec![0; received.header("content-length")?.parse().ok()?];
    reader.read_exact(&mut received.body).ok()?;
    Some(received)
}

/// Telemetry to the receiver, with these credentials.
fn telemetry(aws: &Aws, credentials: Credentials) -> (TelemetryGuard, impl Fn()) {
    let builder = telemetry_bootstrap::init()
        .ignore_env()
        .endpoint(&aws.endpoint)
        .protocol(Protocol::HttpProtobuf)
        .compression(Compression::Gzip)
        .shutdown_timeout(Duration::from_secs(2))
        .metrics(|metrics| metrics.export(false))
        .log_output(|output| output.format(LogFormat::Off))
        .request_signer(signer("xray", "us-east-1", move || Ok(credentials.clone())));
    let (_, guard) = builder.build_local::<Registry>().unwrap();
    let tracer = guard.tracer("tests");
    let record = move || {
        use telemetry_bootstrap::opentelemetry::trace::{Span as _, Tracer as _};
        tracer.start("query").end();
    };
    (guard, record)
}

#[test]
fn signed_requests_are_accepted_with_lasting_and_temporary_credentials() {
    for token in [None, Some("session/token==")] {
        let aws = Aws::start("xray");
        let (guard, record) = telemetry(&aws, credentials(SECRET, token));
        for _ in 0..3 {
            record();
            guard.force_flush(Duration::from_secs(10)).unwrap();
        }
        let ExportStats { traces, .. } = guard.shutdown().unwrap();
        assert_eq!((traces.accepted, traces.delivered), (3, 3));
        assert_eq!(aws.accepted.load(Ordering::Relaxed), 3);
    }
}

#[test]
fn requests_signed_with_another_key_are_refused_and_kept_until_the_end() {
    let aws = Aws::start("xray");
    let (guard, record) = telemetry(&aws, credentials("another", None));
    record();
    guard.force_flush(Duration::from_secs(10)).unwrap_err();
    assert_eq!(guard.stats().traces.pending, 1);
    let stats = guard.shutdown().unwrap_err().stats();
    assert_eq!((stats.traces.delivered, stats.traces.failed), (0, 1));
    assert_eq!(aws.accepted.load(Ordering::Relaxed), 0);
}
