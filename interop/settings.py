"""The same environment for Python's SDK and for our crate: what a receiver takes from both is compared.

Each case is an environment and the differences that are meant, with the reason. `{grpc}` and `{http}` are the ports of
the receiver of that run.
"""

import gzip
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterable
from concurrent import futures

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

import programs
from receiver import attributes_of

AT_ONCE = 3
REQUESTS = {
    "traces": (traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse),
    "metrics": (metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse),
    "logs": (logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
}
# Attributes of the SDK itself, or different in each run.
OF_THE_SDK = ("telemetry.", "service.instance.id")


class Receiver:
    """An OTLP receiver for gRPC and HTTP that keeps the content of each request and how it was sent."""

    def __init__(self):
        self.seen = []
        self.lock = threading.Lock()

    def __enter__(self):
        # The span of one run is larger than the 4 MiB that a server takes by default.
        options = [("grpc.max_receive_message_length", -1)]
        self.grpc = grpc.server(futures.ThreadPoolExecutor(max_workers=3), options=options)
        self.grpc.add_generic_rpc_handlers([GrpcHandler(self)])
        ports = {"grpc": self.grpc.add_insecure_port("127.0.0.1:0")}
        self.grpc.start()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http_handler(self))
        ports["http"] = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.ports = ports
        return self

    def __exit__(self, *_):
        self.grpc.stop(0).wait()
        self.http.shutdown()
        self.http.server_close()

    def take(self, signal, how, headers, body):
        request, response = REQUESTS[signal]
        message = request.FromString(body)
        own = {key.lower(): value for key, value in headers if key.lower().startswith("x-")}
        with self.lock:
            self.seen.append((signal, how, own, message))
        return response().SerializeToString()


class GrpcHandler(grpc.GenericRpcHandler):
    def __init__(self, receiver):
        self.receiver = receiver

    def service(self, details):
        # "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        signal = {"trace": "traces", "metrics": "metrics", "logs": "logs"}[details.method.split(".")[3]]

        def export(body, context):
            return self.receiver.take(signal, "grpc", context.invocation_metadata(), body)

        return grpc.unary_unary_rpc_method_handler(export)


def http_handler(receiver):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.body()
            encoding = self.headers.get("content-encoding", "identity")
            if encoding == "gzip":
                body = gzip.decompress(body)
            signal = self.path.rsplit("/", 1)[1]
            if signal not in REQUESTS:  # "/v1/traces/"
                signal = self.path.split("/")[2]
            how = f"{self.headers['content-type']} {encoding} {self.path}"
            answer = receiver.take(signal, how, self.headers.items(), body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def body(self):
            if "content-length" in self.headers:
                return self.rfile.read(int(self.headers["content-length"]))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def log_message(self, *_):
            pass

    return Handler


def run(command, environment):
    with Receiver() as receiver:
        filled = {key: value.format(**receiver.ports) for key, value in environment.items()}
        finished = subprocess.run(
            [str(part) for part in command],
            env=programs.environment(filled),
            capture_output=True,
            text=True,
            timeout=programs.LIMIT * 2,
        )
        if finished.returncode != 0:
            return {"ended with": finished.returncode}, finished.stderr
        summary = summary_of(receiver.seen)
    injected = [line for line in finished.stdout.splitlines() if line.startswith('{"headers"')]
    summary["injected"] = sorted(name.lower() for name in json.loads(injected[0])["headers"]) if injected else None
    return summary, finished.stderr


def summary_of(seen):
    """Returns everything that must be equal, as a flat table."""
    summary = {}
    for signal, how, headers, message in seen:
        summary[f"{signal}.how"] = how
        summary[f"{signal}.headers"] = headers
        word, summarize = PARTS[signal]
        for part in getattr(message, f"resource_{word}"):
            resource = attributes_of(part.resource.attributes)
            summary["resource"] = {key: value for key, value in resource.items() if not key.startswith(OF_THE_SDK)}
            for scope in getattr(part, f"scope_{word}"):
                if scope.scope.name == "settings":
                    summarize(scope, summary)
    return summary


def span_summary(scope, summary):
    for span in scope.spans:
        counted = {
            "attributes": len(span.attributes),
            "events": len(span.events),
            "links": len(span.links),
            "event attributes": max((len(event.attributes) for event in span.events), default=0),
            "link attributes": max((len(link.attributes) for link in span.links), default=0),
            "longest": longest(span.attributes),
            "longest of events": max((longest(event.attributes) for event in span.events), default=0),
        }
        for name, count in counted.items():
            summary[f"span.{name}"] = count


def log_summary(scope, summary):
    for record in scope.log_records:
        summary["record.attributes"] = len(record.attributes)
        summary["record.longest"] = longest(record.attributes)
        summary["record.traced"] = any(record.trace_id)
        summary["record.severity"] = record.severity_number


def metric_summary(scope, summary):
    for metric in scope.metrics:
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        summary[f"metric.{metric.name}.description"] = metric.description
        for point in data.data_points:
            keys = sorted(attribute.key for attribute in point.attributes)
            shape = getattr(point, "explicit_bounds", getattr(point, "scale", None))
            summary[f"metric.{metric.name}.points"] = (keys, list(shape) if isinstance(shape, Iterable) else shape)
        summary[f"metric.{metric.name}"] = (kind, data.aggregation_temporality, metric.unit)


def longest(attributes):
    return max((len(attribute.value.string_value) for attribute in attributes), default=0)


PARTS = {"traces": ("spans", span_summary), "metrics": ("metrics", metric_summary), "logs": ("logs", log_summary)}

GRPC = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:{grpc}",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_SERVICE_NAME": "compared",
}
HTTP = {
    **GRPC,
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:{http}",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
}


def case(base=HTTP, meant=None, **changes):
    """Returns a case. Names in `changes` go without `OTEL_`; None removes a variable. `meant`: differences on purpose."""
    changed = {f"OTEL_{name}": value for name, value in changes.items()}
    environment = {name: value for name, value in {**base, **changed}.items() if value is not None}
    return environment, changed, meant or {}


def each(name, *values):
    return [case(**{name: value}) for value in values]


# The specification: an empty limit is not set, so the default holds. Python then has no limit.
EMPTY_LIMITS = {
    "SPAN_ATTRIBUTE_COUNT_LIMIT": "span.attributes",
    "LOGRECORD_ATTRIBUTE_COUNT_LIMIT": "record.attributes",
    "EVENT_ATTRIBUTE_COUNT_LIMIT": "span.event attributes",
    "LINK_ATTRIBUTE_COUNT_LIMIT": "span.link attributes",
    "SPAN_EVENT_COUNT_LIMIT": "span.events",
    "SPAN_LINK_COUNT_LIMIT": "span.links",
}
LIMITS = [
    *each("ATTRIBUTE_COUNT_LIMIT", "7", "0", " 9 ", "200", ""),
    *[case(**{name: value}) for name in EMPTY_LIMITS for value in ("7", "0", " 9 ", "200")],
    *[case(**{name: ""}, meant={key: 128}) for name, key in EMPTY_LIMITS.items()],
    *each("ATTRIBUTE_VALUE_LENGTH_LIMIT", "7", "0", "", "200"),
    *each("LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7", "0", "", "200"),
    # A limit of spans holds for their events, too, as in Java and Go.
    *[
        case(SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=text, meant={"span.longest of events": limit})
        for text, limit in (("7", 7), ("0", 0), (" 9 ", 9), ("", 200), ("200", 200))
    ],
]
RESOURCES = [
    *each("RESOURCE_ATTRIBUTES", "a=b", "a=b%20c", "a=b,,c=d", " a = b ", "a=b=c", "a=%C3%A9", "a=", "=b", "a=b,a=c", ""),
    case(RESOURCE_ATTRIBUTES="a=b,service.name=other"),
    case(RESOURCE_ATTRIBUTES="a=b,service.name=other", SERVICE_NAME=None),
    # Without a service name both write the name of their program.
    case(
        RESOURCE_ATTRIBUTES="deployment.environment.name=prod,service.version=1.2",
        SERVICE_NAME="",
        meant={
            "resource": {
                "deployment.environment.name": "prod",
                "service.version": "1.2",
                "service.name": "unknown_service:settings_peer",
            }
        },
    ),
    # The specification: if one entry is malformed the whole value is discarded.
    case(RESOURCE_ATTRIBUTES="a=b,c", meant={"resource": {"service.name": "compared"}}),
    case(RESOURCE_ATTRIBUTES="a=%zz", meant={"resource": {"service.name": "compared"}}),
]
SAMPLERS = [
    *each("TRACES_SAMPLER", "always_on", "always_off", "ALWAYS_OFF", "parentbased_always_on", "parentbased_always_off"),
    *each("TRACES_SAMPLER", "nonsense", "", "traceidratio", "parentbased_traceidratio"),
    *[
        case(TRACES_SAMPLER=sampler, TRACES_SAMPLER_ARG=ratio)
        for sampler in ("traceidratio", "parentbased_traceidratio")
        for ratio in ("0", "0.0", "1", "1.0", "2", "-1", "abc", "")
    ],
]
PROPAGATORS = each(
    "PROPAGATORS",
    *["tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray", "none", "tracecontext,baggage,b3multi", ""],
    *["tracecontext,tracecontext", "baggage , b3"],
)
TRANSPORT = [
    *each("EXPORTER_OTLP_COMPRESSION", "gzip", "none"),
    # Python's gRPC exporter does not start with "none", nor with an empty timeout.
    case(GRPC, EXPORTER_OTLP_COMPRESSION="gzip"),
    *[case(**{f"EXPORTER_OTLP_{signal}_COMPRESSION": "gzip"}) for signal in ("TRACES", "METRICS", "LOGS")],
    *[case(base, EXPORTER_OTLP_HEADERS="x-a=1,x-b=2") for base in (HTTP, GRPC)],
    *each("EXPORTER_OTLP_HEADERS", "x-a=b%20c", "X-A=1", " x-a = 1 , x-b = 2 ", "x-a=1,bad", "x-a=1,x-a=2"),
    *each("EXPORTER_OTLP_HEADERS", "x-a=b=c", "x-a=", "x-a=%2Fp%2f", ""),
    case(EXPORTER_OTLP_HEADERS="x-a=1", EXPORTER_OTLP_TRACES_HEADERS="x-t=2"),
    *[case(**{f"EXPORTER_OTLP_{signal}_HEADERS": "x-own=2"}) for signal in ("TRACES", "METRICS", "LOGS")],
    *each("EXPORTER_OTLP_ENDPOINT", *["http://127.0.0.1:{http}" + path for path in ("/", "/base", "/base/")]),
    *each("EXPORTER_OTLP_TRACES_ENDPOINT", *["http://127.0.0.1:{http}" + path for path in ("/own/traces", "/v1/traces/")]),
    case(EXPORTER_OTLP_METRICS_ENDPOINT="http://127.0.0.1:{http}/own/metrics"),
    case(EXPORTER_OTLP_LOGS_ENDPOINT="http://127.0.0.1:{http}/own/logs"),
    *[
        case(**{f"EXPORTER_OTLP_{signal}_PROTOCOL": "grpc", f"EXPORTER_OTLP_{signal}_ENDPOINT": "http://127.0.0.1:{grpc}"})
        for signal in ("TRACES", "METRICS", "LOGS")
    ],
    *[
        case(GRPC, EXPORTER_OTLP_ENDPOINT="127.0.0.1:{grpc}", EXPORTER_OTLP_INSECURE=value)
        for value in ("true", "TRUE")
    ],
    *each("EXPORTER_OTLP_TIMEOUT", "5000", ""),
]
METRICS = [
    *each("EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", "DELTA", "lowmemory", "LowMemory", "cumulative", "", "x"),
    *each(
        "EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        *["explicit_bucket_histogram", "base2_exponential_bucket_histogram", "BASE2_EXPONENTIAL_BUCKET_HISTOGRAM", ""],
    ),
    *each("METRIC_EXPORT_INTERVAL", "1000", ""),
    *each("METRIC_EXPORT_TIMEOUT", "1000", ""),
]
OFF = [
    *[case(**{f"{signal}_EXPORTER": "none"}) for signal in ("TRACES", "METRICS", "LOGS")],
    *each("SDK_DISABLED", "true", "True", "1", "false", ""),
]
QUEUES = [
    case(**{f"{processor}_{name}": value})
    for processor in ("BSP", "BLRP")
    for name in ("SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE")
    for value in ("600", "")
]
CASES = [
    case(HTTP),
    case(GRPC),
    *LIMITS,
    *RESOURCES,
    *SAMPLERS,
    *PROPAGATORS,
    *TRANSPORT,
    *METRICS,
    *OFF,
    *QUEUES,
]


def the_environment_means_the_same_as_in_python():
    ours, python = [programs.built("settings_peer")], [sys.executable, programs.HERE / "settings_peer.py"]
    with futures.ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        runs = [
            (shown, meant, pool.submit(run, ours, environment), pool.submit(run, python, environment))
            for environment, shown, meant in CASES
        ]
        problems = []
        for shown, meant, our, theirs in runs:
            (found, log), (expected, _) = our.result(), theirs.result()
            right = {**expected, **meant}
            different = sorted(key for key in {*found, *right} if found.get(key) != right.get(key))
            for key in different:
                problems.append(f"{shown}: {key} is {found.get(key)}, not {right.get(key)}")
            if different:
                problems.append(log)
    assert not problems, "\n" + "\n".join(problems)
    return f"ok, {len(CASES)} environments"


if __name__ == "__main__":
    print(the_environment_means_the_same_as_in_python())
