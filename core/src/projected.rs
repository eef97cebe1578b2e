//! How far a projection of the journal is, for whoever asks.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::ids::Position;

/// Written by a projection, read by reactors when an operator asks: never on the path of a message.
#[derive(Debug, Default)]
pub struct Projected {
    position: AtomicU64,
    how: Mutex<String>,
}

impl Projected {
    /// Everything below this position is in what the projection keeps; 0: nothing yet, or there is no projection.
    pub fn position(&self) -> Position {
        Position(self.position.load(Ordering::Acquire))
    }

    /// Moves it.
    pub fn reach(&self, position: Position) {
        self.position.store(position.0, Ordering::Release);
    }

    /// How it does, in words.
    pub fn how(&self) -> String {
        self.how.lock().clone()
    }

    /// Says how it does.
    pub fn say(&self, how: impl Into<String>) {
        *self.how.lock() = how.into();
    }
}
