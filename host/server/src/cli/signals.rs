//! The signals that ask a host to stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// SIGINT and SIGTERM, caught from the moment this is made; before, each ends the process at once.
pub struct Signals(mpsc::Receiver<()>);

impl Signals {
    /// Needs the runtime that it is waited for on.
    pub(super) fn caught() -> io::Result<Signals> {
        // One place: the first signal asks, any further one insists.
        let (tell, told) = mpsc::channel(1);
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        for signal in [interrupt, terminate] {
            tokio::spawn(pass_on(signal, tell.clone()));
        }
        Ok(Signals(told))
    }

    /// Resolves with the first one, also when it came long ago.
    pub(super) async fn first(mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// Where nobody takes it any more, it ends the process.
async fn pass_on(mut signal: Signal, tell: mpsc::Sender<()>) {
    while signal.recv().await.is_some() {
        if tell.try_send(()).is_err() {
            std::process::exit(130);
        }
    }
}
