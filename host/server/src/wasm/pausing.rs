//! What a thread does where a guest on it can be held up: nothing, unless it said otherwise.

use std::cell::RefCell;
use std::rc::Rc;

/// Returns when the guest may go on.
type Pause = Rc<dyn Fn()>;

thread_local! {
    static PAUSE: RefCell<Option<Pause>> = const { RefCell::new(None) };
}

/// Does `work`, whose guests on this thread pause so before each call and whenever [`super::Sandbox::interrupt`] is called.
pub fn with_pauses<R>(pause: impl Fn() + 'static, work: impl FnOnce() -> R) -> R {
    struct Restored(Option<Pause>);
    impl Drop for Restored {
        fn drop(&mut self) {
            PAUSE.set(self.0.take());
        }
    }
    let _before = Restored(PAUSE.replace(Some(Rc::new(pause))));
    work()
}

pub(super) fn pause() {
    // Not borrowed meanwhile: it may well call a guest.
    let pause = PAUSE.with_borrow(Clone::clone);
    if let Some(pause) = pause {
        pause();
    }
}
