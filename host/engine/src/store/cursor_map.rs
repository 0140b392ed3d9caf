//! `CursorMap`: where a reader of an older generation of a log goes on in the newer one. Filled while the
//! two are compared; it can be made again as long as both are there, and a missing one tells nobody
//! anything wrong: readers then begin again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::{Database, Durability, ReadableDatabase};

use super::create::create;
use super::error::StoreError;
use super::folder::{Folder, Space};
use super::tables;
use crate::model::{ByteReader, ByteWriter, Digest, Malformed, Position};

const FORMAT: u32 = 1;
/// Of so many positions, or of so large a rise, one mark is kept.
const STEP: u64 = 256;
/// An event that was so much further on in the older log than the source events around it is kept as a
/// difference: else it would hold back every reader that has not got there.
const FAR: u64 = 8_192;
/// Differences looked at in one call.
const LOOKED_AT_MAX: usize = 65_536;
/// In the table of differences: an entry of the newer log about itself.
const OWN: u64 = u64::MAX;

/// One writer; readers see what is committed.
pub struct CursorMap {
    database: Database,
    state: State,
    marks: Vec<(u64, u64)>,
    differences: Vec<(u64, u64)>,
}

/// Where an entry of the newer log was in the older one, with equal content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Was {
    At(Position),
    Nowhere,
    /// The newer log says it of itself.
    Own,
}

/// Where a reader goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// It goes on after this in the newer log.
    pub after: Position,
    /// What it has not had of what lies up to there: to be delivered first, oldest first.
    pub first: Vec<Position>,
    /// There is more of that: ask again from here.
    pub more: Option<Position>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    /// The newer log is known up to here.
    covered: Position,
    /// The highest place in the older log that anything up to there had, differences aside.
    highest: u64,
    /// The same of source events.
    track: u64,
    /// Where the last mark was made.
    marked: u64,
}

impl State {
    fn encode(self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        [self.covered.0, self.highest, self.track, self.marked].into_iter().for_each(|number| out.u64(number));
        out.bytes
    }

    fn decode(bytes: &[u8]) -> Result<State, Malformed> {
        let mut reader = ByteReader::new(bytes);
        Ok(State {
            covered: Position(reader.u64("covered")?),
            highest: reader.u64("highest")?,
            track: reader.u64("track")?,
            marked: reader.u64("marked")?,
        })
    }
}

/// The map of the cursors of one generation.
pub fn cursor_map_name(generation: u64) -> String {
    format!("map-{generation}.redb")
}

impl CursorMap {
    /// Opens the map of the cursors of `generation`, which lies beside the newer log, or makes it anew.
    /// `logs` are the identities of the older and the newer log, `head` is the newer one's.
    pub fn open(folder: &Arc<dyn Folder>, generation: u64, logs: [Digest; 2], head: Position) -> Result<CursorMap, StoreError> {
        let name = cursor_map_name(generation);
        let mut facts = ByteWriter::default();
        facts.u32(FORMAT);
        logs.iter().for_each(|log| facts.raw(&log.0));
        if folder.list().map_err(StoreError::io("the namespace's folder can't be listed"))?.contains(&name) {
            if let Some(map) = CursorMap::open_there(folder, &name, &|found| found == facts.bytes, head)? {
                return Ok(map);
            }
            folder.remove(&name).map_err(StoreError::io(format!("{name} can't be removed")))?;
        }
        create(&**folder, &name, Space::Reserved, |backend| {
            let transaction = Database::builder().set_cache_size(1 << 20).create_with_backend(backend)?.begin_write()?;
            {
                let mut meta = transaction.open_table(tables::MAP_META)?;
                meta.insert("facts", facts.bytes.as_slice())?;
                meta.insert("state", State::default().encode().as_slice())?;
                transaction.open_table(tables::MAP_MARKS)?;
                transaction.open_table(tables::MAP_DIFFERENCES)?;
            }
            Ok(transaction.commit()?)
        })?;
        CursorMap::open_there(folder, &name, &|found| found == facts.bytes, head)?.ok_or_else(|| StoreError::Damaged {
            file: name,
            position: Position::START,
            what: "what was just written is not there".into(),
        })
    }

    /// The map that lies beside the newer log, whatever became of the older one; `None` if there is none of use.
    pub fn find(folder: &Arc<dyn Folder>, generation: u64, newer: Digest, head: Position) -> Result<Option<CursorMap>, StoreError> {
        let name = cursor_map_name(generation);
        if !folder.list().map_err(StoreError::io("the namespace's folder can't be listed"))?.contains(&name) {
            return Ok(None);
        }
        CursorMap::open_there(folder, &name, &|facts| facts.ends_with(&newer.0), head)
    }

    /// `None`: what is there is of no use.
    fn open_there(
        folder: &Arc<dyn Folder>,
        name: &str,
        is_ours: &dyn Fn(&[u8]) -> bool,
        head: Position,
    ) -> Result<Option<CursorMap>, StoreError> {
        let backend = folder.open(name).map_err(StoreError::io(format!("{name} can't be opened")))?;
        // redb asserts some of what it expects of a file.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let mut database = Database::builder().set_cache_size(8 << 20).create_with_backend(backend)?;
            if !database.check_integrity()? {
                return Ok(None);
            }
            let state = {
                let transaction = database.begin_read()?;
                let meta = transaction.open_table(tables::MAP_META)?;
                transaction.open_table(tables::MAP_MARKS)?;
                transaction.open_table(tables::MAP_DIFFERENCES)?;
                let ours = meta.get("facts")?.is_some_and(|found| is_ours(found.value()));
                let state = meta.get("state")?.and_then(|state| State::decode(state.value()).ok());
                state.filter(|state| ours && state.covered <= head)
            };
            Ok::<_, redb::Error>(state.map(|state| CursorMap { database, state, marks: Vec::new(), differences: Vec::new() }))
        }));
        match opened {
            Ok(Ok(map)) => Ok(map),
            Ok(Err(redb::Error::DatabaseAlreadyOpen)) => Err(StoreError::InUse(name.into())),
            Ok(Err(redb::Error::Io(io))) if !matches!(io.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof) => {
                Err(redb::Error::Io(io).into())
            }
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    /// The newer log is known up to here. Beyond it, readers go on as they would anywhere.
    pub fn covered(&self) -> Position {
        self.state.covered
    }

    /// What whoever fills the map keeps in it, as of the last commit.
    pub fn progress(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let meta = self.database.begin_read()?.open_table(tables::MAP_META)?;
        Ok(meta.get("progress")?.map(|bytes| bytes.value().to_vec()))
    }

    /// Forgets everything, from the next commit on.
    pub fn start_again(&mut self) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        transaction.delete_table(tables::MAP_MARKS)?;
        transaction.delete_table(tables::MAP_DIFFERENCES)?;
        {
            transaction.open_table(tables::MAP_MARKS)?;
            transaction.open_table(tables::MAP_DIFFERENCES)?;
            let mut meta = transaction.open_table(tables::MAP_META)?;
            meta.insert("state", State::default().encode().as_slice())?;
            meta.remove("progress")?;
        }
        transaction.commit()?;
        (self.state, self.marks, self.differences) = (State::default(), Vec::new(), Vec::new());
        Ok(())
    }

    /// Takes note of the next entry of the newer log, or again of an earlier one. Source entries are in both
    /// logs in one order, and say how far the newer log has come.
    pub fn note(&mut self, position: Position, was: Was, source: bool) -> Result<(), StoreError> {
        if position <= self.state.covered {
            return self.note_again(position, was);
        }
        assert_eq!(position, self.state.covered.next(), "gap in the map of cursors");
        match was {
            Was::Nowhere => self.differences.push((position.0, 0)),
            Was::Own => self.differences.push((position.0, OWN)),
            Was::At(place) if !source && place.0 > self.state.track.saturating_add(FAR) => self.differences.push((position.0, place.0)),
            Was::At(place) => self.rise(position, place.0, source),
        }
        self.state.covered = position;
        Ok(())
    }

    fn rise(&mut self, position: Position, place: u64, source: bool) {
        let State { highest, marked, .. } = self.state;
        if place > highest {
            if place - highest > STEP || position.0 - marked >= STEP {
                self.marks.push((highest, position.0 - 1));
                self.state.marked = position.0;
            }
            self.state.highest = place;
        }
        if source {
            self.state.track = self.state.track.max(place);
        }
    }

    /// What was noted before may have come into the older log since.
    fn note_again(&mut self, position: Position, was: Was) -> Result<(), StoreError> {
        let Was::At(place) = was else { return Ok(()) };
        let differences = self.database.begin_read()?.open_table(tables::MAP_DIFFERENCES)?;
        if differences.get(position.0)?.is_some_and(|before| before.value() == 0) {
            self.came(position, place);
        }
        Ok(())
    }

    /// An entry that was nowhere has come into the older log since.
    pub fn came(&mut self, position: Position, place: Position) {
        self.differences.push((position.0, place.0));
    }

    /// Writes what was noted, with `progress` beside it. Unless `durable`, a crash may undo it, with
    /// everything since the last commit that was.
    pub fn commit(&mut self, progress: Option<&[u8]>, durable: bool) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(if durable { Durability::Immediate } else { Durability::None })?;
        {
            let mut marks = transaction.open_table(tables::MAP_MARKS)?;
            for (highest, position) in self.marks.drain(..) {
                marks.insert(highest, position)?;
            }
            let mut differences = transaction.open_table(tables::MAP_DIFFERENCES)?;
            for (position, place) in self.differences.drain(..) {
                differences.insert(position, place)?;
            }
            let mut meta = transaction.open_table(tables::MAP_META)?;
            meta.insert("state", self.state.encode().as_slice())?;
            if let Some(progress) = progress {
                meta.insert("progress", progress)?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Where a reader goes on that has had the older log up to `had`: with each event that was not in it
    /// by then, and perhaps with some that it has had. `from` is what an earlier answer said of `more`.
    pub fn resume(&self, had: Position, from: Position, limit: usize) -> Result<Resume, StoreError> {
        let mut resume = Resume { after: self.level(had)?, ..Resume::default() };
        let differences = self.database.begin_read()?.open_table(tables::MAP_DIFFERENCES)?;
        for (looked_at, row) in differences.range(from.0.min(resume.after.0) + 1..resume.after.0 + 1)?.enumerate() {
            let (position, place) = row?;
            if resume.first.len() >= limit || looked_at >= LOOKED_AT_MAX {
                resume.more = Some(Position(position.value() - 1));
                break;
            }
            if place.value() == 0 || place.value() > had.0 {
                resume.first.push(Position(position.value()));
            }
        }
        Ok(resume)
    }

    /// For conditions: everything of the newer log up to the answer was in the older one at or before
    /// `had`, what the newer one says of itself aside. Perhaps too low, never too high.
    pub fn before(&self, had: Position) -> Result<Position, StoreError> {
        let after = self.level(had)?;
        let differences = self.database.begin_read()?.open_table(tables::MAP_DIFFERENCES)?;
        for (looked_at, row) in differences.range(..after.0 + 1)?.enumerate() {
            let (position, place) = row?;
            let (position, place) = (position.value(), place.value());
            if place == 0 || (place > had.0 && place != OWN) || looked_at >= LOOKED_AT_MAX {
                return Ok(Position(position - 1));
            }
        }
        Ok(after)
    }

    /// Up to where the newer log holds nothing, differences aside, that the older one had after `had`.
    fn level(&self, had: Position) -> Result<Position, StoreError> {
        let transaction = self.database.begin_read()?;
        let meta = transaction.open_table(tables::MAP_META)?;
        let state = meta.get("state")?.map(|bytes| State::decode(bytes.value())).transpose();
        let state = state.map_err(StoreError::malformed("the map of cursors", had))?.unwrap_or_default();
        if had.0 >= state.highest {
            return Ok(state.covered);
        }
        let marks = transaction.open_table(tables::MAP_MARKS)?;
        let mark = marks.range(..=had.0)?.next_back().transpose()?;
        Ok(Position(mark.map_or(0, |(_, position)| position.value())))
    }
}
