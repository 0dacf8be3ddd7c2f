"""Pages and metrics for operators, as a running server answers them."""

from __future__ import annotations

import gzip
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import yaml

from tempo_dask.api.pb.profile_pb2 import Profile
from tests.ingest.exchanges import exchanges_of
from tests.serving import ServerProcess

SECTIONS = ("version", "services", "endpoints", "runtime_config", "config")
#: What dashboards and alerts ask for, as far as there is something to tell before anything happened.
NAMES = (
    "tempo_build_info",
    "tempo_request_duration_seconds",
    "tempo_distributor_push_duration_seconds",
    "tempo_ingester_blocks_flushed_total",
    "tempo_ingester_failed_flushes_total",
    "tempo_ingester_flush_duration_seconds",
    "process_resident_memory_bytes",
)


def test_status_pages(server: ServerProcess) -> None:
    whole = server.ask("/status").text
    places = [whole.index(f"GET /status/{name}\n") for name in SECTIONS]
    assert places == sorted(places)
    for name in SECTIONS:
        assert server.ask(f"/status/{name}").text.startswith(f"GET /status/{name}\n")
    assert server.ask("/status/nothing").status == 404
    wrong = server.ask("/status/config", mode="bogus")
    assert (wrong.status, wrong.text) == (500, "unknown value for mode query parameter: bogus\nGET /status/config\n")
    assert server.ask("/status/usage-stats").text == "usage-stats is not enabled\n"
    assert server.ask("/status/overrides").content_type.startswith("text/html")
    assert "default overrides" in server.ask("/status/overrides/somebody").text


def test_the_configuration_is_told_three_ways(server: ServerProcess) -> None:
    told = {
        mode: yaml.safe_load(server.ask("/status/config", mode=mode).text.split("---\n")[1])
        for mode in ("diff", "defaults")
    }
    assert told["defaults"]["server"]["http_listen_port"] == 3200
    assert told["diff"]["server"]["http_listen_port"] == 0
    assert "compactor" not in told["diff"]


@pytest.mark.parametrize("name", ["ingester", "distributor", "compactor", "metrics-generator"])
def test_rings(server: ServerProcess, name: str) -> None:
    page = server.ask(f"/{name}/ring")
    assert (page.status, page.content_type) == (200, "text/html")
    assert "ACTIVE" in page.text
    assert server.ask("/memberlist").text == "This instance doesn't use memberlist."


def test_metrics_have_tempos_names(server: ServerProcess) -> None:
    server.ask("/api/echo")
    text = server.ask("/metrics").text
    assert [name for name in NAMES if f"# TYPE {name} " not in text] == []
    assert 'route="api_echo",status_code="200",ws="false"' in text


def test_a_role_that_there_is_not_is_refused_in_a_line() -> None:
    command = [sys.executable, "-m", "tempo_dask.cli", "-target=queriers"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "unrecognised module name: queriers" in done.stderr
    assert "Traceback" not in done.stderr


def test_profiles(server: ServerProcess) -> None:
    assert "profile" in server.ask("/debug/pprof/").text
    for name, seconds in (("goroutine", 1), ("profile", 1), ("heap", -1)):  # less than none is the usual time
        profile = Profile.FromString(gzip.decompress(server.ask(f"/debug/pprof/{name}", seconds=seconds).body))
        assert profile.sample_type, name
        assert profile.sample or name == "heap", name
    assert server.ask("/debug/pprof/goroutine", debug=2).text.startswith("thread ")


def test_what_python_cannot_profile_is_not_there(server: ServerProcess) -> None:
    for name in ("block", "mutex", "trace", "cmdline"):
        assert server.ask(f"/debug/pprof/{name}").status == 404


def test_pages_answer_as_recorded(server: ServerProcess, shared: Path) -> None:
    """Status and type, up to where spans are sent; pages that have nothing in that Tempo have something here."""
    differing = set()
    for exchange in takewhile(lambda one: one["path"] != "/v1/traces", exchanges_of(shared, "ops")):
        path, _, query = exchange["path"].partition("?")
        answer = server.ask(path, exchange["method"], **dict(parse_qsl(query)))
        wanted = (exchange.get("response_headers") or {}).get("content-type") or ""
        if (answer.status, answer.content_type) != (exchange["status"], wanted):
            differing.add(path)
    assert differing <= {"/distributor/ring", "/compactor/ring", "/debug/pprof/", "/metrics"}
