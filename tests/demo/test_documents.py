"""Documents that name things of the repository: each thing is there, and each is named."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})


def required_packages() -> set[str]:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    texts = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    return {re.split(r"[\s\[<>=]", line.strip(), maxsplit=1)[0] for line in lines}


def test_every_dependency_has_a_reason_and_no_other() -> None:
    rows = re.findall(r"^\| ([\w, .-]+) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    explained = {name for row in rows for name in row.split(", ")} - {"package", "---"}
    assert explained == required_packages()


def test_every_package_is_installed() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    files = (path for top in ("storage", "tempo_dask", "traceql") for path in (ROOT / top).rglob("__init__.py"))
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in files}
    assert set(setup["options"]["packages"].split()) == packages


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_that_documents_name_exist(document: str) -> None:
    pattern = r"`((?:tempo_dask|storage|traceql|tests|docs|benchmarks|notebooks)/[\w./-]*)`"
    named = set(re.findall(pattern, (ROOT / document).read_text()))
    assert named
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = [path.read_text() for path in DOCUMENTS]
    named = {target for text in texts for target in re.findall(r"(?:`|^    |^)make ([a-z-]+)", text, re.MULTILINE)}
    assert named
    assert named <= targets


def test_the_architecture_fits_on_a_page() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 150
