//! What a log tells of who made what: counted entry by entry, in a bounded space.

use std::collections::BTreeMap;

use retold_engine::model::{
    ADDRESSEE, COMMAND_REFUSED, Class, EventRef, Kind, Position, REQUEST_URL, TIMER_KEY, authority, is_reserved_type,
};

/// Sources from outside that are told apart; what others append is counted as one.
const OUTSIDE_MAX: usize = 20;
/// Counters there may be in all.
const COUNTERS_MAX: usize = 10_000;

/// Sources that begin so are the host's: a function's name follows.
const OWN: [&str; 5] = ["/functions/", "/aggregates/", "/timers/", "/requests/", "/ingress/"];

/// Who made an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maker<'a> {
    Function(&'a str),
    Aggregate(&'a str),
    /// Timers that this function set.
    Timers(&'a str),
    Ingress(&'a str),
    /// Everybody whose `source` begins so.
    Outside(&'a str),
    /// All others from outside.
    Others,
}

/// Who answered what a function had asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answerer {
    Host(String),
    Aggregate(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By source and type: how many of each kind. The empty source stands for others from outside.
    made: BTreeMap<String, BTreeMap<String, ByKind>>,
    outside: usize,
    /// By function and key.
    occurrences: BTreeMap<(String, String), u64>,
    /// By function and host.
    requests: BTreeMap<(String, String), u64>,
    /// By function that asked, who answered, and type of the answer.
    answers: BTreeMap<(String, Answerer, String), u64>,
    counters: usize,
    /// Entries for which there was no counter left.
    pub left_out: u64,
}

type ByKind = [u64; 4];

fn place(kind: Kind) -> usize {
    match kind {
        Kind::Event => 0,
        Kind::Command => 1,
        Kind::Timer => 2,
        Kind::Request => 3,
    }
}

impl Tally {
    /// Takes an entry into account. `asked`: the address that the request at a position went to.
    pub fn count<Error>(
        &mut self,
        entry: &EventRef<'_>,
        asked: impl FnOnce(Position) -> Result<Option<String>, Error>,
    ) -> Result<(), Error> {
        if entry.class == Class::Record {
            return Ok(());
        }
        if entry.kind == Kind::Request {
            let host = entry.extension(REQUEST_URL).and_then(authority).unwrap_or_default();
            let function = entry.source.strip_prefix(OWN[0]).unwrap_or_default();
            self.add(|tally| &mut tally.requests, (function.to_owned(), host.to_owned()));
        } else if let Some(function) = entry.source.strip_prefix("/requests/") {
            let url = entry.cause.map(asked).transpose()?.flatten().unwrap_or_default();
            let host = Answerer::Host(authority(&url).unwrap_or_default().to_owned());
            self.add(|tally| &mut tally.answers, (function.to_owned(), host, entry.r#type.to_owned()));
        } else if entry.r#type == COMMAND_REFUSED {
            let aggregate = Answerer::Aggregate(entry.source.strip_prefix("/aggregates/").unwrap_or_default().to_owned());
            let function = entry.extension(ADDRESSEE).unwrap_or_default().to_owned();
            self.add(|tally| &mut tally.answers, (function, aggregate, entry.r#type.to_owned()));
        } else if let (Some(function), None) = (entry.source.strip_prefix("/timers/"), entry.cause) {
            let key = entry.extension(TIMER_KEY).unwrap_or_default();
            self.add(|tally| &mut tally.occurrences, (function.to_owned(), key.to_owned()));
        } else if !is_reserved_type(entry.r#type) {
            self.add_made(entry);
        }
        Ok(())
    }

    fn add<Key: Ord>(&mut self, counters: impl Fn(&mut Tally) -> &mut BTreeMap<Key, u64>, key: Key) {
        if let Some(count) = counters(self).get_mut(&key) {
            *count += 1;
        } else if self.counters < COUNTERS_MAX {
            self.counters += 1;
            counters(self).insert(key, 1);
        } else {
            self.left_out += 1;
        }
    }

    fn add_made(&mut self, entry: &EventRef<'_>) {
        let is_own = OWN.iter().any(|own| entry.source.starts_with(own));
        let source = if is_own { entry.source } else { self.told_apart(prefix(entry.source)) };
        if let Some(count) = self.made.get_mut(source).and_then(|types| types.get_mut(entry.r#type)) {
            count[place(entry.kind)] += 1;
        } else if self.counters < COUNTERS_MAX {
            self.counters += 1;
            let types = self.made.entry(source.to_owned()).or_default();
            types.entry(entry.r#type.to_owned()).or_default()[place(entry.kind)] += 1;
        } else {
            self.left_out += 1;
        }
    }

    /// The first so many from outside have a name.
    fn told_apart<'a>(&mut self, prefix: &'a str) -> &'a str {
        if self.made.contains_key(prefix) {
            return prefix;
        }
        let is_named = self.outside < OUTSIDE_MAX;
        self.outside += usize::from(is_named);
        if is_named { prefix } else { "" }
    }

    /// Who made how many entries of which kind and type, in an order that is always the same.
    pub fn made(&self) -> impl Iterator<Item = (Maker<'_>, Kind, &str, u64)> {
        let kinds = [Kind::Event, Kind::Command, Kind::Timer, Kind::Request];
        self.made.iter().flat_map(move |(source, types)| {
            types.iter().flat_map(move |(r#type, counts)| {
                let told = kinds.into_iter().map(move |kind| (maker(source), kind, r#type.as_str(), counts[place(kind)]));
                told.filter(|(.., count)| *count > 0)
            })
        })
    }

    /// How often a schedule of a function came, by its key.
    pub fn occurrences(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.occurrences.iter().map(|((function, key), count)| (function.as_str(), key.as_str(), *count))
    }

    /// How many requests a function made to which host.
    pub fn requests(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.requests.iter().map(|((function, host), count)| (function.as_str(), host.as_str(), *count))
    }

    /// How many answers of a type a function got, and from whom.
    pub fn answers(&self) -> impl Iterator<Item = (&str, &Answerer, &str, u64)> {
        self.answers.iter().map(|((function, from, r#type), count)| (function.as_str(), from, r#type.as_str(), *count))
    }
}

fn maker(source: &str) -> Maker<'_> {
    let of = |prefix: &str| source.strip_prefix(prefix);
    if let Some(name) = of("/functions/") {
        Maker::Function(name)
    } else if let Some(name) = of("/aggregates/") {
        Maker::Aggregate(name)
    } else if let Some(name) = of("/timers/") {
        Maker::Timers(name)
    } else if let Some(name) = of("/ingress/") {
        Maker::Ingress(name)
    } else if source.is_empty() {
        Maker::Others
    } else {
        Maker::Outside(source)
    }
}

/// What sources of one system have in common: scheme and host of an address, else the first part.
fn prefix(source: &str) -> &str {
    let (begin, ends_at) = if let Some(at) = source.find("://") {
        (at + 3, '/')
    } else if source.starts_with('/') {
        (1, '/')
    } else if let Some(at) = source.strip_prefix("urn:").map(|_| 4) {
        (at, ':')
    } else {
        (0, '/')
    };
    source[begin..].find(ends_at).map_or(source, |at| &source[..begin + at])
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use retold_engine::model::{Digest, Emitted, NewEvent, Record, RecordBuilder, TIMER_CANCELLED, Timestamp};

    use super::*;

    fn appended(source: &str, r#type: &str) -> NewEvent {
        let (id, content_type) = ("1".to_owned(), "text/plain".to_owned());
        NewEvent { id, source: source.into(), r#type: r#type.into(), content_type, ..NewEvent::default() }
    }

    fn made(kind: Kind, r#type: &str, extensions: &[(&str, &str)]) -> Emitted {
        let extensions = extensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Emitted { kind, id: "2".into(), r#type: r#type.into(), content_type: "text/plain".into(), extensions, ..Emitted::default() }
    }

    fn counted(record: &Record) -> Tally {
        let mut tally = Tally::default();
        for entry in record.events() {
            let asked = |_: Position| Ok::<_, Infallible>(Some("https://api.example.com:8443/x".to_owned()));
            tally.count(&entry, asked).expect("nothing can fail");
        }
        tally
    }

    fn record(build: impl FnOnce(&mut RecordBuilder)) -> Record {
        let mut builder = RecordBuilder::new(1, Position(9), Timestamp(0));
        build(&mut builder);
        builder.finish(Digest::ZERO)
    }

    #[test]
    fn sources_of_one_system_have_one_prefix() {
        for (source, expected) in [
            ("/", "/"),
            ("/shop", "/shop"),
            ("/shop/eu/1", "/shop"),
            ("https://github.com", "https://github.com"),
            ("https://github.com/octo/cat", "https://github.com"),
            ("urn:shop:till:7", "urn:shop"),
            ("till-7", "till-7"),
            ("till/7", "till"),
        ] {
            assert_eq!(prefix(source), expected);
        }
    }

    #[test]
    fn every_entry_is_counted_under_who_made_it() {
        let tally = counted(&record(|builder| {
            for till in 0..3 {
                builder.add_source(&appended(&format!("/till/{till}"), "order.placed"));
            }
            builder.add_source(&appended("/ingress/github", "github.push"));
            builder.add_derived("/functions/pricing", 1, &made(Kind::Event, "order.priced", &[]));
            builder.add_derived("/functions/pricing", 1, &made(Kind::Command, "stock.take", &[]));
            builder.add_derived("/functions/pricing", 1, &made(Kind::Timer, "too.late", &[]));
            builder.add_derived("/functions/pricing", 1, &made(Kind::Timer, TIMER_CANCELLED, &[]));
            builder.add_derived("/aggregates/stock", 1, &made(Kind::Event, "stock.taken", &[]));
            builder.add_derived("/timers/pricing", 1, &made(Kind::Event, "too.late", &[(TIMER_KEY, "k")]));
            builder.add_outside(Class::Derived, "/timers/report", &made(Kind::Event, "report.due", &[(TIMER_KEY, "daily")]));
            builder.add_record("/retold/host", "retold.module.deployed", "shop", b"{}");
        }));
        assert_eq!(tally.occurrences().collect::<Vec<_>>(), [("report", "daily", 1)]);
        let told: Vec<_> = tally.made().collect();
        assert_eq!(
            told,
            [
                (Maker::Aggregate("stock"), Kind::Event, "stock.taken", 1),
                (Maker::Function("pricing"), Kind::Event, "order.priced", 1),
                (Maker::Function("pricing"), Kind::Command, "stock.take", 1),
                (Maker::Function("pricing"), Kind::Timer, "too.late", 1),
                (Maker::Ingress("github"), Kind::Event, "github.push", 1),
                (Maker::Outside("/till"), Kind::Event, "order.placed", 3),
                (Maker::Timers("pricing"), Kind::Event, "too.late", 1),
            ]
        );
    }

    #[test]
    fn requests_are_counted_by_host_and_answers_by_who_gave_them() {
        let tally = counted(&record(|builder| {
            let url = "https://api.example.com:8443/x?y";
            builder.add_derived("/functions/ask", 1, &made(Kind::Request, "retold.request.made", &[(REQUEST_URL, url)]));
            builder.add_derived("/requests/ask", 1, &made(Kind::Event, "retold.request.replied", &[(ADDRESSEE, "ask")]));
            builder.add_derived("/aggregates/stock", 1, &made(Kind::Event, COMMAND_REFUSED, &[(ADDRESSEE, "ask")]));
        }));
        let host = "api.example.com:8443";
        assert_eq!(tally.requests().collect::<Vec<_>>(), [("ask", host, 1)]);
        let told: Vec<_> = tally.answers().collect();
        let (by_host, by_stock) = (Answerer::Host(host.into()), Answerer::Aggregate("stock".into()));
        assert_eq!(told, [("ask", &by_host, "retold.request.replied", 1), ("ask", &by_stock, COMMAND_REFUSED, 1)]);
        assert_eq!(tally.made().count(), 0);
    }

    #[test]
    fn however_many_there_are_what_is_kept_of_them_has_an_end() {
        let mut builder = RecordBuilder::new(1, Position(9), Timestamp(0));
        for number in 0..OUTSIDE_MAX + 5 {
            builder.add_source(&appended(&format!("/{number:03}/x"), "seen"));
        }
        builder.add_source(&appended("/000/y", "seen"));
        let tally = counted(&builder.finish(Digest::ZERO));
        let told: Vec<_> = tally.made().collect();
        assert_eq!(told.len(), OUTSIDE_MAX + 1);
        assert_eq!(told[0], (Maker::Others, Kind::Event, "seen", 5));
        assert_eq!(told[1], (Maker::Outside("/000"), Kind::Event, "seen", 2));
        let types = record(|builder| {
            for number in 0..COUNTERS_MAX + 7 {
                builder.add_source(&appended("/a", &format!("type.{number}")));
            }
        });
        assert_eq!(counted(&types).left_out, 7);
    }
}
