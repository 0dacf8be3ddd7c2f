"""`tempo-dask traceql`: look at a query without a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from traceql import TraceQLError
from traceql import command as traceql

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Check, format or explain a TraceQL query, without a server.",
)

Query = Annotated[str, typer.Argument(metavar="'QUERY'", help="TraceQL; quote it for the shell.", show_default=False)]


@app.command()
def check(query: Query) -> None:
    """Say what is wrong with a query, and where; the status is 0 if nothing is.

    Example: `tempo-dask traceql check '{ duration > 2s && status = error }'`
    """
    if complaint := traceql.check(query):
        typer.echo(complaint, err=True)
        raise typer.Exit(1)
    typer.echo("ok")


@app.command("format")
def format_query(query: Query) -> None:
    """Print a query in its canonical form.

    Example: `tempo-dask traceql format '{.http.method="GET"}|rate()'`
    """
    _print(traceql.format_text, query)


@app.command()
def explain(query: Query) -> None:
    """Show how a query is read: its tree, its simplified form, and what it asks of spans.

    Example: `tempo-dask traceql explain '{ name = "GET /" } >> { status = error }'`
    """
    _print(traceql.explain, query)


def _print(tell: Callable[[str], str], query: str) -> None:
    try:
        typer.echo(tell(query))
    except TraceQLError:
        typer.echo(traceql.check(query), err=True)
        raise typer.Exit(1) from None
