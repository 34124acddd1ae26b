//! The studies: crowds, steady rates, waiting, growth.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use maud::{Markup, html};

use super::grid::Grid;
use super::pairs::{percentile_curve, percentile_plot};
use super::plot::{Axis, Curve, Dot, Dots, Lines, STYLES, Style};
use crate::bench::sample::{Regime, Spread, quantile_of_counted};
use crate::bench::studies::{Axis as Growing, CrowdSample, GrowthSample, IdleSample, LoadSample, Study};
use crate::bench::units;

/// Whether a sample counts and is of this regime.
pub fn sound_in(study: &Study, regime: Regime) -> bool {
    match study {
        Study::Crowd(sample) => sample.sound && sample.regime == regime,
        Study::Load(sample) => sample.sound && sample.regime == regime,
        Study::Growth(sample) => sample.sound && sample.regime == regime,
        Study::Idle(_) => false,
    }
}

/// The studies of one regime, if there are any.
pub fn section(studies: &[&Study]) -> Result<Option<Markup>> {
    let crowds: Vec<&CrowdSample> = studies
        .iter()
        .filter_map(|study| if let Study::Crowd(sample) = study { Some(sample) } else { None })
        .collect();
    let loads: Vec<&LoadSample> = studies
        .iter()
        .filter_map(|study| if let Study::Load(sample) = study { Some(sample) } else { None })
        .collect();
    let growths: Vec<&GrowthSample> = studies
        .iter()
        .filter_map(|study| if let Study::Growth(sample) = study { Some(sample) } else { None })
        .collect();
    let parts = [crowd(&crowds), load(&loads)?, growth(&growths)];
    Ok(parts.iter().any(Option::is_some).then(|| html! { @for part in parts.iter().flatten() { (part) } }))
}

/// A style for each name; those past the last style share them again and stand in another plot.
fn styles<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let names: BTreeSet<&str> = names.collect();
    names.into_iter().enumerate().map(|(index, name)| (name, index)).collect()
}

/// The middle of some values.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    Spread::of(values.collect()).map_or(0.0, |spread| spread.median)
}

/// A cell of a crowd: payload, producers, consumers, mechanism.
type CrowdCell<'a> = (usize, usize, usize, &'a str);

/// Many producers, many consumers.
fn crowd(samples: &[&CrowdSample]) -> Option<Markup> {
    let mut cells: BTreeMap<CrowdCell<'_>, Vec<&CrowdSample>> = BTreeMap::new();
    for sample in samples {
        let cell = (sample.size, sample.producers, sample.consumers, sample.mechanism.label());
        cells.entry(cell).or_default().push(sample);
    }
    let rows = cells.iter().map(|((size, producers, consumers, mechanism), samples)| {
        let ns = Spread::of(samples.iter().map(|sample| sample.ns).collect());
        let [median, low, high] = ns.map_or([0.0; 3], |ns| [ns.median, ns.p25, ns.p75]);
        let cpu = |side: usize| samples.iter().map(|sample| sample.cpu[side]).sum::<f64>();
        vec![
            (*mechanism).to_owned(),
            units::bytes(*size as f64),
            producers.to_string(),
            consumers.to_string(),
            units::time(median),
            format!("{} to {}", units::time(low), units::time(high)),
            units::count(1e9 / median),
            format!("{:.3} + {:.3} s", cpu(0), cpu(1)),
            samples.len().to_string(),
        ]
    });
    let header = vec![
        "mechanism",
        "size",
        "producers",
        "consumers",
        "per message",
        "quartiles",
        "messages/s",
        "CPU",
        "samples",
    ];
    let grid = Grid { caption: "crowds".to_owned(), part: "crowd", header, words: 1, rows: rows.collect() };
    let styles = styles(cells.keys().map(|cell| cell.3));
    let sizes: BTreeSet<usize> = cells.keys().map(|cell| cell.0).collect();
    let mut figures = Vec::new();
    for size in sizes {
        for fan_in in [true, false] {
            let here = |cell: &CrowdCell<'_>| cell.0 == size && (cell.2 == 1) == fan_in;
            let here: Vec<_> = cells.iter().filter(|(cell, _)| here(cell)).collect();
            for plot in 0..styles.len().div_ceil(STYLES) {
                let drawn: Vec<_> = here.iter().filter(|(cell, _)| styles[cell.3] / STYLES == plot).collect();
                if !drawn.is_empty() {
                    let drawn: Vec<_> = drawn
                        .iter()
                        .map(|(cell, samples)| (**cell, median(samples.iter().map(|sample| 1e9 / sample.ns))))
                        .collect();
                    figures.push(crowd_plot(size, fan_in, &drawn, &styles));
                }
            }
        }
    }
    (!samples.is_empty()).then(|| {
        html! {
            h3 { "Crowds" }
            p.hint { "Messages of all producers together through one queue, or one ring for each producer. Rates: more is better." }
            div.figures { @for figure in figures { (figure) } }
            (grid.render())
        }
    })
}

/// Rates over the shape of the crowd.
fn crowd_plot(
    size: usize,
    fan_in: bool,
    cells: &[(CrowdCell<'_>, f64)],
    styles: &BTreeMap<&str, usize>,
) -> Markup {
    let shapes: BTreeSet<(usize, usize)> = cells.iter().map(|(cell, _)| (cell.1, cell.2)).collect();
    let shape = |producers, consumers| {
        if fan_in { format!("{producers}") } else { format!("{producers}×{consumers}") }
    };
    let names: Vec<String> =
        shapes.iter().map(|(producers, consumers)| shape(*producers, *consumers)).collect();
    let place = |cell: &CrowdCell<'_>| shapes.range(..(cell.1, cell.2)).count() as f64;
    let mut lines: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for (cell, rate) in cells {
        lines.entry(cell.3).or_default().push((place(cell), *rate));
    }
    let curve = |(name, points): (&&str, &Vec<(f64, f64)>)| {
        let say = |x: f64, y| {
            format!("{}/s with {}", units::count(y), names.get(x as usize).map_or("", String::as_str))
        };
        Curve::marked((*name).to_owned(), Style::Rival(styles[name]), points.clone(), say)
    };
    let (title, x) = if fan_in {
        ("Many producers, one consumer", "producers")
    } else {
        ("Many producers, many consumers", "producers × consumers")
    };
    let plot = Lines {
        title: format!("{title}, {}", units::bytes(size as f64)),
        description: "A line for each mechanism; the table has the figures.".to_owned(),
        x: Axis::names(x, &names),
        y: Axis::log("messages per second", cells.iter().map(|(_, rate)| *rate), units::count),
        curves: lines.iter().map(curve).collect(),
    };
    plot.render()
}

/// Latency at steady rates.
fn load(samples: &[&LoadSample]) -> Result<Option<Markup>> {
    let mut cells: BTreeMap<(usize, u64, &str), Vec<&LoadSample>> = BTreeMap::new();
    for sample in samples {
        cells.entry((sample.size, sample.rate, sample.mechanism.label())).or_default().push(sample);
    }
    let merged = |samples: &[&LoadSample]| {
        let mut all: BTreeMap<u64, u64> = BTreeMap::new();
        for (nanoseconds, count) in samples.iter().flat_map(|sample| &sample.latency) {
            *all.entry(*nanoseconds).or_default() += count;
        }
        all.into_iter().collect::<Vec<_>>()
    };
    let rows = cells.iter().map(|((size, rate, mechanism), samples)| {
        let counted = merged(samples);
        let percentiles = [0.5, 0.99, 0.999, 1.0].map(|share| {
            quantile_of_counted(&counted, share).map_or("–".to_owned(), |value| units::time(value as f64))
        });
        let messages: u64 = samples.iter().map(|sample| sample.count).sum();
        let late: u64 = samples.iter().map(|sample| sample.late_sends).sum();
        let front = [
            (*mechanism).to_owned(),
            units::bytes(*size as f64),
            units::count(*rate as f64),
            units::count(median(samples.iter().map(|sample| sample.reached))),
        ];
        let late = format!("{} %", units::digits(late as f64 * 100.0 / messages.max(1) as f64));
        front.into_iter().chain(percentiles).chain([late, samples.len().to_string()]).collect()
    });
    let header = vec![
        "mechanism",
        "size",
        "asked for",
        "reached",
        "p50",
        "p99",
        "p99.9",
        "longest",
        "sent late",
        "samples",
    ];
    let grid = Grid {
        caption: "latency at a steady rate".to_owned(),
        part: "load",
        header,
        words: 1,
        rows: rows.collect(),
    };
    let styles = styles(cells.keys().map(|cell| cell.2));
    let questions: BTreeSet<(usize, u64)> = cells.keys().map(|cell| (cell.0, cell.1)).collect();
    let mut figures = Vec::new();
    for (size, rate) in questions {
        for plot in 0..styles.len().div_ceil(STYLES) {
            let drawn = cells
                .iter()
                .filter(|(cell, _)| (cell.0, cell.1) == (size, rate) && styles[cell.2] / STYLES == plot);
            let curve = |(cell, samples): (&(usize, u64, &str), &Vec<&LoadSample>)| {
                percentile_curve(cell.2.to_owned(), Style::Rival(styles[cell.2]), &merged(samples))
            };
            let curves = drawn.map(curve).collect::<Result<Vec<_>>>()?;
            if !curves.is_empty() {
                let title = format!(
                    "{} messages of {} a second",
                    units::count(rate as f64),
                    units::bytes(size as f64)
                );
                figures.push(percentile_plot(title, "from the intended sending to receipt", curves).render());
            }
        }
    }
    Ok((!samples.is_empty()).then(|| {
        html! {
            h3 { "Latency at a steady rate" }
            p.hint {
                "Each message has a time at which it is due, and is measured from then, even if it was sent late: a receiver that stalls \
                 cannot hide how long others waited."
            }
            div.figures { @for figure in figures { (figure) } }
            (grid.render())
        }
    }))
}

/// The points of a line.
type Points = Vec<(f64, f64)>;

/// Many rings, and large ones.
fn growth(samples: &[&GrowthSample]) -> Option<Markup> {
    let mut cells: BTreeMap<(Growing, usize, usize, usize), Vec<&GrowthSample>> = BTreeMap::new();
    for sample in samples {
        cells.entry((sample.axis, sample.size, sample.rings, sample.ring_bytes)).or_default().push(sample);
    }
    let of = |samples: &[&GrowthSample], value: fn(&GrowthSample) -> f64| {
        median(samples.iter().map(|sample| value(sample)))
    };
    let rows = cells.iter().map(|((axis, size, rings, ring_bytes), samples)| {
        let extra = |sample: &GrowthSample| sample.memory_bytes.saturating_sub(sample.capacity_bytes) as f64;
        vec![
            if *axis == Growing::Rings { "rings" } else { "size" }.to_owned(),
            rings.to_string(),
            units::bytes(*ring_bytes as f64),
            units::bytes(*size as f64),
            units::time(of(samples, |sample| sample.ns)),
            units::bytes(of(samples, |sample| sample.memory_bytes as f64)),
            units::bytes(of(samples, extra)),
            units::time(of(samples, |sample| sample.create_ns as f64)),
            units::time(of(samples, |sample| sample.open_ns as f64)),
            samples.len().to_string(),
        ]
    });
    let header = vec![
        "grows",
        "rings",
        "ring size",
        "message",
        "per message",
        "memory of a ring",
        "beyond its capacity",
        "making",
        "opening",
        "samples",
    ];
    let grid = Grid { caption: "growth".to_owned(), part: "growth", header, words: 1, rows: rows.collect() };
    let plot = |axis: Growing| {
        let mut lines: BTreeMap<(usize, usize), Points> = BTreeMap::new();
        for ((_, size, rings, ring_bytes), samples) in cells.iter().filter(|(cell, _)| cell.0 == axis) {
            let (x, other) =
                if axis == Growing::Rings { (*rings, *ring_bytes) } else { (*ring_bytes, *rings) };
            lines.entry((*size, other)).or_default().push((x as f64, of(samples, |sample| sample.ns)));
        }
        let several = lines.keys().map(|(_, other)| other).collect::<BTreeSet<_>>().len() > 1;
        let write = if axis == Growing::Rings { units::digits } else { units::bytes };
        let curve = |(index, (cell, points)): (usize, (&(usize, usize), &Points))| {
            let (size, other) = cell;
            let what = match axis {
                _ if !several => String::new(),
                Growing::Rings => format!(", rings of {}", units::bytes(*other as f64)),
                Growing::RingBytes => format!(", {other} rings"),
            };
            let say = |x, y| format!("{} at {}", units::time(y), write(x));
            Curve::marked(
                format!("{} messages{what}", units::bytes(*size as f64)),
                Style::Rival(index),
                points.clone(),
                say,
            )
        };
        let all = || lines.values().flatten();
        let (title, x) = match axis {
            Growing::Rings => (
                "Time of a message over the number of rings",
                Axis::log("rings", all().map(|p| p.0), units::digits),
            ),
            Growing::RingBytes => (
                "Time of a message over the size of its ring",
                Axis::powers("bytes of the ring", all().map(|p| p.0), units::bytes),
            ),
        };
        let plot = Lines {
            title: title.to_owned(),
            description: "A line for each size of messages; the table has the figures.".to_owned(),
            x,
            y: Axis::log("time of a message", all().map(|point| point.1), units::time),
            curves: lines.iter().enumerate().map(curve).collect(),
        };
        (!lines.is_empty()).then(|| plot.render())
    };
    (!samples.is_empty()).then(|| {
        html! {
            h3 { "Growth" }
            p.hint { "What a message, and a ring, cost when there are many rings in use, or a large one. Less is better." }
            div.figures { @for axis in [Growing::Rings, Growing::RingBytes] { @if let Some(figure) = plot(axis) { (figure) } } }
            (grid.render())
        }
    })
}

/// What those cost who wait.
pub fn idle(studies: &[Study]) -> Option<Markup> {
    let samples: Vec<&IdleSample> = studies
        .iter()
        .filter_map(|study| if let Study::Idle(sample) = study { Some(sample) } else { None })
        .collect();
    let share = |sample: &IdleSample| sample.cpu_seconds / sample.seconds * 100.0;
    let liveness = |sample: &IdleSample| match sample.liveness_ns {
        0 => "never".to_owned(),
        nanoseconds => humantime::format_duration(Duration::from_nanos(nanoseconds)).to_string(),
    };
    let rows = samples.iter().map(|sample| {
        vec![
            sample.what.label().to_owned(),
            sample.consumers.to_string(),
            liveness(sample),
            format!("{} %", units::digits(share(sample))),
            format!("{} %", units::digits(share(sample) / sample.consumers.max(1) as f64)),
            units::digits(sample.wakes as f64 / sample.seconds),
            units::digits(sample.seconds),
        ]
    });
    let header = vec![
        "what waits",
        "how many",
        "looks for its peer",
        "of a core, together",
        "of a core, each",
        "wakes/s",
        "watched, s",
    ];
    let grid = Grid {
        caption: "the cost of waiting".to_owned(),
        part: "idle",
        header,
        words: 1,
        rows: rows.collect(),
    };
    let dot = |sample: &&IdleSample| Dot {
        name: format!("{} {}", sample.consumers, sample.what.label()),
        style: Style::Rival(0),
        value: share(sample),
        whisker: [share(sample); 2],
        label: format!("{} %", units::digits(share(sample))),
    };
    let shown: Vec<&&IdleSample> = samples.iter().filter(|sample| sample.cpu_seconds > 0.0).collect();
    let plot = Dots {
        title: "CPU time of those who wait".to_owned(),
        description: "A row for each way of waiting; the table has the figures.".to_owned(),
        axis: Axis::sparse(
            "per cent of one core, together",
            shown.iter().map(|sample| share(sample)),
            units::digits,
        ),
        mark: None,
        rows: shown.into_iter().map(dot).collect(),
    };
    (!samples.is_empty()).then(|| {
        html! {
            p.lead { "Consumers for whom nothing comes, all in one process." }
            div.figures { (plot.render()) }
            (grid.render())
        }
    })
}
