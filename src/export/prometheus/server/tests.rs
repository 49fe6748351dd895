use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream as StdStream};
use std::time::Instant;

use super::*;
use crate::diagnostics::Diagnostics;
use crate::settings::PrometheusText;

fn start() -> (SocketAddr, Server) {
    let listener = Server::bind("127.0.0.1", 0).unwrap();
    let address = listener.local_addr().unwrap();
    let collect = Box::new(|| Some(Vec::new()));
    let handler =
        PrometheusHandler::start(collect, PrometheusText::default(), Some(address), Diagnostics::default())
            .unwrap();
    (address, Server::start(listener, handler).unwrap())
}

/// Sends bytes, and returns everything that comes back until the connection is closed.
fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = StdStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // A connection that is reset has said what it has to say.
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn only_scrapes_are_answered_with_metrics() {
    let (address, _server) = start();
    for (request, expected) in [
        ("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 200"),
        ("GET /metrics?a=b HTTP/1.0\r\n\r\n", "HTTP/1.0 200"),
        ("HEAD /metrics HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 200"),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 200"),
        ("GET /other HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 404"),
        ("POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 405"),
        ("nonsense\r\n\r\n", "HTTP/1.1 400"),
    ] {
        let answer = exchange(address, request);
        assert!(answer.starts_with(expected), "{request}: {answer}");
    }
    let large = format!("GET /metrics HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let answer = exchange(address, &large);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:.100}");
}

#[test]
fn scrapes_are_answered_while_others_send_nothing() {
    let (address, _server) = start();
    // One place is left.
    let silent: Vec<_> = (1..MAX_CONNECTIONS).map(|_| StdStream::connect(address).unwrap()).collect();
    let begin = Instant::now();
    assert!(exchange(address, "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").starts_with("HTTP/1.1 200"));
    assert!(begin.elapsed() < HEADER_LIMIT);
    // The places of silent connections are free again after the time for a head.
    let more: Vec<_> = (0..MAX_CONNECTIONS).map(|_| StdStream::connect(address).unwrap()).collect();
    assert!(exchange(address, "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").starts_with("HTTP/1.1 200"));
    drop((silent, more));
}

#[test]
fn the_port_is_free_after_the_end() {
    let (address, server) = start();
    let _open = StdStream::connect(address).unwrap();
    assert!(Server::bind("127.0.0.1", address.port()).is_err());
    drop(server);
    assert!(StdStream::connect((Ipv4Addr::LOCALHOST, address.port())).is_err());
}
