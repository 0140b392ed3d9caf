//! What the store knows of a function and of a module version.

use std::collections::BTreeMap;

use super::kept::Kept;
use super::slots::NO_SLOT;
use crate::model::{ByteReader, ByteWriter, Digest, FunctionKind, FunctionManifest, Malformed, Manifest, Position, TypePattern};

/// Of a row of the table of functions. Format 1 knew no slots: the state was under the ordinal. Format 2 knew of
/// nothing that is held, and no commands that functions send.
const FORMAT: u8 = 3;

/// A function as the log says it stands.
#[derive(Clone, Debug)]
pub struct FunctionRow {
    pub name: String,
    /// Number of the function in its namespace; never used again.
    pub ordinal: u32,
    /// Ordinal of the module version that runs.
    pub module: u32,
    pub manifest: FunctionManifest,
    pub status: FunctionStatus,
    /// Where it began to read.
    pub start: Position,
    /// Everything up to here is dealt with. Of an aggregate: of the commands that functions sent.
    pub cursor: Position,
    /// Grows with each deploy, pause, resume, rewind and release; fences runners.
    pub epoch: u64,
    pub rebuild: Option<Rebuild>,
    /// Whether it ever wrote state, which a rewind then makes again.
    pub stateful: bool,
    /// Where its state is in the table of state; 0 for functions that have none there.
    pub slot: u32,
    /// Identity of the code that the state in the slot belongs to: what runs, or ran when it was retired.
    pub identity: Digest,
    /// State of other code, oldest first.
    pub kept: Vec<Kept>,
    /// Nothing of it was ever parked or rewound: its past is one reading from its start to its cursor.
    pub straight: bool,
    /// What it makes of events up to here, events aside, is held rather than appended; 0: nothing is.
    pub held_through: Position,
    /// Types of commands that are decided up to a place that the cursor doesn't tell: by another aggregate before,
    /// or by this one when it still decided them.
    pub decided: BTreeMap<String, Position>,
    /// Digest of what its last plan wrote, if that left nothing but a new cursor and state: what a plan
    /// on top of it names. Not stored, as plans in flight end with the host.
    pub standing: Option<Digest>,
    /// Parked events, and how many of them wait to be tried again.
    pub parked: u64,
    pub released: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionStatus {
    Active,
    Paused,
    /// Stopped at an event that it can't handle, until it is resumed.
    Halted {
        position: Position,
        reason: String,
        message: String,
    },
    /// Its module was removed, or a newer version lacks it. Kept for a return.
    Retired,
}

/// State being made again by replay, after a rewind or for other code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuild {
    /// The cursor that it ends at.
    pub until: Position,
    /// Commits up to here are replayed.
    pub through_commit: u64,
}

impl FunctionRow {
    pub fn is_active(&self) -> bool {
        self.status == FunctionStatus::Active
    }

    pub fn subscribes(&self, r#type: &str) -> bool {
        self.patterns().any(|pattern| pattern.matches(r#type))
    }

    pub fn patterns(&self) -> impl Iterator<Item = TypePattern> + '_ {
        self.manifest.patterns()
    }

    /// The row's bytes: everything but the cursor and the epoch, which change with every commit, and
    /// the counts, which are counted at open.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u8(FORMAT);
        out.u32(self.ordinal);
        out.u32(self.module);
        out.u64(self.start.0);
        match &self.status {
            FunctionStatus::Active => out.u8(0),
            FunctionStatus::Paused => out.u8(1),
            FunctionStatus::Halted { position, reason, message } => {
                out.u8(2);
                out.u64(position.0);
                out.text(reason);
                out.text(message);
            }
            FunctionStatus::Retired => out.u8(3),
        }
        match self.rebuild {
            None => out.u8(0),
            Some(rebuild) => {
                out.u8(1);
                out.u64(rebuild.until.0);
                out.u64(rebuild.through_commit);
            }
        }
        out.u8(u8::from(self.stateful));
        out.u32(self.slot);
        out.raw(&self.identity.0);
        out.u8(u8::from(self.straight));
        out.varint(self.kept.len() as u64);
        self.kept.iter().for_each(|kept| kept.encode(&mut out));
        out.u64(self.held_through.0);
        out.varint(self.decided.len() as u64);
        for (r#type, upto) in &self.decided {
            out.text(r#type);
            out.u64(upto.0);
        }
        out.bytes
    }

    /// A row of format 1 doesn't tell the identity: it is zero then, and whoever reads it finds it out.
    pub(crate) fn decode(
        name: &str,
        bytes: &[u8],
        manifest: impl FnOnce(u32) -> Option<FunctionManifest>,
    ) -> Result<FunctionRow, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let format = reader.u8("function format")?;
        if !(1..=FORMAT).contains(&format) {
            return Err(Malformed { what: "function format", at: 0 });
        }
        let (ordinal, module) = (reader.u32("ordinal")?, reader.u32("module")?);
        let start = Position(reader.u64("start")?);
        let status = match reader.u8("status")? {
            0 => FunctionStatus::Active,
            1 => FunctionStatus::Paused,
            2 => FunctionStatus::Halted {
                position: Position(reader.u64("position")?),
                reason: reader.text("reason")?.to_owned(),
                message: reader.text("message")?.to_owned(),
            },
            3 => FunctionStatus::Retired,
            _ => return Err(Malformed { what: "function status", at: reader.position() }),
        };
        let rebuild = match reader.u8("rebuild")? {
            0 => None,
            _ => Some(Rebuild { until: Position(reader.u64("until")?), through_commit: reader.u64("commit")? }),
        };
        let stateful = reader.u8("stateful")? != 0;
        let manifest = manifest(module).ok_or(Malformed { what: "function's module", at: 0 })?;
        let mut row = FunctionRow {
            slot: if manifest.kind == FunctionKind::Handler { ordinal } else { NO_SLOT },
            name: name.to_owned(),
            ordinal,
            module,
            manifest,
            status,
            start,
            cursor: start,
            epoch: 0,
            rebuild,
            stateful,
            identity: Digest::ZERO,
            kept: Vec::new(),
            straight: false,
            held_through: Position::START,
            decided: BTreeMap::new(),
            standing: None,
            parked: 0,
            released: 0,
        };
        if format > 1 {
            row.slot = reader.u32("slot")?;
            row.identity = Digest(reader.raw(32, "identity")?.try_into().unwrap_or([0; 32]));
            row.straight = reader.u8("straight")? != 0;
            let count = reader.length("kept")?;
            row.kept = (0..count).map(|_| Kept::decode(&mut reader)).collect::<Result<_, _>>()?;
        }
        if format > 2 {
            row.held_through = Position(reader.u64("held")?);
            for _ in 0..reader.length("decided")? {
                let r#type = reader.text("decided")?.to_owned();
                row.decided.insert(r#type, Position(reader.u64("decided")?));
            }
        }
        Ok(row)
    }
}

/// A module version, as its deployment recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleRow {
    pub ordinal: u32,
    pub name: String,
    pub version: String,
    pub digest: Digest,
    pub manifest: Manifest,
    /// Position of the `retold.module.deployed` event.
    pub deployed_at: Position,
    /// Whether its functions run.
    pub active: bool,
}

impl ModuleRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u8(1);
        out.text(&self.name);
        out.text(&self.version);
        out.raw(&self.digest.0);
        out.blob(&self.manifest.encode());
        out.u64(self.deployed_at.0);
        out.u8(u8::from(self.active));
        out.bytes
    }

    pub(crate) fn decode(ordinal: u32, bytes: &[u8]) -> Result<ModuleRow, Malformed> {
        let mut reader = ByteReader::new(bytes);
        if reader.u8("module format")? != 1 {
            return Err(Malformed { what: "module format", at: 0 });
        }
        let (name, version) = (reader.text("name")?.to_owned(), reader.text("version")?.to_owned());
        let digest = Digest(reader.raw(32, "digest")?.try_into().unwrap_or([0; 32]));
        let manifest = Manifest::decode(reader.blob("manifest")?)?;
        Ok(ModuleRow {
            ordinal,
            name,
            version,
            digest,
            manifest,
            deployed_at: Position(reader.u64("position")?),
            active: reader.u8("active")? != 0,
        })
    }
}
