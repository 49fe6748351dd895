"""Assertions about the telemetry that a receiver has stored."""

from collections import Counter

RPC = "myservice.MyService/ProcessRequest"
RUST = "my-rust-service"


class Telemetry:
    """Everything a receiver has written, with queries."""

    def __init__(self, items):
        errors = [item for item in items if item.get("signal") == "error"]
        assert not errors, errors
        self.items = items

    def of(self, signal, service=None):
        return [
            item
            for item in self.items
            if item.get("signal") == signal and service in (None, item["resource"].get("service.name"))
        ]

    def trace(self, trace_id):
        return [span for span in self.of("traces") if span["trace_id"] == trace_id]


def one(items, **wanted):
    found = [item for item in items if all(item.get(key) == value for key, value in wanted.items())]
    assert len(found) == 1, f"{len(found)} instead of one with {wanted} among\n{items}"
    return found[0]


def path(spans, *steps):
    """Returns the spans with these names and kinds, each the parent of the next, from the root of the trace."""
    parent, found = "", []
    for name, kind in steps:
        span = one(spans, name=name, kind=kind, parent_span_id=parent)
        found.append(span)
        parent = span["span_id"]
    return found


def resource_is_equal_on_all_signals(telemetry, service):
    resources = {signal: telemetry.of(signal, service)[0]["resource"] for signal in ("traces", "logs", "metrics")}
    for signal in resources:
        for item in telemetry.of(signal, service):
            assert item["resource"] == resources["traces"], (signal, item["resource"], resources["traces"])
    for key in ("service.name", "service.version", "service.instance.id", "telemetry.sdk.name"):
        assert resources["traces"].get(key), (key, resources["traces"])


def every_record_belongs_to_its_span(telemetry, service):
    spans = {span["span_id"]: span for span in telemetry.of("traces")}
    for record in telemetry.of("logs", service):
        if record["span_id"]:
            span = spans.get(record["span_id"])
            assert span and span["trace_id"] == record["trace_id"], record
            assert span["start"] <= record["time"] <= span["end"], (record, span)


def lines_and_records_are_the_same(telemetry, service, lines):
    """Checks that each event is in each output once, with equal ids, and that lines about telemetry are not exported."""
    exported = [line for line in lines if not line["target"].startswith(("opentelemetry", "telemetry_bootstrap"))]
    of_line = [(line["message"], line.get("trace_id", ""), line.get("span_id", "")) for line in exported]
    records = telemetry.of("logs", service)
    of_record = [(record["body"], record["trace_id"], record["span_id"]) for record in records]
    assert of_line, "no lines"
    missing, surplus = Counter(of_line) - Counter(of_record), Counter(of_record) - Counter(of_line)
    assert not missing and not surplus, f"not exported: {missing}; exported without a line: {surplus}"


def value(telemetry, service, metric, **attributes):
    """Returns the last value of a series: of a sum its value, of a histogram its count."""
    points = []
    for item in telemetry.of("metrics", service):
        if item["name"] == metric:
            points += [point for point in item["points"] if attributes.items() <= point["attributes"].items()]
    assert points, f"no {metric} with {attributes}"
    last = max(points, key=lambda point: int(point["timeUnixNano"]))
    return float(next(last[key] for key in ("asInt", "asDouble", "count") if key in last))


def last_points(telemetry, service, metric):
    """Returns the points of the last export of a metric."""
    exports = [item["points"] for item in telemetry.of("metrics", service) if item["name"] == metric]
    assert exports, f"no {metric}"
    return max(exports, key=lambda points: int(points[0]["timeUnixNano"]))
