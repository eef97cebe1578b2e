//! Tables for a terminal: one run, and what a comparison says in short.

use super::digits::{bytes, figure, us, whole};
use super::figures::PERCENTILES;
use super::study::chapters;
use super::summary::{sentences, trust};
use super::wording::{count, form, settings, short};
use crate::results::{Cpu, During, Results, Run};

/// One run. Latencies are in microseconds; a percentile that too few samples show is a dash.
pub fn table(run: &Run) -> String {
    let settings = settings(&run.case, |_| true);
    let mut text = format!("{} against {}: {settings}\n", short(&run.case.workload, 40), short(&run.system, 40));
    for reason in run.void.iter().take(20) {
        text += &format!("  VOID, this run counts for nothing: {}\n", short(reason, 300));
    }
    if let Some(offered) = run.offered_per_s {
        text += &line("sends offered /s", &whole(offered));
    }
    if run.sends_per_s > 0.0 || run.deliveries_per_s > 0.0 {
        text += &line("sends /s", &whole(run.sends_per_s));
        text += &line("deliveries /s", &whole(run.deliveries_per_s));
    }
    text += &cpu(&run.cpu, run.measured_s);
    let ns: Vec<_> = run.distance.readings().map(whole).collect();
    if !ns.is_empty() {
        text += &format!("  {:<22}{:>14}  ns there and back, before and after\n", "core to core", ns.join(", "));
    }
    text += &within(&run.during);
    if let Some(memory) = &run.memory {
        let resident =
            format!("{}, of which {} its own", bytes(memory.rss_bytes as f64), bytes(memory.rss_anon_bytes as f64));
        text += &format!("  {:<22}{:>14}  {resident}\n", "resident memory", "");
        if memory.connections > 0 {
            text += &line("connections", &whole(memory.connections as f64));
            text += &line("process bytes each", &figure(memory.process_bytes_per_connection));
            text += &line("kernel bytes each", &figure(memory.kernel_bytes_per_connection));
        }
    }
    for (name, number) in run.figures.iter().take(50) {
        text += &line(&short(&name.replace('_', " "), 40), &figure(*number));
    }
    text + &latencies(run) + &checked(run)
}

/// What a folder's comparisons say in short.
pub fn summary(results: &Results) -> String {
    let mut text = String::new();
    for chapter in chapters(results) {
        for told in sentences(&chapter) {
            for (about, sentence) in told.sentences {
                text += &format!("{about}\n    {sentence}\n");
            }
        }
        text += &format!("{}\n", trust(&chapter));
        for verdict in chapter.comparisons.iter().flat_map(|comparison| &comparison.verdicts).take(100) {
            let words =
                [&verdict.goal, &verdict.measure, &verdict.bound, &verdict.verdict].map(|words| short(words, 100));
            text += &format!("{}, {}, {}: {}\n", words[0], words[1], words[2], words[3]);
        }
    }
    text
}

/// What was seen of the cores while it was measured; nothing where nobody looked.
fn within(during: &During) -> String {
    if during.looks == 0 {
        return String::new();
    }
    let far = during.far.map(|far| format!(", far in {}", whole(f64::from(far)))).unwrap_or_default();
    let (looks, readings) = (u64::from(during.looks), u64::from(during.readings));
    let of = format!("{} of {}", form(readings, "reading", "readings"), count(looks, "look", "looks"));
    format!("  {:<22}{:>14}  {of}{far}\n", "within the run", whole(readings as f64))
}

fn line(name: &str, figure: &str) -> String {
    format!("  {name:<22}{figure:>14}\n")
}

fn cpu(cpu: &Cpu, measured_s: f64) -> String {
    let mut text = String::new();
    for (name, seconds) in [("server CPU", cpu.server_s), ("loadgen CPU", cpu.loadgen_s), ("other CPU", cpu.other_s)] {
        let Some(seconds) = seconds else { continue };
        // that of others is told of the whole run
        let over_s = cpu.whole_s.filter(|_| name == "other CPU").unwrap_or(measured_s);
        let share = format!("{} %", whole(seconds / over_s * 100.0));
        text += &format!("  {name:<22}{share:>14}");
        let each = cpu.server_s_per_million_deliveries.filter(|_| name == "server CPU");
        text += &each.map(|each| format!("  {} us a delivery", figure(each))).unwrap_or_default();
        text += "\n";
    }
    text
}

fn latencies(run: &Run) -> String {
    let told: Vec<_> = run.latencies.iter().filter(|latency| latency.count > 0).take(30).collect();
    if told.is_empty() {
        // whatever was sent before or behind that has no latency
        let any = run.checked.sends > 0 && !run.latencies.is_empty();
        return if any { "  no latency: nothing that was meant while it was measured has arrived\n" } else { "" }
            .into();
    }
    let names = PERCENTILES.iter().map(|(name, _)| *name).filter(|name| *name != "p99.99");
    let head: String = names.clone().map(|name| format!("{name:>10}")).collect();
    let mut text = format!("  {:<36}{head}{:>12}\n", "latency, us", "max");
    for latency in told {
        let name = format!("{}, {}", short(&latency.of, 24), short(&latency.kind, 10));
        let at = |name| latency.percentiles_us.get(name).map_or("-".into(), |figure| us(*figure));
        let figures: String = names.clone().map(|name| format!("{:>10}", at(name))).collect();
        text += &format!("  {name:<36}{figures}{:>12}\n", us(latency.max_us));
    }
    text
}

fn checked(run: &Run) -> String {
    let checked = run.checked;
    if checked.sends == 0 && checked.deliveries == 0 {
        return String::new();
    }
    let deliveries = count(checked.deliveries, "delivery", "deliveries");
    let text = format!("  checked: {}, {deliveries}", count(checked.sends, "send", "sends"));
    if checked.lost == 0 && checked.duplicated == 0 && checked.reordered == 0 {
        return text + ", each once and in order\n";
    }
    let wrong = [(checked.lost, "LOST"), (checked.duplicated, "TWICE"), (checked.reordered, "OUT OF ORDER")];
    let wrong = wrong
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!(", {} {what}", whole(*number as f64)));
    text + &wrong.collect::<String>() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::synthetic::{case, latency, realistic, run};

    #[test]
    fn a_run_is_told_to_people() {
        let told = table(&run("ringdove", case("pair", &[("pairs", "50"), ("window", "1000")]), 1));
        assert!(told.starts_with("pair against ringdove: 50 pairs, 1,000 outstanding\n"), "{told}");
        assert!(told.contains("  server CPU                      20 %  0.6 us a delivery\n"), "{told}");
        assert!(
            told.contains("  core to core                  61, 74  ns there and back, before and after\n"),
            "{told}"
        );
        assert!(told.contains("  within the run                    48  readings of 50 looks, far in 1\n"), "{told}");
        assert!(told.contains("p99.9         max\n  delivery, response "), "{told}");
        assert!(told.ends_with("  checked: 6,000 sends, 6,000 deliveries, each once and in order\n"), "{told}");
        assert!(!told.contains("VOID"), "{told}");
    }

    #[test]
    fn what_was_measured_is_named_in_full() {
        let mut one = run("ringdove", case("mixed", &[]), 1);
        one.latencies = ["delivery to the absent", "delivery in the storm"].map(|of| latency(of, "response")).to_vec();
        let told = table(&one);
        for name in ["\n  delivery to the absent, response  ", "\n  delivery in the storm, response  "] {
            assert!(told.contains(name), "{told}");
        }
    }

    #[test]
    fn one_send_is_told_as_one() {
        let mut one = run("ringdove", case("pair", &[("pairs", "1")]), 1);
        (one.checked.sends, one.checked.deliveries) = (1, 1);
        (one.during.looks, one.during.readings, one.during.far) = (1, 1, None);
        let told = table(&one);
        assert!(told.contains("  within the run                     1  reading of 1 look\n"), "{told}");
        assert!(told.ends_with("  checked: 1 send, 1 delivery, each once and in order\n"), "{told}");
    }

    #[test]
    fn what_is_wrong_cannot_be_overlooked() {
        let mut one = run("redis", case("pair", &[]), 1);
        one.void = vec!["loadgen was late".into()];
        one.checked.lost = 12;
        one.latencies[0].percentiles_us.remove("p99.9");
        let told = table(&one);
        assert_eq!(told.lines().nth(1), Some("  VOID, this run counts for nothing: loadgen was late"));
        assert!(told.ends_with("6,000 deliveries, 12 LOST\n"), "{told}");
        assert!(told.lines().any(|line| line.starts_with("  delivery") && line.contains("  -  ")), "{told}");
    }

    #[test]
    fn a_run_without_figures_is_told_without_zeros() {
        let mut one = run("floor", case("idle", &[]), 1);
        (one.sends_per_s, one.deliveries_per_s, one.measured_s) = (f64::NAN, 0.0, 0.0);
        one.latencies.clear();
        one.memory = None;
        one.cpu = Cpu { server_s: Some(0.0), ..Cpu::default() };
        (one.checked, one.distance, one.during) = Default::default();
        assert_eq!(table(&one), "idle against floor: \n  server CPU                       – %\n");
    }

    #[test]
    fn a_comparison_in_short_ends_with_its_verdicts() {
        let told = summary(&realistic());
        assert!(
            told.contains("pair: 50 pairs, 64-byte texts, 1,000 outstanding\n    nats has the most sends/s: "),
            "{told}"
        );
        assert!(told.contains("idle, bytes a connection, at most 500: missed\n"), "{told}");
    }
}
