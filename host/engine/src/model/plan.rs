//! `Plan`: what a function wants to change. It names what it stands on, so the writer can refuse it
//! when that is no longer so; two runners of one function can never both win.

use std::borrow::Cow;

use super::event::{Attributes, EventRef, Extensions, Kind};
use super::ids::OutputKind;
use super::{ByteReader, ByteWriter, Digest, Malformed, Position, Timestamp};

#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub function: String,
    /// The code that ran, by its ordinal in the namespace.
    pub module: u32,
    /// The function's epoch that the runner saw: it grows with every deploy, pause, rewind, release.
    pub epoch: u64,
    /// The cursor that the plan stands on, and the one that it leaves.
    pub from: Position,
    pub to: Position,
    /// What the plan in flight that this one stands on writes, if there is one: it must be what the
    /// function last committed.
    pub stands_on: Option<Digest>,
    pub mode: PlanMode,
    /// Events that the function has read and dealt with here, oldest first.
    pub handled: Vec<Position>,
    pub emitted: Vec<Emitted>,
    pub state: Vec<StateWrite>,
    /// Digest of the state writes: what the kept part of a commit says of them.
    pub state_digest: Option<Digest>,
    pub parked: Vec<ParkedEvent>,
    /// Parked events that were handled now and leave the parking.
    pub unparked: Vec<Position>,
    /// Stops the function here.
    pub halted: Option<ParkedEvent>,
    /// Of an aggregate: the subjects that it decided for here, each once, and what it knew of them. An event
    /// of one of them that came since makes the plan stale.
    pub folded: Vec<FoldedSubject>,
}

/// A subject as an aggregate knew it when it decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedSubject {
    pub subject: String,
    /// The subject's events up to here are in the state that it decided on.
    pub upto: Position,
    /// Kept along with the decision, if it is accepted.
    pub snapshot: Option<SubjectSnapshot>,
}

/// The state of one subject, folded by an aggregate. A cache: the aggregate can make it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectSnapshot {
    pub function: String,
    pub subject: String,
    /// What made it: nobody else may read it.
    pub identity: Digest,
    /// The last event in it.
    pub position: Position,
    /// The subject has no other event that belongs to it up to here.
    pub seen: Position,
    /// How many events are in it.
    pub events: u64,
    pub state: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanMode {
    /// Outputs are appended.
    Live,
    /// State is made again from what the log recorded up to this commit; outputs are dropped.
    /// `u64::MAX` ends the rebuild.
    Rebuild { through_commit: u64 },
    /// Events set aside earlier are tried again; the cursor stays.
    Release,
    /// Outputs that history lacks are appended. Cursor, state and parked events stay as they are, and
    /// nothing is recorded but the events.
    Backfill,
}

/// What a function made: an event, a command, a timer or a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emitted {
    pub kind: Kind,
    pub id: String,
    pub r#type: String,
    pub subject: String,
    pub tags: Vec<String>,
    /// What only entries of its kind have, sorted by name.
    pub extensions: Extensions,
    pub content_type: Cow<'static, str>,
    pub data: Vec<u8>,
    pub time: Timestamp,
    pub hops: u8,
    pub cause: Position,
    pub causation_id: String,
    pub correlation_id: String,
}

impl Emitted {
    /// About what it takes in a record.
    pub fn bytes(&self) -> usize {
        self.attributes().bytes()
    }

    /// Names the first attribute of the function's that is missing or too large, and what to do.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        self.attributes().check()
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes {
            id: &self.id,
            source: "/",
            r#type: &self.r#type,
            subject: &self.subject,
            content_type: &self.content_type,
            data: &self.data,
            tags: &self.tags,
            extensions: &self.extensions,
            causation_id: "",
            correlation_id: "",
        }
    }

    /// As it lies where it is held: as a number for its kind, then the fields in their order.
    pub(crate) fn encode(&self, out: &mut ByteWriter) {
        out.u8(OutputKind::from(self.kind) as u8);
        out.text(&self.id);
        out.text(&self.r#type);
        out.text(&self.subject);
        out.varint(self.tags.len() as u64);
        self.tags.iter().for_each(|tag| out.text(tag));
        out.varint(self.extensions.len() as u64);
        for (name, value) in &self.extensions {
            out.text(name);
            out.text(value);
        }
        out.text(&self.content_type);
        out.blob(&self.data);
        out.u64(self.time.0);
        out.u8(self.hops);
        out.varint(self.cause.0);
        out.text(&self.causation_id);
        out.text(&self.correlation_id);
    }

    pub(crate) fn decode(reader: &mut ByteReader<'_>) -> Result<Emitted, Malformed> {
        let at = reader.position();
        let kind = match reader.u8("kind")? {
            1 => Kind::Event,
            2 => Kind::Command,
            3 => Kind::Timer,
            4 => Kind::Request,
            _ => return Err(Malformed { what: "kind", at }),
        };
        let mut text = |what: &'static str| Ok::<_, Malformed>(reader.text(what)?.to_owned());
        let (id, r#type, subject) = (text("id")?, text("type")?, text("subject")?);
        let count = reader.length("tags")?;
        let tags = (0..count).map(|_| Ok(reader.text("tag")?.to_owned())).collect::<Result<_, _>>()?;
        let count = reader.length("extensions")?;
        let mut pair = || Ok((reader.text("name")?.to_owned(), reader.text("value")?.to_owned()));
        let extensions = (0..count).map(|_| pair()).collect::<Result<_, _>>()?;
        Ok(Emitted {
            kind,
            id,
            r#type,
            subject,
            tags,
            extensions,
            content_type: reader.text("content type")?.to_owned().into(),
            data: reader.blob("data")?.to_vec(),
            time: Timestamp(reader.u64("time")?),
            hops: reader.u8("hops")?,
            cause: Position(reader.varint("cause")?),
            causation_id: reader.text("causation id")?.to_owned(),
            correlation_id: reader.text("correlation id")?.to_owned(),
        })
    }

    /// Whether an entry of the same id says the same. Its time is its cause's.
    pub fn says_the_same_as(&self, stored: &EventRef<'_>) -> bool {
        self.attributes().is_said_by(self.kind, stored)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWrite {
    pub key: String,
    /// `None` deletes.
    pub value: Option<Vec<u8>>,
}

/// An event that a function could not handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedEvent {
    pub position: Position,
    pub subject: String,
    /// One word: `trap`, `fuel`, `memory`, `output`, `undeclared`, `reject`, `retry`, `state`, `hops`,
    /// `upcast` for one that its upcaster can't make new, `nondeterministic` for code that answers twice
    /// in two ways, or `behind` for an event that waits for an earlier one of its subject.
    pub reason: String,
    pub message: String,
    pub attempts: u32,
    pub since: Timestamp,
}

impl Plan {
    /// Takes the state writes in, with their digest.
    pub fn set_state(&mut self, state: Vec<StateWrite>) {
        self.state_digest = state_digest(&state);
        self.state = state;
    }
}

/// What the kept part of a commit says of state writes; `None` of none at all.
pub fn state_digest(state: &[StateWrite]) -> Option<Digest> {
    let mut writer = super::ByteWriter::default();
    for write in state {
        writer.text(&write.key);
        match &write.value {
            Some(value) => {
                writer.u8(1);
                writer.blob(value);
            }
            None => writer.u8(0),
        }
    }
    (!state.is_empty()).then(|| Digest::of(&writer.bytes))
}
