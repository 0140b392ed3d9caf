//! `Sending`: the one thread from which requests leave the host, and the one client that sends them.

use std::future::Future;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use super::outside::{Client, Outside};
use super::types::DriveError;

pub struct Sending {
    pub client: Client,
    handle: Handle,
    ended: watch::Sender<bool>,
}

impl Sending {
    pub fn start(outside: Outside) -> std::io::Result<(Arc<Sending>, JoinHandle<()>)> {
        let runtime = Builder::new_current_thread().enable_all().thread_name("retold-outside").build()?;
        let sending = Arc::new(Sending {
            client: Client::new(Arc::new(outside)),
            handle: runtime.handle().clone(),
            ended: watch::Sender::new(false),
        });
        let mut ended = sending.ended.subscribe();
        let thread = std::thread::Builder::new().name("outside".into()).spawn(move || {
            drop(runtime.block_on(ended.wait_for(|ended| *ended)));
            // What is under way is cut: it was not recorded as done, and is sent again.
            runtime.shutdown_background();
        })?;
        Ok((sending, thread))
    }

    /// Begins something that goes on until it ends or the host stops.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// Does something there and waits for it.
    pub async fn run<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Result<T, DriveError> {
        self.handle.spawn(task).await.map_err(|_| DriveError::Stopping)
    }

    /// On a thread that may block.
    pub fn errand(&self, work: impl FnOnce() + Send + 'static) {
        self.handle.spawn_blocking(work);
    }

    pub fn stop(&self) {
        self.ended.send_replace(true);
    }
}
