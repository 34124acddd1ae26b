//! `docs/crash-matrix.md`: made from the tallies, and read again by those who compare.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use crate::cell::{Cell, Operation, word};
use crate::fault::{CLASSES, Class};
use crate::run::Deed;
use crate::tally::{Tally, commit};

/// The text above the table.
const HEAD: &str = include_str!("head.md");
/// The columns before the classes.
const COLUMNS: [&str; 8] =
    ["kind", "operation", "cells", "points", "runs", "killed", "stopped", "failed calls"];

/// A row: what was done to one operation on one kind of ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    cells: BTreeSet<String>,
    points: usize,
    killed: usize,
    stopped: usize,
    failed: usize,
    missed: usize,
    counts: BTreeMap<Class, usize>,
}

impl Row {
    fn add(&mut self, tally: &Tally) {
        self.cells.insert(tally.cell.clone());
        self.points += tally.points;
        self.missed += tally.missed;
        *match tally.deed {
            Deed::Kill => &mut self.killed,
            Deed::Stop => &mut self.stopped,
            Deed::Fail => &mut self.failed,
        } += tally.runs;
        for (class, count) in &tally.counts {
            *self.counts.entry(*class).or_default() += count;
        }
    }

    fn runs(&self) -> usize {
        self.killed + self.stopped + self.failed
    }

    fn line(&self, kind: &str, operation: &str) -> String {
        let numbers = [self.cells.len(), self.points, self.runs(), self.killed, self.stopped, self.failed];
        let counts = CLASSES.map(|class| self.counts.get(&class).copied().unwrap_or(0));
        let cells: Vec<String> = numbers.iter().chain(&counts).map(ToString::to_string).collect();
        format!("| {kind} | {operation} | {} |\n", cells.join(" | "))
    }
}

/// Kind and operation of a tally.
fn key(cell: &Cell) -> (String, Operation) {
    (word(&cell.kind), cell.operation)
}

/// The whole file.
pub fn render(tallies: &[Tally], rounds: usize) -> Result<String> {
    let mut rows: BTreeMap<(String, Operation), Row> = BTreeMap::new();
    let mut total = Row::default();
    for tally in tallies {
        rows.entry(key(&tally.cell.parse()?)).or_default().add(tally);
        total.add(tally);
    }
    let mut text = HEAD.to_owned();
    text += &format!("\n{}\n", facts(rounds, total.missed));
    let classes = CLASSES.map(|class| format!("{class:?}").to_lowercase());
    let columns: Vec<&str> = COLUMNS.into_iter().chain(classes.iter().map(String::as_str)).collect();
    text += &format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    for ((kind, operation), row) in &rows {
        text += &row.line(kind, &word(operation));
    }
    text += &total.line("**all**", "");
    let failures: String = tallies.iter().map(Tally::describe).collect();
    if !failures.is_empty() {
        text += &format!("\n## Failing points\n\n```text\n{failures}```\n");
    }
    Ok(text)
}

/// When, of what and where.
fn facts(rounds: usize, missed: usize) -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!(
        "Commit {}, {}; {} × {}, Linux {}, {}. {rounds} rounds at each point; {missed} runs in which the operation \
         ended before its point were judged as runs at its end.\n",
        commit(),
        date(),
        count,
        model.map_or("unknown processor", |(_, model)| model.trim()),
        kernel.trim(),
        rustc.unwrap_or_default(),
    )
}

/// Today, in UTC.
fn date() -> String {
    let days = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64 / 86_400;
    let (year, month, day) = civil(days);
    format!("{year}-{month:02}-{day:02}")
}

/// The date so many days after 1970-01-01: eras of 400 years that begin on the first of March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Does the table in `text` have what this run has, and no failure?
pub fn compare(text: &str, cells: &[Cell]) -> Result<()> {
    let mut found = BTreeSet::new();
    let head = format!("| {} | {} |", COLUMNS[0], COLUMNS[1]);
    let rows = text.lines().skip_while(|line| !line.starts_with(&head)).skip(2);
    for line in rows.take_while(|line| line.starts_with('|')) {
        let fields: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        ensure!(fields.len() == COLUMNS.len() + CLASSES.len(), "a row of the table is not whole: {line}");
        let failures = &fields[COLUMNS.len()..];
        ensure!(failures.iter().all(|count| *count == "0"), "the table has a failure: {line}");
        if fields[0] != "**all**" {
            found.insert((fields[0].to_owned(), fields[1].to_owned()));
        }
    }
    let mine: BTreeSet<_> = cells.iter().map(|cell| (word(&cell.kind), word(&cell.operation))).collect();
    let differing: Vec<String> =
        mine.symmetric_difference(&found).map(|(kind, operation)| format!("{kind}/{operation}")).collect();
    ensure!(
        differing.is_empty(),
        "the table and this run differ in {}; make the table anew with ci/crash.sh",
        differing.join(", ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tallies() -> Vec<Tally> {
        Cell::all().iter().map(|cell| Tally::new(cell.to_string(), Deed::Kill)).collect()
    }

    #[test]
    fn the_table_agrees_with_the_run_that_made_it() {
        let text = render(&tallies(), 3).expect("a table");
        compare(&text, &Cell::all()).expect("the same");
    }

    #[test]
    fn a_missing_operation_and_a_failure_are_noticed() {
        let mut tallies = tallies();
        tallies.retain(|tally| !tally.cell.starts_with("spsc/drain/"));
        let text = render(&tallies, 3).expect("a table");
        let error = compare(&text, &Cell::all()).expect_err("an operation is missing").to_string();
        assert!(error.contains("spsc/drain"), "{error}");

        let mut tallies = self::tallies();
        tallies[0].counts.insert(Class::Lost, 1);
        let text = render(&tallies, 3).expect("a table");
        assert!(compare(&text, &Cell::all()).is_err());
    }

    #[test]
    fn dates_are_right() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_513), (2026, 3, 1));
    }
}
