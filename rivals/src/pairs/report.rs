//! The report: for each group and regime the figures, and how the rings compare with everybody, round by round.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::field::{Field, Rival};
use super::plan::Pattern;
use super::sample::Sample;
use crate::plan::Place;
use crate::report::shown;
use crate::sample::{Flaw, Regime, Spread};

/// Nanoseconds per message of a rival in one regime, by round.
type Rounds = BTreeMap<usize, f64>;

/// The rivals of one group in one regime, by their place in the field.
type Group = BTreeMap<usize, Rounds>;

/// Everything, as text.
pub fn report(samples: &[Sample], field: &Field) -> String {
    let mut groups: BTreeMap<(Pattern, usize, Regime), Group> = BTreeMap::new();
    let mut dropped: BTreeMap<&str, usize> = BTreeMap::new();
    for sample in samples {
        match sample.verdict {
            Ok(regime) => {
                let group = groups.entry((sample.key.pattern, sample.key.size, regime)).or_default();
                group.entry(sample.number).or_default().insert(sample.key.round, sample.ns);
            }
            Err(flaw) => *dropped.entry(reason(flaw)).or_default() += 1,
        }
    }
    let count = |of: fn(&Sample) -> usize| samples.iter().map(of).collect::<BTreeSet<_>>().len();
    let mut text = format!(
        "{} samples, {} rounds, {} process starts; dropped: {}\n",
        samples.len(),
        count(|sample| sample.key.round),
        count(|sample| sample.key.start),
        if dropped.is_empty() {
            "none".to_owned()
        } else {
            dropped.iter().map(|(why, count)| format!("{count} {why}")).collect::<Vec<_>>().join(", ")
        },
    );
    for (rival, why) in field.missing() {
        let _ = writeln!(text, "left out: {rival}: {why}");
    }
    text += "median [quartiles]; ×: how many times the speed of the row's rival the column's ring has (p: processes, \
             t: threads), per round; more is better\n";
    for ((pattern, size, regime), group) in &groups {
        let _ = writeln!(text, "\n{}, {size} B, {}", pattern.label(), format!("{regime:?}").to_lowercase());
        table(&mut text, *pattern, group, field);
    }
    text
}

/// Why samples were dropped.
fn reason(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Probes => "whose probes disagree",
        Flaw::CoreLost => "that lost a core",
    }
}

/// The table of one group.
fn table(text: &mut String, pattern: Pattern, group: &Group, field: &Field) {
    let rings: Vec<usize> = group.keys().copied().filter(|&number| field.get(number).is_ring()).collect();
    let round_trip = pattern == Pattern::RoundTrip;
    let _ = write!(text, "{:22}{:>24}{:>5}", "", if round_trip { "ns" } else { "million/s" }, "n");
    for &ring in &rings {
        let _ = write!(text, "{:>18}", column(field.get(ring)));
    }
    text.push('\n');
    for (number, rounds) in group {
        let figure = |ns: &f64| if round_trip { *ns } else { 1e3 / ns };
        let figures = Spread::of(rounds.values().map(figure).collect());
        let _ = write!(text, "{:22}{:>24}{:>5}", field.get(*number), shown(figures), rounds.len());
        for ring in &rings {
            let ratios = group[ring].iter().filter_map(|(round, ns)| Some(rounds.get(round)? / ns));
            let ratios = if ring == number { None } else { Spread::of(ratios.collect()) };
            let _ = write!(text, "{:>18}", shown(ratios));
        }
        text.push('\n');
    }
}

/// The head of a ring's column: its place, and how it is used.
fn column(ring: &Rival) -> String {
    let way = ring.name.trim_start_matches("ringway").trim_end_matches("-threads").trim_start_matches('-');
    let place = if ring.place() == Place::Threads { "t" } else { "p" };
    format!("× {place}:{}", if way.is_empty() { "bytes" } else { way })
}

#[cfg(test)]
mod tests {
    use super::super::control::Outcome;
    use super::super::sample::Key;
    use super::*;

    /// A sample of a rival that took so many nanoseconds per message.
    fn sample(rival: &str, round: usize, ns: u64, probe: f64) -> Sample {
        let rival = Field::new(&[]).find(rival).expect("in the field");
        let key = Key { start: 0, round, pattern: Pattern::Single, size: 8 };
        let side = Outcome { start: 0, end: 100 * ns, cpu: 100 * ns, probe: [probe; 2] };
        Sample::new(key, rival, 100, [side, side])
    }

    #[test]
    fn ratios_are_taken_within_a_round_and_regime() {
        let samples = [
            sample("ringway", 0, 10, 90.0),
            sample("shaq", 0, 30, 90.0),
            sample("ringway", 1, 100, 90.0),
            sample("shaq", 1, 50, 450.0),
            sample("shaq", 2, 50, 5000.0),
        ];
        let text = report(&samples, &Field::new(&[]));
        assert!(text.starts_with("5 samples, 3 rounds, 1 process starts; dropped: 1 whose probes disagree"));
        let near = text.split("8 B, near").nth(1).and_then(|rest| rest.split("8 B, far").next());
        let row = near.and_then(|table| table.lines().find(|line| line.starts_with("shaq")));
        let words: Vec<&str> = row.expect("a row").split_whitespace().collect();
        assert_eq!(words, ["shaq", "33.3", "[33.3", "33.3]", "1", "3.00", "[3.00", "3.00]"]);
    }
}
