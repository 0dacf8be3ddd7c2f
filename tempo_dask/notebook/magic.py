"""`%%traceql`: a cell that is a query. `%load_ext tempo_dask` brings it, and completion of attributes in such cells."""

from __future__ import annotations

import shlex
from html import escape
from typing import Any

from IPython.core.completer import SimpleCompletion, context_matcher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from tempo_dask.errors import TempoDaskError
from tempo_dask.notebook.api_store import ApiStore
from tempo_dask.notebook.completion import completions, word_before
from tempo_dask.notebook.store import Store
from traceql import TraceQLError, parse
from traceql.advice import advise

MAGIC = "%%traceql"
USAGE = """%%traceql [STORE] [--spans] [--limit N] [--out NAME]

The cell is a query: of a search the newest traces are shown (`--limit`, 20), with --spans their spans, of a metrics
query the samples. STORE names a variable; without it the last store that was made is asked. --out keeps the answer in
a variable."""


class Refused:
    """An error that shows itself: what is wrong, where, and what was probably meant."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f'<pre style="border-left:3px solid #c62828;padding-left:8px;color:#c62828">{escape(self.text)}</pre>'


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Make `%%traceql` known to a notebook, and attributes to its completion: `%load_ext tempo_dask` calls this."""

    def traceql(line: str, cell: str) -> None:
        run_cell(shell, line, cell)

    traceql.__doc__ = USAGE
    shell.register_magic_function(traceql, "cell", "traceql")  # type: ignore[arg-type]  # decorated there as a method

    @context_matcher()  # type: ignore[untyped-decorator]
    def traceql_matcher(context: Any) -> dict[str, Any]:
        return matches(shell, context)

    known = shell.Completer.custom_matchers
    known[:] = [matcher for matcher in known if getattr(matcher, "__name__", "") != traceql_matcher.__name__]
    known.append(traceql_matcher)


def run_cell(shell: InteractiveShell, line: str, cell: str) -> None:
    """Answer a cell; an error of the query or of the store is shown, with the place in the text where there is one."""
    name, options = _options(line)
    store, text = _store(shell, name), cell.strip()
    try:
        found = _answer(store, text, options)
    except TraceQLError as error:
        found = Refused(advise(text, error))
    except TempoDaskError as error:
        found = Refused(str(error))
    else:
        if "out" in options:
            shell.push({options["out"]: found})  # type: ignore[no-untyped-call]
    display(found)  # type: ignore[no-untyped-call]


def matches(shell: InteractiveShell, context: Any) -> dict[str, Any]:
    """Return what completes the word before the cursor of a cell of TraceQL; of other cells nothing."""
    first, _, rest = context.full_text.partition("\n")
    if not first.startswith(MAGIC) or context.cursor_line == 0:
        return {"completions": [], "suppress": False}
    lines = rest.split("\n")[: context.cursor_line]
    before = "\n".join([*lines[:-1], lines[-1][: context.cursor_position]])
    store = _store(shell, _options(first.removeprefix(MAGIC))[0])
    word = word_before(before)
    found = [SimpleCompletion(text, type="traceql") for text in completions(store, word)]
    return {"completions": found, "matched_fragment": word, "suppress": True, "ordered": True}


def _answer(store: Store | ApiStore, text: str, options: dict[str, str]) -> Any:
    if parse(text).is_metrics:
        return store.metrics(text).T.to_pandas()
    if "spans" in options:
        return store.spans(text).head(int(options.get("limit", 20)), npartitions=-1)
    return store.search(text, limit=int(options.get("limit", 20)))


def _options(line: str) -> tuple[str, dict[str, str]]:
    """Return the name of the store, "" where there is none, and the options. Raises UsageError."""
    words, options, name = shlex.split(line), dict[str, str](), ""
    while words:
        match words:
            case ["--spans", *words]:
                options["spans"] = "yes"
            case ["--limit", count, *words] if count.isdecimal():
                options["limit"] = count
            case ["--out", variable, *words] if variable.isidentifier():
                options["out"] = variable
            case [word, *words] if not name and word.isidentifier():
                name = word
            case _:
                raise UsageError(f"{line.strip()} is not understood: {USAGE}")
    return name, options


def _store(shell: InteractiveShell, name: str) -> Store | ApiStore:
    variables = shell.user_ns
    if name:
        if isinstance(found := variables.get(name), Store | ApiStore):
            return found
        raise UsageError(f"{name} is no store: open one with open_store or connect")
    stores = [value for value in variables.values() if isinstance(value, Store | ApiStore)]
    if not stores:
        raise UsageError("there is no store yet: open one with open_store or connect")
    return stores[-1]
