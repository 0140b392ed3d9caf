//! Entries of a log from the lines that `retold export` wrote.

use std::borrow::Cow;

use retold_engine::model::{Class, ImportedEntry, Kind, Position, TIMER_DUE};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::bad_event::BadEvent;
use super::content::is_json;
use super::from_json::logged_event_from_json;
use super::timestamps::parse_timestamp;

/// What the host says of an entry.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    position: Option<Cow<'a, str>>,
    #[serde(borrow)]
    recordedtime: Option<Cow<'a, str>>,
    #[serde(borrow)]
    entrykind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    causeposition: Option<Cow<'a, str>>,
}

/// Reads one line, and the position that it names. It is held against the limits of events, and its cause comes before it.
///
/// Everything is a source event here, whatever made it: the code that did isn't in an export.
pub fn exported_entry(line: &str) -> Result<(Position, ImportedEntry), BadEvent> {
    let mut event = logged_event_from_json(line)?;
    let said: Said<'_> = serde_json::from_str(line).map_err(|error| {
        BadEvent::syntax(format!("position, recordedtime, entrykind and causeposition must be JSON strings, each once ({error})"))
    })?;
    let position = position("position", said.position.as_deref())?.ok_or_else(|| BadEvent::field("position", MISSING))?;
    let recorded = said.recordedtime.as_deref().ok_or_else(|| BadEvent::field("recordedtime", MISSING))?;
    let recorded = parse_timestamp(recorded).map_err(|what| BadEvent::field("recordedtime", what))?;
    let cause = self::position("causeposition", said.causeposition.as_deref())?;
    if cause.is_some_and(|cause| cause >= position || cause == Position::START) {
        return Err(BadEvent::field("causeposition", format!("must lie before the entry's own position, {position}")));
    }
    let kind = match said.entrykind.as_deref() {
        None => Kind::Event,
        Some("command") => Kind::Command,
        Some("timer") => Kind::Timer,
        Some("request") => Kind::Request,
        Some(other) => return Err(BadEvent::field("entrykind", format!("is {other:?}: it is command, timer or request, or left out"))),
    };
    if kind == Kind::Timer {
        for (_, due) in event.extensions.iter_mut().filter(|(name, _)| name == TIMER_DUE) {
            *due = parse_timestamp(due).map_err(|what| BadEvent::field(TIMER_DUE, what))?.0.to_string();
        }
    }
    event.check().map_err(|(field, what)| BadEvent::field(field, what))?;
    // Readers look at the data of what functions made once more before they take it for JSON.
    let is_as_said = event.data.is_empty() || !is_json(&event.content_type) || serde_json::from_slice::<IgnoredAny>(&event.data).is_ok();
    let class = if is_as_said { Class::Source } else { Class::Derived };
    Ok((position, ImportedEntry { event, kind, class, recorded, cause }))
}

const MISSING: &str = "is missing: send lines that `retold export` wrote, or append events with `retold append`";

fn position(field: &'static str, text: Option<&str>) -> Result<Option<Position>, BadEvent> {
    let parse = |text: &str| {
        text.parse().map(Position).map_err(|_| BadEvent::field(field, format!("is {text:?}: use a position, such as \"1200\"")))
    };
    text.map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use retold_engine::model::{Digest, RecordBuilder, Timestamp};

    use super::super::EventWriter;
    use super::*;

    #[track_caller]
    fn comes_back(line: &str) {
        let (position, entry) = exported_entry(line).unwrap_or_else(|bad| panic!("{line}: {}", bad.what));
        let mut builder = RecordBuilder::new(1, position, Timestamp(1));
        builder.add_imported(&entry);
        let record = builder.finish(Digest::ZERO);
        let mut out = Vec::new();
        EventWriter::new(Arc::new(BTreeMap::new())).write(&mut out, &record.event(position).expect("an entry"));
        assert_eq!(String::from_utf8_lossy(&out), line);
    }

    #[test]
    fn a_line_of_an_export_is_the_same_line_once_it_was_imported() {
        let source = r#"{"specversion":"1.0","id":"a","source":"/shop","type":"order.placed","subject":"order/7","time":"2026-11-21T05:18:36.500000Z","datacontenttype":"application/json","position":"7","recordedtime":"2026-11-21T05:18:37.123456Z","correlationid":"a","tags":"x,y","zone":"eu","data":{"n": 1.0}}"#;
        comes_back(source);
        comes_back(
            r#"{"specversion":"1.0","id":"b","source":"/functions/pricing","type":"order.priced","time":"2026-11-21T05:18:36.123456Z","datacontenttype":"application/json","position":"9","recordedtime":"2026-11-21T05:18:37.123456Z","causeposition":"7","causationid":"a","correlationid":"a","tags":"x","module":"pricing","moduleversion":"1.0.0","moduledigest":"sha256:00","apple":"1","data_base64":"AP8="}"#,
        );
        comes_back(
            r#"{"specversion":"1.0","id":"c","source":"/functions/pricing","type":"reminder","time":"2026-11-21T05:18:36.123456Z","datacontenttype":"text/plain","position":"9","recordedtime":"2026-11-21T05:18:37.123456Z","entrykind":"timer","causeposition":"7","timerdue":"2026-11-21T06:00:00.123456Z","timerkey":"k","data":"text"}"#,
        );
        comes_back(
            r#"{"specversion":"1.0","id":"d","source":"/retold/host","type":"retold.module.deployed","datacontenttype":"application/json","position":"1","recordedtime":"2026-11-21T05:18:37.123456Z"}"#,
        );
    }

    #[test]
    fn what_no_export_says_is_refused_by_its_name() {
        let line = |more: &str| format!(r#"{{"specversion":"1.0","id":"a","source":"/s","type":"t"{more}}}"#);
        let refused = |more: &str| exported_entry(&line(more)).expect_err(more).field.unwrap_or_default();
        let at = r#","position":"3","recordedtime":"2026-11-21T05:18:37Z""#;
        assert!(exported_entry(&line(at)).is_ok());
        assert_eq!(refused(""), "position");
        assert_eq!(refused(r#","position":"3""#), "recordedtime");
        assert_eq!(refused(r#","position":"three","recordedtime":"2026-11-21T05:18:37Z""#), "position");
        assert_eq!(refused(&format!(r#"{at},"causeposition":"3""#)), "causeposition");
        assert_eq!(refused(&format!(r#"{at},"entrykind":"wish""#)), "entrykind");
        assert_eq!(refused(&format!(r#"{at},"subject":"{}""#, "x".repeat(5_000))), "subject");
        assert!(exported_entry(&line(r#","position":3,"recordedtime":"2026-11-21T05:18:37Z""#)).is_err());
    }
}
