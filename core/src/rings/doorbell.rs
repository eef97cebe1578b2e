//! "Is the other side asleep?": the flag that saves a wake system call.
//!
//! The ring's own cursors are release/acquire only, so a sleeper could miss a publication and a publisher could miss the sleeper.
//! Both sides therefore put a SeqCst fence between their store and their load: at least one of them sees the other.

use super::sync::{AtomicBool, Ordering, fence};

/// Wakes a sleeping thread: an eventfd write, or an unpark. A spurious wake does no harm.
pub trait Wake: Send + Sync {
    /// Makes the thread's next or current sleep return.
    fn wake(&self);
}

impl<F: Fn() + Send + Sync> Wake for F {
    fn wake(&self) {
        self();
    }
}

/// The doorbell of one thread.
pub struct Doorbell {
    asleep: AtomicBool,
    wake: Box<dyn Wake>,
}

impl Doorbell {
    /// A doorbell whose thread is awake.
    pub fn new(wake: Box<dyn Wake>) -> Self {
        Self { asleep: AtomicBool::new(false), wake }
    }

    /// For whoever made work: call after the work is published (the cursor stored, the guard dropped). Costs a fence while the
    /// thread is awake, and one wake for each sleep.
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.wake.wake();
        }
    }

    /// For the sleeper: after this, look for work once more, and sleep only if there is none.
    pub fn arm(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// For the sleeper: after sleeping, or after it found work.
    pub fn disarm(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}
