"""Certificates for tests, made with openssl."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")


@dataclass(frozen=True)
class Certificates:
    """An authority, and the certificate that all of Dask's processes share."""

    folder: Path

    @property
    def options(self) -> Sequence[str]:
        """What a Dask process is told of them."""
        return [f"--tls-{name}={self.folder / file}" for name, file in _FILES.items()]

    @property
    def section(self) -> str:
        """What a configuration says of them, as YAML on one line."""
        return ", ".join(f"{name.replace('-', '_')}: {self.folder / file}" for name, file in _CONFIGURED.items())


_FILES = {"ca-file": "ca.pem", "cert": "dask.pem", "key": "dask.key"}
_CONFIGURED = {"ca-file": "ca.pem", "cert-file": "dask.pem", "key-file": "dask.key"}


def make_certificates(folder: Path) -> Certificates:
    """Make them in a folder."""
    _openssl(folder, "req", "-x509", *_KEY, "ca.key", "-subj", "/CN=ca", "-out", "ca.pem")
    _openssl(folder, "req", *_KEY, "dask.key", "-subj", "/CN=dask", "-out", "dask.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2")
    _openssl(folder, "x509", "-req", "-in", "dask.csr", *signer, "-out", "dask.pem")
    return Certificates(folder)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
