//! Whether anything is lost at 300 000 spans a second, for two seconds, with the queue as it is by default.
//!
//! ```sh
//! cargo bench --bench throughput
//! ```
//!
//! Not a matter of statistics: one run, and what became of each span. The collector takes requests as fast as it can
//! and keeps nothing, on a thread of its own; everything shares this machine's processors.

#![expect(clippy::print_stdout, reason = "the result is printed")]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_sdk::trace::SdkTracer;
use telemetry_bootstrap::{LogFormat, opentelemetry, opentelemetry_sdk};
use tonic::{Request, Response, Status};

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test` and `cargo bench -- --test` only want to see that it works.
    let is_test =
        std::env::args().any(|argument| argument == "--test") || !std::env::args().any(|a| a == "--bench");
    let (rate, lasting) = if is_test { (10_000, 0.1) } else { (300_000, 2.0) };
    let seen = Arc::<AtomicU64>::default();
    let address = collector(Arc::clone(&seen))?;
    let (_, guard) = telemetry_bootstrap::init()
        .ignore_env()
        .endpoint(format!("http://{address}"))
        .log_output(|output| output.format(LogFormat::Off))
        .build_local::<tracing_subscriber::Registry>()?;
    let tracer = guard.tracer("throughput");
    let begin = Instant::now();
    record(&tracer, rate, lasting);
    let took = begin.elapsed().as_secs_f64();
    let before = guard.stats().traces;
    let ending = Instant::now();
    let delivery = guard.shutdown().unwrap_or_else(|error| error.stats()).traces;
    println!("{} spans in {took:.2} s: {:.0} a second", delivery.accepted, delivery.accepted as f64 / took);
    println!(
        "{} were pending then, and delivered {:.2} s later",
        before.pending,
        ending.elapsed().as_secs_f64()
    );
    println!("{delivery}; {} seen by the collector", seen.load(Ordering::Relaxed));
    if delivery.lost() > 0 {
        return Err("spans were lost".into());
    }
    Ok(())
}

/// A thousandth of a second's spans in each thousandth of a second, as far as the machine keeps up.
fn record(tracer: &SdkTracer, rate: u64, seconds: f64) {
    let begin = Instant::now();
    for tick in 0..(seconds * 1_000.0) as u64 {
        for number in 0..rate / 1_000 {
            let mut span = tracer.start("a span of many");
            span.set_attribute(KeyValue::new("number", number.cast_signed()));
            span.set_attribute(KeyValue::new("path", "/some/path/of/usual/length"));
        }
        let next = Duration::from_millis(tick + 1);
        std::thread::sleep(next.saturating_sub(begin.elapsed()));
    }
}

struct Counting(Arc<AtomicU64>);

#[tonic::async_trait]
impl TraceService for Counting {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = &request.get_ref().resource_spans;
        let scopes = resources.iter().flat_map(|resource| &resource.scope_spans);
        let spans: usize = scopes.map(|scope| scope.spans.len()).sum();
        self.0.fetch_add(spans as u64, Ordering::Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn collector(seen: Arc<AtomicU64>) -> Result<SocketAddr, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
            let service = TraceServiceServer::new(Counting(seen));
            tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        })
    });
    Ok(address)
}
