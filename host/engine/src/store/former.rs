//! What former versions of a function dealt with, as the log recorded it: so that what they made can be held against
//! what their code makes.

use std::collections::BTreeSet;

use super::error::StoreError;
use super::function::FunctionRow;
use super::snapshot::Snapshot;
use crate::model::{FunctionKind, Position, Processing};

/// What one version of a function read before another took over: the events after `after` up to `upto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormerSpan {
    /// Ordinal of the module version.
    pub module: u32,
    pub after: Position,
    pub upto: Position,
}

impl Snapshot {
    /// The spans of the versions that ran before the one that runs, oldest first, each without what was read through
    /// upcasters of other modules that have changed since, and without what its version made that was held back.
    /// Reads every record once.
    ///
    /// `None` of a function of which something was parked or rewound: which version dealt with an event in the end is
    /// not told by where it lies.
    pub fn former_spans(&self, row: &FunctionRow) -> Result<Option<Vec<FormerSpan>>, StoreError> {
        let has_function = |module: u32| {
            self.module(module).is_some_and(|version| version.manifest.functions.iter().any(|function| function.name == row.name))
        };
        let versions: BTreeSet<u32> = self.modules().map(|version| version.ordinal).filter(|module| has_function(*module)).collect();
        if versions.iter().all(|module| *module == row.module) {
            return Ok(Some(Vec::new()));
        }
        if !row.straight {
            return Ok(None);
        }
        let upcasts = |name: &str| {
            let all = self.modules().filter(|version| version.name == name).flat_map(|version| &version.manifest.functions);
            all.into_iter().any(|function| function.kind == FunctionKind::Upcaster)
        };
        let mut scan = Scan { spans: Vec::new(), module: None, after: row.start, cursor: row.start, same_upcasters_after: Position::START };
        self.records(0, Position::START, &mut |record| {
            if record.commit > self.commit() {
                return Ok(false);
            }
            for entry in record.processing().map_err(StoreError::malformed("the log", record.first))? {
                match entry {
                    Processing::Reaction { function, to, rebuild: None, .. } if function == row.name => scan.cursor = scan.cursor.max(to),
                    Processing::Deployed { module, .. } if versions.contains(&module) => scan.take_over(module),
                    Processing::Deployed { name, .. } | Processing::Removed { name } if upcasts(&name) => {
                        scan.same_upcasters_after = record.last();
                    }
                    _ => {}
                }
            }
            Ok(true)
        })?;
        let acts = |module: u32| {
            let functions = self.module(module).into_iter().flat_map(|version| &version.manifest.functions);
            let mut same = functions.filter(|function| function.name == row.name);
            same.any(|function| function.timers || !function.sends.is_empty() || !function.hosts.is_empty())
        };
        let comparable = scan.spans.into_iter().map(|span| {
            let held = if acts(span.module) { row.held_through } else { Position::START };
            FormerSpan { after: span.after.max(scan.same_upcasters_after).max(held), ..span }
        });
        Ok(Some(comparable.filter(|span| span.after < span.upto).collect()))
    }
}

/// What was found so far.
struct Scan {
    spans: Vec<FormerSpan>,
    /// The version that runs, and what it reads after.
    module: Option<u32>,
    after: Position,
    cursor: Position,
    /// Upcasters of other modules changed here for the last time.
    same_upcasters_after: Position,
}

impl Scan {
    fn take_over(&mut self, next: u32) {
        let (after, upto) = (self.after, self.cursor);
        if let Some(module) = self.module.replace(next)
            && after < upto
        {
            self.spans.push(FormerSpan { module, after, upto });
        }
        self.after = upto;
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{append, deploy_version, handler, parked, react, tell_on};
    use super::super::testing;
    use super::super::writer::Store;

    fn spans(store: &Store) -> Option<Vec<(u32, u64, u64)>> {
        let snapshot = store.reader().snapshot().expect("a snapshot");
        let row = snapshot.function("straight").expect("it is there").clone();
        let spans = snapshot.former_spans(&row).expect("read")?;
        Some(spans.into_iter().map(|span| (span.module, span.after.0, span.upto.0)).collect())
    }

    #[test]
    fn a_version_dealt_with_what_its_function_had_read_when_the_next_took_over() {
        let mut store = testing::store();
        let deploy = |version: &str| deploy_version("shop", version, &[handler("straight")]);
        tell_on(&mut store, 0, vec![append(&["1", "2"]), deploy("1.0.0")]);
        assert_eq!(spans(&store), Some(Vec::new()), "it runs, and nothing ran before");
        tell_on(&mut store, 1, vec![append(&["3", "4"])]);
        let plan = react(&store, "straight", 4, &[2], |_| {});
        // It lags behind when the next version comes.
        tell_on(&mut store, 2, vec![plan, deploy("2.0.0")]);
        assert_eq!(spans(&store), Some(vec![(1, 0, 4)]));
        let plan = react(&store, "straight", 7, &[5], |_| {});
        tell_on(&mut store, 3, vec![plan]);
        // One that read nothing has no span.
        tell_on(&mut store, 4, vec![deploy("3.0.0"), deploy("4.0.0")]);
        assert_eq!(spans(&store), Some(vec![(1, 0, 4), (2, 4, 7)]));
        let plan = react(&store, "straight", 8, &[], |plan| plan.parked = vec![parked(8)]);
        tell_on(&mut store, 5, vec![plan]);
        assert_eq!(spans(&store), None, "what is released is dealt with by whoever runs then");
    }
}
