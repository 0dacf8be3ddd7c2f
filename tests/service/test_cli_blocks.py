"""`tempo-dask blocks`, on Tempo's blocks and ours."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from storage.block_store import BlockStore
from storage.chunk import Chunk
from storage.local_objects import LocalStore
from storage.merge import merge
from storage.tempo_blocks.beside import BlocksBesideTempo
from tempo_dask.cli.main import app
from tempo_dask.notebook.store import Store
from tests.otlp_oracle import Span
from tests.storage.builder import SPAN, tables_of
from tests.storage.tempo_writer import TENANT, write_block

DRY_RUN = "dry run: --yes erases them"
MINUTE_NS = 60 * 10**9
SENT = [
    replace(
        SPAN,
        trace_id=bytes(15) + bytes([n]),
        start=n * MINUTE_NS,
        end=n * MINUTE_NS + 5,
        attributes=(("color", ("str", "red" if n % 2 else "blue")), ("n", ("int", n))),
    )
    for n in range(1, 6)
]


def run(data_dir: Path, command: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["blocks", command, "--data-dir", str(data_dir), *arguments])


def listed(data_dir: Path) -> list[dict[str, object]]:
    result = run(data_dir, "list", "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def publish(data_dir: Path, spans: list[Span], seq: int) -> None:
    """Make a block of ours."""
    chunk = Chunk.seal(merge([tables_of(spans)]), id=f"c{seq}", tenant=TENANT)
    blocks = BlockStore(LocalStore(data_dir / "blocks"))
    blocks.publish(TENANT, [chunk], node="n", first_seq=seq, last_seq=seq, arrived_ns=(1, 1))


@pytest.fixture
def tempo_block(tmp_path: Path) -> str:
    """The id of a block of Tempo's of five spans in three row groups, below `tmp_path`."""
    block_id = str(uuid.uuid4())
    write_block(tmp_path / "blocks" / TENANT / block_id, SENT, "vParquet4", row_group_size=2)
    return block_id


def test_list(tmp_path: Path, tempo_block: str) -> None:
    publish(tmp_path, SENT[:1], 1)
    ours, tempos = listed(tmp_path)
    assert (ours["format"], ours["spans"], ours["tenant"]) == ("tempo-dask", 1, TENANT)
    assert tempos == {
        "tenant": TENANT,
        "id": tempo_block,
        "format": "vParquet4",
        "spans": 5,
        "traces": 5,
        "start_ns": MINUTE_NS,
        "end_ns": 5 * MINUTE_NS + 5,
        "size_bytes": tempos["size_bytes"],
        "level": 1,
        "note": "",
    }
    table = run(tmp_path, "list").output
    assert "1970-01-01 00:01:00" in table
    assert run(tmp_path, "list", "--tenant", "nobody", "--json").output == ""


def test_inspect(tmp_path: Path, tempo_block: str) -> None:
    publish(tmp_path, SENT, 1)
    for block_id in (str(listed(tmp_path)[0]["id"]), tempo_block):
        output = run(tmp_path, "inspect", block_id).output
        assert "5 in 5 traces" in output
        line = next(line for line in output.splitlines() if line.startswith("span.color::str"))
        assert line.split() == ["span.color::str", "5", '"blue",', '"red"']
    missing = run(tmp_path, "inspect", str(uuid.uuid4()))
    assert missing.exit_code == 1
    assert "error: there is no block" in missing.output


def test_verify(tmp_path: Path, tempo_block: str) -> None:
    publish(tmp_path, SENT, 1)
    sound = run(tmp_path, "verify")
    assert (sound.exit_code, sound.output.splitlines()[-1]) == (0, "2 blocks verified, 0 damaged")
    ours = str(listed(tmp_path)[0]["id"])
    path = tmp_path / "blocks" / TENANT / ours / "events.parquet"
    path.write_bytes(path.read_bytes()[:-9] + b"something")
    damaged = run(tmp_path, "verify")
    assert damaged.exit_code == 1
    assert f"{TENANT}/{ours}/events.parquet: its checksum is wrong" in damaged.output
    assert run(tmp_path, "verify", tempo_block).exit_code == 0
    assert "there is no block nothing" in run(tmp_path, "verify", "nothing").output


def test_verify_tells_of_tempos_damage(tmp_path: Path, tempo_block: str) -> None:
    (tmp_path / "blocks" / TENANT / tempo_block / "data.parquet").write_bytes(b"gone")
    result = run(tmp_path, "verify", "--tenant", TENANT)
    assert result.exit_code == 1
    assert f"{TENANT}/{tempo_block}: data.parquet cannot be read" in result.output


def test_convert(tmp_path: Path, tempo_block: str) -> None:
    """All row groups, once; Tempo's files stay."""
    result = run(tmp_path, "convert", tempo_block)
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "1 blocks converted")
    found = listed(tmp_path)
    assert [each["format"] for each in found] == ["tempo-dask"] * 3 + ["vParquet4"]
    assert sum(each["spans"] for each in found[:3]) == 5  # type: ignore[misc]  # numbers
    assert found[3]["note"] == "converted: 3 of 3 row groups"
    assert run(tmp_path, "convert").output.splitlines()[-1] == "0 blocks converted"
    assert (tmp_path / "blocks" / TENANT / tempo_block / "meta.json").exists()


def test_convert_and_retire(tmp_path: Path, tempo_block: str) -> None:
    """With leave to do so, what is converted is marked as Tempo marks what it compacted."""
    configuration = tmp_path / "tempo.yaml"
    trace = f"{{local: {{path: {tmp_path / 'blocks'}}}, adopt_tempo_blocks: true}}"
    configuration.write_text(f"storage: {{trace: {trace}}}")
    folder = tmp_path / "blocks" / TENANT / tempo_block
    meta = (folder / "meta.json").read_bytes()
    result = CliRunner().invoke(app, ["blocks", "convert", "--config", str(configuration)])
    assert result.exit_code == 0, result.output
    assert {path.name for path in folder.iterdir()} == {"data.parquet", "meta.compacted.json"}
    assert (folder / "meta.compacted.json").read_bytes() == meta
    assert [each["format"] for each in listed(tmp_path)] == ["tempo-dask"] * 3


def test_compact(tmp_path: Path, tempo_block: str) -> None:
    """Ours only: Tempo's files are as they were."""
    before = (tmp_path / "blocks" / TENANT / tempo_block / "data.parquet").read_bytes()
    for seq, span in enumerate(SENT[:3], 1):
        publish(tmp_path, [span], seq)
    result = run(tmp_path, "compact")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "1 blocks made"
    assert [(each["format"], each["spans"]) for each in listed(tmp_path)] == [("tempo-dask", 3), ("vParquet4", 5)]
    assert (tmp_path / "blocks" / TENANT / tempo_block / "data.parquet").read_bytes() == before


def test_compact_as_configured(tmp_path: Path) -> None:
    """The limits are those of the server's file: here no two traces may be in one block."""
    for seq, span in enumerate(SENT[:3], 1):
        publish(tmp_path, [span], seq)
    configuration = configured(tmp_path, "{max_compaction_objects: 1}")
    result = CliRunner().invoke(app, ["blocks", "compact", "--config", str(configuration)])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "0 blocks made"
    assert len(listed(tmp_path)) == 3


def test_expire(tmp_path: Path) -> None:
    """A dry run first; then what arrived in 1970 leaves the list, and its files when nobody reads them any more."""
    for seq, span in enumerate(SENT[:3], 1):
        publish(tmp_path, [span], seq)
    folders = {str(each["id"]) for each in listed(tmp_path)}
    dry = run(tmp_path, "expire")
    assert dry.exit_code == 0, dry.output
    assert {line.partition(":")[0] for line in dry.output.splitlines()[:-1]} == {f"{TENANT}/{each}" for each in folders}
    assert dry.output.splitlines()[-1] == "dry run: --yes takes these off the list"
    assert len(listed(tmp_path)) == 3
    kept = run(tmp_path, "expire", "--older-than", "1000000h", "--yes")
    assert kept.output.splitlines() == [f"{TENANT}: 0 blocks expired, files of 0 deleted"]
    done = run(tmp_path, "expire", "--yes")
    assert done.output.splitlines()[-1] == f"{TENANT}: 3 blocks expired, files of 0 deleted", done.output
    assert not listed(tmp_path)
    assert all((tmp_path / "blocks" / TENANT / each).is_dir() for each in folders)
    at_once = configured(tmp_path, "{compacted_block_retention: 0s}")
    again = CliRunner().invoke(app, ["blocks", "expire", "--config", str(at_once), "--yes"])
    assert again.output.splitlines() == [f"{TENANT}: 0 blocks expired, files of 3 deleted"], again.output
    assert not any((tmp_path / "blocks" / TENANT / each).is_dir() for each in folders)


def test_a_tenants_own_retention_expires(tmp_path: Path) -> None:
    """Here for ever but for one tenant, of which nothing is kept."""
    publish(tmp_path, SENT[:1], 1)
    forever = configured(tmp_path, "{block_retention: 0s}")
    result = CliRunner().invoke(app, ["blocks", "expire", "--config", str(forever), "--yes"])
    assert result.output.splitlines() == [f"{TENANT}: 0 blocks expired, files of 0 deleted"], result.output
    own = tmp_path / "tenants.yaml"
    own.write_text(f"overrides: {{{TENANT}: {{compaction: {{block_retention: 1h}}}}}}\n")
    forever.write_text(forever.read_text() + f"overrides: {{per_tenant_override_config: {own}}}\n")
    result = CliRunner().invoke(app, ["blocks", "expire", "--config", str(forever), "--yes"])
    assert result.output.splitlines()[-1] == f"{TENANT}: 1 blocks expired, files of 0 deleted", result.output


@pytest.mark.parametrize("duration", ["soon", "0s", "-1h"])
def test_expire_refuses_what_is_no_time(tmp_path: Path, duration: str) -> None:
    publish(tmp_path, SENT[:1], 1)
    result = run(tmp_path, "expire", "--older-than", duration, "--yes")
    assert result.exit_code == 1
    assert "expected a duration" in result.output
    assert len(listed(tmp_path)) == 1


def configured(tmp_path: Path, compaction: str) -> Path:
    """Return a configuration with settings of compaction."""
    configuration = tmp_path / "tempo.yaml"
    configuration.write_text(
        f"storage: {{trace: {{local: {{path: {tmp_path / 'blocks'}}}}}}}\ncompactor: {{compaction: {compaction}}}\n"
    )
    return configuration


def erase(data_dir: Path, *arguments: str) -> Result:
    """Erase, and wait neither for readers nor for the node that the blocks are from."""
    return run(data_dir, "erase", *arguments, "--grace", "0", "--without-node", "n")


def test_erase_by_id(tmp_path: Path) -> None:
    """A dry run first; then it is gone from answers and from files."""
    publish(tmp_path, SENT[:3], 1)
    publish(tmp_path, SENT[3:], 2)
    wanted = SENT[1].trace_id.hex().lstrip("0")
    dry = run(tmp_path, "erase", "--trace", wanted)
    assert dry.exit_code == 0
    assert dry.output.splitlines()[-2:] == ["1 blocks hold them, and servers perhaps in memory", DRY_RUN]
    assert sum(each["spans"] for each in listed(tmp_path)) == 5  # type: ignore[misc]  # numbers
    done = erase(tmp_path, "--trace", wanted, "--yes")
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "gone"), done.output
    assert sorted(each["spans"] for each in listed(tmp_path)) == [2, 2]  # type: ignore[type-var]  # numbers
    again = erase(tmp_path, "--trace", wanted, "--yes")
    assert again.output.splitlines()[0].startswith("0 blocks hold them")


def test_erase_by_query(tmp_path: Path) -> None:
    publish(tmp_path, SENT, 1)
    done = erase(tmp_path, "--query", '{ span.color = "red" }', "--yes")
    assert done.exit_code == 0, done.output
    assert "3 of the 3 traces" in done.output
    assert [each["spans"] for each in listed(tmp_path)] == [2]
    assert erase(tmp_path, "--query", '{ span.color = "red" }', "--yes").output == "no trace matches\n"


def test_an_erasure_is_resumed(tmp_path: Path) -> None:
    """A node that does not answer leaves the traces hidden; once it is given up, the rest is done."""
    publish(tmp_path, SENT, 1)
    wanted = SENT[1].trace_id.hex()
    left = run(tmp_path, "erase", "--trace", wanted, "--yes", "--grace", "0", "--wait", "0")
    assert left.exit_code == 1
    assert "hidden, but not gone yet: node n still has to empty its write-ahead log" in left.output
    assert '"spans": 4' in run(tmp_path, "list", "--json").output
    done = run(tmp_path, "erase", "--resume", "--without-node", "n")
    assert (done.exit_code, done.output) == (0, "gone\n")
    assert run(tmp_path, "erase", "--resume").output == "gone\n"


def test_nothing_is_erased_from_tempos_blocks(tmp_path: Path, tempo_block: str) -> None:
    """Not when it answers, nor when it is converted: the file holds the trace, which stays hidden, and that is told."""
    wanted = SENT[0].trace_id.hex()
    run(tmp_path, "convert")
    done = run(tmp_path, "erase", "--trace", wanted, "--yes", "--grace", "0")
    assert done.exit_code == 1
    assert f"{tempo_block} is Tempo's and holds some" in done.output
    assert "gone" not in done.output.splitlines()
    assert (tmp_path / "blocks" / TENANT / tempo_block / "data.parquet").exists()
    spans = Store(BlocksBesideTempo(LocalStore(tmp_path / "blocks")), TENANT).spans("{ }")
    assert len(spans.compute()) == 4


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "expected either --trace or --query"),
        (["--trace", "xyz"], "expected a trace id of up to 32 hex digits, found 'xyz'"),
        (["--query", "{"], "syntax error"),
    ],
)
def test_what_cannot_be_erased(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    publish(tmp_path, SENT[:1], 1)
    result = run(tmp_path, "erase", *arguments)
    assert result.exit_code == 1
    assert complaint in result.output


def test_nothing_to_look_at(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere", "list")
    assert result.exit_code == 1
    assert "say where by --data-dir or --config" in result.output
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("command", ["list", "inspect", "verify", "compact", "expire", "convert", "erase"])
def test_help_teaches(command: str) -> None:
    result = CliRunner().invoke(app, ["blocks", command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output
