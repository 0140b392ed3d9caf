//! Stored events that a function reads, and would read no more by other code.

use std::collections::BTreeMap;

use super::error::StoreError;
use super::function::{FunctionRow, FunctionStatus};
use super::mirror::Mirror;
use super::snapshot::Snapshot;
use super::upcasting::{Upcasting, version_of};
use crate::model::{Digest, Kind, Manifest, Processing};

/// A stored type that a function reads as it stands, and would not, as it would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    pub function: String,
    pub r#type: String,
    /// How many events of it are stored.
    pub count: u64,
    /// A later form of the type that the function would read in its place, and that nothing makes of it.
    pub newer: Option<String>,
}

impl Snapshot {
    /// What functions would no longer read after a deployment.
    pub fn unread_after(&self, manifest: &Manifest, digest: Digest) -> Result<Vec<Unread>, StoreError> {
        let (before, after) = self.around(&self.deployment(manifest, digest));
        self.unread(&before, &after)
    }

    /// What functions would no longer read after a removal.
    pub fn unread_without(&self, module: &str) -> Result<Vec<Unread>, StoreError> {
        let (before, after) = self.around(&Processing::Removed { name: module.to_owned() });
        self.unread(&before, &after)
    }

    fn unread(&self, before: &Mirror, after: &Mirror) -> Result<Vec<Unread>, StoreError> {
        let types = self.types()?;
        let stored: BTreeMap<&str, u64> =
            types.iter().filter(|found| found.kind == Kind::Event && found.count > 0).map(|found| (&*found.r#type, found.count)).collect();
        let mut all = Vec::new();
        for row in before.functions.values() {
            let Some(then) = after.function(&row.name).filter(|then| then.status != FunctionStatus::Retired) else { continue };
            if then.identity == row.identity {
                continue;
            }
            for (r#type, count) in &stored {
                if !reads(row, &before.upcasting, r#type) || reads(then, &after.upcasting, r#type) {
                    continue;
                }
                let is_newer = |wanted: &&String| is_later_form(wanted, r#type) && !row.subscribes(wanted);
                let newer = then.manifest.subscribes.iter().find(is_newer).cloned();
                all.push(Unread { function: row.name.clone(), r#type: (*r#type).to_owned(), count: *count, newer });
            }
        }
        Ok(all)
    }
}

/// As it is stored, or as upcasters make it new.
fn reads(row: &FunctionRow, upcasting: &Upcasting, r#type: &str) -> bool {
    row.subscribes(r#type) || upcasting.sources(|made| row.subscribes(made)).contains(r#type)
}

/// `order.placed.v2` is a later form of `order.placed`, and so it is of `order.placed.v1`.
fn is_later_form(wanted: &str, of: &str) -> bool {
    let (family, version) = version_of(of).unwrap_or((of, 0));
    version_of(wanted).is_some_and(|(name, later)| name == family && later > version)
}

#[cfg(test)]
mod tests {
    use super::super::proposal::{Append, Proposal};
    use super::super::upgrade_testing::{SUM, Shop, deploy_of, digest_of, function, manifest, upcaster};
    use super::*;
    use crate::model::{FunctionKind, NewEvent};

    #[test]
    fn a_later_form_has_a_higher_number_in_the_same_family() {
        for (wanted, of, is) in [
            ("order.placed.v2", "order.placed", true),
            ("order.placed.v2", "order.placed.v1", true),
            ("order.placed.v2", "order.placed.v2", false),
            ("order.placed.v1", "order.placed.v2", false),
            ("order.placed", "order.placed.v1", false),
            ("order.shipped.v2", "order.placed", false),
            ("order.*", "order.placed", false),
        ] {
            assert_eq!(is_later_form(wanted, of), is, "{wanted} of {of}");
        }
    }

    fn reading(types: &[&str]) -> Manifest {
        Manifest { functions: vec![function(SUM, FunctionKind::Handler, types)], ..manifest(2) }
    }

    #[track_caller]
    fn check(shop: &Shop, types: &[&str], expected: &[(&str, u64, Option<&str>)]) {
        let manifest = reading(types);
        let snapshot = shop.store.reader().snapshot().expect("nothing fails in memory");
        let unread = snapshot.unread_after(&manifest, digest_of(&manifest)).expect("nothing fails in memory");
        let of_sum = unread.iter().filter(|unread| unread.function == SUM);
        let found: Vec<_> = of_sum.map(|unread| (unread.r#type.as_str(), unread.count, unread.newer.as_deref())).collect();
        assert_eq!(found, expected, "{types:?}");
    }

    #[test]
    fn events_that_nobody_turns_into_the_form_that_is_wanted_now_are_lost_by_name() {
        let mut shop = Shop::new();
        check(&shop, &["a.v2"], &[]);
        shop.append(3);
        check(&shop, &["a"], &[]);
        check(&shop, &["a", "a.v2"], &[]);
        check(&shop, &["a.v2"], &[("a", 3, Some("a.v2"))]);
        check(&shop, &["b"], &[("a", 3, None)]);
    }

    #[test]
    fn what_an_upcaster_makes_new_is_lost_with_the_upcaster() {
        let mut shop = Shop::new();
        shop.accept(deploy_of(upcaster(), Vec::new()));
        let taken = upcaster().functions[0].subscribes[0].clone();
        let content_type = "text/plain".to_owned();
        let old = NewEvent { id: "1".into(), source: "/test".into(), r#type: taken.clone(), content_type, ..NewEvent::default() };
        shop.accept(Proposal::Append(Append { events: vec![old], ..Append::default() }));
        let snapshot = shop.store.reader().snapshot().expect("nothing fails in memory");
        let unread = snapshot.unread_without("forms").expect("nothing fails in memory");
        let of_sum = unread.iter().find(|unread| unread.function == SUM).expect("it reads what the upcaster makes");
        assert_eq!((of_sum.r#type.as_str(), of_sum.count), (taken.as_str(), 1));
    }
}
