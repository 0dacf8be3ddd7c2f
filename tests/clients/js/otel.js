// Sends one trace by OpenTelemetry JS: EXPORTER ADDRESS. Says its id.
const { context, trace, SpanKind, SpanStatusCode } = require("@opentelemetry/api");
const { NodeTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-node");

const [name, address] = process.argv.slice(2);
const exporters = {
  "otlp grpc": () => {
    const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-grpc");
    return new OTLPTraceExporter({ url: `http://${address}` });
  },
  "otlp json": () => {
    const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-http");
    return new OTLPTraceExporter({ url: `http://${address}/v1/traces` });
  },
  "otlp proto": () => {
    const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-proto");
    return new OTLPTraceExporter({ url: `http://${address}/v1/traces`, compression: "gzip" });
  },
  zipkin: () => {
    const { ZipkinExporter } = require("@opentelemetry/exporter-zipkin");
    return new ZipkinExporter({ url: `http://${address}/api/v2/spans` });
  },
};

async function main() {
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporters[name]())] });
  const tracer = provider.getTracer("tests", "1.2");
  const root = tracer.startSpan("root", { kind: SpanKind.SERVER, attributes: { "http.route": "/buy", n: 3 } });
  root.addEvent("cart", { items: 3 });
  const child = tracer.startSpan("child", { kind: SpanKind.CLIENT }, trace.setSpan(context.active(), root));
  child.setStatus({ code: SpanStatusCode.ERROR, message: "out of stock" });
  child.end();
  root.end();
  await provider.forceFlush();
  await provider.shutdown();
  console.log(root.spanContext().traceId);
}

main();
