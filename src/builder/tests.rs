use std::sync::{Arc, Mutex};

use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceId, Tracer, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{Instrument, PeriodicReader, SdkMeterProvider, Stream, Temporality};
use opentelemetry_sdk::propagation::BaggagePropagator;
use opentelemetry_sdk::trace::{IdGenerator, Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};

use super::*;
use crate::lines::writer::LogDestination;
use crate::settings::{DestinationSettings, SamplerSetting};

type Names = Arc<Mutex<Vec<&'static str>>>;

/// Records its name whenever it is called.
#[derive(Clone, Debug)]
struct Witness(&'static str, Names);

impl SpanProcessor for Witness {
    fn on_start(&self, _: &mut Span, _: &Context) {
        self.1.lock().unwrap().push(self.0);
    }

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl LogProcessor for Witness {
    fn emit(&self, _: &mut SdkLogRecord, _: &opentelemetry::InstrumentationScope) {
        self.1.lock().unwrap().push(self.0);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
}

/// Views are only called if there is a reader.
struct NoExporter;

impl PushMetricExporter for NoExporter {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

#[derive(Debug)]
struct Ones;

impl IdGenerator for Ones {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(1)
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(1)
    }
}

#[test]
fn span_processors_and_ids_reach_the_provider_in_the_order_of_the_calls() {
    let names = Names::default();
    let witness = |name| Witness(name, names.clone());
    let builder = init()
        .traces(|traces| traces.span_processor(witness("first")).id_generator(Ones))
        .traces(|traces| traces.span_processor(witness("second")).max_events(3));
    let (config, parts) = builder.into_parts();
    let provider = parts.tracer_provider.apply(SdkTracerProvider::builder()).build();
    let span = provider.tracer("test").start("span");
    assert_eq!(opentelemetry::trace::Span::span_context(&span).trace_id(), TraceId::from(1));
    assert_eq!(*names.lock().unwrap(), ["first", "second"]);
    assert_eq!(settings::resolve(&config, &Env::none()).0.traces.limits.events, 3);
}

#[test]
fn log_processors_reach_the_provider() {
    use opentelemetry::logs::{Logger, LoggerProvider};

    let names = Names::default();
    let builder = init().logs(|logs| logs.log_processor(Witness("log", names.clone())));
    let parts = builder.into_parts().1;
    assert!(!parts.log_processors.is_empty());
    let provider = parts.log_processors.apply(SdkLoggerProvider::builder()).build();
    let logger = provider.logger("test");
    logger.emit(logger.create_log_record());
    assert_eq!(*names.lock().unwrap(), ["log"]);
}

#[test]
fn readers_and_views_reach_the_provider() {
    use opentelemetry::metrics::MeterProvider;

    let seen = Arc::new(Mutex::new(Vec::new()));
    let names = seen.clone();
    let view = move |instrument: &Instrument| -> Option<Stream> {
        names.lock().unwrap().push(instrument.name().to_owned());
        None
    };
    let reader = PeriodicReader::builder(NoExporter).build();
    let parts = init().metrics(|metrics| metrics.view(view).reader(reader)).into_parts().1;
    let builder = parts.meter_provider.apply(SdkMeterProvider::builder());
    let provider = parts.views.into_iter().fold(builder, |builder, view| builder.with_view(view)).build();
    provider.meter("test").u64_counter("calls").build();
    assert_eq!(*seen.lock().unwrap(), ["calls"]);
}

#[test]
fn sampler_and_propagators_reach_the_settings() {
    let (config, parts) = init().into_parts();
    let settings = settings::resolve(&config, &Env::none()).0;
    assert_ne!(settings.traces.sampler, SamplerSetting::Custom);
    assert!(parts.sampler.is_none() && parts.propagators.is_empty());
    let builder = init()
        .traces(|traces| traces.sampler(Sampler::AlwaysOff))
        .propagator(BaggagePropagator::new())
        .propagator(BaggagePropagator::new());
    let (config, parts) = builder.into_parts();
    let settings = settings::resolve(&config, &Env::none()).0;
    assert_eq!(settings.traces.sampler, SamplerSetting::Custom);
    assert!(settings.uses_custom_propagators);
    assert!(parts.sampler.is_some());
    assert_eq!(parts.propagators.len(), 2);
}

#[test]
fn layers_and_the_log_output_are_kept() {
    let parts = init()
        .layer(tracing_subscriber::fmt::layer())
        .log_output(|output| output.destination(LogDestination::Stdout))
        .into_parts()
        .1;
    assert_eq!(parts.layers.len(), 1);
    assert!(matches!(parts.log_destination, Some(LogDestination::Stdout)));
}

#[test]
fn a_builder_can_be_sent_to_another_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<Builder>();
    assert_send::<Additions>();
}

#[test]
fn debug_shows_settings_but_no_secret() {
    let builder = init()
        .service_name("greeter")
        .header("authorization", "S3CRET")
        .endpoint("http://user:S3CRET@collector:4317")
        .metrics(|metrics| metrics.header("x-key", "S3CRET"));
    let shown = format!("{builder:?}");
    for said in ["greeter", "authorization", "http://[redacted]@collector:4317", "x-key"] {
        assert!(shown.contains(said), "{said} in {shown}");
    }
    assert!(!shown.contains("S3CRET"), "{shown}");
}

#[test]
fn a_later_call_of_a_setter_replaces_an_earlier_one() {
    let builder = init().endpoint("http://a:1").endpoint("http://b:1").log_filter("a").log_filter("b");
    let config = builder.into_parts().0;
    let resolved = settings::resolve(&config, &Env::none()).0;
    assert_eq!(resolved.traces.destinations[0].name(), "http://b:1");
    assert_eq!(resolved.lines.filter.text, "b");
}

#[test]
fn header_can_be_called_repeatedly() {
    let builder = init().endpoint("http://a:1").header("a", "1").header("b", "2");
    let resolved = settings::resolve(&builder.into_parts().0, &Env::none()).0;
    let DestinationSettings::Otlp(export) = &resolved.traces.destinations[0] else { panic!() };
    let names: Vec<_> = export.headers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b"]);
}
