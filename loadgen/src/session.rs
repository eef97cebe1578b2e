//! What all comparisons of one call of loadgen share: how near the cores were, the folder that the results go to, and whoever is told of runs.

use std::path::Path;

use crate::archive::Archive;
use crate::measure::Done;
use crate::nearness::Nearness;
use crate::results::{Comparison, Run};
use crate::server::Cores;

/// One call of loadgen.
pub struct Session<'a> {
    /// How near the cores of server and load were.
    pub nearness: Nearness,
    /// The comparisons so far.
    pub comparisons: Vec<Comparison>,
    archive: Option<Archive>,
    tell: &'a mut dyn FnMut(&Run),
}

impl<'a> Session<'a> {
    /// One that keeps its results in this folder; `None`: nowhere. `tell` hears of each run as soon as it is over, and again of one that counts
    /// no more.
    ///
    /// # Errors
    /// Another loadgen writes into the folder, or it cannot be read.
    pub fn open(cores: Cores, out: Option<&Path>, tell: &'a mut dyn FnMut(&Run)) -> Result<Self, String> {
        Self::with(Nearness::of(cores), out, tell)
    }

    /// The same, with somebody else who knows how near the cores are.
    ///
    /// # Errors
    /// Another loadgen writes into the folder, or it cannot be read.
    pub fn with(nearness: Nearness, out: Option<&Path>, tell: &'a mut dyn FnMut(&Run)) -> Result<Self, String> {
        Ok(Self { nearness, comparisons: Vec::new(), archive: out.map(Archive::open).transpose()?, tell })
    }

    /// Takes a run of one of the comparisons that is over. What it shows of the distance of the cores may leave runs before it void.
    ///
    /// # Errors
    /// It cannot be kept.
    pub fn take(&mut self, place: usize, done: Done, round: u32, attempt: u32) -> Result<(), String> {
        let mut run = Run { round, attempt, ..done.run };
        self.nearness.learn_from(&run);
        self.nearness.assess(&mut run);
        if let Some(archive) = &self.archive {
            archive.keep(&mut run, &done.latencies, done.measured_from)?;
        }
        self.comparisons[place].runs.push(run.clone());
        let mut void = Vec::new();
        for comparison in &mut self.comparisons {
            let no_more = self.nearness.reconsider(&mut comparison.runs);
            if !no_more.is_empty() {
                // what was judged was judged with them
                comparison.verdicts.clear();
            }
            void.extend(no_more);
        }
        // whatever ends loadgen now, this run is kept
        self.save()?;
        std::iter::once(&run).chain(&void).for_each(|run| (self.tell)(run));
        Ok(())
    }

    /// Leaves those runs of a comparison void that had counted and are among these, and says why. What was judged with them is judged no more.
    ///
    /// # Errors
    /// It cannot be kept.
    pub fn revoke(&mut self, place: usize, is_one: impl Fn(&Run) -> bool, why: &str) -> Result<(), String> {
        let comparison = &mut self.comparisons[place];
        let mut void = Vec::new();
        for run in comparison.runs.iter_mut().filter(|run| run.void.is_empty() && is_one(run)) {
            run.void.push(why.to_owned());
            void.push(run.clone());
        }
        if void.is_empty() {
            return Ok(());
        }
        comparison.verdicts.clear();
        self.save()?;
        void.iter().for_each(|run| (self.tell)(run));
        Ok(())
    }

    /// Keeps all comparisons as they are by now.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn save(&mut self) -> Result<(), String> {
        self.archive.as_mut().map_or(Ok(()), |archive| archive.save(&self.comparisons))
    }

    /// Makes the page of what was kept, for whoever looks on or ends loadgen.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_page(&self) -> Result<(), String> {
        self.archive.as_ref().map_or(Ok(()), Archive::write_page)
    }
}
