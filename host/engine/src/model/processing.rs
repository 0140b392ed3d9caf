//! The processing entries of a commit record, and how they are written down: a tag byte, then the fields in
//! the order of the enum. A tag is never used for anything else again.

use super::parking::WhichParked;
use super::plan::{Emitted, ParkedEvent};
use super::{ByteReader, ByteWriter, Digest, Malformed, Position, Timestamp};

/// What a commit carries beside its events, in the order in which it was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Processing {
    /// A function moved on. `rebuild`: only its state did, by replay of the commits up to this one.
    Reaction {
        function: String,
        module: u32,
        from: Position,
        to: Position,
        rebuild: Option<u64>,
        state: Option<Digest>,
        parked: Vec<ParkedEvent>,
        unparked: Vec<Position>,
        halted: Option<ParkedEvent>,
    },
    /// A module version became active. `manifest` is its encoded self-description.
    Deployed {
        module: u32,
        name: String,
        version: String,
        digest: Digest,
        manifest: Vec<u8>,
        at: Position,
    },
    /// A module's functions were retired.
    Removed {
        name: String,
    },
    Paused {
        function: String,
    },
    Resumed {
        function: String,
    },
    /// The function reads again from here; parked entries beyond are forgotten. `rebuild`: its state is
    /// dropped and made again by replay first.
    Rewound {
        function: String,
        to: Position,
        rebuild: bool,
    },
    /// Parked events will be tried again, oldest first.
    Released {
        function: String,
        which: WhichParked,
    },
    /// Parked events will never be tried again: they count as dealt with, and nothing came of them.
    Skipped {
        function: String,
        which: WhichParked,
    },
    /// The data of events of this type is checked against this JSON Schema from here on; `None`: against
    /// what the active modules say, if anything.
    SchemaSet {
        r#type: String,
        schema: Option<String>,
    },
    /// Everything of the log that this one retells, up to here, is in this one.
    Retold {
        to: Position,
    },
    /// The function begins here: it never reads what comes before.
    Began {
        function: String,
        at: Position,
    },
    /// Events were erased for good: what their sources and ids hash to under the namespace's key. No event
    /// of these is taken again.
    Forgot {
        hashes: Vec<[u8; 16]>,
    },
    /// The function has state under the code that the next deployment or removal brings: it was made
    /// ready out of the log, not written by reactions.
    Ready {
        function: String,
    },
    /// When a schedule of the function comes next; `None`: never again.
    Scheduled {
        function: String,
        key: String,
        next: Option<NextOccurrence>,
    },
    /// What the function made of old events and what is not to go out unasked. None of it is an entry yet.
    Held {
        function: String,
        module: u32,
        outputs: Vec<Emitted>,
    },
    /// Held outputs, by cause and id, that are entries now or that nobody wants.
    Unheld {
        function: String,
        outputs: Vec<(Position, String)>,
    },
    /// From here on nothing that the function makes of old events is held.
    Sends {
        function: String,
    },
}

/// When a schedule comes next, and what that was worked out from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextOccurrence {
    pub cron: String,
    pub time_zone: String,
    pub due: Timestamp,
}

const REACTION: u8 = 1;
const DEPLOYED: u8 = 2;
const REMOVED: u8 = 3;
const PAUSED: u8 = 4;
const RESUMED: u8 = 5;
const REWOUND: u8 = 6;
const RELEASED: u8 = 7;
const SCHEMA_SET: u8 = 8;
const RETOLD: u8 = 9;
const BEGAN: u8 = 10;
const FORGOT: u8 = 11;
const READY: u8 = 12;
const SCHEDULED: u8 = 13;
const HELD: u8 = 14;
const UNHELD: u8 = 15;
const SENDS: u8 = 16;
const SKIPPED: u8 = 17;

impl Processing {
    pub(super) fn encode(&self, out: &mut ByteWriter) {
        match self {
            Processing::Reaction { function, module, from, to, rebuild, state, parked, unparked, halted } => {
                out.u8(REACTION);
                out.text(function);
                out.varint(u64::from(*module));
                out.varint(from.0);
                out.varint(to.0 - from.0);
                out.u8(u8::from(rebuild.is_some()));
                out.varint(rebuild.unwrap_or_default());
                out.blob(state.as_ref().map_or(&[][..], |digest| &digest.0));
                out.varint(parked.len() as u64);
                parked.iter().for_each(|entry| entry.encode(out));
                out.varint(unparked.len() as u64);
                unparked.iter().for_each(|position| out.varint(position.0));
                out.u8(u8::from(halted.is_some()));
                if let Some(halted) = halted {
                    halted.encode(out);
                }
            }
            Processing::Deployed { module, name, version, digest, manifest, at } => {
                out.u8(DEPLOYED);
                out.varint(u64::from(*module));
                out.text(name);
                out.text(version);
                out.raw(&digest.0);
                out.blob(manifest);
                out.varint(at.0);
            }
            Processing::Removed { name } => {
                out.u8(REMOVED);
                out.text(name);
            }
            Processing::Paused { function } => {
                out.u8(PAUSED);
                out.text(function);
            }
            Processing::Resumed { function } => {
                out.u8(RESUMED);
                out.text(function);
            }
            Processing::Rewound { function, to, rebuild } => {
                out.u8(REWOUND);
                out.text(function);
                out.varint(to.0);
                out.u8(u8::from(*rebuild));
            }
            Processing::Released { function, which } => {
                out.u8(RELEASED);
                out.text(function);
                which.encode(out);
            }
            Processing::Skipped { function, which } => {
                out.u8(SKIPPED);
                out.text(function);
                which.encode(out);
            }
            Processing::SchemaSet { r#type, schema } => {
                out.u8(SCHEMA_SET);
                out.text(r#type);
                out.u8(u8::from(schema.is_some()));
                if let Some(schema) = schema {
                    out.text(schema);
                }
            }
            Processing::Retold { to } => {
                out.u8(RETOLD);
                out.varint(to.0);
            }
            Processing::Began { function, at } => {
                out.u8(BEGAN);
                out.text(function);
                out.varint(at.0);
            }
            Processing::Forgot { hashes } => {
                out.u8(FORGOT);
                out.varint(hashes.len() as u64);
                hashes.iter().for_each(|hash| out.raw(hash));
            }
            Processing::Ready { function } => {
                out.u8(READY);
                out.text(function);
            }
            Processing::Scheduled { function, key, next } => {
                out.u8(SCHEDULED);
                out.text(function);
                out.text(key);
                out.u8(u8::from(next.is_some()));
                if let Some(next) = next {
                    next.encode(out);
                }
            }
            Processing::Held { function, module, outputs } => {
                out.u8(HELD);
                out.text(function);
                out.varint(u64::from(*module));
                out.varint(outputs.len() as u64);
                outputs.iter().for_each(|output| output.encode(out));
            }
            Processing::Unheld { function, outputs } => {
                out.u8(UNHELD);
                out.text(function);
                out.varint(outputs.len() as u64);
                for (cause, id) in outputs {
                    out.varint(cause.0);
                    out.text(id);
                }
            }
            Processing::Sends { function } => {
                out.u8(SENDS);
                out.text(function);
            }
        }
    }

    pub(super) fn decode(reader: &mut ByteReader<'_>) -> Result<Processing, Malformed> {
        let at = reader.position();
        Ok(match reader.u8("processing tag")? {
            REACTION => {
                let function = reader.text("function")?.to_owned();
                let module = reader.varint("module")? as u32;
                let from = Position(reader.varint("cursor")?);
                let to = Position(from.0.saturating_add(reader.varint("cursor")?));
                let rebuild = reader.u8("rebuild")? != 0;
                let through = reader.varint("rebuild")?;
                let rebuild = rebuild.then_some(through);
                let state = match reader.blob("state digest")? {
                    [] => None,
                    bytes => Some(Digest(bytes.try_into().map_err(|_| Malformed { what: "state digest", at })?)),
                };
                let count = reader.length("parked")?;
                let parked = (0..count).map(|_| ParkedEvent::decode(reader)).collect::<Result<_, _>>()?;
                let count = reader.length("unparked")?;
                let unparked = (0..count).map(|_| Ok(Position(reader.varint("unparked")?))).collect::<Result<_, _>>()?;
                let halted = if reader.u8("halted")? != 0 { Some(ParkedEvent::decode(reader)?) } else { None };
                Processing::Reaction { function, module, from, to, rebuild, state, parked, unparked, halted }
            }
            DEPLOYED => {
                let module = reader.varint("module")? as u32;
                let name = reader.text("name")?.to_owned();
                let version = reader.text("version")?.to_owned();
                let digest = Digest(reader.raw(32, "digest")?.try_into().map_err(|_| Malformed { what: "digest", at })?);
                let manifest = reader.blob("manifest")?.to_vec();
                Processing::Deployed { module, name, version, digest, manifest, at: Position(reader.varint("position")?) }
            }
            REMOVED => Processing::Removed { name: reader.text("name")?.to_owned() },
            PAUSED => Processing::Paused { function: reader.text("function")?.to_owned() },
            RESUMED => Processing::Resumed { function: reader.text("function")?.to_owned() },
            REWOUND => Processing::Rewound {
                function: reader.text("function")?.to_owned(),
                to: Position(reader.varint("position")?),
                rebuild: reader.u8("rebuild")? != 0,
            },
            RELEASED => Processing::Released { function: reader.text("function")?.to_owned(), which: WhichParked::decode(reader)? },
            SKIPPED => Processing::Skipped { function: reader.text("function")?.to_owned(), which: WhichParked::decode(reader)? },
            SCHEMA_SET => {
                let r#type = reader.text("type")?.to_owned();
                let schema = if reader.u8("schema")? != 0 { Some(reader.text("schema")?.to_owned()) } else { None };
                Processing::SchemaSet { r#type, schema }
            }
            RETOLD => Processing::Retold { to: Position(reader.varint("position")?) },
            BEGAN => Processing::Began { function: reader.text("function")?.to_owned(), at: Position(reader.varint("position")?) },
            FORGOT => {
                let count = reader.length("forgotten")?;
                let mut hash = || reader.raw(16, "forgotten")?.try_into().map_err(|_| Malformed { what: "forgotten", at });
                Processing::Forgot { hashes: (0..count).map(|_| hash()).collect::<Result<_, _>>()? }
            }
            READY => Processing::Ready { function: reader.text("function")?.to_owned() },
            SCHEDULED => {
                let (function, key) = (reader.text("function")?.to_owned(), reader.text("schedule key")?.to_owned());
                let next = if reader.u8("next")? != 0 { Some(NextOccurrence::decode(reader)?) } else { None };
                Processing::Scheduled { function, key, next }
            }
            HELD => {
                let (function, module) = (reader.text("function")?.to_owned(), reader.varint("module")? as u32);
                let count = reader.length("held")?;
                Processing::Held { function, module, outputs: (0..count).map(|_| Emitted::decode(reader)).collect::<Result<_, _>>()? }
            }
            UNHELD => {
                let function = reader.text("function")?.to_owned();
                let count = reader.length("unheld")?;
                let mut output = || Ok((Position(reader.varint("cause")?), reader.text("id")?.to_owned()));
                Processing::Unheld { function, outputs: (0..count).map(|_| output()).collect::<Result<_, _>>()? }
            }
            SENDS => Processing::Sends { function: reader.text("function")?.to_owned() },
            _ => return Err(Malformed { what: "processing tag", at }),
        })
    }
}

impl NextOccurrence {
    pub(crate) fn encode(&self, out: &mut ByteWriter) {
        out.text(&self.cron);
        out.text(&self.time_zone);
        out.u64(self.due.0);
    }

    pub(crate) fn decode(reader: &mut ByteReader<'_>) -> Result<NextOccurrence, Malformed> {
        let (cron, time_zone) = (reader.text("cron")?.to_owned(), reader.text("time zone")?.to_owned());
        Ok(NextOccurrence { cron, time_zone, due: Timestamp(reader.u64("due")?) })
    }
}

impl ParkedEvent {
    pub(crate) fn encode(&self, out: &mut ByteWriter) {
        out.varint(self.position.0);
        out.text(&self.subject);
        out.text(&self.reason);
        out.text(&self.message);
        out.varint(u64::from(self.attempts));
        out.u64(self.since.0);
    }

    pub(crate) fn decode(reader: &mut ByteReader<'_>) -> Result<ParkedEvent, Malformed> {
        Ok(ParkedEvent {
            position: Position(reader.varint("parked position")?),
            subject: reader.text("parked subject")?.to_owned(),
            reason: reader.text("parked reason")?.to_owned(),
            message: reader.text("parked message")?.to_owned(),
            attempts: reader.varint("parked attempts")? as u32,
            since: Timestamp(reader.u64("parked since")?),
        })
    }
}
