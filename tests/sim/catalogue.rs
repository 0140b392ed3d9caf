//! The list of namespaces, with power lost at every operation.

use retold_engine::model::Timestamp;
use retold_engine::store::{Catalogue, NamespaceRow, Role};

use crate::chance::Chance;
use crate::disk::{Crash, FaultFolder};

fn row(name: &str) -> NamespaceRow {
    NamespaceRow::own(name, format!("ns-{name}"), Timestamp(1))
}

fn names(folder: &FaultFolder) -> Vec<String> {
    let rows = Catalogue::open(folder).and_then(|catalogue| catalogue.namespaces()).expect("the catalogue opens");
    rows.into_iter().map(|row| row.name).collect()
}

/// Makes a catalogue with two namespaces; answers how many were acknowledged.
fn make(folder: &FaultFolder) -> usize {
    let Ok(catalogue) = Catalogue::open(folder) else { return 0 };
    ["main", "other"].iter().take_while(|name| catalogue.set(&row(name)).is_ok()).count()
}

#[track_caller]
fn check(then: impl Fn(&FaultFolder, &mut Chance) -> FaultFolder) {
    for operation in 1.. {
        let folder = FaultFolder::new();
        let mut chance = Chance::new(operation);
        folder.lose_power_at(operation);
        let acknowledged = make(&folder);
        let over = folder.has_power();
        let folder = then(&folder, &mut chance);
        let found = names(&folder);
        assert!(found.len() >= acknowledged, "{found:?} at {operation}");
        // Whatever was found and then added stays, though power is lost at once.
        Catalogue::open(&folder).and_then(|catalogue| catalogue.set(&row("later"))).expect("added");
        let folder = folder.crash(Crash::Lost, &mut chance);
        assert_eq!(names(&folder).len(), found.len() + 1, "at {operation}");
        if over {
            assert!(operation > 20, "it takes only {operation} operations");
            break;
        }
    }
}

#[test]
fn a_namespace_that_was_made_is_there_after_power_is_lost_at_any_operation() {
    check(|folder, chance| folder.crash(Crash::Lost, chance));
    check(|folder, chance| folder.crash(Crash::Kept, chance));
    check(|folder, chance| folder.crash(Crash::Torn { percent: 50, garbage: true }, chance));
    check(|folder, chance| folder.crash(Crash::Reordered { percent: 50 }, chance));
}

#[test]
fn a_namespace_that_was_made_is_there_after_a_kill_at_any_operation_and_a_power_cut_later() {
    check(|folder, _| folder.kill());
}

/// A retelling takes the place of `main`, which comes back, and goes again; answers how many were acknowledged.
fn go_back_and_forth(folder: &FaultFolder) -> Option<u64> {
    let catalogue = Catalogue::open(folder).ok()?;
    let role = Role::Retelling { base: "main".into(), base_folder: "ns-main".into(), plan: Vec::new() };
    catalogue.set(&row("main")).ok()?;
    catalogue.set(&NamespaceRow { role, ..row("better") }).ok()?;
    let promoted = |done: Result<_, _>| done.is_ok();
    if !promoted(catalogue.promote("main", "better").map(|done| done.expect("it is a retelling"))) {
        return Some(0);
    }
    let back =
        (1..4).take_while(|old| promoted(catalogue.promote_back("main", &format!("main@{old}")).map(|done| done.expect("it was live"))));
    Some(1 + back.count() as u64)
}

#[test]
fn an_earlier_generation_is_back_or_not_wherever_power_is_lost() {
    for nth in 0..4 {
        for operation in 1.. {
            let folder = FaultFolder::new();
            let mut chance = Chance::new(operation);
            folder.lose_power_at(operation);
            let acknowledged = go_back_and_forth(&folder);
            let over = folder.has_power();
            let crash = [Crash::Lost, Crash::Kept, Crash::Torn { percent: 50, garbage: true }, Crash::Reordered { percent: 50 }][nth];
            let folder = folder.crash(crash, &mut chance);
            let rows = Catalogue::open(&folder).and_then(|catalogue| catalogue.namespaces()).expect("the catalogue opens");
            let live = rows.iter().find(|row| row.name == "main");
            if let Some(acknowledged) = acknowledged {
                let live = live.expect("it was entered");
                let done = live.generation - 1;
                assert!(done == acknowledged || done == acknowledged + 1, "{acknowledged} were acknowledged: {rows:?} at {operation}");
                assert_eq!(live.folder, if done % 2 == 0 { "ns-main" } else { "ns-better" }, "at {operation}");
                assert_eq!((rows.len(), live.previous.len() as u64), (2, done), "{rows:?} at {operation}");
            }
            if over {
                assert!(operation > 30 && acknowledged == Some(4), "it takes only {operation} operations");
                break;
            }
        }
    }
}
