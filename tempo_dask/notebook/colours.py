"""Colours of services: within a notebook the same service has the same colour in every drawing."""

from __future__ import annotations

import zlib

ERROR = "#c62828"
PALETTE = (
    "#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#76b7b2", "#9c755f", "#edc948", "#ff9da7", "#2f6f73", "#7a6fbe",
    "#c49a6c", "#3f9ad0", "#8cd17d", "#d37295", "#6b7a8f", "#b6992d", "#1b4f72", "#a0cbe8", "#86603a", "#5b8c5a",
)  # fmt: skip
_LIGHT = 0.55

_given: dict[str, str] = {}


def colour_of(service: str) -> str:
    """Return the colour of a service: by its name, or the next one that no other service has got before."""
    if service not in _given:
        first = zlib.crc32(service.encode()) % len(PALETTE)
        taken = set(_given.values())
        wanted = (*PALETTE[first:], *PALETTE[:first])
        _given[service] = next((colour for colour in wanted if colour not in taken), wanted[0])
    return _given[service]


def ink_on(colour: str) -> str:
    """Return the colour of text on a ground, `#rrggbb`: dark on light, white on dark."""
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return "#222222" if 0.299 * red + 0.587 * green + 0.114 * blue > _LIGHT else "#ffffff"
