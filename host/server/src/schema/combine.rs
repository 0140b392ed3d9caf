//! Subschemas of the same value: `anyOf`, `oneOf`, `not`, `dependentSchemas`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::check::{Check, Here, Verdict};
use super::error::Violation;
use super::program::NodeId;
use super::steps::Stop;

/// What it costs to say why one schema doesn't fit.
const MESSAGE_STEPS: u64 = 32;

impl Check<'_> {
    pub(super) fn any_of(&mut self, nodes: &[NodeId], here: Here<'_>) -> Verdict {
        let mut some = false;
        for &node in nodes {
            some |= self.fits(Here { node, ..here })?;
            // All are needed if somebody asks what they evaluated.
            if some && !here.logs {
                break;
            }
        }
        if some { Ok(()) } else { Err(self.none_fits(nodes, here, "anyOf")) }
    }

    pub(super) fn one_of(&mut self, nodes: &[NodeId], here: Here<'_>) -> Verdict {
        let mut first = None;
        for (place, &node) in nodes.iter().enumerate() {
            if !self.fits(Here { node, ..here })? {
                continue;
            }
            if let Some(first) = first {
                let what = || format!("must fit one of the schemas of `oneOf` only, and fits both number {first} and number {place}");
                return Err(self.violated(here, "oneOf", what));
            }
            first = Some(place);
        }
        if first.is_some() { Ok(()) } else { Err(self.none_fits(nodes, here, "oneOf")) }
    }

    pub(super) fn not(&mut self, node: NodeId, here: Here<'_>) -> Verdict {
        if self.fits(Here { node, logs: false, ..here })? {
            return Err(self.violated(here, "not", || "fits a schema that it must not fit".to_owned()));
        }
        Ok(())
    }

    pub(super) fn dependent_schemas(&mut self, dependents: &BTreeMap<String, NodeId>, here: Here<'_>) -> Verdict {
        let Value::Object(members) = here.value else { return Ok(()) };
        for (name, &node) in dependents {
            self.steps.spend(1)?;
            if members.contains_key(name) {
                self.apply(Here { node, ..here })?;
            }
        }
        Ok(())
    }

    /// Says which schema comes nearest: the one that goes deepest into the data before it fails.
    fn none_fits(&mut self, nodes: &[NodeId], here: Here<'_>, keyword: &str) -> Stop {
        let blunt = self.violated(here, keyword, String::new);
        if matches!(blunt, Stop::Violated(None)) {
            return blunt;
        }
        let mut nearest: Option<(usize, usize, Box<Violation>)> = None;
        for (place, &node) in nodes.iter().enumerate() {
            if self.steps.spend(MESSAGE_STEPS).is_err() {
                break;
            }
            match self.apply(Here { node, ..here }) {
                Err(Stop::Violated(Some(violation))) => {
                    let depth = violation.path.matches('/').count();
                    if nearest.as_ref().is_none_or(|(deepest, _, _)| depth > *deepest) {
                        nearest = Some((depth, place, violation));
                    }
                }
                Err(Stop::Violated(None)) | Ok(()) => {}
                // The verdict stands; only the advice is cut short.
                Err(Stop::Spent | Stop::TooDeep) => break,
            }
        }
        let count = nodes.len();
        self.violated(here, keyword, || match nearest {
            Some((_, _, violation)) if count == 1 => format!("doesn't fit the schema of `{keyword}`: {violation}"),
            Some((_, place, violation)) => {
                format!("fits none of the {count} schemas of `{keyword}`; the nearest is number {place}: {violation}")
            }
            None => format!("fits none of the {count} schemas of `{keyword}`"),
        })
    }
}
