//! Pairs of processes: a part for each pattern, with plots and the table of its cells.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use maud::{Markup, html};

use super::grid::Grid;
use super::plot::{Axis, Curve, Dot, Dots, Lines, STYLES, Style, nines};
use crate::bench::plan::{Mechanism, Pattern};
use crate::bench::record::Recording;
use crate::bench::report::{Cell, Report};
use crate::bench::sample::{Build, Regime, histogram};
use crate::bench::table::name;
use crate::bench::units;

/// Who carries messages.
type Who = (Mechanism, Build);

/// Who stands in which plot, and in which style; the same in all plots of a page.
struct Cast(BTreeMap<Who, (Family, usize)>);

/// Those who are shown together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    /// Floors and T
    Yardsticks,
    /// Ringway's own
    Rings,
    /// Everybody else
    Others,
}

impl Family {
    /// What stands above their plots.
    fn label(self) -> &'static str {
        match self {
            Self::Yardsticks => "yardsticks",
            Self::Rings => "ringway",
            Self::Others => "the alternatives",
        }
    }

    /// Whose family it is.
    fn of(mechanism: Mechanism) -> Self {
        match mechanism {
            _ if mechanism.is_reference() => Self::Yardsticks,
            _ if mechanism.is_ring() => Self::Rings,
            _ => Self::Others,
        }
    }
}

impl Cast {
    /// Everybody in the report.
    fn of(report: &Report) -> Self {
        let all: BTreeSet<Who> = report.cells.iter().map(|cell| (cell.mechanism, cell.build)).collect();
        let mut counts = BTreeMap::new();
        let number = |(mechanism, build): Who| {
            let family = Family::of(mechanism);
            let count = counts.entry(family).or_insert(0);
            *count += 1;
            ((mechanism, build), (family, *count - 1))
        };
        Self(all.into_iter().map(number).collect())
    }

    /// How somebody is drawn among those of a pattern.
    fn style(&self, who: Who, pattern: Pattern) -> Style {
        match self.0.get(&who) {
            _ if who.0 == pattern.floor() => Style::Floor,
            Some((Family::Yardsticks, _)) | None => Style::Yardstick,
            Some((_, index)) => Style::Rival(*index),
        }
    }

    /// The plots that are needed so that no style comes twice: the family of each, and who is in it beside the yardsticks.
    fn plots(&self) -> Vec<(Family, BTreeSet<Who>)> {
        let mut plots: BTreeMap<(Family, usize), BTreeSet<Who>> = BTreeMap::new();
        for (who, (family, index)) in self.0.iter().filter(|(_, (family, _))| *family != Family::Yardsticks) {
            plots.entry((*family, index / STYLES)).or_default().insert(*who);
        }
        plots.into_iter().map(|((family, _), who)| (family, who)).collect()
    }
}

/// Everything of one regime, if there is anything.
pub fn section(regime: Regime, run: &Recording, report: &Report) -> Result<Option<Markup>> {
    let cells: Vec<&Cell> = report.cells.iter().filter(|cell| cell.regime == regime).collect();
    let cast = Cast::of(report);
    let mut parts = Vec::new();
    for pattern in cells.iter().map(|cell| cell.pattern).collect::<BTreeSet<_>>() {
        let cells: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.pattern == pattern).collect();
        parts.push(part(&Part { pattern, cells, cast: &cast }, regime, run)?);
    }
    Ok((!parts.is_empty()).then(|| html! { @for part in parts { (part) } }))
}

/// One pattern in one regime.
struct Part<'a> {
    /// How messages follow one another.
    pattern: Pattern,
    /// The figures.
    cells: Vec<&'a Cell>,
    /// Who is drawn how.
    cast: &'a Cast,
}

/// Plots and table of one pattern.
fn part(part: &Part<'_>, regime: Regime, run: &Recording) -> Result<Markup> {
    let sizes: BTreeSet<usize> = part.cells.iter().map(|cell| cell.size).collect();
    let ends: BTreeSet<usize> = sizes.first().into_iter().chain(sizes.last()).copied().collect();
    let mut figures: Vec<Markup> = ends.iter().filter_map(|&size| part.ratios(size)).collect();
    for (family, who) in part.cast.plots() {
        if sizes.len() > 1 {
            figures.extend(part.over_size(family, &who));
        }
        if let Some(size) = sizes.first() {
            figures.extend(part.percentiles(family, &who, *size, regime, run)?);
        }
    }
    Ok(html! {
        h3 { (capital(part.pattern.label())) }
        p.hint { (hint(part.pattern)) }
        div.figures { @for figure in figures { (figure) } }
        (part.table())
    })
}

impl Part<'_> {
    /// Ratios to the floor for one size, the best first.
    fn ratios(&self, size: usize) -> Option<Markup> {
        let with_ratio = self
            .cells
            .iter()
            .filter(|cell| cell.size == size)
            .filter_map(|cell| Some((cell, cell.to_floor?)));
        let mut cells: Vec<_> = with_ratio.collect();
        cells.sort_by(|(_, a), (_, b)| a.median.total_cmp(&b.median));
        if !self.pattern.is_round_trip() {
            cells.reverse();
        }
        let (best, ratio) = cells.first()?;
        let row = |(cell, ratio): &(&&Cell, crate::bench::sample::Spread)| Dot {
            name: name(cell.mechanism, cell.build),
            style: dot_style(cell.mechanism),
            value: ratio.median,
            whisker: [ratio.p25, ratio.p75],
            label: units::times(ratio.median),
        };
        let values = cells.iter().flat_map(|(_, ratio)| [ratio.p25, ratio.p75, 1.0]);
        let what = if self.pattern.is_round_trip() {
            "time ÷ the floor's: less is better"
        } else {
            "rate ÷ the floor's: more is better"
        };
        let dots = Dots {
            title: format!("Ratio to the floor, {}", units::bytes(size as f64)),
            description: format!(
                "Best is {} at {} the floor.",
                name(best.mechanism, best.build),
                units::times(ratio.median)
            ),
            axis: Axis::sparse(what, values, units::digits),
            mark: Some(1.0),
            rows: cells.iter().map(row).collect(),
        };
        Some(dots.render())
    }

    /// Whether somebody is drawn in the plot of `members`.
    fn is_drawn(&self, cell: &Cell, members: &BTreeSet<Who>) -> bool {
        let who = (cell.mechanism, cell.build);
        members.contains(&who) || cell.mechanism.is_reference()
    }

    /// Time or throughput over size.
    fn over_size(&self, family: Family, members: &BTreeSet<Who>) -> Option<Markup> {
        let round_trip = self.pattern.is_round_trip();
        let figure = |cell: &Cell| if round_trip { cell.ns.median } else { cell.bytes_per_second };
        let mut lines: BTreeMap<Who, Vec<(f64, f64)>> = BTreeMap::new();
        for cell in self.cells.iter().filter(|cell| self.is_drawn(cell, members)) {
            lines.entry((cell.mechanism, cell.build)).or_default().push((cell.size as f64, figure(cell)));
        }
        lines.keys().any(|who| members.contains(who)).then_some(())?;
        let all = || lines.values().flatten();
        let (what, axis) = if round_trip {
            ("Time", Axis::log("time of a round trip", all().map(|point| point.1), units::time))
        } else {
            ("Throughput", Axis::log("payload bytes per second", all().map(|point| point.1), units::count))
        };
        let write = if round_trip { units::time } else { units::count };
        let curve = |(who, points): (&Who, &Vec<(f64, f64)>)| {
            let say = |x, y| format!("{} at {}", write(y), units::bytes(x));
            Curve::marked(name(who.0, who.1), self.cast.style(*who, self.pattern), points.clone(), say)
        };
        let plot = Lines {
            title: format!("{what} over size: {}", family.label()),
            description: format!("A line for each of {} mechanisms; the table has the figures.", lines.len()),
            x: Axis::powers("bytes of a message", all().map(|point| point.0), units::bytes),
            y: axis,
            curves: lines.iter().map(curve).collect(),
        };
        Some(plot.render())
    }

    /// How long single round trips of one size took.
    fn percentiles(
        &self,
        family: Family,
        members: &BTreeSet<Who>,
        size: usize,
        regime: Regime,
        run: &Recording,
    ) -> Result<Option<Markup>> {
        let mut counted: BTreeMap<Who, Vec<(u64, u64)>> = BTreeMap::new();
        for sample in run.pairs.iter().filter(|sample| sample.verdict == Ok(regime)) {
            let key = sample.key;
            if (key.pattern, key.size) == (self.pattern, size) && !sample.latency.is_empty() {
                counted.entry((key.mechanism, key.build)).or_default().extend(&sample.latency);
            }
        }
        counted.retain(|who, _| members.contains(who) || who.0.is_reference());
        if !counted.keys().any(|who| members.contains(who)) {
            return Ok(None);
        }
        let mut curves = Vec::new();
        for (who, counted) in &counted {
            curves.push(percentile_curve(name(who.0, who.1), self.cast.style(*who, self.pattern), counted)?);
        }
        let title = format!("Percentiles, {}: {}", units::bytes(size as f64), family.label());
        Ok(Some(percentile_plot(title, "time of a single round trip", curves).render()))
    }

    /// A row for each cell.
    fn table(&self) -> Markup {
        let mut rows: Vec<&&Cell> = self.cells.iter().collect();
        rows.sort_by_key(|cell| (cell.size, cell.mechanism, cell.build));
        let ratio = |ratio: Option<crate::bench::sample::Spread>| {
            ratio.map_or("–".to_owned(), |ratio| units::digits(ratio.median))
        };
        let row = |cell: &&Cell| {
            let latency =
                cell.latency.map_or([const { String::new() }; 3].map(|_| "–".to_owned()), |latency| {
                    [latency.p50, latency.p99, latency.p99_9].map(|value| units::time(value as f64))
                });
            let cpu = (cell.cpu.sender + cell.cpu.receiver) / cell.cpu.wall.max(f64::MIN_POSITIVE);
            let figures = [
                units::bytes(cell.size as f64),
                units::time(cell.ns.median),
                format!("{} to {}", units::time(cell.ns.p25), units::time(cell.ns.p75)),
                units::count(cell.per_second),
                units::count(cell.bytes_per_second),
                ratio(cell.to_floor),
                ratio(cell.to_t),
            ];
            let end = [units::digits(cpu), cell.ns.values.to_string()];
            [name(cell.mechanism, cell.build)].into_iter().chain(figures).chain(latency).chain(end).collect()
        };
        let header = vec![
            "mechanism",
            "size",
            "median",
            "quartiles",
            "per second",
            "bytes/s",
            "÷ floor",
            "÷ T",
            "p50",
            "p99",
            "p99.9",
            "CPU",
            "samples",
        ];
        let caption = self.pattern.label().to_owned();
        Grid { caption, part: "pair", header, words: 1, rows: rows.into_iter().map(row).collect() }.render()
    }
}

/// A curve of percentiles, as far as there are values for them.
pub fn percentile_curve(name: String, style: Style, counted: &[(u64, u64)]) -> Result<Curve> {
    let mut all = histogram()?;
    for (nanoseconds, count) in counted {
        all.saturating_record_n(*nanoseconds, *count);
    }
    let most = (all.len().max(1) as f64).log10();
    let at = |nines: f64| all.value_at_quantile(1.0 - 10_f64.powf(-nines)) as f64;
    let steps = (0..=(most * 10.0) as usize).map(|step| step as f64 / 10.0);
    let points = steps.map(|nines| (nines, at(nines))).collect();
    let marks = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999].into_iter().map(|share| (share, nines(share)));
    let marks = marks.filter(|(_, nines)| *nines <= most);
    let say = |share: f64, value: f64| {
        format!("{name}: {} % within {}", units::digits(share * 100.0), units::time(value))
    };
    let marks = marks.map(|(share, nines)| (nines, at(nines), say(share, at(nines)))).collect();
    Ok(Curve { name, style, points, marks })
}

/// A plot of such curves.
pub fn percentile_plot(title: String, what: &str, curves: Vec<Curve>) -> Lines {
    let most = curves.iter().flat_map(|curve| &curve.points).map(|point| point.0).fold(1.0, f64::max);
    let values = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1);
    Lines {
        title,
        description: format!(
            "A curve for each of {} mechanisms, from the shortest time to the longest.",
            curves.len()
        ),
        x: Axis::nines("share of messages that took no longer", most),
        y: Axis::log(what, values, units::time),
        curves,
    }
}

/// How a row of dots is drawn: by family.
fn dot_style(mechanism: Mechanism) -> Style {
    match Family::of(mechanism) {
        Family::Yardsticks => Style::Yardstick,
        Family::Rings => Style::Rival(0),
        Family::Others => Style::Rival(1),
    }
}

/// What the figures of a pattern are.
fn hint(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::RoundTrip => "A message there and one of the same size back. Times: less is better.",
        Pattern::Single => "Messages one way, each published on its own. Rates: more is better.",
        Pattern::Batch => "Messages one way, 32 published together. Rates: more is better.",
        Pattern::Wake => {
            "A round trip in which each side sleeps until the message comes, on two cores. Ratios are those of medians: less is better."
        }
        Pattern::WakeSameCore => {
            "The same with both sides on one core. Ratios are those of medians: less is better."
        }
    }
}

/// With a capital in front.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
