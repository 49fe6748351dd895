//! Environment over code over default.

use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::trace::Sampler;

use super::*;

const MS_250: Duration = Duration::from_millis(250);

#[test]
fn defaults_apply_where_nothing_is_configured() {
    let settings = from_env([]);
    assert!(!settings.disabled);
    assert!(attribute(&settings, "service.name").unwrap().starts_with("unknown_service:telemetry_bootstrap"));
    assert_eq!(settings.propagators, [Propagator::TraceContext, Propagator::Baggage]);
    assert_eq!(settings.traces.destinations, []);
    assert_eq!(settings.metrics.destinations, []);
    assert_eq!(settings.logs.destinations, []);
    assert_eq!(settings.traces.sampler, SamplerSetting::ParentBasedAlwaysOn);
    let attributes = AttributeLimits { count: 128, value_length: None };
    assert_eq!(
        settings.traces.limits,
        SpanLimitSettings {
            attributes,
            events: 128,
            links: 128,
            attributes_per_event: 128,
            attributes_per_link: 128
        }
    );
    assert_eq!(settings.logs.limits, attributes);
    let queue = QueueSettings {
        max_items: 262_144,
        max_bytes: 32 << 20,
        max_export_batch_size: 512,
        max_batch_bytes: 2 << 20,
        delay: Duration::from_secs(5),
    };
    assert_eq!(settings.traces.queue, queue);
    assert_eq!(settings.logs.queue, QueueSettings { delay: Duration::from_secs(1), ..queue });
    assert_eq!(settings.metrics.interval, Duration::from_secs(10));
    assert_eq!(settings.metrics.temporality, Temporality::Cumulative);
    assert_eq!(settings.metrics.histograms, HistogramAggregation::ExplicitBuckets);
    assert_eq!(settings.lines.format, LogFormat::Auto);
    let spans = "info,otel::tracing=trace";
    for (filter, text) in
        [(&settings.lines.filter, "info"), (&settings.logs.filter, "info"), (&settings.span_filter, spans)]
    {
        assert_eq!(*filter, Directives { text: text.into(), origin: "default".into() });
    }
    assert_eq!(settings.shutdown_timeout, Duration::from_secs(5));
    assert_eq!(settings.exception_signal, ExceptionSignal::SpanEvent);
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn the_environment_of_the_process_is_read_unless_it_is_ignored() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "settings::tests::precedence::child_prints_the_service_name",
            "--ignored",
            "--nocapture",
        ])
        .env("OTEL_SERVICE_NAME", "of-the-process")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains("running 1 test\n"), "{said}");
    assert!(said.contains("<of-the-process, in-code>"), "{said}");
}

#[test]
#[ignore = "run by the test above, in a process with a variable"]
fn child_prints_the_service_name() {
    let name = |builder: Builder| {
        let settings = builder.service_name("in-code").resolve().unwrap().0;
        attribute(&settings, "service.name").unwrap()
    };
    println!("<{}, {}>", name(init()), name(init().ignore_env()));
}

#[test]
fn service_name_follows_the_precedence() {
    let name = |builder: Builder, env| attribute(&resolved(builder, &env), "service.name").unwrap();
    let code = || init().service_name("code");
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=attributes");
    assert_eq!(name(code(), Env::none()), "code");
    assert_eq!(name(code().resource_attribute("service.name", "other"), Env::none()), "code");
    assert_eq!(name(init().resource_attribute("service.name", "attribute"), Env::none()), "attribute");
    assert_eq!(name(code(), Env::from_pairs([attributes])), "attributes");
    assert_eq!(name(code(), Env::from_pairs([attributes, ("OTEL_SERVICE_NAME", "variable")])), "variable");
    assert_eq!(name(code(), Env::from_pairs([("OTEL_SERVICE_NAME", "")])), "code");
}

#[test]
fn resource_attributes_are_merged_by_key() {
    let builder = init()
        .service_version("1.0")
        .service_namespace("shop")
        .environment("test")
        .resource_attribute("team", "a")
        .resource_attribute("team", "b")
        .resource_attribute("shard", 7);
    let env = Env::from_pairs([(
        "OTEL_RESOURCE_ATTRIBUTES",
        " deployment.environment.name = production ,k%3D1=a%2Cb%3Dc%20d,e=",
    )]);
    let settings = resolved(builder, &env);
    let expected = [
        ("service.version", Some("1.0")),
        ("service.namespace", Some("shop")),
        ("deployment.environment.name", Some("production")),
        ("team", Some("b")),
        ("shard", Some("7")),
        ("k=1", Some("a,b=c d")),
        ("e", Some("")),
    ];
    for (key, value) in expected {
        assert_eq!(attribute(&settings, key).as_deref(), value, "{key}");
    }
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn a_wrong_sampler_of_the_environment_leaves_the_one_given_in_code() {
    let builder = init().traces(|traces| traces.sampler(Sampler::AlwaysOff));
    let settings = resolved(builder, &Env::from_pairs([("OTEL_TRACES_SAMPLER", "jaeger")]));
    assert_eq!(settings.traces.sampler, SamplerSetting::Custom);
    let [warning] = &settings.warnings[..] else { panic!("{:?}", settings.warnings) };
    assert!(warning.ends_with("; using the sampler of .traces(|t| t.sampler())"), "{warning}");
}

#[test]
fn sampler_of_the_environment_wins() {
    let sampler = |builder, env| resolved(builder, &env).traces.sampler;
    let custom = || init().traces(|traces| traces.sampler(Sampler::AlwaysOff));
    assert_eq!(sampler(custom(), Env::none()), SamplerSetting::Custom);
    assert_eq!(
        sampler(custom(), Env::from_pairs([("OTEL_TRACES_SAMPLER", "Always_On")])),
        SamplerSetting::AlwaysOn
    );
    let with_argument = |name, argument| {
        sampler(
            init(),
            Env::from_pairs([("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", argument)]),
        )
    };
    assert_eq!(with_argument("traceidratio", "0.25"), SamplerSetting::TraceIdRatio(0.25));
    assert_eq!(with_argument("traceidratio", ""), SamplerSetting::TraceIdRatio(1.0));
    assert_eq!(with_argument("parentbased_traceidratio", "0"), SamplerSetting::ParentBasedTraceIdRatio(0.0));
    assert_eq!(with_argument("parentbased_always_off", ""), SamplerSetting::ParentBasedAlwaysOff);
    assert_eq!(with_argument("always_off", ""), SamplerSetting::AlwaysOff);
}

#[test]
fn queues_of_spans_and_records_are_configured_separately() {
    let builder = || {
        init()
            .traces(|traces| {
                traces.max_queue_size(10).max_queue_bytes(11).max_export_batch_size(9).scheduled_delay(MS_250)
            })
            .logs(|logs| logs.max_queue_size(20).max_export_batch_size(20))
    };
    let code = resolved(builder(), &Env::none());
    let spans = QueueSettings {
        max_items: 10,
        max_bytes: 11,
        max_export_batch_size: 9,
        max_batch_bytes: 2 << 20,
        delay: MS_250,
    };
    assert_eq!(code.traces.queue, spans);
    assert_eq!((code.logs.queue.max_items, code.logs.queue.max_export_batch_size), (20, 20));
    let env = Env::from_pairs([
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "3"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2"),
        ("OTEL_RUST_BSP_MAX_QUEUE_BYTES", "4"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "5"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "7"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "6"),
        ("OTEL_RUST_BLRP_MAX_QUEUE_BYTES", "8"),
    ]);
    let settings = resolved(builder(), &env);
    let queue = |max_items, max_bytes, max_export_batch_size, delay| QueueSettings {
        max_items,
        max_bytes,
        max_export_batch_size,
        max_batch_bytes: 2 << 20,
        delay: Duration::from_millis(delay),
    };
    assert_eq!(settings.traces.queue, queue(3, 4, 2, 1));
    assert_eq!(settings.logs.queue, queue(7, 8, 6, 5));
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn a_small_queue_makes_small_batches() {
    let settings = from_env([("OTEL_BSP_MAX_QUEUE_SIZE", "100")]);
    assert_eq!(settings.traces.queue.max_export_batch_size, 100);
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn specific_limits_override_general_ones() {
    let settings = from_env([
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "3"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "4"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "5"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "6"),
        ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7"),
    ]);
    assert_eq!(
        settings.traces.limits,
        SpanLimitSettings {
            attributes: AttributeLimits { count: 2, value_length: Some(6) },
            events: 3,
            links: 4,
            attributes_per_event: 1,
            attributes_per_link: 5,
        }
    );
    assert_eq!(settings.logs.limits, AttributeLimits { count: 1, value_length: Some(7) });
}

#[test]
fn limits_in_code_are_overridden_one_by_one() {
    let builder = init()
        .traces(|traces| {
            let traces = traces.max_attributes(1).max_value_length(2).max_events(3).max_links(0);
            traces.max_attributes_per_event(5).max_attributes_per_link(6)
        })
        .logs(|logs| logs.max_attributes(7).max_value_length(8));
    let env = Env::from_pairs([
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "30"),
        ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "70"),
    ]);
    let settings = resolved(builder, &env);
    assert_eq!(
        settings.traces.limits,
        SpanLimitSettings {
            attributes: AttributeLimits { count: 1, value_length: Some(2) },
            events: 30,
            links: 0,
            attributes_per_event: 5,
            attributes_per_link: 6,
        }
    );
    assert_eq!(settings.logs.limits, AttributeLimits { count: 70, value_length: Some(8) });
}

#[test]
fn metrics_are_configured_by_code_and_environment() {
    let builder = || {
        // The limit of a request is longer than that of a collection.
        init().endpoint("http://c:1").timeout(Duration::from_secs(100)).metrics(|metrics| {
            metrics
                .interval(MS_250)
                .export_timeout(MS_250)
                .temporality(Temporality::Delta)
                .histogram_aggregation(HistogramAggregation::Base2Exponential)
        })
    };
    let code = resolved(builder(), &Env::none()).metrics;
    let timeout = |metrics: &MetricSettings| otlp(&metrics.destinations).unwrap().timeout;
    assert_eq!((code.interval, timeout(&code)), (MS_250, MS_250));
    assert_eq!(code.temporality, Temporality::Delta);
    assert_eq!(code.histograms, HistogramAggregation::Base2Exponential);
    let env = Env::from_pairs([
        ("OTEL_METRIC_EXPORT_INTERVAL", "60000"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "20000"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "LowMemory"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram"),
    ]);
    let metrics = resolved(builder(), &env).metrics;
    assert_eq!((metrics.interval, timeout(&metrics)), (Duration::from_secs(60), Duration::from_secs(20)));
    assert_eq!(metrics.temporality, Temporality::LowMemory);
    assert_eq!(metrics.histograms, HistogramAggregation::ExplicitBuckets);
}

#[test]
fn lines_records_and_spans_have_separate_filters() {
    let texts = |builder, env| {
        let settings = resolved(builder, &env);
        [settings.lines.filter, settings.logs.filter, settings.span_filter]
            .map(|filter| format!("{} by {}", filter.text, filter.origin))
    };
    let code = || init().log_filter("a").span_filter("b");
    assert_eq!(
        texts(code(), Env::none()),
        ["a by .log_filter()", "a by .log_filter()", "b by .span_filter()"]
    );
    assert_eq!(
        texts(code().logs(|logs| logs.filter("c")), Env::none()),
        ["a by .log_filter()", "c by .logs(|l| l.filter())", "b by .span_filter()"]
    );
    assert_eq!(
        texts(code().logs(|logs| logs.filter("c")), Env::from_pairs([("RUST_LOG", "warn")])),
        ["warn by RUST_LOG", "warn by RUST_LOG", "b by .span_filter()"]
    );
    let env = Env::from_pairs([
        ("RUST_LOG", "warn"),
        ("OTEL_RUST_OTLP_LOG_FILTER", "error"),
        ("OTEL_RUST_SPAN_FILTER", "debug"),
    ]);
    assert_eq!(
        texts(code(), env),
        ["warn by RUST_LOG", "error by OTEL_RUST_OTLP_LOG_FILTER", "debug by OTEL_RUST_SPAN_FILTER"]
    );
}

#[test]
fn remaining_variables_are_read() {
    let builder = init().log_output(|output| output.format(LogFormat::Json)).shutdown_timeout(MS_250);
    let code = resolved(builder, &Env::none());
    assert_eq!((code.lines.format, code.shutdown_timeout), (LogFormat::Json, MS_250));
    let settings = from_env([
        ("OTEL_SDK_DISABLED", "TRUE"),
        ("OTEL_RUST_LOG_FORMAT", "PRETTY"),
        ("OTEL_RUST_SHUTDOWN_TIMEOUT", "100"),
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "rpc/old"),
        ("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "logs/dup"),
    ]);
    assert!(settings.disabled);
    assert_eq!(settings.lines.format, LogFormat::Pretty);
    assert_eq!(settings.shutdown_timeout, Duration::from_millis(100));
    assert_eq!(settings.exception_signal, ExceptionSignal::Both);
    let logs = from_env([("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "Logs")]);
    assert_eq!(logs.exception_signal, ExceptionSignal::Logs);
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn propagators_of_the_environment_replace_all() {
    use Propagator::{B3, B3Multi, Baggage, Jaeger, TraceContext, XRay};

    let custom = || init().propagator(opentelemetry_sdk::propagation::BaggagePropagator::new());
    let of = |builder, value| {
        let settings = resolved(builder, &Env::from_pairs([("OTEL_PROPAGATORS", value)]));
        assert_eq!(settings.warnings, [""; 0]);
        (settings.propagators, settings.uses_custom_propagators)
    };
    assert_eq!(of(custom(), ""), (vec![TraceContext, Baggage], true));
    assert_eq!(of(custom(), "baggage,TraceContext,baggage"), (vec![Baggage, TraceContext], false));
    assert_eq!(of(custom(), "none"), (vec![], false));
    let code = || custom().propagators([B3, Baggage, B3]);
    assert_eq!(of(code(), ""), (vec![B3, Baggage], true));
    assert_eq!(of(code(), "xray,b3multi,B3,jaeger,none"), (vec![XRay, B3Multi, B3, Jaeger], false));
    assert_eq!(of(init().propagators([]), ""), (vec![], true));
}

#[test]
fn no_color_variable_turns_colours_off() {
    let no_color = |env| resolve(&BuilderConfig::default(), &env).unwrap().lines.no_color;
    assert!(no_color(Env::from_pairs([("NO_COLOR", "1")])));
    assert!(!no_color(Env::from_pairs([("NO_COLOR", "")])) && !no_color(Env::none()));
}

#[test]
fn the_level_of_own_lines_is_read_with_the_names_of_other_languages() {
    for (text, level) in [
        ("error", LevelFilter::ERROR),
        ("WARN", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("none", LevelFilter::OFF),
        ("all", LevelFilter::TRACE),
        ("Warning", LevelFilter::WARN),
        ("notice", LevelFilter::WARN),
        ("fatal", LevelFilter::OFF),
        ("CRITICAL", LevelFilter::OFF),
        ("off", LevelFilter::OFF),
    ] {
        assert_eq!(from_env([("OTEL_LOG_LEVEL", text)]).diagnostic_level, level, "{text}");
    }
    let wrong = from_env([("OTEL_LOG_LEVEL", "loud")]);
    assert_eq!(wrong.diagnostic_level, LevelFilter::INFO);
    assert_eq!(
        wrong.warnings,
        [
            "invalid OTEL_LOG_LEVEL=\"loud\": not one of error, warn, info, debug, trace, off, nor a name that other \
          languages have for one of them; using the default, info"
        ]
    );
}
