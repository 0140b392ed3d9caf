//! Ctrl-C while something is waited for that goes on without us.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears the first Ctrl-C. The next one, or one that nobody listens for any more, ends the program.
pub struct Interrupt(Receiver<()>);

impl Interrupt {
    pub fn listen() -> io::Result<Interrupt> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let interrupt = {
            let _inside = runtime.enter();
            signal(SignalKind::interrupt())?
        };
        let (told, heard) = channel();
        thread::Builder::new().name("interrupt".into()).spawn(move || runtime.block_on(tell(interrupt, told)))?;
        Ok(Interrupt(heard))
    }

    /// Waits so long; answers whether Ctrl-C came.
    pub fn within(&self, time: Duration) -> bool {
        matches!(self.0.recv_timeout(time), Ok(()) | Err(RecvTimeoutError::Disconnected))
    }
}

async fn tell(mut interrupt: Signal, told: Sender<()>) {
    let mut is_first = true;
    while interrupt.recv().await.is_some() {
        if !is_first || told.send(()).is_err() {
            std::process::exit(130);
        }
        is_first = false;
    }
}
