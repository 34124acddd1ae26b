//! What came of traffic at fixed rates, as tables.

use std::collections::BTreeSet;
use std::fmt::Write;

use comfy_table::Table;

use super::{LoadSample, Mechanism, SIZE};
use crate::bench::sample::{Regime, Spread, histogram};
use crate::bench::table;

/// The quantiles that are shown.
const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];

/// The samples as tables: one for each rate and regime.
pub fn table(samples: &[LoadSample]) -> String {
    let sound: Vec<&LoadSample> = samples.iter().filter(|sample| sample.sound).collect();
    let mut text = format!(
        "\n== load: {} ({} dropped)\n{SIZE} bytes, one producer at a fixed rate; µs from the time a message was due to its \
         receipt, corrected for coordinated omission; late: sent after the next one was due; T: ratio of p99.9\n",
        table::plural(samples.len(), "sample"),
        samples.len() - sound.len()
    );
    let groups: BTreeSet<(Regime, u64)> = sound.iter().map(|s| (s.regime, s.rate)).collect();
    for (regime, rate) in groups {
        let group: Vec<&LoadSample> =
            sound.iter().copied().filter(|s| (s.regime, s.rate) == (regime, rate)).collect();
        let _ = write!(text, "\n{rate} messages per second, {}\n{}\n", regime.label(), figures(&group));
    }
    text
}

/// Rows: mechanisms; columns: quantiles.
fn figures(group: &[&LoadSample]) -> Table {
    let quantiles = QUANTILES.map(|(name, _)| name.to_owned());
    let header = std::iter::once(String::new()).chain(quantiles);
    let mut table = table::table(header.chain(["late", "M/s", "T"].map(str::to_owned)).collect());
    let of = |mechanism| group.iter().copied().filter(move |sample| sample.mechanism == mechanism);
    let yardstick = values(of(Mechanism::T)).map(|values| values[3]);
    let mechanisms: BTreeSet<Mechanism> = group.iter().map(|sample| sample.mechanism).collect();
    for mechanism in mechanisms {
        let (sent, late) = of(mechanism).fold((0, 0), |(a, b), s| (a + s.count, b + s.late_sends));
        let reached = Spread::of(of(mechanism).map(|sample| sample.reached / 1e6).collect());
        let shown = values(of(mechanism)).filter(|_| kept_up(of(mechanism)));
        let cells = shown.map_or(["not reached"; 6].map(str::to_owned), |values| {
            values.map(|value| table::short(value as f64 / 1e3))
        });
        let ratio = shown.zip(yardstick).map(|(mine, theirs)| mine[3] as f64 / theirs.max(1) as f64);
        let ratio = ratio.filter(|_| mechanism != Mechanism::T).map_or(String::new(), table::short);
        let share = format!("{:.1} %", late as f64 * 100.0 / sent.max(1) as f64);
        let reached = reached.map_or(String::new(), |reached| table::short(reached.median));
        let row = std::iter::once(mechanism.label().to_owned()).chain(cells);
        table.add_row(row.chain([share, reached, ratio]));
    }
    table
}

/// Did most samples reach their rate?
fn kept_up<'a>(samples: impl Iterator<Item = &'a LoadSample>) -> bool {
    let reached: Vec<bool> = samples.map(LoadSample::is_reached).collect();
    2 * reached.iter().filter(|reached| **reached).count() > reached.len()
}

/// The quantiles of all latencies in `samples`, nanoseconds.
fn values<'a>(samples: impl Iterator<Item = &'a LoadSample>) -> Option<[u64; 6]> {
    let mut all = histogram().ok()?;
    for (nanoseconds, count) in samples.flat_map(|sample| &sample.latency) {
        all.saturating_record_n(*nanoseconds, *count);
    }
    (!all.is_empty()).then(|| QUANTILES.map(|(_, quantile)| all.value_at_quantile(quantile)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample of a thousand messages, five of them late.
    fn sample(mechanism: Mechanism, reached: f64, latency: Vec<(u64, u64)>) -> LoadSample {
        LoadSample {
            mechanism,
            rate: 1_000_000,
            reached,
            size: SIZE,
            round: 0,
            count: 1000,
            latency,
            late_sends: 5,
            probe: [90.0; 2],
            regime: Regime::Near,
            sound: true,
        }
    }

    #[test]
    fn rates_that_were_not_reached_have_no_percentiles() {
        let samples = [
            sample(Mechanism::T, 1e6, vec![(1000, 990), (5000, 10)]),
            sample(Mechanism::Spin, 1e6, vec![(1000, 990), (10_000, 10)]),
            sample(Mechanism::Pipe, 4e5, vec![(1_000_000, 1000)]),
        ];
        let text = table(&samples);
        let row = |name| text.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
        assert!(row("pipe").contains("not reached") && row("pipe").contains("0.40"), "{text}");
        assert!(row("ring, spin").contains("10.0") && row("ring, spin").contains("2.00"), "{text}");
        assert!(row("T:").contains("0.5 %") && row("T:").contains("5.0"), "{text}");
    }
}
