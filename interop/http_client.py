"""A Python client of HTTP requests: http_client.py ADDRESS SCENARIO..., one request for each.

Prints a line for each: {"scenario": "ok", "status": 200, "trace_id": "…"}.
"""

import json
import sys

import requests
from opentelemetry.instrumentation.requests import RequestsInstrumentor

import telemetry

REQUESTS = {
    "ok": ("GET", "/items/7?color=red", None),
    "post": ("POST", "/echo", "four"),
    "head": ("HEAD", "/items/7", None),
    "missing": ("GET", "/nowhere", None),
    "error": ("GET", "/status/500", None),
    "events": ("GET", "/events", None),
    "leave": ("GET", "/endless", None),
}


def send(session, address, scenario):
    method, path, body = REQUESTS[scenario]
    with session.request(method, f"http://{address}{path}", data=body, stream=True) as response:
        for _ in response.iter_content(chunk_size=None):
            if scenario == "leave":
                break
        return response.status_code


def main(address, scenarios):
    tracer, _meter, stop_telemetry = telemetry.start("python-peer")
    RequestsInstrumentor().instrument()
    for scenario in scenarios:
        # A connection of its own, because one that is left open would wait for the rest of a response.
        with tracer.start_as_current_span(scenario) as span, requests.Session() as session:
            trace_id = format(span.get_span_context().trace_id, "032x")
            status = send(session, address, scenario)
        print(json.dumps({"scenario": scenario, "status": status, "trace_id": trace_id}), flush=True)
    stop_telemetry()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
