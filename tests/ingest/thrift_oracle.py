"""Jaeger's Thrift by thriftpy2: an encoder and a decoder that are not ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import thriftpy2
from thriftpy2.protocol.binary import TBinaryProtocol
from thriftpy2.protocol.compact import TCompactProtocol
from thriftpy2.thrift import TMessageType
from thriftpy2.transport import TMemoryBuffer

jaeger = thriftpy2.load(str(Path(__file__).with_name("jaeger.thrift")), module_name="jaeger_thrift")

PROTOCOLS = {"binary": TBinaryProtocol, "compact": TCompactProtocol}
Plain = dict[str, Any]


def write_batch(batch: Any) -> bytes:
    """Return a batch as it goes over HTTP."""
    buffer = TMemoryBuffer()
    protocol = TBinaryProtocol(buffer)
    protocol.write_struct(batch)
    return bytes(buffer.getvalue())


def write_datagram(batch: Any, protocol_name: str) -> bytes:
    """Return the call of `emitBatch` with a batch."""
    buffer = TMemoryBuffer()
    protocol = PROTOCOLS[protocol_name](buffer)
    protocol.write_message_begin("emitBatch", TMessageType.ONEWAY, 1)
    protocol.write_struct(jaeger.EmitBatchArgs(batch=batch))
    protocol.write_message_end()
    return bytes(buffer.getvalue())


def read_batch(body: bytes) -> Plain | None:
    """Return the batch that a body is, as plain values, or None where thriftpy2 refuses it."""
    buffer = TMemoryBuffer(body)
    return _read(lambda: _struct(TBinaryProtocol(buffer), jaeger.Batch()))


def read_datagram(datagram: bytes, protocol_name: str) -> Plain | None:
    """Return the batch of a call, as plain values, or None where thriftpy2 refuses it."""
    buffer = TMemoryBuffer(datagram)

    def read() -> Any:
        protocol = PROTOCOLS[protocol_name](buffer)
        name, _, _ = protocol.read_message_begin()
        return _struct(protocol, jaeger.EmitBatchArgs()).batch if name == "emitBatch" else None

    return _read(read)


def _struct(protocol: Any, into: Any) -> Any:
    protocol.read_struct(into)
    return into


def _read(read: Any) -> Plain | None:
    try:
        found = read()
    except Exception:  # noqa: BLE001  # whatever it raises, it refuses
        return None
    return None if found is None else plain(found)


def plain(value: Any) -> Any:
    """Return structs as dicts of the fields that are set."""
    if hasattr(value, "thrift_spec"):
        return {name: plain(field) for name, field in vars(value).items() if field is not None}
    return [plain(item) for item in value] if isinstance(value, list) else value
