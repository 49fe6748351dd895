"""The calls of peer/scenarios.rs from Python: peer_client.py ADDRESS SCENARIO...

Prints a line for each: {"scenario": "ok", "code": 0, "messages": 1, "trace_id": "…"}.
"""

import json
import sys

import grpc

import stubs
import telemetry

messages, services = stubs.load(stubs.PEER)
tracer, _meter, stop_telemetry = telemetry.start("python-peer")


def ask(count, end, message="as requested"):
    return messages.Ask(messages=count, end=end, message=message, size=3)


def call(channel, scenario):
    with tracer.start_as_current_span(scenario) as span:
        trace_id = format(span.get_span_context().trace_id, "032x")
        try:
            received, code = make(channel, services.TestStub(channel), scenario), grpc.StatusCode.OK
        except Ended as ended:
            received, code = ended.args
        except grpc.RpcError as error:
            received, code = 0, error.code()
        line = {"scenario": scenario, "code": code.value[0], "messages": received, "trace_id": trace_id}
        print(json.dumps(line), flush=True)


class Ended(Exception):
    """The end of a stream: the number of messages and the code."""


def make(channel, service, scenario):
    if scenario == "unknown-method":
        method = channel.unary_unary("/test.Test/Nothing", messages.Ask.SerializeToString, messages.Answer.FromString)
        method(ask(0, "ok"))
    elif scenario == "too-large":
        service.Unary(ask(0, "ok", "x" * 5_000_000))
    elif scenario == "deadline":
        service.Unary(ask(0, "hang"), timeout=0.15)
    elif scenario == "metadata":
        service.Unary(ask(0, "ok"), metadata=(("k", "1"), ("k", "2"), ("data-bin", b"\x00\xff")))
    elif scenario == "stream":
        return read(service.ServerStream(ask(3, "ok")))
    elif scenario == "stream-error":
        return read(service.ServerStream(ask(3, "14")))
    elif scenario == "cancel":
        stream = service.ServerStream(ask(1, "hang"))
        next(stream)
        # The instrumentation returns a generator, which is closed to cancel the call.
        stream.close()
        raise Ended(1, grpc.StatusCode.CANCELLED)
    elif scenario == "client-stream":
        service.ClientStream(ask(0, "ok") for _ in range(3))
    elif scenario == "bidi":
        return read(service.Bidi(ask(2, "ok") for _ in range(2)))
    else:
        service.Unary(ask(0, scenario))
    return 1


def read(stream, received=0):
    try:
        for _ in stream:
            received += 1
    except grpc.RpcError as error:
        raise Ended(received, error.code()) from error
    return received


def main(address, scenarios):
    with grpc.insecure_channel(address) as channel:
        for scenario in scenarios:
            call(channel, scenario)
    stop_telemetry()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
