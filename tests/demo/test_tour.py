"""The demo's parts that need no server: questions, shortened answers, ports, the data folder."""

from __future__ import annotations

import shlex
import socket
from pathlib import Path

import orjson
import pytest

from tempo_dask.demo.server import TEMPO_PORTS, DemoFailed, Ports, choose_ports, make_fresh, serving
from tempo_dask.demo.tour import CHARACTERS_SHOWN, LINES_SHOWN, Question, Tour, newest_trace, shorten


def test_a_curl_line_says_what_is_asked() -> None:
    question = Tour(100, 200).errors()
    words = shlex.split(question.curl("http://127.0.0.1:3200"))
    assert words[:3] == ["curl", "-sG", "http://127.0.0.1:3200/api/search"]
    assert [word for word in words[3:] if word != "--data-urlencode"] == [
        f"{name}={value}" for name, value in question.parameters.items()
    ]


def test_a_trace_is_asked_for_without_parameters() -> None:
    assert Tour(1, 2).trace("0af1").curl("http://h:1") == "curl -s http://h:1/api/v2/traces/0af1"


def test_short_answers_are_shown_whole() -> None:
    answer = {"traces": [], "metrics": {"inspectedBytes": "7"}}
    assert orjson.loads(shorten(answer)) == answer


def test_long_answers_say_what_was_left_out() -> None:
    assert orjson.loads(shorten({"series": list(range(10))})) == {"series": [0, 1, "... 8 more"]}
    assert orjson.loads(shorten({"text": "x" * 500})) == {"text": "x" * CHARACTERS_SHOWN + "..."}
    lines = shorten({str(number): number for number in range(200)}).splitlines()
    assert len(lines) == LINES_SHOWN + 1
    assert lines[-1] == f"... {202 - LINES_SHOWN} more lines"


def test_what_fits_on_a_line_stands_on_one() -> None:
    pair = {"key": "service.name", "value": {"stringValue": "payment"}}
    assert shorten(pair).count("\n") == 0
    assert shorten({"attributes": [pair, pair]}).count("\n") == 5
    assert orjson.loads(shorten({"attributes": [pair, pair]})) == {"attributes": [pair, pair]}


def test_a_search_without_traces_is_told() -> None:
    assert newest_trace({"traces": [{"traceID": "a"}, {"traceID": "b"}]}) == "a"
    with pytest.raises(DemoFailed, match="more --spans"):
        newest_trace({"traces": []})


def test_free_ports_are_taken_as_wanted_and_taken_ones_replaced() -> None:
    with socket.socket() as taken, socket.socket() as free:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free.bind(("127.0.0.1", 0))
        wanted = free.getsockname()[1]
        free.close()
        in_use = taken.getsockname()[1]
        chosen = choose_ports(Ports(in_use, wanted, 0, 0))
    assert chosen.http != in_use
    assert chosen.otlp_grpc == wanted
    assert chosen.http not in {0, wanted}


def test_the_ports_are_tempos() -> None:
    assert Ports(http=3200, otlp_grpc=4317, otlp_http=4318, grpc=9095) == TEMPO_PORTS


def test_a_former_demo_is_erased(tmp_path: Path) -> None:
    make_fresh(tmp_path / "demo")
    (tmp_path / "demo" / "store").mkdir()
    make_fresh(tmp_path / "demo")
    assert not (tmp_path / "demo" / "store").exists()


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(DemoFailed, match="did not make"):
        make_fresh(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "dear"


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    make_fresh(tmp_path / "demo")
    (tmp_path / "demo" / "store").write_text("a file where the folder should be")
    with pytest.raises(DemoFailed, match="the server ended with status 1"), serving(choose_ports(), tmp_path / "demo"):
        pytest.fail("it started")


def test_a_question_that_nobody_answers_is_told() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        question = Question("Anyone there?", "/ready", {})
        with pytest.raises(DemoFailed, match=r"was not answered: .*refused"):
            question.ask(f"http://127.0.0.1:{nobody.getsockname()[1]}")
