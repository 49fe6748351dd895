"""An HTTP service in Python, over the standard library's server, until SIGTERM. Prints {"port": …}."""

import json
import signal
import socketserver
import threading
import time
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

import telemetry


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def app(environment, start_response):
    status, kind, pieces = answer(environment)
    start_response(status, [("Content-Type", kind)])
    return pieces


def answer(environment):
    path = environment["PATH_INFO"]
    if path.startswith("/items/"):
        return "200 OK", "text/plain", [path.removeprefix("/items/").encode()]
    if path == "/echo":
        return "200 OK", "text/plain", [environment["wsgi.input"].read(int(environment["CONTENT_LENGTH"]))]
    if path == "/status/500":
        return "500 Internal Server Error", "text/plain", [b""]
    if path in ("/events", "/endless"):
        return "200 OK", "text/event-stream", ticks(3 if path == "/events" else None)
    return "404 Not Found", "text/plain", [b""]


def ticks(number):
    while number != 0:
        yield b"data: 0\n\n"
        number = number and number - 1
        time.sleep(0.05)


def main():
    _tracer, _meter, stop_telemetry = telemetry.start("python-peer")
    server = make_server("127.0.0.1", 0, OpenTelemetryMiddleware(app), server_class=Server, handler_class=Handler)
    # From another thread, because the server's own is the one that the signal interrupts.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()
    stop_telemetry()


if __name__ == "__main__":
    main()
