"""Real proxies between our programs and a receiver: tinyproxy and Squid for HTTP, microsocks and Dante for SOCKS5.

Each is a package of Debian (tinyproxy, squid, microsocks, dante-server). Says SKIPPED where one is missing.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from urllib.parse import quote

import checks
import programs
from checks import Telemetry

# This machine. Under the name localhost and loopback addresses it would be reached without a proxy.
HOST = socket.gethostname()
PROTOCOLS = ("grpc", "http/protobuf")
USER = "shop"
TRACES, SPANS_OF_A_TRACE = 20, 3

TINYPROXY = """
Port {port}
Listen 127.0.0.1
LogLevel Connect
{credentials}
{ports}
"""
SQUID = """
http_port 127.0.0.1:{port}
{credentials}
acl CONNECT method CONNECT
acl allowed port {ports}
http_access deny CONNECT !allowed
http_access allow {who}
cache deny all
access_log stdio:{directory}/access.log
cache_log {directory}/cache.log
coredump_dir {directory}
pid_filename none
pinger_enable off
shutdown_lifetime 0 seconds
visible_hostname proxy
"""
DANTE = """
logoutput: stdout
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
clientmethod: none
socksmethod: none
user.privileged: {user}
user.unprivileged: {user}
client pass {{
    from: 127.0.0.0/8 to: 0.0.0.0/0
}}
socks pass {{
    from: 127.0.0.0/8 to: 0.0.0.0/0
    log: connect error
}}
"""


class Proxy:
    """A running proxy, on a port that stays the same when it is started again."""

    password = "s3cret:/@%"

    def __init__(self, *, login=False, ports=None):
        """`login` requires user and password; `ports` are the only ones that CONNECT may lead to."""
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="proxy-"))
        # Squid gives up the rights of root.
        self.directory.chmod(0o777)
        self.port = programs.free_port()
        self.login, self.ports = login, ports
        self.earlier = []

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.program.__exit__()
        shutil.rmtree(self.directory)

    def start(self):
        self.program = programs.Program(*self.command())
        self.program.wait_until_listening(self.port)

    def kill(self):
        self.program.kill()
        self.program.join()
        self.earlier += self.program.all_lines()

    def configuration(self, text, **values):
        path = self.directory / "configuration"
        path.write_text(text.format(port=self.port, **values))
        return path

    def url(self, credentials=""):
        return f"{self.scheme}://{credentials}127.0.0.1:{self.port}"

    def variable(self, tls):
        """Returns the variable that names the proxy of an endpoint."""
        if self.scheme != "http":
            return "ALL_PROXY"
        return "HTTPS_PROXY" if tls else "HTTP_PROXY"

    def log(self):
        return self.earlier + self.program.all_lines()

    def has_passed(self, port):
        return any(f":{port}" in line or f".{port}" in line for line in self.log())


class Tinyproxy(Proxy):
    binary, package, scheme = "tinyproxy", "tinyproxy", "http"
    # Its configuration can have no other characters.
    password = "s3cret"

    def command(self):
        credentials = f"BasicAuth {USER} {self.password}" if self.login else ""
        ports = "\n".join(f"ConnectPort {port}" for port in self.ports or [])
        return self.binary, "-d", "-c", self.configuration(TINYPROXY, credentials=credentials, ports=ports)


class Squid(Proxy):
    binary, package, scheme = "squid", "squid", "http"

    def command(self):
        credentials = self.credentials() if self.login else ""
        who = "known" if self.login else "all"
        ports = " ".join(map(str, self.ports or ["1-65535"]))
        path = self.configuration(SQUID, credentials=credentials, who=who, ports=ports, directory=self.directory)
        return self.binary, "-N", "-f", path

    def credentials(self):
        hashed = subprocess.run(["openssl", "passwd", "-apr1", self.password], check=True, capture_output=True, text=True)
        users = self.directory / "users"
        users.write_text(f"{USER}:{hashed.stdout}")
        helper = "auth_param basic program /usr/lib/squid/basic_ncsa_auth"
        return f"{helper} {users}\nacl known proxy_auth REQUIRED"

    def log(self):
        return (self.directory / "access.log").read_text().splitlines()


class Microsocks(Proxy):
    binary, package, scheme = "microsocks", "microsocks", "socks5h"

    def command(self):
        login = ["-u", USER, "-P", self.password] if self.login else []
        return self.binary, "-i", "127.0.0.1", "-p", self.port, *login


class Dante(Proxy):
    binary, package, scheme = "danted", "dante-server", "socks5"

    def command(self):
        user = pathlib.Path(f"/proc/{os.getpid()}").owner()
        path = self.configuration(DANTE, user=user)
        return self.binary, "-f", path, "-p", self.directory / "pid"


class Receiver:
    """A receiver of one protocol, with or without TLS."""

    def __init__(self, protocol, tls, port=0):
        self.protocol, self.tls = protocol, tls
        script = "receiver.py" if protocol == "grpc" else "http_receiver.py"
        env = {"RECEIVER_ADDRESS": socket.gethostbyname(HOST)}
        self.program = programs.python(script, str(port), *(certificate() if tls else ()), env=env)

    def __enter__(self):
        self.port = self.program.port()
        return self

    def __exit__(self, *_):
        self.program.__exit__()

    def environment(self, proxy, credentials="", **more):
        scheme = "https" if self.tls else "http"
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{scheme}://{HOST}:{self.port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol,
            proxy.variable(self.tls): proxy.url(credentials),
            **({"OTEL_EXPORTER_OTLP_CERTIFICATE": str(certificate()[0])} if self.tls else {}),
            **more,
        }

    def telemetry(self):
        self.program.terminate()
        return Telemetry(self.program.json("stdout"))


def certificate():
    """Returns a certificate of the host and its key, made at the first call."""
    directory = programs.target() / "proxies" / HOST
    pair = directory / "certificate.pem", directory / "key.pem"
    if not all(path.exists() for path in pair):
        directory.mkdir(parents=True, exist_ok=True)
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=collector"
        made = [*command.split(), "-addext", f"subjectAltName=DNS:{HOST}", "-addext", "basicConstraints=CA:FALSE", "-out", pair[0], "-keyout", pair[1]]
        subprocess.run(made, check=True, capture_output=True)
    return pair


def sender(environment, traces=TRACES, pause=0):
    return programs.Program(programs.built("collector_sender"), "sender", str(traces), str(pause), env=environment)


def send(environment):
    """Runs a sender to its end, and returns what became of its telemetry, and its log lines."""
    with sender(environment) as program:
        program.finish()
        return program.json("stdout")[0], program.json("stderr")


def everything_was_delivered(counts):
    for signal, count in counts.items():
        assert count["delivered"] == count["accepted"] > 0, (signal, count)


def everything_failed(counts):
    for signal, count in counts.items():
        assert count["failed"] == count["accepted"] > 0, (signal, count)


def everything_arrived(telemetry, traces=TRACES):
    spans = {(span["trace_id"], span["span_id"]) for span in telemetry.of("traces")}
    assert len(spans) == traces * SPANS_OF_A_TRACE, len(spans)
    records = Counter(record["attributes"]["number"] for record in telemetry.of("logs") if record["span_id"])
    assert set(records) == set(range(1, traces + 1)), records
    assert checks.value(telemetry, "sender", "sender.traces") == traces


def warnings(lines):
    return [line for line in lines if line["target"].startswith("telemetry_bootstrap") and line["level"] != "INFO"]


def explained_once(lines, *words):
    """Checks that an outage has one message, which has these words, and that no line shows the password."""
    assert not [line for line in lines if "s3cret" in str(line) or "wr0ng" in str(line)], lines
    explained = [line for line in warnings(lines) if line["message"] == "telemetry is not being delivered"]
    assert len(explained) == 1 and all(word in str(explained[0]) for word in words), (words, warnings(lines))


def everything_passes(kind):
    for tls in (False, True):
        for protocol in PROTOCOLS:
            with kind() as proxy, Receiver(protocol, tls) as receiver:
                counts, lines = send(receiver.environment(proxy))
                everything_was_delivered(counts)
                everything_arrived(receiver.telemetry())
                assert not warnings(lines), warnings(lines)
                assert proxy.has_passed(receiver.port), proxy.log()


def credentials_are_sent_and_wrong_ones_explained(kind):
    for protocol in PROTOCOLS:
        with kind(login=True) as proxy, Receiver(protocol, tls=False) as receiver:
            right = f"{USER}:{quote(proxy.password, safe='')}@"
            for wrong in ("", f"{USER}:wr0ng@"):
                counts, lines = send(receiver.environment(proxy, wrong))
                everything_failed(counts)
                explained_once(lines, f"127.0.0.1:{proxy.port}", proxy.variable(tls=False), "user and password")
            counts, lines = send(receiver.environment(proxy, right))
            everything_was_delivered(counts)
            everything_arrived(receiver.telemetry())
            assert not warnings(lines), warnings(lines)


def hosts_of_no_proxy_are_reached_directly(kind):
    with kind() as proxy, Receiver("grpc", tls=False) as receiver:
        counts, _ = send(receiver.environment(proxy, NO_PROXY=f"other.example,{HOST}:{receiver.port}"))
        everything_was_delivered(counts)
        everything_arrived(receiver.telemetry())
        assert not proxy.has_passed(receiver.port), proxy.log()


def a_port_that_is_not_allowed_is_explained(kind):
    for tls, protocol in ((False, "grpc"), (True, "grpc"), (True, "http/protobuf")):
        with kind(ports=[443]) as proxy, Receiver(protocol, tls) as receiver:
            counts, lines = send(receiver.environment(proxy))
            everything_failed(counts)
            explained_once(lines, f"127.0.0.1:{proxy.port}", proxy.variable(tls), "403", "NO_PROXY")
            assert not Telemetry(receiver.program.json("stdout")).of("traces")


def nothing_is_lost_while_the_proxy_is_killed(kind):
    traces, often = 60, {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_BLRP_SCHEDULE_DELAY": "50"}
    for protocol in PROTOCOLS:
        with kind() as proxy, Receiver(protocol, tls=False) as receiver:
            with sender(receiver.environment(proxy, **often), traces, pause=40) as program:
                receiver.program.wait_for(lambda: len(receiver.program.lines["stdout"]) > 50, "telemetry")
                proxy.kill()
                program.wait_for(lambda: logged(program, "telemetry is not being delivered"), "warning")
                proxy.start()
                program.wait_for(lambda: logged(program, "telemetry is being delivered again"), "all-clear")
                program.finish()
                everything_was_delivered(program.json("stdout")[0])
            everything_arrived(receiver.telemetry(), traces)


def logged(program, message):
    return [line for line in program.json("stderr") if line["message"] == message]


def through(kind, *checks_of_it):
    """Returns the test of a proxy."""

    def test():
        missing = [tool for tool in (kind.binary, "openssl") if not shutil.which(tool)]
        if missing:
            return f"SKIPPED: no {' and no '.join(missing)} here (apt-get install {kind.package} openssl)"
        if HOST == "localhost" or not resolves(HOST):
            return f"SKIPPED: this machine's name, {HOST}, does not lead to it"
        for check in checks_of_it:
            check(kind)
        return None

    test.__name__ = f"everything_arrives_through_{kind.package.replace('-', '_')}_or_is_counted"
    return test


def resolves(host):
    try:
        return bool(socket.gethostbyname(host))
    except OSError:
        return False


COMMON = everything_passes, hosts_of_no_proxy_are_reached_directly, nothing_is_lost_while_the_proxy_is_killed
TESTS = [
    through(Tinyproxy, *COMMON, credentials_are_sent_and_wrong_ones_explained, a_port_that_is_not_allowed_is_explained),
    through(Squid, *COMMON, credentials_are_sent_and_wrong_ones_explained, a_port_that_is_not_allowed_is_explained),
    through(Microsocks, *COMMON, credentials_are_sent_and_wrong_ones_explained),
    through(Dante, *COMMON),
]
