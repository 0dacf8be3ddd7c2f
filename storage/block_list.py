"""What the commit log says at one entry: a tenant's blocks, and how far each node's write-ahead log is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from storage.sealed_json import DamagedDocument, seal, unseal

#: What the log keeps of a block: JSON with at least `id`. Small, for a list may have tens of thousands.
BlockRecord: TypeAlias = Mapping[str, Any]

#: What the log keeps of an erasure: JSON with `id`, `traces` (how many; which ones stands in an object beside the
#: log, which is deleted in the end), `grace_s` (how long readers of older lists may take) and `cleared`, the nodes
#: that have nothing of these traces outside of blocks any more.
ErasureRecord: TypeAlias = Mapping[str, Any]

#: Removed blocks are remembered so long, by the clocks of those who removed them.
REMOVED_KEPT_NS = 24 * 3600 * 10**9


@dataclass(frozen=True, slots=True)
class WalRange:
    """The closed range of a node's sequence numbers whose records, of one tenant, a commit puts into blocks."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            msg = f"expected a closed range of sequence numbers from 1 on, got {self.first} to {self.last}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One commit: blocks that come, blocks that go, and flushed numbers that move on, all at once.

    `hide` begins erasures, `cleared` names a node for some that go on, `erased` ends some.
    """

    number: int
    writer: str  # unique, so that who got no answer can tell whether an entry is its own
    written_ns: int
    add: Sequence[BlockRecord] = ()
    remove: Sequence[str] = ()
    flushed: Mapping[str, int] = field(default_factory=dict)
    hide: Sequence[ErasureRecord] = ()
    cleared: Mapping[str, str] = field(default_factory=dict)
    erased: Sequence[str] = ()

    def encode(self) -> bytes:
        """Return the entry as it is stored."""
        erasing = {
            "hide": [dict(erasure) for erasure in self.hide],
            "cleared": dict(self.cleared),
            "erased": list(self.erased),
        }
        return seal(
            {
                "number": self.number,
                "writer": self.writer,
                "written_ns": self.written_ns,
                "add": [dict(block) for block in self.add],
                "remove": list(self.remove),
                "flushed": dict(self.flushed),
                **{name: found for name, found in erasing.items() if found},
            }
        )

    @classmethod
    def decode(cls, key: str, data: bytes) -> LogEntry:
        """Undo `encode`. Raises DamagedDocument, UnknownVersion."""
        try:
            return cls(**unseal(key, data))
        except TypeError as error:
            raise _misshapen(key, error) from error


@dataclass(frozen=True, slots=True)
class BlockList:
    """A tenant's blocks by id as of entry `number` (0: before the first). It does not change.

    `flushed` says for each node up to which sequence number this tenant's records are in these blocks (or in those
    they were compacted into): a live source answers for everything behind it. `removed` remembers for a while when
    blocks left the list, in nanoseconds, so that their files outlive the readers of older lists.

    No reader may show traces of the erasures `hidden`. `hid_at` is the last entry that began one: whoever adds a
    block must have known of it.
    """

    number: int = 0
    blocks: Mapping[str, BlockRecord] = field(default_factory=dict)
    flushed: Mapping[str, int] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)
    hidden: Mapping[str, ErasureRecord] = field(default_factory=dict)
    hid_at: int = 0

    def apply(self, entry: LogEntry) -> BlockList:
        """Return the list behind the next entry."""
        blocks = dict(self.blocks)
        for block_id in entry.remove:
            blocks.pop(block_id, None)
        blocks.update((block["id"], block) for block in entry.add)
        flushed = dict(self.flushed)
        for node, seq in entry.flushed.items():
            flushed[node] = max(seq, flushed.get(node, 0))
        oldest_ns = entry.written_ns - REMOVED_KEPT_NS
        removed = {block_id: at for block_id, at in self.removed.items() if at >= oldest_ns}
        removed.update(dict.fromkeys((*entry.remove, *entry.erased), entry.written_ns))
        return BlockList(
            entry.number,
            MappingProxyType(blocks),
            MappingProxyType(flushed),
            MappingProxyType(removed),
            MappingProxyType(self._hidden_behind(entry)),
            entry.number if entry.hide else self.hid_at,
        )

    def _hidden_behind(self, entry: LogEntry) -> dict[str, ErasureRecord]:
        hidden = {**self.hidden, **{erasure["id"]: erasure for erasure in entry.hide}}
        for erasure_id, node in entry.cleared.items():
            erasure = hidden[erasure_id]
            hidden[erasure_id] = {**erasure, "cleared": [*erasure["cleared"], node]}
        for erasure_id in entry.erased:
            del hidden[erasure_id]
        return hidden

    def encode(self) -> bytes:
        """Return the list as a checkpoint."""
        return seal(
            {
                "number": self.number,
                "blocks": [dict(block) for block in self.blocks.values()],
                "flushed": dict(self.flushed),
                "removed": dict(self.removed),
                "hidden": [dict(erasure) for erasure in self.hidden.values()],
                "hid_at": self.hid_at,
            }
        )

    @classmethod
    def decode(cls, key: str, data: bytes) -> BlockList:
        """Undo `encode`. Raises DamagedDocument, UnknownVersion."""
        fields = unseal(key, data)
        try:
            blocks = {block["id"]: block for block in fields["blocks"]}
            flushed, removed = dict(fields["flushed"]), dict(fields["removed"])
            hidden = {erasure["id"]: erasure for erasure in fields.get("hidden", ())}
            return cls(
                fields["number"],
                MappingProxyType(blocks),
                MappingProxyType(flushed),
                MappingProxyType(removed),
                MappingProxyType(hidden),
                fields.get("hid_at", 0),
            )
        except (TypeError, KeyError, ValueError) as error:
            raise _misshapen(key, error) from error


def _misshapen(key: str, error: Exception) -> DamagedDocument:
    return DamagedDocument(f"{key} does not hold the fields that it should: {error!r}")
