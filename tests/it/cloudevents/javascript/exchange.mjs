// Sends events with CloudEvents' own SDK, or takes them: `exchange.mjs send URL`, `exchange.mjs receive`.
// Prints a line of JSON for each event that was sent or came. Receiving ends when standard input does.

import { createServer } from "node:http";
import { CloudEvent, HTTP } from "cloudevents";

const said = (form, event) => {
  const json = JSON.parse(event.toString());
  if (json.data_base64 === undefined && event.data instanceof Uint8Array) {
    json.data_base64 = Buffer.from(event.data).toString("base64");
    delete json.data;
  }
  console.log(JSON.stringify({ form, event: json }));
};

const made = (id, more) =>
  new CloudEvent({ id: `javascript-${id}`, source: "/sdk/javascript", type: "sdk.sent", time: "2026-03-04T05:06:07.890Z", ...more });

async function post(url, { headers, body }) {
  const answer = await fetch(url, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
}

async function send(url) {
  const events = {
    json: made("json", { subject: "größe/1 2", data: { amount: 12.5, note: "3 × ä" }, tenant: "blue" }),
    text: made("text", { datacontenttype: "text/plain", data: "plain text" }),
    bytes: made("bytes", { datacontenttype: "application/octet-stream", data: new Uint8Array([0, 1, 254, 255]) }),
    bare: made("bare", {}),
  };
  for (const [form, serialize] of [["binary", HTTP.binary], ["structured", HTTP.structured]]) {
    for (const event of Object.values(events)) {
      // The SDK doesn't encode what headers can't say, as the binding demands of it.
      const plain = form === "binary" && event.subject ? { subject: "size/1 2" } : {};
      const sent = event.cloneWith({ id: `${event.id}-${form}`, ...plain });
      await post(url, serialize(sent));
      said(form, sent);
    }
  }
  // The SDK reads batches and doesn't write them: one is a list of structured events.
  const batch = [events.json, events.bare].map((event) => event.cloneWith({ id: `${event.id}-batch` }));
  const bodies = batch.map((event) => HTTP.structured(event).body);
  await post(url, { headers: { "content-type": "application/cloudevents-batch+json" }, body: `[${bodies.join(",")}]` });
  batch.forEach((event) => said("batch", event));
}

function receive() {
  const server = createServer((request, response) => {
    if (request.method === "OPTIONS") {
      response.writeHead(200, { "webhook-allowed-origin": request.headers["webhook-request-origin"], "webhook-allowed-rate": "*" }).end();
      return;
    }
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      try {
        const [form, body] = [request.url.slice(1), Buffer.concat(chunks)];
        const isText = /json|text/.test(request.headers["content-type"]);
        const came = HTTP.toEvent({ headers: request.headers, body: isText ? body.toString() : body });
        for (const event of [came].flat()) {
          // Nor does it decode them.
          const subject = form === "binary" ? decodeURIComponent(event.subject ?? "") : event.subject;
          said(form, subject ? event.cloneWith({ subject }) : event);
        }
        response.writeHead(204).end();
      } catch (error) {
        console.error(error);
        response.writeHead(400).end(String(error));
      }
    });
  });
  server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
  process.stdin.resume().on("end", () => process.exit());
}

if (process.argv[2] === "send") await send(process.argv[3]);
else receive();
