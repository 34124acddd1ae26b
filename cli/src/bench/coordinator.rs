//! The coordinator: starts the pairs, decides which sample comes next, keeps the results.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use super::control::Job;
use super::pair::{Conditions, Pair};
use super::plan::{BATCH, Group, Mechanism, Pattern};
use super::sample::{Build, Key, Sample};

/// Messages of a sample at least where they are bulky; others have a batch at least.
const FEWEST: u64 = 4;

/// Bytes of a sample of bulky messages at least, unless they are [`FEWEST`].
const BULK: usize = 16 << 20;

/// Most messages of a sample: message numbers leave 32 bits for them.
const LARGEST_COUNT: u64 = 1 << 30;

/// A share of the round trips of a sample, one in this many, is timed one by one in addition.
const TIMED_SHARE: u64 = 4;

/// When the run ends.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// After so long in all.
    Time(Duration),
    /// After so many rounds of each start.
    Rounds(usize),
}

/// What is run.
#[derive(Debug)]
pub struct Agenda {
    /// The rivals.
    pub groups: Vec<Group>,
    /// The builds: this one first.
    pub builds: Vec<(Build, PathBuf)>,
    /// What pairs are started with.
    pub conditions: Conditions,
    /// Process starts.
    pub starts: usize,
    /// When to end.
    pub limit: Limit,
    /// Length that a sample aims for.
    pub sample: Duration,
    /// How long a side rests before it wakes the other one on another core.
    pub rest: Duration,
}

/// A cell of one build.
type Entry = (usize, Mechanism, Build);

/// A run under way.
pub struct Run<'a> {
    /// What is to be done.
    agenda: &'a Agenda,
    /// Messages of the next sample of each cell.
    counts: HashMap<Entry, u64>,
    /// Where samples go.
    record: &'a mut dyn FnMut(Sample) -> Result<()>,
    /// What a person sees meanwhile.
    bar: ProgressBar,
    /// When it began.
    began: Instant,
    /// Groups done in all starts; a round is one pass over all groups.
    groups_done: usize,
}

/// Runs the agenda and passes every sample on.
pub fn run(agenda: &Agenda, record: &mut dyn FnMut(Sample) -> Result<()>) -> Result<()> {
    let bar = ProgressBar::new(1000);
    bar.set_style(ProgressStyle::with_template("{bar:32} {percent:>3}% {elapsed} {msg}")?);
    let mut run = Run { agenda, counts: HashMap::new(), record, bar, began: Instant::now(), groups_done: 0 };
    for start in 0..agenda.starts {
        if start > 0 && matches!(agenda.limit, Limit::Time(budget) if run.began.elapsed() >= budget) {
            break;
        }
        run.start(start)?;
    }
    run.bar.finish_and_clear();
    Ok(())
}

impl Run<'_> {
    /// One process start: fresh pairs, warm-up, then samples until this start's share is used up.
    fn start(&mut self, start: usize) -> Result<()> {
        self.bar.set_message(format!("start {}: warm-up", start + 1));
        let mut pairs = Vec::new();
        for (build, path) in &self.agenda.builds {
            pairs.push((*build, Pair::start(path, &self.agenda.conditions)?));
        }
        for group in 0..self.agenda.groups.len() {
            for (mechanism, build) in self.rivals(group) {
                let pair = pair_of(&mut pairs, build)?;
                self.warm_up(pair, (group, mechanism, build))?;
            }
        }
        pairs.iter().for_each(|(_, pair)| pair.unlink_rings());
        let first = self.groups_done;
        while !self.is_over(start, self.groups_done - first) {
            let round = self.groups_done / self.agenda.groups.len();
            let group = self.groups_done % self.agenda.groups.len();
            let mut rivals = self.rivals(group);
            let turn = round % rivals.len();
            rivals.rotate_left(turn);
            for (mechanism, build) in rivals {
                let pair = pair_of(&mut pairs, build)?;
                self.sample(pair, start, round, (group, mechanism, build))?;
            }
            self.groups_done += 1;
        }
        Ok(())
    }

    /// Whether a start that has done `groups` groups has used up its share.
    fn is_over(&self, start: usize, groups: usize) -> bool {
        let all = self.agenda.groups.len();
        let (done, over) = match self.agenda.limit {
            Limit::Rounds(rounds) => {
                let total = (rounds * all * self.agenda.starts).max(1);
                (self.groups_done as f64 / total as f64, groups >= rounds * all)
            }
            Limit::Time(budget) => {
                let share = budget.mul_f64((start + 1) as f64 / self.agenda.starts as f64);
                let elapsed = self.began.elapsed();
                (elapsed.as_secs_f64() / budget.as_secs_f64().max(1e-9), elapsed >= share)
            }
        };
        self.bar.set_position((done * 1000.0) as u64);
        over
    }

    /// Who is measured in a group: its mechanisms, and those that are the ring's in the other build too.
    fn rivals(&self, group: usize) -> Vec<(Mechanism, Build)> {
        let builds = |mechanism: Mechanism| {
            let builds = self.agenda.builds.iter().map(|(build, _)| *build);
            builds
                .filter(move |build| *build == Build::This || mechanism.is_ring())
                .map(move |build| (mechanism, build))
        };
        self.agenda.groups[group].mechanisms.iter().flat_map(|&mechanism| builds(mechanism)).collect()
    }

    /// Runs a cell uncounted: the first time until its samples have about the right length, later once.
    fn warm_up(&mut self, pair: &mut Pair, entry: Entry) -> Result<()> {
        if self.counts.contains_key(&entry) {
            let count = self.counts[&entry].div_ceil(4);
            self.take(pair, entry, count, false)?;
            return Ok(());
        }
        let fewest = self.fewest(entry);
        let mut count = 2 * fewest;
        loop {
            let wall = self.take(pair, entry, count, false)?.0;
            let next = scaled(count, wall, self.aim(entry), 16.0).max(fewest);
            self.counts.insert(entry, next);
            if wall >= self.aim(entry) / 4 || next == count {
                return Ok(());
            }
            count = next;
        }
    }

    /// Messages that a sample of a cell has at least.
    fn fewest(&self, (group, ..): Entry) -> u64 {
        let Group { pattern, size, .. } = self.agenda.groups[group];
        if pattern == Pattern::Batch { BATCH } else { ((BULK / size) as u64).clamp(FEWEST, BATCH) }
    }

    /// The length that samples of a cell aim for.
    fn aim(&self, (group, ..): Entry) -> Duration {
        self.agenda.groups[group].pattern.stretch(self.agenda.sample)
    }

    /// Takes a sample that counts.
    fn sample(&mut self, pair: &mut Pair, start: usize, round: usize, entry: Entry) -> Result<()> {
        let (group, mechanism, build) = entry;
        let Group { pattern, size, .. } = self.agenda.groups[group];
        self.bar.set_message(format!(
            "start {}: {} {size} B, {}",
            start + 1,
            pattern.label(),
            mechanism.label()
        ));
        let count = self.counts.get(&entry).copied().unwrap_or(BATCH);
        let probe = self.agenda.conditions.cores.is_some() && !pattern.shares_core();
        let (wall, outcomes) = self.take(pair, entry, count, probe)?;
        self.counts.insert(entry, scaled(count, wall, self.aim(entry), 2.0).max(self.fewest(entry)));
        (self.record)(Sample::new(Key { start, round, build, mechanism, pattern, size }, count, outcomes))
    }

    /// Has a pair take one sample: how long it took, and what both sides measured.
    fn take(
        &self,
        pair: &mut Pair,
        entry: Entry,
        count: u64,
        probe: bool,
    ) -> Result<(Duration, [super::control::Outcome; 2])> {
        let (group, mechanism, build) = entry;
        let Group { pattern, size, .. } = self.agenda.groups[group];
        let timed = if pattern == Pattern::RoundTrip { count.div_ceil(TIMED_SHARE) } else { 0 };
        let rest = if pattern == Pattern::Wake { self.agenda.rest.as_nanos() as u64 } else { 0 };
        let outcomes = pair
            .run(Job { id: 0, mechanism, pattern, size, count, timed, rest, probe })
            .with_context(|| {
                let whose = if build == Build::Other { " of the other build" } else { "" };
                format!(
                    "sample failed: {}{whose}, {}, {size} bytes, {count} messages",
                    mechanism.label(),
                    pattern.label()
                )
            })?;
        let end = outcomes[0].end.max(outcomes[1].end);
        Ok((Duration::from_nanos(end.saturating_sub(outcomes[0].start)), outcomes))
    }
}

/// The pair of a build.
fn pair_of(pairs: &mut [(Build, Pair)], build: Build) -> Result<&mut Pair> {
    let found = pairs.iter_mut().find(|(of, _)| *of == build);
    found.map(|(_, pair)| pair).context("no pair of that build")
}

/// The count for a sample of `target` when `count` took `wall`: at most `growth` times more, at most 4 times
/// less, and at least one.
fn scaled(count: u64, wall: Duration, target: Duration, growth: f64) -> u64 {
    let factor = (target.as_secs_f64() / wall.as_secs_f64().max(1e-9)).clamp(0.25, growth);
    ((count as f64 * factor) as u64).clamp(1, LARGEST_COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_the_time_a_sample_took() {
        let target = Duration::from_millis(10);
        assert_eq!(scaled(1000, Duration::from_millis(5), target, 16.0), 2000);
        assert_eq!(scaled(1000, Duration::from_micros(1), target, 16.0), 16_000);
        assert_eq!(scaled(1000, Duration::from_secs(1), target, 16.0), 250);
        assert_eq!(scaled(1, Duration::from_secs(1), target, 16.0), 1);
    }
}
