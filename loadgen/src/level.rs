//! Whether a server that runs already keeps what it says: how it was started nobody has told loadgen, and it is asked while it is under load.

use std::time::Duration;

use crate::fleet::Measured;
use crate::load::Onlooker;
use crate::system::{System, Target};
use crate::workload::Workload;

/// Whoever asks.
pub struct Level<'a> {
    system: &'a dyn System,
    target: &'a Target,
    is_kept: bool,
}

impl<'a> Level<'a> {
    /// Of this server.
    pub fn of(system: &'a dyn System, target: &'a Target) -> Self {
        Self { system, target, is_kept: true }
    }

    fn ask(&mut self) -> Result<(), String> {
        self.is_kept &= self.system.keeps_its_level(self.target)?;
        Ok(())
    }
}

impl Onlooker for Level<'_> {
    fn gathered(&mut self) -> Result<(), String> {
        self.ask()
    }

    fn look(&mut self, _: &mut dyn Workload, _: Duration) -> Result<(), String> {
        self.ask()
    }

    fn ended(&mut self, _: &Measured, _: &mut Vec<(&'static str, f64)>) -> Result<Vec<String>, String> {
        self.ask()?;
        let broken = format!("the server answers what is not on disk yet: it is no {}", self.system.name());
        Ok(if self.is_kept { Vec::new() } else { vec![broken] })
    }
}
