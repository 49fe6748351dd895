use serde_json::{Value, json};

use super::*;

fn to_json(signal: Signal, protobuf: &[u8]) -> Value {
    serde_json::from_slice(&request(signal, protobuf)).unwrap()
}

/// Reads JSON and writes it again.
fn round_trip(signal: Signal, json: &Value) -> Value {
    to_json(signal, &request_to_protobuf(signal, json.to_string().as_bytes()).unwrap())
}

fn attributes(values: Value) -> Value {
    json!({"resourceSpans": [{"resource": {"attributes": values}}]})
}

#[test]
fn ids_are_hexadecimal_and_long_integers_text() {
    let span = json!({
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "parentSpanId": "",
        "name": "a \"b\"\n\\\u{1f600}\u{1}", "kind": 2, "flags": 257,
        "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "18446744073709551615",
        "droppedEventsCount": 3, "status": {"message": "no", "code": 2},
        "events": [{"timeUnixNano": "1", "name": "e"}],
    });
    let request = json!({"resourceSpans": [{"scopeSpans": [{"scope": {"name": "s"}, "spans": [span]}]}]});
    assert_eq!(round_trip(Signal::Traces, &request), request);
}

#[test]
fn every_kind_of_value_survives() {
    let values = json!([
        {"key": "text", "value": {"stringValue": ""}},
        {"key": "bool", "value": {"boolValue": false}},
        {"key": "int", "value": {"intValue": "-9223372036854775808"}},
        {"key": "double", "value": {"doubleValue": 0.1}},
        {"key": "nan", "value": {"doubleValue": "NaN"}},
        {"key": "up", "value": {"doubleValue": "Infinity"}},
        {"key": "down", "value": {"doubleValue": "-Infinity"}},
        {"key": "bytes", "value": {"bytesValue": "AQL/"}},
        {"key": "array", "value": {"arrayValue": {"values": [{"intValue": "1"}, {}]}}},
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": true}}]}}},
        {"key": "absent", "value": {}},
    ]);
    assert_eq!(round_trip(Signal::Traces, &attributes(values.clone())), attributes(values));
}

#[test]
fn points_of_every_kind_survive() {
    let exponential = json!({
        "count": "3", "sum": 1.5, "scale": -2, "zeroCount": "1", "zeroThreshold": 0.5,
        "positive": {"offset": -7, "bucketCounts": ["1", "300"]}, "min": -1.0, "max": "Infinity",
    });
    let histogram = json!({
        "attributes": [], "count": "2", "sum": 3.0, "bucketCounts": ["1", "18446744073709551615"],
        "explicitBounds": [0.5, 1e300], "exemplars": [{"timeUnixNano": "1", "asInt": "-1"}],
    });
    let mut histogram_without_empty = histogram.clone();
    histogram_without_empty.as_object_mut().unwrap().remove("attributes");
    let request = |histogram| {
        json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
            {"name": "g", "unit": "s", "gauge": {"dataPoints": [{"asDouble": "NaN"}]}},
            {"name": "s", "sum": {"dataPoints": [{"asInt": "-5"}], "aggregationTemporality": 2, "isMonotonic": true}},
            {"name": "h", "histogram": {"dataPoints": [histogram], "aggregationTemporality": 1}},
            {"name": "e", "exponentialHistogram": {"dataPoints": [exponential]}},
        ]}]}]})
    };
    assert_eq!(round_trip(Signal::Metrics, &request(histogram)), request(histogram_without_empty));
}

#[test]
fn numbers_as_text_are_read_and_unknown_fields_skipped() {
    let lenient = json!({"resourceLogs": [{"unknown": [{"a": [1, "]", null, true]}], "scopeLogs": [{"logRecords": [
        {"timeUnixNano": 7, "severityNumber": 9, "body": null, "traceId": "5B8EFFF798038103D269B633813FC60C"},
    ]}]}]});
    let strict = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"timeUnixNano": "7", "severityNumber": 9, "traceId": "5b8efff798038103d269b633813fc60c"},
    ]}]}]});
    assert_eq!(round_trip(Signal::Logs, &lenient), strict);
}

#[test]
fn invalid_json_is_refused_without_a_panic() {
    let deep = "{\"a\":".repeat(100_000);
    for text in
        ["", "{", "[]", "{}x", "{\"resourceSpans\":[", "{\"resourceSpans\":7}", "{\"a\":\"\\ud8\"}", &deep]
    {
        assert_eq!(request_to_protobuf(Signal::Traces, text.as_bytes()), None, "{text:.20}");
    }
    let span =
        |field: &str| format!("{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{{field}}}]}}]}}]}}");
    for field in ["\"name\":\"\\u0041\"", "\"droppedLinksCount\":4294967295"] {
        request_to_protobuf(Signal::Traces, span(field).as_bytes()).unwrap();
    }
    for field in [
        "\"traceId\":\"0\"",
        "\"name\":\"\\u+041\"",
        "\"name\":\"\\u 041\"",
        "\"droppedLinksCount\":4294967296",
        "\"droppedLinksCount\":-1",
        "\"droppedLinksCount\":1.5",
        "\"droppedLinksCount\":1e99",
    ] {
        assert_eq!(request_to_protobuf(Signal::Traces, span(field).as_bytes()), None, "{field}");
    }
    assert_eq!(request_to_protobuf(Signal::Traces, "{}\u{feff}".as_bytes()), None);
}

#[test]
fn invalid_protobuf_still_becomes_valid_json() {
    for bytes in [&[0xff; 40][..], &[10, 200, 1], &[10, 5, 10, 3, 10, 1, 0xff], &[]] {
        serde_json::from_slice::<Value>(&request(Signal::Traces, bytes)).unwrap();
    }
}
