//! What the runs of a cell found, and the file that keeps it, so that a run which was ended goes on where it was.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::fault::{Class, Fault};
use crate::run::Deed;

/// A run that found something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The point, as `replay` takes it.
    pub point: String,
    /// The round.
    pub round: usize,
    /// What was found.
    pub faults: Vec<Fault>,
}

/// What the runs of one cell and deed found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// The cell.
    pub cell: String,
    /// The deed.
    pub deed: Deed,
    /// How many instructions the operation has, or system calls that may fail.
    pub size: usize,
    /// Distinct points.
    pub points: usize,
    /// Runs: points times rounds.
    pub runs: usize,
    /// Runs whose operation ended before the point.
    pub missed: usize,
    /// Findings by class.
    pub counts: BTreeMap<Class, usize>,
    /// The runs that found something.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub seconds: f64,
}

impl Tally {
    /// Of nothing yet.
    pub fn new(cell: String, deed: Deed) -> Tally {
        Tally {
            cell,
            deed,
            size: 0,
            points: 0,
            runs: 0,
            missed: 0,
            counts: BTreeMap::new(),
            failures: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Counts what a run found.
    pub fn add(&mut self, point: String, round: usize, faults: Vec<Fault>) {
        for fault in &faults {
            *self.counts.entry(fault.class).or_default() += 1;
        }
        if !faults.is_empty() {
            self.failures.push(Failure { point, round, faults });
        }
    }

    /// Everything that is listed, in words, with the command that shows it again.
    pub fn describe(&self) -> String {
        let deed = format!("{:?}", self.deed).to_lowercase();
        let mut text = String::new();
        for Failure { point, round, faults } in &self.failures {
            for fault in faults {
                text += &format!("{} {deed} at {point}, round {round}: {fault}\n", self.cell);
            }
            text += &format!("  ci/crash.sh replay {}@{point} --deed {deed} --round {round}\n", self.cell);
        }
        text
    }
}

/// Which build the results are of.
pub fn build() -> Result<String> {
    let binary = fs::read(std::env::current_exe()?).context("cannot read this program")?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&binary);
    Ok(format!("{}-{:016x}", commit(), hasher.finish()))
}

/// The commit that the working tree is at.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no", "--", "src", "derive", "crash-matrix"]);
    if changed.is_none_or(|changed| changed.is_empty()) { commit } else { format!("{commit} with changes") }
}

/// A line of the file of results.
#[derive(Serialize, Deserialize)]
struct Line {
    build: String,
    plan: String,
    tally: Tally,
}

/// The file of results.
#[derive(Debug)]
pub struct Results {
    file: Option<File>,
    build: String,
    plan: String,
}

impl Results {
    /// Opens the file at `path` for results of this build by `plan`, and reads those that are there.
    pub fn open(path: &Path, plan: String) -> Result<(Results, Vec<Tally>)> {
        let build = build()?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let lines = fs::read_to_string(path).unwrap_or_default();
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let mine = lines.filter(|line| line.build == build && line.plan == plan);
        let tallies = mine.map(|line| line.tally).collect();
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok((Results { file: Some(file), build, plan }, tallies))
    }

    /// Results that are not kept.
    pub fn nowhere() -> Results {
        Results { file: None, build: String::new(), plan: String::new() }
    }

    /// Keeps a tally.
    pub fn keep(&mut self, tally: &Tally) -> Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let line = Line { build: self.build.clone(), plan: self.plan.clone(), tally: tally.clone() };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        Ok(file.write_all(text.as_bytes())?)
    }
}

/// Where results are kept unless told otherwise.
pub fn default_results() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    target.join("crash-matrix").join("results.jsonl")
}
