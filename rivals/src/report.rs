//! The report: for each group and regime the rates, and how the rings' rates compare with the others', round by round.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::plan::{Crowd, Place, Queue, Rival};
use crate::sample::{Regime, Sample, Spread};

/// Samples of a rival in one regime, by round.
type Rounds = BTreeMap<usize, f64>;

/// The rivals of one group in one regime.
type Group = BTreeMap<Rival, Rounds>;

/// Everything, as text.
pub fn report(samples: &[Sample]) -> String {
    let mut groups: BTreeMap<(Crowd, usize, Regime), Group> = BTreeMap::new();
    for sample in samples {
        if let Ok(regime) = sample.verdict {
            let group = groups.entry((sample.crowd, sample.size, regime)).or_default();
            group.entry(sample.rival).or_default().insert(sample.round, sample.ns);
        }
    }
    let sound = samples.iter().filter(|sample| sample.verdict.is_ok()).count();
    let mut text = format!(
        "{sound} samples of {}, {} rounds, {} process starts\n",
        samples.len(),
        samples.iter().map(|sample| sample.round).collect::<BTreeSet<_>>().len(),
        samples.iter().map(|sample| sample.start).collect::<BTreeSet<_>>().len(),
    );
    text += "median [quartiles]; ×: rate of the column's ring over the row's (p: processes, t: threads), \
             per round; more is better\n";
    for ((crowd, size, regime), group) in &groups {
        let _ = writeln!(text, "\n{crowd}, {size} B, {}", format!("{regime:?}").to_lowercase());
        table(&mut text, *crowd, group);
    }
    text
}

/// The table of one group.
fn table(text: &mut String, crowd: Crowd, group: &Group) {
    let rings: Vec<&Rival> = group.keys().filter(|rival| rival.queue.is_ring()).collect();
    let unit = if crowd == Crowd::ALONE { "ns per pair" } else { "million/s" };
    let _ = write!(text, "{:26}{unit:>18}{:>5}", "", "n");
    for ring in &rings {
        let _ = write!(text, "{:>18}", column(ring));
    }
    text.push('\n');
    for (rival, rounds) in group {
        let figure = |ns: &f64| if crowd == Crowd::ALONE { *ns } else { 1e3 / ns };
        let rates = Spread::of(rounds.values().map(figure).collect());
        let _ = write!(text, "{rival:26}{:>18}{:>5}", shown(rates), rounds.len());
        for ring in &rings {
            let ratios = group[ring].iter().filter_map(|(round, ns)| Some(rounds.get(round)? / ns));
            let ratios = if *ring == rival { None } else { Spread::of(ratios.collect()) };
            let _ = write!(text, "{:>18}", shown(ratios));
        }
        text.push('\n');
    }
}

/// The head of a ring's column: its place, and how it is used.
fn column(ring: &Rival) -> String {
    let place = if ring.place == Place::Threads { "t" } else { "p" };
    let way = match ring.queue {
        Queue::RingFit => "fitted",
        Queue::RingBatch => "batches",
        Queue::RingBlocking => "blocking",
        _ => "single",
    };
    format!("× {place}:{way}")
}

/// A spread, with three digits or so.
pub fn shown(spread: Option<Spread>) -> String {
    let Some(Spread { low, median, high, .. }) = spread else { return String::new() };
    let decimals = if median >= 99.5 {
        0
    } else if median >= 9.95 {
        1
    } else {
        2
    };
    format!("{median:.decimals$} [{low:.decimals$} {high:.decimals$}]")
}
