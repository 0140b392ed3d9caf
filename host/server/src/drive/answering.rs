//! What is asked of a function while somebody waits: on the workers as long as the function answers quickly, and otherwise
//! on threads for answers that take long. In both places namespaces take turns.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::clock;
use super::inside::Inside;
use super::workers::Work;

/// One question, answered once.
struct Question {
    namespace: Arc<Inside>,
    function: String,
    /// It waits or runs where what takes long does.
    is_long: AtomicBool,
    work: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Inside {
    /// Has a worker do `work`, which asks this function for something.
    pub fn ask(self: &Arc<Self>, function: &str, work: impl FnOnce() + Send + 'static) {
        let work: Box<dyn FnOnce() + Send> = Box::new(work);
        let question = Question {
            namespace: self.clone(),
            function: function.to_owned(),
            is_long: AtomicBool::new(false),
            work: Mutex::new(Some(work)),
        };
        Arc::new(question).queue();
    }
}

impl Question {
    fn queue(self: Arc<Self>) {
        let is_long = self.namespace.paces.takes_long(&self.function);
        self.is_long.store(is_long, Ordering::Relaxed);
        let namespace = self.namespace.clone();
        if is_long { namespace.long_answer_pool.push(self) } else { namespace.pool.push(self) }
    }
}

impl Work for Question {
    fn name(&self) -> &str {
        &self.function
    }

    fn owner(&self) -> usize {
        Arc::as_ptr(&self.namespace) as usize
    }

    fn run(self: Arc<Self>) {
        // It is known by now, from others that were asked.
        if !self.is_long.load(Ordering::Relaxed) && self.namespace.paces.takes_long(&self.function) {
            return self.queue();
        }
        let Some(work) = self.work.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let before_us = clock::thread_us();
        work();
        self.namespace.paces.note(&self.function, clock::thread_us() - before_us);
    }
}
