"""The manifests for Kubernetes: right by its own schema, and right about this software."""

from __future__ import annotations

from collections.abc import Iterator
from configparser import ConfigParser
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from distributed.cli import dask_scheduler, dask_worker

from tempo_dask.cli.flags import read_flags
from tempo_dask.config import file as config

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
MANIFESTS: list[dict[str, Any]] = [
    document for file in FILES for document in yaml.safe_load_all(file.read_text()) if document
]
#: The oldest and the newest that are looked at.
VERSIONS = ("1.29", "1.34")


def named(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [manifest for manifest in MANIFESTS if manifest["kind"] in kinds]


def pods() -> list[dict[str, Any]]:
    return [manifest["spec"]["template"] for manifest in of_kind("Deployment", "StatefulSet")]


def containers() -> Iterator[dict[str, Any]]:
    for pod in pods():
        yield from pod["spec"]["containers"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", MANIFESTS, ids=named)
def test_the_schema_accepts_it(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schema_refuses_what_is_wrong() -> None:
    broken = deepcopy(of_kind("StatefulSet")[0])
    broken["spec"]["replicas"] = "two"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[0], strict=True)


def test_every_part_is_there() -> None:
    assert {named(manifest) for manifest in of_kind("ConfigMap", "Deployment", "StatefulSet", "Service")} == {
        "ConfigMap tempo-dask",
        "Deployment tempo-dask-compact",
        "Deployment tempo-dask-query",
        "Deployment tempo-dask-scheduler",
        "Deployment tempo-dask-worker",
        "Service tempo-dask",
        "Service tempo-dask-ingest",
        "Service tempo-dask-scheduler",
        "StatefulSet tempo-dask-ingest",
    }


def test_the_configuration_is_one_that_the_server_takes() -> None:
    read = config.parse(of_kind("ConfigMap")[0]["data"]["tempo.yaml"])
    assert read.without_effect == ()
    assert read.cluster.tls.is_on
    assert read.cluster.address == "tls://tempo-dask-scheduler:8786"
    assert (read.server.http_listen_port, read.server.grpc_listen_port) == (3200, 9095)


def test_every_role_is_given_by_its_flag() -> None:
    text = of_kind("ConfigMap")[0]["data"]["tempo.yaml"]
    flags = [read_flags(container["args"]) for container in containers() if "command" not in container]
    roles = [config.parse(text, given.values).role for given in flags]
    assert sum(role.ingests for role in roles) == 1
    assert sum(role.queries for role in roles) == 1
    assert sum(role.maintains for role in roles) == 1
    assert {str(given.file) for given in flags} == {"/etc/tempo-dask/tempo.yaml"}
    assert all(given.without_effect == () for given in flags)


def test_dask_knows_the_options_it_is_given() -> None:
    commands = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}
    started = [container["args"] for container in containers() if container.get("command") == ["dask"]]
    assert sorted(args[0] for args in started) == ["scheduler", "worker"]
    for name, *options in started:
        known = {text for option in commands[name].params for text in (*option.opts, *option.secondary_opts)}
        assert {option.partition("=")[0] for option in options if option.startswith("-")} <= known


@pytest.mark.parametrize("container", [*containers()], ids=lambda container: str(container["name"]))
def test_containers_are_probed_and_bounded(container: dict[str, Any]) -> None:
    ports = {port["name"] for port in container["ports"]}
    probe = container["readinessProbe"]["httpGet"]
    assert probe["path"] == ("/health" if container.get("command") == ["dask"] else "/ready")
    assert probe["port"] in ports
    assert container["resources"]["limits"]["memory"]
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert container["image"] == f"tempo-dask:{setup['metadata']['version']}"


@pytest.mark.parametrize("pod", pods(), ids=lambda pod: str(pod["spec"]["containers"][0]["name"]))
def test_what_pods_mount_is_there(pod: dict[str, Any]) -> None:
    claims = [claim for manifest in of_kind("StatefulSet") for claim in manifest["spec"]["volumeClaimTemplates"]]
    spec = pod["spec"]
    volumes = {volume["name"] for volume in spec["volumes"]} | {claim["metadata"]["name"] for claim in claims}
    assert {mount["name"] for container in spec["containers"] for mount in container["volumeMounts"]} <= volumes
    maps = {volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume}
    assert maps <= {manifest["metadata"]["name"] for manifest in of_kind("ConfigMap")}
    assert spec["enableServiceLinks"] is False, "Dask would read some of the variables as its configuration"


@pytest.mark.parametrize("service", of_kind("Service"), ids=named)
def test_services_find_pods_and_ports(service: dict[str, Any]) -> None:
    chosen = service["spec"]["selector"].items()
    found = [pod["spec"] for pod in pods() if chosen <= pod["metadata"]["labels"].items()]
    assert len(found) == 1
    ports = {port["name"] for container in found[0]["containers"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_selectors_choose_their_own_pods() -> None:
    for manifest in of_kind("Deployment", "StatefulSet"):
        labels = manifest["spec"]["template"]["metadata"]["labels"]
        assert manifest["spec"]["selector"]["matchLabels"] == labels
