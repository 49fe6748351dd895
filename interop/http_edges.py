"""Requests as they come to a server at the edge: from curl, through nginx, malformed, upgraded, and endless."""

import asyncio
import contextlib
import importlib.util
import pathlib
import shutil
import socket
import subprocess
import tempfile
import urllib.request

import programs
from http_peers import checked, has, serving

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream service {{ server 127.0.0.1:{upstream}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"""

LAST = "GET /items/last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
# The body of the first request may hide a second one.
HIDDEN = "GET /items/hidden HTTP/1.1\r\nHost: h\r\n\r\n"
MALFORMED = {
    "two lengths": f"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length: {4 + len(HIDDEN)}\r\n\r\nfour{HIDDEN}",
    "equal lengths": "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nfour",
    "chunks and a length": "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: "
    f"{5 + len(HIDDEN)}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    "a length and chunks": f"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{HIDDEN}",
    "unknown coding": f"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\nfour{HIDDEN}",
    "bare line feeds": "GET /items/7 HTTP/1.1\nHost: h\n\n",
    "a line feed in a chunk's size": f"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n{HIDDEN}",
    "a space before the colon": "GET /items/7 HTTP/1.1\r\nHost : h\r\n\r\n",
    "no host": "GET /items/7 HTTP/1.1\r\n\r\n",
    "a path of bytes": "GET /items/\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n",
    "an absolute form": "GET http://other:1/items/7 HTTP/1.1\r\nHost: h\r\n\r\n",
    "two requests at once": f"{HIDDEN}{HIDDEN}",
    "half a head": "GET /items/7 HTTP/1.1\r\nHo",
}


def curl_sends_every_kind_of_request():
    if not shutil.which("curl"):
        return "SKIPPED: no curl here"
    kinds = {
        ("GET", "200", "1.0"): ["--http1.0", "/items/7"],
        ("HEAD", "200", "1.1"): ["--head", "/items/7"],
        ("GET", "200", "2"): ["--http2-prior-knowledge", "/items/7"],
        ("POST", "200", "1.1"): ["-H", "Expect: 100-continue", "-d", "four", "/echo"],
        ("POST", "404", "1.1"): ["-H", "Expect: 100-continue", "-d", "four", "/nowhere"],
        ("PUT", "204", "1.1"): ["-X", "PUT", "-T", "-", "/status/204"],
        ("_OTHER", "200", "1.1"): ["-X", "BREW", "/status/200"],
    }
    with serving() as (server, receiver, _):
        for number, ((_, status, _), (*arguments, path)) in enumerate(kinds.items(), 1):
            parent = f"00-{number:032x}-{number:016x}-01"
            url = f"http://127.0.0.1:{server.port()}{path}"
            command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"traceparent: {parent}"]
            done = subprocess.run([*command, *arguments, url], input=b"", capture_output=True, check=True)
            assert done.stdout.decode() == status, (arguments, done)
    telemetry = checked(server, receiver)
    for number, (method, status, version) in enumerate(kinds, 1):
        (span,) = telemetry.trace(f"{number:032x}")
        assert span["parent_span_id"] == f"{number:016x}", span
        expected = {
            "http.request.method": method,
            "http.response.status_code": int(status),
            "network.protocol.version": version,
        }
        has(span, expected)


def malformed_requests_have_one_span_for_each_that_arrives():
    with serving() as (server, receiver, _):
        answers = {name: exchange(server.port(), payload) for name, payload in MALFORMED.items()}
    spans = checked(server, receiver).of("traces", "rust-peer")
    # What the server refuses before it is a request has none.
    for name in ("two lengths", "unknown coding", "a space before the colon", "half a head"):
        assert answers[name].startswith(b"HTTP/1.1 400"), (name, answers[name])
    assert len(spans) >= sum(answer.count(b"HTTP/1.1 200") for answer in answers.values()) > 10, spans


def nginx_forwards_requests_to_us():
    if not shutil.which("nginx"):
        return "SKIPPED: no nginx here (apt-get install nginx)"
    with serving(proxies=1) as (server, receiver, _), nginx(server.port()) as port:
        forged = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: gopher\r\n"
        request = f"GET /items/forwarded HTTP/1.1\r\nHost: shop.example:8443\r\n{forged}\r\n"
        assert b"forwarded" in exchange(port, request, source="127.0.0.2")
        # Over connections that nginx keeps open.
        for _ in range(10):
            assert get(port, "/items/7") == b"7"
        for payload in MALFORMED.values():
            exchange(port, payload)
        assert get(port, "/events").count(b"data:") == 3
        leave(port, "/endless")
    telemetry = checked(server, receiver)
    spans = telemetry.of("traces", "rust-peer")
    (forwarded,) = [span for span in spans if span["attributes"]["url.path"] == "/items/forwarded"]
    # Of the proxy that is trusted, and not what the client claims.
    expected = {
        "client.address": "127.0.0.2",
        "network.peer.address": "127.0.0.1",
        "url.scheme": "https",
        "server.address": "shop.example",
        "server.port": 8443,
    }
    has(forwarded, expected)
    kept = [span["attributes"]["network.peer.port"] for span in spans if span["attributes"]["url.path"] == "/items/7"]
    assert len(kept) >= 10 and len(set(kept)) < len(kept), kept
    (left,) = [span for span in spans if span["attributes"]["url.path"] == "/endless"]
    has(left, {"error.type": "cancelled", "http.response.status_code": 200})


def websockets_end_with_their_handshake_and_event_streams_with_their_last_event():
    if not importlib.util.find_spec("websockets"):
        return "SKIPPED: no websockets here (pip install -r interop/requirements.txt)"
    with serving() as (server, receiver, _):
        asyncio.run(talk(server.port()))
        assert get(server.port(), "/events").count(b"data:") == 3
        leave(server.port(), "/endless")
    spans = checked(server, receiver).of("traces", "rust-peer")
    by_route = {span["attributes"]["http.route"]: span for span in spans}
    assert len(by_route) == len(spans) == 3, spans
    seconds = {route: (span["end"] - span["start"]) / 1e9 for route, span in by_route.items()}
    # The conversation takes longer than its handshake.
    assert seconds["/ws"] < TALK, seconds
    has(by_route["/ws"], {"http.response.status_code": 101, "error.type": None})
    assert seconds["/events"] > 0.2, seconds
    has(by_route["/events"], {"http.response.status_code": 200, "error.type": None})
    has(by_route["/endless"], {"http.response.status_code": 200, "error.type": "cancelled"})


async def talk(port):
    import websockets

    async with websockets.connect(f"ws://127.0.0.1:{port}/ws") as connection:
        for word in ("one", "two"):
            await connection.send(word)
            assert await connection.recv() == word
            await asyncio.sleep(TALK / 2)


# Seconds.
TALK = 1.0


@contextlib.contextmanager
def nginx(upstream):
    with tempfile.TemporaryDirectory() as folder:
        port = programs.free_port()
        configuration = pathlib.Path(folder) / "nginx.conf"
        configuration.write_text(NGINX.format(folder=folder, upstream=upstream, port=port))
        with programs.Program("nginx", "-c", configuration, "-p", folder) as proxy:
            proxy.wait_until_listening(port)
            yield port
            proxy.terminate()


def exchange(port, payload, source="127.0.0.1"):
    """Sends these bytes and a last request, after which the server closes, and returns all that comes back."""
    with socket.create_connection(("127.0.0.1", port), source_address=(source, 0)) as connection:
        connection.settimeout(programs.LIMIT)
        connection.sendall((payload + LAST).encode("latin-1"))
        answer = b""
        # A server that refuses a request may close before it has read everything.
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                answer += piece
        return answer


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=programs.LIMIT) as response:
        return response.read()


def leave(port, path):
    """Reads the first piece of a response, and closes the connection."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=programs.LIMIT) as response:
        assert response.read(1)


TESTS = [
    curl_sends_every_kind_of_request,
    malformed_requests_have_one_span_for_each_that_arrives,
    nginx_forwards_requests_to_us,
    websockets_end_with_their_handshake_and_event_streams_with_their_last_event,
]
