//! Arrays.

use serde_json::Value;

use super::check::{Check, Evaluated, Here, Verdict};
use super::equal::first_duplicate;
use super::program::NodeId;

impl Check<'_> {
    pub(super) fn items(&mut self, prefix: &[NodeId], rest: Option<NodeId>, here: Here<'_>) -> Verdict {
        let Value::Array(items) = here.value else { return Ok(()) };
        for (index, value) in items.iter().enumerate() {
            let trail = here.trail.item(index);
            let inside = |node| Here { node, value, trail: &trail, logs: false };
            if let Some(&node) = prefix.get(index) {
                self.apply(inside(node))?;
            } else if let Some(node) = rest {
                self.member(inside(node), "is one item too many: the schema names all that are allowed")?;
            } else {
                break;
            }
        }
        self.log(here, if rest.is_some() { Evaluated::AllItems } else { Evaluated::ItemsBefore(prefix.len()) });
        Ok(())
    }

    pub(super) fn contains(&mut self, node: NodeId, min: u64, max: Option<u64>, here: Here<'_>) -> Verdict {
        let Value::Array(items) = here.value else { return Ok(()) };
        let mut found = 0;
        for (index, value) in items.iter().enumerate() {
            let trail = here.trail.item(index);
            if self.fits(Here { node, value, trail: &trail, logs: false })? {
                found += 1;
                self.log(here, Evaluated::Item(index));
            }
            if max.is_some_and(|max| found > max) {
                let what =
                    || format!("must not have more than {} that fit the schema of `contains` among its items", max.unwrap_or_default());
                return Err(self.violated(here, "maxContains", what));
            }
            if found >= min && max.is_none() && !here.logs {
                return Ok(());
            }
        }
        if found < min {
            let keyword = if min == 1 { "contains" } else { "minContains" };
            let what = || format!("must have at least {min} that fit the schema of `contains` among its items, not {found}");
            return Err(self.violated(here, keyword, what));
        }
        Ok(())
    }

    pub(super) fn unique_items(&mut self, here: Here<'_>) -> Verdict {
        let Value::Array(items) = here.value else { return Ok(()) };
        match first_duplicate(items, &mut self.steps)? {
            None => Ok(()),
            Some((first, second)) => {
                Err(self.violated(here, "uniqueItems", || format!("must have no item twice, and items {first} and {second} are the same")))
            }
        }
    }

    pub(super) fn unevaluated_items(&mut self, node: NodeId, here: Here<'_>, logged: usize) -> Verdict {
        let Value::Array(items) = here.value else { return Ok(()) };
        self.steps.spend((items.len() + self.evaluated.len() - logged) as u64)?;
        let mut evaluated = vec![false; items.len()];
        let mut before = 0;
        for entry in &self.evaluated[logged..] {
            match *entry {
                Evaluated::Item(index) => evaluated[index] = true,
                Evaluated::ItemsBefore(index) => before = before.max(index),
                Evaluated::AllItems => before = items.len(),
                Evaluated::Property(_) | Evaluated::AllProperties => {}
            }
        }
        let unevaluated = items.iter().enumerate().zip(evaluated).skip(before).filter(|(_, evaluated)| !evaluated);
        for ((index, value), _) in unevaluated {
            let trail = here.trail.item(index);
            let inside = Here { node, value, trail: &trail, logs: false };
            self.member(inside, "is an item that no part of the schema names")?;
        }
        self.log(here, Evaluated::AllItems);
        Ok(())
    }
}
