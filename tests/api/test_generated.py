"""The committed messages are those of the committed `.proto`."""

from __future__ import annotations

import re
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from tempo_dask.api.pb import tempo_pb2
from tempo_dask.api.pb.__main__ import generate

SERIALIZED = re.compile(r"AddSerializedFile\((b'.*')\)")


def test_generated_code_is_fresh(tmp_path: Path) -> None:
    """Held by what the code describes: its text changes with the version of protoc."""
    assert generate(tmp_path) == 0
    [generated] = tmp_path.rglob("tempo_pb2.py")
    found = SERIALIZED.search(generated.read_text())
    assert found is not None
    fresh = FileDescriptorProto.FromString(eval(found[1]))
    committed = FileDescriptorProto()
    tempo_pb2.DESCRIPTOR.CopyToProto(committed)
    assert committed == fresh
