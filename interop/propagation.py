"""Contexts from Python are extracted by our crate and injected back to Python, with every propagator."""

import json
import subprocess

import programs

TRACE = 0x5759E988BD862E3FE1BE46A994272793
SPAN = 0x53995C3F42CD8AD8
CASES = [
    (TRACE, SPAN, True, {}),
    (TRACE, SPAN, False, {}),
    (0xA3CE929D0E0E4736, 0xF067AA0BA902B7, True, {}),
    (1, 1, True, {}),
    (TRACE, SPAN, True, {"user": "100%,;=/\u00e9", "tenant": "acme"}),
]


def propagators_of_python_and_ours_read_each_other():
    from opentelemetry.baggage.propagation import W3CBaggagePropagator
    from opentelemetry.propagators.aws import AwsXRayPropagator
    from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
    from opentelemetry.propagators.composite import CompositePropagator
    from opentelemetry.propagators.jaeger import JaegerPropagator
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    baggage = W3CBaggagePropagator()
    both_ways("b3,baggage", CompositePropagator([B3SingleFormat(), baggage]))
    both_ways("b3multi,baggage", CompositePropagator([B3MultiFormat(), baggage]))
    both_ways("xray,baggage", CompositePropagator([AwsXRayPropagator(), baggage]))
    both_ways("jaeger", JaegerPropagator())
    both_ways("tracecontext,baggage", CompositePropagator([TraceContextTextMapPropagator(), baggage]))


def both_ways(names, python):
    sent = []
    for case in CASES:
        headers = {}
        python.inject(headers, context=context_of(*case))
        # Header names have no case; `HeaderMap` keeps them in lower case.
        sent.append({name.lower(): value for name, value in headers.items()})
    answers = ours(names, sent)
    for (trace_id, span_id, sampled, entries), headers, answer in zip(CASES, sent, answers, strict=True):
        found = (answer["trace_id"], answer["span_id"], answer["sampled"], answer["baggage"])
        expected = (f"{trace_id:032x}", f"{span_id:016x}", sampled, entries)
        assert found == expected, (names, headers, found)
        assert read_by(python, answer["headers"]) == (trace_id, span_id, sampled, entries), (names, answer)


def context_of(trace_id, span_id, sampled, entries):
    from opentelemetry import baggage, trace
    from opentelemetry.context import Context

    span = trace.SpanContext(trace_id, span_id, is_remote=False, trace_flags=trace.TraceFlags(int(sampled)))
    context = trace.set_span_in_context(trace.NonRecordingSpan(span), Context())
    for key, value in entries.items():
        context = baggage.set_baggage(key, value, context)
    return context


def read_by(python, headers):
    from opentelemetry import baggage, trace
    from opentelemetry.context import Context

    # Python's X-Ray propagator looks its header up with capital letters.
    headers = {**headers, **{"X-Amzn-Trace-Id": v for k, v in headers.items() if k == "x-amzn-trace-id"}}
    context = python.extract(headers, context=Context())
    span = trace.get_current_span(context).get_span_context()
    return span.trace_id, span.span_id, span.trace_flags.sampled, dict(baggage.get_all(context))


def ours(names, requests):
    finished = subprocess.run(
        [programs.built("propagation_peer")],
        input="".join(json.dumps(headers) + "\n" for headers in requests),
        env=programs.environment({"OTEL_PROPAGATORS": names}),
        stdout=subprocess.PIPE,
        timeout=programs.LIMIT,
        check=True,
        text=True,
    )
    return [json.loads(line) for line in finished.stdout.splitlines()]
