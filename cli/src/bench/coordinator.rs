//! The coordinator: starts the pairs, decides which sample comes next, keeps the results.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use super::control::{Job, Outcome, Tuning};
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
    /// The cores of the sender and the receiver, if each has one.
    pub cores: Option<[usize; 2]>,
    /// How the rings' consumers poll.
    pub tune: Tuning,
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

/// The pairs of a start, by their build and the size of their rings.
type Pairs = HashMap<(Build, usize), Pair>;

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
        let mut pairs = self.start_pairs()?;
        for group in 0..self.agenda.groups.len() {
            for (mechanism, build) in self.rivals(group) {
                let pair = self.pair_of(&mut pairs, group, build)?;
                self.warm_up(pair, (group, mechanism, build))?;
            }
        }
        pairs.values().for_each(Pair::unlink_rings);
        let first = self.groups_done;
        while !self.is_over(start, self.groups_done - first) {
            let round = self.groups_done / self.agenda.groups.len();
            let group = self.groups_done % self.agenda.groups.len();
            let mut rivals = self.rivals(group);
            let turn = round % rivals.len();
            rivals.rotate_left(turn);
            for (mechanism, build) in rivals {
                let pair = self.pair_of(&mut pairs, group, build)?;
                self.sample(pair, start, round, (group, mechanism, build))?;
            }
            self.groups_done += 1;
        }
        Ok(())
    }

    /// A pair for each build and size of rings.
    fn start_pairs(&self) -> Result<Pairs> {
        let Agenda { groups, builds, cores, tune, .. } = self.agenda;
        let ring_sizes: BTreeSet<usize> = groups.iter().map(|group| group.ring_bytes).collect();
        let mut pairs = HashMap::new();
        for (build, path) in builds {
            for &ring_bytes in &ring_sizes {
                let conditions = Conditions { cores: *cores, ring_bytes, tune: *tune };
                pairs.insert((*build, ring_bytes), Pair::start(path, &conditions)?);
            }
        }
        Ok(pairs)
    }

    /// The pair that takes the samples of a build in a group.
    fn pair_of<'p>(&self, pairs: &'p mut Pairs, group: usize, build: Build) -> Result<&'p mut Pair> {
        pairs.get_mut(&(build, self.agenda.groups[group].ring_bytes)).context("no such pair")
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

    /// Messages that go once round a ring, after which its memory is in the cache if it fits.
    fn lap(&self, (group, mechanism, _): Entry) -> Option<u64> {
        let Group { pattern, size, ring_bytes, .. } = self.agenda.groups[group];
        let lap = (ring_bytes / (size + 8)) as u64;
        (mechanism.has_a_ring() && !pattern.is_wake()).then_some(lap)
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
        let probe = self.agenda.cores.is_some() && !pattern.shares_core();
        if let Some(lap) = self.lap(entry) {
            self.take(pair, entry, lap.min(count), false)?;
        }
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
    ) -> Result<(Duration, [Outcome; 2])> {
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
