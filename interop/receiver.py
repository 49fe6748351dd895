"""An OTLP/gRPC receiver that shares no code with the crate.

Writes one JSON object for each span, log record and metric that it takes to standard output, with the resource and
the scope it came with, and the connection as `peer`. The first line is where it listens: {"port": 40001}. Arguments: the
port, and a certificate and its key for TLS. RECEIVER_ADDRESS is the address to listen on, 127.0.0.1 if it is not set.
"""

import json
import os
import pathlib
import signal
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

ADDRESS = os.environ.get("RECEIVER_ADDRESS", "127.0.0.1")
_output = threading.Lock()


def write(**item):
    with _output:
        print(json.dumps(item), flush=True)


def value_of(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(value) for value in any_value.array_value.values]
    if kind == "kvlist_value":
        return attributes_of(any_value.kvlist_value.values)
    if kind == "bytes_value":
        return any_value.bytes_value.hex()
    return getattr(any_value, kind) if kind else None


def attributes_of(pairs):
    keys = [pair.key for pair in pairs]
    if len(keys) != len(set(keys)):
        write(signal="error", message=f"duplicate attribute keys: {keys}")
    return {pair.key: value_of(pair.value) for pair in pairs}


def origin(of_resource, of_scope):
    return {
        "resource": attributes_of(of_resource.resource.attributes),
        "scope": of_scope.scope.name,
        "scope_version": of_scope.scope.version,
    }


class Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        for of_resource in request.resource_spans:
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    write(signal="traces", peer=context.peer(), **origin(of_resource, of_scope), **self.item(span))
        return trace_service_pb2.ExportTraceServiceResponse()

    @staticmethod
    def item(span):
        return {
            "name": span.name,
            "kind": span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            "trace_id": span.trace_id.hex(),
            "span_id": span.span_id.hex(),
            "parent_span_id": span.parent_span_id.hex(),
            "start": span.start_time_unix_nano,
            "end": span.end_time_unix_nano,
            "status": span.status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
            "description": span.status.message,
            "attributes": attributes_of(span.attributes),
            "events": [{"name": e.name, "attributes": attributes_of(e.attributes)} for e in span.events],
        }


class Logs(logs_service_pb2_grpc.LogsServiceServicer):
    def Export(self, request, context):
        for of_resource in request.resource_logs:
            for of_scope in of_resource.scope_logs:
                for record in of_scope.log_records:
                    write(signal="logs", peer=context.peer(), **origin(of_resource, of_scope), **self.item(record))
        return logs_service_pb2.ExportLogsServiceResponse()

    @staticmethod
    def item(record):
        return {
            "body": value_of(record.body),
            "severity": record.severity_text,
            "severity_number": record.severity_number,
            "flags": record.flags,
            "time": record.time_unix_nano,
            "event_name": record.event_name,
            "trace_id": record.trace_id.hex(),
            "span_id": record.span_id.hex(),
            "attributes": attributes_of(record.attributes),
        }


class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def Export(self, request, context):
        for of_resource in request.resource_metrics:
            for of_scope in of_resource.scope_metrics:
                for metric in of_scope.metrics:
                    write(signal="metrics", peer=context.peer(), **origin(of_resource, of_scope), **self.item(metric))
        return metrics_service_pb2.ExportMetricsServiceResponse()

    @staticmethod
    def item(metric):
        kind = metric.WhichOneof("data")
        points = getattr(metric, kind).data_points
        return {
            "name": metric.name,
            "unit": metric.unit,
            "description": metric.description,
            "kind": kind,
            "monotonic": kind == "sum" and metric.sum.is_monotonic,
            "points": [
                {**MessageToDict(point), "attributes": attributes_of(point.attributes)} for point in points
            ],
        }


def main(port="0", certificate=None, key=None):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), server)
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
    address = f"{ADDRESS}:{port}"
    if certificate:
        pair = (pathlib.Path(key).read_bytes(), pathlib.Path(certificate).read_bytes())
        port = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    else:
        port = server.add_insecure_port(address)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=1))
    server.start()
    write(port=port)
    server.wait_for_termination()
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
