//! Content of events and rows in reports: JSON as it is, other text as text, all else in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::drive::{DifferenceKind, OutputCounts, Shown};

/// At most one member is there; none where there is no data.
#[derive(Default, Serialize)]
pub struct DataAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

impl DataAnswer {
    pub fn of(bytes: &[u8], cut: bool) -> DataAnswer {
        if bytes.is_empty() {
            return DataAnswer::default();
        }
        if let Some(data) = serde_json::from_slice::<&RawValue>(bytes).ok().filter(|_| !cut) {
            return DataAnswer { data: Some(data.to_owned()), ..DataAnswer::default() };
        }
        match text(bytes, cut) {
            Some(text) => DataAnswer { data_text: Some(text.to_owned()), ..DataAnswer::default() },
            None => DataAnswer { data_base64: Some(STANDARD.encode(bytes)), ..DataAnswer::default() },
        }
    }
}

/// What was cut may end within a letter.
fn text(bytes: &[u8], cut: bool) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if cut && error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

#[derive(Serialize)]
pub struct ShownAnswer {
    position: Option<String>,
    r#type: String,
    subject: String,
    datacontenttype: String,
    #[serde(flatten)]
    data: DataAnswer,
    /// The data is longer than what is shown.
    cut: bool,
}

impl From<Shown> for ShownAnswer {
    fn from(shown: Shown) -> ShownAnswer {
        ShownAnswer {
            position: shown.position.map(|position| position.to_string()),
            data: DataAnswer::of(&shown.data, shown.cut),
            r#type: shown.r#type,
            subject: shown.subject,
            datacontenttype: shown.content_type,
            cut: shown.cut,
        }
    }
}

#[derive(Serialize)]
pub struct CountsAnswer {
    equal: u64,
    new: u64,
    missing: u64,
    different: u64,
}

impl From<OutputCounts> for CountsAnswer {
    fn from(OutputCounts { equal, new, missing, different }: OutputCounts) -> CountsAnswer {
        CountsAnswer { equal, new, missing, different }
    }
}

pub fn kind_word(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::New => "new",
        DifferenceKind::Missing => "missing",
        DifferenceKind::Different => "different",
    }
}

#[cfg(test)]
mod tests {
    use retold_engine::model::Position;

    use super::*;

    #[track_caller]
    fn check(data: &[u8], cut: bool, json: &str) {
        let shown = Shown {
            position: Some(Position(7)),
            r#type: "order.priced".into(),
            subject: "order/1".into(),
            content_type: "application/json".into(),
            data: data.to_vec(),
            cut,
        };
        let written = serde_json::to_string(&ShownAnswer::from(shown)).expect("JSON");
        let head = r#"{"position":"7","type":"order.priced","subject":"order/1","datacontenttype":"application/json","#;
        assert_eq!(written, format!(r#"{head}{json}"cut":{cut}}}"#));
    }

    #[test]
    fn data_is_shown_as_json_where_it_is_whole_json_and_as_text_where_that_can_be_read() {
        check(br#"{"total": 7.50}"#, false, r#""data":{"total": 7.50},"#);
        check(b"7", true, r#""data_text":"7","#);
        check("{\"a\":\"gr\u{fc}".as_bytes(), true, r#""data_text":"{\"a\":\"grü","#);
        check(b"gr\xc3", true, r#""data_text":"gr","#);
        check(b"gr\xc3", false, r#""data_base64":"Z3LD","#);
        check(b"", false, "");
    }
}
