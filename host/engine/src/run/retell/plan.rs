//! `RetellPlan`: all that a retelling is told. Kept as bytes by whoever keeps the namespaces.

use std::collections::BTreeMap;

use super::rules::{Rule, SubjectPattern};
use crate::model::{ByteReader, ByteWriter, Digest, Malformed, Manifest, Position, Timestamp};

/// Before it, plans knew nothing of schedules.
const FORMAT: u8 = 2;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetellPlan {
    /// In the order of their deployment.
    pub modules: Vec<RetoldModule>,
    /// Source events that any of these matches are left out.
    pub drop: Vec<Rule>,
    /// If there are any: source events that none of these matches are left out.
    pub keep: Vec<Rule>,
    /// Source events of these subjects are left out, and never taken again.
    pub forget: Vec<SubjectPattern>,
    /// Functions that read nothing up to this position of the log that is retold.
    pub starts: BTreeMap<String, Position>,
    /// When schedules came first, by function and key; none of them comes before. One that isn't named doesn't
    /// come at all.
    pub scheduled: BTreeMap<(String, String), Timestamp>,
}

/// A module that the new log begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct RetoldModule {
    pub manifest: Manifest,
    pub digest: Digest,
    pub component: Vec<u8>,
}

impl RetellPlan {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u8(FORMAT);
        out.varint(self.modules.len() as u64);
        for module in &self.modules {
            out.blob(&module.manifest.encode());
            out.raw(&module.digest.0);
            out.blob(&module.component);
        }
        for rules in [&self.drop, &self.keep] {
            out.varint(rules.len() as u64);
            rules.iter().for_each(|rule| rule.encode(&mut out));
        }
        let forget = self.forget.iter().map(|subject| Rule { subject: Some(subject.clone()), ..Rule::default() });
        out.varint(self.forget.len() as u64);
        forget.for_each(|rule| rule.encode(&mut out));
        out.varint(self.starts.len() as u64);
        for (function, start) in &self.starts {
            out.text(function);
            out.u64(start.0);
        }
        out.varint(self.scheduled.len() as u64);
        for ((function, key), began) in &self.scheduled {
            out.text(function);
            out.text(key);
            out.u64(began.0);
        }
        out.bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<RetellPlan, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let format = reader.u8("plan format")?;
        if format == 0 || format > FORMAT {
            return Err(Malformed { what: "plan format", at: 0 });
        }
        let mut plan = RetellPlan::default();
        for _ in 0..reader.length("modules")? {
            let manifest = Manifest::decode(reader.blob("manifest")?)?;
            let at = reader.position();
            let digest = Digest(reader.raw(32, "digest")?.try_into().map_err(|_| Malformed { what: "digest", at })?);
            plan.modules.push(RetoldModule { manifest, digest, component: reader.blob("component")?.to_vec() });
        }
        for rules in [&mut plan.drop, &mut plan.keep] {
            for _ in 0..reader.length("rules")? {
                rules.push(Rule::decode(&mut reader)?);
            }
        }
        for _ in 0..reader.length("forget")? {
            plan.forget.extend(Rule::decode(&mut reader)?.subject);
        }
        for _ in 0..reader.length("starts")? {
            let function = reader.text("function")?.to_owned();
            plan.starts.insert(function, Position(reader.u64("start")?));
        }
        for _ in 0..if format > 1 { reader.length("schedules")? } else { 0 } {
            let name = (reader.text("function")?.to_owned(), reader.text("key")?.to_owned());
            plan.scheduled.insert(name, Timestamp(reader.u64("began")?));
        }
        Ok(plan)
    }
}
