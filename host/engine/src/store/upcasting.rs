//! `Upcasting`: which upcaster takes a stored type, and which types it makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::function::{FunctionRow, FunctionStatus, ModuleRow};
use super::proposal::Refused;
use crate::model::{Digest, FunctionKind, LimitsAsked, Manifest, TypePattern};

/// The upcasters of a namespace, by the type that each takes. Made anew when modules change; without
/// upcasters it is empty and nobody pays for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upcasting {
    by_type: BTreeMap<String, Arc<Upcaster>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upcaster {
    pub function: String,
    /// Ordinal of the module version that has its code.
    pub module: u32,
    pub makes: Vec<String>,
    pub limits: LimitsAsked,
}

impl Upcasting {
    /// The upcasters that are not retired. A type that two of them take goes to the last by name; a
    /// deployment that would lead there is refused.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Arc<FunctionRow>>) -> Upcasting {
        let mut upcasting = Upcasting::default();
        for row in rows.into_iter().filter(|row| row.manifest.kind == FunctionKind::Upcaster && row.status != FunctionStatus::Retired) {
            upcasting.add(row.module, &row.manifest);
        }
        upcasting
    }

    /// These and the upcasters of a module that isn't deployed yet, in the place of those of `replaced`.
    pub fn with_candidate(&self, replaced: Option<u32>, ordinal: u32, manifest: &Manifest) -> Upcasting {
        let mut upcasting = self.without(replaced);
        for function in manifest.functions.iter().filter(|function| function.kind == FunctionKind::Upcaster) {
            upcasting.add(ordinal, function);
        }
        upcasting
    }

    /// These but those of a module version.
    pub fn without(&self, module: Option<u32>) -> Upcasting {
        let mut upcasting = self.clone();
        upcasting.by_type.retain(|_, upcaster| Some(upcaster.module) != module);
        upcasting
    }

    fn add(&mut self, module: u32, manifest: &crate::model::FunctionManifest) {
        let upcaster =
            Arc::new(Upcaster { function: manifest.name.clone(), module, makes: manifest.emits.clone(), limits: manifest.limits });
        for taken in &manifest.subscribes {
            self.by_type.insert(taken.clone(), upcaster.clone());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.by_type.is_empty()
    }

    /// The upcaster that takes events of this type.
    pub fn upcaster(&self, r#type: &str) -> Option<&Arc<Upcaster>> {
        self.by_type.get(r#type)
    }

    /// All types that some upcaster takes.
    pub fn taken(&self) -> BTreeSet<String> {
        self.by_type.keys().cloned().collect()
    }

    /// The stored types that become, in one step or more, something that `wanted` accepts.
    pub fn sources(&self, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
        if self.is_empty() {
            return BTreeSet::new();
        }
        let mut known = BTreeMap::new();
        self.by_type.keys().filter(|taken| self.leads_to(taken, &wanted, &mut known)).cloned().collect()
    }

    fn leads_to<'a>(&'a self, taken: &'a str, wanted: &impl Fn(&str) -> bool, known: &mut BTreeMap<&'a str, bool>) -> bool {
        if let Some(answer) = known.get(taken) {
            return *answer;
        }
        // What leads back to itself leads nowhere by that way.
        known.insert(taken, false);
        let makes = self.by_type.get(taken).map_or(&[][..], |upcaster| &upcaster.makes);
        let answer = makes.iter().any(|made| wanted(made) || self.leads_to(made, wanted, known));
        known.insert(taken, answer);
        answer
    }

    /// The types, with their upcasters, that events pass on the way to a function that reads these
    /// patterns, in the order of the types.
    pub fn passed(&self, patterns: &[TypePattern]) -> Vec<(String, Arc<Upcaster>)> {
        let sources = self.sources(|made| patterns.iter().any(|pattern| pattern.matches(made)));
        sources.into_iter().map(|taken| (taken.clone(), self.by_type[&taken].clone())).collect()
    }

    /// What a function's outcome depends on: its module's code and that of the upcasters which its
    /// events pass.
    pub fn identity(&self, row: &FunctionRow, modules: &BTreeMap<u32, Arc<ModuleRow>>) -> Digest {
        let digest = |module: u32| modules.get(&module).map_or(Digest::ZERO, |module| module.digest);
        let mut identity = Digest::link(digest(row.module), b"retold.identity.1");
        if !self.is_empty() {
            for (taken, upcaster) in self.passed(&row.patterns().collect::<Vec<_>>()) {
                for part in [taken.as_bytes(), upcaster.function.as_bytes(), &digest(upcaster.module).0] {
                    identity = Digest::link(identity, part);
                }
            }
        }
        identity
    }
}

// What a deployment is refused for.
impl Upcasting {
    /// Holds the upcasters of all functions against the rules.
    pub fn check<'a>(rows: impl Iterator<Item = &'a Arc<FunctionRow>>) -> Result<(), Refused> {
        let rows: Vec<_> = rows.filter(|row| row.status != FunctionStatus::Retired).cloned().collect();
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.manifest.kind == FunctionKind::Upcaster) {
            for r#type in &row.manifest.subscribes {
                if let Some(other) = taken.insert(r#type, &row.name) {
                    return Err(Refused::TwoUpcasters { r#type: r#type.clone(), one: other.into(), other: row.name.clone() });
                }
            }
        }
        let upcasting = Upcasting::of(&rows);
        upcasting.check_circles()?;
        upcasting.check_gaps()
    }

    fn check_circles(&self) -> Result<(), Refused> {
        for taken in self.by_type.keys() {
            if self.leads_to(taken, &|made| made == taken, &mut BTreeMap::new()) {
                let upcaster = self.by_type[taken].function.clone();
                return Err(Refused::UpcastCircle { r#type: taken.clone(), upcaster });
            }
        }
        Ok(())
    }

    /// `x.v2` is made, `x.v3` is taken, and nothing takes `x.v2`: readers of `x.v4` would miss the oldest.
    fn check_gaps(&self) -> Result<(), Refused> {
        for upcaster in self.by_type.values() {
            for made in upcaster.makes.iter().filter(|made| !self.by_type.contains_key(*made)) {
                let Some((family, version)) = version_of(made) else { continue };
                let later = self.by_type.iter().find(|(taken, other)| {
                    other.function != upcaster.function
                        && version_of(taken).is_some_and(|(name, number)| name == family && number > version)
                });
                if let Some((taken, other)) = later {
                    return Err(Refused::UpcastGap {
                        made: made.clone(),
                        maker: upcaster.function.clone(),
                        taken: taken.clone(),
                        taker: other.function.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// `order.placed.v2` is version 2 of `order.placed`.
pub(super) fn version_of(r#type: &str) -> Option<(&str, u64)> {
    let (family, number) = r#type.rsplit_once(".v")?;
    Some((family, number.parse().ok().filter(|_| number.bytes().all(|digit| digit.is_ascii_digit()))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upcasting(chain: &[(&str, &[&str])]) -> Upcasting {
        let by_type = chain.iter().map(|(taken, makes)| {
            let makes = makes.iter().map(|made| (*made).to_owned()).collect();
            ((*taken).to_owned(), Arc::new(Upcaster { function: format!("up-{taken}"), module: 1, makes, limits: LimitsAsked::default() }))
        });
        Upcasting { by_type: by_type.collect() }
    }

    #[track_caller]
    fn check_sources(upcasting: &Upcasting, wanted: &str, expected: &[&str]) {
        let pattern = TypePattern::parse(wanted).expect("a pattern");
        assert_eq!(upcasting.sources(|made| pattern.matches(made)).into_iter().collect::<Vec<_>>(), expected, "{wanted}");
    }

    #[test]
    fn a_reader_of_a_new_form_reads_every_older_one_that_leads_to_it() {
        let chain = upcasting(&[("x.v1", &["x.v2", "y.v1"]), ("x.v2", &["x.v3"]), ("z", &["y.v1"])]);
        check_sources(&chain, "x.v3", &["x.v1", "x.v2"]);
        check_sources(&chain, "x.v2", &["x.v1"]);
        check_sources(&chain, "x.v1", &[]);
        check_sources(&chain, "y.*", &["x.v1", "z"]);
        check_sources(&chain, "*", &["x.v1", "x.v2", "z"]);
    }

    #[test]
    fn a_circle_and_a_gap_between_versions_are_refused_by_name() {
        assert!(matches!(upcasting(&[("a", &["b"]), ("b", &["c", "a"])]).check_circles(), Err(Refused::UpcastCircle { .. })));
        assert_eq!(upcasting(&[("a", &["b"]), ("b", &["c"]), ("d", &["c"])]).check_circles(), Ok(()));
        let gap = upcasting(&[("x.v1", &["x.v2"]), ("x.v3", &["x.v4"])]).check_gaps();
        assert!(matches!(gap, Err(Refused::UpcastGap { made, taken, .. }) if made == "x.v2" && taken == "x.v3"));
        assert_eq!(upcasting(&[("x.v1", &["x.v2"]), ("x.v2", &["x.v4"]), ("y.v3", &["x.v4"])]).check_gaps(), Ok(()));
        assert_eq!(upcasting(&[("x.v1", &["x.v4"]), ("x.v3", &["x.v4"])]).check_gaps(), Ok(()));
    }
}
