//! Two threads that work on files beside the writers of all namespaces: one seals, one merges. A long
//! merge never holds up sealing.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use retold_engine::store::{Housekeeping, Sealed, StoreError};

use super::committer::Job;
use super::inside::Inside;
use super::priority::give_way;
use super::queue::Cost;

/// Each namespace has at most one piece of work on either thread.
pub struct Housekeeper {
    sealing: Mutex<Option<Sender<Work>>>,
    merging: Mutex<Option<Sender<Work>>>,
}

/// How a piece of work ended.
pub type Ended = Result<Sealed, StoreError>;

struct Work {
    namespace: Arc<Inside>,
    what: Housekeeping,
    ended: Sender<Ended>,
}

/// Merging gives way to everything else.
const MERGING_NICENESS: i32 = 10;

impl Housekeeper {
    pub fn start() -> std::io::Result<(Arc<Housekeeper>, Vec<JoinHandle<()>>)> {
        let (sealing, seals) = channel();
        let (merging, merges) = channel();
        let sealer = std::thread::Builder::new().name("sealer".into()).spawn(move || work(seals))?;
        let merger = std::thread::Builder::new().name("merger".into()).spawn(move || {
            give_way(MERGING_NICENESS);
            work(merges);
        })?;
        Ok((Arc::new(Housekeeper { sealing: Mutex::new(Some(sealing)), merging: Mutex::new(Some(merging)) }), vec![sealer, merger]))
    }

    /// Hands work over; its end can be received, and wakes the writer.
    pub fn push(&self, namespace: Arc<Inside>, what: Housekeeping) -> Receiver<Ended> {
        let thread = match what {
            Housekeeping::Seal { .. } => &self.sealing,
            Housekeeping::Merge { .. } => &self.merging,
        };
        let (ended, end) = channel();
        if let Some(sender) = &*thread.lock().unwrap_or_else(PoisonError::into_inner) {
            // The thread lives as long as the sender does.
            let _ = sender.send(Work { namespace, what, ended });
        }
        end
    }

    /// What is under way is still done.
    pub fn close(&self) {
        for thread in [&self.sealing, &self.merging] {
            thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

fn work(all: Receiver<Work>) {
    for Work { namespace, what, ended } in all {
        let end = namespace.reader.housekeep(what);
        // Nobody receives it once the writer has stopped: the next start removes the file.
        let _ = ended.send(end);
        namespace.queue.push_own(Job::Housekept, Cost::default());
    }
}
