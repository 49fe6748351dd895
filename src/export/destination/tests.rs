use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::exchange::Answer;
use super::{Cause, Outcome, otlp_grpc, otlp_http};
use crate::settings::{Protocol, Signal};

fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = headers.iter().map(|(name, value)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    pairs.collect()
}

fn answer(status: u16, head: &[(&'static str, &str)], body: &[u8]) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers(head),
        body: Bytes::copy_from_slice(body),
        is_cut: false,
        trailers: HeaderMap::new(),
    }
}

/// The outcome of an answer to protobuf over HTTP.
fn over_http(answer: &Answer) -> Outcome {
    otlp_http::outcome(answer, Protocol::HttpProtobuf)
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// The action, its reason, and the pause before it.
fn verdict(outcome: &Outcome) -> (&'static str, Option<Cause>, Option<Duration>) {
    let kind = match outcome {
        Outcome::Delivered { .. } => "delivered",
        Outcome::Held { .. } => "held",
        Outcome::Retry(_) => "retry",
        Outcome::TooLarge(_) => "split",
        Outcome::Refused(_) => "refused",
    };
    let failure = outcome.failure();
    (kind, failure.map(|failure| failure.cause), failure.and_then(|failure| failure.retry_after))
}

/// The content that a gateway sends with its status. The verdict must not depend on it.
const BODIES: [(&str, &str); 4] = [
    ("text/html", "<html><head><title>502</title></head><body>nginx</body></html>"),
    ("text/plain", "upstream connect error"),
    ("application/json", r#"{"message":"no healthy upstream"}"#),
    ("", ""),
];

#[test]
fn the_status_decides_before_the_body() {
    for (status, kind, cause) in [
        (301, "refused", Cause::Redirected),
        (308, "refused", Cause::Redirected),
        (400, "refused", Cause::Refused),
        (401, "refused", Cause::Unauthenticated),
        (403, "refused", Cause::Unauthenticated),
        (404, "refused", Cause::Unsupported),
        (408, "refused", Cause::Refused),
        (413, "split", Cause::ItemTooLarge),
        (429, "retry", Cause::Throttled),
        (500, "refused", Cause::Refused),
        (502, "retry", Cause::Unavailable),
        (503, "retry", Cause::Unavailable),
        (504, "retry", Cause::Unavailable),
    ] {
        for (content_type, body) in BODIES {
            let plain = answer(status, &[("content-type", content_type)], body.as_bytes());
            let expected = (kind, Some(cause), None);
            assert_eq!(verdict(&over_http(&plain)), expected, "HTTP {status} {content_type}");
            assert_eq!(verdict(&otlp_grpc::outcome(&plain)), expected, "gRPC {status} {content_type}");
            let pausing =
                answer(status, &[("content-type", content_type), ("retry-after", "7")], body.as_bytes());
            let pause = Some(Duration::from_secs(7));
            assert_eq!(verdict(&over_http(&pausing)).2, pause);
            assert_eq!(verdict(&otlp_grpc::outcome(&pausing)).2, pause);
        }
    }
}

#[test]
fn the_status_of_a_gateway_in_front_of_a_grpc_server_decides_as_well() {
    for (status, kind, cause) in [
        (200, "refused", Cause::PeerSpeaksGrpc),
        (400, "refused", Cause::PeerSpeaksGrpc),
        (404, "refused", Cause::PeerSpeaksGrpc),
        (415, "refused", Cause::PeerSpeaksGrpc),
        (401, "refused", Cause::Unauthenticated),
        (413, "split", Cause::ItemTooLarge),
        (429, "retry", Cause::Throttled),
        (503, "retry", Cause::Unavailable),
    ] {
        for content_type in ["application/grpc", "application/grpc+proto", "Application/GRPC; a=b"] {
            let answer = answer(status, &[("content-type", content_type)], b"");
            assert_eq!(verdict(&over_http(&answer)), (kind, Some(cause), None), "{status} {content_type}");
        }
    }
}

#[test]
fn pages_are_shown_as_one_short_line_without_markup() {
    let page = format!("<html>\n<b>{}</b>\u{1b}[31m</html>", "busy ".repeat(10_000));
    for outcome in [over_http, otlp_grpc::outcome] {
        let outcome = outcome(&answer(503, &[("content-type", "text/html")], page.as_bytes()));
        let text = &outcome.failure().unwrap().text;
        assert!(text.starts_with("HTTP status 503 Service Unavailable: busy busy"), "{text}");
        assert!(text.chars().count() < 400 && !text.contains(['<', '\n', '\u{1b}']), "{text}");
    }
}

#[test]
fn the_message_of_a_status_is_shown() {
    let json =
        answer(400, &[("content-type", "application/json; charset=utf-8")], br#"{"code":3,"message":"bad"}"#);
    assert!(over_http(&json).failure().unwrap().text.ends_with(": bad"));
    let protobuf =
        answer(400, &[("content-type", "application/x-protobuf")], &[8, 3, 18, 3, b'b', b'a', b'd']);
    assert!(over_http(&protobuf).failure().unwrap().text.ends_with(": bad"));
}

#[test]
fn rejected_items_are_read_from_json_of_any_kind() {
    for (content_type, body) in [
        ("application/json", r#"{"partialSuccess":{"rejectedSpans":3,"errorMessage":"old"}}"#),
        ("application/json", r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"old"}}"#),
        ("application/json", r#"{"partialSuccess":{"rejectedSpans":3.0,"errorMessage":"old"}}"#),
        ("application/json", r#"{"partialSuccess":{"rejectedSpans":0.3e1,"errorMessage":"old"}}"#),
        ("text/plain", r#" {"partialSuccess":{"rejectedSpans":3,"errorMessage":"old"}}"#),
        ("", "\u{feff}{\"partialSuccess\":{\"rejectedSpans\":3,\"errorMessage\":\"old\"}}"),
    ] {
        match over_http(&answer(200, &[("content-type", content_type)], body.as_bytes())) {
            Outcome::Delivered { rejected: 3, message, .. } => assert_eq!(message, "old"),
            other => panic!("{body}: {other:?}"),
        }
    }
    for half in [r"\ud83d", r"\ud83d\n", r"\ud83d\u0041", r"\ude00"] {
        let body = format!(r#"{{"partialSuccess":{{"rejectedSpans":3,"errorMessage":"{half} old"}}}}"#);
        match over_http(&answer(200, &[("content-type", "application/json")], body.as_bytes())) {
            Outcome::Delivered { rejected: 3, message, .. } => assert!(message.ends_with("old"), "{message}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn a_refusal_of_json_names_the_setting_of_the_protocol() {
    for status in [400, 415] {
        let refused = answer(status, &[("content-type", "text/plain")], b"json encoding isn't supported");
        let cause = |protocol| otlp_http::outcome(&refused, protocol).failure().unwrap().cause;
        let advice = cause(Protocol::HttpJson).advice(Signal::Metrics);
        assert!(advice.contains("OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"), "{status}: {advice}");
        let advice = cause(Protocol::HttpProtobuf).advice(Signal::Metrics);
        assert!(!advice.contains("OTEL_EXPORTER_OTLP_PROTOCOL"), "{status}: {advice}");
    }
    let unavailable = otlp_http::outcome(&answer(503, &[], b""), Protocol::HttpJson);
    assert_eq!(unavailable.failure().unwrap().cause, Cause::Unavailable);
}

#[test]
fn a_date_in_retry_after_is_a_pause_until_then() {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(100));
    let pause = |date: &str| verdict(&over_http(&answer(503, &[("retry-after", date)], b""))).2;
    let left = pause(&date).unwrap();
    assert!(left > Duration::from_secs(90) && left <= Duration::from_secs(100), "{left:?}");
    assert_eq!(pause("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
    for nonsense in ["soon", "-1", "1.5", "99999999999999999999999"] {
        assert_eq!(pause(nonsense), None, "{nonsense}");
    }
}

#[test]
fn a_partial_success_is_read_from_each_encoding() {
    let protobuf = [10, 7, 8, 3, 18, 3, b'o', b'l', b'd'];
    let json = br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"old"}}"#;
    let mut framed = vec![0, 0, 0, 0, 9];
    framed.extend(protobuf);
    let mut grpc = answer(200, &[GRPC], &framed);
    grpc.trailers = headers(&[("grpc-status", "0")]);
    for outcome in [
        over_http(&answer(200, &[("content-type", "application/x-protobuf")], &protobuf)),
        over_http(&answer(200, &[("content-type", "application/json")], json)),
        otlp_grpc::outcome(&grpc),
    ] {
        let Outcome::Delivered { rejected: 3, message, .. } = &outcome else { panic!("{outcome:?}") };
        assert_eq!(message, "old");
    }
}

#[test]
fn misleading_answers_do_not_panic() {
    let negative = [10, 11, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let lengths =
        [&[0, 0xff, 0xff, 0xff, 0xff][..], &[0, 0, 0], &[1, 0, 0, 0, 2, 31, 139], &[0xff; 30], &negative];
    for body in lengths {
        let mut grpc = answer(200, &[GRPC], body);
        grpc.trailers = headers(&[("grpc-status", "0")]);
        assert_eq!(verdict(&otlp_grpc::outcome(&grpc)).0, "delivered", "{body:?}");
        assert_eq!(verdict(&over_http(&answer(200, &[], body))).0, "delivered", "{body:?}");
    }
}

/// The worker limits them to the items that were sent.
#[test]
fn absurd_rejected_counts_are_read_as_none_or_all() {
    for (rejected, counted) in [(i64::MIN, 0), (-1, 0), (0, 0), (i64::MAX, i64::MAX as u64)] {
        let mut partial = vec![8];
        prost::encode_length_delimiter(rejected as u64 as usize, &mut partial).unwrap();
        let mut response = vec![10, u8::try_from(partial.len()).unwrap()];
        response.extend(&partial);
        let mut framed = vec![0, 0, 0, 0, u8::try_from(response.len()).unwrap()];
        framed.extend(&response);
        let mut grpc = answer(200, &[GRPC], &framed);
        grpc.trailers = headers(&[("grpc-status", "0")]);
        let protobuf = answer(200, &[("content-type", "application/x-protobuf")], &response);
        for outcome in [otlp_grpc::outcome(&grpc), over_http(&protobuf)] {
            let Outcome::Delivered { rejected, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(rejected, counted);
        }
    }
}

#[test]
fn details_that_cannot_be_read_are_ignored() {
    // RetryInfo of minus 2^63 seconds.
    let negative = "CAgaOQoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxINCgsIgICAgICAgICAAQ==";
    for (details, pause) in [("!!!!", None), ("", None), (negative, Some(Duration::ZERO)), ("CA", None)] {
        let status = [
            GRPC,
            ("grpc-status", "8"),
            ("grpc-message", "full%zz%21"),
            ("grpc-status-details-bin", details),
        ];
        let outcome = otlp_grpc::outcome(&answer(200, &status, b""));
        assert_eq!(verdict(&outcome).2, pause, "{details}");
        assert!(outcome.failure().unwrap().text.starts_with("RESOURCE_EXHAUSTED: full%zz!"), "{outcome:?}");
    }
}

#[test]
fn misleading_length_does_not_mean_that_the_request_is_too_large() {
    let mut grpc = answer(200, &[GRPC], &[0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
    assert_eq!(verdict(&otlp_grpc::outcome(&grpc)).0, "refused");
    grpc.trailers = headers(&[("grpc-status", "14")]);
    assert_eq!(verdict(&otlp_grpc::outcome(&grpc)).0, "retry");
}

#[test]
fn an_answer_of_the_other_protocol_is_recognized() {
    let grpc = answer(200, &[GRPC, ("grpc-status", "12")], b"");
    assert_eq!(verdict(&over_http(&grpc)).1, Some(Cause::PeerSpeaksGrpc));
    let page = answer(200, &[("content-type", "text/html")], b"<html>welcome</html>");
    assert_eq!(verdict(&otlp_grpc::outcome(&page)).1, Some(Cause::NotOtlp));
    assert_eq!(verdict(&over_http(&page)).1, Some(Cause::NotOtlp));
}

#[test]
fn requests_that_are_too_large_are_split_whatever_the_status_says() {
    let text = ("content-type", "text/plain");
    for (status, body, expected) in [
        // The Collector's own receiver.
        (400, "http: request body too large", "split"),
        (400, "cannot read request: too big data size exceeding the maximum", "split"),
        (413, "", "split"),
        (400, "malformed request", "refused"),
    ] {
        let answer = answer(status, &[text], body.as_bytes());
        for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
            assert_eq!(verdict(&otlp_http::outcome(&answer, protocol)).0, expected, "{status} {body}");
        }
    }
}

#[test]
fn unreachable_host_is_absent() {
    use std::io::{Error, ErrorKind};

    use super::explain::explain;
    use super::peer::FirstBytes;

    for (kind, expected) in [
        (ErrorKind::ConnectionRefused, Cause::ConnectionRefused),
        (ErrorKind::NetworkUnreachable, Cause::Unreachable),
        (ErrorKind::HostUnreachable, Cause::Unreachable),
        (ErrorKind::NetworkDown, Cause::Unreachable),
        (ErrorKind::AddrNotAvailable, Cause::Unreachable),
        // Of a Unix socket.
        (ErrorKind::PermissionDenied, Cause::Unreachable),
        (ErrorKind::ConnectionReset, Cause::Disconnected),
    ] {
        let failure = explain(&Error::from(kind), FirstBytes::None, super::connection::Http::Any, false);
        assert_eq!(failure.cause, expected, "{kind:?}");
        assert_eq!(failure.cause.is_absence(), expected != Cause::Disconnected, "{kind:?}");
        // What an earlier peer there has sent does not matter.
        let failure = explain(&Error::from(kind), FirstBytes::Http1, super::connection::Http::Two, false);
        let with_peer = if expected == Cause::Disconnected { Cause::PeerSpeaksHttp } else { expected };
        assert_eq!(failure.cause, with_peer, "{kind:?}");
    }
}

#[test]
fn proxy_auth_required_is_retried_over_both_protocols() {
    let answer = answer(407, &[("content-type", "text/html")], b"");
    let expected = ("retry", Some(Cause::ProxyAuthentication), None);
    assert_eq!(verdict(&otlp_grpc::outcome(&answer)), expected);
    assert_eq!(verdict(&over_http(&answer)), expected);
}

#[test]
fn grpc_codes_that_may_be_retried_are_those_of_the_specification() {
    for number in 0..=17_i32 {
        let text = number.to_string();
        let outcome = otlp_grpc::outcome(&answer(200, &[GRPC, ("grpc-status", &text)], b""));
        let expected = match number {
            0 => "delivered",
            1 | 4 | 10 | 11 | 14 | 15 => "retry",
            _ => "refused",
        };
        assert_eq!(verdict(&outcome).0, expected, "{number}");
    }
    let details = retry_info_without_delay();
    for words in
        ["grpc: received message larger than max (5 vs. 4)", "message too large", "Payload Too Large"]
    {
        let status = [GRPC, ("grpc-status", "8"), ("grpc-message", words)];
        assert_eq!(verdict(&otlp_grpc::outcome(&answer(200, &status, b""))).0, "split");
        let status =
            [GRPC, ("grpc-status", "8"), ("grpc-message", words), ("grpc-status-details-bin", &*details)];
        let expected = ("retry", Some(Cause::Throttled), Some(Duration::ZERO));
        assert_eq!(verdict(&otlp_grpc::outcome(&answer(200, &status, b""))), expected, "{words}");
    }
}

fn retry_info_without_delay() -> String {
    use base64::Engine as _;

    let name = b"type.googleapis.com/google.rpc.RetryInfo";
    let any = [&[0x0a, u8::try_from(name.len()).unwrap()][..], name].concat();
    let status = [&[8, 8, 0x1a, u8::try_from(any.len()).unwrap()][..], &any].concat();
    base64::engine::general_purpose::STANDARD.encode(status)
}

/// The hedge has fired before the protocol is switched, or a request is resent.
#[cfg(all(feature = "otlp-grpc", feature = "otlp-http"))]
#[tokio::test]
async fn hedge_that_has_fired_is_not_polled_again() {
    use std::io::{Read as _, Write as _};

    use crate::settings::{Compression, Credentials, ExportSettings, ProtocolSetting, Target};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
                while stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
            });
        }
    });
    let settings = ExportSettings {
        protocol: ProtocolSetting { first: Protocol::Grpc, may_switch: true },
        http_path: http::uri::PathAndQuery::from_static("/v1/traces"),
        target: Target::new(endpoint.parse().unwrap()),
        headers: Vec::new(),
        timeout: Duration::from_secs(10),
        compression: Compression::None,
        credentials: Credentials::default(),
        max_request_size: 64 << 20,
        temporality: None,
    };
    let diagnostics = crate::diagnostics::Diagnostics::default();
    let mut connections = super::Connections::new(diagnostics.clone());
    let destination = super::otlp::Destination::new(Signal::Traces, settings, &mut connections, &diagnostics);
    let hedge_after = std::future::ready(());
    let request = Bytes::from_static(b"request");
    let (shutdown, is_unanswered) = (tokio::sync::watch::Sender::default(), std::sync::Arc::default());
    let limit = super::TryLimit { timeout: Duration::from_secs(10), shutdown: shutdown.subscribe() };
    let outcome = destination.send(request, limit, hedge_after, is_unanswered).await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
}
