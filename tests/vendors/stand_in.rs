//! A receiver that enforces the rules that a vendor has published.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;
use telemetry_bootstrap::Signal;

/// What a vendor requires of a request.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// The signal has this path, and no other is taken.
    Path(Signal, &'static str),
    /// A header with this value.
    Header(&'static str, &'static str),
    /// The same for one signal.
    HeaderOf(Signal, &'static str, &'static str),
    /// A header whose value begins like this.
    HeaderBegins(&'static str, &'static str),
    /// Basic authentication of `user` with `password`.
    BasicAuth,
    /// A bearer token, which expires after some requests.
    BearerToken,
    /// No gRPC and no JSON. Otherwise this status.
    ProtobufOnly(u16),
    /// Sums and histograms are deltas.
    Delta,
    /// Sums and histograms are totals.
    Cumulative,
    /// The bytes of a request.
    MaxBytes(usize),
    /// The characters of an attribute's value.
    MaxValue(usize),
}

/// The receiver, for as long as its runtime lives.
pub(crate) struct StandIn {
    pub(crate) address: String,
    state: Arc<State>,
    _runtime: tokio::runtime::Runtime,
}

struct State {
    rules: Vec<Rule>,
    /// Items of requests that were taken.
    taken: Mutex<HashMap<Signal, usize>>,
    /// Requests with each bearer token.
    tokens: Mutex<HashMap<String, usize>>,
    /// Why requests were refused.
    refusals: Mutex<Vec<String>>,
}

impl StandIn {
    pub(crate) fn start(rules: &[Rule]) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            rules: rules.to_vec(),
            taken: Mutex::default(),
            tokens: Mutex::default(),
            refusals: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(Arc::clone(&state), request));
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, state, _runtime: runtime }
    }

    /// Items of this signal that were taken.
    pub(crate) fn taken(&self, signal: Signal) -> usize {
        self.state.taken.lock().unwrap().get(&signal).copied().unwrap_or_default()
    }

    pub(crate) fn refusals(&self) -> Vec<String> {
        self.state.refusals.lock().unwrap().clone()
    }

    /// How many bearer tokens were accepted.
    pub(crate) fn tokens(&self) -> usize {
        self.state.tokens.lock().unwrap().len()
    }
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let received = Received::new(&head, &body);
    let verdict = received.and_then(|received| {
        state.rules.iter().try_for_each(|rule| rule.check(&received, &state))?;
        *state.taken.lock().unwrap().entry(received.signal).or_default() += received.items();
        Ok(())
    });
    let is_grpc = head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/grpc");
    let (status, words) = match &verdict {
        Ok(()) => (200, Bytes::new()),
        Err((status, reason)) => {
            state.refusals.lock().unwrap().push(format!("{status} {reason}"));
            (*status, reason.clone().into())
        }
    };
    let mut response = if is_grpc && verdict.is_ok() {
        let trailers =
            HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from(0))]);
        Response::new(Full::from(&[0; 5][..]).with_trailers(async { Some(Ok(trailers)) }).boxed())
    } else {
        Response::new(Full::new(words).boxed())
    };
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    if let Some(kind) = head.headers.get(header::CONTENT_TYPE).filter(|_| verdict.is_ok()) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    Ok(response)
}

/// A status, and the reason.
type Refusal = (u16, String);

/// A request, decoded if it is protobuf.
struct Received<'a> {
    signal: Signal,
    path: &'a str,
    headers: &'a HeaderMap,
    length: usize,
    is_grpc: bool,
    export: Option<Export>,
}

enum Export {
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
    Logs(ExportLogsServiceRequest),
}

impl<'a> Received<'a> {
    fn new(head: &'a http::request::Parts, body: &Bytes) -> Result<Self, Refusal> {
        let path = head.uri.path();
        let signal = match path {
            path if path.ends_with("/v1/traces") || path.contains("TraceService") => Signal::Traces,
            path if path.ends_with("/v1/metrics") || path.contains("MetricsService") => Signal::Metrics,
            path if path.ends_with("/v1/logs") || path.contains("LogsService") => Signal::Logs,
            other => return Err((404, other.to_owned())),
        };
        let kind = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_grpc = kind == Some(b"application/grpc");
        let message = if is_grpc { &body[5..] } else { body };
        let export = (is_grpc || kind == Some(b"application/x-protobuf")).then(|| match signal {
            Signal::Traces => Export::Traces(ExportTraceServiceRequest::decode(message).unwrap()),
            Signal::Metrics => Export::Metrics(ExportMetricsServiceRequest::decode(message).unwrap()),
            _ => Export::Logs(ExportLogsServiceRequest::decode(message).unwrap()),
        });
        Ok(Self { signal, path, headers: &head.headers, length: body.len(), is_grpc, export })
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn items(&self) -> usize {
        match &self.export {
            None => 0,
            Some(Export::Traces(traces)) => {
                let scopes = traces.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
                scopes.map(|scope| scope.spans.len()).sum()
            }
            Some(Export::Metrics(metrics)) => metrics_of(metrics).count(),
            Some(Export::Logs(logs)) => {
                let scopes = logs.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
                scopes.map(|scope| scope.log_records.len()).sum()
            }
        }
    }

    /// The temporality of each sum and histogram: 1 are deltas, 2 are totals.
    fn temporalities(&self) -> Vec<i32> {
        let Some(Export::Metrics(metrics)) = &self.export else { return Vec::new() };
        let temporality = |data: &Data| match data {
            Data::Sum(sum) => Some(sum.aggregation_temporality),
            Data::Histogram(histogram) => Some(histogram.aggregation_temporality),
            _ => None,
        };
        metrics_of(metrics).filter_map(temporality).collect()
    }

    /// The length of the longest attribute of a span.
    fn longest_value(&self) -> usize {
        let Some(Export::Traces(traces)) = &self.export else { return 0 };
        let scopes = traces.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        let attributes = scopes.flat_map(|scope| &scope.spans).flat_map(|span| &span.attributes);
        let lengths =
            attributes.map(|attribute| match attribute.value.as_ref().and_then(|any| any.value.as_ref()) {
                Some(Value::StringValue(text)) => text.chars().count(),
                _ => 0,
            });
        lengths.max().unwrap_or_default()
    }
}

fn metrics_of(request: &ExportMetricsServiceRequest) -> impl Iterator<Item = &Data> {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    scopes.flat_map(|scope| &scope.metrics).filter_map(|metric| metric.data.as_ref())
}

impl Rule {
    fn check(&self, received: &Received<'_>, state: &State) -> Result<(), Refusal> {
        let must = |holds: bool, status: u16, reason: &str| match holds {
            true => Ok(()),
            false => Err((status, reason.to_owned())),
        };
        match *self {
            Self::Path(signal, path) => {
                must(signal != received.signal || path == received.path, 404, received.path)
            }
            Self::Header(name, value) => must(received.header(name) == value, 401, name),
            Self::HeaderOf(signal, name, value) => {
                must(signal != received.signal || received.header(name) == value, 401, name)
            }
            Self::HeaderBegins(name, value) => must(received.header(name).starts_with(value), 401, name),
            Self::BasicAuth => {
                let given = received.header("authorization").strip_prefix("Basic ").unwrap_or_default();
                let given = base64::engine::general_purpose::STANDARD.decode(given);
                must(given.as_deref() == Ok(b"user:password"), 401, "authorization")
            }
            Self::BearerToken => {
                let token = received.header("authorization").strip_prefix("Bearer token-");
                let mut tokens = state.tokens.lock().unwrap();
                let used = tokens.entry(token.unwrap_or_default().to_owned()).or_default();
                *used += 1;
                must(token.is_some() && *used <= REQUESTS_PER_TOKEN, 401, "no valid token")
            }
            Self::ProtobufOnly(status) => {
                must(received.export.is_some() && !received.is_grpc, status, "not protobuf over HTTP")
            }
            Self::Delta => must(received.temporalities().iter().all(|kind| *kind == 1), 400, "not delta"),
            Self::Cumulative => {
                must(received.temporalities().iter().all(|kind| *kind == 2), 400, "not cumulative")
            }
            Self::MaxBytes(limit) => must(received.length <= limit, 413, "too large"),
            Self::MaxValue(limit) => must(received.longest_value() <= limit, 400, "a value is too long"),
        }
    }
}

const REQUESTS_PER_TOKEN: usize = 4;
