"""Each outcome of a call, between our peer and those in Python and Go, and grpcurl."""

import contextlib
import functools
import json
import pathlib
import shutil
import subprocess
import tempfile

from grpc_tools import protoc

import checks
import outcomes
import programs
import stubs
from outcomes import OUTCOMES

GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4"


def python_calls_us_with_every_outcome():
    expected = OUTCOMES | {"panic": ("Unary", "INTERNAL", 0), "too-large": ("Unary", "OUT_OF_RANGE", 0)}
    spans = they_call_us(functools.partial(programs.python, "peer_client.py"), expected)
    # The instrumentation there sends only the last of two values with one key.
    received_metadata(spans, ["2"])


def we_call_python_with_every_outcome():
    expected = OUTCOMES | {"panic": ("Unary", "UNKNOWN", 0), "too-large": ("Unary", "RESOURCE_EXHAUSTED", 0)}
    we_call_them(functools.partial(programs.python, "peer_service.py"), expected, "python-peer")


def go_calls_us_with_every_outcome():
    with go_peer() as peer:
        if not peer:
            return "SKIPPED: no Go here, or its modules cannot be had"
        spans = they_call_us(peer, OUTCOMES | {"too-large": ("Unary", "OUT_OF_RANGE", 0)}, "call")
    received_metadata(spans, ["1", "2"])


def we_call_go_with_every_outcome():
    with go_peer() as peer:
        if not peer:
            return "SKIPPED: no Go here, or its modules cannot be had"
        we_call_them(peer, OUTCOMES | {"too-large": ("Unary", "RESOURCE_EXHAUSTED", 0)}, "go-peer", "serve")


def we_call_a_closed_port():
    expected = {"ok": ("Unary", "UNAVAILABLE", 0), "stream": ("ServerStream", "UNAVAILABLE", 0)}
    with receiving() as (receiver, otlp):
        calls = our_calls(programs.free_port(), expected, otlp)
    outcomes.the_caller_saw(calls, expected)
    outcomes.our_side(received(receiver), calls, expected, "CLIENT")


def grpcurl_lists_our_services_and_calls_one():
    path = grpcurl()
    if path is None:
        return "SKIPPED: no grpcurl here, and it cannot be installed"
    with receiving() as (receiver, otlp):
        with programs.our_peer("serve", otlp=otlp) as server:
            address = f"127.0.0.1:{server.port()}"

            def run(*arguments):
                return subprocess.run([path, "-plaintext", *arguments], capture_output=True, text=True, check=False)

            listed = run(address, "list")
            assert "test.Test" in listed.stdout.split(), listed
            done = run("-d", '{"messages": 3, "end": "ok", "size": 3}', address, "test.Test/ServerStream")
            assert done.returncode == 0 and done.stdout.count("payload") == 3, done
            failed = run("-d", '{"end": "5", "message": "not here"}', address, "test.Test/Unary")
            assert "NotFound" in failed.stderr and "not here" in failed.stderr, failed
            late = run("-max-time", "0.3", "-d", '{"end": "hang"}', address, "test.Test/Unary")
            # As above: its own deadline, or the answer of the server at the same moment.
            assert "DeadlineExceeded" in late.stderr or "Canceled" in late.stderr, late
            server.terminate()
    telemetry = received(receiver)
    spans = telemetry.of("traces", "rust-peer")
    for name, code in (("ServerStream", "OK"), ("Unary", "NOT_FOUND"), ("Unary", "DEADLINE_EXCEEDED")):
        of_name = [span for span in spans if span["name"] == f"test.Test/{name}"]
        span = next(span for span in of_name if span["attributes"]["rpc.status_code"] == code)
        outcomes.it_ended(span, code, "SERVER")
    reflected = [span for span in spans if span["name"] == "grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]
    assert len(reflected) == 4, spans
    assert len(spans) == 3 + 4, spans
    points = checks.last_points(telemetry, "rust-peer", "rpc.server.call.duration")
    assert sum(int(point["count"]) for point in points) == len(spans), points


def they_call_us(client, expected, *arguments):
    with receiving() as (receiver, otlp):
        with programs.our_peer("serve", otlp=otlp) as server:
            with client(*arguments, f"127.0.0.1:{server.port()}", *expected, otlp=otlp) as caller:
                caller.finish()
                calls = caller.json("stdout")
            server.terminate()
    # The stream of a handler that panicked is reset with CANCEL. At a deadline both sides act: the caller gives up, and
    # tonic answers CANCELLED; which of the two it sees is a race, and what we record is not.
    late = next((call["code"] for call in calls if call["scenario"] == "deadline"), None)
    timed_out = {"deadline": ("Unary", "CANCELLED", 0)} if late == outcomes.NAMES.index("CANCELLED") else {}
    panicked = {scenario: ("Unary", "CANCELLED", 0) for scenario in expected if scenario == "panic"}
    outcomes.the_caller_saw(calls, expected | panicked | timed_out)
    return outcomes.our_side(received(receiver), calls, expected, "SERVER")


def received_metadata(spans, values):
    attributes = spans["metadata"]["attributes"]
    assert attributes["rpc.request.header.k"] == values, attributes
    assert [value.rstrip("=") for value in attributes["rpc.request.header.data-bin"]] == ["AP8"], attributes


def we_call_them(server, expected, name, *arguments):
    with receiving() as (receiver, otlp):
        with server(*arguments, otlp=otlp) as serving:
            calls = our_calls(serving.port(), expected, otlp)
            serving.terminate()
    telemetry = received(receiver)
    # tonic calls its own timeout CANCELLED, unless the server's answer comes first; the span has the true code.
    seen = [call for call in calls if call["scenario"] != "deadline"]
    outcomes.the_caller_saw(seen, {scenario: expected[scenario] for scenario in expected if scenario != "deadline"})
    ours = outcomes.our_side(telemetry, calls, expected, "CLIENT")
    for span in ours.values():
        assert span["attributes"]["server.address"] == "127.0.0.1" and span["attributes"]["server.port"], span
    outcomes.their_side(telemetry, calls, ours, name)
    trace = next(call["trace_id"] for call in calls if call["scenario"] == "metadata")
    noted = checks.one(telemetry.trace(trace), kind="SERVER")["attributes"]
    assert noted["received.k"] == ["1", "2"] and noted["received.data-bin"] == ["00ff"], noted
    assert noted["received.empty"] == [], noted


def our_calls(port, expected, otlp):
    with programs.our_peer("call", f"127.0.0.1:{port}", *expected, otlp=otlp) as client:
        client.finish()
        return client.json("stdout")


@contextlib.contextmanager
def receiving():
    with programs.python("receiver.py") as receiver:
        yield receiver, f"http://127.0.0.1:{receiver.port()}"
        receiver.terminate()


def received(receiver):
    return checks.Telemetry(receiver.json("stdout"))


@contextlib.contextmanager
def go_peer():
    """Builds and starts the peer in Go; yields nothing if Go is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        built, descriptors = pathlib.Path(folder) / "peer", pathlib.Path(folder) / "peer.bin"
        arguments = ["protoc", f"-I{stubs.HERE}", f"--descriptor_set_out={descriptors}", "peer.proto"]
        assert protoc.main(arguments) == 0
        done = shutil.which("go") and _go("build", "-o", built, ".", cwd=stubs.HERE / "go")
        yield functools.partial(programs.Program, built, descriptors) if done else None


def grpcurl():
    if found := shutil.which("grpcurl"):
        return found
    if not shutil.which("go") or not _go("install", GRPCURL):
        return None
    place = json.loads(subprocess.check_output(["go", "env", "-json", "GOBIN", "GOPATH"]))
    path = pathlib.Path(place["GOBIN"] or pathlib.Path(place["GOPATH"]) / "bin") / "grpcurl"
    return path if path.exists() else None


def _go(*arguments, cwd=None):
    done = subprocess.run(["go", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr)
    return done.returncode == 0


TESTS = [
    python_calls_us_with_every_outcome,
    we_call_python_with_every_outcome,
    go_calls_us_with_every_outcome,
    we_call_go_with_every_outcome,
    we_call_a_closed_port,
    grpcurl_lists_our_services_and_calls_one,
]
