//! What is measured: patterns, sizes, and the groups that they and the rivals make.
//!
//! Rivals that are measured with one pattern and size form a *group* and are sampled right after one another, so that
//! ratios within a round compare like with like while the machine drifts.

use anyhow::{Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::field::Field;

/// Messages that a batch publishes together.
pub const BATCH: u64 = 32;

/// Message sizes, bytes.
pub const SIZES: [usize; 6] = [8, 64, 248, 1016, 4088, 65536];

/// Bytes of a ring that is measured in bytes, and of the messages in a queue that is measured in them, at most: a core's cache
/// keeps them.
pub const RING_BYTES: usize = 256 << 10;

/// Messages of `size` bytes that go once round the largest ring.
pub fn lap(size: usize) -> u64 {
    (RING_BYTES / size) as u64
}

/// Messages that a queue holds which is measured in messages of `size` bytes; a power of two.
pub fn slots(size: usize) -> usize {
    1 << (RING_BYTES / size).min(1024).ilog2()
}

/// How messages follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// A message there and one of the same size back, then the next
    RoundTrip,
    /// One way, published one at a time
    Single,
    /// One way, published 32 at a time
    Batch,
}

impl Pattern {
    /// The name shown in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::RoundTrip => "round trip",
            Self::Single => "one way, one at a time",
            Self::Batch => "one way, batches of 32",
        }
    }

    /// Whether messages of `size` bytes travel in this pattern: a batch fits into half a ring.
    fn carries(self, size: usize) -> bool {
        self != Self::Batch || (size + 8) * BATCH as usize <= RING_BYTES / 2
    }
}

/// The rivals, by their number in the field, that are measured with one pattern and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// How the messages follow one another.
    pub pattern: Pattern,
    /// Payload bytes.
    pub size: usize,
    /// Who is measured.
    pub rivals: Vec<usize>,
}

/// The groups of a run: what was asked for, where empty means everything, and the yardsticks.
pub fn groups(field: &Field, asked: &[String], patterns: &[Pattern], sizes: &[usize]) -> Result<Vec<Group>> {
    for name in asked {
        ensure!(field.find(name).is_some(), "--rivals takes some of {}, not {name}", field.names());
    }
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    let mut groups = Vec::new();
    for &pattern in Pattern::value_variants() {
        if !patterns.is_empty() && !patterns.contains(&pattern) {
            continue;
        }
        for &size in sizes.iter().filter(|size| pattern.carries(**size)) {
            let taking = field.present().filter(|(_, rival)| (rival.takes)(pattern, size));
            let rivals: Vec<usize> = taking
                .filter(|(_, rival)| rival.is_yardstick() || wanted(rival.name))
                .map(|(index, _)| index)
                .collect();
            if !rivals.is_empty() {
                groups.push(Group { pattern, size, rivals });
            }
        }
    }
    ensure!(!groups.is_empty(), "nothing to measure: no rival takes these patterns and sizes");
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_hold_as_many_messages_as_fit() {
        assert_eq!(SIZES.map(slots), [1024, 1024, 1024, 256, 64, 4]);
    }

    #[test]
    fn yardsticks_stay_when_one_rival_is_asked_for() {
        let field = Field::new(&[]);
        let asked = ["shaq".to_owned()];
        let groups = groups(&field, &asked, &[Pattern::RoundTrip], &[8]).expect("groups");
        let names: Vec<&str> = groups[0].rivals.iter().map(|&rival| field.get(rival).name).collect();
        assert_eq!(names, ["ping-pong", "t", "shaq"]);
    }

    #[test]
    fn an_unknown_rival_and_an_empty_plan_are_refused() {
        let field = Field::new(&[]);
        assert!(groups(&field, &["nobody".to_owned()], &[], &[8]).is_err());
        assert!(groups(&field, &[], &[Pattern::Batch], &[65536]).is_err());
    }
}
