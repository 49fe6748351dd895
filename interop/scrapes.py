"""A real Prometheus scrapes our service. Needs `prometheus` and `promtool` (Debian: package prometheus)."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import programs

ROUNDS = 3
# Requests of the method ProcessRequest; three more are in one stream.
CALLS_A_ROUND = 4
REQUESTS_A_ROUND = CALLS_A_ROUND + 3
CONFIGURATION = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
# Its messages about metrics without a description, and about names of the semantic conventions (process.thread.count).
STYLE = ("no help text", 'non-histogram and non-summary metrics should not have "_count" suffix')
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def a_real_prometheus_scrapes_our_service():
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        return "SKIPPED: no prometheus and promtool here (apt-get install prometheus)"
    port = programs.free_port()
    variables = {
        "OTEL_METRICS_EXPORTER": "prometheus",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
        "OTEL_RUST_BUILT_IN_METRICS": "process,tokio",
    }
    with programs.example("serve", "127.0.0.1:0", env=variables) as server:
        address = server_address(server)
        with programs.example("call", address, str(ROUNDS)) as client:
            client.finish()
        text = get(f"http://127.0.0.1:{port}/metrics")
        promtool_accepts(text)
        open_metrics = get(f"http://127.0.0.1:{port}/metrics", accept=OPEN_METRICS)
        assert open_metrics.endswith("\n# EOF\n") and "# TYPE target info" in open_metrics, open_metrics
        a_strict_reader_accepts(open_metrics)
        with tempfile.TemporaryDirectory() as directory:
            prometheus_stores_everything(pathlib.Path(directory), port, text)
        took = server.terminate()
    assert took < 2, f"the server took {took:.2f} s to end"


def promtool_accepts(text):
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    complaints = (checked.stdout + checked.stderr).splitlines()
    complaints = [line for line in complaints if not line.endswith(STYLE)]
    assert checked.returncode in (0, 3) and not complaints, "\n".join(complaints) + "\n" + text


def a_strict_reader_accepts(text):
    """The official client of Python reads OpenMetrics more strictly than Prometheus does."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) == len(lines), (len(samples), len(lines))


def prometheus_stores_everything(directory, port, text):
    configuration = directory / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(port=port))
    web = programs.free_port()
    command = [
        "prometheus",
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{web}",
    ]
    api = f"http://127.0.0.1:{web}/api/v1"
    with programs.Program(*command, env={}) as prometheus:
        wait_for(lambda: query(api, "up") == [1.0], "a scrape", prometheus)
        # The service is idle: a value of the text is the value that is stored.
        calls = 'sum(rpc_server_call_duration_seconds_count{rpc_method="myservice.MyService/ProcessRequest"})'
        assert query(api, calls) == [ROUNDS * CALLS_A_ROUND], query(api, calls)
        assert query(api, "sum(myservice_requests_total)") == [ROUNDS * REQUESTS_A_ROUND]
        quantile = "histogram_quantile(0.5, sum by (le) (rpc_server_call_duration_seconds_bucket))"
        assert 0 < query(api, quantile)[0] < 10, query(api, quantile)
        joined = 'count(myservice_requests_total * on(instance) group_left() target_info{service_name="my-rust-service"})'
        assert query(api, joined)[0] > 0
        samples = sum(1 for line in text.splitlines() if not line.startswith("#"))
        assert query(api, "scrape_samples_scraped{job='shop'}") == [samples], samples
        (target,) = json.loads(get(f"{api}/targets"))["data"]["activeTargets"]
        assert target["health"] == "up" and not target["lastError"], target
        metadata = json.loads(get(f"{api}/metadata"))["data"]
        kinds = {name: metadata[name][0]["type"] for name in ("rpc_server_call_duration_seconds", "target")}
        assert kinds == {"rpc_server_call_duration_seconds": "histogram", "target": "info"}, kinds
        prometheus.process.terminate()


def query(api, expression):
    parameters = urllib.parse.urlencode({"query": expression})
    try:
        answer = json.loads(get(f"{api}/query?{parameters}"))
    except (urllib.error.URLError, ConnectionError):
        return None
    return [float(series["value"][1]) for series in answer["data"]["result"]]


def get(url, accept="*/*"):
    request = urllib.request.Request(url, headers={"accept": accept})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read().decode()


def wait_for(condition, what, program):
    deadline = time.monotonic() + programs.LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"no {what} in\n" + "\n".join(program.all_lines())
        time.sleep(0.1)


def server_address(server):
    def started():
        return [line for line in server.json("stderr") if line["message"].startswith("Starting gRPC server")]

    line = server.wait_for(started, "line with its address")[0]
    return f"{line['server.address']}:{line['server.port']}"


TESTS = [a_real_prometheus_scrapes_our_service]

if __name__ == "__main__":
    programs.build_examples("grpc_service")
    for test in TESTS:
        print(f"{test.__name__.replace('_', ' ')}: {test() or 'ok'}")
