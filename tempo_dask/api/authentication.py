"""Who may ask, where that is wanted: a bearer token or a name with a password, the same for HTTP and gRPC."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tempo_dask.errors import NotAuthenticated


@dataclass(frozen=True, slots=True)
class Credentials:
    """What lets a caller in: any of the tokens, or any of the users with their password."""

    tokens: Sequence[str] = ()
    passwords: Mapping[str, str] = field(default_factory=dict)

    def authenticate(self, authorizations: Sequence[str]) -> None:
        """Let who sent these values of `Authorization` pass. Raises NotAuthenticated."""
        if not any(self._knows(value) for value in authorizations):
            raise NotAuthenticated(", ".join(self._challenges()))

    def _knows(self, authorization: str) -> bool:
        scheme, _, value = authorization.partition(" ")
        match scheme.lower():
            case "bearer":
                return _is_one_of(value.strip(), self.tokens)
            case "basic":
                return _is_one_of(_decoded(value), [f"{name}:{secret}" for name, secret in self.passwords.items()])
            case _:
                return False

    def _challenges(self) -> list[str]:
        schemes = (("Bearer", self.tokens), ("Basic", self.passwords))
        return [f'{scheme} realm="tempo"' for scheme, known in schemes if known]


def _is_one_of(text: str, known: Sequence[str]) -> bool:
    """Compare with all, in a time that does not tell how much is alike."""
    found = False
    for one in known:
        found |= hmac.compare_digest(text.encode(), one.encode())
    return found


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
