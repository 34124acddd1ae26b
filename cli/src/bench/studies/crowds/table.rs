//! What crowds got through, as tables.

use std::collections::BTreeSet;
use std::fmt::Write;

use comfy_table::Table;

use super::{CrowdSample, Mechanism, crowd};
use crate::bench::sample::{Regime, Spread};
use crate::bench::table;

/// The samples as tables: one for each size and regime.
pub fn table(samples: &[CrowdSample]) -> String {
    let sound: Vec<&CrowdSample> = samples.iter().filter(|sample| sample.sound).collect();
    let mut text = format!(
        "\n== crowds: {} ({} dropped)\nmillion messages per second, each participant a process; F: ratio to the bare queue, \
         per round, median; more is better\n",
        table::plural(samples.len(), "sample"),
        samples.len() - sound.len()
    );
    let groups: BTreeSet<(Regime, usize)> = sound.iter().map(|s| (s.regime, s.size)).collect();
    for (regime, size) in groups {
        let group: Vec<&CrowdSample> =
            sound.iter().copied().filter(|s| (s.regime, s.size) == (regime, size)).collect();
        let _ = write!(text, "\n{size} bytes, {}\n{}\n", regime.label(), figures(&group));
    }
    text
}

/// Rows: mechanisms; columns: crowds.
fn figures(group: &[&CrowdSample]) -> Table {
    let crowds: BTreeSet<(bool, super::Crowd)> =
        group.iter().map(|s| (s.consumers > 1, crowd(s.producers, s.consumers))).collect();
    let header = crowds.iter().map(|(_, crowd)| format!("{} x {}", crowd.producers, crowd.consumers));
    let mut table = table::table(std::iter::once(String::new()).chain(header).collect());
    let mechanisms: BTreeSet<Mechanism> = group.iter().map(|sample| sample.mechanism).collect();
    for mechanism in mechanisms {
        let mut row = vec![mechanism.label().to_owned()];
        for (_, crowd) in &crowds {
            let of = |mechanism: Mechanism| {
                let here =
                    |s: &&&CrowdSample| (s.producers, s.consumers) == (crowd.producers, crowd.consumers);
                group.iter().filter(here).filter(move |s| s.mechanism == mechanism)
            };
            let rates = Spread::of(of(mechanism).map(|s| 1e3 / s.ns).collect());
            let floors = |s: &CrowdSample| {
                of(mechanism.floor()).find(|f| (f.start, f.round) == (s.start, s.round)).map(|f| f.ns / s.ns)
            };
            let ratios = Spread::of(of(mechanism).filter_map(|s| floors(s)).collect());
            let rate = rates.map_or(String::new(), |rate| table::short(rate.median));
            row.push(match ratios.filter(|_| mechanism != mechanism.floor()) {
                Some(ratio) => format!("{rate}\n{}F", table::short(ratio.median)),
                None => rate,
            });
        }
        table.add_row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_gives_rates_and_ratios_by_round() {
        let sample = |mechanism, round, ns| CrowdSample {
            mechanism,
            producers: 2,
            consumers: 1,
            size: 8,
            round,
            start: 0,
            count: 1,
            ns,
            cpu: [0.0; 2],
            probe: [90.0; 2],
            regime: Regime::Near,
            sound: true,
        };
        let samples = [
            sample(Mechanism::Bare, 0, 50.0),
            sample(Mechanism::Ring, 0, 100.0),
            sample(Mechanism::Bare, 1, 500.0),
            sample(Mechanism::Ring, 1, 1000.0),
            CrowdSample { sound: false, ..sample(Mechanism::Pipe, 0, 1.0) },
        ];
        let text = table(&samples);
        assert!(text.contains("2 x 1") && text.contains("0.50F") && text.contains("1 dropped"), "{text}");
        assert!(!text.contains("pipe"), "{text}");
    }
}
