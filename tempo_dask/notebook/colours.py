"""Colours of services: the same service has the same colour in every drawing."""

from __future__ import annotations

import zlib

ERROR = "#c62828"
PALETTE = (
    "#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#76b7b2", "#9c755f", "#edc948", "#ff9da7", "#5b8c85", "#7a6fbe",
    "#a0795b", "#3f9ad0",
)  # fmt: skip


def colour_of(service: str) -> str:
    """Return the colour of a service."""
    return PALETTE[zlib.crc32(service.encode()) % len(PALETTE)]
