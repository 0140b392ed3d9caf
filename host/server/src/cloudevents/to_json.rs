//! Events of the log as CloudEvents JSON, straight from where they lie into the answer's bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use retold_engine::model::{Class, EventRef, Kind, TIMER_DUE, Timestamp};
use retold_engine::store::ModuleRow;
use serde::de::IgnoredAny;

use super::content::{is_json, one_line};
use super::json::{write_inside, write_number, write_text};
use super::timestamps::write_timestamp;

/// Writes events, each as one JSON object without a line break.
pub struct EventWriter {
    modules: Arc<BTreeMap<u32, Arc<ModuleRow>>>,
    /// What events made by a module version say of it, ready to copy.
    makers: Vec<(u32, Vec<u8>)>,
    data: Data,
}

/// Whether data of JSON types is known to be JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Data {
    /// As it lies in the log: what came in by `http` was checked there.
    Stored,
    /// Made by upcasters, which nobody has looked at.
    Made,
}

impl EventWriter {
    /// `modules` are the namespace's, by ordinal, no older than the events.
    pub fn new(modules: Arc<BTreeMap<u32, Arc<ModuleRow>>>) -> EventWriter {
        EventWriter { modules, makers: Vec::new(), data: Data::Stored }
    }

    /// For events in the form that upcasters gave them.
    pub fn of_upcast(modules: Arc<BTreeMap<u32, Arc<ModuleRow>>>) -> EventWriter {
        EventWriter { data: Data::Made, ..EventWriter::new(modules) }
    }

    pub fn write(&mut self, out: &mut Vec<u8>, event: &EventRef<'_>) {
        out.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":");
        write_text(out, event.id);
        out.extend_from_slice(b",\"source\":");
        write_text(out, event.source);
        out.extend_from_slice(b",\"type\":");
        write_text(out, event.r#type);
        if !event.subject.is_empty() {
            out.extend_from_slice(b",\"subject\":");
            write_text(out, event.subject);
        }
        // A time that the host gave is left out: it isn't part of what was said, and `recordedtime` tells it.
        if event.time_given || event.class == Class::Derived {
            out.extend_from_slice(b",\"time\":\"");
            write_timestamp(out, event.time);
            out.push(b'"');
        }
        out.extend_from_slice(b",\"datacontenttype\":");
        write_text(out, event.content_type);
        out.extend_from_slice(b",\"position\":\"");
        write_number(out, event.position.0);
        out.extend_from_slice(b"\",\"recordedtime\":\"");
        write_timestamp(out, event.recorded);
        out.push(b'"');
        if event.kind != Kind::Event {
            out.extend_from_slice(b",\"entrykind\":\"");
            out.extend_from_slice(event.kind.word().as_bytes());
            out.push(b'"');
        }
        write_causes(out, event);
        write_tags(out, event);
        if let Some(producer) = event.producer {
            out.extend_from_slice(self.maker(producer.module));
        }
        write_extensions(out, event);
        write_data(out, event, self.data);
        out.push(b'}');
    }

    fn maker(&mut self, module: u32) -> &[u8] {
        let at = match self.makers.iter().position(|(known, _)| *known == module) {
            Some(at) => at,
            None => {
                let mut text = Vec::new();
                if let Some(row) = self.modules.get(&module) {
                    for (name, value) in [
                        ("module", row.name.as_str()),
                        ("moduleversion", &row.version),
                        ("moduledigest", &format!("sha256:{}", row.digest)),
                    ] {
                        text.push(b',');
                        write_text(&mut text, name);
                        text.push(b':');
                        write_text(&mut text, value);
                    }
                }
                self.makers.push((module, text));
                self.makers.len() - 1
            }
        };
        &self.makers[at].1
    }
}

fn write_causes(out: &mut Vec<u8>, event: &EventRef<'_>) {
    if let Some(cause) = event.cause {
        out.extend_from_slice(b",\"causeposition\":\"");
        write_number(out, cause.0);
        out.push(b'"');
    }
    for (name, value) in [(&b",\"causationid\":"[..], event.causation_id), (b",\"correlationid\":", event.correlation_id)] {
        if !value.is_empty() {
            out.extend_from_slice(name);
            write_text(out, value);
        }
    }
}

fn write_tags(out: &mut Vec<u8>, event: &EventRef<'_>) {
    for (index, tag) in event.tags().enumerate() {
        out.extend_from_slice(if index == 0 { &b",\"tags\":\""[..] } else { b"," });
        write_inside(out, tag);
    }
    if event.tags().next().is_some() {
        out.push(b'"');
    }
}

fn write_extensions(out: &mut Vec<u8>, event: &EventRef<'_>) {
    for (name, value) in event.extensions() {
        out.push(b',');
        write_text(out, name);
        out.push(b':');
        match value.parse() {
            Ok(due) if event.kind == Kind::Timer && name == TIMER_DUE => {
                out.push(b'"');
                write_timestamp(out, Timestamp(due));
                out.push(b'"');
            }
            _ => write_text(out, value),
        }
    }
}

/// What an aggregate decided is a source event too, and made by a function.
fn is_checked(event: &EventRef<'_>, how: Data) -> bool {
    how == Data::Stored && event.class == Class::Source && event.producer.is_none()
}

/// JSON as it is, other text as a string, all else in base64. What came in by `http` was checked
/// there; what a function made is checked here, as it could otherwise write attributes of its own.
fn write_data(out: &mut Vec<u8>, event: &EventRef<'_>, how: Data) {
    let data = event.data;
    if data.is_empty() {
        return;
    }
    let text = if !is_json(event.content_type) {
        std::str::from_utf8(data).ok()
    } else if is_checked(event, how) || serde_json::from_slice::<IgnoredAny>(data).is_ok() {
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(&one_line(data));
        return;
    } else {
        None
    };
    match text {
        Some(text) => {
            out.extend_from_slice(b",\"data\":");
            write_text(out, text);
        }
        None => {
            out.extend_from_slice(b",\"data_base64\":\"");
            out.extend_from_slice(STANDARD.encode(data).as_bytes());
            out.push(b'"');
        }
    }
}

#[cfg(test)]
mod tests {
    use retold_engine::model::{Digest, Emitted, Manifest, NewEvent, Position, RecordBuilder, Timestamp};

    use super::super::{batch_from_json, event_from_json};
    use super::*;

    const RECORDED: Timestamp = Timestamp(1_795_238_316_123_456);

    fn written(build: impl FnOnce(&mut RecordBuilder)) -> Vec<String> {
        let mut builder = RecordBuilder::new(1, Position(41), RECORDED);
        build(&mut builder);
        let record = builder.finish(Digest::ZERO);
        let row = ModuleRow {
            ordinal: 3,
            name: "pricing".into(),
            version: "1.2.0".into(),
            digest: Digest::of(b"x"),
            manifest: Manifest { name: "pricing".into(), version: "1.2.0".into(), functions: Vec::new(), schemas: Vec::new() },
            deployed_at: Position(1),
            active: true,
        };
        let mut writer = EventWriter::new(Arc::new(BTreeMap::from([(3, Arc::new(row))])));
        let write = |event| {
            let mut out = Vec::new();
            writer.write(&mut out, &event);
            String::from_utf8(out).expect("UTF-8")
        };
        record.events().map(write).collect()
    }

    fn emitted(data: &[u8]) -> Emitted {
        Emitted {
            cause: Position(40),
            id: "d".into(),
            r#type: "order.priced".into(),
            subject: "order/7".into(),
            time: Timestamp(0),
            content_type: "application/json".into(),
            data: data.to_vec(),
            tags: vec!["eu".into()],
            hops: 1,
            causation_id: "c".into(),
            correlation_id: "k".into(),
            ..Emitted::default()
        }
    }

    #[test]
    fn an_event_that_was_read_can_be_sent_again_and_is_the_same() {
        let new = |text: &str| event_from_json(text).expect(text);
        let start = r#"{"specversion":"1.0","id":"a\"\\\u0001b","source":"/s","type":"t""#.replace("\\u0001", "ü");
        for rest in [
            "",
            r#","subject":"o/7","time":"1999-12-31T23:59:59.5Z","tags":"eu,vip","causationid":"c","correlationid":"k","traceparent":"00-1","x":"é\"""#,
            ",\"data\":{\n\"a\":[1,2.50,\"\\ud83d\\ude00\"]}",
            r#","data":null"#,
            r#","data":"line\nbreak","datacontenttype":"text/plain""#,
            r#","data_base64":"AP8=","datacontenttype":"application/octet-stream""#,
        ] {
            let event = new(&format!("{start}{rest}}}"));
            let text = written(|builder| {
                builder.add_source(&event);
            })
            .remove(0);
            assert!(!text.contains(['\n', '\r']), "{text}");
            let mut again = new(&text);
            again.correlation_id = again.correlation_id.filter(|id| *id != event.id);
            assert_eq!(again, event, "{text}");
        }
    }

    #[test]
    fn an_event_tells_its_place_and_when_it_was_recorded() {
        let event = event_from_json(r#"{"specversion":"1.0","id":"7","source":"/s","type":"t","data":1}"#).expect("good");
        let text = written(|builder| {
            builder.add_source(&event);
        })
        .remove(0);
        assert_eq!(
            text,
            r#"{"specversion":"1.0","id":"7","source":"/s","type":"t","datacontenttype":"application/json","position":"41","recordedtime":"2026-11-21T05:18:36.123456Z","data":1}"#
        );
    }

    #[test]
    fn a_derived_event_tells_its_cause_and_the_code_that_made_it() {
        let text = written(|builder| {
            builder.add_derived("/functions/pricing", 3, &emitted(b"{}"));
        })
        .remove(0);
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let digest = format!("sha256:{}", Digest::of(b"x"));
        for (name, value) in [
            ("source", "/functions/pricing"),
            ("causeposition", "40"),
            ("causationid", "c"),
            ("correlationid", "k"),
            ("module", "pricing"),
            ("moduleversion", "1.2.0"),
            ("moduledigest", &digest),
            ("tags", "eu"),
            ("time", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(json[name], value, "{text}");
        }
    }

    #[test]
    fn a_function_can_not_write_attributes_by_way_of_its_data() {
        for data in [&b"1,\"source\":\"/bank\""[..], b"{}}{", b"", b"\xff"] {
            let text = written(|builder| {
                builder.add_derived("/functions/f", 3, &emitted(data));
            })
            .remove(0);
            let json: serde_json::Value = serde_json::from_str(&text).expect(&text);
            assert_eq!(json["source"], "/functions/f");
            assert!(json.get("data").is_none());
            assert_eq!(json.get("data_base64").is_some(), !data.is_empty());
        }
    }

    #[test]
    fn a_new_event_of_many_is_written_like_each_alone() {
        let events: Vec<NewEvent> = batch_from_json(
            r#"[{"specversion":"1.0","id":"1","source":"/s","type":"t"},{"specversion":"1.0","id":"2","source":"/s","type":"t"}]"#,
        )
        .expect("good");
        let texts = written(|builder| {
            events.iter().for_each(|event| {
                builder.add_source(event);
            })
        });
        assert_eq!(texts[0].replace(r#""id":"1""#, r#""id":"2""#).replace("41", "42"), texts[1]);
    }
}
