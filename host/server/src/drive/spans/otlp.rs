//! Spans as OTLP's JSON has them (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>): ids in hexadecimal
//! digits, kinds as numbers, 64-bit numbers as texts.

use serde_json::{Value, json};

use super::span::{Attribute, Span};

const STATUS_UNSET: u8 = 0;
const STATUS_ERROR: u8 = 2;

/// A whole `ExportTraceServiceRequest`.
pub fn request(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let resource: Vec<Value> = resource.iter().map(|(name, value)| attribute(name, &Attribute::Text(value.clone()))).collect();
    let scope = json!({ "name": "retold", "version": env!("CARGO_PKG_VERSION") });
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let all = json!({ "resourceSpans": [{ "resource": { "attributes": resource }, "scopeSpans": [{ "scope": scope, "spans": spans }] }] });
    all.to_string().into_bytes()
}

fn span(span: &Span) -> Value {
    let links = span.links.iter().map(|to| json!({ "traceId": trace_id(to.trace), "spanId": span_id(to.span), "flags": 1 }));
    let status = match &span.error {
        None => json!({ "code": STATUS_UNSET }),
        Some(what) => json!({ "code": STATUS_ERROR, "message": what }),
    };
    json!({
        "traceId": trace_id(span.context.trace),
        "spanId": span_id(span.context.span),
        "parentSpanId": span.parent.map(span_id).unwrap_or_default(),
        "flags": 1,
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": span.began_ns.to_string(),
        "endTimeUnixNano": span.ended_ns.to_string(),
        "attributes": span.attributes.iter().map(|(name, value)| attribute(name, value)).collect::<Vec<_>>(),
        "links": links.collect::<Vec<_>>(),
        "droppedLinksCount": span.links_dropped,
        "status": status,
    })
}

fn attribute(name: &str, value: &Attribute) -> Value {
    let value = match value {
        Attribute::Text(text) => json!({ "stringValue": text }),
        Attribute::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({ "key": name, "value": value })
}

fn trace_id(trace: u128) -> String {
    format!("{trace:032x}")
}

fn span_id(span: u64) -> String {
    format!("{span:016x}")
}

/// How many spans a collector that took the request did not take.
pub fn rejected(answer: &[u8]) -> u64 {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = &answer["partialSuccess"]["rejectedSpans"];
    // 64-bit numbers are texts, and some collectors write them as numbers.
    rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::context::SpanContext;
    use super::super::span::SpanKind;
    use super::*;

    #[test]
    fn a_span_is_written_as_the_specification_says() {
        let context = SpanContext { trace: 0xab, span: 0xcd, sampled: true };
        let mut made = Span::begin(context, Some(7), "handle pricing".into(), SpanKind::Consumer);
        (made.began_ns, made.ended_ns) = (1_700_000_000_000_000_001, 1_700_000_000_000_000_002);
        made.text("retold.namespace", "main").number("retold.position", 9);
        made.link(SpanContext { trace: 1, span: 2, sampled: true });
        let parent = Span { parent: None, error: Some("it broke".into()), ..made.clone() };
        let written = request(&[("service.name".into(), "retold".into())], &[made, parent]);
        let written: Value = serde_json::from_slice(&written).expect("JSON");
        let resource = &written["resourceSpans"][0];
        assert_eq!(resource["resource"]["attributes"], json!([{ "key": "service.name", "value": { "stringValue": "retold" } }]));
        let expected = json!({
            "traceId": "000000000000000000000000000000ab", "spanId": "00000000000000cd", "parentSpanId": "0000000000000007", "flags": 1,
            "name": "handle pricing", "kind": 5, "startTimeUnixNano": "1700000000000000001", "endTimeUnixNano": "1700000000000000002",
            "attributes": [
                { "key": "retold.namespace", "value": { "stringValue": "main" } }, { "key": "retold.position", "value": { "intValue": "9" } },
            ],
            "links": [{ "traceId": "00000000000000000000000000000001", "spanId": "0000000000000002", "flags": 1 }],
            "droppedLinksCount": 0, "status": { "code": 0 },
        });
        let spans = &resource["scopeSpans"][0]["spans"];
        assert_eq!(spans[0], expected);
        assert_eq!((&spans[1]["parentSpanId"], &spans[1]["status"]), (&json!(""), &json!({ "code": 2, "message": "it broke" })));
    }

    #[test]
    fn what_a_collector_did_not_take_is_read() {
        for (answer, expected) in [
            (r#"{"partialSuccess":{"rejectedSpans":"5","errorMessage":"full"}}"#, 5),
            (r#"{"partialSuccess":{"rejectedSpans":5}}"#, 5),
            ("{}", 0),
            ("", 0),
            ("no JSON", 0),
        ] {
            assert_eq!(rejected(answer.as_bytes()), expected, "{answer}");
        }
    }
}
