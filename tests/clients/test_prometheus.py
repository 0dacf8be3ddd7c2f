"""A real Prometheus with `deploy/prometheus/`: it scrapes, records and computes alerts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from tests.ingest.numbered import body
from tests.serving import ServerProcess, free_port

DEPLOY = Path(__file__).parents[2] / "deploy" / "prometheus"
DOWNLOAD_S = 300
WAIT_S = 120.0
NAME = re.compile(r"\b(?:tempo|tempodb)_[a-z_]+\b")
#: Names that a process shows with the part that they count, which the server of these tests is without.
ABSENT = {
    "tempo_ingester_replay_errors_total",
    "tempo_overrides_user_configurable_overrides_reload_failed_total",
    "tempo_receiver_refused_spans",
    "tempo_runtime_config_last_reload_successful",
}

Found = TypeVar("Found")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with `prometheus` and `promtool`: installed, or from Debian's package; else a skip."""
    if (found := shutil.which("promtool")) and shutil.which("prometheus"):
        return Path(found).parent
    if (apt := shutil.which("apt-get")) is None or (dpkg := shutil.which("dpkg")) is None:
        pytest.skip("prometheus is not here")
    folder = tmp_path_factory.mktemp("prometheus")
    command = [apt, "download", "prometheus"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
    if done.returncode:
        pytest.skip(f"Debian's prometheus cannot be had: {done.stderr[-300:]}")
    [package] = folder.glob("*.deb")
    subprocess.run([dpkg, "-x", package, folder / "root"], check=True, timeout=DOWNLOAD_S)
    return folder / "root" / "usr" / "bin"


def soon(ask: Callable[[], Found | None]) -> Found:
    """Return what `ask` finds, asked again until it does."""
    deadline = time.monotonic() + WAIT_S
    while True:
        if found := ask():
            return found
        assert time.monotonic() < deadline, f"{ask} found nothing"
        time.sleep(0.2)


class Prometheus:
    """A running Prometheus on loopback."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, **parameters: str) -> Any:
        with urlopen(f"{self._url}{path}?{urlencode(parameters)}", timeout=WAIT_S) as answer:
            return json.loads(answer.read())["data"]

    def series(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("/api/v1/query", query=expression)["result"]
        return found

    def ready(self) -> bool:
        try:
            with urlopen(f"{self._url}/-/ready", timeout=WAIT_S) as answer:
                return bool(answer.status == 200)
        except URLError:
            return False


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, programs: Path, server: ServerProcess) -> Iterator[Prometheus]:
    """The configuration that we ship, with this server's ports and in a hurry."""
    folder = tmp_path_factory.mktemp("scraping")
    shutil.copy(DEPLOY / "rules.yaml", folder)
    config = (DEPLOY / "prometheus.yaml").read_text()
    for ours, here in {
        "localhost:3200": server.addresses["http"],
        "15s": "1s",
    }.items():
        assert ours in config
        config = config.replace(ours, here)
    (folder / "prometheus.yaml").write_text(config)
    port = free_port()
    process = subprocess.Popen(
        [
            programs / "prometheus",
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
    )
    try:
        running = Prometheus(port)
        soon(running.ready)
        yield running
    finally:
        process.terminate()
        process.wait(WAIT_S)


def test_what_we_ship_is_valid(programs: Path) -> None:
    command = [str(programs / "promtool"), "check", "config", str(DEPLOY / "prometheus.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_our_metrics_have_no_faults(programs: Path, server: ServerProcess) -> None:
    text = server.ask("/metrics").body
    done = subprocess.run(
        [str(programs / "promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert done.returncode in {0, 3}, done.stderr  # 3: a name that is Tempo's is not as promtool would have it


def test_scrapes(prometheus: Prometheus) -> None:
    def targets() -> list[dict[str, Any]]:
        return [each for each in prometheus.ask("/api/v1/targets")["activeTargets"] if each["health"] != "unknown"]

    [target] = soon(targets)
    assert (target["health"], target["lastError"]) == ("up", "")


def test_every_name_in_the_rules_is_scraped(prometheus: Prometheus, server: ServerProcess) -> None:
    rules = [rule for group in yaml.safe_load((DEPLOY / "rules.yaml").read_text())["groups"] for rule in group["rules"]]
    names = {name for rule in rules for name in NAME.findall(rule["expr"])}
    expected = names - ABSENT
    assert len(expected) > 10
    server.push(body(range(3)))
    server.flush()
    deadline = time.monotonic() + WAIT_S
    while absent := {name for name in expected if not prometheus.series(name)}:
        assert time.monotonic() < deadline, absent
        time.sleep(1)


def test_rules_are_computed_and_a_healthy_server_wakes_nobody(prometheus: Prometheus, server: ServerProcess) -> None:
    recorded = "cluster_namespace_job_route:tempo_request_duration_seconds:99quantile"

    def asked_and_recorded() -> list[dict[str, Any]]:
        server.ask("/api/search", q="{}")  # a quantile is that of the last minute's requests
        return prometheus.series(f'{recorded}{{route="api_search"}} >= 0')

    assert soon(asked_and_recorded)

    def evaluated() -> list[dict[str, Any]] | None:
        rules = [rule for group in prometheus.ask("/api/v1/rules")["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else None

    rules = soon(evaluated)
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    assert [rule["name"] for rule in rules if rule.get("state") == "firing"] == []
