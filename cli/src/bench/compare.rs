//! What changed since another run, beyond noise.
//!
//! A cell is compared by its time per message relative to the floor in the same round, where it has a floor, since the
//! machine drifts between runs and the floor drifts with it; otherwise by the time itself.
//!
//! The samples of one process start are no independent witnesses: where the memory of a ring lies, and how its two
//! sides fall into step, is settled at the start. So the starts are the units, as Kalibera and Jones advise
//! ("Rigorous benchmarking in reasonable time", ISMM 2013): each becomes the median of its rounds, and the logarithms of
//! these medians are compared by Welch's t interval, which does not take both runs to be equally noisy. A bootstrap of three
//! starts can draw nothing but ten different sets, and its 95 % interval holds the truth three times in four; the t interval is
//! made for few values and is as wide as it must be. It wants them to be about normal, which medians of many rounds are; a
//! mechanism that is sometimes fast and sometimes slow from the start on gets a wide interval, as it should. Where a kind of sample knows no
//! starts, its rounds are the units.
//!
//! Below one per cent nothing is called a change, however sure it is: where the linker happens to put a function matters
//! as much (Mytkowicz et al., "Producing wrong data without doing anything obviously wrong", ASPLOS 2009). Of cells that did
//! not change, one in twenty lies outside its interval by chance.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::record::Recording;
use super::report::Conditions;
use super::sample::{Build, Key, Regime, Sample, Spread, quantile_of_counted};
use super::studies::{Axis, Study};
use super::table::{short, table};
use super::units;

/// Units that each run needs.
const FEWEST: usize = 3;

/// Changes below this are none.
const RESOLUTION: f64 = 0.01;

/// The 97.5th percentile of Student's t, by degrees of freedom.
const STUDENT: [(f64, f64); 16] = [
    (1.0, 12.706),
    (2.0, 4.303),
    (3.0, 3.182),
    (4.0, 2.776),
    (5.0, 2.571),
    (6.0, 2.447),
    (7.0, 2.365),
    (8.0, 2.306),
    (9.0, 2.262),
    (10.0, 2.228),
    (12.0, 2.179),
    (15.0, 2.131),
    (20.0, 2.086),
    (30.0, 2.042),
    (60.0, 2.000),
    (f64::INFINITY, 1.960),
];

/// All that changed and all that did not.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// When the other run began, seconds since 1970.
    pub old_date: u64,
    /// Version of the ringway that made the other run.
    pub old_version: String,
    /// Why the runs may not be comparable.
    pub warnings: Vec<String>,
    /// The cells that both runs have.
    pub changes: Vec<Change>,
    /// Cells that only one of the runs has.
    pub unmatched: usize,
}

/// What a figure is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Subject {
    /// How far apart the cores were, where that was probed.
    pub regime: Option<Regime>,
    /// The pattern or the question.
    pub what: String,
    /// Payload bytes, where messages were sent.
    pub size: Option<usize>,
    /// Who.
    pub mechanism: String,
}

/// How one cell changed.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// The cell.
    #[serde(flatten)]
    pub subject: Subject,
    /// What the figures are.
    pub basis: Basis,
    /// The figure then: the median of the starts.
    pub old: f64,
    /// The figure now.
    pub new: f64,
    /// Relative change: below zero is faster.
    pub change: Option<f64>,
    /// Where it lies with a confidence of 95 %.
    pub interval: Option<[f64; 2]>,
    /// Units of the runs then and now.
    pub units: [usize; 2],
    /// What to make of it.
    pub verdict: Verdict,
}

/// What is compared; of all less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Time over that of the floor in the same round
    Floor,
    /// Nanoseconds
    Time,
    /// CPU seconds over seconds that passed
    Cpu,
}

/// What to make of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Less time, beyond noise
    Faster,
    /// More time, beyond noise
    Slower,
    /// Nothing beyond noise
    Unchanged,
    /// Nothing can be said
    TooFew,
}

impl Verdict {
    /// All, in the order in which they are counted.
    pub const ALL: [Self; 4] = [Self::Faster, Self::Slower, Self::Unchanged, Self::TooFew];

    /// In words.
    pub fn label(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Unchanged => "no change beyond noise",
            Self::TooFew => "too few samples",
        }
    }
}

/// The values of a cell, by unit.
type Units = BTreeMap<usize, Vec<f64>>;

impl Comparison {
    /// Compares the run `new` with the run `old`.
    pub fn between(old: &Recording, new: &Recording) -> Self {
        let (before, after) = (values(old), values(new));
        let matched = after.iter().filter_map(|(place, now)| Some((place, before.get(place)?, now)));
        let changes: Vec<Change> =
            matched.filter_map(|(place, then, now)| change(place, then, now)).collect();
        Self {
            old_date: old.run.date,
            old_version: old.run.version.clone(),
            warnings: warnings(old, new),
            unmatched: before.len() + after.len() - 2 * changes.len(),
            changes,
        }
    }

    /// How many cells got this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.changes.iter().filter(|change| change.verdict == verdict).count()
    }

    /// All verdicts in one line.
    pub fn summary(&self) -> String {
        let counts = Verdict::ALL.map(|verdict| format!("{} {}", self.count(verdict), verdict.label()));
        format!("{} cells: {}; only in one run: {}", self.changes.len(), counts.join(", "), self.unmatched)
    }

    /// The table for people.
    pub fn render(&self) -> String {
        let date = humantime::format_rfc3339_seconds(date(self.old_date));
        let mut text =
            format!("\n== changes since {date} (ringway {})\n{}\n", self.old_version, self.summary());
        let header = ["", "bytes", "", "then", "now", "", "change", "95 % interval", "verdict"];
        for regime in self.regimes() {
            let mut table = table(header.map(str::to_owned).to_vec());
            for change in self.changes.iter().filter(|change| change.subject.regime == regime) {
                table.add_row(change.row());
            }
            let _ = writeln!(text, "\n{}\n{table}", regime.map_or("not probed", Regime::label));
        }
        text.push_str(
            "x: time over that of the floor in the same round; % CPU: of one core; of all less is better\n",
        );
        text
    }

    /// The regimes that there are, in order.
    pub fn regimes(&self) -> Vec<Option<Regime>> {
        let mut regimes: Vec<_> = self.changes.iter().map(|change| change.subject.regime).collect();
        regimes.sort();
        regimes.dedup();
        regimes
    }
}

impl Change {
    /// The cells of its row.
    pub fn row(&self) -> [String; 9] {
        let subject = &self.subject;
        let percent = |value: f64| format!("{:+.1} %", value * 100.0);
        [
            subject.what.clone(),
            subject.size.map_or(String::new(), |size| size.to_string()),
            subject.mechanism.clone(),
            self.basis.figure(self.old),
            self.basis.figure(self.new),
            self.basis.unit().to_owned(),
            self.change.map_or(String::new(), percent),
            self.interval
                .map_or(String::new(), |[low, high]| format!("{} to {}", percent(low), percent(high))),
            self.verdict.label().to_owned(),
        ]
    }
}

impl Basis {
    /// A figure in this unit.
    fn figure(self, value: f64) -> String {
        match self {
            Self::Cpu => format!("{:.3}", value * 100.0),
            _ => short(value),
        }
    }

    /// What its figures count.
    fn unit(self) -> &'static str {
        match self {
            Self::Floor => "x",
            Self::Time => "ns",
            Self::Cpu => "% CPU",
        }
    }
}

/// A time in seconds since 1970.
pub fn date(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// What makes the runs hard to compare.
fn warnings(old: &Recording, new: &Recording) -> Vec<String> {
    let machines = new.run.machine.differences(&old.run.machine).into_iter();
    let machines = machines
        .map(|(about, now, then)| format!("the machines or builds differ: {about}: {now}; then {then}"));
    let conditions = Conditions::differences(&new.run.conditions, &old.run.conditions).into_iter();
    machines
        .chain(
            conditions
                .map(|(about, now, then)| format!("the conditions differ: {about}: {now}; then {then}")),
        )
        .collect()
}

/// Everything of a run that can be compared.
fn values(run: &Recording) -> BTreeMap<(Subject, Basis), Units> {
    let mut all: BTreeMap<(Subject, Basis), Units> = BTreeMap::new();
    let mut add = |subject: Subject, basis: Basis, unit: usize, value: f64| {
        if value > 0.0 {
            all.entry((subject, basis)).or_default().entry(unit).or_default().push(value);
        }
    };
    let floors = floors(&run.pairs);
    for sample in &run.pairs {
        let Some((subject, basis, value)) = pair(sample, &floors) else { continue };
        add(subject, basis, sample.key.start, value);
    }
    for (index, study) in run.studies.iter().enumerate() {
        if let Some((subject, basis, unit, value)) = self::study(index, study) {
            add(subject, basis, unit, value);
        }
    }
    all
}

/// What is compared of a study's sample, if it counts, and its unit.
fn study(index: usize, study: &Study) -> Option<(Subject, Basis, usize, f64)> {
    let probed = |regime: Regime, what: String, size: usize, mechanism: &str| Subject {
        regime: Some(regime),
        what,
        size: Some(size),
        mechanism: mechanism.to_owned(),
    };
    let found = match study {
        Study::Crowd(sample) => {
            let what = format!("{} to {}", sample.producers, sample.consumers);
            let subject = probed(sample.regime, what, sample.size, sample.mechanism.label());
            (subject, Basis::Time, sample.start, sample.ns, sample.sound)
        }
        Study::Load(sample) => {
            let what = format!("p99 at {}/s", units::count(sample.rate as f64));
            let subject = probed(sample.regime, what, sample.size, sample.mechanism.label());
            let p99 = quantile_of_counted(&sample.latency, 0.99)?;
            (subject, Basis::Time, sample.round, p99 as f64, sample.sound)
        }
        Study::Idle(sample) => {
            let liveness = humantime::format_duration(Duration::from_nanos(sample.liveness_ns));
            let what = format!("{} waiting, liveness interval {liveness}", sample.consumers);
            let subject =
                Subject { regime: None, what, size: None, mechanism: sample.what.label().to_owned() };
            (subject, Basis::Cpu, index, sample.cpu_seconds / sample.seconds, true)
        }
        Study::Growth(sample) => {
            let what = match sample.axis {
                Axis::Rings => {
                    format!("{} rings of {}", sample.rings, units::bytes(sample.ring_bytes as f64))
                }
                Axis::RingBytes => format!("one ring of {}", units::bytes(sample.ring_bytes as f64)),
            };
            let subject = probed(sample.regime, what, sample.size, "ring");
            (subject, Basis::Time, sample.round, sample.ns, sample.sound)
        }
    };
    let (subject, basis, unit, value, sound) = found;
    sound.then_some((subject, basis, unit, value))
}

/// Where to find a floor: its place, and the regime.
type Floors = HashMap<(Key, Regime), f64>;

/// The floors of every round.
fn floors(samples: &[Sample]) -> Floors {
    let floors = samples.iter().filter(|sample| sample.key.mechanism == sample.key.pattern.floor());
    floors.filter_map(|sample| Some(((sample.key, sample.verdict.ok()?), sample.compared()))).collect()
}

/// What is compared of a pair's sample, if it counts and has a floor or is one.
fn pair(sample: &Sample, floors: &Floors) -> Option<(Subject, Basis, f64)> {
    let Key { pattern, mechanism, build, size, .. } = sample.key;
    let regime = sample.verdict.ok().filter(|_| build == Build::This)?;
    let subject = Subject {
        regime: Some(regime),
        what: pattern.label().to_owned(),
        size: Some(size),
        mechanism: mechanism.label().to_owned(),
    };
    if mechanism == pattern.floor() {
        return Some((subject, Basis::Time, sample.compared()));
    }
    let floor = floors.get(&(Key { mechanism: pattern.floor(), ..sample.key }, regime))?;
    Some((subject, Basis::Floor, sample.compared() / floor))
}

/// What became of one cell.
fn change((subject, basis): &(Subject, Basis), then: &Units, now: &Units) -> Option<Change> {
    let medians = |units: &Units| -> Vec<f64> {
        units.values().filter_map(|values| Some(Spread::of(values.clone())?.median)).collect()
    };
    let (then, now) = (medians(then), medians(now));
    let found = welch(&then, &now);
    let verdict = match found {
        None => Verdict::TooFew,
        Some((change, _)) if change.abs() < RESOLUTION => Verdict::Unchanged,
        Some((_, [_, high])) if high < 0.0 => Verdict::Faster,
        Some((_, [low, _])) if low > 0.0 => Verdict::Slower,
        Some(_) => Verdict::Unchanged,
    };
    Some(Change {
        subject: subject.clone(),
        basis: *basis,
        units: [then.len(), now.len()],
        old: Spread::of(then)?.median,
        new: Spread::of(now)?.median,
        change: found.map(|(change, _)| change),
        interval: found.map(|(_, interval)| interval),
        verdict,
    })
}

/// The relative change from `then` to `now` in their geometric means, and its 95 % interval.
fn welch(then: &[f64], now: &[f64]) -> Option<(f64, [f64; 2])> {
    if then.len().min(now.len()) < FEWEST {
        return None;
    }
    let [(mean_then, error_then), (mean_now, error_now)] = [then, now].map(mean_and_error);
    let (difference, error) = (mean_now - mean_then, error_then + error_now);
    let share = |error: f64, values: &[f64]| error * error / (values.len() - 1) as f64;
    let spread = share(error_then, then) + share(error_now, now);
    // Of values that do not differ at all there is nothing to be unsure of.
    let half = if spread > 0.0 { student(error * error / spread) * error.sqrt() } else { 0.0 };
    Some((difference.exp_m1(), [(difference - half).exp_m1(), (difference + half).exp_m1()]))
}

/// The mean of the logarithms, and the square of its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
    let mean = logs.iter().sum::<f64>() / count;
    let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, variance / count)
}

/// The 97.5th percentile of Student's t for these degrees of freedom, between rows of the table by their reciprocals.
fn student(freedom: f64) -> f64 {
    let after = STUDENT.partition_point(|(row, _)| *row < freedom).clamp(1, STUDENT.len() - 1);
    let [(low, above), (high, below)] = [STUDENT[after - 1], STUDENT[after]];
    let share = (1.0 / freedom.max(1.0) - 1.0 / high) / (1.0 / low - 1.0 / high);
    below + (above - below) * share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::control::Outcome;
    use crate::bench::plan::{Mechanism, Pattern};
    use crate::bench::record;
    use std::path::Path;

    /// Normal deviates that are the same in every run: Box and Muller's, of a 64-bit congruential generator.
    struct Noise(u64);

    impl Noise {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        }

        fn normal(&mut self) -> f64 {
            (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
        }

        fn starts(&mut self, count: usize, centre: f64, spread: f64) -> Vec<f64> {
            (0..count).map(|_| centre * (spread * self.normal()).exp()).collect()
        }
    }

    #[test]
    fn runs_that_do_not_differ_are_told_apart_one_time_in_twenty() {
        let mut noise = Noise(1);
        for (count, spread) in [(3, 0.02), (3, 0.2), (10, 0.05)] {
            let outside = (0..4000)
                .filter(|_| {
                    let (then, now) = (noise.starts(count, 50.0, spread), noise.starts(count, 50.0, spread));
                    let (_, [low, high]) = welch(&then, &now).unwrap();
                    low > 0.0 || high < 0.0
                })
                .count();
            assert!((80..=240).contains(&outside), "{outside} of 4000 with {count} starts");
        }
    }

    #[test]
    fn a_change_beyond_noise_is_found() {
        let mut noise = Noise(2);
        let found = (0..1000)
            .filter(|_| {
                let (then, now) = (noise.starts(10, 50.0, 0.02), noise.starts(10, 47.0, 0.02));
                welch(&then, &now).unwrap().1[1] < 0.0
            })
            .count();
        assert!(found > 990, "{found} of 1000");
    }

    #[test]
    fn the_interval_is_welchs() {
        // Of the logarithms: difference 0.1808, standard error 0.05623, 3.27 degrees of freedom.
        let (change, [low, high]) = welch(&[10.0, 10.5, 9.5], &[11.0, 12.0, 13.0]).unwrap();
        assert!((change - 0.198_6).abs() < 1e-3, "{change}");
        assert!((low - 0.0095).abs() < 0.002 && (high - 0.4221).abs() < 0.003, "{low} {high}");
        assert_eq!(welch(&[1.0, 1.0], &[1.0, 1.0, 1.0]), None);
        assert_eq!(welch(&[2.0; 3], &[2.0; 3]), Some((0.0, [0.0, 0.0])));
    }

    #[test]
    fn students_t_is_read_between_the_rows() {
        assert_eq!((student(1.0), student(4.0)), (12.706, 2.776));
        assert!((student(1e9) - 1.96).abs() < 1e-6);
        assert!(student(3.5) < 3.182 && student(3.5) > 2.776);
    }

    /// A sample of a mechanism and one of its floor in the same round, of which the first took `ratio` times as long.
    fn round(start: usize, round: usize, ratio: f64, drift: f64) -> [Sample; 2] {
        let take = |mechanism, ns: f64| {
            let key =
                Key { start, round, build: Build::This, mechanism, pattern: Pattern::RoundTrip, size: 8 };
            let side = Outcome {
                end: (ns * 1000.0) as u64,
                cpu: u64::MAX / 4,
                probe: [90.0; 2],
                ..Outcome::default()
            };
            Sample::new(key, 1000, [side.clone(), side])
        };
        [take(Mechanism::Spin, 100.0 * ratio * drift), take(Mechanism::PingPong, 100.0 * drift)]
    }

    /// A run of such rounds.
    fn run(ratio: f64, drift: f64, starts: usize) -> Recording {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bench-sample.jsonl");
        let mut run = Recording::new(record::read(&path).unwrap().run);
        let wobble = |start: usize, turn: usize| 1.0 + 0.002 * ((start * 7 + turn * 3) % 5) as f64;
        let rounds = (0..starts * 4).map(|n| (n / 4, n % 4));
        run.pairs =
            rounds.flat_map(|(start, turn)| round(start, turn, ratio * wobble(start, turn), drift)).collect();
        run
    }

    #[test]
    fn drift_of_the_machine_is_no_change() {
        let verdicts = |old: &Recording, new: &Recording| {
            let comparison = Comparison::between(old, new);
            let of = |who: &str| {
                comparison.changes.iter().find(|change| change.subject.mechanism == who).unwrap().verdict
            };
            (of("ring, spin"), of("F: ping-pong"))
        };
        let old = run(0.9, 1.0, 3);
        assert_eq!(verdicts(&old, &run(0.9, 1.4, 3)), (Verdict::Unchanged, Verdict::Slower));
        assert_eq!(verdicts(&old, &run(0.8, 1.0, 3)).0, Verdict::Faster);
        assert_eq!(verdicts(&old, &run(1.0, 1.0, 3)).0, Verdict::Slower);
        assert_eq!(verdicts(&old, &run(0.5, 1.0, 2)).0, Verdict::TooFew);
    }

    #[test]
    fn other_machines_and_conditions_are_warned_of() {
        let old = run(0.9, 1.0, 3);
        let mut new = old.clone();
        assert!(Comparison::between(&old, &new).warnings.is_empty());
        new.run.machine.kernel = "0.0.1".to_owned();
        new.run.conditions.ring_bytes *= 2;
        let warnings = Comparison::between(&old, &new).warnings;
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].contains("Kernel: Linux 0.0.1; then Linux"), "{warnings:?}");
    }

    #[test]
    fn cells_of_one_run_only_are_counted() {
        let old = run(0.9, 1.0, 3);
        let mut new = old.clone();
        new.pairs.retain(|sample| sample.key.mechanism == Mechanism::PingPong);
        let comparison = Comparison::between(&old, &new);
        assert_eq!((comparison.changes.len(), comparison.unmatched), (1, 1));
    }
}
