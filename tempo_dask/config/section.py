"""What sections of the configuration are made of."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tempo_dask.errors import TempoDaskError

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


class ConfigError(TempoDaskError):
    """The configuration cannot be used; the message says where and why."""


#: What 64 bits of nanoseconds hold.
LONGEST = timedelta(microseconds=(1 << 63) // 1000)


def parse_duration(value: object) -> object:
    """Return a duration as Go writes it (`1h30m`, `500ms`, `0`) as a timedelta, anything else as it is."""
    if value in (0, "0"):
        return timedelta()
    if not isinstance(value, str):
        return value
    parts = _DURATION_PART.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        msg = f"expected a duration such as 30s or 1h30m, found {value!r}"
        raise ValueError(msg)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > LONGEST.total_seconds():
        msg = f"expected a duration of at most 292 years, found {value!r}"
        raise ValueError(msg)
    return timedelta(seconds=seconds)


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """A mapping of the file. A key without a value is as good as no key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}
        return {} if data is None else data


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT; an empty host is every interface. Raises ConfigError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        msg = f"expected HOST:PORT, for example 127.0.0.1:3200, found {address!r}"
        raise ConfigError(msg)
    return host.strip("[]"), int(port)
