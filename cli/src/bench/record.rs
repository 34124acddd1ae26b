//! The raw file of a run: one JSON object a line, the run first, then every sample as it was taken.
//!
//! Each line goes out in one write, so an interrupted run keeps its samples; a last line that was cut off is left
//! out when the file is read. A run that came to its end says so on the last line.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::report::Conditions;
use super::sample::Sample;
use super::studies::{CrowdSample, GrowthSample, IdleSample, LoadSample, Study};

/// Version of the records; raised when a field changes its meaning or goes away.
pub const FORMAT: u32 = 1;

/// One line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// The first line
    Run(Box<Run>),
    /// A sample of a pair of processes
    Pair(Box<Sample>),
    /// A sample of several producers or consumers
    Crowd(CrowdSample),
    /// A sample at a steady rate
    Load(LoadSample),
    /// What those who wait cost
    Idle(IdleSample),
    /// A sample of many or of large rings
    Growth(GrowthSample),
    /// The last line of a run that was not interrupted
    End(End),
}

/// The kinds of records, as they are written.
const KINDS: [&str; 7] = ["run", "pair", "crowd", "load", "idle", "growth", "end"];

/// Where, when and how the samples were taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// [`FORMAT`] of the file.
    pub format: u32,
    /// Version of the ringway that measured.
    pub version: String,
    /// When it began, seconds since 1970.
    pub date: u64,
    /// Where.
    pub machine: Machine,
    /// How.
    pub conditions: Conditions,
}

/// How the run ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct End {
    /// Seconds it took.
    pub seconds: f64,
}

impl From<Study> for Record {
    fn from(study: Study) -> Self {
        match study {
            Study::Crowd(sample) => Self::Crowd(sample),
            Study::Load(sample) => Self::Load(sample),
            Study::Idle(sample) => Self::Idle(sample),
            Study::Growth(sample) => Self::Growth(sample),
        }
    }
}

/// Everything a run recorded.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Where, when and how.
    pub run: Run,
    /// Pairs of processes.
    pub pairs: Vec<Sample>,
    /// The studies.
    pub studies: Vec<Study>,
    /// How the run ended; `None` if it was interrupted.
    pub end: Option<End>,
}

impl Recording {
    /// A run without samples yet.
    pub fn new(run: Run) -> Self {
        Self { run, pairs: Vec::new(), studies: Vec::new(), end: None }
    }

    /// Adds a record to those of this run.
    fn add(&mut self, record: Record) -> Result<()> {
        ensure!(self.end.is_none(), "expected nothing after the `end` record");
        match record {
            Record::Run(_) => bail!("a second `run` record; a file holds one run"),
            Record::Pair(sample) => self.pairs.push(*sample),
            Record::Crowd(sample) => self.studies.push(Study::Crowd(sample)),
            Record::Load(sample) => self.studies.push(Study::Load(sample)),
            Record::Idle(sample) => self.studies.push(Study::Idle(sample)),
            Record::Growth(sample) => self.studies.push(Study::Growth(sample)),
            Record::End(end) => self.end = Some(end),
        }
        Ok(())
    }
}

/// Keeps the records of a run under way, and writes each to its file.
#[derive(Debug)]
pub struct Recorder {
    /// What was recorded.
    recording: Recording,
    /// Where the lines go, if they are to be kept.
    file: Option<File>,
}

impl Recorder {
    /// Begins a run.
    pub fn begin(run: Run, file: Option<File>) -> Result<Self> {
        let mut recorder = Self { recording: Recording::new(run.clone()), file };
        recorder.write(&Record::Run(Box::new(run)))?;
        Ok(recorder)
    }

    /// Records what was measured.
    pub fn take(&mut self, record: Record) -> Result<()> {
        self.write(&record)?;
        self.recording.add(record)
    }

    /// Ends the run.
    pub fn end(mut self, seconds: f64) -> Result<Recording> {
        self.take(Record::End(End { seconds }))?;
        Ok(self.recording)
    }

    /// Writes one line at once.
    fn write(&mut self, record: &Record) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        file.write_all(&line).context("cannot write the raw samples")
    }
}

/// Reads the raw file of a run.
pub fn read(path: &Path) -> Result<Recording> {
    let name = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let text = std::str::from_utf8(&bytes).with_context(|| format!("{name} is not a text file"))?;
    parse(text).with_context(|| name.to_string())
}

/// Takes the lines of a file apart.
fn parse(text: &str) -> Result<Recording> {
    // What follows the last line's end was cut off.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut lines = whole.split('\n').enumerate();
    let first = lines.next().map_or("", |(_, line)| line);
    let mut recording = Recording::new(parse_run(first).context("line 1")?);
    for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        parse_record(line)
            .and_then(|record| recording.add(record))
            .with_context(|| format!("line {}", index + 1))?;
    }
    Ok(recording)
}

/// What is looked at before a line is taken apart.
#[derive(Deserialize)]
struct Head {
    /// The kind of the record.
    record: String,
    /// Version of the records that follow, in the first one.
    format: Option<u32>,
    /// Version of the ringway that measured, likewise.
    version: Option<String>,
}

/// Takes the first line apart.
fn parse_run(line: &str) -> Result<Run> {
    const EXPECTED: &str = "expected the `run` record with which `ringway bench --raw` begins a file";
    let Ok(head) = serde_json::from_str::<Head>(line) else { bail!(EXPECTED) };
    ensure!(head.record == "run", "{EXPECTED}, found `{}`", head.record);
    let found = head.format.with_context(|| format!("{EXPECTED}, found one without `format`"))?;
    if found != FORMAT {
        let age = if found > FORMAT { "a newer" } else { "an older" };
        bail!(
            "written in format {found} by {age} ringway ({}); this one ({}) reads format {FORMAT}: \
             read it with the ringway that wrote it, or measure anew",
            head.version.as_deref().unwrap_or("of unknown version"),
            env!("CARGO_PKG_VERSION")
        );
    }
    match parse_record(line)? {
        Record::Run(run) => Ok(*run),
        _ => bail!(EXPECTED),
    }
}

/// Takes a line apart.
fn parse_record(line: &str) -> Result<Record> {
    let head: Head = serde_json::from_str(line).context("expected a JSON object with a `record`")?;
    ensure!(
        KINDS.contains(&head.record.as_str()),
        "expected a record of the kind {}, found `{}`",
        KINDS.join(", "),
        head.record
    );
    serde_json::from_str(line).with_context(|| format!("expected a whole `{}` record", head.record))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../tests/data/bench-sample.jsonl");

    /// The lines of the committed file.
    fn lines() -> Vec<&'static str> {
        SAMPLE.lines().collect()
    }

    /// Why these lines are refused, causes and all.
    fn refusal(lines: &[&str]) -> String {
        format!("{:#}", parse(&format!("{}\n", lines.join("\n"))).unwrap_err())
    }

    #[test]
    fn every_kind_is_read_and_written_alike() {
        let mut kinds = Vec::new();
        for line in lines() {
            let record = parse_record(line).unwrap();
            let again = serde_json::to_string(&record).unwrap();
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(value(&again), value(line));
            kinds.push(value(line)["record"].as_str().unwrap().to_owned());
        }
        for kind in KINDS {
            assert!(kinds.iter().any(|found| found == kind), "the sample has no `{kind}`");
        }
    }

    #[test]
    fn an_interrupted_file_keeps_its_whole_lines() {
        let whole = parse(SAMPLE).unwrap();
        assert!(whole.end.is_some());
        let end = SAMPLE.trim_end().rfind('\n').unwrap();
        let cut = parse(&SAMPLE[..end + 20]).unwrap();
        let samples = |run: &Recording| (run.pairs.len(), run.studies.len());
        assert_eq!((samples(&cut), cut.end.is_none()), (samples(&whole), true));
    }

    #[test]
    fn a_bad_line_is_named_with_what_was_expected() {
        let lines = lines();
        assert!(refusal(&[]).starts_with("line 1: expected the `run` record"));
        assert!(refusal(&[lines[1]]).contains("found `pair`"));
        assert!(refusal(&[lines[0], "", "{"]).starts_with("line 3: expected a JSON object with a `record`"));
        assert!(
            refusal(&[lines[0], r#"{"record":"tide"}"#])
                .contains("line 2: expected a record of the kind run, pair")
        );
        let short = refusal(&[lines[0], r#"{"record":"end"}"#]);
        assert_eq!(short, "line 2: expected a whole `end` record: missing field `seconds`");
        assert!(refusal(&[lines[0], lines[0]]).contains("line 2: a second `run` record"));
        let end = *lines.last().unwrap();
        assert!(refusal(&[lines[0], end, lines[1]]).contains("line 3: expected nothing after"));
    }

    #[test]
    fn other_formats_say_how_old_they_are() {
        let other =
            |format: u32| refusal(&[&format!(r#"{{"record":"run","format":{format},"version":"9.8.7"}}"#)]);
        assert!(other(0).contains("format 0 by an older ringway (9.8.7)"));
        assert!(other(FORMAT + 1).contains("by a newer ringway (9.8.7)"));
        assert!(refusal(&[r#"{"record":"run"}"#]).contains("found one without `format`"));
    }
}
