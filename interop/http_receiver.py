"""An OTLP/HTTP receiver of protobuf that shares no code with the crate. Writes what receiver.py writes.

Takes the arguments and the variable of receiver.py.
"""

import gzip
import http.server
import signal
import ssl
import sys
import threading
from types import SimpleNamespace

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

import receiver

SERVICES = {
    "/v1/traces": (receiver.Traces(), trace_service_pb2.ExportTraceServiceRequest),
    "/v1/logs": (receiver.Logs(), logs_service_pb2.ExportLogsServiceRequest),
    "/v1/metrics": (receiver.Metrics(), metrics_service_pb2.ExportMetricsServiceRequest),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body of a response are two writes.
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["content-encoding"] == "gzip":
            body = gzip.decompress(body)
        service, request = SERVICES[self.path]
        address, port = self.client_address
        peer = SimpleNamespace(peer=lambda: f"{address}:{port}")
        response = service.Export(request.FromString(body), peer).SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(response)))
        self.end_headers()
        self.wfile.write(response)

    def log_message(self, *_):
        """Standard error is for errors."""


def main(port="0", certificate=None, key=None):
    server = http.server.ThreadingHTTPServer((receiver.ADDRESS, int(port)), Handler)
    server.daemon_threads = True
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        # Not in accept(), where a client that does not finish its handshake would hold up the others.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    receiver.write(port=server.server_port)
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
