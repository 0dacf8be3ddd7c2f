"""Servers that speak as S3 and Azure do, in child processes on free ports."""

from __future__ import annotations

import base64
import contextlib
import hmac
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.serving import free_port

START_S = 60.0
INSTALL_S = 300.0
AZURITE = "azurite@3.35.0"
S3_BUCKET = "traces"
#: The account that every Azurite has; its key is public.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
AZURE_CONTAINER = "traces"


#: One request at a time: moto looks whether a key is taken and then takes it, and S3 does so in one step.
_MOTO = """
import sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
"""


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Run moto's server with an empty bucket, and give its HOST:PORT."""
    with _running([sys.executable, "-c", _MOTO]) as address:
        urlopen(Request(f"http://{address}/{S3_BUCKET}", method="PUT"), timeout=START_S).close()
        yield address


def azurite(folder: Path) -> str | None:
    """Return Azurite's blob server: the one that is installed, else npm's, put into a folder; none where npm cannot."""
    installed, npm = shutil.which("azurite-blob"), shutil.which("npm")
    if installed is not None or npm is None:
        return installed
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), AZURITE]
    done = subprocess.run(command, capture_output=True, timeout=INSTALL_S, check=False)
    return None if done.returncode else str(folder / "node_modules" / ".bin" / "azurite-blob")


@contextlib.contextmanager
def azure_server(program: str) -> Iterator[str]:
    """Run Azurite with an empty container, and give its HOST:PORT."""
    command = [program, "--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--blobPort"]
    with _running(command) as address:
        urlopen(_create_container(address), timeout=START_S).close()
        yield address


def _create_container(address: str) -> Request:
    """Return a request as the documentation of Azure's shared keys has it."""
    dated = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    headers = "".join(f"{name}:{value}\n" for name, value in dated.items())
    resource = f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{AZURE_CONTAINER}\nrestype:container"
    signed = "PUT" + "\n" * 12 + headers + resource
    digest = hmac.digest(base64.b64decode(AZURE_KEY), signed.encode(), "sha256")
    authorization = f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(digest).decode()}"
    return Request(
        f"http://{address}/{AZURE_ACCOUNT}/{AZURE_CONTAINER}?restype=container",
        headers={**dated, "Authorization": authorization, "Content-Length": "0"},
        method="PUT",
    )


@contextlib.contextmanager
def _running(command: Sequence[str]) -> Iterator[str]:
    """Run a server whose last argument is its port, once it answers, until the end of the block."""
    port = free_port()
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_it_answers(f"http://127.0.0.1:{port}/", process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            urlopen(url, timeout=START_S).close()
        except URLError as error:
            if hasattr(error, "code"):
                error.close()  # type: ignore[attr-defined]  # an HTTPError: it answers
                return
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
        else:
            return
