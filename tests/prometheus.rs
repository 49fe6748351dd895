//! The exporter that Prometheus scrapes, through the public interface.

#![expect(clippy::unwrap_used, reason = "test code")]

mod child_process;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::channel;
use std::time::Duration;

use telemetry_bootstrap::opentelemetry::KeyValue;
use telemetry_bootstrap::opentelemetry_sdk::metrics::Temporality;
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::tracing_subscriber::Registry;
use telemetry_bootstrap::{Builder, LogFormat, PrometheusExporter, TelemetryGuard};
use tower::ServiceExt as _;

use child_process::passed;

fn local(change: impl FnOnce(Builder) -> Builder) -> TelemetryGuard {
    let builder = telemetry_bootstrap::init().service_name("shop").ignore_env();
    let builder = change(builder).log_output(|output| output.format(LogFormat::Off));
    builder.build_local::<Registry>().unwrap().1
}

fn scraped(telemetry: &TelemetryGuard) -> String {
    get(telemetry.prometheus().unwrap().address().unwrap())
}

fn get(address: SocketAddr) -> String {
    get_with(address, "*/*")
}

fn get_with(address: SocketAddr, accept: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_scrape_has_values_since_the_start_while_deltas_are_exported() {
    let collector = Collector::start().unwrap();
    let telemetry = local(|builder| {
        builder.endpoint(collector.endpoint()).metrics(|metrics| {
            metrics.temporality(Temporality::Delta).prometheus(PrometheusExporter::new().port(0))
        })
    });
    let meter = telemetry.meter("shop");
    let orders = meter.u64_counter("shop.orders").build();
    let _observed =
        meter.u64_observable_counter("shop.visits").with_callback(|visits| visits.observe(7, &[])).build();
    for round in 1..=3 {
        orders.add(2, &[KeyValue::new("kind", "book")]);
        telemetry.force_flush(Duration::from_secs(10)).unwrap();
        let text = scraped(&telemetry);
        assert!(text.contains("target_info{") && text.contains("service_name=\"shop\""), "{text}");
        let line = format!("shop_orders_total{{kind=\"book\",otel_scope_name=\"shop\"}} {}\n", 2 * round);
        assert!(text.contains(&line), "{text}");
        assert!(text.contains("shop_visits_total{otel_scope_name=\"shop\"} 7\n"), "{text}");
    }
    telemetry.shutdown().unwrap();
    // Deltas add up to what was recorded.
    assert_eq!(collector.received().value("shop.orders", &[]), Some(6.0));
    assert_eq!(collector.received().value("shop.visits", &[]), Some(7.0));
}

#[tokio::test]
async fn the_handler_can_be_mounted_in_a_server_of_the_program() {
    let telemetry = local(|builder| {
        builder.metrics(|metrics| metrics.prometheus(PrometheusExporter::new().without_server()))
    });
    telemetry.meter("shop").f64_gauge("shop.load").build().record(0.5, &[]);
    let prometheus = telemetry.prometheus().unwrap();
    assert_eq!(prometheus.address(), None);
    let router: axum::Router = axum::Router::new().route_service("/internal/metrics", prometheus.clone());
    let request = http::Request::get("/internal/metrics").header("accept", "application/openmetrics-text");
    let response = router.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(
        text.contains("shop_load{otel_scope_name=\"shop\"} 0.5\n") && text.ends_with("# EOF\n"),
        "{text}"
    );

    let _ = telemetry.shutdown_async().await;
    let response = prometheus.respond(&http::HeaderMap::new()).await;
    assert_eq!(response.status(), 503);
}

#[test]
fn hanging_callback_loses_only_its_own_metric() {
    let telemetry =
        local(|builder| builder.metrics(|metrics| metrics.prometheus(PrometheusExporter::new().port(0))));
    let meter = telemetry.meter("shop");
    let (release, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let _hangs = meter
        .u64_observable_gauge("shop.hangs")
        .with_callback(move |_| {
            let _ = wait.lock().unwrap().recv();
        })
        .build();
    let _works =
        meter.u64_observable_gauge("shop.works").with_callback(|works| works.observe(1, &[])).build();
    let text = scraped(&telemetry);
    assert!(text.contains("shop_works{") && !text.contains("shop_hangs"), "{text}");
    drop(release);
}

#[cfg(feature = "config-file")]
#[test]
fn a_configuration_file_starts_the_server_and_shapes_its_text() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.yaml");
    let text = "file_format: '1.1'
resource: {attributes: [{name: service.name, value: shop}, {name: region, value: north}]}
meter_provider:
  readers:
    - pull:
        exporter:
          prometheus/development:
            host: 127.0.0.1
            port: 0
            scope_info_enabled: false
            target_info_enabled/development: false
            resource_constant_labels: {included: [region]}
            translation_strategy: underscore_escaping_without_suffixes/development
";
    std::fs::write(&path, text).unwrap();
    let builder = telemetry_bootstrap::init().config_file(&path);
    // The file replaces it.
    let builder = builder.metrics(|metrics| metrics.prometheus(PrometheusExporter::new().without_server()));
    let builder = builder.log_output(|output| output.format(LogFormat::Off));
    let telemetry = builder.build_local::<Registry>().unwrap().1;
    telemetry.meter("shop").u64_counter("shop.sent").with_unit("By").build().add(3, &[]);
    let answer = scraped(&telemetry);
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(body, "# TYPE shop_sent counter\nshop_sent{region=\"north\"} 3\n");
}

#[cfg(feature = "config-file")]
#[test]
fn a_configuration_file_keeps_utf8_in_names_for_scrapers_that_accept_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("otel.yaml");
    let text = "file_format: '1.1'
meter_provider:
  readers:
    - pull:
        exporter:
          prometheus/development:
            host: localhost
            port: 0
            scope_info_enabled: false
            target_info_enabled/development: false
            translation_strategy: no_utf8_escaping_with_suffixes/development
";
    std::fs::write(&path, text).unwrap();
    let builder = telemetry_bootstrap::init().config_file(&path);
    let builder = builder.log_output(|output| output.format(LogFormat::Off));
    let telemetry = builder.build_local::<Registry>().unwrap().1;
    let sent = telemetry.meter("shop").u64_counter("shop.sent").with_unit("By").build();
    sent.add(3, &[KeyValue::new("store.id", 7)]);
    let address = telemetry.prometheus().unwrap().address().unwrap();
    // As Prometheus 3 sends it.
    let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, content_type, series) in [
        (
            prometheus,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            "{\"shop.sent_bytes_total\",\"store.id\"=\"7\"} 3\n",
        ),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", "shop_sent_bytes_total{store_id=\"7\"} 3\n"),
    ] {
        let answer = get_with(address, accept);
        assert!(answer.contains(&format!("content-type: {content_type}\r\n")), "{answer}");
        assert!(answer.contains(series), "{answer}");
    }
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    println!();
    let telemetry = telemetry_bootstrap::init().service_name("shop").build().unwrap();
    let prometheus = telemetry.prometheus().unwrap();
    match prometheus.address() {
        Some(address) => println!("{}", get(address)),
        None => println!("no server"),
    }
    assert!(telemetry.stats().destinations.is_empty());
}

/// Runs `child` with this exporter and these variables. Returns what it wrote to standard output and to standard error.
fn run(variables: &[(&str, &str)]) -> (String, String) {
    passed("child", &[variables, &[("OTEL_METRICS_EXPORTER", "prometheus")]].concat())
}

#[test]
fn the_environment_turns_it_on() {
    let (stdout, stderr) = run(&[
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ("OTEL_RUST_BUILT_IN_METRICS", "process"),
    ]);
    assert!(stdout.contains("\ntarget_info{"), "{stdout}");
    assert!(stdout.contains("\nprocess_cpu_time_seconds_total{"), "{stdout}");
    let (_, port) = stderr.split_once("\"metrics\":\"prometheus at 127.0.0.1:").unwrap();
    let port: u16 = port.split_once('"').unwrap().0.parse().unwrap();
    assert!(port != 0, "the one that the system chose: {stderr}");
}

#[test]
fn a_port_in_use_is_a_warning_that_names_the_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (stdout, stderr) =
        run(&[("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"), ("OTEL_EXPORTER_PROMETHEUS_PORT", &port)]);
    assert!(stdout.contains("no server"), "{stdout}");
    assert!(stderr.contains("\"metrics\":\"prometheus\""), "{stderr}");
    let warning = stderr.lines().find(|line| line.contains("its address cannot be bound")).unwrap();
    assert!(warning.contains(&format!("\"address\":\"127.0.0.1:{port}\"")), "{warning}");
    assert!(warning.contains("OTEL_EXPORTER_PROMETHEUS_PORT"), "{warning}");
}

#[test]
fn two_programs_do_not_share_the_addresses_of_a_name() {
    let first = local(|builder| {
        builder.metrics(|metrics| metrics.prometheus(PrometheusExporter::new().host("localhost").port(0)))
    });
    let address = first.prometheus().unwrap().address().unwrap();
    for other in ("localhost", address.port()).to_socket_addrs().unwrap() {
        // Without IPv6, only the other one is there.
        if TcpListener::bind((other.ip(), 0)).is_ok() {
            assert!(get(other).starts_with("HTTP/1.1 200 "), "{other}");
        }
    }
    let port = address.port().to_string();
    let (stdout, stderr) =
        run(&[("OTEL_EXPORTER_PROMETHEUS_HOST", "localhost"), ("OTEL_EXPORTER_PROMETHEUS_PORT", &port)]);
    assert!(stdout.contains("no server"), "{stdout}");
    assert!(stderr.contains(&format!("\"address\":\"localhost:{port}\"")), "{stderr}");
}
