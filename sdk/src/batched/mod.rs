//! `Batched`: a host whose rows cross in pieces. A row that is read is asked for together with those that the events after
//! it will read if they go on in the same way; rows that are written go to the host once, when the call ends, and those that
//! are changed where they are kept become JSON then. Asking the host costs more than most functions do with an answer.

mod ahead;
mod known;
mod writing;

use std::cell::RefCell;
use std::ops::Range;

use self::ahead::{Ahead, Guess};
use self::known::{KeyHash, Known};
use crate::bindings::wire::{EventDetails, Key, Keys, Values, Writes};
use crate::envelope::Envelope;
use crate::host::{Change, Host};
use crate::{Error, Result};

/// Rows known at once; beyond that, and beyond the bytes of `writing`, all goes to the host early.
const ROWS_MAX: usize = 4_096;
/// Bytes of what was read that are kept.
const READ_BYTES_MAX: usize = 1 << 20;

pub struct Batched<'a> {
    host: &'a dyn Host,
    events: Vec<Envelope<'a>>,
    units: Units,
    known: RefCell<Known>,
    guess: RefCell<Guess>,
}

/// How the host tells the units of state apart that rows stand in.
#[derive(Clone, Copy)]
pub enum Units {
    /// It is all one.
    Whole,
    /// By so many parts of the subject, as they are: a handler's.
    Marked(u32),
    /// By so many parts of the subject, of which those that it lacks count as empty ones: a view's.
    Parts(u32),
}

impl<'a> Batched<'a> {
    pub fn new(host: &'a dyn Host, events: Vec<Envelope<'a>>, units: Units) -> Batched<'a> {
        Batched { host, events, units, known: RefCell::default(), guess: RefCell::default() }
    }

    pub fn events(&self) -> &[Envelope<'a>] {
        &self.events
    }

    /// Hands to the host what was written. An error tells by which event of the batch.
    pub fn flush(&self) -> Result<(), (u32, Error)> {
        self.known.take().flush(self.host)
    }

    /// Hands it over early, in the midst of a call, where nobody can be told which event it was.
    #[cold]
    fn settle(&self) {
        if let Err((_, error)) = self.flush() {
            panic!("{error}");
        }
    }

    fn make_room(&self) {
        if self.known.borrow().is_full() {
            self.settle();
        }
    }

    /// A name of the unit of state of an event.
    fn unit(&self, event: usize) -> &'a str {
        self.units.of(self.events[event].subject)
    }

    /// Of the row, whose value may be unknown.
    fn place(&self, known: &mut Known, at: usize, key: &str) -> u32 {
        match known.ahead.place(at, key, self.events[at].subject) {
            Some(place) => place,
            None => known.place(self.unit(at), key, self.events.len()),
        }
    }

    /// Of the row, whose value is known. Each call from function to function costs a guest a handful of nanoseconds, and this is
    /// asked once an event.
    #[inline(always)]
    fn place_of_known(&self, known: &mut Known, at: usize, key: &str) -> u32 {
        match known.ahead.place(at, key, self.events[at].subject) {
            Some(place) => {
                known.ahead.used += 1;
                place
            }
            None => known.find(self.unit(at), key).unwrap_or_else(|| self.ask(known, at, key)),
        }
    }

    fn write(&self, event: u32, key: &str, value: Option<Vec<u8>>) {
        self.make_room();
        let known = &mut *self.known.borrow_mut();
        let place = self.place(known, event as usize, key);
        known.write(place, event, value);
    }

    /// Asks the host for the row, and for those that the next events will ask for in the same way.
    #[cold]
    fn ask(&self, known: &mut Known, at: usize, key: &str) -> u32 {
        let (subject, is_split) = (self.events[at].subject, !matches!(self.units, Units::Whole));
        let before = std::mem::take(&mut known.ahead);
        let ahead = self.guess.borrow_mut().ahead(key, subject, is_split, &before, self.events.len() - at);
        if let Some((ahead, count)) = ahead {
            self.read_ahead(known, at..at + count, ahead);
            known.ahead.used = 1;
            return known.ahead.places[0];
        }
        let value = self.host.get(at as u32, key);
        let place = known.place(self.unit(at), key, self.events.len());
        known.read(place, value.as_deref());
        place
    }

    /// Has the rows known that these events will ask for, or those of the first of them.
    fn read_ahead(&self, known: &mut Known, events: Range<usize>, mut ahead: Ahead) {
        let mut keys = Keys { each: Vec::with_capacity(events.len()), names: String::new() };
        let mut asked = Vec::with_capacity(events.len());
        let same_key = ahead.key.as_deref().map(|key| (key, KeyHash::of(key)));
        for at in events.clone() {
            let subject = self.events[at].subject;
            let (key, hash) = same_key.unwrap_or_else(|| (subject, KeyHash::of(subject)));
            let place = known.place_hashed(hash, self.units.of(subject), key, self.events.len());
            if known.begin_asking(place) {
                keys.names.push_str(key);
                keys.each.push(Key { event: at as u32, end: keys.names.len() as u32 });
                asked.push(place);
            }
            ahead.places.push(place);
        }
        let Values { each, bytes } = self.host.get_many(&keys);
        let mut begin = 0;
        for (place, end) in asked.iter().zip(&each) {
            let value = end.map(|end| &bytes[std::mem::replace(&mut begin, end as usize)..end as usize]);
            known.read(*place, value);
        }
        if let Some(unanswered) = asked.get(each.len()) {
            let answered = ahead.places.iter().position(|place| place == unanswered);
            ahead.places.truncate(answered.unwrap_or_default());
            asked[each.len()..].iter().for_each(|place| known.stop_asking(*place));
        }
        ahead.events = events.start..events.start + ahead.places.len();
        known.ahead = ahead;
    }
}

impl Units {
    pub fn handler(split: Option<u32>) -> Units {
        split.map_or(Units::Whole, Units::Marked)
    }

    pub fn view(split: Option<u32>) -> Units {
        split.map_or(Units::Whole, Units::Parts)
    }

    /// Another one for subjects of another unit, and only for those.
    fn of(self, subject: &str) -> &str {
        match self {
            Units::Whole => "",
            Units::Marked(parts) => first(subject, parts),
            Units::Parts(parts) => first(subject, parts).trim_end_matches('/'),
        }
    }
}

/// The first so many parts of a subject, or all that it has.
fn first(subject: &str, parts: u32) -> &str {
    let (words, _) = subject.as_bytes().as_chunks::<8>();
    let (mut left, mut at) = (parts, 0);
    // Eight bytes in which not enough parts end are passed over at once.
    for word in words {
        let slashes = slashes(u64::from_le_bytes(*word));
        if slashes >= left {
            break;
        }
        left -= slashes;
        at += 8;
    }
    let end = subject.as_bytes()[at..].iter().position(|byte| {
        left -= u32::from(left > 0 && *byte == b'/');
        left == 0
    });
    end.map_or(subject, |end| &subject[..at + end])
}

/// How many of eight bytes are slashes.
fn slashes(word: u64) -> u32 {
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    let other = word ^ u64::from_le_bytes([b'/'; 8]);
    // The uppermost bit of each byte that isn't zero.
    let others = ((other & LOW) + LOW) | other | LOW;
    (!others).count_ones()
}

impl Host for Batched<'_> {
    fn details(&self, position: u64) -> EventDetails {
        self.host.details(position)
    }

    fn get(&self, event: u32, key: &str) -> Option<Vec<u8>> {
        let mut found = None;
        if let Err(error) = self.look(event, key, &mut |value| found = value.map(<[u8]>::to_vec)) {
            panic!("{error}");
        }
        found
    }

    fn look(&self, event: u32, key: &str, look: &mut dyn FnMut(Option<&[u8]>)) -> Result<()> {
        self.make_room();
        let known = &mut *self.known.borrow_mut();
        let place = self.place_of_known(known, event as usize, key);
        known.look(place, look)
    }

    fn update(&self, event: u32, key: &str, change: &mut Change<'_>) -> Result<()> {
        self.make_room();
        let known = &mut *self.known.borrow_mut();
        let place = self.place_of_known(known, event as usize, key);
        known.update(place, event, change)
    }

    fn put(&self, event: u32, key: &str, value: Vec<u8>) {
        self.write(event, key, Some(value));
    }

    fn delete(&self, event: u32, key: &str) {
        self.write(event, key, None);
    }

    fn scan(&self, event: u32, prefix: &str, after: Option<&str>, limit: u32) -> Vec<(String, Vec<u8>)> {
        self.settle();
        self.host.scan(event, prefix, after, limit)
    }

    fn write_many(&self, writes: &Writes) {
        self.settle();
        self.host.write_many(writes);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use super::*;
    use crate::{State, Timestamp};

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
        let of = |subject| Envelope { position: 1, event_type: "a", subject, time: Timestamp::from_micros(0), data: "".into() };
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
        let host =
            Noting { values_max, ..Noting::with([("order/3".to_owned(), "100".to_owned()), ("order/39".to_owned(), "200".to_owned())]) };
        let subjects = subjects(60);
        let batched = Batched::new(&host, events(subjects.iter().map(String::as_str)), Units::Whole);
        (0..60).for_each(|event| count(&batched, event, None));
        assert_eq!(host.rows.borrow().len(), 2, "nothing is written before the end");
        batched.flush().unwrap();
        let rows = host.rows.borrow();
        let counts: Vec<&str> = (0..40).map(|n| std::str::from_utf8(&rows[&format!("order/{n}")]).unwrap()).collect();
        let expected: Vec<&str> = (0..40)
            .map(|n| match n {
                3 => "102",
                39 => "201",
                0..20 => "2",
                _ => "1",
            })
            .collect();
        assert_eq!(counts, expected);
        assert_eq!(*host.calls.borrow(), expected_calls);
    }

    #[test]
    fn rows_of_their_subjects_are_asked_for_ahead_and_more_of_them_as_long_as_it_is_of_use() {
        // Of the last 32 events, 20 are about rows that are known.
        check_counts(usize::MAX, &["get 4 keys", "get 8 keys", "get 16 keys", "get 12 keys"]);
    }

    #[test]
    fn a_host_that_answers_less_than_it_is_asked_for_is_asked_again() {
        check_counts(11, &["get 4 keys", "get 8 keys", "get 16 keys", "get 17 keys", "get 6 keys"]);
    }

    #[test]
    fn who_reads_in_no_order_is_not_read_ahead_for_any_more() {
        let host = Noting::with([]);
        let subjects = subjects(40);
        let batched = Batched::new(&host, events(subjects.iter().map(String::as_str)), Units::Whole);
        for event in 0..40 {
            let other = format!("other/{event}");
            count(&batched, event, (event % 4 != 0).then_some(other.as_str()));
        }
        let calls = host.calls.borrow();
        let many = calls.iter().filter(|call| call.ends_with("keys")).count();
        assert_eq!((many, calls.len()), (1, 40), "{calls:?}");
    }

    #[test]
    fn one_key_in_each_unit_is_read_ahead_and_units_are_kept_apart() {
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
        // The second and the fourth have no second part: their unit is their whole subject.
        let batched = Batched::new(&host, events(["a/1", "b", "a/2", "b", "a/3"]), Units::Marked(1));
        (0..5).for_each(|event| count(&batched, event, Some("sum")));
        batched.flush().unwrap();
        let expected = BTreeMap::from([("0:sum".to_owned(), b"3".to_vec()), ("1:sum".to_owned(), b"9".to_vec())]);
        assert_eq!(*host.0.rows.borrow(), expected);
    }

    #[test]
    fn a_scan_sees_what_was_written_and_nothing_that_was_read_before_it_is_read_again_from_memory() {
        let host = Noting::with([("a/1".to_owned(), "1".to_owned()), ("a/2".to_owned(), "2".to_owned())]);
        let batched = Batched::new(&host, events(["a/1", "a/2", "a/3"]), Units::Whole);
        assert_eq!(batched.get(0, "a/1").as_deref(), Some(&b"1"[..]));
        batched.delete(0, "a/1");
        batched.put(0, "a/2", b"two".to_vec());
        assert_eq!((batched.get(0, "a/1"), batched.get(1, "a/2").as_deref()), (None, Some(&b"two"[..])));
        assert_eq!(batched.scan(0, "a/", None, 9), [("a/2".to_owned(), b"two".to_vec())]);
        assert_eq!((batched.get(0, "a/1"), batched.get(1, "a/2").as_deref()), (None, Some(&b"two"[..])));
    }

    #[test]
    fn subjects_of_one_unit_have_one_name_and_others_another() {
        let name = |units: Units, subject| units.of(subject);
        for (subject, parts, expected) in [
            ("UA/1545/2013-01-01", 1, "UA"),
            ("UA/1545/2013-01-01", 2, "UA/1545"),
            ("UA/1545/2013-01-01", 3, "UA/1545/2013-01-01"),
            ("UA", 1, "UA"),
            ("/UA", 2, "/UA"),
        ] {
            assert_eq!([name(Units::Marked(parts), subject), name(Units::Parts(parts), subject)], [expected; 2], "{subject:?} {parts}");
            assert_eq!(name(Units::Whole, subject), "");
        }
        // To a view, parts that a subject lacks are empty ones; to a handler they aren't there.
        for subject in ["UA", "UA/", "UA//", "UA///1545"] {
            assert_eq!(name(Units::Parts(3), subject), "UA");
        }
        assert_eq!(["UA", "UA/", "UA///1545"].map(|subject| name(Units::Marked(3), subject)), ["UA", "UA/", "UA//"]);
    }

    #[test]
    fn the_first_parts_end_at_the_same_place_wherever_slashes_lie() {
        for (one, other, length) in (0..20).flat_map(|one| (0..20).flat_map(move |other| (0..20).map(move |length| (one, other, length)))) {
            let subject: String = (0..length).map(|at| if at == one || at == other { '/' } else { '.' }).collect();
            for parts in 1..4 {
                let expected: Vec<&str> = subject.split('/').take(parts).collect();
                assert_eq!(first(&subject, parts as u32), expected.join("/"), "{subject:?} {parts}");
            }
        }
    }

    #[test]
    fn a_value_that_several_events_change_becomes_json_once_and_is_read_as_it_is() {
        thread_local!(static WRITTEN: Cell<u32> = const { Cell::new(0) });
        #[derive(Default, PartialEq, Debug)]
        struct Count(u32);
        impl serde::Serialize for Count {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                WRITTEN.set(WRITTEN.get() + 1);
                self.0.serialize(serializer)
            }
        }
        impl<'de> serde::Deserialize<'de> for Count {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Count, D::Error> {
                u32::deserialize(deserializer).map(Count)
            }
        }
        let host = Noting::with([("a".to_owned(), "7".to_owned())]);
        let batched = Batched::new(&host, events(["a"; 9]), Units::Whole);
        let state = |event| State::<Count>::of(&batched, event);
        (0..9).for_each(|event| state(event).update("a", |count| count.0 += 1).unwrap());
        assert_eq!(WRITTEN.get(), 0);
        assert_eq!(state(8).get("a").unwrap(), Some(Count(16)));
        state(8).update("a", |count| count.0 += 1).unwrap();
        WRITTEN.set(0);
        batched.flush().unwrap();
        assert_eq!((WRITTEN.get(), host.rows.borrow()["a"].as_slice()), (1, &b"17"[..]));
    }

    #[test]
    fn a_value_that_json_cannot_say_fails_the_event_that_made_it() {
        let host = Noting::with([]);
        let batched = Batched::new(&host, events(["a", "b"]), Units::Whole);
        let state = |event| State::<BTreeMap<Option<u8>, u8>>::of(&batched, event);
        state(0).update("a", |map| map.extend([(Some(1), 1)])).unwrap();
        state(1).update("b", |map| map.extend([(None, 1)])).unwrap();
        let read = state(1).get("b").expect_err("null is no key").to_string();
        let (event, error) = batched.flush().expect_err("null is no key");
        assert_eq!((event, error.to_string()), (1, read.clone()));
        assert_eq!(read, "state \"b\" can't be written: key must be a string");
        assert!(host.rows.borrow().is_empty());
    }

    #[test]
    fn more_than_is_held_goes_to_the_host_early_and_nothing_is_lost() {
        for (rows, bytes) in [(10_000, 1), (100, 10_000)] {
            let host = Noting::with([]);
            let batched = Batched::new(&host, events(["a"]), Units::Whole);
            for row in 0..rows {
                batched.put(0, &format!("{row:05}"), vec![b'x'; bytes]);
            }
            assert!(!host.rows.borrow().is_empty(), "{rows} rows of {bytes} bytes");
            assert_eq!(batched.get(0, "00007").map(|value| value.len()), Some(bytes));
            batched.flush().unwrap();
            assert_eq!(host.rows.borrow().len(), rows);
        }
    }
}
