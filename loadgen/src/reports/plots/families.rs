//! Cases that differ in a single setting, which is the x axis of a plot.

use crate::reports::study::{CaseStudy, Chapter};
use crate::reports::wording;

/// Some cases of one workload that differ in one number.
pub struct Family<'a> {
    /// What they have in common, in words.
    pub title: String,
    /// The number, and the case; in growing order, at least two.
    pub members: Vec<(f64, &'a CaseStudy<'a>)>,
}

/// The families of a chapter that differ in this setting; wanted: of this workload, if one is named.
pub fn families<'a>(chapter: &'a Chapter<'a>, workload: Option<&str>, setting: &str) -> Vec<Family<'a>> {
    let mut families: Vec<Family<'a>> = Vec::new();
    for study in &chapter.cases {
        if workload.is_some_and(|wanted| wanted != study.case.workload) {
            continue;
        }
        let number = study.case.settings.get(setting).and_then(|value| value.parse().ok());
        let Some(number) = number.filter(|number: &f64| number.is_finite() && *number > 0.0) else { continue };
        match families.iter_mut().find(|family| are_related(family.members[0].1, study, setting)) {
            Some(family) => family.members.push((number, study)),
            None => families.push(Family { title: title(study, setting), members: vec![(number, study)] }),
        }
    }
    families.retain(|family| family.members.len() > 1);
    for family in &mut families {
        family.members.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    families
}

fn are_related(one: &CaseStudy<'_>, other: &CaseStudy<'_>, setting: &str) -> bool {
    let rest = |study: &CaseStudy<'_>| {
        let mut case = study.case.clone();
        case.settings.remove(setting);
        case
    };
    rest(one) == rest(other)
}

fn title(study: &CaseStudy<'_>, setting: &str) -> String {
    let workload = wording::short(&study.case.workload, 40);
    match wording::settings(study.case, |name| name != setting).as_str() {
        "" => workload,
        rest => format!("{workload}: {rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::study::chapters;
    use crate::reports::synthetic::{case, comparison, run};
    use crate::results::Results;

    #[test]
    fn what_differs_in_one_number_belongs_together() {
        let mut one = comparison();
        let cases = [
            case("pair", &[("rate", "9000"), ("pairs", "5")]),
            case("pair", &[("rate", "20000"), ("pairs", "5")]),
            case("pair", &[("rate", "20000"), ("pairs", "7")]),
            case("pair", &[("rate", "fast"), ("pairs", "5")]),
            case("fanout", &[("rate", "1"), ("pairs", "5")]),
        ];
        one.runs = cases.into_iter().map(|case| run("nats", case, 1)).collect();
        let results = Results { schema: 1, comparisons: vec![one] };
        let chapters = chapters(&results);
        let families = families(&chapters[0], None, "rate");
        assert_eq!(families.len(), 1);
        assert_eq!(families[0].title, "pair: 5 pairs");
        assert_eq!(families[0].members.iter().map(|(rate, _)| *rate).collect::<Vec<_>>(), [9_000.0, 20_000.0]);
        assert!(super::families(&chapters[0], Some("fanout"), "rate").is_empty());
    }
}
