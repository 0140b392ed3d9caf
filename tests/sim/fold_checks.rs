//! Aggregates before an upgrade: other code folds every subject on a shadow.

use std::collections::BTreeMap;

use retold_engine::model::{Digest, FunctionKind, Position};
use retold_engine::run::{Guests, Prepared, Reading, Replay, ReplayOptions, ReplayStep, Replayed};
use retold_engine::store::Portion;

use crate::chance::Chance;
use crate::guests::Module;
use crate::stock::Stocks;
use crate::world::{Host, World};

impl World {
    /// Folds every subject of the module's aggregates by its code, and holds it against the model. There is
    /// power.
    pub fn check_folds(&mut self, host: &mut Host, module: &Module) {
        let then = self.model.with(module);
        let aggregates = module.functions.iter().filter(|function| function.kind == FunctionKind::Aggregate);
        let there = aggregates.filter(|function| self.model.functions.contains_key(function.name));
        let (snapshot, digest) = (host.store.reader().snapshot().expect("there is power"), Digest::of(&module.component()));
        for function in there.map(|function| function.name) {
            let guests = Stocks::new(&then, Chance::new(0), 0);
            let guest = guests.guest(then.functions[function].module).expect("every module has code");
            let Some(identity) = snapshot.identity_after(&module.manifest(), digest, function) else { continue };
            let reading = Reading::with_candidate(&snapshot, &guests, &module.manifest(), guest.clone());
            let (shadow, _) = host.store.reader().open_shadow(function, identity, 1 << 20).expect("there is power");
            let manifest = module.manifest().functions.into_iter().find(|manifest| manifest.name == function).expect("it has it");
            let replayed = Replayed { manifest, follows: snapshot.function(function).cloned(), identity };
            let mut replay = Replay::new(&reading, &replayed, ReplayOptions::default(), &shadow).expect("there is power");
            loop {
                let portion = Portion { events: *self.chance.pick(&[3, 40, 400]), bytes: usize::MAX };
                let Prepared::Parts(parts) = replay.prepare(&reading, &replayed, &shadow, portion).expect("there is power") else {
                    panic!("a replay never waits")
                };
                let folded = parts.iter().map(|part| part.fold(&*guest, &mut |_, _| {})).collect();
                match replay.finish(&shadow, folded).expect("there is power") {
                    ReplayStep::Level { .. } => break,
                    ReplayStep::Went { .. } => {}
                    other => panic!("{function} was folded, and came to {other:?}"),
                }
            }
            assert_eq!(replay.report().failures, 0);
            let rows: BTreeMap<String, Vec<u8>> =
                shadow.snapshot().and_then(|rows| rows.scan("", None, usize::MAX)).expect("there is power").into_iter().collect();
            assert_eq!(rows, self.folded(&then, function, snapshot.head()), "subjects of {function}");
        }
    }

    /// Every subject of an aggregate, by the code of then.
    fn folded(&self, then: &crate::model::Model, function: &str, head: Position) -> BTreeMap<String, Vec<u8>> {
        let row = &then.functions[function];
        let mut stocks: BTreeMap<String, crate::stock::Stock> = BTreeMap::new();
        for event in self.model.log[..head.0 as usize].iter().filter(|event| !event.subject.is_empty()) {
            for (r#type, data) in then.forms_of(row, event) {
                let stock = stocks.entry(event.subject.clone()).or_default();
                *stock = stock.evolve(&r#type, &data).expect("the stock fell below zero");
            }
        }
        stocks.into_iter().map(|(subject, stock)| (subject, stock.state(row.version))).collect()
    }
}
