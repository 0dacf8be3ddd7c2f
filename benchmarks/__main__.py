"""Run the benchmarks that exist, one after another, and print what each says: `python -m benchmarks [NAME...]`.

A benchmark is a module `bench_<name>.py` here with a function `main()`, which either prints its own lines or returns
rows of (what, value, unit) for the table. One that fails does not stop the others, but the exit status tells.
"""

from __future__ import annotations

import importlib
import pkgutil
import platform
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

PREFIX = "bench_"


def main(names: Sequence[str]) -> int:
    """Run the named benchmarks, or all; return the exit status."""
    console = Console()
    found = list(_found())
    if unknown := set(names) - set(found):
        console.print(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(found)}")
        return 2
    summary = Table("benchmark", "what", "value", "unit", title=_machine(), title_justify="left")
    failed = 0
    for name in names or found:
        console.rule(name)
        failed += not _run(name, summary)
    console.print(summary)
    return min(failed, 1)


def _found() -> Iterator[str]:
    for module in sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])):
        if module.startswith(PREFIX):
            yield module.removeprefix(PREFIX)


def _run(name: str, summary: Table) -> bool:
    started = time.perf_counter()
    try:
        rows = importlib.import_module(f"benchmarks.{PREFIX}{name}").main() or ()
    except Exception:  # noqa: BLE001  # the others still run; the status tells
        traceback.print_exc()
        summary.add_row(name, "[red]failed[/red]", "", "")
        return False
    for what, value, unit in rows:
        summary.add_row(name, str(what), _short(value), str(unit))
    summary.add_row(name, "time taken", f"{time.perf_counter() - started:.1f}", "s", end_section=True)
    return True


def _short(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _machine() -> str:
    return f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
