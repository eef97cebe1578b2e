//! What people and other tools get to read of runs: tables, a page with plots, Markdown, and HdrHistogram's files. Everything but the last is
//! made from `run.json` alone.

mod digits;
mod figures;
mod hgrm;
mod hlog;
mod latency_files;
mod measures;
mod plots;
mod spread;
mod study;
#[cfg(test)]
mod synthetic;
mod wording;

pub use figures::figures;
pub use latency_files::keep;
