"""The same configuration file for Python's SDK and for our crate: what a receiver takes from both is compared. Then the
settings of every environment of settings.py are written as a file, which must mean the same to both.

A file names the ports of the receiver by the variables `HTTP_PORT` and `GRPC_PORT`.
"""

import copy
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
from concurrent import futures

import programs
import settings

OFFICIAL = programs.REPOSITORY / "tests/configuration/v1.1.0"
PORTS = {"HTTP_PORT": "{http}", "GRPC_PORT": "{grpc}"}


def http(signal, **options):
    return {"otlp_http": {"endpoint": f"http://127.0.0.1:${{HTTP_PORT}}/v1/{signal}", **options}}


def grpc(**options):
    return {"otlp_grpc": {"endpoint": "http://127.0.0.1:${GRPC_PORT}", **options}}


BASE = {
    "file_format": "1.1",
    "resource": {"attributes": [{"name": "service.name", "value": "compared"}]},
    "propagator": {"composite": [{"tracecontext": None}, {"baggage": None}]},
    "tracer_provider": {"processors": [{"simple": {"exporter": http("traces")}}]},
    "meter_provider": {"readers": [{"periodic": {"exporter": http("metrics")}}]},
    "logger_provider": {"processors": [{"simple": {"exporter": http("logs")}}]},
}


def case(name, change, **meant):
    """`change` changes the base file. `meant` is what we send where it differs on purpose."""
    document = copy.deepcopy(BASE)
    change(document)
    return name, json.dumps(document), meant


def section(name, key, *values, **meant):
    """One case for each value of a key of a section."""

    def change(value):
        def set_value(document):
            document.setdefault(name, {})[key] = value

        return set_value

    return [case(f"{name}.{key}: {json.dumps(value)}", change(value), **meant) for value in values]


def exporters(name, *all_options, of=http, **meant):
    """The same options for the exporters of all signals."""

    def change(options):
        def set_options(document):
            exporter = (lambda signal: of(signal, **options)) if of is http else (lambda signal: of(**options))
            document["tracer_provider"]["processors"] = [{"batch": {"exporter": exporter("traces")}}]
            document["meter_provider"]["readers"] = [{"periodic": {"exporter": exporter("metrics")}}]
            document["logger_provider"]["processors"] = [{"batch": {"exporter": exporter("logs")}}]

        return set_options

    return [case(f"{name} {json.dumps(options)}", change(options), **meant) for options in all_options]


def metrics(*all_options):
    def change(options):
        def set_options(document):
            document["meter_provider"]["readers"] = [{"periodic": {"exporter": http("metrics", **options)}}]

        return set_options

    return [case(f"metrics {json.dumps(options)}", change(options)) for options in all_options]


def view(stream, **selector):
    def change(document):
        document["meter_provider"]["views"] = [{"selector": selector, "stream": stream}]

    return case(f"view {json.dumps([selector, stream])}", change)


def attributes(*values):
    service = {"name": "service.name", "value": "compared"}
    return [service, *[{"name": f"a{number}", **value} for number, value in enumerate(values)]]


# The specification ("Attribute Limits"): the general limit holds where there is none of the model. Python has it for
# the attributes of spans alone.
def general_limit(count):
    return {"span.event attributes": min(count, 140), "span.link attributes": min(count, 140)}


# `headers_list` has the form of the variable, which is percent-encoded. Python sends it as it is written.
DECODED = {f"{signal}.headers": {"x-a": "1", "x-b": "b c"} for signal in ("traces", "metrics", "logs")}


def root(sampler):
    return {"parent_based": {"root": sampler}}


CASES = [
    case("the base file", lambda document: None),
    case("disabled", lambda document: document.update(disabled=True)),
    *[
        case(f"no {name}", lambda document, name=name: document.pop(name))
        for name in BASE
        if name not in ("file_format", "resource")
    ],
    *section("attribute_limits", "attribute_count_limit", 0, **general_limit(0), **{"span.longest of events": 0}),
    *section("attribute_limits", "attribute_count_limit", 7, **general_limit(7)),
    *section("attribute_limits", "attribute_count_limit", 200, **general_limit(200)),
    *section("attribute_limits", "attribute_value_length_limit", 0, 7, 200),
    *section(
        "tracer_provider",
        "limits",
        *[{name: 7} for name in ("attribute_count_limit", "event_count_limit", "link_count_limit")],
        *[{name: 7} for name in ("event_attribute_count_limit", "link_attribute_count_limit")],
        *[{"attribute_count_limit": 0}, {"event_count_limit": 0}, {"link_count_limit": 0}],
    ),
    *section("logger_provider", "limits", {"attribute_count_limit": 7}, {"attribute_value_length_limit": 7}),
    *section(
        "tracer_provider",
        "sampler",
        *[{"always_on": None}, {"always_off": {}}, {"trace_id_ratio_based": {"ratio": 0}}],
        *[{"trace_id_ratio_based": {"ratio": 1}}, {"trace_id_ratio_based": None}],
        *[root({"always_off": None}), root({"trace_id_ratio_based": {"ratio": 0.0}}), {"parent_based": None}],
    ),
    *section(
        "propagator",
        "composite",
        *[[{name: None}] for name in ("tracecontext", "baggage", "b3", "b3multi")],
        [{"baggage": {}}, {"b3": {}}],
    ),
    *section("propagator", "composite_list", "b3", "tracecontext,b3multi", "none"),
    *section(
        "resource",
        "attributes",
        attributes({"value": "x"}, {"value": True}, {"value": 7}, {"value": 1.5}),
        attributes({"value": 3, "type": "double"}, {"value": ["x", "y"], "type": "string_array"}),
        attributes({"value": [1, 2], "type": "int_array"}, {"value": [True], "type": "bool_array"}),
        attributes({"value": "${UNSET:-by default}"}, {"value": "$${HTTP_PORT}"}, {"value": "a${UNSET}b"}),
    ),
    *section("resource", "attributes_list", "a=b,c=d%20e", "service.name=listed,a=b"),
    *exporters(
        "HTTP",
        {"headers": [{"name": "x-a", "value": "1"}, {"name": "x-b", "value": "b c"}]},
        {"headers_list": "x-a=1,x-b=bc"},
        {"headers": [{"name": "x-a", "value": "1"}], "headers_list": "x-a=2,x-b=3"},
        *[{"compression": "gzip"}, {"compression": "none"}, {"timeout": 5000}, {"encoding": "protobuf"}],
    ),
    *exporters("HTTP", {"headers_list": "x-a=1,x-b=b%20c"}, **DECODED),
    *exporters(
        "gRPC", {}, {"compression": "gzip"}, {"headers": [{"name": "x-a", "value": "1"}]}, {"tls": {}}, of=grpc
    ),
    *metrics(
        *[{"temporality_preference": name} for name in ("cumulative", "delta", "low_memory")],
        {"default_histogram_aggregation": "base2_exponential_bucket_histogram"},
        {"default_histogram_aggregation": "explicit_bucket_histogram"},
    ),
    view({"name": "renamed", "description": "described"}, instrument_name="size"),
    view({"aggregation": {"drop": None}}, instrument_name="s*"),
    view({"aggregation": {"drop": None}}, instrument_type="counter"),
    view({"aggregation": {"drop": None}}, unit="By"),
    view({"aggregation": {"drop": None}}, instrument_name="size", meter_name="settings"),
    view({"aggregation": {"drop": None}}, instrument_name="size", meter_name="other"),
    view({"aggregation": {"explicit_bucket_histogram": {"boundaries": [1, 2.5]}}}, instrument_name="size"),
    view({"aggregation": {"base2_exponential_bucket_histogram": {"max_scale": 3}}}, instrument_name="size"),
    view({"aggregation": {"sum": None}}, instrument_name="size"),
    view({"attribute_keys": {"included": ["other"]}}, instrument_name="requests"),
]


def official():
    """The official files. They name certificates that are not there."""
    for path in sorted([*OFFICIAL.glob("examples/*.yaml"), *OFFICIAL.glob("snippets/*.yaml")]):
        if path.name in NOT_COMPARED:
            continue
        lines = [line for line in path.read_text().splitlines() if "_file: /" not in line and line.strip() != "tls:"]
        text = "\n".join(lines).replace("insecure: false", "insecure: true")
        if "detectors:" not in text and "resource:" not in text:
            text += '\nresource: {attributes: [{name: service.name, value: compared}]}'
        text = text.replace("http://localhost:4318}", "}")
        for port, variable in (("4318", "HTTP_PORT"), ("4317", "GRPC_PORT")):
            text = text.replace(f"localhost:{port}", f"127.0.0.1:${{{variable}}}")
        yield path.name, text, {}


def run(command, text, **variables):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "otel.yaml")
        path.write_text(text)
        return settings.run(command, {**PORTS, **variables, "OTEL_CONFIG_FILE": str(path)})


def run_official(command, text):
    return run(command, text, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:{http}")


def differences(name, found, right):
    different = sorted(key for key in {*found, *right} if found.get(key) != right.get(key))
    return [f"{name}: {key} is {found.get(key)}, not {right.get(key)}" for key in different]


OURS = [programs.built("settings_peer")]
PYTHON = [sys.executable, programs.HERE / "settings_peer.py"]


def a_file_means_the_same_as_in_python():
    if not importlib.util.find_spec("opentelemetry.configuration"):
        return "SKIPPED: opentelemetry-configuration not installed (pip install -r interop/requirements.txt)"
    cases = [*CASES, *official()]
    with futures.ThreadPoolExecutor(max_workers=settings.AT_ONCE) as pool:
        runs = [
            (name, meant, pool.submit(run_official, OURS, text), pool.submit(run_official, PYTHON, text))
            for name, text, meant in cases
        ]
        problems = []
        for name, meant, our, theirs in runs:
            (found, log), (expected, other_log) = our.result(), theirs.result()
            different = differences(name, found, {**expected, **meant})
            problems += [*different, log, other_log] if different else []
    assert not problems, "\n" + "\n".join(problems)
    return f"ok, {len(cases)} files"


def written(environment):
    """What a receiver takes in an environment, and what it takes under the file that we write of it, which must be one
    for Python, too."""
    expected, _ = settings.run(OURS, environment)
    with settings.Receiver() as receiver:
        filled = {key: value.format(**receiver.ports) for key, value in environment.items()}
        printed = subprocess.run(
            [*OURS, "print"], env=programs.environment(filled), capture_output=True, text=True, timeout=programs.LIMIT
        )
    assert printed.returncode == 0, printed.stderr
    text = printed.stdout
    for name, port in receiver.ports.items():
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:${{{name.upper()}_PORT}}")
    # References of the file count, no other variable.
    found, log = run(OURS, text, **environment, **TO_BE_SET)
    problem = python_refuses(text)
    if problem:
        found["Python"] = problem
    return expected, found, text + log


def python_refuses(text):
    """Returns what Python's reader, which checks the official schema, says of a file."""
    if not importlib.util.find_spec("opentelemetry.configuration"):
        return None
    from opentelemetry.configuration import load_config_file

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "otel.yaml")
        path.write_text(text)
        try:
            load_config_file(str(path))
        except Exception as error:
            return str(error)
    return None


def an_environment_means_the_same_when_it_is_written_as_a_file():
    with futures.ThreadPoolExecutor(max_workers=settings.AT_ONCE) as pool:
        runs = [(shown, pool.submit(written, environment)) for environment, shown, _ in settings.CASES]
        problems = []
        for shown, result in runs:
            expected, found, log = result.result()
            meant = NO_SPANS if shown == {"OTEL_TRACES_EXPORTER": "none"} else {}
            different = differences(shown, found, {**expected, **meant})
            problems += [*different, log] if different else []
    assert not problems, "\n" + "\n".join(problems)
    return f"ok, {len(settings.CASES)} environments"


# A file asks for the values of headers that are in a variable with mistakes.
TO_BE_SET = {"OTLP_HEADER_X_A": "1"}
# A file cannot say that spans are made and not exported.
NO_SPANS = {"injected": ["baggage"], "record.traced": False}


# We refuse what has no effect here, Python ignores it.
REFUSED = (
    *["ExperimentalInstrumentation_kitchen_sink.yaml", "ExperimentalLoggerConfigurator_kitchen_sink.yaml"],
    *["ExperimentalMeterConfigurator_kitchen_sink.yaml", "ExperimentalTracerConfigurator_kitchen_sink.yaml"],
    *["Sampler_composite_rule_based_drop_redis_ping.yaml", "Sampler_probability_kitchen_sink.yaml"],
    *["Sampler_rule_based_kitchen_sink.yaml", "View_kitchen_sink.yaml"],
)
# Python has these in packages of their own: files of OTLP in JSON, Prometheus, detectors of the host and its container.
NOT_IN_PYTHON = (
    *[path.name for path in OFFICIAL.glob("snippets/ExperimentalOtlpFile*.yaml")],
    *["ExperimentalPrometheusMetricExporter_kitchen_sink.yaml", "Resource_kitchen_sink.yaml"],
    "otel-getting-started.yaml",
)
NOT_COMPARED = (*REFUSED, *NOT_IN_PYTHON)
TESTS = [a_file_means_the_same_as_in_python, an_environment_means_the_same_when_it_is_written_as_a_file]

if __name__ == "__main__":
    for test in TESTS:
        print(f"{test.__name__}: {test()}")
