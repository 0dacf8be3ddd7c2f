"""A server with a believable shop's traces in it, and first answers: `python -m tempo_dask.demo`."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from tempo_dask.demo.server import TEMPO_PORTS, DemoFailed, Ports, choose_ports, make_fresh, serving
from tempo_dask.demo.shop import generate
from tempo_dask.demo.tour import NEXT, Question, Tour, newest_trace, shorten
from tempo_dask.load import send_requests
from tempo_dask.otlp_client import ExportRequest
from tempo_dask.recorded import count_spans

SECOND_NS = 10**9
HOUR_S = 3_600


def demo(
    spans: Annotated[int, typer.Option(min=1, help="How many spans the shop makes, over the last hour.")] = 30_000,
    data_dir: Annotated[Path, typer.Option(help="Erased and made anew; holds the server's data and its log.")] = Path(
        "demo-data"
    ),
    seed: Annotated[int, typer.Option(help="Another number makes another shop.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="End after the first answers.")] = False,
) -> None:
    """Start a server, load it with an hour of a made-up shop, ask it three questions, and stay up until Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # SIGINT may be ignored where a shell started us
        signal.signal(number, _interrupt)
    try:
        _run(spans, data_dir, seed, once)
    except KeyboardInterrupt:
        typer.echo(f"\nstopped; to serve the same spans again: tempo-dask serve --data-dir {data_dir / 'store'}")
    except DemoFailed as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def _run(spans: int, data_dir: Path, seed: int, once: bool) -> None:
    make_fresh(data_dir)
    typer.echo(f"data, made fresh: {data_dir} (the server's log is {data_dir / 'server.log'})")
    ports = choose_ports()
    _say_taken(ports)
    typer.echo("starting the server ...")
    with serving(ports, data_dir):
        end_ns = time.time_ns()
        _load(spans, end_ns, seed, ports)
        _show_around(ports, Tour(end_ns // SECOND_NS - HOUR_S, end_ns // SECOND_NS + 1))
        if once:
            return
        _say_next(ports)
        while True:  # a signal that comes just before a sleep waits for its end
            time.sleep(1)


def _load(spans: int, end_ns: int, seed: int, ports: Ports) -> None:
    typer.echo(f"sending an hour of the shop to {ports.otlp_url} ...")
    report = send_requests(_shop_requests(spans, end_ns, seed), spans, ports.otlp_url)
    if report.failed:
        raise DemoFailed(f"{report.failed} requests were not taken, the first because\n{report.errors[0]}")
    typer.echo(f"{report.spans:,} spans in {report.requests} requests are in")


def _shop_requests(spans: int, end_ns: int, seed: int) -> Iterator[ExportRequest]:
    sent = 0
    for body in generate(spans, end_ns=end_ns, span_of_time_ns=HOUR_S * SECOND_NS, seed=seed):
        count = count_spans(body)
        sent += count
        yield ExportRequest(body, count, "the shop", position=sent)


def _show_around(ports: Ports, tour: Tour) -> None:
    found = _show(tour.errors(), ports)
    _show(tour.trace(newest_trace(found)), ports)
    _show(tour.rates(), ports)


def _show(question: Question, ports: Ports) -> Any:
    started = time.perf_counter()
    answer = question.ask(ports.http_url)
    took_ms = (time.perf_counter() - started) * 1e3
    typer.secho(f"\n{question.asks}", bold=True)
    typer.echo(f"{question.curl(ports.http_url)}\n{shorten(answer)}\n({took_ms:.0f} ms)")
    return answer


def _say_taken(ports: Ports) -> None:
    for wanted, port in zip(astuple(TEMPO_PORTS), astuple(ports), strict=True):
        if port != wanted:
            typer.echo(f"port {wanted} is taken: using {port} instead")


def _say_next(ports: Ports) -> None:
    typer.secho("\nWhat to try next", bold=True)
    typer.echo(
        f"  Grafana: add a Tempo data source with the URL {ports.http_url}, and look at the last hour in Explore"
    )
    typer.echo(f"  your own spans: OTLP to 127.0.0.1:{ports.otlp_grpc} (gRPC) or {ports.otlp_url} (HTTP)")
    typer.echo("  what went wrong after the deploy? some queries on the way:")
    for query in NEXT:
        typer.echo(f"    {query}")
    typer.echo("\nCtrl-C stops the server.")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    typer.run(demo)
