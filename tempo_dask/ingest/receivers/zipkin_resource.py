"""Tags that speak of the resource, not of the span: those of OpenTelemetry's early conventions."""

from __future__ import annotations

from typing import Final

_BY_NAMESPACE: Final = {
    "aws": "ecs.cluster.arn ecs.container.arn ecs.launchtype ecs.task.arn ecs.task.family ecs.task.revision "
    "eks.cluster.arn log.group.arns log.group.names log.stream.arns log.stream.names",
    "cloud": "account.id availability_zone platform provider region",
    "container": "id image.name image.tag name runtime",
    "deployment": "environment",
    "device": "id model.identifier model.name",
    "faas": "id instance max_memory name version",
    "host": "arch id image.id image.name image.version name type",
    "k8s": "cluster.name container.name cronjob.name cronjob.uid daemonset.name daemonset.uid deployment.name "
    "deployment.uid job.name job.uid namespace.name node.name node.uid pod.name pod.uid replicaset.name "
    "replicaset.uid statefulset.name statefulset.uid",
    "opencensus": "exporterversion resourcetype starttime",
    "os": "description name type version",
    "process": "command command_args command_line executable.name executable.path owner pid runtime.description "
    "runtime.name runtime.version",
    "service": "instance.id name namespace version",
    "telemetry": "auto.version sdk.language sdk.name sdk.version",
    "webengine": "description name version",
}

RESOURCE_TAGS: Final = frozenset(
    f"{namespace}.{name}" for namespace, names in _BY_NAMESPACE.items() for name in names.split()
)
