"""HTTP requests between our peer and those in Python, Go and Node: one trace, each span the child of the one that caused it."""

import contextlib
import functools
import shutil
import subprocess

import checks
import peers
import programs
from peers import received, receiving

# For each scenario: method, path, query, route at our server, status, `error.type` at a client.
SCENARIOS = {
    "ok": ("GET", "/items/7", "color=red", "/items/{id}", 200, None),
    "post": ("POST", "/echo", None, "/echo", 200, None),
    "head": ("HEAD", "/items/7", None, "/items/{id}", 200, None),
    "missing": ("GET", "/nowhere", None, None, 404, "404"),
    "error": ("GET", "/status/500", None, "/status/{code}", 500, "500"),
    "events": ("GET", "/events", None, "/events", 200, None),
    "leave": ("GET", "/endless", None, "/endless", 200, None),
}


def python_sends_requests_to_us():
    they_call_us(functools.partial(programs.python, "http_client.py"))


def we_send_requests_to_python():
    we_call_them(functools.partial(programs.python, "http_service.py"), "python-peer", "1.0")


def go_sends_requests_to_us():
    with peers.go_peer() as peer:
        if not peer:
            return "SKIPPED: no Go here, or its modules cannot be had"
        they_call_us(functools.partial(peer, "call-http"))


def we_send_requests_to_go():
    with peers.go_peer() as peer:
        if not peer:
            return "SKIPPED: no Go here, or its modules cannot be had"
        we_call_them(functools.partial(peer, "serve-http"), "go-peer", "1.1")


def node_sends_requests_to_us():
    if not (peer := node_peer()):
        return "SKIPPED: no Node here, or its packages cannot be had"
    they_call_us(functools.partial(peer, "call"))


def we_send_requests_to_node():
    if not (peer := node_peer()):
        return "SKIPPED: no Node here, or its packages cannot be had"
    we_call_them(functools.partial(peer, "serve"), "node-peer", "1.1")


@functools.cache
def node_peer():
    """Starts the peer in Node; nothing where that cannot be done."""
    folder = programs.HERE / "node"
    if not (shutil.which("node") and shutil.which("npm")):
        return None
    install = ["npm", "ci", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr)
        return None
    return functools.partial(programs.Program, "node", folder / "peer.js")


def they_call_us(client):
    with serving() as (server, receiver, otlp):
        with client(f"127.0.0.1:{server.port()}", *SCENARIOS, otlp=otlp) as caller:
            caller.finish()
            calls = caller.json("stdout")
    telemetry = checked(server, receiver)
    assert len(calls) == len(SCENARIOS), calls
    for call in calls:
        method, path, query, route, status, _ = SCENARIOS[call["scenario"]]
        assert call["status"] == status, call
        spans = telemetry.trace(call["trace_id"])
        root = checks.one(spans, name=call["scenario"], parent_span_id="")
        theirs = checks.one(spans, kind="CLIENT", parent_span_id=root["span_id"])
        ours = checks.one(spans, kind="SERVER", parent_span_id=theirs["span_id"])
        assert len(spans) == 3, spans
        assert ours["name"] == (f"{method} {route}" if route else method), ours
        # The stream that the client left was not complete.
        error = {"error": "500", "leave": "cancelled"}.get(call["scenario"])
        assert ours["status"] == ("ERROR" if error == "500" else "UNSET"), ours
        expected = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "error.type": error,
            "url.path": path,
            "url.query": query,
            "url.scheme": "http",
            "server.address": "127.0.0.1",
            "server.port": server.port(),
            "client.address": "127.0.0.1",
            "network.peer.address": "127.0.0.1",
            "network.protocol.version": "1.1",
        }
        has(ours, expected)
        assert ours["attributes"]["user_agent.original"], ours


def we_call_them(service, name, version):
    with receiving() as (receiver, otlp):
        with service(otlp=otlp) as server:
            address = f"127.0.0.1:{server.port()}"
            with programs.built_program("http_peer", "call", address, *SCENARIOS, otlp=otlp) as client:
                client.finish()
                calls = client.json("stdout")
            server.terminate()
    telemetry = received(receiver)
    assert len(calls) == len(SCENARIOS), calls
    for call in calls:
        method, path, query, _, status, error = SCENARIOS[call["scenario"]]
        assert call["status"] == status, call
        spans = telemetry.trace(call["trace_id"])
        root = checks.one(spans, name=call["scenario"], parent_span_id="")
        ours = checks.one(spans, kind="CLIENT", parent_span_id=root["span_id"])
        theirs = checks.one(spans, kind="SERVER", parent_span_id=ours["span_id"])
        assert theirs["resource"]["service.name"] == name and len(spans) == 3, spans
        assert ours["name"] == method, ours
        assert ours["status"] == ("ERROR" if error else "UNSET"), ours
        # Node's clock has milliseconds.
        assert ours["start"] // 1_000_000 <= theirs["start"] // 1_000_000, (ours, theirs)
        expected = {
            "http.request.method": method,
            "http.response.status_code": status,
            "error.type": error,
            "url.full": f"http://{address}{path}" + (f"?{query}" if query else ""),
            "server.address": "127.0.0.1",
            "server.port": server.port(),
            "network.peer.address": "127.0.0.1",
            "network.peer.port": server.port(),
            "network.protocol.version": version,
        }
        has(ours, expected)
    assert checks.value(telemetry, "rust-peer", "http.client.active_requests") == 0
    measured = checks.last_points(telemetry, "rust-peer", "http.client.request.duration")
    assert sum(int(point["count"]) for point in measured) == len(calls), measured


@contextlib.contextmanager
def serving(proxies=0):
    """Our server, which ends with the block, and the receiver of all telemetry."""
    with receiving() as (receiver, otlp):
        with programs.built_program("http_peer", "serve", proxies, otlp=otlp) as server:
            yield server, receiver, otlp
            server.terminate()


def checked(server, receiver):
    """Returns the telemetry of a server that has ended: one span and one measurement for each request that it saw."""
    telemetry = received(receiver)
    seen = server.json("stdout")[-1]["seen"]
    spans = [span for span in telemetry.of("traces", "rust-peer") if span["kind"] == "SERVER"]
    assert len(spans) == seen, f"{len(spans)} spans of {seen} requests: {spans}"
    measured = checks.last_points(telemetry, "rust-peer", "http.server.request.duration")
    assert sum(int(point["count"]) for point in measured) == seen, measured
    assert checks.value(telemetry, "rust-peer", "http.server.active_requests") == 0
    return telemetry


def has(span, attributes):
    found = {key: span["attributes"].get(key) for key in attributes}
    assert found == attributes, f"{found} instead of {attributes}"


TESTS = [
    python_sends_requests_to_us,
    we_send_requests_to_python,
    go_sends_requests_to_us,
    we_send_requests_to_go,
    node_sends_requests_to_us,
    we_send_requests_to_node,
]
