//! Whether a server that runs already keeps what it says: how it was started nobody has told loadgen, and it is asked while it is under load.

use crate::fleet::Measured;
use crate::onlooker::Onlooker;
use crate::system::{System, Target};

/// Under load a server that answers early may have everything on disk at one moment, and hardly at so many.
const QUESTIONS: u32 = 10;

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
}

impl Onlooker for Level<'_> {
    /// Whoever cannot be asked is put under no load.
    fn gathered(&mut self) -> Result<(), String> {
        self.ask()
    }

    fn questions(&self) -> u32 {
        QUESTIONS
    }

    fn ask(&mut self) -> Result<(), String> {
        self.is_kept &= self.system.keeps_its_level(self.target)?;
        Ok(())
    }

    fn ended(&mut self, _: &Measured, _: &mut Vec<(&'static str, f64)>) -> Result<Vec<String>, String> {
        let broken = format!("the server answers what is not on disk yet: it is no {}", self.system.name());
        Ok(if self.is_kept { Vec::new() } else { vec![broken] })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::crew::tests::nowhere;
    use crate::server::{Place, Server};
    use crate::system::{Book, Cast};
    use crate::workload::Pair;

    /// Counts how often it was asked.
    struct Asked(AtomicU32);

    impl System for Asked {
        fn name(&self) -> &'static str {
            "asked"
        }

        fn about(&self) -> &'static str {
            ""
        }

        fn answers(&self) -> bool {
            true
        }

        fn version(&self, _: &Place) -> Result<String, String> {
            Ok("1".into())
        }

        fn start(&self, _: &Place) -> Result<Server, String> {
            Err("it is never started".into())
        }

        fn prepare(&self, _: &Target, _: &Cast) -> Result<Box<dyn Book>, String> {
            Err("it is never started".into())
        }

        fn keeps_its_level(&self, _: &Target) -> Result<bool, String> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(true)
        }
    }

    /// The load stands still for each question, and that would be a latency.
    #[test]
    fn it_is_not_asked_while_it_is_measured() {
        let (system, target) = (Asked(AtomicU32::new(0)), nowhere());
        let mut level = Level::of(&system, &target);
        level.gathered().unwrap();
        level.look(&mut Pair::new(0, true, None), Duration::ZERO).unwrap();
        assert_eq!(system.0.load(Ordering::Relaxed), 1);
        assert_eq!((level.ask(), level.questions() > 1), (Ok(()), true));
        assert_eq!(system.0.load(Ordering::Relaxed), 2);
    }
}
