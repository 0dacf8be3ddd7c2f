"""The shop's services and the pods they run in: what an OTLP resource says about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from tempo_dask.demo.values import Value, key_values

REGION = "eu-central-1"
ZONES = ("eu-central-1a", "eu-central-1b")


@dataclass(frozen=True, slots=True)
class Service:
    """A deployment: `pods` replicas of one program in one language."""

    name: str
    language: str
    version: str
    pods: int
    scopes: tuple[str, ...]


# The first scope of a service is what records its requests, the second what it calls out with.
SERVICES = (
    Service("frontend-proxy", "cpp", "1.34.1", 2, ("envoy.tracer",)),
    Service("frontend", "nodejs", "5.12.0", 3, ("@opentelemetry/instrumentation-http", "next.js")),
    Service("checkout", "go", "3.7.2", 2, ("otelgrpc", "checkout/orders")),
    Service("cart", "dotnet", "2.0.9", 2, ("OpenTelemetry.Instrumentation.AspNetCore", "StackExchange.Redis")),
    Service("catalog", "go", "4.1.0", 3, ("otelgrpc", "otelsql")),
    Service("payment", "java", "2.3.4", 3, ("io.opentelemetry.grpc-1.6", "io.opentelemetry.jdbc")),
    Service("shipping", "rust", "1.9.0", 2, ("actix-web", "shipping/parcels")),
    Service("recommendation", "python", "0.18.3", 2, ("opentelemetry.instrumentation.grpc", "recommendation.model")),
    Service("ads", "java", "1.4.4", 2, ("io.opentelemetry.grpc-1.6", "ads.auction")),
    Service("email", "ruby", "1.2.0", 1, ("OpenTelemetry::Instrumentation::Sinatra", "mailer")),
    Service("search", "python", "2.6.0", 2, ("opentelemetry.instrumentation.fastapi", "opensearch-py")),
    Service("orders-db", "cpp", "16.4", 2, ("pgproxy",)),
    Service("orders-queue", "java", "3.8.0", 2, ("queue-bridge",)),
)
BY_NAME: Mapping[str, int] = {service.name: number for number, service in enumerate(SERVICES)}

# The story to find: this version of `payment` was out for some minutes, then rolled back.
DEPLOYED = "payment"
BAD_VERSION = "2.4.0"


@dataclass(frozen=True, slots=True, eq=False)
class Pod:
    """A running replica: the zone whose collector it reports to, and its encoded `Resource`. It equals itself alone."""

    zone: int
    resource: bytes


Pods = tuple[tuple[Pod, ...], ...]


def make_pods(rng: Random) -> Pods:
    """Return the pods of each service, in the order of `SERVICES`."""
    return tuple(_deploy(rng, number, service.version) for number, service in enumerate(SERVICES))


def redeploy(rng: Random, pods: Pods, name: str, version: str) -> Pods:
    """Return the pods after one service was deployed anew: its pods have other names and this version."""
    number = BY_NAME[name]
    return (*pods[:number], _deploy(rng, number, version), *pods[number + 1 :])


def encode_scope(service: int, scope: int) -> bytes:
    """Return the encoded `InstrumentationScope` that is number `scope` of a service."""
    name = SERVICES[service].scopes[scope]
    return InstrumentationScope(name=name, version=f"0.{40 + len(name)}.{scope}").SerializeToString()


def _deploy(rng: Random, number: int, version: str) -> tuple[Pod, ...]:
    replicas = range(SERVICES[number].pods)
    return tuple(_pod(rng, number, replica % len(ZONES), version) for replica in replicas)


def _pod(rng: Random, number: int, zone: int, version: str) -> Pod:
    service = SERVICES[number]
    node = f"ip-10-0-{zone * 16 + rng.randrange(4)}-{rng.randrange(10, 250)}.{REGION}.compute.internal"
    name = f"{service.name}-{_suffix(rng, 9)}-{_suffix(rng, 5)}"
    attributes: dict[str, Value] = {
        "service.name": service.name,
        "service.namespace": "shop",
        "service.version": version,
        "service.instance.id": name,
        "deployment.environment": "production",
        "cloud.provider": "aws",
        "cloud.region": REGION,
        "cloud.availability_zone": ZONES[zone],
        "k8s.cluster.name": "shop-prod",
        "k8s.namespace.name": "shop",
        "k8s.deployment.name": service.name,
        "k8s.pod.name": name,
        "k8s.node.name": node,
        "host.name": node,
        "process.pid": rng.randrange(1, 400),
        "process.command_args": [f"/app/{service.name}", "--port", "8080"],
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": service.language,
    }
    return Pod(zone, Resource(attributes=key_values(attributes)).SerializeToString())


def _suffix(rng: Random, length: int) -> str:
    return "".join(rng.choices("bcdfghjklmnpqrstvwxz2456789", k=length))
