//! What a replay found out about one function, and its bytes: they are kept with the shadow.

use crate::model::{ByteReader, ByteWriter, Emitted, EventRef, FunctionKind, Kind, Malformed, Position};

/// Of each kind of finding, so many are shown.
pub const SHOWN_MAX: usize = 10;
/// Of each content, so many bytes.
const DATA_SHOWN_MAX: usize = 4 << 10;

/// What a replay found out about one function. Counts are of events and outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionReport {
    pub function: String,
    pub kind: FunctionKind,
    /// Handed to the code.
    pub events: u64,
    /// Left out where the record says that they were parked.
    pub skipped: u64,
    /// Outputs that the log has, with this content; that it has not; that it has and the code doesn't make;
    /// that it has with other content.
    pub equal: u64,
    pub new: u64,
    pub missing: u64,
    pub different: u64,
    /// The first that are new, missing and different, by the position of their cause.
    pub examples: Vec<Example>,
    /// Events that failed where the record says that they were handled, and the first of them.
    pub failures: u64,
    pub failed: Vec<FailedEvent>,
    /// Of the events that are parked still: those that pass now, and those that don't.
    pub passes_now: u64,
    pub fails_still: u64,
    /// As of the last time when the replay was level.
    pub state_rows: u64,
    pub state_bytes: u64,
    pub calls: u64,
    pub fuel: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    New,
    Missing,
    Different,
}

/// An output as the log has it, and as the code makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub finding: Finding,
    pub cause: Position,
    pub id: String,
    pub recorded: Option<Content>,
    pub made: Option<Content>,
}

/// The content of an output, for showing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub kind: Kind,
    pub r#type: String,
    pub subject: String,
    pub content_type: String,
    pub tags: Vec<String>,
    /// The beginning.
    pub data: Vec<u8>,
    /// How much there is of it.
    pub data_bytes: u64,
}

/// An event that the code can't handle, alone in a fresh instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedEvent {
    pub position: Position,
    pub r#type: String,
    pub subject: String,
    pub reason: String,
    pub message: String,
}

impl Content {
    pub fn made(event: &Emitted) -> Content {
        Content::new(event.kind, [&event.r#type, &event.subject, &event.content_type], event.tags.clone(), &event.data)
    }

    pub fn recorded(event: &EventRef<'_>) -> Content {
        Content::new(event.kind, [event.r#type, event.subject, event.content_type], event.tags().map(str::to_owned).collect(), event.data)
    }

    fn new(kind: Kind, [r#type, subject, content_type]: [&str; 3], tags: Vec<String>, data: &[u8]) -> Content {
        let (shown, data_bytes) = (data[..data.len().min(DATA_SHOWN_MAX)].to_vec(), data.len() as u64);
        let [r#type, subject, content_type] = [r#type, subject, content_type].map(str::to_owned);
        Content { kind, r#type, subject, content_type, tags, data: shown, data_bytes }
    }

    fn encode(&self, out: &mut ByteWriter) {
        out.u8(KINDS_OF_ENTRIES.iter().position(|kind| *kind == self.kind).unwrap_or_default() as u8);
        out.text(&self.r#type);
        out.text(&self.subject);
        out.text(&self.content_type);
        out.varint(self.tags.len() as u64);
        self.tags.iter().for_each(|tag| out.text(tag));
        out.blob(&self.data);
        out.varint(self.data_bytes);
    }

    fn decode(reader: &mut ByteReader<'_>) -> Result<Content, Malformed> {
        let at = reader.position();
        let kind = usize::from(reader.u8("kind")?);
        let kind = *KINDS_OF_ENTRIES.get(kind).ok_or(Malformed { what: "kind", at })?;
        let mut text = || Ok::<_, Malformed>(reader.text("content")?.to_owned());
        let (r#type, subject, content_type) = (text()?, text()?, text()?);
        let count = reader.length("tags")?;
        let tags = (0..count).map(|_| Ok(reader.text("tag")?.to_owned())).collect::<Result<_, _>>()?;
        let data = reader.blob("data")?.to_vec();
        Ok(Content { kind, r#type, subject, content_type, tags, data, data_bytes: reader.varint("data")? })
    }
}

const KINDS_OF_ENTRIES: [Kind; 4] = [Kind::Event, Kind::Command, Kind::Timer, Kind::Request];
const FINDINGS: [Finding; 3] = [Finding::New, Finding::Missing, Finding::Different];
const KINDS: [FunctionKind; 5] =
    [FunctionKind::Handler, FunctionKind::Aggregate, FunctionKind::View, FunctionKind::Upcaster, FunctionKind::Ingress];

impl FunctionReport {
    pub fn new(function: &str, kind: FunctionKind) -> FunctionReport {
        FunctionReport {
            function: function.to_owned(),
            kind,
            events: 0,
            skipped: 0,
            equal: 0,
            new: 0,
            missing: 0,
            different: 0,
            examples: Vec::new(),
            failures: 0,
            failed: Vec::new(),
            passes_now: 0,
            fails_still: 0,
            state_rows: 0,
            state_bytes: 0,
            calls: 0,
            fuel: 0,
        }
    }

    /// Whether the code makes what the log has, and nothing else.
    pub fn is_same(&self) -> bool {
        self.new == 0 && self.missing == 0 && self.different == 0 && self.failures == 0
    }

    /// Takes in what was shown of a portion: of each kind the first stay.
    pub fn show(&mut self, mut examples: Vec<Example>, mut failed: Vec<FailedEvent>) {
        examples.sort_by_key(|example| example.cause);
        for example in examples {
            if self.examples.iter().filter(|shown| shown.finding == example.finding).count() < SHOWN_MAX {
                self.examples.push(example);
            }
        }
        failed.sort_by_key(|event| event.position);
        self.failed.extend(failed);
        self.failed.truncate(SHOWN_MAX);
    }

    fn counts(&mut self) -> [&mut u64; 13] {
        [
            &mut self.events,
            &mut self.skipped,
            &mut self.equal,
            &mut self.new,
            &mut self.missing,
            &mut self.different,
            &mut self.failures,
            &mut self.passes_now,
            &mut self.fails_still,
            &mut self.state_rows,
            &mut self.state_bytes,
            &mut self.calls,
            &mut self.fuel,
        ]
    }

    pub fn encode(&self, out: &mut ByteWriter) {
        out.text(&self.function);
        out.u8(KINDS.iter().position(|kind| *kind == self.kind).unwrap_or_default() as u8);
        self.clone().counts().into_iter().for_each(|count| out.varint(*count));
        out.varint(self.examples.len() as u64);
        for Example { finding, cause, id, recorded, made } in &self.examples {
            out.u8(*finding as u8);
            out.varint(cause.0);
            out.text(id);
            for content in [recorded, made] {
                out.u8(u8::from(content.is_some()));
                content.iter().for_each(|content| content.encode(out));
            }
        }
        out.varint(self.failed.len() as u64);
        for FailedEvent { position, r#type, subject, reason, message } in &self.failed {
            out.varint(position.0);
            [r#type, subject, reason, message].into_iter().for_each(|text| out.text(text));
        }
    }

    pub fn decode(reader: &mut ByteReader<'_>) -> Result<FunctionReport, Malformed> {
        let wrong = |what| Malformed { what, at: 0 };
        let function = reader.text("function")?.to_owned();
        let kind = *KINDS.get(usize::from(reader.u8("kind")?)).ok_or(wrong("kind"))?;
        let mut report = FunctionReport::new(&function, kind);
        for count in report.counts() {
            *count = reader.varint("count")?;
        }
        for _ in 0..reader.length("examples")? {
            let finding = *FINDINGS.get(usize::from(reader.u8("finding")?)).ok_or(wrong("finding"))?;
            let (cause, id) = (Position(reader.varint("cause")?), reader.text("id")?.to_owned());
            let mut content = || if reader.u8("content")? == 0 { Ok(None) } else { Content::decode(reader).map(Some) };
            let (recorded, made) = (content()?, content()?);
            report.examples.push(Example { finding, cause, id, recorded, made });
        }
        for _ in 0..reader.length("failed")? {
            let position = Position(reader.varint("position")?);
            let mut text = || Ok::<_, Malformed>(reader.text("failed")?.to_owned());
            report.failed.push(FailedEvent { position, r#type: text()?, subject: text()?, reason: text()?, message: text()? });
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_comes_back_from_its_bytes_and_foreign_bytes_are_refused() {
        let content = |data: &[u8]| Content::new(Kind::Command, ["a", "x", "text/plain"], vec!["tag".into()], data);
        let mut report = FunctionReport::new("pricing", FunctionKind::Handler);
        for (number, count) in report.counts().into_iter().enumerate() {
            *count = 1_000 * number as u64;
        }
        let example = |finding, recorded, made| Example { finding, cause: Position(7), id: "id".into(), recorded, made };
        report.examples = vec![
            example(Finding::New, None, Some(content(b"1"))),
            example(Finding::Missing, Some(content(b"2")), None),
            example(Finding::Different, Some(content(b"3")), Some(content(&[4; 5_000]))),
        ];
        let text = |text: &str| text.to_owned();
        report.failed = vec![FailedEvent {
            position: Position(9),
            r#type: text("a"),
            subject: text("x"),
            reason: text("trap"),
            message: text("unreachable"),
        }];
        let mut out = ByteWriter::default();
        report.encode(&mut out);
        assert_eq!(FunctionReport::decode(&mut ByteReader::new(&out.bytes)), Ok(report.clone()));
        assert_eq!(report.examples[2].made.as_ref().map(|content| (content.data.len(), content.data_bytes)), Some((4_096, 5_000)));
        for end in 0..out.bytes.len() {
            assert!(FunctionReport::decode(&mut ByteReader::new(&out.bytes[..end])).is_err(), "cut at {end}");
        }
    }
}
