//! What the model says of code that comes and goes: who runs what from then on, and what state each code
//! makes of what its function has handled.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use retold_engine::model::{Digest, FunctionKind, Position, Start};
use retold_engine::store::Reader;

use crate::guests::Module;
use crate::model::{Model, Row, Status, Version, apply};
use crate::upcasting::Code;

impl Model {
    /// A module version comes in the place of the one that is there.
    pub fn install(&mut self, module: u32, code: &Module, at: Position) {
        self.retire(code.name, |function| !code.functions.iter().any(|kept| kept.name == function));
        for function in code.functions {
            let decides = function.kind == FunctionKind::Aggregate;
            let start = if function.start == Start::Now && !decides { at } else { Position::START };
            let place = self.place_of(function);
            let row = self.functions.entry(function.name.to_owned()).or_insert_with(|| Row {
                module,
                version: code.version,
                function: *function,
                status: Status::Active,
                start,
                cursor: start,
                rebuilding: None,
                parked: BTreeMap::new(),
                skipped: BTreeSet::new(),
                applied: Vec::new(),
                state: BTreeMap::new(),
                wrote: false,
                code: Code::default(),
                begun_empty: Vec::new(),
                history: Vec::new(),
                rewound: 0,
            });
            (row.module, row.version, row.function) = (module, code.version, *function);
            if decides {
                row.cursor = place;
            }
            if row.status != Status::Paused {
                row.status = Status::Active;
            }
        }
        let digest = Digest::of(&code.component());
        let version = Version { name: code.name.to_owned(), version: code.version, digest, active: true };
        assert!(self.modules.insert(module, version).is_none(), "module ordinal {module} is used twice");
    }

    /// Handlers whose code changed go on with the state that was made ready for it, which is what this code
    /// makes of all that was handled. Those that had state at some time and have none that was made ready
    /// make it anew: there is none by now, or none that is whole.
    pub fn switched(&mut self) {
        let runs = |row: &Row| row.is_handler() && row.status != Status::Retired;
        let changed: Vec<(String, Code)> = self
            .functions
            .iter()
            .filter(|(_, row)| runs(row))
            .map(|(name, row)| (name.clone(), self.code(row)))
            .filter(|(name, code)| self.functions[name].code != *code)
            .collect();
        let mut ready = std::mem::take(&mut self.ready);
        for (name, code) in changed {
            let mut row = self.functions.remove(&name).expect("it was just listed");
            if ready.remove(&name) {
                assert_eq!(row.rebuilding, None, "{name} was made ready while its state was made again");
                row.state = self.refold(self, &row, &row.applied);
                row.begun_empty.retain(|(begun, _)| *begun != code);
            } else {
                let nothing = row.rebuilding.is_some() || row.state.is_empty();
                assert!(nothing, "{name} goes on with state that other code made: {:?}", row.state);
                row.rebuilding = row.wrote.then(|| row.rebuilding.unwrap_or(row.cursor));
                if !row.wrote {
                    row.begun_empty.retain(|(begun, _)| *begun != code);
                    row.begun_empty.push((code.clone(), row.applied.len()));
                }
            }
            row.code = code;
            self.functions.insert(name, row);
        }
        assert!(ready.is_empty(), "made ready for code that didn't come: {ready:?}");
    }

    /// The state that a function makes of these events, in this order, as events were read `then`.
    pub fn refold(&self, then: &Model, row: &Row, positions: &[Position]) -> BTreeMap<String, Vec<u8>> {
        let mut state = BTreeMap::new();
        for position in positions {
            let event = self.event(*position);
            for (r#type, data) in then.forms_of(row, event) {
                apply(row.function.name, row.version, row.function.split, event, (&r#type, &data), &mut state, &mut BTreeMap::new());
            }
        }
        state
    }

    /// The same for the code with this identity, of what the log recorded up to a commit. `None`: nothing is
    /// known of the code, or of the function as it stood then.
    pub fn refold_of(&self, function: &str, identity: Digest, through_commit: u64) -> Option<BTreeMap<String, Vec<u8>>> {
        let then = self.codes.get(&(function.to_owned(), identity))?;
        let row = self.functions.get(function).filter(|row| through_commit >= row.rewound)?;
        let of = then.functions.get(function)?;
        let begun = row.begun_empty.iter().find(|(code, _)| *code == then.code(of)).map_or(0, |(_, handled)| *handled);
        let handled = row.history.iter().rev().find(|(commit, _)| *commit <= through_commit).map_or(0, |(_, handled)| *handled);
        Some(self.refold(then, of, &row.applied[begun.min(handled)..handled]))
    }

    /// Notes how much every function has handled by now.
    pub fn note_history(&mut self, commit: u64) {
        for row in self.functions.values_mut() {
            let handled = row.applied.len();
            if row.history.last().map_or(0, |(_, before)| *before) != handled {
                row.history.push((commit, handled));
            }
        }
    }

    /// Notes the code that runs now under its identities.
    pub fn note_codes(&mut self, reader: &Reader) {
        let mut outline = None;
        for row in reader.functions().values().filter(|row| row.is_active() && row.manifest.kind != FunctionKind::Upcaster) {
            // Functions of one module that pass no upcaster have one identity, whatever upcasters there are.
            let code = (row.name.clone(), row.identity);
            if !self.codes.contains_key(&code) {
                let outline = outline.get_or_insert_with(|| Rc::new(self.outline()));
                self.codes.insert(code, outline.clone());
            }
        }
    }

    /// Who runs what, and nothing of what came of it.
    fn outline(&self) -> Model {
        let row = |row: &Row| Row {
            parked: BTreeMap::new(),
            skipped: BTreeSet::new(),
            applied: Vec::new(),
            state: BTreeMap::new(),
            code: row.code.clone(),
            begun_empty: Vec::new(),
            history: Vec::new(),
            status: row.status.clone(),
            ..*row
        };
        let functions = self.functions.iter().map(|(name, of)| (name.clone(), row(of))).collect();
        Model { functions, modules: self.modules.clone(), ..Model::default() }
    }

    /// Who would run what, were this module deployed.
    pub fn with(&self, code: &Module) -> Model {
        let mut with = self.outline();
        let module = self.modules.keys().next_back().map_or(1, |last| last + 1);
        with.install(module, code, self.head().next());
        with
    }
}
