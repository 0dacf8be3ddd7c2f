"""Sends one trace by the OpenTelemetry SDK: EXPORTER ADDRESS. Says its id."""

import sys
import warnings
from importlib import import_module

from opentelemetry.sdk import environment_variables
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

LOGIN = ("USER", "PASSWORD", "TIMEOUT")
GRPC = ("GRPC_INSECURE", "CERTIFICATE")


def exporter_of(name, address):
    warnings.simplefilter("ignore")  # Jaeger's exporters say that they are old
    host, _, port = address.rpartition(":")
    if name.startswith("zipkin"):
        version = import_module("opentelemetry.exporter.zipkin.encoder").Protocol
        zipkin = import_module("opentelemetry.exporter.zipkin.json").ZipkinExporter
        path, protocol = ("v1", version.V1) if name == "zipkin v1" else ("v2", version.V2)
        return zipkin(protocol, endpoint=f"http://{address}/api/{path}/spans", max_tag_value_length=128)
    for variable in ("AGENT_HOST", "AGENT_PORT", "AGENT_SPLIT_OVERSIZED_BATCHES", "ENDPOINT", *GRPC, *LOGIN):
        setattr(environment_variables, name_of := f"OTEL_EXPORTER_JAEGER_{variable}", name_of)  # the SDK forgot them
    if name == "jaeger grpc":
        jaeger = import_module("opentelemetry.exporter.jaeger.proto.grpc").JaegerExporter
        return jaeger(collector_endpoint=address, insecure=True)
    jaeger = import_module("opentelemetry.exporter.jaeger.thrift").JaegerExporter
    if name == "jaeger http":
        return jaeger(collector_endpoint=f"http://{address}/api/traces?format=jaeger.thrift")
    return jaeger(agent_host_name=host, agent_port=int(port))


provider = TracerProvider(resource=Resource({"service.name": f"made by {sys.argv[1]}"}))
provider.add_span_processor(SimpleSpanProcessor(exporter_of(*sys.argv[1:])))
tracer = provider.get_tracer("tests", "1.2")
with tracer.start_as_current_span("root", kind=SpanKind.SERVER, attributes={"http.route": "/buy", "n": 3}) as root:
    root.add_event("cart", {"items": 3})
    with tracer.start_as_current_span("child", kind=SpanKind.CLIENT, links=[Link(root.get_span_context())]) as child:
        child.set_status(Status(StatusCode.ERROR, "out of stock"))
print(f"{root.get_span_context().trace_id:032x}")
provider.shutdown()
