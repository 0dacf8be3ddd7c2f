"""Times of questions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tempo_dask.errors import BadRequest

#: A time as people give it: without a time zone it is UTC; a text is ISO 8601.
Moment = datetime | str
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: A range query without a step has about so many intervals.
_STEPS = 60


def nanoseconds(moment: Moment | None, otherwise: int) -> int:
    """Return a moment as nanoseconds since 1970, exactly. Raises BadRequest for a text that is no time.

    >>> nanoseconds("2026-01-01T00:00:01Z", 0)
    1767225601000000000
    """
    if moment is None:
        return otherwise
    time = _parsed(moment) if isinstance(moment, str) else moment
    since = (time if time.tzinfo is not None else time.replace(tzinfo=UTC)) - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is no time: expected a datetime, or ISO 8601 such as 2026-01-31 or 2026-01-31T12:00:00Z"
        raise BadRequest(msg) from None


def utc(time_ns: int) -> str:
    """Return nanoseconds since 1970 as date and time, to the second.

    >>> utc(1_767_225_600 * 10**9)
    '2026-01-01 00:00:00'
    """
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S}"


def steps(start_ns: int, end_ns: int, step: timedelta | None) -> tuple[int, int, int]:
    """Return start and end, moved outwards to whole steps, and the step. Raises BadRequest where there is no time."""
    if end_ns <= start_ns:
        msg = "the end of the window must be after its start"
        raise BadRequest(msg)
    if step is None:
        step_ns = max((end_ns - start_ns) // _STEPS // 10**9, 1) * 10**9
    else:
        step_ns = (step.days * 86_400 + step.seconds) * 10**9 + step.microseconds * 1_000
    if step_ns <= 0:
        msg = "a step must be longer than nothing"
        raise BadRequest(msg)
    return start_ns // step_ns * step_ns, -(-end_ns // step_ns) * step_ns, step_ns
