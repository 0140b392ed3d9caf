//! The bytes of a backup: frames of a tag, a length (u32) and that many bytes. A stretch of the log is a frame
//! that says where it begins, one for each record, those of what is forgotten, and one that says where it ends.

use crate::model::limits::{COMMIT_BYTES_MAX, MODULE_BYTES_MAX};
use crate::model::{ByteReader, ByteWriter, Digest, Malformed, Position};

pub const FORMAT: u32 = 1;
/// The first bytes of the first frame's content.
const MAGIC: &[u8; 8] = b"RETOLDBK";
pub const TAG_AND_LENGTH_BYTES: usize = 5;
/// Content of a frame; a longer one was not written by a host.
pub const FRAME_BYTES_MAX: usize = 32 << 20;
/// Hashes of forgotten events in one frame.
pub const FORGOTTEN_PER_FRAME: usize = 64 << 10;

const _: () = assert!(2 * COMMIT_BYTES_MAX < FRAME_BYTES_MAX && MODULE_BYTES_MAX < FRAME_BYTES_MAX);

pub const BEGIN: u8 = 1;
pub const RECORD: u8 = 2;
pub const FORGOTTEN: u8 = 3;
pub const END: u8 = 4;
pub const MODULE: u8 = 5;

/// Of which log it is, and what it follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupBegin {
    pub namespace: String,
    pub generation: u64,
    /// What is forgotten is hashed under it.
    pub forget_key: [u8; 16],
    /// The last commit before, its last position, and its chain; all zero at the beginning of a log.
    pub after_commit: u64,
    pub after: Position,
    pub chain: Digest,
}

/// Up to where it goes, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupEnd {
    pub commit: u64,
    pub last: Position,
    pub chain: Digest,
    /// Of the modules that the namespace kept.
    pub modules: Vec<Digest>,
}

impl BackupBegin {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.raw(MAGIC);
        out.u32(FORMAT);
        out.text(&self.namespace);
        out.u64(self.generation);
        out.raw(&self.forget_key);
        out.u64(self.after_commit);
        out.u64(self.after.0);
        out.raw(&self.chain.0);
        out.bytes
    }

    /// `Ok(Err(format))` for one of a newer format.
    pub fn decode(bytes: &[u8]) -> Result<Result<BackupBegin, u32>, Malformed> {
        let mut reader = ByteReader::new(bytes);
        if reader.raw(MAGIC.len(), "mark of a backup")? != MAGIC {
            return Err(Malformed { what: "mark of a backup", at: 0 });
        }
        let format = reader.u32("format")?;
        if format != FORMAT {
            return Ok(Err(format));
        }
        let (namespace, generation) = (reader.text("namespace")?.to_owned(), reader.u64("generation")?);
        let mut forget_key = [0; 16];
        forget_key.copy_from_slice(reader.raw(16, "forget key")?);
        let (after_commit, after) = (reader.u64("commit")?, Position(reader.u64("position")?));
        Ok(Ok(BackupBegin { namespace, generation, forget_key, after_commit, after, chain: digest(&mut reader)? }))
    }
}

impl BackupEnd {
    /// `before`: the digest of all of the stretch before this frame.
    pub fn encode(&self, before: Digest) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u64(self.commit);
        out.u64(self.last.0);
        out.raw(&self.chain.0);
        out.varint(self.modules.len() as u64);
        self.modules.iter().for_each(|module| out.raw(&module.0));
        let own = Digest::link(before, &out.bytes);
        out.raw(&own.0);
        out.bytes
    }

    pub fn decode(bytes: &[u8], before: Digest) -> Result<BackupEnd, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let (commit, last, chain) = (reader.u64("commit")?, Position(reader.u64("position")?), digest(&mut reader)?);
        let count = reader.length("modules")?;
        let modules = (0..count).map(|_| digest(&mut reader)).collect::<Result<_, _>>()?;
        let at = reader.position();
        if digest(&mut reader)? != Digest::link(before, &bytes[..at]) || !reader.is_empty() {
            return Err(Malformed { what: "digest of the backup", at });
        }
        Ok(BackupEnd { commit, last, chain, modules })
    }
}

fn digest(reader: &mut ByteReader<'_>) -> Result<Digest, Malformed> {
    let mut digest = Digest::ZERO;
    digest.0.copy_from_slice(reader.raw(32, "digest")?);
    Ok(digest)
}

/// Appends a frame to `out`.
pub fn write_frame(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    out.extend_from_slice(&(content.len() as u32).to_le_bytes());
    out.extend_from_slice(content);
}

/// A module, as it is given to a restore behind the log.
pub fn module_frame(component: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(component.len() + TAG_AND_LENGTH_BYTES);
    write_frame(&mut out, MODULE, component);
    out
}
