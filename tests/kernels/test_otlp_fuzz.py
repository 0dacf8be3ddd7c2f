"""Whatever bytes come, the kernels agree with upb and touch nothing but their buffers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.ingest.exchanges import exchanges_of, sent_body
from tests.ingest.test_fuzz import SOAK, mutations
from tests.kernels.otlp_strategies import field, groups, varint


class Child:
    """The guarded process; a new one is started where the last one has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, bodies: Sequence[bytes]) -> str:
        if self._process is None:
            command = (sys.executable, "-m", "tests.kernels.otlp_guarded")
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(*(body.hex() for body in bodies), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline().rstrip("\n")
        if not answer:
            code = self.stop()
            return f"the process ended with {code}"
        return answer

    def stop(self) -> int:
        if self._process is None:
            return 0
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.stdout.close()  # type: ignore[union-attr]
        code = self._process.wait(30)
        self._process = None
        return code


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    process = Child()
    yield process
    process.stop()


#: Requests that are checked and decoded together.
GROUP = 200
RELAXED = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)


@settings(max_examples=60, deadline=None, suppress_health_check=RELAXED)
@given(groups)
def test_kernels_agree_with_upb_inside_guarded_memory(child: Child, bodies: list[bytes]) -> None:
    assert child.ask(bodies) == "ok"


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, suppress_health_check=RELAXED)
@given(groups)
def test_kernels_agree_with_upb_at_length(child: Child, bodies: list[bytes]) -> None:
    assert child.ask(bodies) == "ok"


@pytest.mark.parametrize("count", [400, pytest.param(SOAK, marks=pytest.mark.soak)])
def test_mutated_real_requests(child: Child, shared: Path, count: int) -> None:
    """Requests that clients sent, with bytes changed: alone and together they are what upb makes of them."""
    exchanges = exchanges_of(shared, "ingest-otlp")
    sent = [sent_body(exchange) or b"" for exchange in exchanges if "protobuf" in str(exchange["headers"])]
    messages = mutations([body for body in sent if 0 < len(body) < 4000], count)
    while group := list(islice(messages, GROUP)):
        assert child.ask(group) == "ok", group


PAIR = field(1, 2, b"key") + field(2, 2, field(1, 2, b"a value"))
ARRAY = field(1, 2, field(3, 0, b"\x01")) + field(1, 2, field(3, 0, b"\x80\x01"))
WHOLE = {
    "attribute": ((1, 2, 2, 9), PAIR),
    "attribute with a long value": ((1, 2, 2, 9), field(1, 2, b"k") + field(2, 2, field(1, 2, b"v" * 200))),
    "number": ((1, 2, 2, 9), field(1, 2, b"a key") + field(2, 2, field(3, 0, varint(1 << 60)))),
    "float": ((1, 2, 2, 9), field(1, 2, b"key") + field(2, 2, field(4, 1, bytes(range(8))))),
    "array": ((1, 2, 2, 9), field(1, 2, b"key") + field(2, 2, field(5, 2, ARRAY))),
    "array's content": ((1, 2, 2, 9, 2, 5), ARRAY),
    "resource": ((1, 1), field(1, 2, PAIR) + field(2, 0, varint(300))),
    "scope": ((1, 2, 1), field(1, 2, b"name") + field(2, 2, b"version") + field(3, 2, PAIR) + field(4, 0, b"\x01")),
    "span": ((1, 2, 2), field(5, 2, b"name") + field(7, 1, bytes(8)) + field(16, 5, b"\1\0\0\0") + field(9, 2, PAIR)),
    "event": ((1, 2, 2, 11), field(1, 1, bytes(8)) + field(2, 2, b"event") + field(3, 2, PAIR)),
    "link": ((1, 2, 2, 13), field(1, 2, bytes(16)) + field(2, 2, bytes(8)) + field(4, 2, PAIR) + field(6, 5, bytes(4))),
    "status": ((1, 2, 2, 15), field(2, 2, b"message") + field(3, 0, b"\x02")),
    "group": ((1, 2, 2), field(20, 3, b"") + PAIR + field(20, 4, b"")),
}
IDS = field(1, 2, bytes(range(16))) + field(2, 2, bytes(range(8)))


@pytest.mark.parametrize("name", WHOLE)
def test_messages_that_end_anywhere_at_the_end_of_the_input(child: Child, name: str) -> None:
    """Cut a message at each of its bytes while those around it are whole, and end right there."""
    path, content = WHOLE[name]
    bodies = []
    for size in range(len(content) + 1):
        body = content[:size]
        for depth in range(len(path), 0, -1):
            body = (IDS if path[:depth] == (1, 2, 2) else b"") + body
            body = field(path[depth - 1], 2, body)
        bodies.append(body)
    assert child.ask(bodies) == "ok"


def test_the_guard_kills_a_process_that_reads_beyond_its_input() -> None:
    code = (
        "import ctypes; from tests.kernels.otlp_guarded import Guarded; memory = Guarded(1); "
        "data = memory.place(b'x', at_end=True); ctypes.string_at(data.ctypes.data, 2)"
    )
    assert subprocess.run((sys.executable, "-c", code), check=False).returncode < 0


def test_a_canary_tells_a_write_beyond_an_output() -> None:
    from tests.kernels.otlp_guarded import CanaryNumpy

    numpy = CanaryNumpy()
    array = numpy.empty(3, "u1")
    array.base[3] = 0  # type: ignore[index]
    assert not numpy.is_alive()
