//! Export over TLS, to a collector with a certificate of its own authority.

#![cfg(all(feature = "tls", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use telemetry_bootstrap::{Builder, ExportStats, LogDestination, LogFormat, TlsSettings, tracing};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};
use tracing_subscriber::layer::SubscriberExt as _;

/// An authority, and certificates that it has signed, as files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, directory: tempfile::tempdir().unwrap() };
        authority.write("ca.pem", &authority.pem());
        authority
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Certificate and key, as PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn write(&self, name: &str, pem: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    }

    fn certificate(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }
}

#[derive(Clone, Default)]
struct Spans(Arc<AtomicUsize>);

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans;
        let spans =
            resources.iter().flat_map(|resource| &resource.scope_spans).map(|scope| scope.spans.len());
        self.0.fetch_add(spans.sum(), Ordering::Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector behind TLS, for as long as its runtime lives.
struct Collector {
    _runtime: tokio::runtime::Runtime,
    spans: Spans,
    endpoint: String,
}

impl Collector {
    fn start(tls: ServerTlsConfig) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let spans = Spans::default();
        let service = TraceServiceServer::new(spans.clone());
        let incoming = {
            let _inside = runtime.enter();
            TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap()
        };
        let endpoint = format!("https://localhost:{}", incoming.local_addr().unwrap().port());
        let server = Server::builder().tls_config(tls).unwrap().add_service(service);
        runtime.spawn(server.serve_with_incoming(incoming));
        Self { _runtime: runtime, spans, endpoint }
    }

    fn spans(&self) -> usize {
        self.spans.0.load(Ordering::Relaxed)
    }
}

fn identity(authority: &Authority) -> ServerTlsConfig {
    let (certificate, key) = authority.sign("localhost");
    ServerTlsConfig::new().identity(Identity::from_pem(certificate, key))
}

/// Exports three spans; what became of them, and the log lines.
fn export(builder: Builder, lines: &Path) -> (ExportStats, String) {
    let builder = builder
        .ignore_env()
        .log_output(|output| output.format(LogFormat::Json).destination(LogDestination::file(lines)))
        .logs(|logs| logs.export(false))
        .metrics(|metrics| metrics.export(false))
        .shutdown_timeout(Duration::from_secs(5));
    let (layer, guard) = builder.build_local().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        (0..3).for_each(|_| drop(tracing::info_span!("work").entered()));
    });
    let delivery = guard.shutdown().unwrap_or_else(|error| error.stats());
    (delivery, std::fs::read_to_string(lines).unwrap())
}

fn export_with(authority: &Authority, collector: &Collector, tls: TlsSettings) -> (ExportStats, String) {
    let builder = telemetry_bootstrap::init().endpoint(&collector.endpoint).tls(tls);
    export(builder, &authority.directory.path().join("lines"))
}

#[test]
fn a_certificate_of_a_given_authority_is_trusted() {
    let authority = Authority::new();
    let collector = Collector::start(identity(&authority));
    let tls = TlsSettings::new().certificate(authority.certificate());
    let (delivery, lines) = export_with(&authority, &collector, tls);
    assert_eq!((delivery.traces.delivered, collector.spans()), (3, 3), "{lines}");
}

#[test]
fn unknown_authority_is_reported_with_its_cause() {
    let authority = Authority::new();
    let collector = Collector::start(identity(&authority));
    let (delivery, lines) = export_with(&authority, &collector, TlsSettings::new());
    assert_eq!((delivery.traces.failed, collector.spans()), (3, 0));
    assert!(lines.contains("invalid peer certificate: UnknownIssuer"), "{lines}");
}

#[test]
fn a_collector_that_asks_for_a_certificate_is_shown_one() {
    let authority = Authority::new();
    let asking = || identity(&authority).client_ca_root(Certificate::from_pem(authority.pem()));
    let collector = Collector::start(asking());
    let (certificate, key) = authority.sign("client");
    let tls = TlsSettings::new()
        .certificate(authority.certificate())
        .client_certificate(authority.write("client.pem", &certificate))
        .client_key(authority.write("client.key", &key));
    let (delivery, lines) = export_with(&authority, &collector, tls);
    assert_eq!((delivery.traces.delivered, collector.spans()), (3, 3), "{lines}");

    let collector = Collector::start(asking());
    let tls = TlsSettings::new().certificate(authority.certificate());
    let (delivery, lines) = export_with(&authority, &collector, tls);
    assert_eq!((delivery.traces.failed, collector.spans()), (3, 0), "{lines}");
    assert!(lines.contains("telemetry is not being delivered"), "{lines}");
}
