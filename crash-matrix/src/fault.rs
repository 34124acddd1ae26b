//! What can go wrong, and how it is counted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// A message that was sent, and not released, does not come.
    Lost,
    /// A message that is not what was sent.
    Torn,
    /// A message that comes though it must not, or twice, or without its mark, or with a mark and no reason.
    Duplicate,
    /// A slot, place, name, descriptor or mapping that stays.
    Leaked,
    /// Somebody does not go on.
    Stuck,
    /// What a stopped process has was taken from it.
    Theft,
    /// Anything else: a wrong outcome or error, a panic.
    Wrong,
}

/// All classes, in the order of the table.
pub const CLASSES: [Class; 7] =
    [Class::Lost, Class::Torn, Class::Duplicate, Class::Leaked, Class::Stuck, Class::Theft, Class::Wrong];

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What it is.
    pub class: Class,
    /// In words.
    pub what: String,
}

impl Fault {
    /// A finding.
    pub fn new(class: Class, what: impl Into<String>) -> Fault {
        Fault { class, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.class, self.what)
    }
}
