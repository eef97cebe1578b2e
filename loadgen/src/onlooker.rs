//! Whoever looks on while a load runs.

use std::time::Duration;

use crate::fleet::Measured;
use crate::workload::Workload;

/// Somebody who looks on.
pub trait Onlooker {
    /// Everyone who has to be is connected, and nothing was sent yet.
    ///
    /// # Errors
    /// It cannot look on.
    fn gathered(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// How often it looks, which is also how long the intervals of latencies are; `None`: as the length of the run suggests.
    fn every(&self) -> Option<Duration> {
        None
    }

    /// Looks at the load after each interval, so long after measuring began. The load waits meanwhile, and that is part of what is measured.
    ///
    /// # Errors
    /// The run is to end.
    fn look(&mut self, _: &mut dyn Workload, _: Duration) -> Result<(), String> {
        Ok(())
    }

    /// Whether what was measured is enough, however long it was meant to be.
    fn has_enough(&self) -> bool {
        false
    }

    /// How often it asks behind what is measured.
    fn questions(&self) -> u32 {
        0
    }

    /// Asks while the load goes on, and nothing is measured any more.
    ///
    /// # Errors
    /// The run is to end.
    fn ask(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Everything has arrived, or is lost, and whoever is connected still is. Returns why the run counts for nothing.
    ///
    /// # Errors
    /// It cannot look on.
    fn ended(&mut self, _: &Measured, _: &mut Vec<(&'static str, f64)>) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }
}

/// Nobody looks on.
pub struct Nobody;

impl Onlooker for Nobody {}
