"""The code of myservice.proto, made anew in a temporary folder each time."""

import importlib
import pathlib
import sys
import tempfile

from grpc_tools import protoc

PROTO = pathlib.Path(__file__).parent.parent / "examples/grpc_service/proto"


def load():
    """Returns the modules of the messages and of the service."""
    with tempfile.TemporaryDirectory() as out:
        arguments = ["protoc", f"-I{PROTO}", f"--python_out={out}", f"--grpc_python_out={out}", "myservice.proto"]
        if protoc.main(arguments) != 0:
            raise SystemExit("myservice.proto does not compile")
        sys.path.insert(0, out)
        try:
            return importlib.import_module("myservice_pb2"), importlib.import_module("myservice_pb2_grpc")
        finally:
            sys.path.remove(out)
