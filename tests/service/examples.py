"""The example configurations, started as their first lines say, on free ports and in a folder of their own."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.serving import ServerProcess

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
_PORT = re.compile(r'(endpoint: "(?:localhost|0\.0\.0\.0)):\d+"')
_FLAGS = ("http-listen-address=127.0.0.1", "http-listen-port=0", "grpc-listen-address=127.0.0.1", "grpc-listen-port=0")


def moved(name: str, folder: Path) -> Path:
    """Write an example down with receivers on free ports and its relative paths in a folder; all else stays."""
    text = _PORT.sub(r'\1:0"', (DEPLOY / name).read_text())
    file = folder / name
    file.write_text(text.replace("data/", f"{folder}/data/").replace("deploy/", f"{DEPLOY}/"))
    return file


class ExampleServer(ServerProcess):
    """`tempo-dask -config.file=deploy/<name> -config.expand-env` with its data in a folder."""

    def __init__(self, name: str, folder: Path, **environment: str) -> None:
        super().__init__(folder / "data", **environment)
        self._file = moved(name, folder)

    @property
    def command(self) -> list[str]:
        """What starts the process."""
        ports = [f"-server.{flag}" for flag in _FLAGS]
        return [sys.executable, "-m", "tempo_dask.cli", f"-config.file={self._file}", "-config.expand-env", *ports]
