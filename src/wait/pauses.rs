//! How long a `pause` takes: 4 to 50 nanoseconds, by processor.

use core::time::Duration;
use std::sync::OnceLock;
use std::time::Instant;

use crate::sync::pause;

/// Pauses in one sample. Five samples take 10 to 130 µs, once per process.
const SAMPLE: u32 = 512;

/// How many pauses fill `time` on this machine, at least one.
pub(crate) fn pauses_in(time: Duration) -> u32 {
    static PICOSECONDS: OnceLock<u64> = OnceLock::new();
    let picoseconds = *PICOSECONDS.get_or_init(measure);
    u32::try_from(time.as_nanos() as u64 * 1000 / picoseconds).unwrap_or(u32::MAX).max(1)
}

/// Picoseconds of one pause: the shortest of a few samples, since interruptions only lengthen one.
fn measure() -> u64 {
    let sample = || {
        let started = Instant::now();
        (0..SAMPLE).for_each(|_| pause());
        started.elapsed().as_nanos() as u64 * 1000 / u64::from(SAMPLE)
    };
    (0..5).map(|_| sample()).min().unwrap_or(0).max(100)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn longer_times_hold_more_pauses() {
        assert_eq!(pauses_in(Duration::ZERO), 1);
        assert!(pauses_in(Duration::from_millis(1)) > pauses_in(Duration::from_micros(1)));
    }
}
