//! Samples: how each is classed, and how many become a median with its spread.

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::control::Outcome;
use super::plan::{Mechanism, Pattern};

/// Probe results below this are *siblings*, nanoseconds per round trip: no line leaves the core in so short a
/// time.
const SIBLINGS: f64 = 75.0;

/// Probe results from there to this are *near*.
const NEAR: f64 = 200.0;

/// Probe results from this on are *other*: no cache line takes so long, the scheduler had a hand in it.
const FAR: f64 = 1000.0;

/// How far the probes before and after a sample may lie apart, relative to the smaller.
const DISAGREEMENT: f64 = 0.3;

/// The share of its time that a side which spins may be off its core.
const OFF_CORE: f64 = 0.1;

/// Sleeps per message from which on the messages are said to have woken their receivers.
const ASLEEP: f64 = 0.9;

/// The longest single round trip that is told from longer ones, nanoseconds.
const LONGEST: u64 = 10_000_000_000;

/// How far apart the two cores are, as a ping-pong over two cache lines sees it. Virtual machines change
/// between these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regime {
    /// Below 75 ns per round trip: two threads of one core
    Siblings,
    /// From 75 to 200 ns
    Near,
    /// From 200 ns to 1 µs
    Far,
    /// Slower
    Other,
    /// Both sides on one core: there is nothing to probe
    OneCore,
}

impl Regime {
    /// All, nearest first.
    pub const ALL: [Self; 5] = [Self::Siblings, Self::Near, Self::Far, Self::Other, Self::OneCore];

    /// The name with its bounds.
    pub fn label(self) -> &'static str {
        match self {
            Self::Siblings => "siblings (ping-pong below 75 ns: both on one physical core)",
            Self::Near => "near (ping-pong from 75 to 200 ns)",
            Self::Far => "far (ping-pong from 200 ns to 1 µs)",
            Self::Other => "other (ping-pong above 1 µs)",
            Self::OneCore => "one core for both sides",
        }
    }

    /// The regime of one probe result; zero: not probed.
    pub fn of(probe: f64) -> Self {
        if probe <= 0.0 {
            Self::OneCore
        } else if probe >= FAR {
            Self::Other
        } else if probe < SIBLINGS {
            Self::Siblings
        } else if probe < NEAR {
            Self::Near
        } else {
            Self::Far
        }
    }
}

/// Why a sample does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// The probes before and after are of different regimes or too far apart
    ProbesDisagree,
    /// A side that spins, or two sides that share a core, lost it to somebody else
    CoreLost,
    /// The messages were to wake their receivers, and found them awake
    Awake,
}

/// The regime of a sample between two probes.
pub fn classify([before, after]: [f64; 2]) -> Result<Regime, Flaw> {
    let regime = Regime::of(before);
    let apart = (before - after).abs() / before.min(after).max(f64::MIN_POSITIVE);
    let agree = Regime::of(after) == regime && (before == after || apart <= DISAGREEMENT);
    if agree { Ok(regime) } else { Err(Flaw::ProbesDisagree) }
}

/// What spoils a sample of `key`, whatever its probes say; the traffic took `wall` nanoseconds.
fn flaw(key: &Key, count: u64, wall: u64, sides: [&Outcome; 2]) -> Option<Flaw> {
    let lost = if key.mechanism.spins() {
        sides.iter().any(|side| is_off(side.end.saturating_sub(side.start), side.cpu))
    } else {
        // One side runs while the other sleeps: together they have something to do all the time.
        key.pattern.shares_core() && is_off(wall, sides[0].cpu + sides[1].cpu)
    };
    let awake = || key.pattern.is_wake() && sleeps(key.pattern, count, sides.map(|side| side.slept)) < ASLEEP;
    if lost { Some(Flaw::CoreLost) } else { awake().then_some(Flaw::Awake) }
}

/// Whether those who used `cpu` of the `wall` nanoseconds were off their core for too long.
pub fn is_off(wall: u64, cpu: u64) -> bool {
    wall as f64 - cpu as f64 > wall as f64 * OFF_CORE
}

/// Sleeps per message of both sides together; a round trip is two messages.
pub fn sleeps(pattern: Pattern, count: u64, slept: [u64; 2]) -> f64 {
    let messages = if pattern.is_round_trip() { 2 * count } else { count };
    (slept[0] + slept[1]) as f64 / messages as f64
}

/// A histogram of single round trips, nanoseconds, in steps of at most a thousandth.
pub fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LONGEST, 3)?)
}

/// Which build's roles took a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Build {
    /// The build that runs the bench
    This,
    /// The one it is compared with
    Other,
}

/// Where a sample belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Process start it was taken in, from 0.
    pub start: usize,
    /// Round within the run, from 0.
    pub round: usize,
    /// Whose roles took it.
    pub build: Build,
    /// What carried the messages.
    pub mechanism: Mechanism,
    /// How they followed one another.
    pub pattern: Pattern,
    /// Payload bytes.
    pub size: usize,
}

/// One sample.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Where it belongs.
    #[serde(flatten)]
    pub key: Key,
    /// The regime, or why the sample does not count.
    pub verdict: Result<Regime, Flaw>,
    /// Probe results before and after, nanoseconds per round trip.
    pub probe: [f64; 2],
    /// Messages, or round trips.
    pub count: u64,
    /// From the sender's start to the end of the last message, rests aside, nanoseconds.
    pub wall: u64,
    /// Nanoseconds per message or round trip.
    pub ns: f64,
    /// CPU time of sender and receiver, rests aside, nanoseconds.
    pub cpu: [u64; 2],
    /// Involuntary context switches of sender and receiver.
    pub preempted: [u64; 2],
    /// How often sender and receiver went to sleep.
    pub slept: [u64; 2],
    /// Half the round trips that were timed one by one took at most so long, nanoseconds.
    pub p50: Option<u64>,
    /// Single round trips: nanoseconds, and how many took so long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latency: Vec<(u64, u64)>,
}

impl Sample {
    /// A sample out of what both sides measured.
    pub fn new(key: Key, count: u64, [sender, receiver]: [Outcome; 2]) -> Self {
        let end = if key.pattern.is_round_trip() { sender.end } else { receiver.end };
        let wall = end.saturating_sub(sender.start).saturating_sub(sender.rested + receiver.rested);
        let flaw = flaw(&key, count, wall, [&sender, &receiver]);
        Self {
            key,
            verdict: flaw.map_or_else(|| classify(sender.probe), Err),
            probe: sender.probe,
            count,
            wall,
            ns: wall as f64 / count as f64,
            cpu: [&sender, &receiver].map(|side| side.cpu.saturating_sub(side.rested)),
            preempted: [sender.preempted, receiver.preempted],
            slept: [sender.slept, receiver.slept],
            p50: median(&sender.latency),
            latency: sender.latency,
        }
    }

    /// What is compared with the rivals', nanoseconds per message or round trip. Of wake-ups the median: a few that
    /// took milliseconds say more about the scheduler than about what woke.
    pub fn compared(&self) -> f64 {
        match self.p50 {
            Some(p50) if self.key.pattern.is_wake() => p50 as f64,
            _ => self.ns,
        }
    }
}

/// How `mine` compares with `reference`, both in nanoseconds per message: the ratio of times for round trips
/// (less is better), of rates for one-way traffic (more is better).
pub fn ratio(pattern: Pattern, mine: f64, reference: f64) -> f64 {
    if pattern.is_round_trip() { mine / reference } else { reference / mine }
}

/// A median and how far the values around it spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Half the values lie below.
    pub median: f64,
    /// A tenth of the values lie below.
    pub p10: f64,
    /// A quarter of the values lie below.
    pub p25: f64,
    /// A quarter of the values lie above.
    pub p75: f64,
    /// A tenth of the values lie above.
    pub p90: f64,
    /// How many values there are.
    pub values: usize,
}

impl Spread {
    /// The spread of `values`; `None` of none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let [p10, p25, median, p75, p90] = [0.1, 0.25, 0.5, 0.75, 0.9].map(|share| quantile(&values, share));
        Some(Self { median, p10, p25, p75, p90, values: values.len() })
    }
}

/// The value below which `share` of the sorted `values` lie, between its neighbours where it falls between
/// two.
fn quantile(values: &[f64], share: f64) -> f64 {
    let place = share * (values.len() - 1) as f64;
    let [below, above] = [place.floor() as usize, place.ceil() as usize];
    values[below] + (values[above] - values[below]) * place.fract()
}

/// The value in the middle of `counted` values, each with how many there are, in order.
fn median(counted: &[(u64, u64)]) -> Option<u64> {
    quantile_of_counted(counted, 0.5)
}

/// The value that `share` of the `counted` values, which are in order, do not exceed.
pub fn quantile_of_counted(counted: &[(u64, u64)], share: f64) -> Option<u64> {
    let total: u64 = counted.iter().map(|(_, count)| count).sum();
    let wanted = share * total as f64;
    let mut below = 0;
    let mut found = counted.iter().skip_while(|(_, count)| {
        below += count;
        (below as f64) < wanted
    });
    found.next().map(|(value, _)| *value)
}

/// Percentiles of single round trips, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half took at most so long.
    pub p50: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1000.
    pub p99_9: u64,
    /// The longest.
    pub max: u64,
    /// Round trips that were timed.
    pub count: u64,
}

impl Latency {
    /// The percentiles of all round trips in `samples`; `None` if there are none.
    pub fn of<'a>(samples: impl Iterator<Item = &'a Sample>) -> Result<Option<Self>> {
        let mut all = histogram()?;
        for (nanoseconds, count) in samples.flat_map(|sample| &sample.latency) {
            all.saturating_record_n(*nanoseconds, *count);
        }
        let at = |quantile| all.value_at_quantile(quantile);
        let found = Self { p50: at(0.5), p99: at(0.99), p99_9: at(0.999), max: all.max(), count: all.len() };
        Ok((found.count > 0).then_some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_that_agree_give_the_regime() {
        assert_eq!(classify([50.0, 52.0]), Ok(Regime::Siblings));
        assert_eq!(classify([95.0, 100.0]), Ok(Regime::Near));
        assert_eq!(classify([450.0, 400.0]), Ok(Regime::Far));
        assert_eq!(classify([5000.0, 4500.0]), Ok(Regime::Other));
        assert_eq!(classify([0.0, 0.0]), Ok(Regime::OneCore));
    }

    #[test]
    fn probes_that_disagree_drop_the_sample() {
        let disagree = Err(Flaw::ProbesDisagree);
        assert_eq!(classify([95.0, 450.0]), disagree, "different regimes");
        assert_eq!(classify([199.0, 201.0]), disagree, "different regimes, though close");
        assert_eq!(classify([300.0, 400.0]), disagree, "the same regime, 33 % apart");
        assert_eq!(classify([0.0, 95.0]), disagree, "one was not taken");
    }

    #[test]
    fn a_ratio_above_one_is_good_one_way_and_bad_for_a_round_trip() {
        assert_eq!(ratio(Pattern::RoundTrip, 150.0, 100.0), 1.5);
        assert_eq!(ratio(Pattern::Single, 10.0, 15.0), 1.5);
    }

    #[test]
    fn a_spread_interpolates() {
        let spread = Spread::of(vec![5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!((spread.median, spread.values), (3.0, 5));
        assert!((spread.p10 - 1.4).abs() < 1e-9 && (spread.p90 - 4.6).abs() < 1e-9);
        assert_eq!(Spread::of(vec![7.0]).unwrap().p90, 7.0);
        assert_eq!(Spread::of(vec![]), None);
    }

    /// A stream through the yardstick.
    const STREAM: Key = Key {
        start: 0,
        round: 0,
        build: Build::This,
        mechanism: Mechanism::T,
        pattern: Pattern::Single,
        size: 8,
    };

    #[test]
    fn the_time_of_a_stream_ends_with_the_receiver() {
        let sender = Outcome { start: 100, end: 150, cpu: 50, probe: [90.0, 92.0], ..Outcome::default() };
        let receiver = Outcome { start: 90, end: 300, cpu: 200, ..Outcome::default() };
        let stream = Sample::new(STREAM, 10, [sender.clone(), receiver.clone()]);
        assert_eq!((stream.ns, stream.verdict), (20.0, Ok(Regime::Near)));
        let bounce = Sample::new(Key { pattern: Pattern::RoundTrip, ..STREAM }, 10, [sender, receiver]);
        assert_eq!(bounce.ns, 5.0);
    }

    #[test]
    fn a_side_that_spins_and_lost_its_core_spoils_the_sample() {
        let sender = Outcome { start: 100, end: 200, cpu: 50, probe: [90.0, 92.0], ..Outcome::default() };
        assert_eq!(Sample::new(STREAM, 1, [sender.clone(), Outcome::default()]).verdict, Err(Flaw::CoreLost));
        let sleeper = Key { mechanism: Mechanism::Park, ..STREAM };
        assert_eq!(Sample::new(sleeper, 1, [sender, Outcome::default()]).verdict, Ok(Regime::Near));
    }

    /// A round trip through the ring, both sides asleep on one core.
    const WAKE: Key = Key { mechanism: Mechanism::Park, pattern: Pattern::WakeSameCore, ..STREAM };

    #[test]
    fn messages_that_found_their_receiver_awake_spoil_the_sample() {
        let side = |slept| Outcome { slept, ..Outcome::default() };
        assert_eq!(Sample::new(WAKE, 100, [side(100), side(100)]).verdict, Ok(Regime::OneCore));
        assert_eq!(Sample::new(WAKE, 100, [side(100), side(70)]).verdict, Err(Flaw::Awake));
        let bounce = Key { pattern: Pattern::RoundTrip, ..WAKE };
        assert_eq!(Sample::new(bounce, 100, [side(0), side(0)]).verdict, Ok(Regime::OneCore));
    }

    #[test]
    fn two_sides_that_lost_the_core_they_share_spoil_the_sample() {
        let side = |cpu| Outcome { start: 100, end: 200, cpu, slept: 1, ..Outcome::default() };
        assert_eq!(Sample::new(WAKE, 1, [side(48), side(50)]).verdict, Ok(Regime::OneCore));
        assert_eq!(Sample::new(WAKE, 1, [side(40), side(40)]).verdict, Err(Flaw::CoreLost));
        let apart = Key { pattern: Pattern::Wake, ..WAKE };
        assert_eq!(Sample::new(apart, 1, [side(10), side(10)]).verdict, Ok(Regime::OneCore));
    }

    #[test]
    fn rests_do_not_count() {
        let side = Outcome { end: 1000, rested: 300, cpu: 340, ..Outcome::default() };
        let sample = Sample::new(WAKE, 10, [side.clone(), side]);
        assert_eq!((sample.wall, sample.ns, sample.cpu), (400, 40.0, [40, 40]));
    }

    #[test]
    fn wake_ups_are_compared_by_their_medians() {
        let sender = Outcome { end: 1000, latency: vec![(10, 5), (20, 4), (400, 1)], ..Outcome::default() };
        let sample = |key| Sample::new(key, 10, [sender.clone(), Outcome::default()]);
        assert_eq!((sample(WAKE).compared(), sample(WAKE).ns), (10.0, 100.0));
        assert_eq!(sample(Key { pattern: Pattern::RoundTrip, ..WAKE }).compared(), 100.0);
        assert_eq!((median(&[(1, 1), (2, 1), (3, 1)]), median(&[])), (Some(2), None));
    }

    #[test]
    fn percentiles_are_those_of_all_samples() {
        let key = Key {
            start: 0,
            round: 0,
            build: Build::This,
            mechanism: Mechanism::T,
            pattern: Pattern::RoundTrip,
            size: 8,
        };
        let sample = |latency| Sample { latency, ..Sample::new(key, 1, Default::default()) };
        let samples = [sample(vec![(100, 98)]), sample(vec![(1000, 2)])];
        let latency = Latency::of(samples.iter()).unwrap().unwrap();
        assert_eq!((latency.p50, latency.count), (100, 100));
        assert!(latency.p99 >= 990 && latency.max >= 1000);
    }
}
