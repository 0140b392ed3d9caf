//! How events flow: who makes what and who reads it, as it is declared and as it was seen.

mod build;
mod counting;
mod cycles;
mod graph;
mod imperative;
mod lints;
mod similar;
mod tally;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use counting::FlowCounts;
pub use graph::{Flow, Link, Node, What};
pub use lints::{Level, Lint};

use super::namespace::Namespace;
use super::types::DriveError;
use build::{Declared, Parts};

impl Namespace {
    /// The flow of the namespace. `observe`: what was made by whom is counted too, for so long at most.
    pub async fn flow(&self, observe: Option<Duration>) -> Result<Flow, DriveError> {
        let inside = self.inside().clone();
        let counted = match observe {
            Some(patience) => Some(inside.flow.count(inside.clone(), patience).await?),
            None => None,
        };
        let namespace = self.clone();
        let made = tokio::task::spawn_blocking(move || namespace.graph(counted.as_ref())).await;
        made.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    fn graph(&self, counted: Option<&counting::Counted>) -> Result<Flow, DriveError> {
        let snapshot = self.reader().snapshot()?;
        let functions: Vec<Declared> = snapshot
            .functions()
            .map(|row| Declared {
                manifest: row.manifest.clone(),
                module: snapshot.module(row.module).map(|module| module.name.clone()).unwrap_or_default(),
                status: self.status_of(row),
            })
            .collect();
        let slots = self.inside().consumers.slots();
        let settings = slots.iter().filter_map(|slot| Some((slot.name.clone(), slot.look(|consumer| consumer.row().settings.clone())?)));
        let consumers: Vec<_> = settings.collect();
        let types = snapshot.types()?;
        let tally = counted.map(|counted| &*counted.tally);
        let graph = build::build(&Parts { functions: &functions, consumers: &consumers, types: &types, tally });
        let lints = lints::lints(&graph, &functions);
        let left_out = tally.map_or(0, |tally| tally.left_out);
        Ok(Flow { graph, lints, counted_to: counted.map(|counted| counted.upto), head: snapshot.head(), left_out })
    }
}
