"""Sends events with CloudEvents' own SDK, or takes them: `exchange.py send URL`, `exchange.py receive`.

Prints a line of JSON for each event that was sent or came. Receiving ends when standard input does.
"""

import base64
import http.client
import json
import sys
import threading
import urllib.parse
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

PRINTING = threading.Lock()


def said(form, event):
    words = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in event.get_attributes().items()
        if value is not None
    }
    data = event.get_data()
    if isinstance(data, bytes):
        words["data_base64"] = base64.b64encode(data).decode()
    elif data is not None:
        words["data"] = data
    with PRINTING:
        print(json.dumps({"form": form, "event": words}), flush=True)


def made(name, form, data=None, **more):
    time = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=timezone.utc)
    attributes = {"id": f"python-{name}-{form}", "source": "/sdk/python", "type": "sdk.sent", "time": time}
    return CloudEvent(attributes=attributes | more, data=data)


def events(form):
    about = {"subject": "größe/1 2", "datacontenttype": "application/json", "tenant": "blue"}
    yield made("json", form, {"amount": 12.5, "note": "3 × ä"}, **about)
    yield made("text", form, "plain text", datacontenttype="text/plain")
    yield made("bytes", form, bytes([0, 1, 254, 255]), datacontenttype="application/octet-stream")
    yield made("bare", form)


def post(url, headers, body):
    to = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(to.netloc)
    connection.request("POST", to.path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{answer.status}: {text.decode()}")
    connection.close()


def send(url):
    for form, serialize in (("binary", to_binary_event), ("structured", to_structured_event)):
        for event in events(form):
            message = serialize(event)
            post(url, message.headers, message.body)
            said(form, event)
    # The SDK has no batches: one is a list of structured events.
    batch = [event for event in events("batch") if "json" in event.get_id() or "bare" in event.get_id()]
    bodies = [to_structured_event(event).body.decode() for event in batch]
    post(url, {"content-type": "application/cloudevents-batch+json"}, f"[{','.join(bodies)}]".encode())
    for event in batch:
        said("batch", event)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_OPTIONS(self):
        origin = self.headers["webhook-request-origin"]
        self.answer(200, [("webhook-allowed-origin", origin), ("webhook-allowed-rate", "*")])

    def do_POST(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers["content-length"]))
        if headers["content-type"].startswith("application/cloudevents-batch+json"):
            came = [JSONFormat().read(None, json.dumps(event)) for event in json.loads(body)]
        else:
            came = [from_http_event(HTTPMessage(headers=headers, body=body))]
        for event in came:
            said(self.path[1:], event)
        self.answer(204)

    def log_message(self, *_):
        pass


def receive():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if sys.argv[1] == "send":
    send(sys.argv[2])
else:
    receive()
