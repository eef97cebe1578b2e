//! An allocator that counts what one thread asks of it, and remembers where the first few times were.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// So many places are remembered: enough to find them, few enough to read.
const PLACES: u64 = 16;

thread_local! {
    /// Whether this thread's allocations count. Constant and without a destructor, so that reading it allocates nothing.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

static COUNT: AtomicU64 = AtomicU64::new(0);
static REMEMBERING: AtomicBool = AtomicBool::new(false);
static REMEMBERED: Mutex<Vec<(usize, Backtrace)>> = Mutex::new(Vec::new());

/// The system's allocator, watched.
pub struct Counting;

// SAFETY: every call goes to the system's allocator with the very arguments that came; `note` touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

fn note(size: usize) {
    // what remembering itself allocates must neither count nor come back here
    let counted = COUNTED.try_with(|counted| counted.replace(false)).unwrap_or(false);
    if !counted {
        return;
    }
    COUNT.fetch_add(1, Ordering::Relaxed);
    if REMEMBERING.load(Ordering::Relaxed)
        && let Ok(mut remembered) = REMEMBERED.lock()
        && (remembered.len() as u64) < PLACES
    {
        remembered.push((size, Backtrace::force_capture()));
    }
    COUNTED.with(|counted| counted.set(true));
}

/// From here on this thread's allocations count.
pub fn count_this_thread() {
    COUNTED.with(|counted| counted.set(true));
}

/// How many there were.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// From here on the first few places are remembered.
pub fn remember_places() {
    REMEMBERING.store(true, Ordering::Relaxed);
}

/// The places, each as its size and the functions of this product on the way to it.
pub fn places() -> String {
    let mut text = String::new();
    for (size, trace) in REMEMBERED.lock().expect("nobody panics with it").iter() {
        text += &format!("{size} bytes:\n");
        let trace = trace.to_string();
        let lines: Vec<&str> = trace.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[0].contains("ringdove_") && pair[1].contains(" at ")) {
            text += &format!("  {}\n  {}\n", pair[0].trim(), pair[1].trim());
        }
    }
    text
}
