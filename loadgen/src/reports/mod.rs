//! What people and other tools get to read of runs: tables, a page with plots, Markdown, and HdrHistogram's files. Everything but the last is
//! made from `run.json` alone.

mod figures;
mod hgrm;
mod hlog;
mod latency_files;
#[cfg(test)]
mod synthetic;

pub use figures::figures;
pub use latency_files::keep;
