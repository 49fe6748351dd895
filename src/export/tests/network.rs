//! The network between this program and a collector: proxies, Unix sockets, IPv6.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, Shutdown, TcpListener, TcpStream};

use http::HeaderValue;

use super::*;
use crate::settings::{Proxy, ProxyProtocol};

over_each_protocol! {
    requests_go_through_a_proxy,
    a_proxy_that_refuses_is_named_with_the_variable_to_change,
    a_proxy_that_is_away_is_named_with_the_variable_to_change,
    a_proxy_that_never_answers_costs_the_time_for_one_connection,
    a_collector_behind_a_unix_socket_gets_everything,
    a_collector_at_an_ipv6_address_gets_everything,
}

/// Passes connections on, and keeps the head of the first request on each.
pub(super) struct TestProxy {
    pub(super) address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    /// `refusal`: the status line of every answer.
    fn start(target: String, refusal: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { address: listener.local_addr().unwrap().to_string(), heads: Arc::default() };
        let heads = Arc::clone(&proxy.heads);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, heads) = (target.clone(), Arc::clone(&heads));
                std::thread::spawn(move || serve(client, &target, refusal, &heads));
            }
        });
        proxy
    }

    pub(super) fn to(collector: &Collector) -> Self {
        Self::start(address(collector), None)
    }

    fn settings(&self, protocol: Protocol) -> ExportSettings {
        through_proxy(&self.address, protocol)
    }
}

fn serve(mut client: TcpStream, target: &str, refusal: Option<&str>, heads: &Mutex<Vec<String>>) {
    let head = read_head(&mut client);
    // The client opens a connection for each request, and does not use it if another one is free before.
    if head.is_empty() {
        return;
    }
    let is_tunnel = head.starts_with("CONNECT ");
    heads.lock().unwrap().push(head.clone());
    if let Some(refusal) = refusal {
        // As proxies do: an answer to half a request is none for the client.
        let length = head
            .to_lowercase()
            .split_once("content-length: ")
            .map_or(0, |(_, rest)| rest.lines().next().unwrap().parse().unwrap());
        client.read_exact(&mut vec![0; length]).unwrap();
        let _ = write!(client, "HTTP/1.1 {refusal}\r\ncontent-length: 0\r\n\r\n");
        let _ = client.shutdown(Shutdown::Write);
        let _ = std::io::copy(&mut client, &mut std::io::sink());
        return;
    }
    let mut server = TcpStream::connect(target).unwrap();
    if is_tunnel {
        client.write_all(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n").unwrap();
    } else {
        server.write_all(head.as_bytes()).unwrap();
    }
    let copies = (client.try_clone().unwrap(), server.try_clone().unwrap());
    splice(client, server, copies, TcpStream::shutdown, TcpStream::shutdown);
}

/// Copies in both directions until both ends have closed.
pub(super) fn splice<A, B>(
    mut a: A,
    mut b: B,
    (mut other_a, mut other_b): (A, B),
    close_a: fn(&A, Shutdown) -> std::io::Result<()>,
    close_b: fn(&B, Shutdown) -> std::io::Result<()>,
) where
    A: Read + Write + Send + 'static,
    B: Read + Write + Send + 'static,
{
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut other_b, &mut other_a);
        let _ = close_a(&other_a, Shutdown::Write);
    });
    let _ = std::io::copy(&mut a, &mut b);
    let _ = close_b(&b, Shutdown::Write);
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

pub(super) fn address(collector: &Collector) -> String {
    collector.endpoint().strip_prefix("http://").unwrap().to_owned()
}

/// For a collector whose name only the proxy can resolve.
pub(super) fn through_proxy(address: &str, protocol: Protocol) -> ExportSettings {
    let mut authorization = HeaderValue::from_static("Basic aHVudGVyMg==");
    authorization.set_sensitive(true);
    let proxy = Proxy {
        uri: format!("http://{address}/").parse().unwrap(),
        protocol: ProxyProtocol::Http { authorization: Some(authorization) },
        origin: "HTTP_PROXY".into(),
    };
    let mut settings = export_settings("http://collector.invalid:4317/", protocol);
    settings.target.proxy = Some(proxy);
    settings
}

fn requests_go_through_a_proxy(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let proxy = TestProxy::to(&collector);
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, proxy.settings(protocol));
    pipeline.push_spans(0, 250);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 250, delivered: 250, ..Default::default() });
    assert_eq!(sorted_spans(&collector), numbers(0..250));
    let heads = proxy.heads.lock().unwrap();
    let first = match protocol {
        Protocol::Grpc => "CONNECT collector.invalid:4317 HTTP/1.1\r\n",
        _ => "POST http://collector.invalid:4317/v1/traces HTTP/1.1\r\n",
    };
    assert!(!heads.is_empty() && heads.iter().all(|head| head.starts_with(first)), "{heads:?}");
    let authorization = "proxy-authorization: basic ahvudgvymg==";
    assert!(heads.iter().all(|head| head.to_lowercase().contains(authorization)), "{heads:?}");
    assert_eq!(pipeline.lines(), Vec::<String>::new());
}

/// A proxy whose tunnels take longer than a request may, and which closes the first connections, as one does that is being
/// started.
#[test]
fn a_proxy_that_is_slow_to_start_and_to_connect_loses_nothing() {
    let collector = Collector::start().unwrap();
    let target = address(&collector);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten().skip(3) {
            let target = target.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(700));
                serve(client, &target, None, &Mutex::default());
            });
        }
    });
    let mut settings = through_proxy(&proxy, Protocol::Grpc);
    settings.timeout = Duration::from_millis(200);
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 10);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 10, delivered: 10, ..Default::default() });
}

fn a_proxy_that_refuses_is_named_with_the_variable_to_change(protocol: Protocol) {
    for (status, advice) in [
        ("407 Proxy Authentication Required", "http://user:password@proxy:3128"),
        ("403 Forbidden", "NO_PROXY"),
        ("502 Bad Gateway", "NO_PROXY"),
    ] {
        let proxy = TestProxy::start(String::new(), Some(status));
        let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, proxy.settings(protocol));
        pipeline.push_spans(0, 3);
        pipeline.shutdown(Duration::from_secs(2));
        pipeline.wait_until(|counts| counts.failed == 3);
        let line = pipeline.lines().remove(0);
        assert!(line.contains(status), "{line}");
        assert!(line.contains(&format!("the proxy {} (HTTP_PROXY)", proxy.address)), "{line}");
        // Forwarded requests may have got 403 and 502 from the collector just as well.
        if protocol == Protocol::Grpc || status.starts_with("407") {
            assert!(line.contains(advice), "{line}");
            // The collector has not refused them: they waited until the shutdown.
            assert!(line.contains("pending=3"), "{line}");
        }
        assert!(!line.contains("aHVudGVyMg"), "{line}");
    }
}

fn a_proxy_that_is_away_is_named_with_the_variable_to_change(protocol: Protocol) {
    let closed = Collector::closed_endpoint().unwrap();
    let address = closed.strip_prefix("http://").unwrap();
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, through_proxy(address, protocol));
    pipeline.push_spans(0, 3);
    let (took, _) = pipeline.shutdown(PATIENCE);
    pipeline.wait_until(|counts| counts.failed == 3);
    assert!(took < Duration::from_secs(3), "it does not wait for what cannot be reached: {took:?}");
    let line = pipeline.lines().remove(0);
    assert!(line.contains(&format!("cannot connect to the proxy {address} (HTTP_PROXY)")), "{line}");
    assert!(line.contains("check HTTPS_PROXY, HTTP_PROXY"), "{line}");
}

fn a_proxy_that_never_answers_costs_the_time_for_one_connection(protocol: Protocol) {
    let silent = Collector::silent().unwrap();
    let address = silent.endpoint().strip_prefix("http://").unwrap().to_owned();
    let mut settings = through_proxy(&address, protocol);
    settings.timeout = Duration::from_millis(300);
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 3);
    let error = pipeline.flush().unwrap_err().to_string();
    assert!(error.contains("traces could not be delivered"), "{error}");
    assert_eq!(pipeline.counts().pending, 3);
    pipeline.shutdown(Duration::from_millis(100));
}

#[cfg(unix)]
fn a_collector_behind_a_unix_socket_gets_everything(protocol: Protocol) {
    use std::os::unix::net::{UnixListener, UnixStream};

    let collector = Collector::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.sock");
    let mut settings = export_settings("http://localhost/", protocol);
    settings.target.socket = Some(path.clone());

    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 3);
    pipeline.flush().unwrap_err();
    let line = pipeline.lines().remove(0);
    assert!(line.contains(&format!("endpoint=unix:{}", path.display())), "{line}");
    assert!(line.contains("no process listens there"), "{line}");

    let listener = UnixListener::bind(&path).unwrap();
    let target = address(&collector);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(&target).unwrap();
            let copies = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                splice(client, server, copies, UnixStream::shutdown, TcpStream::shutdown)
            });
        }
    });
    pipeline.push_spans(3, 247);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 250, delivered: 250, ..Default::default() });
    assert_eq!(sorted_spans(&collector), numbers(0..250));
}

#[cfg(not(unix))]
fn a_collector_behind_a_unix_socket_gets_everything(_protocol: Protocol) {}

fn a_collector_at_an_ipv6_address_gets_everything(protocol: Protocol) {
    // Some machines have no IPv6.
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else { return };
    let collector = Collector::start().unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let target = address(&collector);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(&target).unwrap();
            let copies = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                splice(client, server, copies, TcpStream::shutdown, TcpStream::shutdown)
            });
        }
    });
    let settings = export_settings(&endpoint, protocol);
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 250);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 250, delivered: 250, ..Default::default() });
    assert_eq!(sorted_spans(&collector), numbers(0..250));
}

#[cfg(feature = "tls")]
#[test]
fn a_peer_that_does_not_answer_the_handshake_is_explained() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = export_settings(&format!("https://{}", listener.local_addr().unwrap()), Protocol::Grpc);
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 1);
    assert!(pipeline.flush().is_err());
    let line = pipeline.first_line();
    for words in ["no answer to the TLS handshake within 5s", "does the scheme (http or https)"] {
        assert!(line.contains(words), "{line}");
    }
    pipeline.shutdown(Duration::from_millis(10));
}
