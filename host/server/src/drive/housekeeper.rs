//! One thread that seals and merges for all namespaces, beside their writers.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use retold_engine::store::Housekeeping;

use super::committer::Job;
use super::namespace::Inside;
use super::queue::Cost;

/// Each namespace has at most one piece of work here.
pub struct Housekeeper {
    work: Mutex<Option<Sender<(Arc<Inside>, Housekeeping)>>>,
}

impl Housekeeper {
    pub fn start() -> std::io::Result<(Arc<Housekeeper>, JoinHandle<()>)> {
        let (sender, receiver) = channel::<(Arc<Inside>, Housekeeping)>();
        let thread = std::thread::Builder::new().name("housekeeper".into()).spawn(move || {
            for (namespace, work) in receiver {
                let job = match namespace.reader.housekeep(work) {
                    Ok(sealed) => Job::Adopt(Box::new(sealed)),
                    Err(error) => {
                        tracing::error!(namespace = %namespace.name, %error, "sealing failed; it is tried again");
                        Job::AdoptNothing
                    }
                };
                namespace.queue.push_own(job, Cost::default());
            }
        })?;
        Ok((Arc::new(Housekeeper { work: Mutex::new(Some(sender)) }), thread))
    }

    pub fn push(&self, namespace: Arc<Inside>, work: Housekeeping) {
        if let Some(sender) = &*self.work.lock().unwrap_or_else(PoisonError::into_inner) {
            // The thread lives as long as the sender does.
            let _ = sender.send((namespace, work));
        }
    }

    /// What is under way is still done.
    pub fn close(&self) {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
