// Sends one trace by zipkin-js: VERSION ADDRESS. Says its id.
const { Tracer, BatchRecorder, ExplicitContext, Annotation, option, TraceId, jsonEncoder } = require("zipkin");
const { HttpLogger } = require("zipkin-transport-http");

const [version, address] = process.argv.slice(2);
const logger = new HttpLogger({
  endpoint: `http://${address}/api/${version}/spans`,
  jsonEncoder: version === "v1" ? jsonEncoder.JSON_V1 : jsonEncoder.JSON_V2,
  httpInterval: 50,
});
const recorder = new BatchRecorder({ logger });
const tracer = new Tracer({
  ctxImpl: new ExplicitContext(),
  recorder,
  localServiceName: "made by zipkin-js",
  traceId128Bit: true,
});

function span(id, name, start, end, tags) {
  tracer.letId(id, () => {
    tracer.recordServiceName("made by zipkin-js");
    tracer.recordRpc(name);
    tracer.recordAnnotation(start);
    for (const [key, value] of Object.entries(tags)) tracer.recordBinary(key, value);
    tracer.recordAnnotation(end);
  });
}

const root = tracer.createRootId();
const child = tracer.letId(root, () => tracer.createChildId());
span(child, "child", new Annotation.ClientSend(), new Annotation.ClientRecv(), { error: "out of stock" });
span(root, "root", new Annotation.ServerRecv(), new Annotation.ServerSend(), { "http.route": "/buy" });
console.log(root.traceId.padStart(32, "0"));
setTimeout(() => process.exit(0), 500);
