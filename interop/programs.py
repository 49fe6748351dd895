"""Starts and ends the programs of the tests."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).parent
REPOSITORY = HERE.parent
LIMIT = 30


class Program:
    """A program whose lines are collected while it runs. It and all that it has started are killed at the end."""

    def __init__(self, *command, otlp=None, env=None):
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp} if otlp else {}
        variables.update(env or {})
        self.name = pathlib.Path(str(command[0])).name
        self.lines = {"stdout": [], "stderr": []}
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [str(part) for part in command],
            env=environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.readers = [threading.Thread(target=self._read, args=(name,)) for name in self.lines]
        for reader in self.readers:
            reader.start()

    def _read(self, name):
        for line in getattr(self.process, name):
            with self.changed:
                self.lines[name].append(line.rstrip("\n"))
                self.changed.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self.join()

    def kill(self):
        """Sends SIGKILL to the program, which runs, and to the processes that it has started."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def wait_for(self, find, what):
        """Returns the first true result of `find()`, which is called again for every line."""
        with self.changed:
            self.changed.wait_for(lambda: find() or self.process.poll() is not None, LIMIT)
            result = find()
        if not result:
            raise AssertionError(f"{self.name}: no {what} in\n" + "\n".join(self.all_lines()[-50:]))
        return result

    def all_lines(self):
        return self.lines["stdout"] + self.lines["stderr"]

    def json(self, name):
        return [json.loads(line) for line in self.lines[name]]

    def port(self):
        """From the first line of our Python programs."""
        return json.loads(self.wait_for(lambda: self.lines["stdout"][:1], "port")[0])["port"]

    def terminate(self):
        """Sends SIGTERM and returns the seconds that the end took."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.finish()
        return time.monotonic() - start

    def wait_until_listening(self, port):
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    lines = "\n".join(self.all_lines())
                    raise AssertionError(f"{self.name} does not listen on port {port}:\n{lines}") from None
                time.sleep(0.05)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def finish(self):
        code = self.process.wait(LIMIT)
        self.join()
        if code != 0:
            raise AssertionError(f"{self.name} ended with {code}:\n" + "\n".join(self.lines["stderr"][-20:]))

    def join(self):
        self.process.wait(LIMIT)
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()


def python(script, *arguments, **options):
    return Program(sys.executable, HERE / script, *arguments, **options)


def example(*arguments, **options):
    return built_program("grpc_service", *arguments, **options)


def our_peer(*arguments, **options):
    return built_program("grpc_peer", *arguments, **options)


def built_program(name, *arguments, **options):
    return Program(built(name), *arguments, **options)


def environment(variables):
    """Returns the environment of a program: nothing of telemetry and proxies but `variables`."""
    inherited = {key: value for key, value in os.environ.items() if not is_ours(key)}
    return {**inherited, **variables}


def is_ours(variable):
    return variable.startswith(("OTEL_", "RUST_LOG")) or variable.lower().endswith("_proxy")


def target():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))


def built(name):
    return target() / "debug/examples" / name


def build_examples(*names, features=""):
    examples = [f"--example={name}" for name in names]
    command = ["cargo", "build", "--locked", "--quiet", f"--features={features}", *examples]
    subprocess.run(command, cwd=REPOSITORY, check=True)


def free_port():
    """For a program that cannot choose for itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
