//! Objects.

use std::collections::BTreeMap;

use serde_json::Value;

use super::check::{Check, Evaluated, Here, Verdict};
use super::pointer::shorten;
use super::program::{Keyword, NodeId, Properties};
use super::steps::Stop;

/// Of a property's name in a message.
const NAME_CHARS_MAX: usize = 60;

impl Check<'_> {
    pub(super) fn required(&mut self, names: &[String], here: Here<'_>) -> Verdict {
        let Value::Object(members) = here.value else { return Ok(()) };
        for name in names {
            self.steps.spend(1)?;
            if !members.contains_key(name) {
                return Err(self.violated(here, "required", || format!("must have the property `{}`", shorten(name, NAME_CHARS_MAX))));
            }
        }
        Ok(())
    }

    pub(super) fn dependent_required(&mut self, dependents: &BTreeMap<String, Vec<String>>, here: Here<'_>) -> Verdict {
        let Value::Object(members) = here.value else { return Ok(()) };
        for (name, needed) in dependents {
            self.steps.spend(1)?;
            if !members.contains_key(name) {
                continue;
            }
            self.steps.spend(needed.len() as u64)?;
            if let Some(missing) = needed.iter().find(|needed| !members.contains_key(*needed)) {
                let (missing, name) = (shorten(missing, NAME_CHARS_MAX), shorten(name, NAME_CHARS_MAX));
                let what = || format!("must have the property `{missing}` because it has `{name}`");
                return Err(self.violated(here, "dependentRequired", what));
            }
        }
        Ok(())
    }

    pub(super) fn properties(&mut self, properties: &Properties, here: Here<'_>) -> Verdict {
        let Value::Object(members) = here.value else { return Ok(()) };
        for (place, (name, value)) in members.iter().enumerate() {
            self.steps.spend_on_text(name.len())?;
            let trail = here.trail.property(name);
            let inside = |node| Here { node, value, trail: &trail, logs: false };
            let mut known = false;
            if let Some(&node) = properties.named.get(name) {
                known = true;
                self.apply(inside(node))?;
            }
            for (pattern, node) in &properties.patterns {
                if pattern.is_in(name, &mut self.steps)? {
                    known = true;
                    self.apply(inside(*node))?;
                }
            }
            if let Some(node) = properties.additional.filter(|_| !known) {
                known = true;
                self.member(inside(node), "isn't a property that the schema allows")?;
            }
            if known {
                self.log(here, Evaluated::Property(place));
            }
        }
        Ok(())
    }

    pub(super) fn property_names(&mut self, node: NodeId, here: Here<'_>) -> Verdict {
        let Value::Object(members) = here.value else { return Ok(()) };
        for name in members.keys() {
            // Copied, to be a value.
            self.steps.spend(2)?;
            self.steps.spend_on_text(name.len())?;
            let value = Value::String(name.clone());
            let trail = here.trail.property(name);
            let verdict = self.apply(Here { node, value: &value, trail: &trail, logs: false });
            verdict.map_err(|stop| match stop {
                Stop::Violated(Some(mut violation)) => {
                    violation.what = shorten(&format!("has a name that {}", violation.what), super::VIOLATION_CHARS_MAX);
                    Stop::Violated(Some(violation))
                }
                stop => stop,
            })?;
        }
        Ok(())
    }

    pub(super) fn unevaluated_properties(&mut self, node: NodeId, here: Here<'_>, logged: usize) -> Verdict {
        let Value::Object(members) = here.value else { return Ok(()) };
        self.steps.spend((members.len() + self.evaluated.len() - logged) as u64)?;
        let mut evaluated = vec![false; members.len()];
        for entry in &self.evaluated[logged..] {
            match *entry {
                Evaluated::Property(place) => evaluated[place] = true,
                Evaluated::AllProperties => evaluated.fill(true),
                Evaluated::Item(_) | Evaluated::ItemsBefore(_) | Evaluated::AllItems => {}
            }
        }
        let unevaluated = members.iter().zip(evaluated).filter(|(_, evaluated)| !evaluated);
        for ((name, value), _) in unevaluated {
            let trail = here.trail.property(name);
            let inside = Here { node, value, trail: &trail, logs: false };
            self.member(inside, "isn't a property that any part of the schema names")?;
        }
        self.log(here, Evaluated::AllProperties);
        Ok(())
    }

    /// Like `apply`, with better words for the schema `false`.
    pub(super) fn member(&mut self, here: Here<'_>, never: &str) -> Verdict {
        if matches!(self.program.nodes[here.node as usize].keywords[..], [Keyword::Never]) {
            return Err(self.violated(here, "", || never.to_owned()));
        }
        self.apply(here)
    }
}
