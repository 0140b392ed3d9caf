//! Counting on: a log is read through once, and from then on only what came since.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use retold_engine::model::{Position, REQUEST_URL};
use retold_engine::store::{Filter, Snapshot, StoreError};

use super::super::clock;
use super::super::inside::Inside;
use super::tally::Tally;

/// Positions that are read on one snapshot: while it lives, the head's file keeps old pages.
const SLICE: u64 = 1 << 18;

/// What was counted of a namespace's log since the host began.
#[derive(Clone, Default)]
pub struct Counted {
    pub upto: Position,
    pub tally: Arc<Tally>,
}

/// One counts at a time; whoever comes meanwhile waits, and finds most of it done.
#[derive(Default)]
pub struct FlowCounts(Arc<tokio::sync::Mutex<Counted>>);

impl FlowCounts {
    /// Counts on to where the log ends now, as far as that can be done within this time.
    pub async fn count(&self, inside: Arc<Inside>, patience: Duration) -> Result<Counted, StoreError> {
        let mut counted = self.0.clone().lock_owned().await;
        let counting = tokio::task::spawn_blocking(move || {
            let (head, began) = (inside.reader.head(), clock::started());
            while counted.upto < head && !*inside.stopping.borrow() {
                let sliced = inside.reader.snapshot().and_then(|log| count_slice(&mut counted, &log, head));
                if let Err(error) = sliced {
                    // Some of the slice may be counted: better all of it again.
                    *counted = Counted::default();
                    return Err(error);
                }
                if began.elapsed() >= patience {
                    break;
                }
            }
            Ok(counted.clone())
        });
        counting.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }
}

fn count_slice(counted: &mut Counted, log: &Snapshot, head: Position) -> Result<(), StoreError> {
    let upto = head.min(Position(counted.upto.0 + SLICE));
    let tally = Arc::make_mut(&mut counted.tally);
    let mut failed = None;
    let asked = |request: Position| -> Result<Option<String>, StoreError> {
        let record = log.record(request)?;
        let entry = record.as_ref().and_then(|record| record.event(request));
        Ok(entry.and_then(|entry| entry.extension(REQUEST_URL).map(str::to_owned)))
    };
    log.scan(counted.upto, upto, &Filter::default(), &mut |entry| match tally.count(&entry, asked) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failed.map_or(Ok(()), Err)?;
    counted.upto = upto;
    Ok(())
}
