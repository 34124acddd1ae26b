//! What many rings, and large ones, cost, as tables.

use std::collections::BTreeSet;
use std::fmt::Write;

use comfy_table::Table;

use super::{Axis, Family, GrowthSample, SIZE, SMALL};
use crate::bench::sample::{Regime, Spread};
use crate::bench::table;

/// The samples as tables: one for what rings take, and one for each axis and regime.
pub fn table(samples: &[GrowthSample]) -> String {
    let sound: Vec<&GrowthSample> = samples.iter().filter(|sample| sample.sound).collect();
    let mut text = format!(
        "\n== growth: {} ({} dropped)\n",
        table::plural(samples.len(), "sample"),
        samples.len() - sound.len()
    );
    let families: BTreeSet<Family> = samples.iter().map(family).collect();
    let header = ["rings", "bytes of each", "memory - capacity", "create", "open"];
    let mut takes = table::table(header.map(str::to_owned).to_vec());
    for of in &families {
        let Some(sample) = samples.iter().find(|sample| family(sample) == *of) else { continue };
        let time = |nanoseconds| table::short(nanoseconds as f64 / 1e3) + " µs";
        let beside = sample.memory_bytes.saturating_sub(sample.capacity_bytes);
        takes.add_row([
            sample.rings.to_string(),
            bytes(sample.ring_bytes),
            format!("{:.1} KiB", beside as f64 / 1024.0),
            time(sample.create_ns),
            time(sample.open_ns),
        ]);
    }
    let _ = write!(text, "what one ring takes, segment and both processes\n{takes}\n");
    let groups: BTreeSet<(Regime, Axis)> = sound.iter().map(|s| (s.regime, s.axis)).collect();
    for (regime, axis) in groups {
        let group: Vec<&GrowthSample> =
            sound.iter().copied().filter(|s| (s.regime, s.axis) == (regime, axis)).collect();
        let title = match axis {
            Axis::Rings => format!("many rings of {}, a message through each in turn", bytes(SMALL)),
            Axis::RingBytes => "one ring".to_owned(),
        };
        let _ = write!(
            text,
            "\n{title}, ns per message of {SIZE} bytes; ratio to the first row, per round, median; {}\n{}\n",
            regime.label(),
            figures(&group)
        );
    }
    text
}

/// A size as people write it.
fn bytes(count: usize) -> String {
    bytesize::ByteSize(count as u64).to_string()
}

/// Which rings a sample is of.
fn family(sample: &GrowthSample) -> Family {
    (sample.axis, sample.rings, sample.ring_bytes)
}

/// Rows: families; the cost of a message, its spread, and its ratio to that of the first family.
fn figures(group: &[&GrowthSample]) -> Table {
    let header = ["rings", "bytes of each", "ns", "p10", "p90", "ratio"];
    let mut table = table::table(header.map(str::to_owned).to_vec());
    let families: BTreeSet<Family> = group.iter().map(|sample| family(sample)).collect();
    let of = |of: Family| group.iter().filter(move |sample| family(sample) == of);
    let first = families.first().copied();
    for row in families {
        let Some(cost) = Spread::of(of(row).map(|sample| sample.ns).collect()) else { continue };
        let ratio = |sample: &&GrowthSample| {
            of(first?).find(|other| other.round == sample.round).map(|other| sample.ns / other.ns)
        };
        let ratios = Spread::of(of(row).filter_map(ratio).collect());
        let (_, rings, ring_bytes) = row;
        let figures = [cost.median, cost.p10, cost.p90].map(table::short);
        let ratio = ratios.map_or(String::new(), |ratio| table::short(ratio.median));
        let names = [rings.to_string(), bytes(ring_bytes)];
        table.add_row(names.into_iter().chain(figures).chain([ratio]));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compares_round_by_round() {
        let sample = |rings, round, ns| GrowthSample {
            axis: Axis::Rings,
            rings,
            ring_bytes: SMALL,
            size: SIZE,
            round,
            ns,
            memory_bytes: 4096 + 9216,
            capacity_bytes: 4088,
            create_ns: 120_000,
            open_ns: 80_000,
            probe: [90.0; 2],
            regime: Regime::Near,
            sound: true,
        };
        let text =
            table(&[sample(1, 0, 10.0), sample(10, 0, 12.0), sample(1, 1, 100.0), sample(10, 1, 120.0)]);
        for figure in ["1.20", "9.0 KiB", "120 µs", "80.0 µs", "55.0"] {
            assert!(text.contains(figure), "{figure}: {text}");
        }
    }
}
