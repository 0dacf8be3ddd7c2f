"""`tempo-dask blocks`: look at stored blocks, check, compact, expire, erase them, and convert Tempo's."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tempo_dask.errors import TempoDaskError
from traceql import TraceQLError

if TYPE_CHECKING:
    from storage.columns import ColumnMeta
    from tempo_dask.cli.block_tool import BlockTool, Listed
    from tempo_dask.maintenance.compaction import Compacted
    from tempo_dask.maintenance.retention import Deleted

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Look at stored blocks, check, compact, expire, convert them, and erase traces.

Works on the store itself: no server has to run, and one may. Say where the store is by `--data-dir` (as for
`serve`), or by `--config` with the file that the server has.""",
)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Configuration in Tempo's YAML: `storage.trace`.")
]
DataDir = Annotated[Path, typer.Option(metavar="DIR", help="The server's folder; blocks lie below it.")]
Tenant = Annotated[str | None, typer.Option(metavar="NAME", help="One tenant only. Default: all.")]
BlockIds = Annotated[list[str] | None, typer.Argument(metavar="[BLOCK]...", help="Ids of blocks. Default: all.")]
Threads = Annotated[int, typer.Option(min=1, metavar="N", help="How many blocks are worked on side by side.")]
DATA = Path("data")

_LIST_EPILOG = """**Examples**

`tempo-dask blocks list` shows all blocks below ./data

`tempo-dask blocks list --config tempo.yaml --json | jq .id` for scripts: a line of JSON per block
"""


@app.command("list", epilog=_LIST_EPILOG)
def list_blocks(
    config_file: ConfigFile = None,
    data_dir: DataDir = DATA,
    tenant: Tenant = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON per block.")] = False,
) -> None:
    """List blocks, ours and those that Tempo wrote: newest first."""
    with _tool(config_file, data_dir) as tool:
        found = [listed for name in tool.tenants(tenant) for listed in tool.listed(name)]
    if as_json:
        for listed in found:
            typer.echo(json.dumps(asdict(listed)))
        return
    _console().print(_table(found))


@app.command(epilog="**Example**\n\n`tempo-dask blocks inspect a8318d9f-437e-4ccc-b86b-e745943b1c47`")
def inspect(
    block: Annotated[str, typer.Argument(metavar="BLOCK", help="A block's id.", show_default=False)],
    config_file: ConfigFile = None,
    data_dir: DataDir = DATA,
    tenant: Tenant = None,
) -> None:
    """Show a block: what it holds, and its attributes with how often and which values they have."""
    with _tool(config_file, data_dir) as tool:
        listed, columns = tool.inspect(block, tenant)
    console = _console()
    for name, value in _described(listed).items():
        console.print(f"{name:>8}  {value}", markup=False, highlight=False)
    table = Table("attribute", "rows", "values", box=None, pad_edge=False)
    for name, column in sorted(columns.items(), key=lambda item: (-item[1].count, item[0])):
        table.add_row(name, f"{column.count:,}", _values(column))
    console.print()
    console.print(table)


@app.command(epilog="**Example**\n\n`tempo-dask blocks verify --tenant single-tenant` ends with status 1 for damage")
def verify(
    blocks: BlockIds = None, config_file: ConfigFile = None, data_dir: DataDir = DATA, tenant: Tenant = None
) -> None:
    """Read blocks wholly, byte by byte, and tell which files are not what was written. Status 1 if any is not."""
    wanted, checked, damaged = blocks or [], 0, 0
    with _tool(config_file, data_dir) as tool, _progress() as progress:
        for name in tool.tenants(tenant):
            listed = sum(not wanted or each.id in wanted for each in tool.listed(name))
            bar = progress.add_task(f"verifying {name}", total=listed)
            for found in tool.verify(name, wanted):
                progress.advance(bar)
                checked += 1
                damaged += bool(found.damage)
                for file, why in found.damage:
                    typer.echo(f"{name}/{found.id}/{file}: {why}".replace("/:", ":"))
    if wanted and not checked:
        _fail(f"there is no block {', '.join(wanted)}")
    typer.echo(f"{checked} blocks verified, {damaged} damaged")
    if damaged:
        raise typer.Exit(1)


@app.command(epilog="**Example**\n\n`tempo-dask blocks compact --max-time 600`")
def compact(
    config_file: ConfigFile = None,
    data_dir: DataDir = DATA,
    tenant: Tenant = None,
    max_time: Annotated[float, typer.Option(metavar="SECONDS", help="Begin nothing new after so long.")] = 3600.0,
    threads: Threads = 1,
) -> None:
    """Make larger blocks of small ones, as the server does in the background. Tempo's blocks are left alone."""
    made = failed = 0
    with _tool(config_file, data_dir) as tool, _progress() as progress:
        for name in tool.tenants(tenant):
            bar = progress.add_task(f"compacting {name}", total=None)

            def show(_: Compacted, planned: int, bar: int = bar) -> None:
                progress.update(bar, total=planned, advance=1)  # type: ignore[arg-type]  # a TaskID is an int

            results = tool.compact(name, max_time, threads, show)
            progress.update(bar, total=len(results), completed=len(results))
            for result in results:
                typer.echo(_told(name, result))
            made += sum(result.block is not None for result in results)
            failed += sum(result.error is not None for result in results)
    typer.echo(f"{made} blocks made")
    if failed:
        raise typer.Exit(1)


_EXPIRE_EPILOG = """**Examples**

`tempo-dask blocks expire --config tempo.yaml` says which blocks are older than `compactor.compaction.block_retention`

`tempo-dask blocks expire --older-than 720h --yes` keeps thirty days
"""


@app.command(epilog=_EXPIRE_EPILOG)
def expire(
    config_file: ConfigFile = None,
    data_dir: DataDir = DATA,
    tenant: Tenant = None,
    older_than: Annotated[
        str, typer.Option(metavar="DURATION", help="Default: the retention of the configuration, of each tenant.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without this nothing is changed.")] = False,
    threads: Threads = 4,
) -> None:
    """Take blocks off the list whose spans all arrived too long ago, as the server does in the background.

    What counts is when spans arrived, never their own times. No query that begins now reads these blocks. Their files
    stay for `compacted_block_retention`, an hour, since queries that run may read them: then the server deletes them,
    or this command when it is called again. Without `--yes`, say only which blocks are too old.
    """
    with _tool(config_file, data_dir) as tool, _progress() as progress:
        kept_ns = _nanoseconds(older_than) if older_than else None
        for name in tool.tenants(tenant):
            retention_ns = tool.retention(name) if kept_ns is None else kept_ns
            for listed in tool.expired(name, retention_ns):
                typer.echo(f"{name}/{listed.id}: {listed.spans:,} spans, {_size(listed.size_bytes)}")
            if yes:
                _expire(tool, name, retention_ns, threads, progress)
    if not yes:
        typer.echo("dry run: --yes takes these off the list")


def _expire(tool: BlockTool, tenant: str, retention_ns: int, threads: int, progress: Progress) -> None:
    """Expire the blocks of a tenant and delete what may go. Status 1 where some of it stays."""
    taken_off = tool.expire(tenant, retention_ns)
    bar = progress.add_task(f"deleting files of {tenant}", total=None)

    def show(_: Deleted, planned: int) -> None:
        progress.update(bar, total=planned, advance=1)

    results = tool.delete_unread(tenant, threads, show)
    failed = [result for result in results if result.error is not None]
    for result in failed:
        typer.echo(f"{tenant}/{result.block_id}: its files could not be deleted: {result.error}", err=True)
    typer.echo(f"{tenant}: {len(taken_off)} blocks expired, files of {len(results) - len(failed)} deleted")
    if failed:
        raise typer.Exit(1)


def _nanoseconds(duration: str) -> int:
    """Return a duration as Go writes it, `1h30m`, in nanoseconds."""
    parse = importlib.import_module("tempo_dask.config.section").parse_duration
    try:
        parsed = parse(duration)
    except ValueError as error:
        _fail(str(error))
    if not isinstance(parsed, timedelta) or parsed <= timedelta(0):
        _fail(f"expected a duration above 0, found {duration!r}")
    return parsed // timedelta(microseconds=1) * 1000


_CONVERT_EPILOG = """**Examples**

`tempo-dask blocks convert --config tempo.yaml` converts all that Tempo wrote

`tempo-dask blocks convert --data-dir /var/lib/tempo a8318d9f-437e-4ccc-b86b-e745943b1c47` converts one block
"""


@app.command(epilog=_CONVERT_EPILOG)
def convert(
    blocks: BlockIds = None, config_file: ConfigFile = None, data_dir: DataDir = DATA, tenant: Tenant = None
) -> None:
    """Convert blocks that Tempo wrote into our format: smaller, and read column by column.

    Stop it whenever you like: it goes on where it was. Meanwhile each span is answered exactly once. Tempo's blocks
    stay as they are, unless the configuration says `storage.trace.adopt_tempo_blocks: true`: then they are marked as
    compacted once they are converted, so that Tempo deletes them.
    """
    converted = 0
    with _tool(config_file, data_dir) as tool, _progress("traces") as progress:
        for name in tool.tenants(tenant):
            left = tool.unconverted(name, blocks or [])
            bar = progress.add_task(f"converting {name}", total=sum(traces for _, traces in left))
            for block, _ in left:
                for traces in tool.convert(name, block):
                    progress.advance(bar, traces)
                converted += 1
    typer.echo(f"{converted} blocks converted")


_ERASE_EPILOG = """**Examples**

`tempo-dask blocks erase --trace 0af7651916cd43dd8448eb211c80319c` says which blocks hold that trace

`tempo-dask blocks erase --query '{ span.user.id = "7" }' --yes` erases all traces of a user

`tempo-dask blocks erase --resume` finishes what was begun
"""


@app.command(epilog=_ERASE_EPILOG)
def erase(
    traces: Annotated[
        list[str] | None, typer.Option("--trace", metavar="ID", help="A trace id in hex; as often as you like.")
    ] = None,
    query: Annotated[str, typer.Option(metavar="TRACEQL", help="All traces in which a span matches.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without this nothing is changed.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Finish erasures that were begun.")] = False,
    config_file: ConfigFile = None,
    data_dir: DataDir = DATA,
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Whose traces.")] = "single-tenant",
    grace: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long queries that run now may go on reading old files.")
    ] = 60.0,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", help="Give up waiting after so long; the traces stay hidden.")
    ] = 600.0,
    without_node: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE", help="A node whose disk is gone for good, so that it is not waited for."),
    ] = None,
) -> None:
    """Erase whole traces for good. Without `--yes`, say only what would be erased.

    They are hidden from every new query at once, live spans too. Then blocks, write-ahead logs and cubes that hold
    them are rewritten, by this command and by the servers; "gone" is said when no file holds them any more. If that
    is not so in time, they stay hidden, the status is 1, and the servers go on (or `--resume`).

    What arrives of these traces before they are gone goes with them; what arrives later is new and is kept. A query
    finds traces in blocks: what a running server still holds in memory must be flushed before (`curl -X POST
    .../flush`). Nothing is ever erased from Tempo's own blocks: as long as one holds the traces, they are but hidden.
    """
    if (bool(traces), bool(query), resume).count(True) != 1:
        _fail("expected either --trace or --query, or --resume")
    with _tool(config_file, data_dir) as tool:
        if yes:
            tool.flush()
        if resume:
            tool.finish(tenant, list(tool.hidden(tenant)), wait, typer.echo, without_node or ())
            return
        wanted = tool.find_by_query(tenant, query) if query else [_trace_id(text) for text in traces or ()]
        if not wanted:
            typer.echo("no trace matches")
            return
        _tell_found(tool, tenant, wanted)
        if not yes:
            typer.echo("dry run: --yes erases them")
            return
        erasure_id = tool.hide(tenant, wanted, grace)
        typer.echo("hidden from all queries that begin now")
        tool.finish(tenant, [erasure_id], wait, typer.echo, without_node or ())


def _tell_found(tool: BlockTool, tenant: str, wanted: list[bytes]) -> None:
    """Say which blocks hold the traces."""
    found = tool.find_by_id(tenant, wanted)
    for block_id, count in found.items():
        typer.echo(f"{tenant}/{block_id}: {count:,} of the {len(wanted):,} traces")
    for block_id in tool.tempo_blocks_with(tenant, wanted):
        typer.echo(f"{tenant}/{block_id} is Tempo's and holds some of them: they are hidden, but it stays as it is")
    typer.echo(f"{len(found)} blocks hold them, and servers perhaps in memory")


def _trace_id(text: str) -> bytes:
    """Return the bytes of a trace id; leading zeros may be missing, as Tempo shows it."""
    if not re.fullmatch("[0-9a-fA-F]{1,32}", text):
        _fail(f"expected a trace id of up to 32 hex digits, found {text!r}")
    return bytes.fromhex(text.zfill(32))


@contextmanager
def _tool(config_file: Path | None, data_dir: Path) -> Iterator[BlockTool]:
    """Open the store; what fails ends the command with a message."""
    # Imported when it is needed: a second's worth of libraries that `--help` does without.
    errors = importlib.import_module("storage.errors")
    try:
        yield importlib.import_module("tempo_dask.cli.block_tool").BlockTool.open(config_file, data_dir)
    except (TempoDaskError, TraceQLError, errors.StorageError, OSError) as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1) from None


def _console() -> Console:
    """Return the terminal, or lines as long as they need to be where it is none."""
    console = Console()
    return console if console.is_terminal else Console(width=400)


def _progress(unit: str = "blocks") -> Progress:
    """Return a bar for the terminal; where there is none, nothing is shown."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)


def _table(found: list[Listed]) -> Table:
    table = Table("tenant", "block", "format", box=None, pad_edge=False)
    for name in ("spans", "traces", "size", "level"):
        table.add_column(name, justify="right")
    for name in ("start", "end", ""):
        table.add_column(name)
    for each in found:
        numbers = (f"{each.spans:,}", f"{each.traces:,}", _size(each.size_bytes), str(each.level))
        table.add_row(each.tenant, each.id, each.format, *numbers, _time(each.start_ns), _time(each.end_ns), each.note)
    return table


def _described(listed: Listed) -> dict[str, str]:
    return {
        "block": listed.id,
        "tenant": listed.tenant,
        "format": listed.format,
        "spans": f"{listed.spans:,} in {listed.traces:,} traces",
        "times": f"{_time(listed.start_ns)} to {_time(listed.end_ns)}",
        "size": f"{_size(listed.size_bytes)}, {listed.size_bytes / max(1, listed.spans):.1f} bytes per span",
        "level": str(listed.level),
        **({"note": listed.note} if listed.note else {}),
    }


def _values(column: ColumnMeta, shown: int = 5) -> str:
    if column.distinct is not None:
        texts = [json.dumps(value, ensure_ascii=False) for value in column.distinct[:shown]]
        more = len(column.distinct) - shown
        return ", ".join(texts) + (f" and {more} more" if more > 0 else "")
    return "many" if column.minimum is None else f"{column.minimum} to {column.maximum}"


def _told(tenant: str, result: Compacted) -> str:
    ids = " + ".join(result.inputs)
    if result.block is not None:
        return f"{tenant}: {ids} -> {result.block.id} ({result.block.source.span_count:,} spans)"
    return f"{tenant}: {ids} failed: {result.error}" if result.error else f"{tenant}: {ids}: not now"


def _time(ns: int) -> str:
    """Return a time to the second; times that no calendar has are numbers."""
    try:
        return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return str(ns)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
