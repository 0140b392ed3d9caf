//! Promotions: a retelling takes the place of what it retold, and back. Each is one transaction of the
//! catalogue, so whoever opens it finds one generation live, the old or the new.

use super::catalogue::{Catalogue, read, write};
use super::error::StoreError;
use super::namespace_row::{NamespaceRow, Previous, Role};
use super::own_quota::OwnQuota;

/// What a promotion left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promoted {
    /// The namespace as it is now.
    pub live: NamespaceRow,
    /// The generation that was live before, under a name of its own.
    pub old: NamespaceRow,
}

/// Why nothing was promoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPromoted {
    #[error("there is no namespace {0:?} here")]
    Unknown(String),
    #[error("{0:?} is not a retelling of {1:?}")]
    NotARetelling(String, String),
    /// What was retold is no longer what is live.
    #[error("{base:?} is another generation than the one that {retelling:?} retells: retell it anew")]
    BaseMoved { base: String, retelling: String },
    #[error("{0:?} is not an earlier generation of {1:?}")]
    NotOld(String, String),
    #[error("{0:?} is a retelling or an earlier generation itself: promote over the namespace that it is of")]
    NotLive(String),
}

impl Catalogue {
    /// Puts a retelling in the place of `base`. What was live becomes `BASE@GENERATION`.
    pub fn promote(&self, base: &str, retelling: &str) -> Result<Result<Promoted, NotPromoted>, StoreError> {
        self.replace(base, retelling, |live, new| match &new.role {
            Role::Retelling { base: of, .. } if *of != live.name => Err(NotPromoted::NotARetelling(new.name.clone(), live.name.clone())),
            Role::Retelling { base_folder, .. } if *base_folder != live.folder => {
                Err(NotPromoted::BaseMoved { base: live.name.clone(), retelling: new.name.clone() })
            }
            Role::Retelling { .. } => Ok(Role::Own),
            _ => Err(NotPromoted::NotARetelling(new.name.clone(), live.name.clone())),
        })
    }

    /// Puts an earlier generation back. The generation grows all the same, and what was live becomes
    /// `BASE@GENERATION` in its turn.
    pub fn promote_back(&self, base: &str, old: &str) -> Result<Result<Promoted, NotPromoted>, StoreError> {
        self.replace(base, old, |live, new| match &new.role {
            Role::Old { of, role } if *of == live.name => Ok((**role).clone()),
            _ => Err(NotPromoted::NotOld(new.name.clone(), live.name.clone())),
        })
    }

    /// Lets `base` name what `by` names, if `role` says what it is then.
    fn replace(
        &self,
        base: &str,
        by: &str,
        role: impl FnOnce(&NamespaceRow, &NamespaceRow) -> Result<Role, NotPromoted>,
    ) -> Result<Result<Promoted, NotPromoted>, StoreError> {
        self.change(|table| {
            let (live, new) = match (read(table, base)?, read(table, by)?) {
                (Some(live), Some(new)) => (live, new),
                (None, _) => return Ok(Err(NotPromoted::Unknown(base.to_owned()))),
                (_, None) => return Ok(Err(NotPromoted::Unknown(by.to_owned()))),
            };
            if !matches!(live.role, Role::Own | Role::Fork { .. }) {
                return Ok(Err(NotPromoted::NotLive(base.to_owned())));
            }
            let role = match role(&live, &new) {
                Ok(role) => role,
                Err(why) => return Ok(Err(why)),
            };
            let promoted = replaced(live, &new, role);
            table.remove(by)?;
            write(table, &promoted.old)?;
            write(table, &promoted.live)?;
            Ok(Ok(promoted))
        })
    }
}

fn replaced(live: NamespaceRow, new: &NamespaceRow, role: Role) -> Promoted {
    let mut previous = live.previous;
    previous.push(Previous { generation: live.generation, folder: live.folder.clone() });
    Promoted {
        old: NamespaceRow {
            name: format!("{}@{}", live.name, live.generation),
            folder: live.folder,
            created: live.created,
            generation: live.generation,
            role: Role::Old { of: live.name.clone(), role: Box::new(live.role) },
            previous: Vec::new(),
            quota: OwnQuota::default(),
        },
        live: NamespaceRow {
            name: live.name,
            folder: new.folder.clone(),
            created: live.created,
            generation: live.generation + 1,
            role,
            previous,
            // It is of the name, whichever log has it.
            quota: live.quota,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::own_quota::Bound;
    use super::super::testing::MemoryFolder;
    use super::*;
    use crate::model::{Position, Timestamp};

    fn row(name: &str, role: Role) -> NamespaceRow {
        NamespaceRow { role, ..NamespaceRow::own(name, format!("namespaces/{name}"), Timestamp(1)) }
    }

    fn retelling(base: &str, base_folder: &str) -> Role {
        Role::Retelling { base: base.into(), base_folder: base_folder.into(), plan: vec![1] }
    }

    /// Namespaces `main` and `other`, a retelling of `main`, and a fork of it.
    fn catalogue(folder: &MemoryFolder) -> Catalogue {
        let catalogue = Catalogue::open(folder).expect("it opens");
        let fork = Role::Fork { base_folder: "namespaces/main".into(), at: Position(3) };
        for row in
            [row("main", Role::Own), row("other", Role::Own), row("fixed", retelling("main", "namespaces/main")), row("whatif", fork)]
        {
            catalogue.set(&row).expect("entered");
        }
        catalogue
    }

    fn named(catalogue: &Catalogue) -> Vec<(String, String, u64)> {
        let rows = catalogue.namespaces().expect("read").into_iter();
        rows.map(|row| (row.name, row.folder.trim_start_matches("namespaces/").to_owned(), row.generation)).collect()
    }

    fn rows(expected: &[(&str, &str, u64)]) -> Vec<(String, String, u64)> {
        expected.iter().map(|(name, folder, generation)| (name.to_string(), folder.to_string(), *generation)).collect()
    }

    #[test]
    fn a_promoted_retelling_is_the_namespace_and_what_was_live_is_kept_and_comes_back() {
        let folder = MemoryFolder::default();
        let promoted = catalogue(&folder).promote("main", "fixed").expect("committed").expect("promoted");
        assert_eq!(promoted.live.role, Role::Own);
        assert_eq!(promoted.old.role, Role::Old { of: "main".into(), role: Box::new(Role::Own) });
        let catalogue = Catalogue::open(&folder).expect("it opens");
        assert!(catalogue.namespaces().expect("read").contains(&promoted.live));
        assert_eq!(named(&catalogue), rows(&[("main", "fixed", 2), ("main@1", "main", 1), ("other", "other", 1), ("whatif", "whatif", 1)]));
        let back = catalogue.promote_back("main", "main@1").expect("committed").expect("promoted");
        assert_eq!(named(&catalogue), rows(&[("main", "main", 3), ("main@2", "fixed", 2), ("other", "other", 1), ("whatif", "whatif", 1)]));
        let generations: Vec<(u64, &str)> = back.live.previous.iter().map(|previous| (previous.generation, &*previous.folder)).collect();
        assert_eq!(generations, [(1, "namespaces/main"), (2, "namespaces/fixed")]);
    }

    #[test]
    fn the_quota_of_a_name_is_that_of_whichever_log_has_it_e6() {
        let folder = MemoryFolder::default();
        let catalogue = catalogue(&folder);
        let quota = OwnQuota { events: Bound::Most(9), ..OwnQuota::default() };
        assert_eq!(catalogue.set_quota("nobody", quota).expect("read"), None);
        let row = catalogue.set_quota("main", quota).expect("written").expect("it is there");
        assert_eq!((row.quota, row.folder.as_str()), (quota, "namespaces/main"));
        let promoted = catalogue.promote("main", "fixed").expect("committed").expect("promoted");
        assert_eq!((promoted.live.quota, promoted.old.quota), (quota, OwnQuota::default()));
        let back = catalogue.promote_back("main", "main@1").expect("committed").expect("promoted");
        assert_eq!((back.live.quota, back.old.quota), (quota, OwnQuota::default()));
    }

    #[test]
    fn a_fork_that_was_promoted_over_is_a_fork_again_when_it_comes_back() {
        let folder = MemoryFolder::default();
        let catalogue = catalogue(&folder);
        catalogue.set(&row("better", retelling("whatif", "namespaces/whatif"))).expect("entered");
        catalogue.promote("whatif", "better").expect("committed").expect("promoted");
        assert_eq!(catalogue.uses("namespaces/main").expect("read"), ["fixed", "whatif@1"]);
        let back = catalogue.promote_back("whatif", "whatif@1").expect("committed").expect("promoted");
        assert_eq!(back.live.role.base_folder(), Some("namespaces/main"));
    }

    #[track_caller]
    fn check_refused(promote: impl FnOnce(&Catalogue) -> Result<Result<Promoted, NotPromoted>, StoreError>, why: NotPromoted) {
        let folder = MemoryFolder::default();
        let catalogue = catalogue(&folder);
        catalogue.set(&row("stale", retelling("main", "namespaces/main.before"))).expect("entered");
        let before = catalogue.namespaces().expect("read");
        assert_eq!(promote(&catalogue).expect("read").map(drop), Err(why));
        assert_eq!(catalogue.namespaces().expect("read"), before);
    }

    #[test]
    fn what_is_no_retelling_of_what_is_live_is_not_promoted() {
        let name = str::to_owned;
        check_refused(|all| all.promote("main", "nobody"), NotPromoted::Unknown(name("nobody")));
        check_refused(|all| all.promote("nobody", "fixed"), NotPromoted::Unknown(name("nobody")));
        check_refused(|all| all.promote("main", "other"), NotPromoted::NotARetelling(name("other"), name("main")));
        check_refused(|all| all.promote("other", "fixed"), NotPromoted::NotARetelling(name("fixed"), name("other")));
        check_refused(|all| all.promote("main", "stale"), NotPromoted::BaseMoved { base: name("main"), retelling: name("stale") });
        check_refused(|all| all.promote("fixed", "stale"), NotPromoted::NotLive(name("fixed")));
        check_refused(|all| all.promote_back("main", "fixed"), NotPromoted::NotOld(name("fixed"), name("main")));
        check_refused(|all| all.promote_back("main", "main"), NotPromoted::NotOld(name("main"), name("main")));
    }

    #[test]
    fn a_retelling_of_a_generation_that_was_replaced_is_not_promoted() {
        let folder = MemoryFolder::default();
        let catalogue = catalogue(&folder);
        catalogue.set(&row("late", retelling("main", "namespaces/main"))).expect("entered");
        catalogue.promote("main", "fixed").expect("committed").expect("promoted");
        let refused = NotPromoted::BaseMoved { base: "main".into(), retelling: "late".into() };
        assert_eq!(catalogue.promote("main", "late").expect("read").map(drop), Err(refused));
    }

    #[test]
    fn a_folder_is_never_given_twice_whatever_became_of_the_first() {
        let folder = MemoryFolder::default();
        let catalogue = catalogue(&folder);
        let next = |name| catalogue.next_folder(name).expect("written");
        assert_eq!(
            (next("main"), next("new"), next("new")),
            ("namespaces/main.2".into(), "namespaces/new".into(), "namespaces/new.2".into())
        );
        catalogue.set(&NamespaceRow::own("new", "namespaces/new.2", Timestamp(1))).expect("entered");
        catalogue.remove("new").expect("removed");
        assert_eq!((next("new"), next("main")), ("namespaces/new.3".into(), "namespaces/main.3".into()));
        catalogue.promote("main", "fixed").expect("committed").expect("promoted");
        catalogue.remove("main@1").expect("removed");
        assert_eq!(next("fixed"), "namespaces/fixed.2");
        let expected = ["namespaces/fixed", "namespaces/other", "namespaces/whatif"];
        assert_eq!(catalogue.folders().expect("read"), BTreeSet::from(expected.map(str::to_owned)));
    }

    #[test]
    fn who_came_of_a_folder_is_told() {
        let folder = MemoryFolder::default();
        let catalogue = catalogue(&folder);
        assert_eq!(catalogue.uses("namespaces/main").expect("read"), ["fixed", "whatif"]);
        assert_eq!(catalogue.uses("namespaces/whatif").expect("read"), [""; 0]);
    }
}
