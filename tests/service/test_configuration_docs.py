"""The examples in the documentation are ones that the server takes, every key acting, and nothing to be warned of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tempo_dask.config import file as config

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]
EXAMPLES = [
    (page.relative_to(ROOT), text)
    for page in PAGES
    for text in re.findall(r"^```ya?ml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
]
#: Keys at the top of files that are not ours: of the OpenTelemetry Collector, of Kubernetes, of Helm.
FOREIGN = {"exporters", "receivers", "service", "apiVersion", "kind", "image"}


def is_ours(text: str) -> bool:
    tree = next(yaml.safe_load_all(text))
    return isinstance(tree, dict) and not tree.keys() & FOREIGN


OURS = [(page, text) for page, text in EXAMPLES if is_ours(text)]


def test_there_are_examples() -> None:
    assert sum(str(page) == "docs/configuration.md" for page, _ in OURS) == 7


@pytest.mark.parametrize(("page", "text"), OURS, ids=lambda part: str(part).split(":")[0])
def test_every_key_acts(page: Path, text: str) -> None:
    found = config.parse(text)
    assert (found.without_effect, found.warnings) == ((), ()), page


def test_a_collector_is_pointed_at_our_port() -> None:
    [collector] = [yaml.safe_load(text) for page, text in EXAMPLES if str(page) == "README.md"]
    grpc = config.Config().distributor.receivers.otlp.protocols.grpc
    assert grpc is not None
    assert collector["exporters"]["otlp"]["endpoint"].rpartition(":")[2] == grpc.endpoint.rpartition(":")[2]
