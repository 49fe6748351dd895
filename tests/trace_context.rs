//! W3C Trace Context, level 2, on the wire: what a service that calls others passes on for each thing it can receive.
//!
//! The rules are those that the validation suite of the recommendation checks.

#![cfg(feature = "http")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::collections::HashSet;
use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;

use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use http::{Request, Response};
use opentelemetry::Context;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, TraceContextExt as _, Tracer as _};
use telemetry_bootstrap::http::{ClientLayer, ServerLayer};
use telemetry_bootstrap::{LogFormat, TelemetryGuard};
use tower::{Layer as _, Service as _};

const TRACE_ID: &str = "12345678901234567890123456789012";
const PARENT_ID: &str = "1234567890123456";
const VALID: (&str, &str) = ("traceparent", "00-12345678901234567890123456789012-1234567890123456-00");

/// A service that makes as many calls as its path says, and answers with the headers that it sent.
struct Forwarder {
    address: SocketAddr,
    _telemetry: TelemetryGuard,
    _runtime: tokio::runtime::Runtime,
}

fn forwarder() -> &'static Forwarder {
    static FORWARDER: OnceLock<Forwarder> = OnceLock::new();
    FORWARDER.get_or_init(|| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let telemetry = telemetry_bootstrap::init()
            .ignore_env()
            .log_output(|output| output.format(LogFormat::Off))
            .build()
            .unwrap();
        let router = axum::Router::new().route("/{calls}", get(forward)).layer(ServerLayer::new());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Forwarder { address, _telemetry: telemetry, _runtime: runtime }
    })
}

async fn forward(Path(calls): Path<usize>) -> String {
    let next = tower::service_fn(|request: Request<Body>| {
        let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            format!("{name}: {}\n", value.to_str().unwrap())
        };
        let sent: String = request.headers().iter().map(line).collect();
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::from(sent))))
    });
    let mut client = ClientLayer::new().layer(next);
    let mut all = String::new();
    for _ in 0..calls {
        let request = Request::builder().uri("http://next.example/").body(Body::empty()).unwrap();
        let response = client.call(request).await.unwrap();
        let sent = axum::body::to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
        all.push_str(std::str::from_utf8(&sent).unwrap());
        all.push('\n');
    }
    all
}

/// The trace context of an outgoing request.
#[derive(Debug)]
struct Sent {
    trace_id: String,
    parent_id: String,
    flags: u8,
    state: Vec<(String, String)>,
}

impl Sent {
    fn new(headers: &str) -> Self {
        let values = |wanted: &str| -> Vec<&str> {
            let headers = headers.lines().filter_map(|line| line.split_once(": "));
            headers.filter(|(name, _)| *name == wanted).map(|(_, value)| value).collect()
        };
        let [parent] = values("traceparent")[..] else { panic!("one traceparent: {headers}") };
        let [version, trace_id, parent_id, flags] = parent.split('-').collect::<Vec<_>>()[..] else {
            panic!("{parent}")
        };
        let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        assert!(version == "00" && is_hex(trace_id) && is_hex(parent_id) && flags.len() == 2, "{parent}");
        assert!(trace_id.len() == 32 && trace_id.bytes().any(|byte| byte != b'0'), "{parent}");
        assert!(parent_id.len() == 16 && parent_id.bytes().any(|byte| byte != b'0'), "{parent}");
        let states = values("tracestate");
        let members = states.iter().flat_map(|state| state.split(',')).filter(|member| !member.is_empty());
        let member = |member: &str| {
            let (key, value) = member.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        Self {
            trace_id: trace_id.to_owned(),
            parent_id: parent_id.to_owned(),
            flags: u8::from_str_radix(flags, 16).unwrap(),
            state: members.map(member).collect(),
        }
    }

    fn keys(&self) -> Vec<&str> {
        self.state.iter().map(|(key, _)| key.as_str()).collect()
    }
}

/// Sends a request with these headers, as they are, and returns what the calls to others carried.
fn calls(count: usize, headers: &[(&str, &str)]) -> Vec<Sent> {
    let address = forwarder().address;
    let mut connection = TcpStream::connect(address).unwrap();
    let mut request = format!("GET /{count} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    connection.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let sent: Vec<_> = body.split("\n\n").filter(|headers| !headers.is_empty()).map(Sent::new).collect();
    assert_eq!(sent.len(), count, "{answer}");
    sent
}

fn call(headers: &[(&str, &str)]) -> Sent {
    calls(1, headers).remove(0)
}

/// The `tracestate` that is passed on, of a request with these.
fn state(states: &[&str]) -> Sent {
    let mut headers = vec![VALID];
    headers.extend(states.iter().map(|state| ("tracestate", *state)));
    let sent = call(&headers);
    assert_eq!(sent.trace_id, TRACE_ID, "{states:?} must not cost the trace id");
    sent
}

fn member(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn without_a_parent_a_new_trace_begins() {
    let sent = call(&[]);
    assert!(sent.state.is_empty(), "{sent:?}");
    // Sampled, with a random id.
    assert_eq!(sent.flags, 3, "{sent:?}");
}

#[test]
fn valid_parents_keep_the_trace_and_get_a_new_span() {
    let parents = [
        "00-12345678901234567890123456789012-1234567890123456-01",
        "00-12345678901234567890123456789012-1234567890123456-00",
        // A later version, with and without parts that this one does not have.
        "cc-12345678901234567890123456789012-1234567890123456-01",
        "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
        // White space around the value.
        " 00-12345678901234567890123456789012-1234567890123456-01",
        "\t00-12345678901234567890123456789012-1234567890123456-01",
        "00-12345678901234567890123456789012-1234567890123456-01 ",
        "00-12345678901234567890123456789012-1234567890123456-01\t",
        "\t 00-12345678901234567890123456789012-1234567890123456-01 \t",
    ];
    for parent in parents {
        let sent = call(&[("traceparent", parent)]);
        assert_eq!(sent.trace_id, TRACE_ID, "{parent:?}");
        assert_ne!(sent.parent_id, PARENT_ID, "{parent:?}");
    }
    for name in ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"] {
        assert_eq!(call(&[(name, VALID.1)]).trace_id, TRACE_ID, "{name}");
    }
}

#[test]
fn invalid_parents_begin_a_new_trace() {
    let parents = [
        // Version 00 has nothing behind the flags, and a later one a hyphen.
        "00-12345678901234567890123456789012-1234567890123456-01.",
        "00-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
        "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like",
        // The version.
        "ff-12345678901234567890123456789012-1234567890123456-01",
        ".0-12345678901234567890123456789012-1234567890123456-01",
        "0.-12345678901234567890123456789012-1234567890123456-01",
        "000-12345678901234567890123456789012-1234567890123456-01",
        "0000-12345678901234567890123456789012-1234567890123456-01",
        "0-12345678901234567890123456789012-1234567890123456-01",
        // The trace id.
        "00-00000000000000000000000000000000-1234567890123456-01",
        "00-.2345678901234567890123456789012-1234567890123456-01",
        "00-1234567890123456789012345678901.-1234567890123456-01",
        "00-123456789012345678901234567890123-1234567890123456-01",
        "00-1234567890123456789012345678901-1234567890123456-01",
        "00-ABCDEFABCDEFABCDEFABCDEFABCDEFAB-1234567890123456-01",
        // The parent id.
        "00-12345678901234567890123456789012-0000000000000000-01",
        "00-12345678901234567890123456789012-.234567890123456-01",
        "00-12345678901234567890123456789012-123456789012345.-01",
        "00-12345678901234567890123456789012-12345678901234567-01",
        "00-12345678901234567890123456789012-123456789012345-01",
        // The flags.
        "00-12345678901234567890123456789012-1234567890123456-.0",
        "00-12345678901234567890123456789012-1234567890123456-0.",
        "00-12345678901234567890123456789012-1234567890123456-001",
        "00-12345678901234567890123456789012-1234567890123456-1",
        "",
    ];
    for parent in parents {
        let sent = call(&[("traceparent", parent), ("tracestate", "foo=1")]);
        let ids = ["123456789012345678901234567890123", "23456789012345678901234567890123", TRACE_ID];
        assert!(!ids.contains(&sent.trace_id.as_str()), "{parent:?}: {sent:?}");
        assert!(!parent.contains(&sent.trace_id), "{parent:?}: {sent:?}");
        assert!(sent.state.is_empty(), "{parent:?}: {sent:?}");
    }
    for name in ["trace-parent", "trace.parent"] {
        assert_ne!(call(&[(name, VALID.1)]).trace_id, TRACE_ID, "{name}");
    }
}

#[test]
fn two_parents_begin_a_new_trace() {
    let (one, other) = ("12345678901234567890123456789011", TRACE_ID);
    let parents = [one, other].map(|id| format!("00-{id}-1234567890123456-01"));
    let sent = call(&[("traceparent", &parents[0]), ("traceparent", &parents[1])]);
    assert!(![one, other].contains(&sent.trace_id.as_str()), "{sent:?}");
}

#[test]
fn state_without_a_parent_is_dropped() {
    for state in ["foo=1", "foo=1,bar=2"] {
        assert!(call(&[("tracestate", state)]).state.is_empty(), "{state}");
    }
}

#[test]
fn state_is_passed_on_under_its_name_in_any_case() {
    assert_eq!(state(&["foo=1,bar=2"]).state, [member("foo", "1"), member("bar", "2")]);
    for name in ["TraceState", "TrAcEsTaTe", "TRACESTATE"] {
        assert_eq!(call(&[VALID, (name, "foo=1")]).state, [member("foo", "1")], "{name}");
    }
    for name in ["trace-state", "trace.state"] {
        assert!(call(&[VALID, (name, "foo=1")]).state.is_empty(), "{name}");
    }
}

#[test]
fn empty_states_are_left_out() {
    assert!(state(&[""]).state.is_empty());
    for states in [["foo=1", ""], ["", "foo=1"]] {
        assert_eq!(state(&states).state, [member("foo", "1")], "{states:?}");
    }
}

#[test]
fn several_states_are_one_in_their_order() {
    let sent = state(&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"]);
    assert_eq!(sent.keys(), ["foo", "bar", "rojo", "congo", "baz"]);
}

#[test]
fn duplicate_tracestate_keys_keep_at_least_one_value() {
    for states in [&["foo=1,foo=1"][..], &["foo=1,foo=2"], &["foo=1", "foo=1"], &["foo=1", "foo=2"]] {
        let sent = state(states);
        assert!(
            sent.state.iter().any(|(key, value)| key == "foo" && (value == "1" || value == "2")),
            "{sent:?}"
        );
    }
}

#[test]
fn every_character_that_is_allowed_travels_on() {
    let without_vendor = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let with_vendor = format!("{without_vendor}@a-z0-9_-*/");
    let value: String = (0x20..=0x7e_u8).map(char::from).filter(|c| *c != ',' && *c != '=').collect();
    for key in [without_vendor, &with_vendor] {
        let sent = state(&[&format!("{key}={value}")]);
        assert_eq!(sent.state, [member(key, &value)]);
    }
}

#[test]
fn white_space_around_members_is_not_part_of_them() {
    let three = [member("foo", "1"), member("bar", "2"), member("baz", "3")];
    for text in ["foo=1 \t , \t bar=2, \t baz=3", "foo=1\t \t,\t \tbar=2,\t \tbaz=3"] {
        assert_eq!(state(&[text]).state, three, "{text:?}");
    }
    for text in [" foo=1", "\tfoo=1", "foo=1 ", "foo=1\t", "\t foo=1 \t"] {
        assert_eq!(state(&[text]).state, [member("foo", "1")], "{text:?}");
    }
}

#[test]
fn state_with_an_invalid_member_is_dropped() {
    let long = format!("{}=1", "z".repeat(257));
    let states = [
        &["foo =1"][..],
        &["FOO=1"],
        &["foo.bar=1"],
        &["@foo=1,bar=2"],
        &["foo=bar=baz"],
        &["foo=,bar=3"],
        &["foo=1", &long],
    ];
    for states in states {
        assert!(state(states).state.is_empty(), "{states:?}");
    }
}

#[test]
fn keys_of_level_2_travel_on() {
    let keys = [
        "foo@".to_owned(),
        "foo@@bar".to_owned(),
        "foo@bar@baz".to_owned(),
        "z".repeat(256),
        format!("{}@{}", "t".repeat(241), "v".repeat(14)),
        format!("{}@v", "t".repeat(242)),
        format!("t@{}", "v".repeat(15)),
    ];
    for key in keys {
        let sent = state(&["bar=2", &format!("{key}=1")]);
        assert_eq!(sent.state, [member("bar", "2"), member(&key, "1")]);
    }
}

#[test]
fn state_of_more_than_32_members_is_dropped() {
    let members = |count: usize| (1..=count).map(|number| format!("bar{number:02}={number:02}"));
    let headers: Vec<_> = members(32).collect::<Vec<_>>().chunks(10).map(|part| part.join(",")).collect();
    let headers: Vec<_> = headers.iter().map(String::as_str).collect();
    assert_eq!(state(&headers).state.len(), 32);
    let all = members(33).collect::<Vec<_>>().join(",");
    assert!(state(&[&all]).state.is_empty());
}

#[test]
fn each_call_has_a_span_of_its_own_in_one_trace() {
    let different =
        |sent: &[Sent]| sent.iter().map(|sent| sent.parent_id.clone()).collect::<HashSet<_>>().len();
    let sent = calls(3, &[VALID]);
    assert!(sent.iter().all(|sent| sent.trace_id == TRACE_ID), "{sent:?}");
    assert_eq!(different(&sent), 3);
    assert_eq!(different(&calls(3, &[])), 3);
    let sent = calls(3, &[("traceparent", "00-00000000000000000000000000000000-1234567890123456-01")]);
    assert!(sent.iter().all(|sent| sent.trace_id.bytes().any(|byte| byte != b'0')), "{sent:?}");
    assert_eq!(different(&sent), 3);
}

#[test]
fn random_flag_travels_on() {
    let sent = call(&[("traceparent", "00-12345678901234567890123456789012-1234567890123456-02")]);
    assert_eq!(sent.trace_id, TRACE_ID);
    assert_ne!(sent.parent_id, PARENT_ID);
    assert_eq!(sent.flags & 2, 2, "{sent:?}");
}

#[test]
fn response_names_the_random_trace_of_a_call_without_a_parent() {
    let _ = forwarder();
    let mut server =
        ServerLayer::new().trace_id_header(http::HeaderName::from_static("traceresponse")).layer(
            tower::service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) }),
        );
    let request = Request::builder().uri("/").body(Body::empty()).unwrap();
    let response = futures_util::FutureExt::now_or_never(server.call(request)).unwrap().unwrap();
    let header = response.headers()["traceresponse"].to_str().unwrap();
    assert!(header.ends_with("-03"), "{header}");
}

#[test]
fn spans_of_the_api_have_the_random_flag() {
    let _ = forwarder();
    let tracer = opentelemetry::global::tracer("api");
    let root =
        Context::new().with_span(tracer.build_with_context(SpanBuilder::from_name("root"), &Context::new()));
    let child = tracer.build_with_context(SpanBuilder::from_name("child"), &root);
    let flags = |context: &SpanContext| context.trace_flags().to_u8();
    assert_eq!(flags(root.span().span_context()), 3);
    assert_eq!(flags(child.span_context()), 3);
}
