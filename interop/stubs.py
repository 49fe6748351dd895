"""Generates the code of a .proto file in a temporary folder."""

import importlib
import pathlib
import sys
import tempfile

from grpc_tools import protoc

HERE = pathlib.Path(__file__).parent
MY_SERVICE = HERE.parent / "examples/grpc_service/proto/myservice.proto"
PEER = HERE / "peer.proto"


def load(proto=MY_SERVICE):
    """Returns the modules of the messages and of the service."""
    with tempfile.TemporaryDirectory() as out:
        arguments = ["protoc", f"-I{proto.parent}", f"--python_out={out}", f"--grpc_python_out={out}", proto.name]
        if protoc.main(arguments) != 0:
            raise SystemExit(f"{proto.name} does not compile")
        sys.path.insert(0, out)
        try:
            return importlib.import_module(f"{proto.stem}_pb2"), importlib.import_module(f"{proto.stem}_pb2_grpc")
        finally:
            sys.path.remove(out)
