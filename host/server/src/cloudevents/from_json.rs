//! Events from the CloudEvents JSON format, one or a batch. Nothing is built in between: texts are
//! borrowed from the bytes until they go into the event.

use std::borrow::Cow;
use std::fmt;

use retold_engine::model::NewEvent;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::bad_event::BadEvent;
use super::draft::{Attribute, Draft, Origin};

/// Bytes that should be JSON, as text: looked at once, whole, so that nothing below looks again.
pub fn json_text(bytes: &[u8]) -> Result<&str, BadEvent> {
    std::str::from_utf8(bytes)
        .map_err(|error| BadEvent::syntax(format!("the text is not UTF-8 (at byte {}): mend it and send it again", error.valid_up_to())))
}

/// Reads one event.
pub fn event_from_json(text: &str) -> Result<NewEvent, BadEvent> {
    read(text, |trouble, from| EventSeed(trouble, Origin::Caller).deserialize(from))
}

/// Reads one event of a log, which may be of the host's own sources and types.
pub fn logged_event_from_json(text: &str) -> Result<NewEvent, BadEvent> {
    read(text, |trouble, from| EventSeed(trouble, Origin::Log).deserialize(from))
}

/// Reads an array of events.
pub fn batch_from_json(text: &str) -> Result<Vec<NewEvent>, BadEvent> {
    read(text, |trouble, from| from.deserialize_seq(BatchVisitor(trouble)))
}

type Json<'de> = serde_json::Deserializer<serde_json::de::StrRead<'de>>;

fn read<'de, T>(text: &'de str, read: impl FnOnce(&mut Trouble, &mut Json<'de>) -> serde_json::Result<T>) -> Result<T, BadEvent> {
    let mut trouble = Trouble::default();
    let mut from = serde_json::Deserializer::from_str(text);
    let result = read(&mut trouble, &mut from).and_then(|value| from.end().map(|()| value));
    result.map_err(|error| trouble.tell(&error))
}

/// What serde's errors can't carry: where the reader was, and our own refusals.
#[derive(Default)]
struct Trouble {
    index: Option<usize>,
    field: Option<String>,
    refused: Option<BadEvent>,
}

impl Trouble {
    #[cold]
    fn refuse<E: serde::de::Error>(&mut self, bad: BadEvent) -> E {
        self.refused = Some(bad);
        E::custom("")
    }

    #[cold]
    fn at<E>(&mut self, field: &str, error: E) -> E {
        self.field = Some(field.to_owned());
        error
    }

    #[cold]
    fn tell(self, error: &serde_json::Error) -> BadEvent {
        let message = error.to_string();
        let message = message.strip_suffix(&format!(" at line {} column {}", error.line(), error.column())).unwrap_or(&message);
        let place = if error.line() > 1 {
            format!(" at line {} column {}", error.line(), error.column())
        } else {
            format!(" at column {}", error.column())
        };
        let bad = match (self.refused, self.field) {
            (Some(bad), _) => bad,
            (None, Some(field)) if error.is_data() => {
                BadEvent::field(&field, format!("has the wrong JSON type ({message}): attributes are JSON strings"))
            }
            _ if error.is_data() => {
                BadEvent::syntax(format!("the JSON is not an event ({message}{place}): send an object, or an array of objects"))
            }
            _ => BadEvent::syntax(format!("the text is not JSON ({message}{place}): mend it and send it again")),
        };
        BadEvent { index: self.index, ..bad }
    }
}

struct EventSeed<'t>(&'t mut Trouble, Origin);

impl<'de> DeserializeSeed<'de> for EventSeed<'_> {
    type Value = NewEvent;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<NewEvent, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EventSeed<'_> {
    type Value = NewEvent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NewEvent, A::Error> {
        let EventSeed(trouble, origin) = self;
        let mut draft = Draft::new();
        while let Some(Scalar::Text(name)) = map.next_key()? {
            let attribute = Attribute::of(&name);
            draft.begin(attribute, &name).map_err(|bad| trouble.refuse::<A::Error>(bad))?;
            let set = match attribute {
                Attribute::Data => draft.set_json(map.next_value::<&RawValue>()?),
                Attribute::Host => map.next_value::<IgnoredAny>().map(|_| Ok(()))?,
                _ => match map.next_value::<Scalar<'de>>().map_err(|error| trouble.at(&name, error))? {
                    Scalar::Null => Ok(()),
                    Scalar::Text(value) => draft.set(attribute, &name, value),
                    Scalar::Other(value) if attribute == Attribute::Extension => draft.set(attribute, &name, Cow::Owned(value)),
                    Scalar::Other(value) => Err(BadEvent::field(&name, format!("is {value}: write it as a JSON string"))),
                },
            };
            set.map_err(|bad| trouble.refuse::<A::Error>(bad))?;
        }
        draft.finish(origin).map_err(|bad| trouble.refuse(bad))
    }
}

struct BatchVisitor<'t>(&'t mut Trouble);

impl<'de> Visitor<'de> for BatchVisitor<'_> {
    type Value = Vec<NewEvent>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of CloudEvents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<NewEvent>, A::Error> {
        let mut events = Vec::new();
        self.0.index = Some(0);
        while let Some(event) = elements.next_element_seed(EventSeed(self.0, Origin::Caller))? {
            events.push(event);
            self.0.index = Some(events.len());
        }
        self.0.index = None;
        Ok(events)
    }
}

/// An attribute's value: text, or what has a text.
enum Scalar<'de> {
    Null,
    Text(Cow<'de, str>),
    Other(String),
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    #[inline]
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Scalar<'de>, E> {
        Err(E::custom(format!("{value} is no integer")))
    }
}

#[cfg(test)]
mod tests {
    use retold_engine::model::Timestamp;

    use super::*;

    const EVENT: &str = r#"{"specversion":"1.0","id":"7","source":"/shop","type":"order.placed"#;

    #[track_caller]
    fn good(rest: &str) -> NewEvent {
        event_from_json(&format!("{EVENT}\"{rest}}}")).unwrap_or_else(|bad| panic!("{rest}: {bad}"))
    }

    #[track_caller]
    fn bad(text: &str, field: Option<&str>, says: &str) {
        let bad = event_from_json(text).expect_err(text);
        assert_eq!(bad.field.as_deref(), field, "{text}: {bad}");
        assert!(bad.to_string().contains(says), "{text}: {bad}");
    }

    #[test]
    fn an_event_is_read_with_all_that_it_says() {
        let event = good(
            r#","subject":"order\/7","time":"2026-11-21T05:18:36.123456Z","datacontenttype":"application/json","tags":"eu, vip ,,","causationid":"c","correlationid":"k",
               "traceparent":"00-ab-01","count":5,"negative":-1,"flag":true,"dataschema":"/s","unset":null,"data" : {"a": [1, 2.50]}"#,
        );
        let text = |name: &str| event.extensions.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(
            (event.id.as_str(), event.source.as_str(), event.r#type.as_str(), event.subject.as_str()),
            ("7", "/shop", "order.placed", "order/7")
        );
        assert_eq!(event.time, Some(Timestamp(1_795_238_316_123_456)));
        assert_eq!(event.data, br#"{"a": [1, 2.50]}"#);
        assert_eq!(event.tags, ["eu", "vip"]);
        assert_eq!((event.causation_id.as_deref(), event.correlation_id.as_deref()), (Some("c"), Some("k")));
        assert_eq!(
            (text("count"), text("negative"), text("flag"), text("dataschema"), text("unset")),
            (Some("5"), Some("-1"), Some("true"), Some("/s"), None)
        );
        assert!(event.extensions.is_sorted());
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let event = good("");
        assert_eq!((event.content_type.as_str(), event.subject.as_str(), event.time, event.data.len()), ("application/json", "", None, 0));
    }

    #[test]
    fn what_only_the_host_says_is_ignored_so_that_an_event_can_be_sent_again() {
        let event = good(r#","position":"12","recordedtime":"2026-11-21T05:18:36Z","causeposition":3"#);
        assert_eq!(event, good(""));
    }

    #[test]
    fn data_of_each_kind_becomes_bytes() {
        assert_eq!(good(r#","data":null"#).data, b"null");
        assert_eq!(good(r#","data":"a\n""#).data, br#""a\n""#);
        assert_eq!(good(",\"data\":{\n\"a\":\r\n1}").data, b"{ \"a\":  1}");
        assert_eq!(good(r#","data":"a\u00e4\n","datacontenttype":"text/plain""#).data, "aä\n".as_bytes());
        assert_eq!(good(r#","datacontenttype":"image/png","data_base64":"AP8=""#).data, [0, 255]);
        assert_eq!(good(r#","data_base64":"WzFd""#).data, b"[1]");
    }

    #[test]
    fn each_attribute_that_is_wrong_is_named_with_the_remedy() {
        let with = |rest: &str| format!("{EVENT}\"{rest}}}");
        bad(r#"{"id":"7","source":"/shop","type":"t"}"#, Some("specversion"), "is missing");
        bad(&with("").replace("1.0", "0.3"), Some("specversion"), "0.3");
        bad(&with("").replace(r#""id":"7","#, ""), Some("id"), "missing");
        bad(&with("").replace(r#""7""#, r#""""#), Some("id"), "missing or empty");
        bad(&with("").replace(r#""7""#, "7"), Some("id"), "JSON string");
        bad(&with("").replace(r#""7""#, "[7]"), Some("id"), "JSON string");
        bad(&with("").replace("/shop", "/functions/pricing"), Some("source"), "only the host");
        bad(&with("").replace("order.placed", "retold.module.deployed"), Some("type"), "only the host");
        bad(&with(r#","time":"yesterday""#), Some("time"), "RFC 3339");
        bad(&with(r#","time":17"#), Some("time"), "JSON string");
        bad(&with(r#","id":"8""#), Some("id"), "twice");
        bad(&with(r#","data":1,"data":1"#), Some("data"), "twice");
        bad(&with(r#","x":"1","x":"1""#), Some("x"), "twice");
        bad(&with(r#","data":1,"data_base64":"AA==""#), Some("data_base64"), "one of the two");
        bad(&with(r#","data_base64":"?""#), Some("data_base64"), "base64");
        bad(&with(r#","data_base64":"AP8=""#), Some("data_base64"), "not JSON");
        bad(&with(r#","data":{"a":1},"datacontenttype":"text/plain""#), Some("data"), "data_base64");
        bad(&with(&format!(r#","data":{}{}"#, "[".repeat(200), "]".repeat(200))), Some("data"), "nested");
        bad(&with(r#","camelCase":"1""#), Some("camelCase"), "extension");
        bad(&with(r#","aaaaaaaaaaaaaaaaaaaaa":"1""#), Some("aaaaaaaaaaaaaaaaaaaaa"), "extension");
        bad(&with(r#","x":1.5"#), Some("x"), "JSON type");
        bad(&with(r#","x":{"a":1}"#), Some("x"), "JSON type");
        bad(&with(r#","x":"a\u0000b""#), Some("x"), "control character");
        bad(&with(r#","tags":["a"]"#), Some("tags"), "JSON type");
        bad(&with(&(0..33).map(|number| format!(r#","x{number}":"1""#)).collect::<String>()), Some("x32"), "at most 32");
    }

    #[test]
    fn what_is_no_json_is_refused_with_the_place() {
        bad("", None, "not JSON");
        bad("{", None, "at column 1");
        bad("{\n,", None, "at line 2 column 1");
        bad("[]", None, "not an event");
        bad("{} {}", Some("specversion"), "missing");
        bad(&format!("{EVENT}\"}} x"), None, "not JSON");
        bad(&format!("{EVENT}\\ud800\"}}"), None, "not JSON");
        bad(&"[".repeat(100_000), None, "not an event");
        assert!(json_text(b"{\"id\":\"\xff\"}").is_err_and(|bad| bad.what.contains("at byte 7")));
    }

    #[test]
    fn a_batch_tells_which_event_is_wrong() {
        let one = format!("{EVENT}\"}}");
        assert_eq!(batch_from_json(&format!("[{one},{one}]")).map(|events| events.len()), Ok(2));
        assert_eq!(batch_from_json("[]").map(|events| events.len()), Ok(0));
        let bad = batch_from_json(&format!("[{one},{}]", one.replace("1.0", "2"))).expect_err("no 2");
        assert_eq!((bad.index, bad.field.as_deref()), (Some(1), Some("specversion")));
        let bad = batch_from_json(&format!("[{one},7]")).expect_err("no number");
        assert_eq!(bad.index, Some(1));
        assert!(batch_from_json(&one).is_err_and(|bad| bad.index.is_none()));
    }
}
