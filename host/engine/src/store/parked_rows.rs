//! Parked events of one function, as the head's tables hold them. What is done to them costs the same
//! however many there are.

use redb::{ReadableTable, Table, WriteTransaction};

use super::error::StoreError;
use super::snapshot::{Parked, decode_parked, encode_parked};
use super::tables;
use crate::model::{ParkedEvent, Position, WhichParked};

pub struct ParkedRows<'t> {
    events: Table<'t, (u32, u64), &'static [u8]>,
    subjects: Table<'t, (u32, &'static str, u64), ()>,
    /// Of the function.
    ordinal: u32,
    /// How many of its events are parked, and how many of these are released.
    pub parked: u64,
    pub released: u64,
}

impl<'t> ParkedRows<'t> {
    /// Those of a function that has so many, so many of them released.
    pub fn open(transaction: &'t WriteTransaction, ordinal: u32, (parked, released): (u64, u64)) -> Result<ParkedRows<'t>, StoreError> {
        let events = transaction.open_table(tables::PARKED)?;
        let subjects = transaction.open_table(tables::PARKED_SUBJECTS)?;
        Ok(ParkedRows { events, subjects, ordinal, parked, released })
    }

    fn get(&self, position: Position) -> Result<Option<Parked>, StoreError> {
        let row = self.events.get((self.ordinal, position.0))?;
        row.map(|row| decode_parked(row.value())).transpose()
    }

    fn put(&mut self, parked: &Parked) -> Result<(), StoreError> {
        let (position, subject) = (parked.event.position, parked.event.subject.as_str());
        let before = self.events.insert((self.ordinal, position.0), encode_parked(parked).as_slice())?;
        let was_released = before.map(|row| is_released(row.value()));
        self.parked += u64::from(was_released.is_none());
        self.released = self.released + u64::from(parked.released) - u64::from(was_released == Some(true));
        self.subjects.insert((self.ordinal, subject, position.0), ())?;
        Ok(())
    }

    /// Parks an event. A new one behind events that wait to be tried again waits too; one that was
    /// parked before and failed again holds back all of its subject.
    pub fn park(&mut self, event: &ParkedEvent) -> Result<(), StoreError> {
        let again = self.get(event.position)?.is_some();
        if !again {
            // One that is tried alone lets none behind it go.
            let last = if event.subject.is_empty() { None } else { self.about(&event.subject)?.next_back().transpose()? };
            let last = last.map(|position| self.get(position)).transpose()?.flatten();
            return self.put(&Parked { event: event.clone(), released: last.is_some_and(|last| last.released) });
        }
        let others = if event.subject.is_empty() { Vec::new() } else { self.about(&event.subject)?.collect::<Result<Vec<_>, _>>()? };
        for position in others {
            if let Some(other) = self.get(position)?.filter(|other| other.released) {
                self.put(&Parked { released: false, ..other })?;
            }
        }
        self.put(&Parked { event: event.clone(), released: false })
    }

    /// It is dealt with, or forgotten.
    pub fn unpark(&mut self, position: Position) -> Result<(), StoreError> {
        let removed = match self.events.remove((self.ordinal, position.0))? {
            Some(row) => decode_parked(row.value())?,
            None => return Ok(()),
        };
        self.subjects.remove((self.ordinal, removed.event.subject.as_str(), position.0))?;
        self.parked -= 1;
        self.released -= u64::from(removed.released);
        Ok(())
    }

    /// Has events tried again; one alone only if it waits behind no other of its subject.
    pub fn release(&mut self, which: &WhichParked) -> Result<(), StoreError> {
        for position in self.meant(which)? {
            let Some(parked) = self.get(position)?.filter(|parked| !parked.released) else { continue };
            if !matches!(which, WhichParked::One(_)) || self.first_of(&parked.event)? == position {
                self.put(&Parked { released: true, ..parked })?;
            }
        }
        Ok(())
    }

    pub fn skip(&mut self, which: &WhichParked) -> Result<(), StoreError> {
        self.meant(which)?.into_iter().try_for_each(|position| self.unpark(position))
    }

    /// Forgets all that is parked after a position.
    pub fn forget_after(&mut self, after: Position) -> Result<(), StoreError> {
        self.after(after)?.into_iter().try_for_each(|position| self.unpark(position))
    }

    /// Has all that is parked after a position tried again, but for what waits behind something earlier.
    pub fn release_after(&mut self, after: Position) -> Result<(), StoreError> {
        for position in self.after(after)? {
            let Some(parked) = self.get(position)? else { continue };
            if self.first_of(&parked.event)? > after {
                self.put(&Parked { released: true, ..parked })?;
            }
        }
        Ok(())
    }

    fn after(&self, after: Position) -> Result<Vec<Position>, StoreError> {
        let rows = self.events.range((self.ordinal, after.next().0)..=(self.ordinal, u64::MAX))?;
        rows.map(|row| Ok(Position(row?.0.value().1))).collect()
    }

    fn meant(&self, which: &WhichParked) -> Result<Vec<Position>, StoreError> {
        match which {
            WhichParked::All => self.after(Position::START),
            WhichParked::Subject(subject) => self.about(subject)?.collect(),
            WhichParked::One(position) => Ok(vec![*position]),
        }
    }

    /// The parked positions with this subject, or without any, oldest first.
    fn about(&self, subject: &str) -> Result<impl DoubleEndedIterator<Item = Result<Position, StoreError>>, StoreError> {
        let rows = self.subjects.range((self.ordinal, subject, 0)..=(self.ordinal, subject, u64::MAX))?;
        Ok(rows.map(|row| Ok(Position(row?.0.value().2))))
    }

    /// The first parked one of an event's subject: itself, if it has none.
    fn first_of(&self, event: &ParkedEvent) -> Result<Position, StoreError> {
        if event.subject.is_empty() {
            return Ok(event.position);
        }
        Ok(self.about(&event.subject)?.next().transpose()?.unwrap_or(event.position))
    }
}

fn is_released(row: &[u8]) -> bool {
    row.first() == Some(&1)
}

/// How many events of a function are parked, and how many of them released.
pub fn count(table: &impl ReadableTable<(u32, u64), &'static [u8]>, ordinal: u32) -> Result<(u64, u64), StoreError> {
    let (mut parked, mut released) = (0, 0);
    for row in table.range((ordinal, 0)..=(ordinal, u64::MAX))? {
        parked += 1;
        released += u64::from(is_released(row?.1.value()));
    }
    Ok((parked, released))
}
