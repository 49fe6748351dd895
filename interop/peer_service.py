"""The service of peer.proto in Python. Ends on SIGTERM.

The first line on standard output is where it listens: {"port": 40003}.
"""

import json
import signal
import time
from concurrent import futures

import grpc
from opentelemetry import trace

import stubs
import telemetry

messages, services = stubs.load(stubs.PEER)
_tracer, _meter, stop_telemetry = telemetry.start("python-peer")
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Test(services.TestServicer):
    def Unary(self, request, context):
        note_metadata(context)
        return end(request, context)

    def ClientStream(self, requests, context):
        return end(list(requests)[-1], context)

    def ServerStream(self, request, context):
        return answers(request, context)

    def Bidi(self, requests, context):
        return answers(list(requests)[0], context)


def answers(ask, context):
    for _ in range(ask.messages):
        yield messages.Answer(payload=bytes(ask.size))
    if ask.end != "ok":
        yield end(ask, context)


def end(ask, context):
    if ask.end == "panic":
        raise ValueError("as requested")
    while ask.end == "hang":
        if not context.is_active():
            return messages.Answer()
        time.sleep(0.01)
    if ask.end != "ok":
        context.abort(CODES[int(ask.end)], ask.message)
    return messages.Answer(payload=bytes(ask.size))


def note_metadata(context):
    """Sets an attribute of the server's span, so that the receiver shows what arrived."""
    span, metadata = trace.get_current_span(), context.invocation_metadata()
    span.set_attribute("received.k", [value for key, value in metadata if key == "k"])
    span.set_attribute("received.data-bin", [value.hex() for key, value in metadata if key == "data-bin"])
    span.set_attribute("received.empty", [key for key, value in metadata if not value])


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    services.add_TestServicer_to_server(Test(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=1))
    server.start()
    print(json.dumps({"port": port}), flush=True)
    server.wait_for_termination()
    stop_telemetry()


if __name__ == "__main__":
    main()
