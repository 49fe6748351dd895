"""Programs that export to the OpenTelemetry Collector, through the configurations of examples/collector/.

    program → nginx → agent → two gateways → a receiver of ours

Builds the Collector from its Go modules, which takes minutes the first time. Says SKIPPED where a tool is missing.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter, defaultdict
from contextlib import ExitStack

import checks
import programs
from checks import Telemetry

EXAMPLES = programs.REPOSITORY / "examples/collector"
BUILT = programs.target() / "collector"
# The releases of the builder that fit the manifests.
BUILDERS = {"fleet": "v0.161.0", "lines": "v0.165.0"}
SEVERITIES = {"INFO": 9, "WARN": 13, "WARNING": 13, "ERROR": 17}


class Fleet:
    """An agent and two gateways behind nginx, and the receiver that they deliver to."""

    def __init__(self, *, sampled_percent, decision_wait, limits="", tls=False):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="fleet-"))
        self.limits = limits
        self.certificates = Certificates(self.directory) if tls else None
        ports = ("grpc", "http", "agent_grpc", "agent_http", "gateway_1", "gateway_2")
        self.ports = {name: programs.free_port() for name in ports}
        self.sampling = {"SAMPLED_PERCENT": str(sampled_percent), "DECISION_WAIT": decision_wait}
        self.running = {}
        self.said_by_nginx = []

    def __enter__(self):
        try:
            self.running["receiver"] = programs.python("receiver.py")
            self.backend = f"127.0.0.1:{self.receiver.port()}"
            for name in ("gateway_1", "gateway_2", "agent", "nginx"):
                self.start(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for program in reversed(self.running.values()):
            program.__exit__()
        shutil.rmtree(self.directory)

    @property
    def receiver(self):
        return self.running["receiver"]

    def address(self, name):
        return f"127.0.0.1:{self.ports[name]}"

    def start(self, name):
        self.running[name] = {"agent": self.agent, "nginx": self.nginx}.get(name, lambda: self.gateway(name))()

    def agent(self):
        gateways = f"[{self.address('gateway_1')}, {self.address('gateway_2')}]"
        return collector(
            "fleet",
            "agent.yaml",
            GATEWAYS=gateways,
            AGENT_GRPC=self.address("agent_grpc"),
            AGENT_HTTP=self.address("agent_http"),
            AGENT_STORAGE=str(self.directory / "agent"),
        )

    def gateway(self, name):
        return collector(
            "fleet",
            "gateway.yaml",
            GATEWAY_GRPC=self.address(name),
            GATEWAY_STORAGE=str(self.directory / name),
            BACKEND=self.backend,
            **self.sampling,
        )

    def nginx(self):
        """Starts nginx with the example's configuration, with other ports, files in our directory and the test's limits."""
        text = (EXAMPLES / "nginx.conf").read_text()
        names = {"4317": "grpc", "4318": "http", "5317": "agent_grpc", "5318": "agent_http"}
        text = re.sub(r"127\.0\.0\.1:(\d+)", lambda found: self.address(names[found[1]]), text)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"    {kind}_temp_path {self.directory}/{kind};\n" for kind in kinds)
        tls = self.certificates.of_nginx() if self.certificates else ""
        text = text.replace("\nhttp {\n", f"\nhttp {{\n{paths}{self.limits}{tls}")
        if tls:
            text = re.sub(r"listen ([\d.:]+)", r"listen \1 ssl", text)
            # Where it says which handshakes fail.
            text = text.replace("error_log stderr warn", "error_log stderr info")
        if "client_max_body_size" in self.limits:
            text = text.replace("    client_max_body_size 64m;\n", "")
        (self.directory / "nginx.conf").write_text(text)
        program = programs.Program(
            "nginx", "-p", self.directory, "-c", "nginx.conf", "-g", "daemon off; master_process off;", "-e", "stderr"
        )
        self.running["nginx"] = program
        for name in ("grpc", "http"):
            program.wait_until_listening(self.ports[name])
        return program

    def kill(self, name):
        self.running[name].process.kill()
        self.running[name].join()
        if name == "nginx":
            self.said_by_nginx += self.running[name].lines["stderr"]

    def drain(self):
        """Ends the programs in the order in which telemetry passes them, so that each delivers what it holds."""
        for name in ("nginx", "agent", "gateway_1", "gateway_2", "receiver"):
            self.running[name].terminate()
        return Telemetry(self.receiver.json("stdout"))

    def environment(self, protocol, compression):
        port = "grpc" if protocol == "grpc" else "http"
        scheme = "https" if self.certificates else "http"
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{scheme}://{self.address(port)}",
            **(self.certificates.of_programs() if self.certificates else {}),
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_BLRP_SCHEDULE_DELAY": "200",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        }


class Certificates:
    """Certificates by which nginx and the programs know each other. Each is its own authority."""

    def __init__(self, directory):
        self.directory = directory
        self.renew()
        for side in ("nginx", "programs"):
            self.hand_out(side)

    def renew(self):
        """Makes new ones, which neither side has yet."""
        for name in ("server", "client"):
            command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj"
            made = [*command.split(), f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
            made += ["-out", self.directory / f"{name}.pem", "-keyout", self.directory / f"{name}.key"]
            subprocess.run(made, check=True, capture_output=True)

    def hand_out(self, side):
        """Gives one side its own certificate and that of the other, file by file."""
        own, other = ("server", "client") if side == "nginx" else ("client", "server")
        for file in (f"{own}.pem", f"{own}.key", f"{other}.pem"):
            shutil.copy(self.directory / file, self.directory / f"{side}-{file}")

    def of_nginx(self):
        return f"""
    ssl_certificate {self.directory}/nginx-server.pem;
    ssl_certificate_key {self.directory}/nginx-server.key;
    ssl_client_certificate {self.directory}/nginx-client.pem;
    ssl_verify_client on;
"""

    def of_programs(self):
        return {
            "OTEL_EXPORTER_OTLP_CERTIFICATE": f"{self.directory}/programs-server.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": f"{self.directory}/programs-client.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": f"{self.directory}/programs-client.key",
        }


def collector(binary, configuration, **env):
    program = programs.Program(BUILT / binary / f"otelcol-{binary}", "--config", EXAMPLES / configuration, env=env)
    try:
        program.wait_for(lambda: [line for line in program.all_lines() if "Everything is ready" in line], "start")
    except BaseException:
        program.__exit__()
        raise
    return program


def sender(name, traces, pause, *keys, env):
    return programs.Program(programs.built("collector_sender"), name, str(traces), str(pause), *keys, env=env)


# Milliseconds between traces, so that all senders send the same trace at the same time.
PAUSE = 5
SENDERS = {"first": ("grpc", "gzip"), "second": ("http/protobuf", "zstd"), "third": ("http/json", "gzip")}


def whole_traces_come_out_of_agent_and_gateways():
    traces, spans_of_each = 200, 3
    senders = [*SENDERS, "file"]
    kept = {trace_id(number) for number in range(1, traces + 1) if number % 10 in (0, 1)}
    with Fleet(sampled_percent=20, decision_wait="6s") as fleet:
        with ExitStack() as stack:
            running = {
                name: stack.enter_context(sender(name, traces, PAUSE, env=fleet.environment(*how)))
                for name, how in SENDERS.items()
            }
            lines_of_a_file_are_requests(fleet, traces)
            for name, program in running.items():
                program.finish()
                for signal, counts in program.json("stdout")[0].items():
                    assert counts["delivered"] == counts["accepted"] > 0, (name, signal, counts)
        # A trace that waits for its sampling decision when a gateway ends is decided without its errors and duration.
        arrived = SpansOfTraces(fleet.receiver)
        whole = spans_of_each * len(senders)
        fleet.receiver.wait_for(lambda: all(len(arrived()[trace]) == whole for trace in kept), "errors and slow traces")
        telemetry = fleet.drain()

    out = defaultdict(list)
    for span in telemetry.of("traces"):
        out[span["trace_id"]].append(span)
    for spans in out.values():
        assert len({span["span_id"] for span in spans}) == len(spans) == whole, spans
        assert len({span["peer"] for span in spans}) == 1, spans
        assert Counter(span["resource"]["service.name"] for span in spans) == Counter(senders * spans_of_each)
    assert kept <= set(out), kept - set(out)
    assert len(kept) < len(out) < traces, len(out)
    assert len({span["peer"] for span in telemetry.of("traces")}) == 2, "one gateway has got all traces"
    for name in senders:
        records = Counter(record["attributes"]["number"] for record in telemetry.of("logs", name))
        assert set(records) == set(range(1, traces + 1)), (name, records)
        assert sum(records.values()) == events(name, traces), (name, records)
        assert checks.value(telemetry, name, "sender.traces") == traces
    return f"ok ({len(out)} of {traces} traces kept)"


class SpansOfTraces:
    """Returns the ids of the spans of each trace that a receiver has so far."""

    def __init__(self, receiver):
        self.lines = receiver.lines["stdout"]
        self.read = 0
        self.spans = defaultdict(set)

    def __call__(self):
        lines = self.lines[self.read :]
        self.read += len(lines)
        for item in map(json.loads, lines):
            if item.get("signal") == "traces":
                self.spans[item["trace_id"]].add(item["span_id"])
        return self.spans


def lines_of_a_file_are_requests(fleet, traces):
    """Checks that the Collector reads a line of OTLP/JSON, over HTTP and from a file."""
    path = fleet.directory / "file.jsonl"
    exporters = {f"OTEL_{signal}_EXPORTER": "otlp_file" for signal in ("TRACES", "METRICS", "LOGS")}
    env = {**exporters, "OTEL_RUST_EXPORTER_OTLP_FILE_PATH": str(path)}
    with sender("file", traces, PAUSE, env=env) as program:
        program.finish()
    signals = {"resourceSpans": "traces", "resourceMetrics": "metrics", "resourceLogs": "logs"}
    sent = Counter()
    for line in path.read_text().splitlines():
        signal = next(signal for key, signal in signals.items() if key in json.loads(line))
        request = urllib.request.Request(
            f"http://{fleet.address('http')}/v1/{signal}", line.encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.loads(answer.read()) in ({}, {"partialSuccess": {}}), answer
        sent[signal] += 1
    assert set(sent) == set(signals.values()), sent


def lines_of_each_preset_become_records():
    traces = 40
    with tempfile.TemporaryDirectory() as directory, programs.python("receiver.py") as receiver:
        lines = {}
        for preset in ("otel", "ecs", "gcp", "datadog"):
            with sender(preset, traces, 0, preset, env={}) as program:
                program.finish()
                lines[preset] = program.lines["stderr"]
            text = "\n".join(["not JSON", *lines[preset], ""])
            (pathlib.Path(directory) / f"{preset}.{preset}.log").write_text(text)
        env = {"LOG_DIRECTORY": directory, "LINES_STORAGE": f"{directory}/storage"}
        count = sum(map(len, lines.values())) + len(lines)
        with collector("lines", "lines.yaml", BACKEND=f"127.0.0.1:{receiver.port()}", **env) as reader:
            receiver.wait_for(lambda: len(receiver.lines["stdout"]) > count, f"{count} records")
            reader.terminate()
        receiver.terminate()
        telemetry = Telemetry(receiver.json("stdout"))

    assert len(telemetry.of("logs")) == count, len(telemetry.of("logs"))
    assert len([record for record in telemetry.of("logs") if record["body"] == "not JSON"]) == len(lines)
    for preset in lines:
        records = [record for record in telemetry.of("logs", preset) if "number" in record["attributes"]]
        assert len(records) == events(preset, traces), (preset, len(records))
        assert {record["severity_number"] for record in records} == {9, 13}, preset
        expected = [as_record(preset, json.loads(line)) for line in lines[preset]]
        got = Counter((r["body"], r["severity_number"], r["trace_id"], r["span_id"]) for r in telemetry.of("logs", preset))
        assert got == Counter(expected), (preset, got - Counter(expected), Counter(expected) - got)
        assert all(record["time"] > 1_700_000_000 * 10**9 for record in records), preset
        flags = 0 if preset in ("ecs", "datadog") else 1
        assert {record["flags"] for record in records} == {flags}, preset
        kept = {"number", "target", "log.logger", "logger.name", "dd.trace_id", "dd.span_id", "log.file.name"}
        surplus = {key for record in records for key in record["attributes"]} - kept
        assert not surplus, (preset, surplus)


def as_record(preset, line):
    """Returns body, severity and ids of a line, by the names that the backends document."""
    severity, trace, span = {
        "otel": ("level", "trace_id", "span_id"),
        "ecs": ("log.level", "trace.id", "span.id"),
        "gcp": ("severity", "logging.googleapis.com/trace", "logging.googleapis.com/spanId"),
        "datadog": ("status", "dd.trace_id", "dd.span_id"),
    }[preset]
    trace_id, span_id = line.get(trace, ""), line.get(span, "")
    if preset == "datadog" and span_id:
        trace_id, span_id = f"{int(trace_id):032x}", f"{int(span_id):016x}"
    return line["message"], SEVERITIES[line[severity]], trace_id, span_id


LIMITS = """
    client_max_body_size 64k;
    limit_req_zone $server_port zone=programs:1m rate=30r/s;
    limit_req zone=programs burst=5 nodelay;
    limit_req_status 429;
"""
LIMITS_APPLY = ["limiting requests", "client intended to send too large body", "Connection refused"]
HANDSHAKES_FAIL = ["SSL_do_handshake() failed"]


def the_ledger_is_right_while_the_collector_is_killed_and_frozen():
    """Checks that everything is delivered, and arrives, whatever fails on the way.

    The queues hold what is recorded meanwhile, and the shutdown has 20 seconds for the limits of nginx.
    """
    with Fleet(sampled_percent=100, decision_wait="2s", limits=LIMITS) as fleet:
        troubles = killed("agent"), frozen("agent"), frozen("gateway_1", "gateway_2"), killed("nginx"), killed("agent")
        return everything_arrives_despite(fleet, troubles, LIMITS_APPLY)


def the_ledger_is_right_while_certificates_are_replaced():
    """Checks the same when either side has its new certificate, and that of the other, seconds before the other side."""
    with Fleet(sampled_percent=100, decision_wait="2s", tls=True) as fleet:
        troubles = recertified("nginx", "programs"), recertified("programs", "nginx"), recertified("nginx", "programs")
        return everything_arrives_despite(fleet, troubles, HANDSHAKES_FAIL)


def everything_arrives_despite(fleet, troubles, said_by_nginx):
    """Runs the senders meanwhile. What nginx says shows that the troubles were some."""
    traces, pause = 5_000, 10
    with ExitStack() as stack:
        own = {"OTEL_EXPORTER_OTLP_TIMEOUT": "2000", "OTEL_RUST_SHUTDOWN_TIMEOUT": "20000"}
        running = {
            name: stack.enter_context(sender(name, traces, pause, env={**fleet.environment(protocol, "none"), **own}))
            for name, (protocol, _) in SENDERS.items()
        }
        for trouble in troubles:
            time.sleep(5)
            trouble(fleet)
        for program in running.values():
            program.process.wait(programs.LIMIT)
            program.finish()
        # Gateways hold spans in memory until their decision.
        delivered = sum(program.json("stdout")[0]["traces"]["delivered"] for program in running.values())
        arrived = SpansOfTraces(fleet.receiver)
        fleet.receiver.wait_for(lambda: sum(map(len, arrived().values())) >= delivered, f"{delivered} spans")
        said = "\n".join(fleet.said_by_nginx + fleet.running["nginx"].lines["stderr"])
        for text in said_by_nginx:
            assert text in said, f"nginx has not said '{text}':\n{said[-2000:]}"
        telemetry = fleet.drain()

    outcome = []
    for name, program in running.items():
        ledger = program.json("stdout")[0]
        spans = {span["span_id"] for span in telemetry.of("traces", name)}
        records = {(r["time"], r["span_id"], r["body"]) for r in telemetry.of("logs", name)}
        for signal, came_out in (("traces", len(spans)), ("logs", len(records))):
            counts = ledger[signal]
            assert counts["accepted"] == sum(counts[key] for key in ("delivered", "rejected", "failed", "dropped")), counts
            assert counts["delivered"] <= came_out <= counts["delivered"] + counts["unanswered"], (name, signal, counts, came_out)
        for signal, counts in ledger.items():
            assert counts["delivered"] == counts["accepted"], (name, signal, counts, own_lines(program))
        assert checks.value(telemetry, name, "sender.traces") == traces
        outcome.append(f"{name} {ledger['traces']['delivered']} of {ledger['traces']['accepted']}")
    return f"ok (spans: {', '.join(outcome)})"


def own_lines(program):
    """Returns the log lines of the crate about delivery."""
    return [line for line in program.lines["stderr"] if '"target":"telemetry_bootstrap' in line]


def killed(name):
    """Fault: the program is killed, and another one is started in its place."""

    def trouble(fleet):
        fleet.kill(name)
        time.sleep(3)
        fleet.start(name)

    return trouble


def frozen(*names):
    """Fault: the programs are frozen; their connections stay open."""

    def trouble(fleet):
        for name in names:
            fleet.running[name].freeze()
        time.sleep(5)
        for name in names:
            fleet.running[name].thaw()

    return trouble


def recertified(first, second):
    """Fault: nginx is replaced by one with another certificate, and each side trusts the new one of the other only."""

    def trouble(fleet):
        fleet.certificates.renew()
        fleet.kill("nginx")
        for side in (first, second):
            fleet.certificates.hand_out(side)
            if side == "nginx":
                fleet.start("nginx")
            time.sleep(2)

    return trouble


def trace_id(number):
    """Returns the trace id that the sender makes from a number."""
    return f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"


def events(name, traces):
    """Returns how many records a sender logs inside its traces."""
    return traces + traces // 10 * (2 if name == "first" else 1)


def build():
    """Builds both Collectors, and returns why that is impossible, if it is."""
    missing = [tool for tool in ("go", "nginx") if shutil.which(tool) is None]
    if missing:
        return f"no {' and no '.join(missing)} here"
    for name, release in BUILDERS.items():
        directory = BUILT / name
        manifest = (EXAMPLES / f"{name}.builder.yaml").read_text()
        stamp = directory / "manifest.yaml"
        if stamp.exists() and stamp.read_text() == manifest:
            continue
        directory.mkdir(parents=True, exist_ok=True)
        own = directory / "own.yaml"
        own.write_text(manifest.replace(f"./build/{name}", str(directory)))
        begin = time.monotonic()
        builder = f"go.opentelemetry.io/collector/cmd/builder@{release}"
        done = subprocess.run(["go", "run", builder, "--config", own], capture_output=True, text=True)
        if done.returncode != 0:
            return f"the Collector cannot be built:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        stamp.write_text(manifest)
        print(f"built otelcol-{name} in {time.monotonic() - begin:.0f} s", flush=True)
    return None


TESTS = [
    whole_traces_come_out_of_agent_and_gateways,
    lines_of_each_preset_become_records,
    the_ledger_is_right_while_the_collector_is_killed_and_frozen,
    the_ledger_is_right_while_certificates_are_replaced,
]


def main(*names):
    reason = build()
    if reason:
        print(f"SKIPPED: {reason}")
        return
    programs.build_examples("collector_sender", features="zstd")
    for test in TESTS:
        if not names or test.__name__ in names:
            outcome = test() or "ok"
            print(f"{test.__name__.replace('_', ' ')}: {outcome}", flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
