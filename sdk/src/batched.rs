//! `Batched`: a host whose rows cross in pieces. A row that is read is asked for together with those that the events after
//! it will read if they go on in the same way; rows that are written go to the host once, when the call ends. Asking the
//! host costs more than most functions do with an answer.

use std::cell::RefCell;
use std::ops::Range;

use hashbrown::HashTable;

use crate::bindings::wire::{EventDetails, Key, Keys, Values, Write, Writes};
use crate::envelope::Envelope;
use crate::host::Host;

/// Rows known at once, and bytes of what was written; beyond that all goes to the host early.
const ROWS_MAX: usize = 4_096;
const BYTES_MAX: usize = 256 << 10;
/// Bytes of what was read that are kept.
const READ_BYTES_MAX: usize = 1 << 20;
/// Events that are read ahead for at first: each time that at least half of it was of use twice as many.
const AHEAD_MIN: usize = 4;
const AHEAD_MAX: usize = 1_024;

pub struct Batched<'a> {
    host: &'a dyn Host,
    events: Vec<Envelope<'a>>,
    split: Option<u32>,
    known: RefCell<Known>,
    guess: RefCell<Guess>,
}

/// Rows that were read or written.
#[derive(Default)]
struct Known {
    rows: Vec<Row>,
    /// By lane and key.
    places: HashTable<u32>,
    names: String,
    /// What was read.
    bytes: Vec<u8>,
    written_bytes: usize,
    ahead: Ahead,
}

struct Row {
    hash: u64,
    /// Of `names`.
    lane: Range<usize>,
    key: Range<usize>,
    /// The event that wrote it last, if one did.
    writer: Option<u32>,
    value: Value,
}

enum Value {
    Unknown,
    None,
    /// Of `bytes`.
    Read(Range<usize>),
    Written(Vec<u8>),
}

/// The rows that some events will read if the guess is right.
#[derive(Default)]
struct Ahead {
    events: Range<usize>,
    /// The place of each one's row.
    places: Vec<u32>,
    /// The key of all, where it isn't each one's subject.
    key: Option<String>,
    used: usize,
}

/// What is read, as far as it shows.
struct Guess {
    /// Of the last row that the host was asked for.
    pattern: Option<Pattern>,
    /// Events to read ahead for next.
    next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Subject,
    /// The same key in each lane, whose hash this is.
    Same(u64),
}

impl<'a> Batched<'a> {
    pub fn new(host: &'a dyn Host, events: Vec<Envelope<'a>>, split: Option<u32>) -> Batched<'a> {
        let guess = RefCell::new(Guess { pattern: None, next: AHEAD_MIN });
        Batched { host, events, split, known: RefCell::default(), guess }
    }

    pub fn events(&self) -> &[Envelope<'a>] {
        &self.events
    }

    /// Hands to the host what was written.
    pub fn flush(&self) {
        let Known { rows, names, .. } = self.known.take();
        let mut writing = Writing::to(self.host);
        for Row { key, writer, value, .. } in rows {
            let Some(event) = writer else { continue };
            let value = if let Value::Written(value) = &value { Some(&**value) } else { None };
            writing.write(event, &names[key], value);
        }
        writing.finish();
    }

    /// The unit of state of an event, as the host tells them apart.
    fn lane(&self, event: usize) -> &'a str {
        let subject = self.events[event].subject;
        let Some(parts) = self.split else { return "" };
        let mut left = parts;
        let end = subject.bytes().position(|byte| {
            left -= u32::from(byte == b'/' && left > 0);
            left == 0
        });
        end.map_or(subject, |end| &subject[..end])
    }

    fn write(&self, event: u32, key: &str, value: Option<Vec<u8>>) {
        let at = event as usize;
        let mut known = self.known.borrow_mut();
        known.written_bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        let value = value.map_or(Value::None, Value::Written);
        match known.ahead.place(at, key, self.events[at].subject) {
            Some(place) => {
                let row = &mut known.rows[place as usize];
                (row.writer, row.value) = (Some(event), value);
            }
            None => {
                let place = known.place(self.lane(at), key, self.events.len());
                let row = &mut known.rows[place as usize];
                (row.writer, row.value) = (Some(event), value);
            }
        }
        if known.is_full() {
            drop(known);
            self.flush();
        }
    }

    /// Asks the host for the row, and for those that the next events will ask for in the same way.
    fn ask(&self, known: &mut Known, at: usize, key: &str) -> u32 {
        let subject = self.events[at].subject;
        let pattern = if key == subject { Pattern::Subject } else { Pattern::Same(hash("", key)) };
        let mut guess = self.guess.borrow_mut();
        let is_seen = guess.pattern.replace(pattern) == Some(pattern);
        let is_likely = pattern == Pattern::Subject || is_seen && self.split.is_some();
        guess.learn(&known.ahead);
        known.ahead = Ahead::default();
        let count = if is_likely && guess.next >= AHEAD_MIN { guess.next.min(self.events.len() - at) } else { 1 };
        if count > 1 {
            let ahead = Ahead { key: (pattern != Pattern::Subject).then(|| key.to_owned()), ..Ahead::default() };
            self.read_ahead(known, at..at + count, ahead);
            known.ahead.used = 1;
            return known.ahead.places[0];
        }
        let value = self.host.get(at as u32, key);
        let place = known.place(self.lane(at), key, self.events.len());
        known.read(place, value.as_deref());
        place
    }

    fn read_ahead(&self, known: &mut Known, events: Range<usize>, mut ahead: Ahead) {
        let mut keys = Keys { each: Vec::with_capacity(events.len()), names: String::new() };
        for at in events.clone() {
            keys.names.push_str(ahead.key(self.events[at].subject));
            keys.each.push(Key { event: at as u32, end: keys.names.len() as u32 });
        }
        let Values { each, bytes } = self.host.get_many(&keys);
        let mut begin = 0;
        for (at, end) in events.clone().zip(each) {
            let value = end.map(|end| &bytes[std::mem::replace(&mut begin, end as usize)..end as usize]);
            let place = known.place(self.lane(at), ahead.key(self.events[at].subject), self.events.len());
            // One that was written or read before is what it is.
            if known.rows[place as usize].is_unknown() {
                known.read(place, value);
            }
            ahead.places.push(place);
        }
        ahead.events = events.start..events.start + ahead.places.len();
        known.ahead = ahead;
    }
}

impl Host for Batched<'_> {
    fn details(&self, position: u64) -> EventDetails {
        self.host.details(position)
    }

    fn get(&self, event: u32, key: &str) -> Option<Vec<u8>> {
        let mut found = None;
        self.look(event, key, &mut |value| found = value.map(<[u8]>::to_vec));
        found
    }

    fn look(&self, event: u32, key: &str, look: &mut dyn FnMut(Option<&[u8]>)) {
        let at = event as usize;
        if self.known.borrow().is_full() {
            self.flush();
        }
        let known = &mut *self.known.borrow_mut();
        let place = match known.ahead.place(at, key, self.events[at].subject) {
            Some(place) => {
                known.ahead.used += 1;
                place
            }
            None => known.find(self.lane(at), key).unwrap_or_else(|| self.ask(known, at, key)),
        };
        look(known.value(place));
    }

    fn put(&self, event: u32, key: &str, value: Vec<u8>) {
        self.write(event, key, Some(value));
    }

    fn delete(&self, event: u32, key: &str) {
        self.write(event, key, None);
    }

    fn scan(&self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Vec<(String, Vec<u8>)> {
        self.flush();
        self.host.scan(event, prefix, after, limit)
    }

    fn write_many(&self, writes: &Writes) {
        self.flush();
        self.host.write_many(writes);
    }
}

impl Row {
    fn is_unknown(&self) -> bool {
        matches!(self.value, Value::Unknown)
    }
}

impl Known {
    fn find(&self, lane: &str, key: &str) -> Option<u32> {
        // Most rows of a view are held above, and are asked for once.
        if self.rows.is_empty() { None } else { self.find_hashed(hash(lane, key), lane, key) }
    }

    fn find_hashed(&self, hash: u64, lane: &str, key: &str) -> Option<u32> {
        let is = |place: &u32| {
            let row = &self.rows[*place as usize];
            self.names[row.key.clone()] == *key && self.names[row.lane.clone()] == *lane
        };
        self.places.find(hash, is).copied()
    }

    /// Of the row, which is made where there is none; about so many are expected.
    fn place(&mut self, lane: &str, key: &str, expected: usize) -> u32 {
        let hash = hash(lane, key);
        if let Some(place) = self.find_hashed(hash, lane, key) {
            return place;
        }
        if self.rows.is_empty() {
            self.rows.reserve(expected);
            self.places.reserve(expected, |_| 0);
        }
        let (begin, place) = (self.names.len(), self.rows.len() as u32);
        self.names.push_str(lane);
        self.names.push_str(key);
        let middle = begin + lane.len();
        self.rows.push(Row { hash, lane: begin..middle, key: middle..self.names.len(), writer: None, value: Value::Unknown });
        let rows = &self.rows;
        self.places.insert_unique(hash, place, |place| rows[*place as usize].hash);
        place
    }

    /// The host has answered so.
    fn read(&mut self, place: u32, value: Option<&[u8]>) {
        self.rows[place as usize].value = value.map_or(Value::None, |value| {
            let begin = self.bytes.len();
            self.bytes.extend_from_slice(value);
            Value::Read(begin..self.bytes.len())
        });
    }

    fn value(&self, place: u32) -> Option<&[u8]> {
        match &self.rows[place as usize].value {
            Value::Unknown | Value::None => None,
            Value::Read(part) => Some(&self.bytes[part.clone()]),
            Value::Written(value) => Some(value),
        }
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_MAX || self.written_bytes >= BYTES_MAX || self.bytes.len() >= READ_BYTES_MAX
    }
}

impl Ahead {
    fn key<'k>(&'k self, subject: &'k str) -> &'k str {
        self.key.as_deref().unwrap_or(subject)
    }

    /// Where the row of this event is, if it was read ahead and is of this key.
    fn place(&self, event: usize, key: &str, subject: &str) -> Option<u32> {
        if self.events.contains(&event) && *key == *self.key(subject) { Some(self.places[event - self.events.start]) } else { None }
    }
}

impl Guess {
    /// From what came of the last one.
    fn learn(&mut self, ahead: &Ahead) {
        if !ahead.events.is_empty() {
            let is_of_use = 2 * ahead.used >= ahead.events.len();
            self.next = if is_of_use { (2 * self.next).min(AHEAD_MAX) } else { self.next / 4 };
        }
    }
}

/// Rows on their way to the host, many at once.
pub struct Writing<'a> {
    host: &'a dyn Host,
    writes: Writes,
}

impl<'a> Writing<'a> {
    pub fn to(host: &'a dyn Host) -> Writing<'a> {
        Writing { host, writes: Writes { each: Vec::new(), names: String::new(), bytes: Vec::new() } }
    }

    /// Without a value the row is deleted.
    pub fn write(&mut self, event: u32, key: &str, value: Option<&[u8]>) {
        let Writes { each, names, bytes } = &mut self.writes;
        names.push_str(key);
        let value_end = value.map(|value| {
            bytes.extend_from_slice(value);
            bytes.len() as u32
        });
        each.push(Write { event, key_end: names.len() as u32, value_end });
        if each.len() >= ROWS_MAX || names.len() + bytes.len() >= BYTES_MAX {
            self.send();
        }
    }

    pub fn finish(mut self) {
        if !self.writes.each.is_empty() {
            self.send();
        }
    }

    fn send(&mut self) {
        self.host.write_many(&self.writes);
        let Writes { each, names, bytes } = &mut self.writes;
        each.clear();
        names.clear();
        bytes.clear();
    }
}

/// Eight bytes at a time, multiplied and turned, as FxHash does it. Of no use against somebody who looks for keys that
/// collide; there are few rows, and it is the function's own fuel.
fn hash(lane: &str, key: &str) -> u64 {
    const FACTOR: u64 = 0x517c_c1b7_2722_0a95;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let bytes = |hash: u64, text: &str| {
        let mut words = text.as_bytes().chunks_exact(8);
        let hash = words.by_ref().fold(hash, |hash, word| mix(hash, u64::from_le_bytes(word.try_into().unwrap_or_default())));
        let mut rest = [0; 8];
        rest[..words.remainder().len()].copy_from_slice(words.remainder());
        mix(mix(hash, u64::from_le_bytes(rest)), text.len() as u64)
    };
    // The table looks at the uppermost bits too.
    let hash = bytes(bytes(0, lane), key);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Timestamp;

    /// A host that notes how it was called, and answers no more values at once than it is told.
    #[derive(Default)]
    struct Noting {
        rows: RefCell<BTreeMap<String, Vec<u8>>>,
        calls: RefCell<Vec<String>>,
        values_max: usize,
    }

    impl Noting {
        fn with(rows: impl IntoIterator<Item = (String, String)>) -> Noting {
            let rows = rows.into_iter().map(|(key, value)| (key, value.into_bytes()));
            Noting { rows: RefCell::new(rows.collect()), values_max: usize::MAX, ..Noting::default() }
        }

        fn called(&self, what: String) {
            self.calls.borrow_mut().push(what);
        }
    }

    impl Host for Noting {
        fn details(&self, _position: u64) -> EventDetails {
            unreachable!("nobody asks")
        }

        fn get(&self, _event: u32, key: &str) -> Option<Vec<u8>> {
            self.called(format!("get {key}"));
            self.rows.borrow().get(key).cloned()
        }

        fn put(&self, _event: u32, key: &str, value: Vec<u8>) {
            self.rows.borrow_mut().insert(key.to_owned(), value);
        }

        fn delete(&self, _event: u32, key: &str) {
            self.rows.borrow_mut().remove(key);
        }

        fn scan(&self, _event: u32, prefix: &str, _after: Option<&str>, _limit: u32) -> Vec<(String, Vec<u8>)> {
            let rows = self.rows.borrow();
            rows.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(key, value)| (key.clone(), value.clone())).collect()
        }

        fn get_many(&self, keys: &Keys) -> Values {
            self.called(format!("get {} keys", keys.each.len()));
            let (mut values, mut begin) = (Values { each: Vec::new(), bytes: Vec::new() }, 0);
            for key in keys.each.iter().take(self.values_max) {
                let value = self.rows.borrow().get(&keys.names[begin..key.end as usize]).cloned();
                begin = key.end as usize;
                values.each.push(value.map(|value| {
                    values.bytes.extend(value);
                    values.bytes.len() as u32
                }));
            }
            values
        }
    }

    fn events<'a>(subjects: impl IntoIterator<Item = &'a str>) -> Vec<Envelope<'a>> {
        let of = |subject| Envelope { position: 1, event_type: "a", subject, time: Timestamp::from_micros(0), data: b"" };
        subjects.into_iter().map(of).collect()
    }

    /// One more than what is under the key, which may be its own subject.
    fn count(host: &Batched<'_>, event: u32, key: Option<&str>) {
        let key = key.unwrap_or(host.events()[event as usize].subject).to_owned();
        let count = host.get(event, &key).map_or(0, |count| String::from_utf8(count).unwrap().parse::<u32>().unwrap());
        host.put(event, &key, (count + 1).to_string().into_bytes());
    }

    fn subjects(number: usize) -> Vec<String> {
        (0..number).map(|n| format!("order/{}", n % 40)).collect()
    }

    #[track_caller]
    fn check_counts(values_max: usize, expected_calls: &[&str]) {
        let host = Noting { values_max, ..Noting::with([("order/3".to_owned(), "100".to_owned())]) };
        let subjects = subjects(60);
        let batched = Batched::new(&host, events(subjects.iter().map(String::as_str)), None);
        (0..60).for_each(|event| count(&batched, event, None));
        assert_eq!(host.rows.borrow().len(), 1, "nothing is written before the end");
        batched.flush();
        let rows = host.rows.borrow();
        let counts: Vec<&str> = (0..40).map(|n| std::str::from_utf8(&rows[&format!("order/{n}")]).unwrap()).collect();
        let expected: Vec<&str> = (0..40)
            .map(|n| {
                if n == 3 {
                    "102"
                } else if n < 20 {
                    "2"
                } else {
                    "1"
                }
            })
            .collect();
        assert_eq!(counts, expected);
        assert_eq!(*host.calls.borrow(), expected_calls);
    }

    #[test]
    fn rows_of_their_subjects_are_asked_for_ahead_and_more_of_them_as_long_as_it_is_of_use() {
        check_counts(usize::MAX, &["get 4 keys", "get 8 keys", "get 16 keys", "get 32 keys"]);
    }

    #[test]
    fn a_host_that_answers_less_than_it_is_asked_for_is_asked_again() {
        check_counts(20, &["get 4 keys", "get 8 keys", "get 16 keys", "get 32 keys"]);
        check_counts(11, &["get 4 keys", "get 8 keys", "get 16 keys", "get 32 keys", "get 26 keys"]);
    }

    #[test]
    fn who_reads_in_no_order_is_not_read_ahead_for_any_more() {
        let host = Noting::with([]);
        let subjects = subjects(40);
        let batched = Batched::new(&host, events(subjects.iter().map(String::as_str)), None);
        for event in 0..40 {
            let other = format!("other/{event}");
            count(&batched, event, (event % 4 != 0).then_some(other.as_str()));
        }
        let calls = host.calls.borrow();
        let many = calls.iter().filter(|call| call.ends_with("keys")).count();
        assert_eq!((many, calls.len()), (1, 40), "{calls:?}");
    }

    #[test]
    fn one_key_in_each_lane_is_read_ahead_and_lanes_are_kept_apart() {
        struct Lanes(Noting);

        impl Lanes {
            fn whole(event: u32, key: &str) -> String {
                format!("{}:{key}", event % 2)
            }
        }

        impl Host for Lanes {
            fn details(&self, position: u64) -> EventDetails {
                self.0.details(position)
            }

            fn get(&self, event: u32, key: &str) -> Option<Vec<u8>> {
                self.0.get(event, &Lanes::whole(event, key))
            }

            fn put(&self, event: u32, key: &str, value: Vec<u8>) {
                self.0.put(event, &Lanes::whole(event, key), value);
            }

            fn delete(&self, event: u32, key: &str) {
                self.0.delete(event, &Lanes::whole(event, key));
            }

            fn scan(&self, _event: u32, _prefix: &str, _after: Option<&str>, _limit: u32) -> Vec<(String, Vec<u8>)> {
                unreachable!("nobody asks")
            }
        }

        let host = Lanes(Noting::with([("1:sum".to_owned(), "7".to_owned())]));
        // The second and the fourth have no second part: whole subjects are their lanes.
        let batched = Batched::new(&host, events(["a/1", "b", "a/2", "b", "a/3"]), Some(1));
        (0..5).for_each(|event| count(&batched, event, Some("sum")));
        batched.flush();
        let expected = BTreeMap::from([("0:sum".to_owned(), b"3".to_vec()), ("1:sum".to_owned(), b"9".to_vec())]);
        assert_eq!(*host.0.rows.borrow(), expected);
    }

    #[test]
    fn a_scan_sees_what_was_written_and_nothing_that_was_read_before_it_is_read_again_from_memory() {
        let host = Noting::with([("a/1".to_owned(), "1".to_owned()), ("a/2".to_owned(), "2".to_owned())]);
        let batched = Batched::new(&host, events(["a/1", "a/2", "a/3"]), None);
        assert_eq!(batched.get(0, "a/1").as_deref(), Some(&b"1"[..]));
        batched.delete(0, "a/1");
        batched.put(0, "a/2", b"two".to_vec());
        assert_eq!((batched.get(0, "a/1"), batched.get(1, "a/2").as_deref()), (None, Some(&b"two"[..])));
        assert_eq!(batched.scan(0, "a/", None, 9), [("a/2".to_owned(), b"two".to_vec())]);
        assert_eq!((batched.get(0, "a/1"), batched.get(1, "a/2").as_deref()), (None, Some(&b"two"[..])));
    }

    #[test]
    fn more_than_is_held_goes_to_the_host_early_and_nothing_is_lost() {
        for (rows, bytes) in [(10_000, 1), (100, 10_000)] {
            let host = Noting::with([]);
            let batched = Batched::new(&host, events(["a"]), None);
            for row in 0..rows {
                batched.put(0, &format!("{row:05}"), vec![b'x'; bytes]);
            }
            assert!(!host.rows.borrow().is_empty(), "{rows} rows of {bytes} bytes");
            assert_eq!(batched.get(0, "00007").map(|value| value.len()), Some(bytes));
            batched.flush();
            assert_eq!(host.rows.borrow().len(), rows);
        }
    }
}
