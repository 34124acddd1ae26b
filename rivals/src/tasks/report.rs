//! The report: latencies and processor time of each way, and how they compare with the sockets', round by round.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::{Stretch, Tasks, Way};
use crate::report::shown;
use crate::sample::Spread;

/// A figure of a stretch, and its name.
type Figure = (&'static str, fn(&Stretch) -> f64);

/// The figures that are shown.
const FIGURES: [Figure; 7] = [
    ("p50, µs", |stretch| stretch.received.latency[0] as f64 / 1e3),
    ("p99, µs", |stretch| stretch.received.latency[1] as f64 / 1e3),
    ("p99.9, µs", |stretch| stretch.received.latency[2] as f64 / 1e3),
    ("max, µs", |stretch| stretch.received.latency[3] as f64 / 1e3),
    ("receiver, % of a processor", |stretch| percent(stretch.received.cpu, stretch)),
    ("receiver, sleeps/s", |stretch| stretch.received.sleeps as f64 * 1e9 / stretch.received.wall as f64),
    ("sender, % of a processor", |stretch| percent(stretch.sent.cpu, stretch)),
];

/// Processor time as a share of the time that the stretch took.
fn percent(cpu: u64, stretch: &Stretch) -> f64 {
    100.0 * cpu as f64 / stretch.received.wall as f64
}

/// Everything, as text.
pub fn report(tasks: &Tasks, stretches: &BTreeMap<Way, Vec<Stretch>>, took: Duration) -> String {
    let mut text = format!(
        "{} tasks, {} messages/s to each, {} rounds of {} s, a look at the peer every {} ms, {:.0} s; all messages right\n",
        tasks.rings,
        tasks.rate,
        stretches.values().map(Vec::len).max().unwrap_or_default(),
        tasks.stretch,
        tasks.liveness,
        took.as_secs_f64(),
    );
    text += "median [quartiles] of the rounds; ×: the figure over the sockets', per round; less is better\n";
    for (name, figure) in FIGURES {
        let _ = writeln!(text, "\n{name}");
        for (way, rounds) in stretches {
            let own = Spread::of(rounds.iter().map(figure).collect());
            let sockets = stretches.get(&Way::Socket).filter(|_| *way != Way::Socket);
            let ratios = sockets.map(|sockets| {
                rounds.iter().zip(sockets).map(|(own, socket)| figure(own) / figure(socket)).collect()
            });
            let ratios = ratios.and_then(Spread::of).map(|ratios| format!("× {}", shown(Some(ratios))));
            let _ = writeln!(text, "  {:14}{:>26}{:>24}", way.word(), shown(own), ratios.unwrap_or_default());
        }
    }
    text
}
