//! The coordinator: starts the teams, decides which sample comes next, keeps the results.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::control::Job;
use crate::plan::{Crowd, Place, Queue, Rival, rivals};
use crate::sample::Sample;
use crate::team::Team;

/// Messages of a producer in a cell's very first sample.
const FIRST_COUNT: u64 = 512;

/// Producers stop after so long, even if a queue suddenly got slower.
const LIMIT: Duration = Duration::from_millis(60);

/// What is run.
#[derive(Debug)]
pub struct Agenda {
    /// Payload sizes, bytes.
    pub sizes: Vec<usize>,
    /// The teams.
    pub crowds: Vec<Crowd>,
    /// Which queues; none: all.
    pub queues: Vec<Queue>,
    /// How long to run.
    pub budget: Duration,
    /// Rounds between two process starts.
    pub rounds_per_start: usize,
    /// Length that a sample aims for.
    pub sample: Duration,
    /// The most pauses between two looks at a full or empty queue.
    pub pauses: u32,
    /// The cores.
    pub cores: [usize; 2],
}

/// A cell: team, size, rival.
type Cell = (Crowd, usize, Rival);

/// A run under way.
struct Run<'a> {
    /// What is to be done.
    agenda: &'a Agenda,
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
pub fn run(agenda: &Agenda, raw: Option<File>) -> Result<Vec<Sample>> {
    let raw = raw.map(BufWriter::new);
    let (counts, samples, began) = (HashMap::new(), Vec::new(), Instant::now());
    let mut run = Run { agenda, counts, samples, raw, began, round: 0 };
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

    /// One process start: fresh teams, warm-up, some rounds.
    fn start(&mut self, start: usize) -> Result<()> {
        let mut teams = Vec::new();
        for &crowd in &self.agenda.crowds {
            let wanted = rivals(crowd, &self.agenda.queues);
            for place in [Place::Processes, Place::Threads] {
                if wanted.iter().any(|rival| rival.place == place) {
                    teams.push(Team::start(crowd, place, self.agenda)?);
                }
            }
        }
        for cell in self.groups().into_iter().flatten() {
            self.warm_up(&mut teams, cell)?;
        }
        for _ in 0..self.agenda.rounds_per_start {
            if self.is_over() {
                break;
            }
            for mut group in self.groups() {
                let turn = self.round % group.len().max(1);
                group.rotate_left(turn);
                for cell in group {
                    self.sample(&mut teams, start, cell)?;
                }
            }
            self.round += 1;
        }
        Ok(())
    }

    /// All cells, rivals together.
    fn groups(&self) -> Vec<Vec<Cell>> {
        let mut groups = Vec::new();
        for &crowd in &self.agenda.crowds {
            for &size in &self.agenda.sizes {
                let rivals = rivals(crowd, &self.agenda.queues).into_iter();
                groups.push(rivals.map(|rival| (crowd, size, rival)).collect());
            }
        }
        groups
    }

    /// Runs a cell uncounted: the first time until its samples have about the right length, later once.
    fn warm_up(&mut self, teams: &mut [Team], cell: Cell) -> Result<()> {
        if let Some(&count) = self.counts.get(&cell) {
            self.take(teams, (0, cell), count.div_ceil(4), false)?;
            return Ok(());
        }
        let mut count = FIRST_COUNT;
        loop {
            let wall = self.take(teams, (0, cell), count, false)?.wall;
            let next = scaled(count, wall, self.agenda.sample, 16.0);
            self.counts.insert(cell, next);
            if Duration::from_nanos(wall) >= self.agenda.sample / 4 || next <= count {
                return Ok(());
            }
            count = next;
        }
    }

    /// Takes a sample that counts.
    fn sample(&mut self, teams: &mut [Team], start: usize, cell: Cell) -> Result<()> {
        let count = self.counts.get(&cell).copied().unwrap_or(FIRST_COUNT);
        let sample = self.take(teams, (start, cell), count, true)?;
        self.counts.insert(cell, scaled(count, sample.wall, self.agenda.sample, 2.0));
        if let Some(raw) = &mut self.raw {
            serde_json::to_writer(&mut *raw, &sample)?;
            raw.write_all(b"\n").context("cannot write the raw samples")?;
        }
        self.samples.push(sample);
        Ok(())
    }

    /// Has a team take one sample.
    fn take(
        &self,
        teams: &mut [Team],
        (start, cell): (usize, Cell),
        count: u64,
        probe: bool,
    ) -> Result<Sample> {
        let (crowd, size, rival) = cell;
        let limit = LIMIT.as_nanos() as u64;
        let job = Job { id: 0, queue: rival.queue, size, count, limit };
        let mut sample = || {
            let team = teams.iter_mut().find(|team| team.crowd == crowd && team.place == rival.place);
            let team = team.context("no such team")?;
            let before = if probe { team.probe()? } else { 0.0 };
            let outcomes = team.run(job)?;
            let after = if probe { team.probe()? } else { 0.0 };
            Sample::new((start, self.round), (crowd, rival), job, [before, after], &outcomes)
        };
        sample()
            .with_context(|| format!("sample failed: {rival}, {crowd}, {size} bytes, {count} messages each"))
    }
}

/// The count for a sample of `target` when `count` took `wall` nanoseconds: at most `growth` times more, at most 4
/// times less.
fn scaled(count: u64, wall: u64, target: Duration, growth: f64) -> u64 {
    let factor = (target.as_nanos() as f64 / wall.max(1) as f64).clamp(0.25, growth);
    ((count as f64 * factor) as u64).max(FIRST_COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_the_time_a_sample_took() {
        let target = Duration::from_millis(10);
        assert_eq!(scaled(10_000, 5_000_000, target, 16.0), 20_000);
        assert_eq!(scaled(10_000, 1_000, target, 16.0), 160_000);
        assert_eq!(scaled(10_000, 1_000_000_000, target, 16.0), 2_500);
        assert_eq!(scaled(600, 1_000_000_000, target, 16.0), FIRST_COUNT);
    }
}
