//! `Slot`: one consumer, its file, and who waits for news of it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retold_engine::run::{Consumer, ConsumerRefused, Moment};
use retold_engine::store::{ConsumerChange, ConsumerFile};
use tokio::sync::watch;

use super::super::clock;
use super::super::types::DriveError;

pub struct Slot {
    pub name: String,
    file: Arc<ConsumerFile>,
    /// `None`: it was dropped, or another log has it.
    consumer: Mutex<Option<Consumer>>,
    /// Changes when somebody may be given something that nobody could be given before.
    pub news: watch::Sender<u64>,
    /// Somebody sends what it reads to its endpoint.
    pub is_sent: AtomicBool,
    /// What went wrong last at its endpoint.
    trouble: Mutex<Option<String>>,
}

pub fn moment() -> Moment {
    Moment { ms: clock::passed_ms(), time: clock::now() }
}

impl Slot {
    pub fn new(name: &str, file: &Arc<ConsumerFile>, consumer: Consumer) -> Arc<Slot> {
        Arc::new(Slot {
            name: name.to_owned(),
            file: file.clone(),
            consumer: Mutex::new(Some(consumer)),
            news: watch::Sender::new(0),
            is_sent: AtomicBool::new(false),
            trouble: Mutex::default(),
        })
    }

    fn consumer(&self) -> MutexGuard<'_, Option<Consumer>> {
        self.consumer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says something to the consumer. Once this returns, what came of it is on the disk: for a thread that
    /// may block.
    pub fn say<T>(&self, word: impl FnOnce(&mut Consumer) -> Result<T, ConsumerRefused>) -> Result<T, DriveError> {
        let (answer, queued) = {
            let mut consumer = self.consumer();
            let Some(consumer) = consumer.as_mut() else { return Err(DriveError::UnknownConsumer(self.name.clone())) };
            let answer = word(consumer);
            // In the order of the words. What did not change waits for what did before it.
            (answer, self.file.queue(&self.name, consumer.take_change()))
        };
        self.file.wait(queued)?;
        answer.map_err(DriveError::Consumer)
    }

    /// Looks at it, and changes nothing.
    pub fn look<T>(&self, at: impl FnOnce(&Consumer) -> T) -> Option<T> {
        self.consumer().as_ref().map(at)
    }

    /// It is no more: what is stored of it goes too, unless another log goes on with it.
    pub fn end(&self, forget: bool) -> Result<(), DriveError> {
        let queued = {
            let mut consumer = self.consumer();
            let change = consumer.take().map(|mut consumer| consumer.take_change()).unwrap_or_default();
            let change = if forget { ConsumerChange { removed: true, ..ConsumerChange::default() } } else { change };
            self.file.queue(&self.name, change)
        };
        self.tell();
        Ok(self.file.wait(queued)?)
    }

    pub fn tell(&self) {
        self.news.send_modify(|news| *news = news.wrapping_add(1));
    }

    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}
