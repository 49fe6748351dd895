"""MyService in Python: the same spans, metrics and log texts as the Rust example.

The first line on standard output is where it listens: {"port": 40002}. Ends on SIGTERM.
"""

import json
import logging
import signal
import time
from concurrent import futures

import grpc
from opentelemetry import trace

import stubs
import telemetry

messages, services = stubs.load()
tracer, meter, stop_telemetry = telemetry.start("my-python-service")
logger = logging.getLogger("myservice")

total = meter.create_counter("myservice.requests.total", "{requests}", "Total number of requests processed")
duration = meter.create_histogram("myservice.request.duration", "s", "Request processing duration")
active = meter.create_up_down_counter(
    "myservice.requests.active", "{requests}", "Number of requests currently being processed"
)


class MyService(services.MyServiceServicer):
    def ProcessRequest(self, request, context):
        return process("ProcessRequest", request.id)

    def ProcessRequests(self, request, context):
        for request_id in request.ids:
            yield process("ProcessRequests", request_id)


def process(method, request_id):
    start = time.monotonic()
    active.add(1, {"method": method})
    error = "true"
    try:
        logger.info("Processing request", extra={"request.id": request_id})
        with tracer.start_as_current_span(
            "process-business-logic",
            attributes={"request.id": request_id},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                response = query_database(request_id)
                error = "false"
                logger.info("Request processed successfully", extra={"request.id": request_id})
                return response
            except Exception as failure:
                span.record_exception(failure)
                span.set_status(trace.StatusCode.ERROR, str(failure))
                logger.error("Business logic failed", extra={"request.id": request_id})
                raise
    finally:
        outcome = {"method": method, "error": error}
        total.add(1, outcome)
        duration.record(time.monotonic() - start, outcome)
        active.add(-1, {"method": method})


def query_database(request_id):
    attributes = {"db.system": "postgresql", "db.operation": "SELECT"}
    with tracer.start_as_current_span("database-query", attributes=attributes):
        logger.info("Executing database query")
        time.sleep(0.01)
    if request_id.startswith(("unknown", "broken")):
        raise ValueError(f"no result for {request_id}")
    return messages.MyResponse(result="success")


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    services.add_MyServiceServicer_to_server(MyService(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=1))
    server.start()
    logger.info("Starting gRPC server")
    print(json.dumps({"port": port}), flush=True)
    server.wait_for_termination()
    stop_telemetry()


if __name__ == "__main__":
    main()
