"""Python's half of settings.py: the same items as peer/settings.rs, by the SDK's own reading of the environment."""

import json

from opentelemetry import baggage, metrics, propagate, trace
from opentelemetry._logs import LogRecord, SeverityNumber, get_logger_provider
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk._configuration import _OTelSDKConfigurator

MANY = 140


def attributes():
    return {f"key.{number}": "0123456789" * 20 for number in range(MANY)}


def link(number):
    context = trace.SpanContext(number, number, is_remote=True, trace_flags=trace.TraceFlags.get_default() | 1)
    return trace.Link(context, attributes())


def main():
    _OTelSDKConfigurator().configure()
    meter = metrics.get_meter("settings")
    meter.create_counter("requests", unit="{request}").add(3, {"kind": "read"})
    meter.create_histogram("size", unit="By").record(7.0)
    meter.create_up_down_counter("open").add(2)

    links = [link(number) for number in range(1, MANY + 1)]
    span = trace.get_tracer("settings").start_span("operation", attributes=attributes(), links=links)
    context = trace.set_span_in_context(span, baggage.set_baggage("tenant", "acme", Context()))
    for _ in range(MANY):
        span.add_event("step", attributes())
    headers = {}
    propagate.inject(headers, context=context)
    print(json.dumps({"headers": list(headers)}), flush=True)

    token = attach(context)
    logger = get_logger_provider().get_logger("settings")
    logger.emit(LogRecord(severity_number=SeverityNumber.WARN, body="low on disk", attributes=attributes()))
    detach(token)
    span.end()
    for provider in (trace.get_tracer_provider(), get_logger_provider(), metrics.get_meter_provider()):
        getattr(provider, "shutdown", lambda: None)()


if __name__ == "__main__":
    main()
