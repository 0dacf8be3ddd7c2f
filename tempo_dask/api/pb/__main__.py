"""Generate the messages anew: `python -m tempo_dask.api.pb` (needs grpcio-tools, of the extra `dev`)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc  # type: ignore[import-untyped]  # it has no types
from opentelemetry.proto.trace.v1 import trace_pb2

ROOT = Path(__file__).resolve().parents[3]
SOURCE = Path(__file__).with_name("tempo.proto")
SOURCES = (SOURCE, Path(__file__).with_name("profile.proto"))


def _collect(file: FileDescriptor, into: dict[str, FileDescriptor]) -> None:
    for dependency in file.dependencies:
        _collect(dependency, into)
    into[file.name] = file


def otlp_descriptors() -> bytes:
    """Return what `tempo.proto` imports: opentelemetry-proto ships descriptors, not its .proto files."""
    files: dict[str, FileDescriptor] = {}
    _collect(trace_pb2.DESCRIPTOR, files)
    found = FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(found.file.add())
    return found.SerializeToString()


def generate(folder: Path) -> int:
    """Write the generated modules below `folder`; return protoc's exit status."""
    with tempfile.NamedTemporaryFile(suffix=".binpb") as imports:
        imports.write(otlp_descriptors())
        imports.flush()
        paths = [f"--descriptor_set_in={imports.name}", f"-I{ROOT}", f"--python_out={folder}", f"--pyi_out={folder}"]
        status = int(protoc.main(["protoc", *paths, *map(str, SOURCES)]))
    for source in SOURCES:
        types = folder / source.parent.relative_to(ROOT) / f"{source.stem}_pb2.pyi"
        types.write_text("# mypy: ignore-errors\n" + types.read_text())  # protoc's stubs are not strict
    return status


if __name__ == "__main__":
    sys.exit(generate(ROOT))
