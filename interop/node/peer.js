// An HTTP service and its client in Node: `node peer.js serve`, until SIGTERM, and `node peer.js call ADDRESS SCENARIO...`.
// What they print is for http_peers.py.

const { SpanKind, context, trace } = require("@opentelemetry/api");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-grpc");
const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BatchSpanProcessor, NodeTracerProvider } = require("@opentelemetry/sdk-trace-node");

// Where to send comes from the environment.
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "node-peer" }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
provider.register();
registerInstrumentations({ instrumentations: [new HttpInstrumentation()] });

// After the instrumentation, which replaces its functions.
const http = require("node:http");

const print = (value) => console.log(JSON.stringify(value));

function serve() {
  const server = http.createServer((request, response) => answer(request, response, request.url.split("?")[0]));
  server.listen(0, "127.0.0.1", () => print({ port: server.address().port }));
  process.on("SIGTERM", () => {
    server.close(() => provider.shutdown());
    server.closeAllConnections();
  });
}

function answer(request, response, path) {
  if (path.startsWith("/items/")) return response.end(path.slice("/items/".length));
  if (path === "/echo") return request.pipe(response);
  if (path === "/status/500") return response.writeHead(500).end();
  if (path !== "/events" && path !== "/endless") return response.writeHead(404).end();
  response.writeHead(200, { "content-type": "text/event-stream" });
  let sent = 0;
  const timer = setInterval(() => {
    response.write("data: 0\n\n");
    if (++sent === 3 && path === "/events") response.end();
  }, 50);
  response.on("close", () => clearInterval(timer));
}

const REQUESTS = {
  ok: ["GET", "/items/7?color=red"],
  post: ["POST", "/echo", "four"],
  head: ["HEAD", "/items/7"],
  missing: ["GET", "/nowhere"],
  error: ["GET", "/status/500"],
  events: ["GET", "/events"],
  leave: ["GET", "/endless"],
};

function send(address, scenario) {
  const [method, path, body] = REQUESTS[scenario];
  const headers = { "user-agent": "node-peer" };
  return new Promise((resolve, reject) => {
    const request = http.request(`http://${address}${path}`, { method, headers }, (response) => {
      response.on("data", () => {
        if (scenario === "leave") request.destroy();
      });
      response.on("close", () => resolve(response.statusCode));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function call(address, scenarios) {
  for (const scenario of scenarios) {
    const span = trace.getTracer("peer").startSpan(scenario, { kind: SpanKind.INTERNAL });
    const status = await context.with(trace.setSpan(context.active(), span), () => send(address, scenario));
    span.end();
    print({ scenario, status, trace_id: span.spanContext().traceId });
  }
  await provider.shutdown();
}

const [command, address, ...scenarios] = process.argv.slice(2);
if (command === "serve") serve();
else call(address, scenarios);
