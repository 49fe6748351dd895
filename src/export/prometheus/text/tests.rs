use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as ProtoValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

use super::super::value::{exponent, powers_of_two};
use super::*;
use crate::export::render::Exponential;
use crate::settings::NameTranslation;

mod properties;

fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let attribute = |(key, value): &(&str, &str)| {
        let value = Some(AnyValue { value: Some(ProtoValue::StringValue((*value).to_owned())) });
        KeyValue { key: (*key).to_owned(), value, ..Default::default() }
    };
    pairs.iter().map(attribute).collect()
}

fn point(value: Number, pairs: &[(&str, &str)]) -> NumberDataPoint {
    NumberDataPoint { attributes: attributes(pairs), value: Some(value), ..Default::default() }
}

fn metric(name: &str, unit: &str, description: &str, data: Data) -> Metric {
    let text = str::to_owned;
    Metric {
        name: text(name),
        unit: text(unit),
        description: text(description),
        data: Some(data),
        ..Default::default()
    }
}

fn counter(points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points: points, aggregation_temporality: 2, is_monotonic: true })
}

fn up_down_counter(points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points: points, aggregation_temporality: 2, is_monotonic: false })
}

fn gauge(points: Vec<NumberDataPoint>) -> Data {
    Data::Gauge(Gauge { data_points: points })
}

fn families(scopes: Vec<(&str, Vec<Metric>)>) -> Families {
    families_with(&PrometheusText::default(), scopes)
}

fn families_with(options: &PrometheusText, scopes: Vec<(&str, Vec<Metric>)>) -> Families {
    Families::new(&request(scopes), options, false)
}

fn request(scopes: Vec<(&str, Vec<Metric>)>) -> Vec<u8> {
    let scope_metrics = scopes.into_iter().map(|(name, metrics)| ScopeMetrics {
        scope: Some(InstrumentationScope {
            name: name.to_owned(),
            version: "1.2".to_owned(),
            attributes: attributes(&[("team", "a"), ("name", "shadowed")]),
            ..Default::default()
        }),
        metrics,
        schema_url: String::new(),
    });
    let resource = Resource { attributes: attributes(&[("service.name", "shop")]), ..Default::default() };
    let resource_metrics = vec![ResourceMetrics {
        resource: Some(resource),
        scope_metrics: scope_metrics.collect(),
        schema_url: String::new(),
    }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

const SCOPE: &str = r#"otel_scope_name="shop",otel_scope_team="a",otel_scope_version="1.2""#;

#[test]
fn counters_and_gauges_in_both_formats() {
    let points = vec![
        point(Number::AsInt(3), &[("http.route", "/a\"b\\c\nd"), ("z", "1")]),
        point(Number::AsDouble(0.5), &[("z", "2")]),
    ];
    let requests = metric("shop.requests", "{request}", "Requests\\,\n\"all\"", counter(points));
    let gauges = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 2.0];
    let gauges = gauges.iter().enumerate();
    let gauges = gauges.map(|(index, value)| point(Number::AsDouble(*value), &[("i", &index.to_string())]));
    let used = metric("memory.used", "By", "", gauge(gauges.collect()));
    let families = families(vec![("shop", vec![requests, used])]);
    assert_eq!(families.conflicts, []);
    let text = format!(
        "# TYPE target_info gauge\n\
         # HELP target_info Target metadata\n\
         target_info{{service_name=\"shop\"}} 1\n\
         # TYPE memory_used_bytes gauge\n\
         memory_used_bytes{{i=\"0\",{SCOPE}}} NaN\n\
         memory_used_bytes{{i=\"1\",{SCOPE}}} +Inf\n\
         memory_used_bytes{{i=\"2\",{SCOPE}}} -Inf\n\
         memory_used_bytes{{i=\"3\",{SCOPE}}} 1e+300\n\
         memory_used_bytes{{i=\"4\",{SCOPE}}} 2\n\
         # TYPE shop_requests_total counter\n\
         # HELP shop_requests_total Requests\\\\,\\n\"all\"\n\
         shop_requests_total{{http_route=\"/a\\\"b\\\\c\\nd\",{SCOPE},z=\"1\"}} 3\n\
         shop_requests_total{{{SCOPE},z=\"2\"}} 0.5\n"
    );
    assert_eq!(families.to_text(Format::Text), text);
    let open = text
        .replace("# TYPE target_info gauge\n# HELP target_info", "# TYPE target info\n# HELP target")
        .replace("bytes gauge\n", "bytes gauge\n# UNIT memory_used_bytes bytes\n")
        .replace("shop_requests_total counter", "shop_requests counter")
        .replace("# HELP shop_requests_total", "# HELP shop_requests")
        .replace("n\"all\"", "n\\\"all\\\"")
        + "# EOF\n";
    assert_eq!(families.to_text(Format::OpenMetrics), open);
}

#[test]
fn buckets_are_cumulative_and_end_at_infinity() {
    let data_points = vec![HistogramDataPoint {
        count: 6,
        sum: Some(12.5),
        explicit_bounds: vec![0.5, 1.0],
        bucket_counts: vec![1, 2, 3],
        attributes: attributes(&[("le", "mine")]),
        ..Default::default()
    }];
    let histogram = Data::Histogram(Histogram { data_points, aggregation_temporality: 2 });
    let families = families(vec![("shop", vec![metric("call.duration", "s", "", histogram)])]);
    let text = families.to_text(Format::Text);
    let labels = format!("exported_le=\"mine\",{SCOPE}");
    let expected = format!(
        "# TYPE call_duration_seconds histogram\n\
         call_duration_seconds_bucket{{{labels},le=\"0.5\"}} 1\n\
         call_duration_seconds_bucket{{{labels},le=\"1\"}} 3\n\
         call_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 6\n\
         call_duration_seconds_sum{{{labels}}} 12.5\n\
         call_duration_seconds_count{{{labels}}} 6\n"
    );
    assert!(text.ends_with(&expected), "{text}");
    assert!(families.to_text(Format::OpenMetrics).contains("le=\"1.0\""));
}

#[test]
fn histogram_with_negative_values_has_no_sum() {
    let point = HistogramDataPoint {
        count: 2,
        sum: Some(1.0),
        min: Some(-1.0),
        explicit_bounds: vec![0.0],
        bucket_counts: vec![1, 1],
        ..Default::default()
    };
    let negative_boundary = HistogramDataPoint { min: None, explicit_bounds: vec![-1.0], ..point.clone() };
    let without_sum = HistogramDataPoint { sum: None, min: None, ..point.clone() };
    for point in [point, negative_boundary, without_sum] {
        let histogram = Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 2 });
        let families = families(vec![("shop", vec![metric("change", "", "", histogram)])]);
        let lines = |format| {
            let text = families.to_text(format);
            let names = text.lines().filter_map(|line| line.strip_prefix("change_")?.split('{').next());
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(lines(Format::Text), ["bucket", "bucket", "count"]);
        // OpenMetrics has both or neither.
        assert_eq!(lines(Format::OpenMetrics), ["bucket", "bucket"]);
    }
}

#[test]
fn only_gauges_are_ratios() {
    let one = || vec![point(Number::AsInt(1), &[])];
    let metrics = vec![
        metric("jobs.active", "1", "", up_down_counter(one())),
        metric("hits", "1", "", gauge(one())),
        metric("jobs", "1", "", counter(one())),
    ];
    let text = families(vec![("shop", metrics)]).to_text(Format::Text);
    let heads: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).skip(1).collect();
    assert_eq!(heads, ["hits_ratio gauge", "jobs_active gauge", "jobs_total counter"]);
}

#[test]
fn ten_thousand_series_are_written_quickly() {
    let series = (0..10_000).map(|n| point(Number::AsInt(n), &[("http.route", &format!("/{n}"))]));
    let metrics = vec![metric("requests", "", "", counter(series.collect()))];
    let begin = std::time::Instant::now();
    let text = families(vec![("shop", metrics)]).to_text(Format::OpenMetrics);
    assert_eq!(text.matches("\nrequests_total{").count(), 10_000);
    assert!(begin.elapsed() < std::time::Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[test]
fn exponential_histograms_have_powers_of_two_as_boundaries() {
    let data_points = vec![ExponentialHistogramDataPoint {
        count: 13,
        sum: Some(40.0),
        scale: 1,
        zero_count: 1,
        // (2^0, 2^0.5], (2^0.5, 2^1], (2^1, 2^1.5], none, (2^2, 2^2.5]
        positive: Some(Buckets { offset: 0, bucket_counts: vec![1, 2, 4, 0, 3] }),
        negative: Some(Buckets { offset: 0, bucket_counts: vec![2] }),
        ..Default::default()
    }];
    let histogram =
        Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality: 2 });
    let text = families(vec![("shop", vec![metric("size", "", "", histogram)])]).to_text(Format::Text);
    let buckets: Vec<_> =
        text.lines().filter_map(|line| Some(line.split_once("le=\"")?.1.replace("\"}", ""))).collect();
    assert_eq!(buckets, ["0 3", "2 6", "4 10", "8 13", "+Inf 13"]);
}

#[test]
fn indices_of_any_scale_find_their_power_of_two() {
    for (index, scale, expected) in [
        (0, 0, 1),
        (-1, 0, 0),
        (-2, 0, -1),
        (0, 1, 1),
        (1, 1, 1),
        (2, 1, 2),
        (-1, 1, 0),
        (-2, 1, 0),
        (-3, 1, -1),
        (0, -1, 2),
        (-1, -1, 0),
        (i64::MAX, 20, 1024),
        (i64::MIN, 20, -1074),
        (5, i32::MIN, 1024),
    ] {
        assert_eq!(exponent(index, scale), expected, "{index} {scale}");
    }
}

#[test]
fn scopes_share_a_family_and_other_types_of_its_name_are_left_out() {
    let one = || vec![point(Number::AsInt(1), &[])];
    let families = families(vec![
        (
            "shop",
            vec![metric("jobs", "", "Jobs", counter(one())), metric("jobs", "", "Again", counter(one()))],
        ),
        ("other", vec![metric("jobs", "", "Others", counter(one()))]),
        ("gauges", vec![metric("jobs.total", "", "", gauge(one())), metric("target", "", "", gauge(one()))]),
    ]);
    let conflict = |scope: &str, metric: &str, name: &str| Conflict {
        scope: scope.to_owned(),
        metric: metric.to_owned(),
        name: name.to_owned(),
    };
    let expected = [
        // The second metric of one scope has the same series, which is not allowed twice.
        conflict("shop", "jobs", "jobs_total"),
        conflict("gauges", "jobs.total", "jobs_total"),
        conflict("gauges", "target", "target"),
    ];
    assert_eq!(families.conflicts, expected);
    let text = families.to_text(Format::Text);
    assert_eq!(text.matches("# TYPE jobs_total counter\n# HELP jobs_total Jobs\n").count(), 1, "{text}");
    assert_eq!(text.matches("\njobs_total{").count(), 2, "{text}");
}

#[test]
fn keys_that_map_to_one_label_have_their_values_joined() {
    let points = vec![point(Number::AsInt(1), &[("b_c", "2"), ("b.c", "1"), ("otel.scope.name", "mine")])];
    let text = families(vec![("shop", vec![metric("g", "", "", gauge(points))])]).to_text(Format::Text);
    assert!(
        text.contains("g{b_c=\"1;2\",exported_otel_scope_name=\"mine\",otel_scope_name=\"shop\""),
        "{text}"
    );
}

#[test]
fn labels_of_the_resource_replace_those_of_the_scope_and_target_info() {
    let options = PrometheusText {
        scope_labels: false,
        target_info: false,
        resource_labels: Some(crate::settings::AttributeSelection::including(["service.*"])),
        names: NameTranslation::default(),
        created_series: false,
    };
    let orders = |pairs| metric("shop.orders", "", "", counter(vec![point(Number::AsInt(1), pairs)]));
    let target = metric("target.info", "", "", gauge(vec![point(Number::AsInt(5), &[])]));
    let first = ("shop", vec![orders(&[("service.name", "own")]), target]);
    let families = families_with(&options, vec![first, ("other", vec![orders(&[("service.name", "own")])])]);
    assert_eq!(
        families.to_text(Format::Text),
        "# TYPE shop_orders_total counter
shop_orders_total{exported_service_name=\"own\",service_name=\"shop\"} 1
# TYPE target_info gauge
target_info{service_name=\"shop\"} 5
"
    );
    // Without labels of the scope both series are one.
    let conflict = Conflict {
        scope: "other".to_owned(),
        metric: "shop.orders".to_owned(),
        name: "shop_orders_total".to_owned(),
    };
    assert_eq!(families.conflicts, [conflict]);
}

#[test]
fn le_is_the_label_of_boundaries_alone() {
    let options = PrometheusText {
        scope_labels: false,
        target_info: false,
        resource_labels: Some(crate::settings::AttributeSelection::including(["le"])),
        ..PrometheusText::default()
    };
    let histogram = HistogramDataPoint {
        attributes: attributes(&[("le", "own")]),
        count: 1,
        sum: Some(2.0),
        ..Default::default()
    };
    let histogram = Data::Histogram(Histogram { data_points: vec![histogram], aggregation_temporality: 2 });
    let metrics = vec![
        metric("wait", "s", "", histogram),
        metric("load", "", "", gauge(vec![point(Number::AsInt(1), &[("le", "own")])])),
    ];
    let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
    let resource = Resource { attributes: attributes(&[("le", "of the resource")]), ..Default::default() };
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..Default::default() }];
    let request = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    let families = Families::new(&request, &options, false);
    assert_eq!(
        families.to_text(Format::Text),
        "# TYPE load gauge
load{exported_le=\"own\",le=\"of the resource\"} 1
# TYPE wait_seconds histogram
wait_seconds_bucket{exported_exported_le=\"own\",exported_le=\"of the resource\",le=\"+Inf\"} 1
wait_seconds_sum{exported_exported_le=\"own\",exported_le=\"of the resource\"} 2
wait_seconds_count{exported_exported_le=\"own\",exported_le=\"of the resource\"} 1
"
    );
}

#[test]
fn names_with_utf8_are_quoted_where_the_scraper_accepts_them() {
    let one = |pairs| vec![point(Number::AsInt(1), pairs)];
    let histogram = HistogramDataPoint { count: 1, sum: Some(2.0), ..Default::default() };
    let histogram = Data::Histogram(Histogram { data_points: vec![histogram], aggregation_temporality: 2 });
    let metrics = || {
        vec![
            metric(
                "disk.io",
                "By",
                "Bytes \"read\"",
                counter(one(&[("disk.name", "a"), ("direction", "in")])),
            ),
            metric("wait.time", "s", "", histogram.clone()),
            metric("plain", "", "", gauge(one(&[]))),
            metric("a\"b\\c", "", "", gauge(one(&[]))),
        ]
    };
    let options = |names| PrometheusText { scope_labels: false, names, ..PrometheusText::default() };
    let text = |names, has_utf8, format| {
        Families::new(&request(vec![("shop", metrics())]), &options(names), has_utf8).to_text(format)
    };
    assert_eq!(
        text(NameTranslation::Utf8WithSuffixes, true, Format::OpenMetrics),
        "# TYPE target info
# HELP target Target metadata
target_info{\"service.name\"=\"shop\"} 1
# TYPE \"a\\\"b\\\\c\" gauge
{\"a\\\"b\\\\c\"} 1
# TYPE \"disk.io_bytes\" counter
# UNIT \"disk.io_bytes\" bytes
# HELP \"disk.io_bytes\" Bytes \\\"read\\\"
{\"disk.io_bytes_total\",direction=\"in\",\"disk.name\"=\"a\"} 1
# TYPE plain gauge
plain 1
# TYPE \"wait.time_seconds\" histogram
# UNIT \"wait.time_seconds\" seconds
{\"wait.time_seconds_bucket\",le=\"+Inf\"} 1
{\"wait.time_seconds_sum\"} 2
{\"wait.time_seconds_count\"} 1
# EOF
"
    );
    assert_eq!(
        text(NameTranslation::Unchanged, true, Format::Text),
        "# TYPE target_info gauge
# HELP target_info Target metadata
target_info{\"service.name\"=\"shop\"} 1
# TYPE \"a\\\"b\\\\c\" gauge
{\"a\\\"b\\\\c\"} 1
# TYPE \"disk.io\" counter
# HELP \"disk.io\" Bytes \"read\"
{\"disk.io\",direction=\"in\",\"disk.name\"=\"a\"} 1
# TYPE plain gauge
plain 1
# TYPE \"wait.time\" histogram
{\"wait.time_bucket\",le=\"+Inf\"} 1
{\"wait.time_sum\"} 2
{\"wait.time_count\"} 1
"
    );
    // Others get names that need no quotes.
    for names in [NameTranslation::Utf8WithSuffixes, NameTranslation::Unchanged] {
        let text = text(names, false, Format::Text);
        assert!(text.lines().all(|line| line.starts_with('#') || !line.starts_with('{')), "{text}");
        assert!(text.contains("target_info{service_name=\"shop\"} 1\n"), "{text}");
        assert!(text.contains("{direction=\"in\",disk_name=\"a\"} 1\n"), "{text}");
        assert!(text.contains("\na_b_c 1\n"), "{text}");
    }
}

#[test]
fn without_suffixes_metrics_keep_their_names() {
    let options = PrometheusText {
        scope_labels: false,
        names: NameTranslation::Underscores,
        ..PrometheusText::default()
    };
    let one = || vec![point(Number::AsInt(1), &[])];
    let metrics = vec![
        metric("disk.io", "By", "", counter(one())),
        metric("disk.io.total", "By", "", gauge(one())),
        metric("hit..ratio", "1", "", gauge(one())),
    ];
    let text = families_with(&options, vec![("shop", metrics)]).to_text(Format::Text);
    let series: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        series,
        ["target_info{service_name=\"shop\"} 1", "disk_io 1", "disk_io_total 1", "hit_ratio 1"]
    );
}

#[test]
fn boundaries_at_the_ends_of_the_range_are_positive_and_finite() {
    let with_one_at = |offset| {
        let mut histogram = Exponential::default();
        histogram.positive.offset = offset;
        histogram.positive.counts = vec![1];
        powers_of_two(&histogram)
    };
    assert_eq!(with_one_at(1023), []);
    assert_eq!(with_one_at(-1075), [(f64::from_bits(1), 1)]);
}

#[test]
fn created_series_are_written_in_open_metrics_on_request() {
    let start = 1_700_000_000_012_345_678;
    let points = vec![
        NumberDataPoint { start_time_unix_nano: start, ..point(Number::AsInt(1), &[("a", "b")]) },
        point(Number::AsInt(1), &[]),
    ];
    let histogram = HistogramDataPoint { start_time_unix_nano: start, sum: Some(0.0), ..Default::default() };
    let histogram = Data::Histogram(Histogram { data_points: vec![histogram], aggregation_temporality: 2 });
    let metrics = vec![
        metric("disk.io", "By", "", counter(points.clone())),
        metric("jobs", "", "", up_down_counter(points.clone())),
        metric("load", "", "", gauge(points)),
        metric("wait", "s", "", histogram),
    ];
    let created = |options: &PrometheusText, format| {
        let text = families_with(options, vec![("shop", metrics.clone())]).to_text(format);
        text.lines().filter(|line| line.contains("_created")).map(str::to_owned).collect::<Vec<_>>()
    };
    let options = PrometheusText { created_series: true, scope_labels: false, ..PrometheusText::default() };
    assert_eq!(
        created(&options, Format::OpenMetrics),
        ["disk_io_bytes_created{a=\"b\"} 1700000000.012", "wait_seconds_created 1700000000.012"]
    );
    assert!(created(&options, Format::Text).is_empty());
    assert!(created(&PrometheusText::default(), Format::OpenMetrics).is_empty());
    // No other metric can have these names.
    let clash = vec![
        metric("jobs", "", "", counter(vec![point(Number::AsInt(1), &[])])),
        metric("jobs.created", "", "", gauge(vec![point(Number::AsInt(1), &[])])),
    ];
    assert_eq!(families_with(&options, vec![("shop", clash)]).conflicts.len(), 1);
}
