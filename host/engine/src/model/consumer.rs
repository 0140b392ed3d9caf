//! Consumers: outside readers of a log with a place of their own in it. What is known of one, and its bytes.

use super::{ByteReader, ByteWriter, Malformed, Position, Timestamp};

const FORMAT: u8 = 1;

/// What its owner wants of a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// Type patterns; `*` is all but the host's own.
    pub types: Vec<String>,
    /// Any of these; all, if empty.
    pub subjects: Vec<String>,
    /// All of these.
    pub tags: Vec<String>,
    /// An event that was given so often, and not acknowledged, is parked.
    pub attempts_max: u32,
    pub lease_ms: u64,
    /// The consumer goes once nobody has used it for so long.
    pub expires_ms: Option<u64>,
    /// The host sends what it reads there.
    pub endpoint: Option<Endpoint>,
}

/// Where the host sends events to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub url: String,
    pub form: EndpointForm,
    /// Name of the secret that signs.
    pub secret: Option<String>,
    /// Requests under way at once, each of other subjects.
    pub at_once: u32,
    pub timeout_ms: u64,
    /// Whether the receiver is asked first if it wants to be sent anything.
    pub asks_first: bool,
    /// As the receiver allowed when it was asked.
    pub per_minute_max: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointForm {
    /// The whole event as JSON.
    Structured,
    /// Attributes in headers, the data as the body.
    Binary,
    /// Several events as one JSON array.
    Batch,
}

/// How far a consumer has read. In the log's own generation it has read up to `position`. Else it had read
/// an earlier one up to there, and of what that one lacked, it has read this one's up to `from`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerPlace {
    pub generation: u64,
    pub position: Position,
    pub from: Position,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerRow {
    pub settings: ConsumerSettings,
    pub created: Timestamp,
    /// Nothing up to here was ever for it.
    pub start: Position,
    pub place: ConsumerPlace,
    /// Leases that were ever given.
    pub leases: u64,
    pub acknowledged: u64,
    /// Why nothing more is sent to its endpoint, if it is so.
    pub stopped: Option<String>,
}

/// How an event that was read, and not acknowledged, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryStanding {
    Waiting,
    Leased,
    /// Set aside after its last attempt.
    Parked,
    /// Set aside because an earlier one of its subject is.
    Behind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerEntry {
    pub subject: String,
    pub standing: EntryStanding,
    pub attempts: u32,
    /// Number of the lease under which it was last given; 0 if it never was.
    pub lease: u64,
    /// What went wrong last.
    pub reason: String,
    /// When it was set aside.
    pub since: Timestamp,
}

/// Under which events were given to one member at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRow {
    /// Drawn by lot: who has it has the lease.
    pub key: [u8; 16],
    pub member: String,
    pub open: bool,
    /// Some of what it was for was given to others, or parked.
    pub lost: bool,
}

fn texts(out: &mut ByteWriter, texts: &[String]) {
    out.varint(texts.len() as u64);
    texts.iter().for_each(|text| out.text(text));
}

fn read_texts(from: &mut ByteReader<'_>) -> Result<Vec<String>, Malformed> {
    let count = from.length("texts")?;
    (0..count).map(|_| Ok(from.text("text")?.to_owned())).collect()
}

fn optional(out: &mut ByteWriter, number: Option<u64>) {
    out.varint(number.map_or(0, |number| number.saturating_add(1)));
}

fn read_optional(from: &mut ByteReader<'_>) -> Result<Option<u64>, Malformed> {
    Ok(from.varint("number")?.checked_sub(1))
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn known_format(from: &mut ByteReader<'_>) -> Result<(), Malformed> {
    let at = from.position();
    if from.u8("format")? == FORMAT { Ok(()) } else { Err(Malformed { what: "format", at }) }
}

impl Endpoint {
    fn encode(&self, out: &mut ByteWriter) {
        out.text(&self.url);
        out.u8(match self.form {
            EndpointForm::Structured => 0,
            EndpointForm::Binary => 1,
            EndpointForm::Batch => 2,
        });
        out.text(self.secret.as_deref().unwrap_or_default());
        out.varint(u64::from(self.at_once));
        out.varint(self.timeout_ms);
        out.u8(u8::from(self.asks_first));
        optional(out, self.per_minute_max.map(u64::from));
    }

    fn decode(from: &mut ByteReader<'_>) -> Result<Endpoint, Malformed> {
        let url = from.text("url")?.to_owned();
        let at = from.position();
        let form = match from.u8("form")? {
            0 => EndpointForm::Structured,
            1 => EndpointForm::Binary,
            2 => EndpointForm::Batch,
            _ => return Err(Malformed { what: "form", at }),
        };
        let secret = Some(from.text("secret")?.to_owned()).filter(|name| !name.is_empty());
        Ok(Endpoint {
            url,
            form,
            secret,
            at_once: small(from.varint("at once")?),
            timeout_ms: from.varint("timeout")?,
            asks_first: from.u8("asks first")? != 0,
            per_minute_max: read_optional(from)?.map(small),
        })
    }
}

impl ConsumerRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u8(FORMAT);
        let settings = &self.settings;
        texts(&mut out, &settings.types);
        texts(&mut out, &settings.subjects);
        texts(&mut out, &settings.tags);
        out.varint(u64::from(settings.attempts_max));
        out.varint(settings.lease_ms);
        optional(&mut out, settings.expires_ms);
        out.u8(u8::from(settings.endpoint.is_some()));
        if let Some(endpoint) = &settings.endpoint {
            endpoint.encode(&mut out);
        }
        let ConsumerPlace { generation, position, from } = self.place;
        for number in [self.created.0, self.start.0, generation, position.0, from.0, self.leases, self.acknowledged] {
            out.varint(number);
        }
        out.u8(u8::from(self.stopped.is_some()));
        out.text(self.stopped.as_deref().unwrap_or_default());
        out.bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<ConsumerRow, Malformed> {
        let mut from = ByteReader::new(bytes);
        let from = &mut from;
        known_format(from)?;
        let settings = ConsumerSettings {
            types: read_texts(from)?,
            subjects: read_texts(from)?,
            tags: read_texts(from)?,
            attempts_max: small(from.varint("attempts")?),
            lease_ms: from.varint("lease")?,
            expires_ms: read_optional(from)?,
            endpoint: if from.u8("endpoint")? != 0 { Some(Endpoint::decode(from)?) } else { None },
        };
        let (created, start) = (Timestamp(from.varint("created")?), Position(from.varint("start")?));
        let place = ConsumerPlace {
            generation: from.varint("generation")?,
            position: Position(from.varint("position")?),
            from: Position(from.varint("from")?),
        };
        let (leases, acknowledged) = (from.varint("leases")?, from.varint("acknowledged")?);
        let is_stopped = from.u8("stopped")? != 0;
        let stopped = Some(from.text("stopped")?.to_owned()).filter(|_| is_stopped);
        Ok(ConsumerRow { settings, created, start, place, leases, acknowledged, stopped })
    }
}

impl ConsumerEntry {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u8(FORMAT);
        out.u8(match self.standing {
            EntryStanding::Waiting => 0,
            EntryStanding::Leased => 1,
            EntryStanding::Parked => 2,
            EntryStanding::Behind => 3,
        });
        out.text(&self.subject);
        out.varint(u64::from(self.attempts));
        out.varint(self.lease);
        out.text(&self.reason);
        out.varint(self.since.0);
        out.bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<ConsumerEntry, Malformed> {
        let mut from = ByteReader::new(bytes);
        known_format(&mut from)?;
        let at = from.position();
        let standing = match from.u8("standing")? {
            0 => EntryStanding::Waiting,
            1 => EntryStanding::Leased,
            2 => EntryStanding::Parked,
            3 => EntryStanding::Behind,
            _ => return Err(Malformed { what: "standing", at }),
        };
        Ok(ConsumerEntry {
            standing,
            subject: from.text("subject")?.to_owned(),
            attempts: small(from.varint("attempts")?),
            lease: from.varint("lease")?,
            reason: from.text("reason")?.to_owned(),
            since: Timestamp(from.varint("since")?),
        })
    }
}

impl LeaseRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u8(FORMAT);
        out.raw(&self.key);
        out.text(&self.member);
        out.u8(u8::from(self.open) | u8::from(self.lost) << 1);
        out.bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<LeaseRow, Malformed> {
        let mut from = ByteReader::new(bytes);
        known_format(&mut from)?;
        let mut key = [0; 16];
        key.copy_from_slice(from.raw(16, "key")?);
        let member = from.text("member")?.to_owned();
        let flags = from.u8("flags")?;
        Ok(LeaseRow { key, member, open: flags & 1 != 0, lost: flags & 2 != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> ConsumerRow {
        ConsumerRow {
            settings: ConsumerSettings {
                types: vec!["order.*".into()],
                subjects: vec!["order/7".into(), String::new()],
                tags: vec!["eu".into()],
                attempts_max: 5,
                lease_ms: 30_000,
                expires_ms: Some(0),
                endpoint: Some(Endpoint {
                    url: "https://example.com/in".into(),
                    form: EndpointForm::Batch,
                    secret: Some("KEY".into()),
                    at_once: 4,
                    timeout_ms: 10_000,
                    asks_first: true,
                    per_minute_max: Some(120),
                }),
            },
            created: Timestamp(1_795_238_316_123_456),
            start: Position(3),
            place: ConsumerPlace { generation: 2, position: Position(300), from: Position(7) },
            leases: 9,
            acknowledged: 1 << 40,
            stopped: Some("410".into()),
        }
    }

    #[test]
    fn what_is_known_of_a_consumer_comes_back_from_its_bytes() {
        let plain = ConsumerSettings { types: Vec::new(), expires_ms: None, endpoint: None, ..row().settings };
        for row in [row(), ConsumerRow { settings: plain, stopped: None, ..row() }] {
            assert_eq!(ConsumerRow::decode(&row.encode()), Ok(row.clone()));
            let bytes = row.encode();
            assert!((0..bytes.len()).all(|length| ConsumerRow::decode(&bytes[..length]).is_err()), "a part is not a whole");
        }
        for standing in [EntryStanding::Waiting, EntryStanding::Leased, EntryStanding::Parked, EntryStanding::Behind] {
            let entry =
                ConsumerEntry { subject: "order/7".into(), standing, attempts: 2, lease: 9, reason: "500".into(), since: Timestamp(7) };
            assert_eq!(ConsumerEntry::decode(&entry.encode()), Ok(entry));
        }
        for (open, lost) in [(true, false), (false, true), (false, false)] {
            let lease = LeaseRow { key: [7; 16], member: "one".into(), open, lost };
            assert_eq!(LeaseRow::decode(&lease.encode()), Ok(lease));
        }
    }

    #[test]
    fn the_bytes_are_as_they_always_were() {
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(row().encode()),
            concat!(
                "0101076f726465722e2a02076f726465722f37000102657505b0ea0101",
                "011668747470733a2f2f6578616d706c652e636f6d2f696e02034b455904904e0179",
                "c0cafaf0a798980303",
                "02ac020709808080808020",
                "0103343130"
            )
        );
        let entry = ConsumerEntry {
            subject: "s".into(),
            standing: EntryStanding::Parked,
            attempts: 5,
            lease: 2,
            reason: "r".into(),
            since: Timestamp(9),
        };
        assert_eq!(hex(entry.encode()), "010201730502017209");
        let lease = LeaseRow { key: [0xab; 16], member: "m".into(), open: true, lost: true };
        assert_eq!(hex(lease.encode()), format!("01{}016d03", "ab".repeat(16)));
    }

    #[test]
    fn a_format_that_is_not_known_is_refused() {
        let mut bytes = row().encode();
        bytes[0] = 2;
        assert!(ConsumerRow::decode(&bytes).is_err());
    }
}
