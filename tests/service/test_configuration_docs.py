"""The examples in the documentation of the configuration are ones that the server takes, every key acting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tempo_dask.config import file as config

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "configuration.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 4


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.split(":")[0])
def test_every_key_acts(text: str) -> None:
    assert config.parse(text).without_effect == ()
