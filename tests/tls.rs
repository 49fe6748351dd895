//! Export over TLS, to a collector with a certificate of its own authority.

#![cfg(all(feature = "tls", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use telemetry_bootstrap::testing::opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use telemetry_bootstrap::{
    Builder, ExportStats, LogDestination, LogFormat, Protocol, TelemetryGuard, TlsSettings, tracing,
};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};
use tracing_subscriber::layer::SubscriberExt as _;

mod child_process;

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
        self.sign_with(name, |_| {})
    }

    fn sign_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
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
    runtime: tokio::runtime::Runtime,
    spans: Spans,
    endpoint: String,
    port: u16,
}

impl Collector {
    fn start(tls: ServerTlsConfig) -> Self {
        Self::start_on(0, tls)
    }

    /// Closes all connections, and starts again on the same port.
    fn restart(self, tls: ServerTlsConfig) -> Self {
        let Self { runtime, port, .. } = self;
        drop(runtime);
        Self::start_on(port, tls)
    }

    fn start_on(port: u16, tls: ServerTlsConfig) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let spans = Spans::default();
        let service = TraceServiceServer::new(spans.clone());
        let incoming = {
            let _inside = runtime.enter();
            TcpIncoming::bind(([127, 0, 0, 1], port).into()).unwrap()
        };
        let port = incoming.local_addr().unwrap().port();
        let endpoint = format!("https://localhost:{port}");
        let server = Server::builder().tls_config(tls).unwrap().add_service(service);
        runtime.spawn(server.serve_with_incoming(incoming));
        Self { runtime, spans, endpoint, port }
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
fn client_certificate_is_sent_to_a_collector_that_requires_one() {
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

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn child_of_the_environment() {
    println!();
    let telemetry = telemetry_bootstrap::init()
        .log_output(|output| output.format(LogFormat::Json).destination(LogDestination::Stdout))
        .build()
        .unwrap();
    tracing::info_span!("work").in_scope(|| ());
    // The collector takes no metrics and no logs.
    let _ = telemetry.force_flush(Duration::from_secs(10));
}

#[test]
fn a_client_key_of_another_certificate_is_one_warning_and_the_authority_stays() {
    let authority = Authority::new();
    let collector = Collector::start(identity(&authority));
    let (certificate, _) = authority.sign("client");
    let (_, key) = authority.sign("other");
    let files = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.certificate()),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", authority.write("client.pem", &certificate)),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", authority.write("client.key", &key)),
    ];
    let mut variables = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.endpoint)];
    let files: Vec<_> = files.iter().map(|(name, path)| (*name, path.to_str().unwrap())).collect();
    variables.extend(files);
    let (text, _) = child_process::passed("child_of_the_environment", &variables);
    assert_eq!(collector.spans(), 1, "{text}");
    assert_eq!(text.matches("ignoring TLS files").count(), 1, "{text}");
}

/// All signals, to an endpoint with which something is wrong: the warnings.
fn warnings(builder: Builder, lines: &Path) -> Vec<serde_json::Value> {
    let _ = std::fs::remove_file(lines);
    let builder = builder
        .ignore_env()
        .log_output(|output| output.format(LogFormat::Json).destination(LogDestination::file(lines)))
        .shutdown_timeout(Duration::from_secs(1));
    let (layer, guard) = builder.build_local().unwrap();
    guard.meter("test").u64_counter("counted").build().add(1, &[]);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let _span = tracing::info_span!("work").entered();
        tracing::info!("at work");
    });
    let stats = guard.shutdown().unwrap_err().stats();
    assert_eq!((stats.traces.failed, stats.metrics.failed, stats.logs.failed), (1, 1, 1));
    let text = std::fs::read_to_string(lines).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|line| line["message"] == "telemetry is not being delivered").collect()
}

#[test]
fn each_mistake_with_certificates_is_one_warning_that_names_the_variable() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let asking = || identity(&authority).client_ca_root(Certificate::from_pem(authority.pem()));
    let trusting = || TlsSettings::new().certificate(authority.certificate());
    let (certificate, key) = stranger.sign("client");
    let unknown_client = trusting()
        .client_certificate(stranger.write("client.pem", &certificate))
        .client_key(stranger.write("client.key", &key));
    let expired = {
        let (certificate, key) = authority.sign_with("localhost", |params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 2, 1);
        });
        ServerTlsConfig::new().identity(Identity::from_pem(certificate, key))
    };
    let other_host = {
        let (certificate, key) = authority.sign("collector.example");
        ServerTlsConfig::new().identity(Identity::from_pem(certificate, key))
    };
    // What `openssl req -x509` makes, named as its own authority.
    let self_signed = {
        let (certificate, key) = authority.sign_with("localhost", |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        });
        ServerTlsConfig::new().identity(Identity::from_pem(certificate, key))
    };
    let cases = [
        ("an authority's own", self_signed, trusting(), "CA:FALSE"),
        ("unknown", identity(&authority), TlsSettings::new(), "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        ("expired", expired, trusting(), "not valid now"),
        ("other host", other_host, trusting(), "one of its names in OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("no client certificate", asking(), trusting(), "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
        ("unknown client certificate", asking(), unknown_client, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
    ];
    for (name, server, client, advice) in cases {
        let collector = Collector::start(server);
        for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
            let builder = telemetry_bootstrap::init()
                .endpoint(&collector.endpoint)
                .protocol(protocol)
                .tls(client.clone());
            let warnings = warnings(builder, &authority.directory.path().join("lines"));
            assert_eq!(warnings.len(), 1, "{name}, {protocol:?}: {warnings:#?}");
            let check = warnings[0]["check"].as_str().unwrap();
            assert!(check.contains(advice), "{name}, {protocol:?}: {}", warnings[0]);
            assert!(check.contains("OTEL_EXPORTER_OTLP_"), "{name}, {protocol:?}: {}", warnings[0]);
        }
    }
}

/// A form of 127.0.0.1 that resolvers read and that no certificate can have.
#[test]
fn a_host_that_is_no_name_is_reported_with_the_variable_to_change() {
    let authority = Authority::new();
    let collector = Collector::start(identity(&authority));
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let builder = telemetry_bootstrap::init()
            .endpoint(collector.endpoint.replace("localhost", "0x7f000001"))
            .protocol(protocol)
            .tls(TlsSettings::new().certificate(authority.certificate()));
        let warnings = warnings(builder, &authority.directory.path().join("lines"));
        assert_eq!(warnings.len(), 1, "{protocol:?}: {warnings:#?}");
        let check = warnings[0]["check"].as_str().unwrap();
        assert!(check.contains("one of its names in OTEL_EXPORTER_OTLP_ENDPOINT"), "{}", warnings[0]);
    }
}

/// Telemetry that lives on while the collector and the files change.
struct Living {
    guard: TelemetryGuard,
    subscriber: tracing::Dispatch,
    lines: PathBuf,
}

impl Living {
    fn start(authority: &Authority, endpoint: &str, tls: TlsSettings) -> Self {
        let lines = authority.directory.path().join("lines");
        let (layer, guard) = telemetry_bootstrap::init()
            .ignore_env()
            .endpoint(endpoint)
            .tls(tls)
            .timeout(Duration::from_secs(2))
            .logs(|logs| logs.export(false))
            .metrics(|metrics| metrics.export(false))
            .log_output(|output| output.format(LogFormat::Json).destination(LogDestination::file(&lines)))
            .build_local()
            .unwrap();
        let subscriber = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
        Self { guard, subscriber, lines }
    }

    /// Records a span, and waits until the collector has it.
    fn deliver(&self, to: &Collector) {
        let before = to.spans();
        tracing::dispatcher::with_default(&self.subscriber, || drop(tracing::info_span!("work").entered()));
        let begin = Instant::now();
        while to.spans() == before {
            let flushed = self.guard.force_flush(Duration::from_secs(5));
            assert!(begin.elapsed() < Duration::from_secs(30), "{flushed:?}, {}", self.text());
        }
    }

    fn text(&self) -> String {
        self.guard.force_flush(Duration::from_secs(5)).ok();
        std::fs::read_to_string(&self.lines).unwrap()
    }
}

#[test]
fn replaced_certificates_and_keys_are_used_for_the_next_connection() {
    let (first, second) = (Authority::new(), Authority::new());
    let asking =
        |authority: &Authority| identity(authority).client_ca_root(Certificate::from_pem(authority.pem()));
    let (certificate, key) = first.sign("client");
    let tls = TlsSettings::new()
        .certificate(first.certificate())
        .client_certificate(first.write("client.pem", &certificate))
        .client_key(first.write("client.key", &key));
    let collector = Collector::start(asking(&first));
    let living = Living::start(&first, &collector.endpoint, tls);
    living.deliver(&collector);

    let (certificate, key) = second.sign("client");
    let collector = collector.restart(asking(&second));
    first.write("ca.pem", &second.pem());
    first.write("client.pem", &certificate);
    first.write("client.key", &key);
    living.deliver(&collector);
    assert!(!living.text().contains("cannot be used"), "{}", living.text());
}

#[test]
fn files_that_cannot_be_used_any_more_keep_the_previous_ones_and_are_reported_once() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("client");
    let tls = TlsSettings::new()
        .certificate(authority.certificate())
        .client_certificate(authority.write("client.pem", &certificate))
        .client_key(authority.write("client.key", &key));
    let asking = || identity(&authority).client_ca_root(Certificate::from_pem(authority.pem()));
    let mut collector = Collector::start(asking());
    let living = Living::start(&authority, &collector.endpoint, tls);
    living.deliver(&collector);
    let reports = || living.text().matches("changed certificate files cannot be used").count();

    // A key of another certificate; no certificate at all; no file.
    let (_, other_key) = authority.sign("client");
    authority.write("client.key", &other_key);
    for expected in [1, 1] {
        collector = collector.restart(asking());
        living.deliver(&collector);
        assert_eq!(reports(), expected, "{}", living.text());
    }
    authority.write("client.key", &key);
    authority.write("ca.pem", "nothing");
    for expected in [2, 2] {
        collector = collector.restart(asking());
        living.deliver(&collector);
        assert_eq!(reports(), expected, "{}", living.text());
    }
    std::fs::remove_file(authority.certificate()).unwrap();
    for expected in [3, 3] {
        collector = collector.restart(asking());
        living.deliver(&collector);
        assert_eq!(reports(), expected, "{}", living.text());
    }
    // It is there again, as before.
    authority.write("ca.pem", &authority.pem());
    collector = collector.restart(asking());
    living.deliver(&collector);
    assert_eq!(reports(), 3, "{}", living.text());
}

/// They would be waited for, or fill the memory.
#[cfg(unix)]
#[test]
fn fifos_devices_and_huge_files_in_the_place_of_certificates_are_not_read() {
    let authority = Authority::new();
    let path = authority.certificate();
    let tls = TlsSettings::new().certificate(&path);
    let mut collector = Collector::start(identity(&authority));
    let living = Living::start(&authority, &collector.endpoint, tls);
    living.deliver(&collector);
    let replacements: [(&str, &dyn Fn()); 4] = [
        ("it is a FIFO", &|| {
            assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        }),
        ("not a regular file", &|| std::os::unix::fs::symlink("/dev/zero", &path).unwrap()),
        ("not a regular file", &|| std::os::unix::fs::symlink(authority.directory.path(), &path).unwrap()),
        ("it is larger than", &|| std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap()),
    ];
    for (words, replace) in replacements {
        std::fs::remove_file(&path).unwrap();
        replace();
        collector = collector.restart(identity(&authority));
        living.deliver(&collector);
        let last = living.text().lines().rfind(|line| line.contains("cannot be used")).unwrap().to_owned();
        assert!(last.contains(words), "{words}: {last}");
        // Reported anew for the next one.
        std::fs::remove_file(&path).unwrap();
        authority.write("ca.pem", &authority.pem());
        collector = collector.restart(identity(&authority));
        living.deliver(&collector);
    }
}

/// A proxy that opens a tunnel to `target`, whatever host is wanted, and keeps the first lines of the requests.
fn tunnel(target: u16) -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://user:hunter2@{}", listener.local_addr().unwrap());
    let requests = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&requests);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            kept.lock().unwrap().push(String::from_utf8(head).unwrap());
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", target)).unwrap();
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut client, &mut server);
                let _ = server.shutdown(Shutdown::Write);
            });
        }
    });
    (address, requests)
}

#[test]
fn tls_goes_through_the_tunnel_of_a_proxy_with_the_certificate_of_the_collector() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("collector.invalid");
    let collector = Collector::start(ServerTlsConfig::new().identity(Identity::from_pem(certificate, key)));
    let port = collector.endpoint.rsplit_once(':').unwrap().1.parse().unwrap();
    let (proxy, requests) = tunnel(port);
    let builder = telemetry_bootstrap::init()
        .endpoint("https://collector.invalid:4317")
        .proxy(proxy)
        .tls(TlsSettings::new().certificate(authority.certificate()));
    let (delivery, lines) = export(builder, &authority.directory.path().join("lines"));
    assert_eq!((delivery.traces.delivered, collector.spans()), (3, 3), "{lines}");
    let requests = requests.lock().unwrap();
    let expected = "CONNECT collector.invalid:4317 HTTP/1.1\r\nHost: collector.invalid:4317\r\n\
                    Proxy-Authorization: Basic dXNlcjpodW50ZXIy\r\n\r\n";
    assert_eq!(*requests, [expected]);
    assert!(!lines.contains("hunter2") && !lines.contains("dXNlcjpodW50ZXIy"), "{lines}");
}
