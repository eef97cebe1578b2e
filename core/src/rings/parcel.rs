//! What a slot carries for one reader.

use parking_lot::Mutex;

/// Something large for the one reader that it is meant for, who takes it out. A slot keeps its old values until it is used again, and a ring whose slots kept
/// pages of 48 KiB would hold 48 MiB for ever.
///
/// The lock is there since readers see a slot shared; nobody ever waits for it.
#[derive(Debug)]
pub struct Parcel<T>(Mutex<Option<Box<T>>>);

impl<T> Parcel<T> {
    /// A parcel that holds `content`.
    pub fn of(content: T) -> Self {
        Self(Mutex::new(Some(Box::new(content))))
    }

    /// What it holds; nothing the second time.
    pub fn take(&self) -> Option<Box<T>> {
        self.0.lock().take()
    }
}

impl<T: Clone> Clone for Parcel<T> {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.0.lock().clone()))
    }
}

impl<T: Clone + PartialEq> PartialEq for Parcel<T> {
    fn eq(&self, other: &Self) -> bool {
        // one lock at a time: it may be compared with itself
        let own = self.0.lock().clone();
        own == *other.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parcel_holds_is_taken_once() {
        let parcel = Parcel::of("page");
        let copy = parcel.clone();
        assert_eq!(parcel, copy);
        assert_eq!(parcel, parcel, "not even with itself does it wait");
        assert_eq!(parcel.take().as_deref(), Some(&"page"));
        assert_eq!(parcel.take(), None);
        assert_ne!(parcel, copy);
        assert_eq!(copy.take().as_deref(), Some(&"page"), "a copy has its own");
    }
}
