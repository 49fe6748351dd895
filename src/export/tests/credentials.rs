//! Credentials that change, and sources of them that fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use http::Request;

use super::*;
use crate::collector::Fault;
use crate::semconv::GrpcCode;
use crate::settings::{HeaderSource, HeaderToken, RequestSigner};

over_each_protocol! {
    closure_is_called_before_each_request,
    a_token_is_used_until_it_is_no_longer_valid,
    a_refused_token_is_replaced_at_once_and_nothing_is_lost,
    a_token_that_is_refused_at_its_first_use_is_replaced_at_once,
    credentials_that_stay_refused_are_tried_again_later,
    static_credentials_that_are_refused_fail,
    failing_or_panicking_source_causes_retries,
    hanging_source_blocks_neither_the_program_nor_a_second_thread,
    replaced_file_is_used_from_then_on,
    a_refused_value_of_a_file_that_is_gone_is_logged_with_the_reason,
    a_source_whose_new_values_are_refused_too_is_called_after_growing_pauses,
    requests_whose_signature_stays_refused_are_repeated_once_without_a_pause,
    a_signer_sees_the_whole_request,
    failing_signer_causes_retries,
}

const SECRET: &str = "hunter2hunter2";

fn with_source(collector: &Collector, protocol: Protocol, source: HeaderSource) -> ExportSettings {
    let sources = vec![("authorization".parse().unwrap(), source)];
    let credentials = Credentials { sources, signer: None };
    ExportSettings { credentials, ..export_settings(&collector.endpoint(), protocol) }
}

/// Values `1`, `2`, … and how many were returned.
fn counting(valid_for: Duration) -> (HeaderSource, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let source = HeaderSource::from_token(move || {
        let call = counted.fetch_add(1, Ordering::SeqCst) + 1;
        Ok::<_, std::io::Error>(HeaderToken::new(format!("{SECRET}{call}")).valid_for(valid_for))
    });
    (source, calls)
}

fn authorizations(collector: &Collector, signal: Signal) -> Vec<String> {
    let received = collector.received();
    let values = received.requests(signal).map(|request| request.header("authorization").unwrap_or("none"));
    values.map(|value| value.replace(SECRET, "token ")).collect()
}

fn assert_no_secret(pipeline: &Pipeline) {
    assert!(pipeline.lines().iter().all(|line| !line.contains(SECRET)), "{:?}", pipeline.lines());
}

fn flushed(pipeline: &Pipeline, count: usize) {
    pipeline.push_spans(0, count);
    pipeline.flush().unwrap();
}

fn closure_is_called_before_each_request(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let calls = AtomicUsize::new(0);
    let source = HeaderSource::from_fn(move || calls.fetch_add(1, Ordering::SeqCst).to_string());
    let settings = with_source(&collector, protocol, source.prefix("call "));
    let pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    (0..3).for_each(|_| flushed(&pipeline, 1));
    assert_eq!(authorizations(&collector, Signal::Traces), ["call 0", "call 1", "call 2"]);
    assert_eq!(pipeline.lines(), [""; 0]);
}

fn a_token_is_used_until_it_is_no_longer_valid(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let (source, calls) = counting(Duration::from_secs(3600));
    let settings = with_source(&collector, protocol, source);
    assert!(!format!("{settings:?}").contains(SECRET));
    let queues = [queue(QUEUE), queue(QUEUE)];
    let routes = queues.iter().map(|(_, consumer)| Route {
        signal: Signal::Traces,
        settings: DestinationSettings::Otlp(Box::new(settings.clone())),
        queue: consumer.clone(),
        delay: QUEUE.delay,
    });
    let exporter = Exporter::start(routes.collect(), resource(), false, &Diagnostics::default()).unwrap();
    for _ in 0..3 {
        queues.iter().for_each(|(queue, _)| push_span(queue, "0"));
        exporter.workers().flush(None, PATIENCE).unwrap();
    }
    assert_eq!(authorizations(&collector, Signal::Traces), ["token 1"; 6]);
    assert_eq!(calls.load(Ordering::SeqCst), 1, "the pipelines share it");
}

fn a_refused_token_is_replaced_at_once_and_nothing_is_lost(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let (source, _) = counting(Duration::from_secs(3600));
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, with_source(&collector, protocol, source));
    flushed(&pipeline, 1);
    for refusal in [Fault::status(GrpcCode::Unauthenticated, "expired"), Fault::http(401), Fault::http(403)] {
        collector.inject_fault(refusal.times(1));
        flushed(&pipeline, 1);
    }
    let expected = ["token 1", "token 2", "token 3", "token 4"];
    assert_eq!(authorizations(&collector, Signal::Traces), expected);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 4, delivered: 4, ..Default::default() });
    assert_eq!(pipeline.lines(), [""; 0]);
}

/// A token like one that a source returns from its own cache.
fn a_token_that_is_refused_at_its_first_use_is_replaced_at_once(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let (source, calls) = counting(Duration::from_secs(3600));
    let pipeline = Pipeline::with(Signal::Traces, QUEUE, with_source(&collector, protocol, source));
    collector.inject_fault(Fault::http(401).times(1));
    flushed(&pipeline, 1);
    flushed(&pipeline, 1);
    assert_eq!(authorizations(&collector, Signal::Traces), ["token 2"; 2]);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(pipeline.lines(), [""; 0]);
}

fn credentials_that_stay_refused_are_tried_again_later(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let (source, _) = counting(Duration::from_secs(3600));
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, with_source(&collector, protocol, source));
    collector.inject_fault(Fault::http(401));
    pipeline.push_spans(0, 5);
    pipeline.flush().unwrap_err();
    assert_eq!(pipeline.counts(), SignalStats { accepted: 5, pending: 5, ..Default::default() });
    let line = pipeline.lines().remove(0);
    assert!(line.contains("the credentials were not accepted"), "{line}");
    collector.clear_faults();
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 5, delivered: 5, ..Default::default() });
    assert_no_secret(&pipeline);
}

fn static_credentials_that_are_refused_fail(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    collector.inject_fault(Fault::http(401).times(1));
    let mut pipeline = Pipeline::to(&collector, protocol);
    pipeline.push_spans(0, 5);
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 5, failed: 5, ..Default::default() });
}

fn failing_or_panicking_source_causes_retries(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let calls = AtomicUsize::new(0);
    let source = HeaderSource::from_token(move || match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Err(format!("no answer from the token service: password={SECRET}")),
        1 => panic!("in a source, on purpose"),
        2 => Ok(HeaderToken::new("two\nlines")),
        3 => Ok(HeaderToken::new("größer")),
        _ => Ok(HeaderToken::new(SECRET)),
    });
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, with_source(&collector, protocol, source));
    pipeline.push_spans(0, 5);
    let not_ascii = "not printable ASCII";
    for reason in ["failed: no answer from the token service: [redacted]", "panicked", not_ascii, not_ascii] {
        let error = pipeline.flush().unwrap_err().to_string();
        assert!(error.contains("the source of the header authorization"), "{error}");
        assert!(error.contains(reason), "{error}");
    }
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 5, delivered: 5, ..Default::default() });
    let line = pipeline.lines().remove(0);
    assert!(line.contains("header_source"), "{line}");
    assert_no_secret(&pipeline);
}

/// A source that returns once it is allowed to, and what counts its calls.
fn hanging() -> (HeaderSource, Sender<()>, Arc<AtomicUsize>) {
    let (release, released): (_, Receiver<()>) = channel();
    let (calls, released) = (Arc::new(AtomicUsize::new(0)), Mutex::new(released));
    let counted = Arc::clone(&calls);
    let source = HeaderSource::from_fn(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let _ = released.lock().unwrap().recv();
        SECRET.to_owned()
    });
    (source, release, calls)
}

fn hanging_source_blocks_neither_the_program_nor_a_second_thread(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let (source, release, calls) = hanging();
    let settings =
        ExportSettings { timeout: Duration::from_millis(100), ..with_source(&collector, protocol, source) };
    let pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 5);
    for _ in 0..3 {
        let error = pipeline.flush().unwrap_err().to_string();
        assert!(error.contains("has not returned within"), "{error}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    release.send(()).unwrap();
    // Later calls return at once.
    drop(release);
    pipeline.wait_until(|counts| counts.delivered == 5);

    let (source, _release, _) = hanging();
    let settings = ExportSettings { timeout: PATIENCE, ..with_source(&collector, protocol, source) };
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 5);
    let (took, _) = pipeline.shutdown(Duration::from_millis(300));
    assert!(took < Duration::from_secs(5), "{took:?}");
    pipeline.wait_until(|counts| counts == SignalStats { accepted: 5, failed: 5, ..Default::default() });
}

fn replaced_file_is_used_from_then_on(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let source = HeaderSource::from_file(&path).prefix("Bearer ");
    let pipeline = Pipeline::with(Signal::Traces, QUEUE, with_source(&collector, protocol, source));
    pipeline.push_spans(0, 1);
    let error = pipeline.flush().unwrap_err().to_string();
    assert!(error.contains(&format!("failed: {}: No such file", path.display())), "{error}");
    std::fs::write(&path, "one\n").unwrap();
    pipeline.flush().unwrap();
    // As Kubernetes replaces secrets: by renaming.
    let new = directory.path().join("new");
    std::fs::write(&new, "two\r\n").unwrap();
    std::fs::rename(&new, &path).unwrap();
    flushed(&pipeline, 1);
    // In the middle of being rewritten.
    std::fs::write(&path, "").unwrap();
    flushed(&pipeline, 1);
    std::fs::write(&path, "six").unwrap();
    flushed(&pipeline, 1);
    let expected = ["Bearer one", "Bearer two", "Bearer two", "Bearer six"];
    assert_eq!(authorizations(&collector, Signal::Traces), expected);
}

fn a_refused_value_of_a_file_that_is_gone_is_logged_with_the_reason(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, SECRET).unwrap();
    let source = HeaderSource::from_file(&path);
    let pipeline = Pipeline::with(Signal::Traces, QUEUE, with_source(&collector, protocol, source));
    flushed(&pipeline, 1);
    std::fs::remove_file(&path).unwrap();
    flushed(&pipeline, 1);
    assert_eq!(pipeline.lines(), [""; 0]);
    collector.inject_fault(Fault::http(401));
    pipeline.push_spans(1, 100);
    let line = pipeline.first_line();
    let reason = format!("the source of the header authorization failed: {}: No such file", path.display());
    assert!(line.contains(&reason) && line.contains("; the last value was used"), "{line}");
    assert_no_secret(&pipeline);
    collector.clear_faults();
    pipeline.flush().unwrap();
}

/// A refusal as for a missing permission.
fn a_source_whose_new_values_are_refused_too_is_called_after_growing_pauses(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let (source, calls) = counting(Duration::from_secs(3600));
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, with_source(&collector, protocol, source));
    collector.inject_fault(Fault::http(403));
    let begin = Instant::now();
    pipeline.push_spans(0, 100);
    wait_for_requests(&collector, 7);
    let (calls, seconds) = (calls.load(Ordering::SeqCst) as u64, begin.elapsed().as_secs());
    assert!(calls <= 2 + seconds, "{calls} calls in {seconds} s");
    assert!(calls >= 2, "{calls} calls");
    // The value that is kept is accepted as well.
    collector.clear_faults();
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 100, delivered: 100, ..Default::default() });
    assert_no_secret(&pipeline);
}

fn requests_whose_signature_stays_refused_are_repeated_once_without_a_pause(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let settings = with_signer(&collector, protocol, move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    collector.inject_fault(Fault::http(403));
    let begin = Instant::now();
    pipeline.push_spans(0, 100);
    wait_for_requests(&collector, 5);
    // The first try, and its repetition, are followed by pauses of at least 50, 100 and 200 ms.
    assert!(begin.elapsed() >= Duration::from_millis(350), "{:?}", begin.elapsed());
    assert!(calls.load(Ordering::SeqCst) >= 5);
}

/// A signature of everything that a signer must see.
fn signature(request: &Request<Bytes>) -> String {
    let tenant = request.headers().get("x-tenant").map(|value| value.to_str().unwrap());
    let type_ = request.headers().get("content-type").map(|value| value.to_str().unwrap());
    let (method, uri) = (request.method(), request.uri());
    format!("{method} {uri} {tenant:?} {type_:?} {}", request.body().len())
}

fn with_signer(
    collector: &Collector,
    protocol: Protocol,
    sign: impl Fn(&mut Request<Bytes>) -> Result<(), String> + Send + Sync + 'static,
) -> ExportSettings {
    let sources = vec![("x-tenant".parse().unwrap(), HeaderSource::from_fn(|| "acme".to_owned()))];
    let credentials = Credentials { sources, signer: Some(RequestSigner::new(sign)) };
    ExportSettings { credentials, ..export_settings(&collector.endpoint(), protocol) }
}

fn a_signer_sees_the_whole_request(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let settings = with_signer(&collector, protocol, |request| {
        let signature = signature(request).parse().map_err(|_| "no header")?;
        request.headers_mut().insert("authorization", signature);
        Ok(())
    });
    let pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    flushed(&pipeline, 3);
    let signature = authorizations(&collector, Signal::Traces).remove(0);
    let (path, type_) = match protocol {
        Protocol::Grpc => ("opentelemetry.proto.collector.trace.v1.TraceService/Export", "application/grpc"),
        Protocol::HttpJson => ("v1/traces", "application/json"),
        _ => ("v1/traces", "application/x-protobuf"),
    };
    let expected = format!("POST {}/{path} Some(\"acme\") Some(\"{type_}\") ", collector.endpoint());
    let length = signature.strip_prefix(&expected).unwrap_or_else(|| panic!("{signature}"));
    assert!(length.parse::<usize>().unwrap() > 30, "{signature}");
    assert_eq!(spans(&collector).len(), 3);
}

fn failing_signer_causes_retries(protocol: Protocol) {
    let collector = Collector::start().unwrap();
    let calls = AtomicUsize::new(0);
    let settings = with_signer(&collector, protocol, move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Err("no credentials in the environment".to_owned()),
        1 => panic!("in a signer, on purpose"),
        _ => Ok(()),
    });
    let mut pipeline = Pipeline::with(Signal::Traces, QUEUE, settings);
    pipeline.push_spans(0, 3);
    for reason in ["the signer of requests failed: no credentials", "the signer of requests panicked"] {
        let error = pipeline.flush().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let (_, counts) = pipeline.shutdown(PATIENCE);
    assert_eq!(counts, SignalStats { accepted: 3, delivered: 3, ..Default::default() });
}
