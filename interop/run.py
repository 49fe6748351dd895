"""Runs the example together with programs that are not ours, and checks the telemetry of both.

Needs the packages of requirements.txt. Says SKIPPED where a tool is missing.
"""

import importlib.util
import pathlib
import sys

import checks
import files
import http_edges
import http_peers
import peers
import programs
import propagation
import proxies
import scrapes
import settings
from checks import RPC, RUST, Telemetry

PYTHON_RPC = f"/{RPC}"


def python_client_calls_our_server():
    with programs.python("receiver.py") as receiver:
        otlp = f"http://127.0.0.1:{receiver.port()}"
        with programs.example("serve", "127.0.0.1:0", otlp=otlp) as server:
            address = server_address(server)
            with programs.python("client.py", address, "abc123", "unknown-1", "broken-1", otlp=otlp) as client:
                client.finish()
                calls = {call["id"]: call for call in client.json("stdout")}
            took = server.terminate()
            lines = server.json("stderr")
        receiver.terminate()
        telemetry = Telemetry(receiver.json("stdout"))

    assert took < 2, f"the server took {took:.2f} s to end"
    assert {call["id"]: call["code"] for call in calls.values()} == {
        "abc123": "OK",
        "unknown-1": "NOT_FOUND",
        "broken-1": "INTERNAL",
    }
    for call in calls.values():
        server_side_of(telemetry.trace(call["trace_id"]), call)
    checks.resource_is_equal_on_all_signals(telemetry, RUST)
    checks.every_record_belongs_to_its_span(telemetry, RUST)
    checks.lines_and_records_are_the_same(telemetry, RUST, lines)
    targets = {record["scope"] for record in telemetry.of("logs", RUST)}
    assert targets == {"grpc_service::server", "record_error"}, targets
    assert checks.value(telemetry, RUST, "myservice.requests.total", error="false") == 1
    assert checks.value(telemetry, RUST, "myservice.requests.total", error="true") == 2
    assert checks.value(telemetry, RUST, "myservice.requests.active") == 0
    succeeded = {"rpc.method": RPC, "rpc.status_code": "OK"}
    assert checks.value(telemetry, RUST, "rpc.server.call.duration", **succeeded) == 1


def server_side_of(spans, call):
    _, client, server, logic, query = checks.path(
        spans,
        ("client-op", "INTERNAL"),
        (PYTHON_RPC, "CLIENT"),
        (RPC, "SERVER"),
        ("process-business-logic", "INTERNAL"),
        ("database-query", "INTERNAL"),
    )
    code = call["code"]
    assert server["scope"] == "telemetry-bootstrap", server
    assert server["attributes"]["rpc.status_code"] == code, server
    assert server["status"] == ("ERROR" if code == "INTERNAL" else "UNSET"), server
    assert client["status"] == ("UNSET" if code == "OK" else "ERROR"), client
    assert logic["status"] == ("UNSET" if code == "OK" else "ERROR"), logic
    assert query["attributes"]["db.system"] == "postgresql", query
    assert query["status"] == "UNSET", query
    exceptions = [event for span in (server, logic, query) for event in span["events"]]
    assert [event["name"] for event in exceptions] == ([] if code == "OK" else ["exception"]), exceptions


def our_client_calls_the_python_server():
    with programs.python("receiver.py") as receiver:
        otlp = f"http://127.0.0.1:{receiver.port()}"
        with programs.python("service.py", otlp=otlp) as server:
            with programs.example("call", f"127.0.0.1:{server.port()}", "1", otlp=otlp) as client:
                client.finish()
                lines = client.json("stderr")
            server.terminate()
        receiver.terminate()
        telemetry = Telemetry(receiver.json("stdout"))

    roots = [span for span in telemetry.of("traces", RUST) if span["name"] == "client-op"]
    assert len(roots) == 4, roots
    statuses = []
    for root in roots:
        _, client, server, logic, _ = checks.path(
            telemetry.trace(root["trace_id"]),
            ("client-op", "INTERNAL"),
            (RPC, "CLIENT"),
            (PYTHON_RPC, "SERVER"),
            ("process-business-logic", "INTERNAL"),
            ("database-query", "INTERNAL"),
        )
        assert server["resource"]["service.name"] == "my-python-service", server
        assert (client["status"] == "ERROR") == (logic["status"] == "ERROR"), (client, logic)
        assert client["start"] <= server["start"] and server["end"] <= client["end"], (client, server)
        statuses.append(client["attributes"]["rpc.status_code"])
    assert statuses == ["OK", "OK", "UNKNOWN", "UNKNOWN"], statuses
    streamed = [span for span in telemetry.of("traces") if span["name"] == "process-business-logic"]
    assert len(streamed) == 4 + 3, streamed
    checks.resource_is_equal_on_all_signals(telemetry, RUST)
    checks.every_record_belongs_to_its_span(telemetry, RUST)
    checks.lines_and_records_are_the_same(telemetry, RUST, lines)
    succeeded = {"rpc.method": RPC, "rpc.status_code": "OK"}
    assert checks.value(telemetry, RUST, "rpc.client.call.duration", **succeeded) == 2


def nothing_is_lost_while_the_collector_is_killed():
    rounds, spans_a_round, records_a_round = 60, 10, 7
    often = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_BLRP_SCHEDULE_DELAY": "50"}
    with programs.example("serve", "127.0.0.1:0") as server, programs.python("receiver.py") as first:
        port = first.port()
        otlp = f"http://127.0.0.1:{port}"
        with programs.example("call", server_address(server), str(rounds), otlp=otlp, env=often) as client:
            first.wait_for(lambda: len(first.lines["stdout"]) > 100, "telemetry")
            first.process.kill()
            first.join()
            client.wait_for(lambda: logged(client, "telemetry is not being delivered"), "warning")
            with programs.python("receiver.py", port) as second:
                client.wait_for(lambda: logged(client, "telemetry is being delivered again"), "all-clear")
                client.finish()
                second.terminate()
                assert not logged(client, "telemetry was lost"), client.lines["stderr"]
    telemetry = Telemetry(first.json("stdout") + second.json("stdout"))

    # What the first one had taken without an answer was sent again.
    spans = {span["span_id"] for span in telemetry.of("traces")}
    assert len(spans) == rounds * spans_a_round, len(spans)
    records = {(record["time"], record["span_id"], record["body"]) for record in telemetry.of("logs")}
    assert len(records) == rounds * records_a_round, len(records)
    assert checks.value(telemetry, RUST, "rpc.client.call.duration", **{"rpc.status_code": "INTERNAL"}) == rounds


def an_agent_takes_all_three_signals():
    agent_path = rotel()
    if agent_path is None:
        return "SKIPPED: no rotel here (pip install --pre rotel)"
    port = programs.free_port()
    verbose = [f"--debug-log={signal}" for signal in ("traces", "metrics", "logs")]
    command = [
        agent_path,
        "start",
        f"--otlp-grpc-endpoint=127.0.0.1:{port}",
        f"--otlp-http-endpoint=127.0.0.1:{programs.free_port()}",
        "--exporter=blackhole",
        *verbose,
        "--debug-log-verbosity=detailed",
    ]
    with programs.Program(*command) as agent:
        agent.wait_until_listening(port)
        with programs.example(otlp=f"http://127.0.0.1:{port}") as example:
            example.finish()
            lines = example.json("stderr")
        seen = [
            *["process-business-logic", "database-query", RPC, "my-rust-service"],
            *["myservice.requests.total", "myservice.request.duration", "rpc.server.call.duration"],
            *["Executing database query", "Business logic failed"],
            *{line["trace_id"] for line in lines if "trace_id" in line},
        ]
        for word in seen:
            agent.wait_for(lambda: any(word in line for line in agent.all_lines()), f"'{word}'")
        agent.process.terminate()


def rotel():
    package = importlib.util.find_spec("rotel")
    path = package and pathlib.Path(package.origin).with_name("rotel-agent")
    return path if path and path.exists() else None


def logged(program, message):
    return [line for line in program.json("stderr") if line["message"].startswith(message)]


def server_address(server):
    line = server.wait_for(lambda: logged(server, "Starting gRPC server"), "line with its address")[0]
    return f"{line['server.address']}:{line['server.port']}"


TESTS = [
    propagation.propagators_of_python_and_ours_read_each_other,
    python_client_calls_our_server,
    our_client_calls_the_python_server,
    nothing_is_lost_while_the_collector_is_killed,
    an_agent_takes_all_three_signals,
    *proxies.TESTS,
    *scrapes.TESTS,
    settings.the_environment_means_the_same_as_in_python,
    *files.TESTS,
    *peers.TESTS,
    *http_peers.TESTS,
    *http_edges.TESTS,
]


def main():
    missing = [name for name in ("grpc", "grpc_tools", "opentelemetry") if not importlib.util.find_spec(name)]
    if missing:
        print(f"SKIPPED: {', '.join(missing)} not installed (pip install -r interop/requirements.txt)")
        return
    peers_of_ours = ("grpc_peer", "http_peer", "propagation_peer", "settings_peer")
    programs.build_examples("grpc_service", "collector_sender", *peers_of_ours, features="axum")
    for test in TESTS:
        outcome = test() or "ok"
        print(f"{test.__name__.replace('_', ' ')}: {outcome}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
