use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream as StdStream};
use std::time::Instant;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as ProtoValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use prost::Message as _;

use super::*;
use crate::diagnostics::Diagnostics;
use crate::settings::PrometheusText;

fn start() -> (SocketAddr, Server) {
    start_with(|| Some(Vec::new()))
}

/// A server whose collections are what `collect` returns.
fn start_with(collect: impl FnMut() -> Option<Vec<u8>> + Send + 'static) -> (SocketAddr, Server) {
    let listeners = Server::bind("127.0.0.1", 0).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let handler = PrometheusHandler::start(
        Box::new(collect),
        PrometheusText::default(),
        Some(address),
        Diagnostics::default(),
    )
    .unwrap();
    (address, Server::start(listeners, handler).unwrap())
}

/// An export request with a resource, and without metrics.
fn request_with(resource: &opentelemetry_sdk::Resource) -> Vec<u8> {
    // The resource is field 1 of `ResourceMetrics`, which is field 1 of a request.
    let field = |message: Vec<u8>| {
        let mut field = vec![1 << 3 | 2];
        prost::encode_length_delimiter(message.len(), &mut field).unwrap();
        [field, message].concat()
    };
    field(field(crate::export::encode::resource(resource)))
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
fn responses_have_vary_and_the_escaping_of_names() {
    let (address, _server) = start();
    let scrape = |method: &str, accept: &str| {
        exchange(address, &format!("{method} /metrics HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\n\r\n"))
    };
    let answer =
        scrape("GET", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,*/*;q=0.2");
    let expected =
        "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores\r\n";
    assert!(answer.contains(expected) && answer.ends_with("\r\n\r\n# EOF\n"), "{answer}");
    let vary: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("vary: ")).collect();
    assert_eq!(vary.join(", "), "accept, accept-encoding");
    let answer = scrape("HEAD", "application/openmetrics-text");
    assert!(answer.contains("content-length: 6\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn client_that_reads_nothing_does_not_block_others() {
    // More than the buffers of a connection hold.
    let text = AnyValue { value: Some(ProtoValue::StringValue("x".repeat(1 << 20))) };
    let text = KeyValue { key: "text".to_owned(), value: Some(text), ..Default::default() };
    let point = |number: u8| NumberDataPoint {
        attributes: vec![text.clone(), KeyValue { key: format!("k{number}"), ..Default::default() }],
        ..Default::default()
    };
    let data = Some(Data::Gauge(Gauge { data_points: (0..20).map(point).collect() }));
    let metrics = vec![Metric { name: "large".to_owned(), data, ..Default::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..Default::default() }];
    let request = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    let (address, _server) = start_with(move || Some(request.clone()));
    let slow: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = StdStream::connect(address).unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let begin = Instant::now();
    let both = std::thread::scope(|scope| {
        let scrapes =
            [0, 1].map(|_| scope.spawn(|| exchange(address, "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n")));
        scrapes.map(|scrape| scrape.join().unwrap().len())
    });
    assert!(both.iter().all(|length| *length > 18 << 20), "{both:?}");
    assert!(begin.elapsed() < CONNECTION_LIMIT / 2, "{:?}", begin.elapsed());
    drop(slow);
}

#[test]
#[cfg(feature = "gzip")]
fn a_scraper_that_accepts_gzip_gets_it() {
    let attributes = [opentelemetry::KeyValue::new("comment", "x".repeat(2000))];
    let resource = opentelemetry_sdk::Resource::builder_empty().with_attributes(attributes).build();
    let request = request_with(&resource);
    let (address, _server) = start_with(move || Some(request.clone()));
    let head = "GET /metrics HTTP/1.1\r\nhost: a\r\n";
    let plain = exchange(address, &format!("{head}\r\n"));
    assert!(plain.len() > 2000 && !plain.contains("content-encoding"), "{plain}");

    let mut stream = StdStream::connect(address).unwrap();
    write!(stream, "{head}accept-encoding: gzip\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    assert!(head.contains("content-encoding: gzip\r\n") && answer.len() < 1000, "{head}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&answer[end..]).read_to_string(&mut text).unwrap();
    assert!(plain.ends_with(&text), "{text}");
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

#[test]
fn all_addresses_of_a_name_are_bound_to_one_port() {
    let listeners = Server::bind("localhost", 0).unwrap();
    let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let port = addresses[0].port();
    let mut expected: Vec<SocketAddr> = ("localhost", port).to_socket_addrs().unwrap().collect();
    expected.retain(|address| TcpListener::bind((address.ip(), 0)).is_ok());
    expected.sort_unstable();
    expected.dedup();
    assert!(port != 0);
    assert_eq!(addresses, expected);
    for address in addresses {
        assert!(Server::bind(&address.ip().to_string(), port).is_err(), "{address}");
        // One of them is enough to make the name one that cannot be used.
        let taken = TcpListener::bind((address.ip(), 0)).unwrap();
        let taken_port = taken.local_addr().unwrap().port();
        let error = Server::bind("localhost", taken_port).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{address}");
    }
}

#[test]
fn addresses_of_both_families_have_one_port_and_are_both_served() {
    let both: [SocketAddr; 2] = [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
    if TcpListener::bind(both[1]).is_err() {
        return; // There is no IPv6 here.
    }
    // The free port of one may be in use at the other.
    let listeners = (0..PORT_TRIES).find_map(|_| bind_all(&both).ok()).unwrap();
    let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    assert_eq!(addresses.iter().map(SocketAddr::ip).collect::<Vec<_>>(), both.map(|address| address.ip()));
    assert_eq!(addresses[0].port(), addresses[1].port());
    for taken in &addresses {
        let mut wanted = both.map(|address| SocketAddr::new(address.ip(), 0));
        wanted.iter_mut().for_each(|address| address.set_port(taken.port()));
        assert_eq!(bind_all(&wanted).unwrap_err().kind(), io::ErrorKind::AddrInUse, "{taken}");
    }
    let handler = PrometheusHandler::start(
        Box::new(|| Some(Vec::new())),
        PrometheusText::default(),
        Some(addresses[0]),
        Diagnostics::default(),
    );
    let _server = Server::start(listeners, handler.unwrap()).unwrap();
    for address in addresses {
        assert!(exchange(address, "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn addresses_that_the_machine_does_not_have_are_left_out() {
    let here: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    // For documentation, RFC 5737 and RFC 3849.
    let elsewhere: [SocketAddr; 2] = ["192.0.2.1:0".parse().unwrap(), "[2001:db8::1]:0".parse().unwrap()];
    let listeners = bind_all(&[elsewhere[0], here, elsewhere[1]]).unwrap();
    assert_eq!(listeners.len(), 1);
    assert!(bind_all(&elsewhere).is_err());
}
