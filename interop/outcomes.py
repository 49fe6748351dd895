"""The expected telemetry of each call between the peers, the same for every language of the other side."""

from collections import Counter

import checks

NAMES = ["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"]
NAMES += ["PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"]
NAMES += ["UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"]
SERVER_ERRORS = ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")

# Scenario: method, code, messages that arrive. A number ends the call with this status.
OUTCOMES = {
    "ok": ("Unary", "OK", 1),
    "2": ("Unary", "UNKNOWN", 0),
    "5": ("Unary", "NOT_FOUND", 0),
    "13": ("Unary", "INTERNAL", 0),
    "14": ("Unary", "UNAVAILABLE", 0),
    "deadline": ("Unary", "DEADLINE_EXCEEDED", 0),
    "cancel": ("ServerStream", "CANCELLED", 1),
    "unknown-method": ("Nothing", "UNIMPLEMENTED", 0),
    "metadata": ("Unary", "OK", 1),
    "stream": ("ServerStream", "OK", 3),
    "stream-error": ("ServerStream", "UNAVAILABLE", 3),
    "client-stream": ("ClientStream", "OK", 1),
    "bidi": ("Bidi", "OK", 2),
}


def the_caller_saw(calls, outcomes):
    seen = {call["scenario"]: (NAMES[call["code"]], call["messages"]) for call in calls}
    assert seen == {scenario: (code, messages) for scenario, (_, code, messages) in outcomes.items()}, seen


def our_side(telemetry, calls, outcomes, kind):
    """Checks that we record one span for each call, in the caller's trace, and one measurement."""
    spans = {}
    for call in calls:
        scenario = call["scenario"]
        method, code, _ = outcomes[scenario]
        trace = telemetry.trace(call["trace_id"])
        root = checks.one(trace, name=scenario, parent_span_id="")
        span = checks.one([span for span in trace if span["scope"] == "telemetry-bootstrap"], kind=kind)
        # A caller made the name up: a server keeps it out of the span's.
        unknown = (kind, method) == ("SERVER", "Nothing")
        assert span["name"] == ("grpc" if unknown else f"test.Test/{method}"), span
        assert span["attributes"].get("rpc.method_original") == ("test.Test/Nothing" if unknown else None), span
        parents = [other for other in trace if other["span_id"] == span["parent_span_id"]]
        assert [parent["kind"] for parent in parents] == ["CLIENT" if kind == "SERVER" else "INTERNAL"], (span, trace)
        assert {parents[0]["span_id"], parents[0]["parent_span_id"]} & {root["span_id"]}, (span, trace)
        it_ended(span, code, kind)
        spans[scenario] = span
    ours = [span for span in telemetry.of("traces", "rust-peer") if span["kind"] == kind]
    assert len(ours) == len(calls), ours
    measured(telemetry, outcomes, kind.lower())
    return spans


def it_ended(span, code, kind):
    error = code in SERVER_ERRORS if kind == "SERVER" else code != "OK"
    assert span["attributes"].get("rpc.status_code") == code, span
    assert span["attributes"].get("error.type") == (code if error else None), span
    assert span["status"] == ("ERROR" if error else "UNSET"), span


def measured(telemetry, outcomes, side):
    calls = Counter((method, code) for method, code, _ in outcomes.values())
    for (method, code), count in calls.items():
        # The method is not implemented: a server counts it under _OTHER.
        method = "_OTHER" if (side, method) == ("server", "Nothing") else f"test.Test/{method}"
        attributes = {"rpc.method": method, "rpc.status_code": code}
        value = checks.value(telemetry, "rust-peer", f"rpc.{side}.call.duration", **attributes)
        assert value == count, (attributes, value, count)
    active = checks.last_points(telemetry, "rust-peer", f"rpc.{side}.active_calls")
    assert {point["attributes"]["rpc.method"]: point.get("asInt", "0") for point in active} == {
        point["attributes"]["rpc.method"]: "0" for point in active
    }, active


def their_side(telemetry, calls, ours, service):
    """Checks that the spans of their servers are below ours. Python records no call that does not reach a handler."""
    for call in calls:
        servers = [span for span in telemetry.trace(call["trace_id"]) if span["kind"] == "SERVER"]
        assert len(servers) == 1 or call["scenario"] in ("unknown-method", "too-large"), servers
        for server in servers:
            assert server["resource"]["service.name"] == service, server
            assert server["parent_span_id"] == ours[call["scenario"]]["span_id"], server
