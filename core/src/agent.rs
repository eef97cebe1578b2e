//! The duty cycle: a stage of the pipeline that is called again and again.

/// One stage with a bounded duty cycle. Which thread runs it is decided in one place, the daemon's composition root.
pub trait Agent: Send {
    /// The stage's name, for threads and logs.
    fn name(&self) -> &'static str;

    /// Does a bounded amount of work without ever blocking and returns how much it did; 0 means that there was none.
    fn do_work(&mut self) -> usize;

    /// Sleeps until something outside wakes this agent (a socket, its doorbell) or `timeout_us` has passed, if the agent is one that
    /// can: a reactor waits in its poll. Returns false, at once, for all others, whose thread parks instead.
    fn sleep(&mut self, timeout_us: u64) -> bool {
        let _ = timeout_us;
        false
    }

    /// Whether the agent has finished all that it had to do since shutdown began: its thread ends when all its agents have.
    fn is_finished(&self) -> bool;
}
