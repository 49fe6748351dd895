"""A Python client of MyService: client.py ADDRESS ID..., one call for each id.

Prints a line for each call: {"id": "abc", "code": "OK", "trace_id": "…"}.
"""

import json
import sys

import grpc

import stubs
import telemetry

messages, services = stubs.load()
tracer, _meter, stop_telemetry = telemetry.start("my-python-client")


def call(service, request_id):
    with tracer.start_as_current_span("client-op") as span:
        trace_id = format(span.get_span_context().trace_id, "032x")
        try:
            service.ProcessRequest(messages.MyRequest(id=request_id))
            code = "OK"
        except grpc.RpcError as error:
            code = error.code().name
        print(json.dumps({"id": request_id, "code": code, "trace_id": trace_id}), flush=True)


def main(address, ids):
    with grpc.insecure_channel(address) as channel:
        service = services.MyServiceStub(channel)
        for request_id in ids:
            call(service, request_id)
    stop_telemetry()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
