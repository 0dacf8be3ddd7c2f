"""The command line: `tempo-dask serve`, `load`, `bench`, `blocks`, `explain`, `traceql` and `version`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tempo_dask.cli import bench, blocks, traceql
from tempo_dask.cli.explain import explained
from tempo_dask.cli.flags import is_flags, read_flags
from tempo_dask.config import file as config
from tempo_dask.errors import TempoDaskError
from tempo_dask.load import load_files

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""A trace store and TraceQL engine that serves Grafana Tempo's API.

Start with `tempo-dask serve`, send spans to port 4317 (OTLP gRPC) or 4318 (OTLP HTTP), and point Grafana's
Tempo data source at port 3200.""",
)
app.add_typer(blocks.app, name="blocks")
app.add_typer(traceql.app, name="traceql")
app.command("bench", epilog=bench.EPILOG)(bench.bench)

_SERVE_EPILOG = """**Examples**

`tempo-dask serve` listens on Tempo's ports and keeps everything below ./data

`tempo-dask serve --data-dir /var/lib/tempo --otlp-grpc-address 0.0.0.0:4317` takes spans from other machines

`tempo-dask serve --http-address 127.0.0.1:0` takes a free port and says which

`tempo-dask serve --config tempo.yaml --scheduler tcp://scheduler:8786` runs queries on a Dask cluster

Then ask: `curl 'localhost:3200/api/search?q={status=error}'`
"""


@app.command(epilog=_SERVE_EPILOG)
def serve(
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Configuration in Tempo's YAML; its keys and defaults."),
    ] = None,
    data_dir: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Holds blocks, the write-ahead log, and nothing else is written anywhere."),
    ] = Path("data"),
    http_address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The query API. Default: port 3200 on every interface.")
    ] = None,
    grpc_address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="gRPC. Default: port 9095 on every interface.")
    ] = None,
    otlp_grpc_address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Takes spans by OTLP gRPC. Default: localhost:4317.")
    ] = None,
    otlp_http_address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Takes spans by OTLP HTTP. Default: localhost:4318.")
    ] = None,
    scheduler: Annotated[
        str, typer.Option(metavar="local|tcp://HOST:PORT", help="Where queries run: here, or on a Dask cluster.")
    ] = "local",
    target: Annotated[
        str | None, typer.Option(metavar="all|ingest|query|compact", help="What this process does. Default: all of it.")
    ] = None,
) -> None:
    """Run the server until it is told to stop (Ctrl-C or SIGTERM); it then exits with status 0.

    A port of 0 takes a free one. When everything listens, one line says where: `listening http=... grpc=...
    otlp_grpc=... otlp_http=...`. What was acknowledged survives any end of the process.
    """
    flags = {} if target is None else {"target": target}
    try:
        settings = config.with_addresses(
            config.load(config_file, flags=flags) if config_file else config.parse("", flags),
            http=http_address,
            grpc=grpc_address,
            otlp_grpc=otlp_grpc_address,
            otlp_http=otlp_http_address,
        )
        run_server(settings, data_dir, scheduler)
    except (TempoDaskError, OSError) as error:
        fail(str(error))


_LOAD_EPILOG = """**Examples**

`tempo-dask load spans.otlp.pb.gz`

`tempo-dask load --to http://collector:4318 monday.jsonl tuesday.jsonl.gz`
"""


@app.command(epilog=_LOAD_EPILOG)
def load(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recorded OTLP.", show_default=False)],
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The OTLP/HTTP endpoint.")] = "http://127.0.0.1:4318",
) -> None:
    """Send recorded spans to a server.

    A file holds OTLP as protobuf, as JSON, as a line of JSON per request, or as requests that each follow their
    length; any of them may be gzipped. What it is, its bytes tell.
    """
    try:
        report = load_files(files, to)
    except (TempoDaskError, OSError) as error:
        fail(str(error))
    if report.failed:
        raise typer.Exit(1)


_EXPLAIN_EPILOG = """**Examples**

`tempo-dask explain '{ status = error && span.http.method = "GET" }' --since 1h`

`tempo-dask explain '{ name = "GET /" } >> { status = error }' --start 1767225600 --end 1767229200`
"""


@app.command(epilog=_EXPLAIN_EPILOG)
def explain(
    query: Annotated[str, typer.Argument(metavar="'QUERY'", help="TraceQL; quote it.", show_default=False)],
    url: Annotated[str, typer.Option(metavar="URL", help="The server's query API.")] = "http://127.0.0.1:3200",
    start: Annotated[str, typer.Option(metavar="SECONDS", help="Start of the window.")] = "",
    end: Annotated[str, typer.Option(metavar="SECONDS", help="End of the window.")] = "",
    since: Annotated[str, typer.Option(metavar="DURATION", help="A window that ends now. Default: 15m.")] = "",
    limit: Annotated[str, typer.Option(metavar="N", help="Traces to find.")] = "",
    tenant: Annotated[str, typer.Option(metavar="ID", help="The tenant, where the server has several.")] = "",
) -> None:
    """Run a search on a server and show its stages, what was pruned and why, columns, bytes and times."""
    asked = {"q": query, "start": start, "end": end, "since": since, "limit": limit}
    try:
        typer.echo(explained(url, asked, tenant))
    except TempoDaskError as error:
        fail(str(error))


@app.command()
def version() -> None:
    """Say which version this is."""
    typer.echo(f"tempo-dask {installed_version('tempo-dask')} (python {sys.version.split()[0]})")


def fail(message: str) -> NoReturn:
    """End with a message and status 1."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)


def serve_flags(arguments: Sequence[str]) -> None:
    """Run the server with flags as Tempo has them; what is not given comes from the file."""
    try:
        flags = read_flags(arguments)
        if flags.version:
            version()
            return
        if flags.file is None:
            settings = config.parse("", flags.values)
        else:
            settings = config.load(flags.file, expand_env=flags.expand_env, flags=flags.values)
        for name in flags.without_effect:
            typer.echo(f"note: -{name} has no effect here", err=True)
        wal = settings.storage.trace.wal.path
        run_server(settings, Path("data") if wal is None else wal.parent, "local", check_only=flags.verify)
    except (TempoDaskError, OSError) as error:
        fail(str(error))


def run_server(settings: config.Config, data_dir: Path, scheduler: str, *, check_only: bool = False) -> None:
    """Serve, or say only that the configuration can be used; then a warning is an error."""
    for key in settings.without_effect:
        typer.echo(f"note: {key} has no effect here", err=True)
    for text in settings.warnings:
        typer.echo(f"warning: {text}", err=True)
    if check_only and settings.warnings:
        raise typer.Exit(1)
    if not check_only:
        # Imported when it is needed: a second's worth of libraries that the other commands do without.
        importlib.import_module("tempo_dask.service").serve(settings, data_dir, scheduler)


def main() -> None:
    """Run the command line: sub-commands, or flags as Tempo has them."""
    if not is_flags(sys.argv[1:]):
        app()
        return
    try:
        serve_flags(sys.argv[1:])
    except typer.Exit as end:
        sys.exit(end.exit_code)
