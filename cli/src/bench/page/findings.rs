//! The main findings, taken from the figures.

use maud::{Markup, html};

use crate::bench::plan::Pattern;
use crate::bench::report::{Cell, Report};
use crate::bench::sample::{Build, Regime};
use crate::bench::units;

/// How many there are.
const SHOWN: usize = 3;

/// One finding.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// The question.
    question: String,
    /// The answer in a few letters.
    answer: String,
    /// The rest of it, a sentence or two for each regime.
    words: Vec<String>,
}

/// The findings, side by side.
pub fn tiles(report: &Report) -> Markup {
    html! {
        div.findings {
            @for finding in findings(report) {
                div.finding {
                    h2 { (finding.question) }
                    p.answer { (finding.answer) }
                    @for words in &finding.words { p { (words) } }
                }
            }
        }
    }
}

/// The first few questions that the run answers.
fn findings(report: &Report) -> Vec<Finding> {
    let questions = [
        (Pattern::RoundTrip, false),
        (Pattern::Single, false),
        (Pattern::Wake, false),
        (Pattern::Single, true),
        (Pattern::WakeSameCore, false),
        (Pattern::Batch, false),
    ];
    questions.into_iter().filter_map(|(pattern, large)| finding(report, pattern, large)).take(SHOWN).collect()
}

/// The answer for the smallest or the largest size of a pattern.
fn finding(report: &Report, pattern: Pattern, large: bool) -> Option<Finding> {
    let ours =
        |cell: &&Cell| cell.pattern == pattern && cell.build == Build::This && cell.mechanism.is_ring();
    let sizes = || report.cells.iter().filter(ours).map(|cell| cell.size);
    let size = if large { sizes().max()? } else { sizes().min()? };
    let mut regimes: Vec<(usize, Regime, Standing<'_>)> = Regime::ALL
        .into_iter()
        .filter_map(|regime| {
            let standing = Standing::of(report, regime, pattern, size)?;
            Some((standing.best.ns.values, regime, standing))
        })
        .collect();
    // The regime with the most samples first.
    regimes.sort_by_key(|(values, ..)| std::cmp::Reverse(*values));
    let (.., standing) = regimes.first()?;
    Some(Finding {
        question: format!("{}, {}", super::pairs::capital(pattern.label()), units::bytes(size as f64)),
        answer: standing.answer(pattern),
        words: regimes
            .iter()
            .map(|(_, regime, standing)| format!("{}: {}", super::name(*regime), standing.words(pattern)))
            .collect(),
    })
}

/// Ringway's best among all in one regime.
struct Standing<'a> {
    /// It.
    best: &'a Cell,
    /// The best of those that are neither ringway's nor yardsticks.
    rival: Option<&'a Cell>,
}

impl<'a> Standing<'a> {
    /// Looks for both.
    fn of(report: &'a Report, regime: Regime, pattern: Pattern, size: usize) -> Option<Self> {
        let cells = report
            .cells
            .iter()
            .filter(|cell| (cell.regime, cell.pattern, cell.size) == (regime, pattern, size));
        let cells: Vec<&Cell> = cells.filter(|cell| cell.build == Build::This).collect();
        let least =
            |cells: &mut dyn Iterator<Item = &'a Cell>| cells.min_by(|a, b| time(a).total_cmp(&time(b)));
        let best = least(&mut cells.iter().copied().filter(|cell| cell.mechanism.is_ring()))?;
        let rest =
            cells.iter().copied().filter(|cell| !cell.mechanism.is_ring() && !cell.mechanism.is_reference());
        Some(Self { best, rival: least(&mut { rest }) })
    }

    /// The figure that says most: round trips against the floor, streams as they are.
    fn answer(&self, pattern: Pattern) -> String {
        match self.best.to_floor {
            Some(ratio) if pattern.is_round_trip() => format!("{} the floor", units::times(ratio.median)),
            _ if pattern.is_round_trip() => units::time(time(self.best)),
            _ => format!("{}/s", units::count(self.best.per_second)),
        }
    }

    /// All of it.
    fn words(&self, pattern: Pattern) -> String {
        let best = self.best;
        let figure = if pattern.is_round_trip() {
            units::time(time(best))
        } else {
            format!("{} messages/s", units::count(best.per_second))
        };
        let ratios = [("the floor", best.to_floor), ("T", best.to_t)].into_iter();
        let ratios =
            ratios.filter_map(|(whose, ratio)| Some(format!(", {} {whose}", units::times(ratio?.median))));
        let rival = self.rival.map_or(String::new(), |rival| {
            let factor = time(rival) / time(best);
            let (factor, word) =
                if factor >= 1.0 { (factor, "as fast as") } else { (1.0 / factor, "slower than") };
            format!("; {} {word} the best alternative ({})", units::times(factor), rival.mechanism.label())
        });
        format!("{} {figure}{}{rival}.", best.mechanism.label(), ratios.collect::<String>())
    }
}

/// What is compared: of wake-ups the middle of those timed one by one.
fn time(cell: &Cell) -> f64 {
    match cell.latency {
        Some(latency) if cell.pattern.is_wake() => latency.p50 as f64,
        _ => cell.ns.median,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::record;
    use std::path::Path;

    #[test]
    fn findings_are_those_of_the_figures() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bench-sample.jsonl");
        let report = Report::of(&record::read(&path).unwrap()).unwrap();
        let found = findings(&report);
        assert_eq!(found.len(), SHOWN);
        let spin = |regime| {
            let key =
                |cell: &&Cell| cell.regime == regime && cell.pattern == Pattern::RoundTrip && cell.size == 8;
            let rings = report.cells.iter().filter(key).filter(|cell| cell.mechanism.is_ring());
            rings.min_by(|a, b| a.ns.median.total_cmp(&b.ns.median)).unwrap()
        };
        for regime in [Regime::Near, Regime::Far] {
            let cell = spin(regime);
            let ratio = units::times(cell.to_floor.unwrap().median);
            let said =
                found[0].words.iter().find(|words| words.starts_with(super::super::name(regime))).unwrap();
            assert!(
                said.contains(&format!("{ratio} the floor")) && said.contains(cell.mechanism.label()),
                "{said}"
            );
        }
    }
}
