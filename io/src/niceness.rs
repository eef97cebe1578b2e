//! Threads that have much to compute, and none of it urgent.

/// More than chat has, whatever that is; 19 is the most. It leaves a tenth of a core that chat is busy on.
const NICER: i32 = 10;

/// Lets chat go first where the calling thread shares a core with it: else a message may wait for the scheduler's whole tick, 4 ms where it has 250 a
/// second.
pub fn stand_back() {
    // of this thread alone; where it is forbidden it is as quick as chat
    let _ = rustix::process::nice(NICER);
}
