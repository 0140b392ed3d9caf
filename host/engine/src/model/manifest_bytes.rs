//! A manifest as bytes: kept in the record of its deployment, so that a copy of the log tells which
//! code read what, and how.

use super::manifest::{FailurePolicy, FunctionKind, FunctionManifest, LimitsAsked, Manifest, Missed, Schedule, Schema, Start};
use super::{ByteReader, ByteWriter, Malformed};

impl Manifest {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u8(1);
        out.text(&self.name);
        out.text(&self.version);
        out.varint(self.functions.len() as u64);
        for function in &self.functions {
            function.encode(&mut out);
        }
        out.varint(self.schemas.len() as u64);
        for schema in &self.schemas {
            out.text(&schema.r#type);
            out.text(&schema.json);
        }
        out.bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Manifest, Malformed> {
        let reader = &mut ByteReader::new(bytes);
        if reader.u8("manifest format")? != 1 {
            return Err(Malformed { what: "manifest format", at: 0 });
        }
        let (name, version) = (reader.text("name")?.to_owned(), reader.text("version")?.to_owned());
        let count = reader.length("functions")?;
        let functions = (0..count).map(|_| FunctionManifest::decode(reader)).collect::<Result<_, _>>()?;
        let count = reader.length("schemas")?;
        let schemas = (0..count)
            .map(|_| Ok(Schema { r#type: reader.text("type")?.to_owned(), json: reader.text("schema")?.to_owned() }))
            .collect::<Result<_, _>>()?;
        Ok(Manifest { name, version, functions, schemas })
    }
}

fn texts(out: &mut ByteWriter, texts: &[String]) {
    out.varint(texts.len() as u64);
    texts.iter().for_each(|text| out.text(text));
}

fn read_texts(reader: &mut ByteReader<'_>) -> Result<Vec<String>, Malformed> {
    let count = reader.length("texts")?;
    (0..count).map(|_| Ok(reader.text("text")?.to_owned())).collect()
}

/// 0 for none, else the value and 1.
fn optional(out: &mut ByteWriter, value: Option<u64>) {
    out.u8(u8::from(value.is_some()));
    out.varint(value.unwrap_or_default());
}

fn read_optional(reader: &mut ByteReader<'_>) -> Result<Option<u64>, Malformed> {
    let some = reader.u8("option")? != 0;
    let value = reader.varint("number")?;
    Ok(some.then_some(value))
}

/// One of a closed list, by its place in it.
fn one_of<T: Copy>(reader: &mut ByteReader<'_>, all: &[T], what: &'static str) -> Result<T, Malformed> {
    let at = reader.position();
    all.get(usize::from(reader.u8(what)?)).copied().ok_or(Malformed { what, at })
}

const KINDS: [FunctionKind; 5] =
    [FunctionKind::Handler, FunctionKind::Aggregate, FunctionKind::View, FunctionKind::Upcaster, FunctionKind::Ingress];
const STARTS: [Start; 2] = [Start::Now, Start::Beginning];
const POLICIES: [FailurePolicy; 2] = [FailurePolicy::Park, FailurePolicy::Halt];
const MISSED: [Missed; 3] = [Missed::All, Missed::Latest, Missed::Skip];

impl FunctionManifest {
    fn encode(&self, out: &mut ByteWriter) {
        out.text(&self.name);
        out.u8(self.kind as u8);
        texts(out, &self.subscribes);
        texts(out, &self.emits);
        texts(out, &self.decides);
        texts(out, &self.sends);
        out.u8(self.start as u8);
        out.u8(self.failure_policy as u8);
        optional(out, self.split.map(u64::from));
        optional(out, self.limits.fuel);
        optional(out, self.limits.memory_bytes);
        optional(out, self.limits.attempts.map(u64::from));
        out.varint(self.schedules.len() as u64);
        for schedule in &self.schedules {
            for text in [&schedule.key, &schedule.cron, &schedule.time_zone, &schedule.r#type] {
                out.text(text);
            }
            out.u8(schedule.missed as u8);
        }
        texts(out, &self.hosts);
        texts(out, &self.secrets);
        out.u8(u8::from(self.timers));
    }

    fn decode(reader: &mut ByteReader<'_>) -> Result<FunctionManifest, Malformed> {
        Ok(FunctionManifest {
            name: reader.text("function name")?.to_owned(),
            kind: one_of(reader, &KINDS, "function kind")?,
            subscribes: read_texts(reader)?,
            emits: read_texts(reader)?,
            decides: read_texts(reader)?,
            sends: read_texts(reader)?,
            start: one_of(reader, &STARTS, "start")?,
            failure_policy: one_of(reader, &POLICIES, "failure policy")?,
            split: read_optional(reader)?.map(|split| split as u32),
            limits: LimitsAsked {
                fuel: read_optional(reader)?,
                memory_bytes: read_optional(reader)?,
                attempts: read_optional(reader)?.map(|attempts| attempts as u32),
            },
            schedules: {
                let count = reader.length("schedules")?;
                let mut schedules = Vec::with_capacity(count);
                for _ in 0..count {
                    let mut text = || Ok::<_, Malformed>(reader.text("schedule")?.to_owned());
                    let (key, cron, time_zone, r#type) = (text()?, text()?, text()?, text()?);
                    schedules.push(Schedule { key, cron, time_zone, r#type, missed: one_of(reader, &MISSED, "missed")? });
                }
                schedules
            },
            hosts: read_texts(reader)?,
            secrets: read_texts(reader)?,
            timers: reader.u8("timers")? != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_comes_back_whole() {
        let manifest = Manifest {
            name: "shop".into(),
            version: "1.2.3".into(),
            functions: vec![FunctionManifest {
                name: "pricing".into(),
                kind: FunctionKind::Handler,
                subscribes: vec!["order.*".into()],
                emits: vec!["order.priced".into()],
                decides: vec![],
                sends: vec!["a".into()],
                start: Start::Beginning,
                failure_policy: FailurePolicy::Halt,
                split: Some(2),
                limits: LimitsAsked { fuel: Some(7), memory_bytes: None, attempts: Some(3) },
                schedules: vec![Schedule {
                    key: "k".into(),
                    cron: "* * * * *".into(),
                    time_zone: "UTC".into(),
                    r#type: "t".into(),
                    missed: Missed::Latest,
                }],
                hosts: vec!["example.org".into()],
                secrets: vec!["key".into()],
                timers: true,
            }],
            schemas: vec![Schema { r#type: "order.placed".into(), json: "{}".into() }],
        };
        let bytes = manifest.encode();
        assert_eq!(Manifest::decode(&bytes).as_ref(), Ok(&manifest));
        for end in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
    }
}
