//! What a run measured: a table for people, JSON for machines.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Latencies above this are counted as this.
const LONGEST_NS: u64 = 60_000_000_000;

/// A histogram of latencies in nanoseconds, three digits.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u64>);

impl Latency {
    /// None yet.
    pub fn new() -> Self {
        // the bounds are constants that the library takes
        Self(Histogram::new_with_bounds(1, LONGEST_NS, 3).unwrap_or_else(|error| unreachable!("{error}")))
    }

    /// Counts one.
    pub fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns.max(1));
    }

    /// A quantile in microseconds.
    pub fn us(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1_000.0
    }

    fn json(&self) -> Value {
        let at = |quantile| self.us(quantile);
        json!({
            "count": self.0.len(), "unit": "us", "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p99.9": at(0.999),
            "max": self.0.max() as f64 / 1_000.0,
        })
    }
}

/// What was counted while it was measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Sends that were answered.
    pub sends: u64,
    /// Messages that reached a recipient.
    pub deliveries: u64,
}

/// One run.
#[derive(Debug)]
pub struct Report {
    /// Which load.
    pub workload: &'static str,
    /// Against what.
    pub target: String,
    /// How it was set up.
    pub settings: Vec<(&'static str, String)>,
    /// How long was measured, behind the warm-up.
    pub measured: Duration,
    /// What was counted in that time.
    pub counts: Counts,
    /// What was checked over the whole run, warm-up included: each of these arrived once, in order.
    pub checked: Counts,
    /// Latencies by name.
    pub latencies: Vec<(&'static str, Latency)>,
    /// CPU time of the server while it was measured.
    pub server_cpu: Option<Duration>,
    /// CPU time of the load itself.
    pub own_cpu: Option<Duration>,
    /// More figures by name.
    pub figures: Vec<(&'static str, f64)>,
}

impl Report {
    /// Answered sends a second.
    pub fn sends_per_s(&self) -> f64 {
        self.counts.sends as f64 / self.measured.as_secs_f64()
    }

    /// Deliveries a second.
    pub fn deliveries_per_s(&self) -> f64 {
        self.counts.deliveries as f64 / self.measured.as_secs_f64()
    }

    /// The server's CPU time for a delivered message, in nanoseconds.
    pub fn server_ns(&self) -> Option<f64> {
        self.server_cpu.map(|cpu| cpu.as_nanos() as f64 / self.counts.deliveries.max(1) as f64)
    }

    /// A latency by name.
    pub fn latency(&self, name: &str) -> Option<&Latency> {
        self.latencies.iter().find(|(known, _)| *known == name).map(|(_, latency)| latency)
    }

    /// For people.
    pub fn table(&self) -> String {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let mut out = format!("{} against {}: {}\n", self.workload, self.target, settings.join(", "));
        if self.counts.sends + self.counts.deliveries > 0 {
            out += &format!("  {:<22}{:>14.0}\n", "sends answered /s", self.sends_per_s());
            out += &format!("  {:<22}{:>14.0}\n", "deliveries /s", self.deliveries_per_s());
        }
        for (name, cpu) in [("server CPU", self.server_cpu), ("loadgen CPU", self.own_cpu)] {
            if let Some(cpu) = cpu {
                let share = cpu.as_secs_f64() / self.measured.as_secs_f64() * 100.0;
                let each = cpu.as_nanos() as f64 / self.counts.deliveries.max(1) as f64;
                out += &format!("  {name:<22}{share:>13.0}%{each:>12.0} ns/delivery\n");
            }
        }
        for (name, figure) in &self.figures {
            out += &format!("  {name:<22}{figure:>14.1}\n");
        }
        if !self.latencies.is_empty() {
            out += &format!(
                "  {:<22}{:>10}{:>10}{:>10}{:>10}{:>12}\n",
                "latency, us", "p50", "p90", "p99", "p99.9", "max"
            );
        }
        for (name, latency) in &self.latencies {
            let at = |quantile| latency.us(quantile);
            let max = latency.0.max() as f64 / 1_000.0;
            out += &format!(
                "  {name:<22}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{max:>12.1}\n",
                at(0.5),
                at(0.9),
                at(0.99),
                at(0.999)
            );
        }
        if self.checked.sends > 0 {
            let Counts { sends, deliveries } = self.checked;
            out += &format!("  checked: {sends} sends answered, {deliveries} deliveries, each once and in order\n");
        }
        out
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let settings: serde_json::Map<_, _> =
            self.settings.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let latencies: serde_json::Map<_, _> =
            self.latencies.iter().map(|(name, latency)| ((*name).to_owned(), latency.json())).collect();
        let figures: serde_json::Map<_, _> =
            self.figures.iter().map(|(name, figure)| ((*name).to_owned(), json!(figure))).collect();
        json!({
            "workload": self.workload,
            "target": self.target,
            "settings": settings,
            "measured_s": self.measured.as_secs_f64(),
            "sends_per_s": self.sends_per_s(),
            "deliveries_per_s": self.deliveries_per_s(),
            "server_cpu_s": self.server_cpu.map(|cpu| cpu.as_secs_f64()),
            "server_cpu_ns_per_delivery": self.server_ns(),
            "loadgen_cpu_s": self.own_cpu.map(|cpu| cpu.as_secs_f64()),
            "latency": latencies,
            "figures": figures,
            "checked": { "sends": self.checked.sends, "deliveries": self.checked.deliveries, "lost": 0, "duplicated": 0, "reordered": 0 },
        })
    }
}
