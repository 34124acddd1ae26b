//! The field: everybody who is measured, and what makes a rival.

use std::fmt;

use anyhow::Result;

use super::control::{Job, Outcome};
use super::ground::Ground;
use super::meter::Meter;
use super::plan::Pattern;
use super::traffic::{Rx, Tx};
use super::{apart, together};
use crate::plan::Place;

/// A side's two ends of a rival, for messages of one size.
pub trait Ends {
    /// Takes the side's part in a sample.
    fn run(&mut self, meter: &mut Meter<'_>, job: Job) -> Result<Outcome>;
}

/// An end that sends to the other side, and one that receives from it.
#[derive(Debug)]
pub struct Duplex<T, R>(pub T, pub R);

impl<T: Tx, R: Rx> Ends for Duplex<T, R> {
    fn run(&mut self, meter: &mut Meter<'_>, job: Job) -> Result<Outcome> {
        meter.measure(job, &mut self.0, &mut self.1)
    }
}

/// The ends of both sides, the sender's first.
pub type Both = [Box<dyn Ends + Send>; 2];

/// How the ends come to be.
#[derive(Clone, Copy, Debug)]
pub enum Open {
    /// Each side opens its own, in a process of its own: the sender first, then the receiver, who also removes the
    /// names by which it has found the sender's.
    Apart(fn(&Ground) -> Result<Box<dyn Ends>>),
    /// Both are made at once for messages of a size, for two threads of one process: the sender's, the receiver's.
    Together(fn(usize) -> Result<Both>),
}

/// What a rival is in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A floor or T: measured whatever was asked for.
    Yardstick,
    /// ringway, which all others are compared with.
    Ring,
    /// Somebody else.
    Other,
}

/// Somebody who is measured.
#[derive(Clone, Copy, Debug)]
pub struct Rival {
    /// The name, as an argument and in tables.
    pub name: &'static str,
    /// What it is in the report.
    kind: Kind,
    /// How its ends come to be.
    pub open: Open,
    /// Whether it is measured in a pattern with messages of a size.
    pub takes: fn(Pattern, usize) -> bool,
    /// Whether a side that waits may give its core away.
    pub sleeps: bool,
    /// Why it cannot be measured here.
    missing: fn() -> Option<&'static str>,
    /// Removes what the processes of a pair have left of it, whose names were made of this prefix.
    clean: fn(&str),
}

impl Rival {
    /// Somebody else, who is polled, is measured in all patterns with all sizes, and needs nothing.
    pub const fn new(name: &'static str, open: Open) -> Self {
        let kind = Kind::Other;
        Self { name, kind, open, takes: |_, _| true, sleeps: false, missing: || None, clean: |_| {} }
    }

    /// As something else in the report.
    pub const fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Measured only in these patterns with these sizes.
    pub const fn takes(self, takes: fn(Pattern, usize) -> bool) -> Self {
        Self { takes, ..self }
    }

    /// A side that waits may sleep.
    pub const fn sleeps(self) -> Self {
        Self { sleeps: true, ..self }
    }

    /// Not to be measured where this gives a reason.
    pub const fn missing(self, missing: fn() -> Option<&'static str>) -> Self {
        Self { missing, ..self }
    }

    /// When the processes of a pair have ended, this removes what they have left, given the prefix of their names; what
    /// lies in shared memory is removed in any case.
    pub const fn clean(self, clean: fn(&str)) -> Self {
        Self { clean, ..self }
    }

    /// Is it measured whatever was asked for?
    pub fn is_yardstick(&self) -> bool {
        self.kind == Kind::Yardstick
    }

    /// Is it this project's?
    pub fn is_ring(&self) -> bool {
        self.kind == Kind::Ring
    }

    /// Where its users live.
    pub fn place(&self) -> Place {
        match self.open {
            Open::Apart(_) => Place::Processes,
            Open::Together(_) => Place::Threads,
        }
    }
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place() == Place::Threads && !self.is_ring() { " (threads)" } else { "" };
        f.pad(&format!("{}{place}", self.name))
    }
}

/// Everybody; a rival's number is its place here, the same in every process of this program.
#[derive(Clone, Debug)]
pub struct Field {
    /// The rivals.
    rivals: Vec<&'static Rival>,
}

impl Field {
    /// Those of this package, and `more`.
    pub fn new(more: &'static [Rival]) -> Self {
        Self { rivals: apart::RIVALS.iter().chain(&together::RIVALS).chain(more).collect() }
    }

    /// A rival by its number.
    pub fn get(&self, number: usize) -> &'static Rival {
        self.rivals[number]
    }

    /// A rival by its name, and its number.
    pub fn find(&self, name: &str) -> Option<(usize, &'static Rival)> {
        self.rivals.iter().copied().enumerate().find(|(_, rival)| rival.name == name)
    }

    /// The names of all.
    pub fn names(&self) -> String {
        self.rivals.iter().map(|rival| rival.name).collect::<Vec<_>>().join(", ")
    }

    /// Those who can be measured here, with their numbers.
    pub fn present(&self) -> impl Iterator<Item = (usize, &'static Rival)> {
        let numbered = self.rivals.iter().copied().enumerate();
        numbered.filter(|(_, rival)| (rival.missing)().is_none())
    }

    /// Those who cannot, and why.
    pub fn missing(&self) -> impl Iterator<Item = (&'static Rival, &'static str)> {
        self.rivals.iter().filter_map(|rival| Some((*rival, (rival.missing)()?)))
    }

    /// Removes what the processes of a pair have left.
    pub fn clean(&self, prefix: &str) {
        self.rivals.iter().for_each(|rival| (rival.clean)(prefix));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let field = Field::new(&[]);
        let names: BTreeSet<&str> = field.rivals.iter().map(|rival| rival.name).collect();
        assert_eq!(names.len(), field.rivals.len());
    }

    #[test]
    fn who_is_missing_is_named_and_not_present() {
        static NOBODY: [Rival; 1] =
            [Rival::new("nobody", together::RIVALS[0].open).missing(|| Some("is not here"))];
        let field = Field::new(&NOBODY);
        assert!(field.present().all(|(_, rival)| rival.name != "nobody"));
        let missing: Vec<_> = field.missing().map(|(rival, why)| (rival.name, why)).collect();
        assert_eq!(missing, [("nobody", "is not here")]);
    }
}
