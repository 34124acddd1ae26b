//! The coordinator: starts the pairs, decides which sample comes next, keeps the results.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::control::{Job, Outcome};
use super::field::Field;
use super::pair::Pair;
use super::plan::{BATCH, Group, Pattern, lap};
use super::sample::{Key, Sample};
use super::stop::Stop;
use crate::plan::Place;

/// Messages of a cell's very first sample.
const FIRST_COUNT: u64 = 64;

/// Most messages of a sample: messages' numbers leave 32 bits for them.
const LARGEST_COUNT: u64 = 1 << 30;

/// What is run.
#[derive(Debug)]
pub struct Agenda {
    /// Who is measured with what.
    pub groups: Vec<Group>,
    /// How long to run.
    pub budget: Duration,
    /// Rounds between two process starts.
    pub rounds_per_start: usize,
    /// Length that a sample aims for.
    pub sample: Duration,
    /// The most pauses between two looks of a stream's side.
    pub pauses: u32,
    /// The cores.
    pub cores: [usize; 2],
}

/// A cell: the pattern, the size, and the rival's number.
type Cell = (Pattern, usize, usize);

/// A run under way.
struct Run<'a> {
    /// What is to be done.
    agenda: &'a Agenda,
    /// Everybody.
    field: &'a Field,
    /// Whether to go on.
    stop: &'a Stop,
    /// Messages of the next sample of each cell.
    counts: HashMap<Cell, u64>,
    /// What was measured.
    samples: Vec<Sample>,
    /// Where raw samples go.
    raw: Option<BufWriter<File>>,
    /// When it began.
    began: Instant,
    /// Rounds done.
    round: usize,
}

/// Runs the agenda: every sample taken.
pub fn run(agenda: &Agenda, field: &Field, stop: &Stop, raw: Option<File>) -> Result<Vec<Sample>> {
    let raw = raw.map(BufWriter::new);
    let (counts, samples, began) = (HashMap::new(), Vec::new(), Instant::now());
    let mut run = Run { agenda, field, stop, counts, samples, raw, began, round: 0 };
    let mut start = 0;
    while !run.is_over() {
        run.start(start)?;
        start += 1;
    }
    if let Some(raw) = &mut run.raw {
        raw.flush().context("cannot write the raw samples")?;
    }
    Ok(run.samples)
}

impl Run<'_> {
    /// Is the time up, after a round at least?
    fn is_over(&self) -> bool {
        self.round > 0 && self.began.elapsed() >= self.agenda.budget
    }

    /// One process start: fresh pairs, warm-up, some rounds.
    fn start(&mut self, start: usize) -> Result<()> {
        let mut pairs = Vec::new();
        for place in [Place::Processes, Place::Threads] {
            let mut rivals = self.agenda.groups.iter().flat_map(|group| &group.rivals);
            if rivals.any(|&rival| self.field.get(rival).place() == place) {
                pairs.push(Pair::start(place, self.agenda.cores, self.field)?);
            }
        }
        for cell in self.groups().into_iter().flatten() {
            self.warm_up(&mut pairs, cell)?;
        }
        for _ in 0..self.agenda.rounds_per_start {
            if self.is_over() {
                break;
            }
            for mut group in self.groups() {
                let turn = self.round % group.len();
                group.rotate_left(turn);
                for cell in group {
                    self.sample(&mut pairs, start, cell)?;
                }
            }
            self.round += 1;
        }
        Ok(())
    }

    /// All cells, rivals together.
    fn groups(&self) -> Vec<Vec<Cell>> {
        let cells =
            |group: &Group| group.rivals.iter().map(|&rival| (group.pattern, group.size, rival)).collect();
        self.agenda.groups.iter().map(cells).collect()
    }

    /// Runs a cell uncounted: the first time until its samples have about the right length, later once.
    fn warm_up(&mut self, pairs: &mut [Pair<'_>], cell: Cell) -> Result<()> {
        if let Some(&count) = self.counts.get(&cell) {
            self.take(pairs, cell, count.div_ceil(4), false)?;
            return Ok(());
        }
        let mut count = FIRST_COUNT;
        loop {
            let [sender, receiver] = self.take(pairs, cell, count, false)?;
            let wall = Duration::from_nanos(sender.end.max(receiver.end).saturating_sub(sender.start));
            let next = scaled(count, wall, self.agenda.sample, 16.0);
            self.counts.insert(cell, next);
            if wall >= self.agenda.sample / 4 || next <= count {
                return Ok(());
            }
            count = next;
        }
    }

    /// Takes a sample that counts.
    fn sample(&mut self, pairs: &mut [Pair<'_>], start: usize, cell: Cell) -> Result<()> {
        let (pattern, size, rival) = cell;
        let count = self.counts.get(&cell).copied().unwrap_or(FIRST_COUNT);
        // Memory that has left the cache since the last sample would be measured instead of the queue.
        self.take(pairs, cell, lap(size).clamp(BATCH, count.max(BATCH)), false)?;
        let outcomes = self.take(pairs, cell, count, true)?;
        let key = Key { start, round: self.round, pattern, size };
        let sample = Sample::new(key, (rival, self.field.get(rival)), count, outcomes);
        let wall = Duration::from_nanos(sample.wall);
        self.counts.insert(cell, scaled(count, wall, self.agenda.sample, 2.0));
        if let Some(raw) = &mut self.raw {
            serde_json::to_writer(&mut *raw, &sample)?;
            raw.write_all(b"\n").context("cannot write the raw samples")?;
        }
        self.samples.push(sample);
        Ok(())
    }

    /// Has a pair take one sample.
    fn take(&self, pairs: &mut [Pair<'_>], cell: Cell, count: u64, probe: bool) -> Result<[Outcome; 2]> {
        self.stop.check()?;
        let (pattern, size, number) = cell;
        let rival = self.field.get(number);
        let pauses = if pattern == Pattern::RoundTrip { 1 } else { self.agenda.pauses };
        let job = Job { id: 0, rival: number, pattern, size, count, pauses, probe };
        let mut take = || {
            let pair = pairs.iter_mut().find(|pair| pair.place == rival.place()).context("no such pair")?;
            pair.open(number, size)?;
            pair.run(job)
        };
        take().with_context(|| {
            format!("sample failed: {rival}, {}, {size} bytes, {count} messages", pattern.label())
        })
    }
}

/// The count for a sample of `target` when `count` took `wall`: at most `growth` times more, at most 8 times less.
fn scaled(count: u64, wall: Duration, target: Duration, growth: f64) -> u64 {
    let factor = (target.as_secs_f64() / wall.as_secs_f64().max(1e-9)).clamp(0.125, growth);
    ((count as f64 * factor) as u64).clamp(BATCH, LARGEST_COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_the_time_a_sample_took() {
        let target = Duration::from_millis(10);
        assert_eq!(scaled(1000, Duration::from_millis(5), target, 16.0), 2000);
        assert_eq!(scaled(1000, Duration::from_micros(1), target, 16.0), 16_000);
        assert_eq!(scaled(1000, Duration::from_secs(1), target, 16.0), 125);
        assert_eq!(scaled(32, Duration::from_secs(1), target, 16.0), BATCH);
    }
}
