//! The figures of a run: samples summed up per regime and cell.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::compare::Comparison;
use super::control::Tuning;
use super::lacking::LeftOut;
use super::machine::Machine;
use super::plan::{Mechanism, Pattern, Preset};
use super::record::Recording;
use super::sample::{Build, Flaw, Key, Latency, Regime, Sample, Spread, ratio, sleeps};
use super::studies::Study;

/// How the run was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// What was measured of that which was not asked for by name.
    pub preset: Preset,
    /// Capacity of every ring and of the yardsticks' areas, bytes, but for those that must be larger to hold four messages.
    pub ring_bytes: usize,
    /// How the rings' consumers poll.
    pub tune: Tuning,
    /// Process starts.
    pub starts: usize,
    /// Length that a sample aims for, seconds.
    pub sample_seconds: f64,
    /// How long a side rests before it wakes the other one on another core, seconds.
    pub rest_seconds: f64,
    /// Mechanisms that were asked for and that this system does not have.
    pub left_out: Vec<LeftOut>,
    /// What was run before and not counted.
    pub warm_up: String,
    /// The build compared with.
    pub against: Option<String>,
}

impl Conditions {
    /// What differs between two runs, but for how long they took: what it is about, here and there.
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, String, String)> {
        let facts = |conditions: &Self| {
            [
                ("ring size", conditions.ring_bytes.to_string()),
                ("tuning", format!("{:?}", conditions.tune).to_lowercase()),
                ("sample length", format!("{} s", conditions.sample_seconds)),
                ("rest before a wake-up", format!("{} s", conditions.rest_seconds)),
            ]
        };
        let pairs = facts(self).into_iter().zip(facts(other));
        pairs.filter(|(a, b)| a.1 != b.1).map(|((about, here), (_, there))| (about, here, there)).collect()
    }
}

/// Everything a run found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// How.
    pub conditions: Conditions,
    /// Samples taken.
    pub samples: usize,
    /// Of these, not counted.
    pub dropped: Dropped,
    /// Version of the ringway that measured.
    pub version: String,
    /// When the run began, seconds since 1970.
    pub date: u64,
    /// Seconds the run took; `None` if it was interrupted.
    pub seconds: Option<f64>,
    /// Probe results per regime, nanoseconds per round trip.
    pub probes: BTreeMap<Regime, Spread>,
    /// The figures.
    pub cells: Vec<Cell>,
    /// What has no figures, or fewer, since messages that were to wake their receivers found them awake.
    pub awake: Vec<Awake>,
    /// The samples of the studies.
    pub studies: Vec<Study>,
    /// What changed since another run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

impl Report {
    /// Sums a run up.
    pub fn of(recording: &Recording) -> Result<Self> {
        let (run, pairs) = (&recording.run, &recording.pairs);
        Ok(Self {
            machine: run.machine.clone(),
            conditions: run.conditions.clone(),
            samples: pairs.len(),
            dropped: Dropped::count(pairs),
            version: run.version.clone(),
            date: run.date,
            seconds: recording.end.map(|end| end.seconds),
            probes: probes(pairs),
            cells: cells(pairs)?,
            awake: awake(pairs),
            studies: recording.studies.clone(),
            comparison: None,
        })
    }
}

/// Samples that do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// The probes before and after disagreed.
    pub probes_disagree: usize,
    /// A side that spins, or both sides that share a core, were off it for more than a tenth of the time.
    pub core_lost: usize,
    /// Messages that were to wake their receivers found them awake.
    pub awake: usize,
}

impl Dropped {
    /// Counts among `samples`.
    pub fn count(samples: &[Sample]) -> Self {
        let count = |flaw| samples.iter().filter(|sample| sample.verdict == Err(flaw)).count();
        Self {
            probes_disagree: count(Flaw::ProbesDisagree),
            core_lost: count(Flaw::CoreLost),
            awake: count(Flaw::Awake),
        }
    }
}

/// The samples of one mechanism, pattern and size in which the sides did not sleep.
#[derive(Debug, Serialize)]
pub struct Awake {
    /// How the messages followed one another.
    pub pattern: Pattern,
    /// What carried them.
    pub mechanism: Mechanism,
    /// Whose roles took the samples.
    pub build: Build,
    /// Payload bytes.
    pub size: usize,
    /// How many of these samples there are.
    pub samples: usize,
    /// Sleeps per message in them.
    pub sleeps: f64,
}

/// The figures of one mechanism, pattern and size in one regime.
#[derive(Debug, Serialize)]
pub struct Cell {
    /// The regime.
    pub regime: Regime,
    /// How the messages followed one another.
    pub pattern: Pattern,
    /// What carried them.
    pub mechanism: Mechanism,
    /// Whose roles took the samples.
    pub build: Build,
    /// Payload bytes.
    pub size: usize,
    /// Nanoseconds per message or round trip.
    pub ns: Spread,
    /// Messages or round trips per second, in the median.
    pub per_second: f64,
    /// Payload bytes per second one way, in the median.
    pub bytes_per_second: f64,
    /// Ratio to T in the same round.
    pub to_t: Option<Spread>,
    /// Ratio to the pattern's floor in the same round; of wake-ups the ratio of medians.
    pub to_floor: Option<Spread>,
    /// Ratio to the build compared with in the same round.
    pub to_other: Option<Spread>,
    /// Percentiles of single round trips.
    pub latency: Option<Latency>,
    /// Sleeps of both sides per message: voluntary context switches.
    pub sleeps: f64,
    /// CPU seconds of all samples.
    pub cpu: Cpu,
}

/// CPU time beside the time that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// CPU seconds of the sender.
    pub sender: f64,
    /// CPU seconds of the receiver.
    pub receiver: f64,
    /// Seconds that passed.
    pub wall: f64,
}

impl Cpu {
    /// The sum of `parts`.
    pub fn sum(parts: impl Iterator<Item = Self>) -> Self {
        parts.fold(Self::default(), |sum, part| Self {
            sender: sum.sender + part.sender,
            receiver: sum.receiver + part.receiver,
            wall: sum.wall + part.wall,
        })
    }

    /// The times of one sample.
    fn of(sample: &Sample) -> Self {
        let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
        Self { sender: seconds(sample.cpu[0]), receiver: seconds(sample.cpu[1]), wall: seconds(sample.wall) }
    }
}

/// Where a cell stands: tables follow this order.
type Place = (Regime, Pattern, Mechanism, Build, usize);

/// Sums `samples` up.
pub fn cells(samples: &[Sample]) -> Result<Vec<Cell>> {
    let mut places: BTreeMap<Place, Vec<&Sample>> = BTreeMap::new();
    let mut by_key: HashMap<(Key, Regime), f64> = HashMap::new();
    for sample in samples {
        if let Ok(regime) = sample.verdict {
            let Key { pattern, mechanism, build, size, .. } = sample.key;
            places.entry((regime, pattern, mechanism, build, size)).or_default().push(sample);
            by_key.insert((sample.key, regime), sample.compared());
        }
    }
    places.into_iter().filter_map(|(place, samples)| cell(place, &samples, &by_key).transpose()).collect()
}

/// Sums up the samples of one cell.
fn cell(place: Place, samples: &[&Sample], by_key: &HashMap<(Key, Regime), f64>) -> Result<Option<Cell>> {
    let (regime, pattern, mechanism, build, size) = place;
    let Some(ns) = Spread::of(samples.iter().map(|sample| sample.ns).collect()) else { return Ok(None) };
    let to = |build: Build, mechanism: Mechanism| {
        let ratios = samples.iter().filter_map(|sample| {
            let reference = by_key.get(&(Key { build, mechanism, ..sample.key }, regime))?;
            Some(ratio(pattern, sample.compared(), *reference))
        });
        Spread::of(ratios.collect())
    };
    Ok(Some(Cell {
        regime,
        pattern,
        mechanism,
        build,
        size,
        ns,
        per_second: 1e9 / ns.median,
        bytes_per_second: size as f64 * 1e9 / ns.median,
        to_t: to(Build::This, Mechanism::T).filter(|_| mechanism != Mechanism::T),
        to_floor: to(Build::This, pattern.floor()).filter(|_| mechanism != pattern.floor()),
        to_other: to(Build::Other, mechanism).filter(|_| build == Build::This),
        latency: Latency::of(samples.iter().copied())?,
        sleeps: mean_sleeps(pattern, samples),
        cpu: Cpu::sum(samples.iter().map(|sample| Cpu::of(sample))),
    }))
}

/// Sleeps per message in all `samples` of a pattern.
fn mean_sleeps(pattern: Pattern, samples: &[&Sample]) -> f64 {
    let slept = [0, 1].map(|side| samples.iter().map(|sample| sample.slept[side]).sum());
    sleeps(pattern, samples.iter().map(|sample| sample.count).sum(), slept)
}

/// What did not count since the sides did not sleep.
pub fn awake(samples: &[Sample]) -> Vec<Awake> {
    let mut places: BTreeMap<(Pattern, Mechanism, Build, usize), Vec<&Sample>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.verdict == Err(Flaw::Awake)) {
        let Key { pattern, mechanism, build, size, .. } = sample.key;
        places.entry((pattern, mechanism, build, size)).or_default().push(sample);
    }
    let sum_up = |((pattern, mechanism, build, size), samples): (_, Vec<&Sample>)| {
        let sleeps = mean_sleeps(pattern, &samples);
        Awake { pattern, mechanism, build, size, samples: samples.len(), sleeps }
    };
    places.into_iter().map(sum_up).collect()
}

/// Probe results per regime.
pub fn probes(samples: &[Sample]) -> BTreeMap<Regime, Spread> {
    let of = |regime: Regime| {
        let inside = samples.iter().filter(move |sample| sample.verdict == Ok(regime));
        Spread::of(inside.flat_map(|sample| sample.probe).collect())
    };
    Regime::ALL.into_iter().filter_map(|regime| Some((regime, of(regime)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::control::Outcome;

    fn sample(round: usize, mechanism: Mechanism, build: Build, probe: f64, ns: u64) -> Sample {
        let key = Key { start: 0, round, build, mechanism, pattern: Pattern::Single, size: 8 };
        let sender = Outcome { probe: [probe; 2], ..Outcome::default() };
        Sample::new(key, 10, [sender, Outcome { end: ns * 10, cpu: 1_000_000_000, ..Outcome::default() }])
    }

    #[test]
    fn ratios_are_taken_within_a_round_and_regime() {
        let samples = [
            sample(0, Mechanism::T, Build::This, 90.0, 20),
            sample(0, Mechanism::Spin, Build::This, 90.0, 10),
            sample(1, Mechanism::T, Build::This, 90.0, 100),
            sample(1, Mechanism::Spin, Build::This, 450.0, 50),
        ];
        let cells = cells(&samples).unwrap();
        let find = |regime, mechanism| {
            cells.iter().find(|cell| cell.regime == regime && cell.mechanism == mechanism).unwrap()
        };
        let near = find(Regime::Near, Mechanism::Spin);
        assert_eq!(near.to_t.unwrap().median, 2.0);
        assert_eq!((near.ns.values, near.cpu.receiver), (1, 1.0));
        assert_eq!(find(Regime::Far, Mechanism::Spin).to_t, None, "T was near in that round");
        assert_eq!(find(Regime::Near, Mechanism::T).ns.median, 60.0);
    }

    #[test]
    fn another_build_is_compared_with_this_one() {
        let samples = [
            sample(0, Mechanism::Spin, Build::This, 90.0, 11),
            sample(0, Mechanism::Spin, Build::Other, 90.0, 10),
        ];
        let cells = cells(&samples).unwrap();
        assert!((cells[0].to_other.unwrap().median - 10.0 / 11.0).abs() < 1e-9);
        assert_eq!(cells[1].to_other, None);
    }

    #[test]
    fn those_who_did_not_sleep_are_named_and_have_no_figures() {
        let outcome = || Outcome { slept: 20, ..Outcome::default() };
        let key = Key { pattern: Pattern::Wake, ..sample(0, Mechanism::Adaptive, Build::This, 90.0, 20).key };
        let samples = [Sample::new(key, 100, [outcome(), outcome()])];
        assert!(cells(&samples).unwrap().is_empty());
        let awake = awake(&samples);
        assert_eq!((awake[0].mechanism, awake[0].samples, awake[0].sleeps), (Mechanism::Adaptive, 1, 0.2));
        assert_eq!(Dropped::count(&samples).awake, 1);
    }

    #[test]
    fn samples_whose_probes_disagree_are_left_out() {
        let mut odd = sample(0, Mechanism::T, Build::This, 90.0, 20);
        odd.verdict = Err(Flaw::ProbesDisagree);
        assert!(cells(&[odd.clone()]).unwrap().is_empty());
        assert!(probes(&[odd]).is_empty());
    }
}
