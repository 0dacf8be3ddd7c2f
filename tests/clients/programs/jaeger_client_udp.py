"""Sends one trace by jaeger-client to an agent: HOST PORT. Says its id."""

import sys
import time

import opentracing
from jaeger_client import Config

host, port = sys.argv[1:]
config = Config(
    {
        "sampler": {"type": "const", "param": 1},
        "local_agent": {"reporting_host": host, "reporting_port": int(port)},
        "generate_128bit_trace_id": True,
        "tags": {"version": "7"},
    },
    service_name="made by jaeger-client",
)
tracer = config.initialize_tracer()
parent = tracer.start_span("root", tags={"span.kind": "server", "http.status_code": 200, "ratio": 0.5})
child = tracer.start_span("child", references=opentracing.child_of(parent.context), tags={"error": True})
child.log_kv({"event": "lost", "tries": 3})
child.finish()
parent.finish()
print(f"{parent.context.trace_id:032x}")
tracer.close()
time.sleep(1)  # the reporter's thread sends and ends
