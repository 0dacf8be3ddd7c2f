"""Generate the messages anew: `python -m tempo_dask.ingest.receivers.pb` (needs grpcio-tools, of the extra `dev`)."""

from __future__ import annotations

import sys
from pathlib import Path

import grpc_tools  # type: ignore[import-untyped]  # it has no types
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[4]
SOURCES = sorted(Path(__file__).parent.glob("*.proto"))
WELL_KNOWN = Path(grpc_tools.__file__).with_name("_proto")


def generate(folder: Path) -> int:
    """Write the generated modules below `folder`; return protoc's exit status."""
    paths = [f"-I{ROOT}", f"-I{WELL_KNOWN}", f"--python_out={folder}", f"--pyi_out={folder}"]
    status = int(protoc.main(["protoc", *paths, *map(str, SOURCES)]))
    for source in SOURCES:
        types = folder / source.parent.relative_to(ROOT) / f"{source.stem}_pb2.pyi"
        types.write_text("# mypy: ignore-errors\n" + types.read_text())  # protoc's stubs are not strict
    return status


if __name__ == "__main__":
    sys.exit(generate(ROOT))
