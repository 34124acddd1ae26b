//! The report as tables for people.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use comfy_table::TableComponent::{
    HorizontalLines, LeftBorderIntersections, MiddleIntersections, RightBorderIntersections,
};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::compare::Comparison;
use super::plan::{Mechanism, Pattern};
use super::report::{Cell, Cpu, Report};
use super::sample::{Build, Regime};
use super::studies;

/// Messages from this size on are shown as bytes per second.
const BULK: usize = 16 << 10;

/// The whole report.
pub fn render(report: &Report) -> String {
    let mut text = head(report);
    for regime in Regime::ALL {
        let cells: Vec<&Cell> = report.cells.iter().filter(|cell| cell.regime == regime).collect();
        if cells.is_empty() {
            continue;
        }
        let _ = write!(text, "\n== {}", regime.label());
        if let Some(probe) = report.probes.get(&regime).filter(|probe| probe.median > 0.0) {
            let _ =
                write!(text, ": probe {:.0} ns (p10 {:.0}, p90 {:.0})", probe.median, probe.p10, probe.p90);
        }
        text.push('\n');
        let (wakes, others): (Vec<&Cell>, Vec<&Cell>) =
            cells.into_iter().partition(|cell| cell.pattern.is_wake());
        text.push_str(&traffic(&others));
        text.push_str(&wake_ups(&wakes));
    }
    text.push_str(&awake(report));
    text.push_str(&studies::render(&report.studies));
    text.push_str(&report.comparison.as_ref().map_or(String::new(), Comparison::render));
    text
}

/// Everything of one regime but the wake-ups.
fn traffic(cells: &[&Cell]) -> String {
    let mut text = String::new();
    if cells.is_empty() {
        return text;
    }
    for pattern in [Pattern::RoundTrip, Pattern::Single, Pattern::Batch] {
        let cells: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.pattern == pattern).collect();
        if !cells.is_empty() {
            let _ = write!(text, "\n{}: {}\n{}\n", pattern.label(), legend(pattern), figures(&cells));
        }
    }
    if let Some(table) = percentiles(cells) {
        text.push_str(&table);
    }
    let _ =
        write!(text, "\nCPU seconds of sender + receiver / seconds that passed, all sizes\n{}\n", cpu(cells));
    text
}

/// The wake-ups of one regime, a table for each pattern and size.
fn wake_ups(cells: &[&Cell]) -> String {
    let mut text = String::new();
    let groups: BTreeSet<(Pattern, usize)> = cells.iter().map(|cell| (cell.pattern, cell.size)).collect();
    for (pattern, size) in groups {
        let header = ["", "p50", "p99", "p99.9", "mean", "ratio", "CPU s", "sleeps"];
        let mut table = table(header.map(str::to_owned).to_vec());
        for cell in cells.iter().filter(|cell| (cell.pattern, cell.size) == (pattern, size)) {
            table.add_row(wake_up(cell));
        }
        let _ = write!(text, "\n{}, {size} bytes: {}\n{table}\n", pattern.label(), legend(pattern));
    }
    text
}

/// One row of wake-ups.
fn wake_up(cell: &Cell) -> Vec<String> {
    let micros = |nanoseconds: f64| format!("{:.2}", nanoseconds / 1e3);
    let percentiles = cell.latency.map_or([0; 3], |latency| [latency.p50, latency.p99, latency.p99_9]);
    let figures = [micros(cell.ns.median), ratios(cell, " "), used(cell.cpu), format!("{:.2}", cell.sleeps)];
    let percentiles = percentiles.map(|value| micros(value as f64));
    std::iter::once(name(cell.mechanism, cell.build)).chain(percentiles).chain(figures).collect()
}

/// Who was to be woken and did not sleep.
fn awake(report: &Report) -> String {
    let mut text = String::new();
    for awake in &report.awake {
        let (name, pattern) = (name(awake.mechanism, awake.build), awake.pattern.label());
        let (samples, sleeps) = (plural(awake.samples, "sample"), awake.sleeps);
        let _ = writeln!(
            text,
            "not asleep: {name}, {pattern}, {} bytes: {samples} with {sleeps:.2} sleeps per message",
            awake.size
        );
    }
    text
}

/// Machine and conditions.
fn head(report: &Report) -> String {
    let (machine, conditions) = (&report.machine, &report.conditions);
    let pinned = match machine.pinned {
        Some([sender, receiver]) => {
            format!("two processes, pinned: sender on core {sender}, receiver on core {receiver}")
        }
        None => "two processes on one core, not pinned: mechanisms that spin are left out".to_owned(),
    };
    let mut text = String::new();
    for (about, fact) in machine.facts() {
        let _ = writeln!(text, "{about}: {fact}");
    }
    let _ = writeln!(text, "{pinned}");
    let _ = writeln!(
        text,
        "rings of {} or four messages, {} (dropped: {} whose probes disagree, {} that lost a core, {} not asleep), {}, {}",
        bytesize::ByteSize(conditions.ring_bytes as u64),
        plural(report.samples, "sample"),
        report.dropped.probes_disagree,
        report.dropped.core_lost,
        report.dropped.awake,
        plural(conditions.starts, "process start"),
        report.seconds.map_or("interrupted".to_owned(), |seconds| format!("{seconds:.0} s")),
    );
    let _ = writeln!(text, "warm-up: {}", conditions.warm_up);
    let _ = writeln!(
        text,
        "T: ratio to the bare record ring with a shared tail; F: to the floor; per round, median"
    );
    if report.cells.iter().any(|cell| cell.pattern == Pattern::Wake) {
        let rest = humantime::format_duration(Duration::from_secs_f64(conditions.rest_seconds));
        let _ = writeln!(
            text,
            "wake-ups: to wake the other core, a side first keeps busy for {rest}; that time does not count"
        );
    }
    for left_out in &conditions.left_out {
        let _ = writeln!(text, "left out: {}: {}", left_out.mechanism.label(), left_out.reason);
    }
    if let Some(other) = &conditions.against {
        let _ = writeln!(text, "O: ratio to the other build, {other}");
    }
    text
}

/// A count of things.
pub fn plural(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// How to read the figures of a pattern.
fn legend(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::RoundTrip => "ns per round trip; ratios of times, less is better",
        Pattern::Single | Pattern::Batch => {
            "million messages per second (G: GB/s); ratios of rates, more is better"
        }
        Pattern::Wake | Pattern::WakeSameCore => {
            "µs per round trip, each timed; ratios of p50; CPU seconds of sender + receiver / seconds that \
             passed; sleeps per message"
        }
    }
}

/// A table in this bench's style.
pub fn table(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    for line in [HorizontalLines, LeftBorderIntersections, MiddleIntersections, RightBorderIntersections] {
        table.remove_style(line);
    }
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What a row is called.
pub fn name(mechanism: Mechanism, build: Build) -> String {
    let other = if build == Build::Other { " (other)" } else { "" };
    format!("{}{other}", mechanism.label())
}

/// Rows: mechanisms; columns: sizes.
fn figures(cells: &[&Cell]) -> Table {
    let sizes: BTreeSet<usize> = cells.iter().map(|cell| cell.size).collect();
    let mut table =
        table(std::iter::once(String::new()).chain(sizes.iter().map(|size| format!("{size} B"))).collect());
    let rows: BTreeSet<(Mechanism, Build)> = cells.iter().map(|cell| (cell.mechanism, cell.build)).collect();
    for (mechanism, build) in rows {
        let mut row = vec![name(mechanism, build)];
        for size in &sizes {
            let found = cells
                .iter()
                .find(|cell| (cell.mechanism, cell.build, cell.size) == (mechanism, build, *size));
            row.push(found.map_or(String::new(), |cell| figure(cell)));
        }
        table.add_row(row);
    }
    table
}

/// One cell: the figure, and below it the ratios.
fn figure(cell: &Cell) -> String {
    let text = match cell.pattern {
        _ if cell.pattern.is_round_trip() => short(cell.ns.median),
        _ if cell.size >= BULK => format!("{:.2} G", cell.bytes_per_second / 1e9),
        _ => short(cell.per_second / 1e6),
    };
    let ratios = ratios(cell, "\n");
    if ratios.is_empty() { text } else { format!("{text}\n{ratios}") }
}

/// What a cell is compared with.
fn ratios(cell: &Cell, between: &str) -> String {
    let ratios = [("T", cell.to_t), ("F", cell.to_floor), ("O", cell.to_other)];
    let shown = ratios.iter().filter_map(|(name, to)| Some(format!("{}{name}", short(to.as_ref()?.median))));
    shown.collect::<Vec<String>>().join(between)
}

/// Three digits or so.
pub fn short(value: f64) -> String {
    let decimals = match value {
        _ if value >= 100.0 => 0,
        _ if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// Percentiles of single round trips, for the smallest size.
fn percentiles(cells: &[&Cell]) -> Option<String> {
    let timed = || cells.iter().filter_map(|cell| Some((cell, cell.latency?)));
    let size = timed().map(|(cell, _)| cell.size).min()?;
    let mut table = table(["", "p50", "p99", "p99.9", "max"].map(str::to_owned).to_vec());
    for (cell, latency) in timed().filter(|(cell, _)| cell.size == size && cell.build == Build::This) {
        let values = [latency.p50, latency.p99, latency.p99_9, latency.max].map(|value| value.to_string());
        table.add_row(std::iter::once(cell.mechanism.label().to_owned()).chain(values));
    }
    let title = format!("single round trips of {size} bytes, ns, with the clock read between them");
    Some(format!("\n{title} (other sizes: --json)\n{table}\n"))
}

/// Rows: mechanisms; columns: patterns.
fn cpu(cells: &[&Cell]) -> Table {
    let patterns: BTreeSet<Pattern> = cells.iter().map(|cell| cell.pattern).collect();
    let header = patterns.iter().map(|pattern| pattern.label().to_owned());
    let mut table = table(std::iter::once(String::new()).chain(header).collect());
    let mechanisms: BTreeSet<Mechanism> = cells.iter().map(|cell| cell.mechanism).collect();
    for mechanism in mechanisms {
        let mut row = vec![mechanism.label().to_owned()];
        for pattern in &patterns {
            let mine = cells.iter().filter(|cell| cell.mechanism == mechanism && cell.pattern == *pattern);
            let sum = Cpu::sum(mine.filter(|cell| cell.build == Build::This).map(|cell| cell.cpu));
            row.push(if sum.wall > 0.0 { used(sum) } else { String::new() });
        }
        table.add_row(row);
    }
    table
}

/// CPU seconds of both sides, and the seconds that passed.
fn used(cpu: Cpu) -> String {
    format!("{:.2} + {:.2} / {:.2}", cpu.sender, cpu.receiver, cpu.wall)
}
