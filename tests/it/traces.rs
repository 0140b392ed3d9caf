//! What the host tells an OpenTelemetry collector, on the real binary.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::handlers::order;
use crate::outbox::HERE;
use crate::support::{Answer, Host, Service, guest, of_type, retold, say};

/// A trace as a client sends it, and the client's span in it.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT: &str = "b7ad6b7169203331";

/// A span as it came.
#[derive(Clone, Debug)]
struct Told(Value);

impl Told {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    fn id(&self) -> &str {
        self.text("spanId")
    }

    fn attribute(&self, name: &str) -> Option<String> {
        let found = self.0["attributes"].as_array()?.iter().find(|attribute| attribute["key"] == name)?;
        let value = &found["value"];
        value["stringValue"].as_str().or(value["intValue"].as_str()).map(str::to_owned)
    }
}

/// A collector that takes all.
fn collector() -> Service {
    Service::start(|_, _, stream| say(stream, 200, "content-type: application/json\r\n", "{}"))
}

/// What it was told, in the order that it came.
fn told(collector: &Service) -> Vec<Told> {
    let mut all = Vec::new();
    for asked in collector.asked() {
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/traces"));
        assert_eq!(asked.header("content-type"), Some("application/json"));
        let request: Value = serde_json::from_slice(&asked.body).expect("JSON");
        for scope in request["resourceSpans"][0]["scopeSpans"].as_array().expect("scopes") {
            all.extend(scope["spans"].as_array().expect("spans").iter().cloned().map(Told));
        }
    }
    all
}

/// Waits for a span of this name of which `wanted` says that it is the one.
#[track_caller]
fn span(host: &Host, collector: &Service, name: &str, wanted: impl Fn(&Told) -> bool) -> Told {
    let find = || told(collector).into_iter().find(|span| span.text("name") == name && wanted(span));
    host.wait_until(&format!("{name} is told"), || find().is_some());
    find().expect("it was there")
}

/// Told to the collector, and allowed to ask this machine.
fn start(collector: &Service, more: &[&str]) -> Host {
    let endpoint = collector.url("");
    Host::start_saying(&[&HERE[..], &["--otlp-endpoint", &endpoint], more].concat())
}

fn append(host: &Host, event: &Value, trace: &str) -> Answer {
    let headers = [("content-type", "application/cloudevents+json"), ("traceparent", trace)];
    host.web.send("POST", "events?wait=handled&timeout=100s", &headers, event.to_string().as_bytes())
}

fn event(r#type: &str, subject: &str, data: &Value) -> Value {
    json!({ "specversion": "1.0", "id": subject, "source": "/test", "type": r#type, "subject": subject, "data": data })
}

/// The host's counts of spans: those that were taken, and those that were not.
fn counts(host: &Host) -> (u64, u64) {
    let page = host.web.get("//metrics").expect(200).text();
    let of = |name: &str| page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).expect("a count");
    (of("retold_spans_exported_total "), of("retold_spans_dropped_total "))
}

#[test]
fn one_trace_goes_from_the_client_over_append_and_handling_to_the_next_function_and_out_of_the_host() {
    let collector = collector();
    let service = Service::start(|_, _, stream| say(stream, 200, "", "here"));
    let host = start(&collector, &[]);
    host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    let hook = json!({ "types": ["test.told"], "endpoint": { "url": service.url("/hook?private=1"), "handshake": false } });
    host.web.send("PUT", "consumers/hook", &[("content-type", "application/json")], hook.to_string().as_bytes()).expect(201);
    let reach = event("test.reach", "reach/1", &json!({ "do": "request", "url": service.url("/ask?private=1") }));
    append(&host, &reach, &format!("00-{TRACE}-{CLIENT}-01")).expect(201);
    host.wait_until("the hook is told", || service.asked().len() == 2);

    let of_trace = |span: &Told| span.text("traceId") == TRACE;
    let within = |parent: &Told| {
        let parent = parent.id().to_owned();
        move |span: &Told| span.text("traceId") == TRACE && span.text("parentSpanId") == parent
    };
    let request = span(&host, &collector, "POST /v1/namespaces/{ns}/events", of_trace);
    assert_eq!((request.text("parentSpanId"), &request.0["kind"]), (CLIENT, &json!(2)));
    let attributes = ["http.request.method", "http.route", "http.response.status_code", "url.path", "client.address", "url.scheme"];
    let expected = ["POST", "/v1/namespaces/{ns}/events", "201", "/v1/namespaces/main/events", "127.0.0.1", "http"];
    assert_eq!(attributes.map(|name| request.attribute(name).unwrap_or_default()), expected);
    let appended = span(&host, &collector, "append main", within(&request));
    assert_eq!((&appended.0["kind"], appended.attribute("messaging.operation.type").as_deref()), (&json!(4), Some("send")));
    let committed = span(&host, &collector, "commit main", within(&appended));
    assert_eq!(committed.attribute("retold.events").as_deref(), Some("1"));
    // The function that reads the event, and what it asks of the outside.
    let handled = span(&host, &collector, "handle reach-out", within(&appended));
    assert_eq!((&handled.0["kind"], handled.attribute("retold.function").as_deref()), (&json!(5), Some("reach-out")));
    span(&host, &collector, "commit main", within(&handled));
    let asked = span(&host, &collector, "GET", within(&handled));
    assert_eq!((&asked.0["kind"], asked.attribute("http.response.status_code").as_deref()), (&json!(3), Some("200")));
    assert_eq!(asked.attribute("url.full"), Some(service.url("/ask")), "what is behind the ? is nobody's business");
    // The function reads the reply, makes an event of it, and a webhook tells that.
    let replied = span(&host, &collector, "handle reach-out", |span| within(&handled)(span) && span.id() != handled.id());
    let hooked = span(&host, &collector, "POST", within(&replied));
    assert_eq!(hooked.attribute("retold.consumer").as_deref(), Some("hook"));
    let sent: BTreeMap<String, String> =
        service.asked().iter().map(|asked| (asked.path.clone(), asked.header("traceparent").unwrap_or_default().to_owned())).collect();
    let of = |span: &Told| format!("00-{TRACE}-{}-01", span.id());
    assert_eq!(sent, BTreeMap::from([("/ask?private=1".into(), of(&asked)), ("/hook?private=1".into(), of(&hooked))]));
    // Time goes on along it, and no span is told twice.
    let times = |span: &Told| (span.text("startTimeUnixNano").to_owned(), span.text("endTimeUnixNano").to_owned());
    for (earlier, later) in [(&request, &appended), (&appended, &handled), (&handled, &asked), (&asked, &replied)] {
        assert!(times(earlier).0 <= times(later).0 && times(later).0 <= times(later).1, "{earlier:?} {later:?}");
    }
    let all = told(&collector);
    let ids: std::collections::BTreeSet<&str> = all.iter().map(Told::id).collect();
    assert_eq!(ids.len(), all.len());
}

#[test]
fn what_a_function_sets_aside_is_told_as_an_error_and_what_it_handles_of_the_same_trace_is_not() {
    let collector = collector();
    let host = start(&collector, &[]);
    host.web.deploy("hello", &guest("hello")).expect(201);
    let batch = json!([order("good", 1), event("order.placed", "bad", &json!({ "quantity": 1 }))]);
    let trace = format!("00-{TRACE}-{CLIENT}-01");
    let headers = [("content-type", "application/cloudevents-batch+json"), ("traceparent", &*trace)];
    host.web.send("POST", "events?wait=handled&timeout=100s", &headers, batch.to_string().as_bytes()).expect(201);
    let at = |position: &'static str| move |span: &Told| span.attribute("retold.position").as_deref() == Some(position);
    let positions: Vec<String> =
        of_type(&host.web, "order.placed").iter().map(|event| event["position"].as_str().expect("a position").to_owned()).collect();
    let [good, bad] = [0, 1].map(|index| -> &'static str { positions[index].clone().leak() });
    let good = span(&host, &collector, "handle pricing", at(good));
    assert_eq!((&good.0["status"]["code"], good.attribute("error.type")), (&json!(0), None));
    let bad = span(&host, &collector, "handle pricing", at(bad));
    assert_eq!((&bad.0["status"]["code"], bad.attribute("error.type").as_deref()), (&json!(2), Some("reject")));
    assert!(bad.0["status"]["message"].as_str().is_some_and(|message| message.contains("unit_price")), "{bad:?}");
}

#[test]
fn a_trace_goes_on_over_commands_of_functions_and_after_the_host_was_killed() {
    let collector = collector();
    let mut host = start(&collector, &[]);
    host.web.deploy("faulty-outside", &guest("faulty-outside")).expect(201);
    for function in ["circle-right", "circle-left"] {
        host.web.post(&format!("functions/{function}/pause"), "application/json", "").expect(200);
    }
    let headers = [("content-type", "application/cloudevents+json"), ("traceparent", &*format!("00-{TRACE}-{CLIENT}-01"))];
    let gone = event("test.gone-left", "x", &json!({})).to_string();
    host.web.send("POST", "events", &headers, gone.as_bytes()).expect(201);
    let appended = span(&host, &collector, "append main", |span| span.text("traceId") == TRACE);
    host.kill();
    host.restart();
    host.web.post("functions/circle-left/resume", "application/json", "").expect(200);
    // The function sends a command, the aggregate decides it, and its event waits for the next function.
    let of = |parent: &Told| {
        let parent = parent.id().to_owned();
        move |span: &Told| span.text("traceId") == TRACE && span.text("parentSpanId") == parent
    };
    let left = span(&host, &collector, "handle circle-left", of(&appended));
    let decided = span(&host, &collector, "handle right", of(&left));
    host.web.post("functions/circle-right/resume", "application/json", "").expect(200);
    span(&host, &collector, "handle circle-right", of(&decided));
}

#[test]
fn who_says_that_nobody_is_told_is_heeded_and_so_is_the_part_of_those_that_begin_here() {
    let collector = collector();
    let host = start(&collector, &["--otlp-sample", "0"]);
    host.web.deploy("hello", &guest("hello")).expect(201);
    let unsampled = format!("00-{TRACE}-{CLIENT}-00");
    append(&host, &order("1", 1), &unsampled).expect(201);
    host.web.append(&order("2", 1)).expect(201);
    // Whoever says nothing of a trace is given none; one that nobody is told of goes along as it came.
    let traces: Vec<Value> = of_type(&host.web, "order.placed").iter().map(|event| event["traceparent"].clone()).collect();
    assert_eq!(traces, [json!(unsampled), Value::Null]);
    // One that is sampled by its sender is told of all the same, and is all that comes.
    append(&host, &order("3", 1), &format!("00-{TRACE}-{CLIENT}-01")).expect(201);
    span(&host, &collector, "handle pricing", |_| true);
    let other: Vec<Told> = told(&collector).into_iter().filter(|span| span.text("traceId") != TRACE).collect();
    assert!(other.is_empty(), "{other:?}");
    assert_eq!(told(&collector).iter().filter(|span| span.text("name") == "append main").count(), 1);
}

#[test]
fn a_trace_begins_here_where_none_comes_and_an_event_that_names_its_own_keeps_it() {
    let collector = collector();
    let environment = "OTEL_SERVICE_NAME=shop-host OTEL_EXPORTER_OTLP_HEADERS=x-key=k%201";
    let endpoint = format!("OTEL_EXPORTER_OTLP_ENDPOINT={}", collector.url("/"));
    let environment: Vec<(&str, &str)> =
        [endpoint.as_str()].into_iter().chain(environment.split(' ')).map(|pair| pair.split_once('=').expect("a pair")).collect();
    let host = Host::start_with(&environment);
    host.web.deploy("hello", &guest("hello")).expect(201);
    let own = format!("00-{TRACE}-{CLIENT}-01");
    let mut named = order("named", 1);
    named["traceparent"] = json!(own);
    let mut batch = vec![named];
    batch.extend((0..3).map(|id| order(&id.to_string(), 1)));
    let body = json!(batch).to_string();
    host.web.post("events?wait=handled&timeout=100s", "application/cloudevents-batch+json", body).expect(201);
    let appended = span(&host, &collector, "append main", |_| true);
    let context = format!("00-{}-{}-01", appended.text("traceId"), appended.id());
    let traces: Vec<Value> = of_type(&host.web, "order.placed").iter().map(|event| event["traceparent"].clone()).collect();
    assert_eq!(traces, [json!(own), json!(context), json!(context), json!(context)]);
    let handled = |host: &Host| span(host, &collector, "handle pricing", |span| span.text("traceId") == TRACE);
    assert_eq!(handled(&host).text("parentSpanId"), CLIENT);
    host.wait_until("all are told of", || told(&collector).iter().filter(|span| span.text("name") == "handle pricing").count() == 4);
    // One commit serves all: it is a part of one and names the other.
    let committed = span(&host, &collector, "commit main", |span| span.attribute("retold.events").as_deref() == Some("4"));
    let links = committed.0["links"].as_array().expect("links");
    assert_eq!((committed.text("traceId"), links.len()), (TRACE, 1));
    assert_eq!((&links[0]["traceId"], &links[0]["spanId"]), (&appended.0["traceId"], &appended.0["spanId"]));
    let asked = collector.asked();
    assert!(asked.iter().all(|asked| asked.header("x-key") == Some("k 1")));
    let request: Value = serde_json::from_slice(&asked[0].body).expect("JSON");
    let resource = request["resourceSpans"][0]["resource"]["attributes"].as_array().expect("attributes");
    assert!(resource.contains(&json!({ "key": "service.name", "value": { "stringValue": "shop-host" } })), "{resource:?}");
    // What looks whether the host is well begins none.
    host.web.get("//healthz").expect(200);
    host.web.get("events").expect(200);
    span(&host, &collector, "GET /v1/namespaces/{ns}/events", |_| true);
    assert!(told(&collector).iter().all(|span| !span.text("name").contains("healthz")));
}

#[test]
fn a_collector_that_is_down_or_answers_badly_holds_nobody_up_and_what_it_lost_is_counted() {
    // One that nobody is at, one that refuses, one that takes half.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let refusing = Service::start(|_, _, stream| say(stream, 500, "", "broken"));
    let partly = Service::start(|_, _, stream| say(stream, 200, "", r#"{"partialSuccess":{"rejectedSpans":"1"}}"#));
    for endpoint in [format!("http://{nobody}"), refusing.url(""), partly.url("")] {
        let mut host = Host::start_saying(&["--otlp-endpoint", &endpoint]);
        host.web.deploy("hello", &guest("hello")).expect(201);
        for id in 0..20 {
            append(&host, &order(&id.to_string(), 1), &format!("00-{TRACE}-{CLIENT}-01")).expect(201);
        }
        assert_eq!(of_type(&host.web, "order.priced").len(), 20);
        host.wait_until(&format!("{endpoint} loses some"), || counts(&host).1 > 0);
        assert_eq!(endpoint == partly.url(""), counts(&host).0 > 0, "{endpoint}");
        assert!(host.terminate().success());
    }
}

#[test]
fn a_collector_that_never_answers_holds_up_neither_appends_nor_the_end() {
    let silent = Service::start(|_, _, _| std::thread::park_timeout(Duration::from_secs(300)));
    let mut host = start(&silent, &[]);
    host.web.deploy("hello", &guest("hello")).expect(201);
    let trace = format!("00-{TRACE}-{CLIENT}-01");
    let headers = [("content-type", "application/cloudevents-batch+json"), ("traceparent", &*trace)];
    // More spans than are kept for a collector, and each batch is handled well before it could have been waited for.
    for round in 0..12 {
        let batch: Vec<Value> = (0..1_000).map(|id| order(&format!("{round}-{id}"), 1)).collect();
        let path = "events?wait=handled&timeout=12s";
        host.web.send("POST", path, &headers, json!(batch).to_string().as_bytes()).expect(201);
    }
    host.wait_until("some are lost", || counts(&host).1 > 0);
    #[expect(clippy::disallowed_methods, reason = "it is a bound on time")]
    let began = std::time::Instant::now();
    assert!(host.terminate().success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_graceful_stop_sends_what_is_still_to_be_sent() {
    let collector = collector();
    let mut host = start(&collector, &[]);
    append(&host, &order("1", 1), &format!("00-{TRACE}-{CLIENT}-01")).expect(201);
    // Well before spans go by themselves.
    assert!(host.terminate().success());
    let names: Vec<String> = told(&collector).iter().map(|span| span.text("name").to_owned()).collect();
    for name in ["POST /v1/namespaces/{ns}/events", "append main", "commit main"] {
        assert!(names.iter().any(|told| told == name), "{name}: {names:?}");
    }
}

#[test]
fn an_endpoint_or_a_part_that_is_none_is_refused_before_anything_is_opened() {
    for (words, named) in [
        (&["--otlp-endpoint", "127.0.0.1:4318"][..], "--otlp-endpoint"),
        (&["--otlp-endpoint", "grpc://127.0.0.1:4317"], "--otlp-endpoint"),
        (&["--otlp-endpoint", "http://me:secret@127.0.0.1"], "--otlp-endpoint"),
        (&["--otlp-endpoint", "http://127.0.0.1:4318?a=b"], "--otlp-endpoint"),
        (&["--otlp-endpoint", "http://127.0.0.1:4318", "--otlp-sample", "2"], "--otlp-sample"),
    ] {
        let data = std::env::temp_dir().join(format!("retold-no-endpoint-{}", std::process::id()));
        let mut bounded = Command::new("timeout");
        bounded.arg("30").arg(retold()).args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).args(words);
        let output = bounded.output();
        let output = output.expect("retold runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(named) && !said.contains("me:secret@"), "{words:?}: {said}");
        assert!(!data.exists(), "{words:?}");
    }
}
