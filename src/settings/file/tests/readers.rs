//! Several readers of metrics.

use super::*;

#[test]
fn each_periodic_reader_is_a_destination() {
    let readers = |second: &str| {
        format!(
            "meter_provider: {{readers: [
                {{periodic: {{interval: 1000, exporter: {{otlp_http: {{temporality_preference: delta}}}}}}}},
                {{periodic: {second}}}]}}"
        )
    };
    let settings = settings(&readers("{interval: 1000, timeout: 7, exporter: {otlp_grpc: }}"));
    let metrics = &settings.metrics;
    let [DestinationSettings::Otlp(first), DestinationSettings::Otlp(second)] = &metrics.destinations[..]
    else {
        panic!("{metrics:?}")
    };
    assert_eq!((metrics.interval, metrics.temporality), (Duration::from_secs(1), Temporality::Delta));
    assert_eq!((first.temporality, second.temporality), (None, Some(Temporality::Cumulative)));
    assert_eq!((first.timeout, second.timeout), (Duration::from_secs(10), Duration::from_millis(7)));
    for (second, expected) in [
        ("{exporter: {console: }}", "share `interval`"),
        (
            "{interval: 1000, exporter: {otlp_http: {default_histogram_aggregation: base2_exponential_bucket_histogram}}}",
            "share `interval`",
        ),
        ("{interval: 1000, exporter: {otlp_file/development: }}", "has the temporality of the first reader"),
    ] {
        let found = mistakes(&readers(second));
        let place = "meter_provider.readers[1].periodic: not supported: ";
        assert!(found.len() == 1 && found[0].contains(place) && found[0].contains(expected), "{found:?}");
    }
}
