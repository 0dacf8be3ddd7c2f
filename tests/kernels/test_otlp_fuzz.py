"""Whatever bytes come, the kernels agree with upb and touch nothing but their buffers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings

from tests.kernels.otlp_strategies import groups


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


RELAXED = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)


@settings(max_examples=60, deadline=None, suppress_health_check=RELAXED)
@given(groups)
def test_kernels_agree_with_upb_inside_guarded_memory(child: Child, bodies: list[bytes]) -> None:
    assert child.ask(bodies) == "ok"


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, suppress_health_check=RELAXED)
@given(groups)
def test_kernels_agree_with_upb_at_length(child: Child, bodies: list[bytes]) -> None:
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
