//! stand-in until the reports are there
use std::path::Path;
use crate::latency::{Latency, Named, quantile_us};
use crate::results::{LatencyFigures, Run};
/// f
pub fn figures(latency: &Latency, of: &str, kind: &str) -> LatencyFigures {
    let total = latency.total();
    let percentiles_us = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)].into_iter().filter_map(|(n, q)| Some((n.to_owned(), quantile_us(&total, q)?))).collect();
    LatencyFigures { of: of.into(), kind: kind.into(), count: total.len(), percentiles_us, max_us: total.max() as f64 / 1000.0, spectrum: vec![], over_time: vec![], hgrm: None, hlog: None }
}
/// t
pub fn table(run: &Run) -> String {
    let mut s = line(run) + "\n";
    s += &format!("  checked {:?}\n  cpu {:?}\n  memory {:?}\n  figures {:?}\n", run.checked, run.cpu, run.memory, run.figures);
    for l in &run.latencies { s += &format!("  {:<14} {:<10} {:?} max {:.1}\n", l.of, l.kind, l.percentiles_us, l.max_us); }
    s
}
/// l
pub fn line(run: &Run) -> String { format!("{} {:?} r{} a{} {:.0}/s {:.0}/s void {:?}", run.system, run.case, run.round, run.attempt, run.sends_per_s, run.deliveries_per_s, run.void) }
/// k
pub fn keep(_: &Path, _: usize, _: &mut Run, _: &[Named]) -> Result<(), String> { Ok(()) }
/// w
pub fn write(_: &Path) -> Result<(), String> { Ok(()) }
