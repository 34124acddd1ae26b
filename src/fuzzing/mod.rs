//! What the fuzz targets do (`--cfg fuzzing`); `fuzz/` has their entries, corpora and dictionaries.
//!
//! | target | the input is | what must hold |
//! |---|---|---|
//! | `header` | a header, repaired so far that the next check is reached | an error, or a ring that lies within its memory |
//! | `records` | what a record ring holds | every end of it comes to an answer |
//! | `stream` | what a pipe brings | messages, or an error that stays |
//! | `spsc`, `mpmc` | operations, deaths among them | what a queue in memory of one's own would do |
//! | `spsc_lies`, `mpmc_lies` | what each read of shared memory returns, and operations | every call ends within its bound, and no message lies outside the ring |
//!
//! `races` is no target: threads over one mapping, for ThreadSanitizer.
//!
//! Nothing may panic, whatever the input; and memory is on the heap, where AddressSanitizer watches its ends.

mod header;
mod input;
mod memory;
mod mpmc;
mod mpmc_model;
pub mod races;
mod records;
mod spsc;
mod spsc_model;
mod stream;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// The targets.
pub const TARGETS: [Target; 7] = [
    ("header", header::run),
    ("mpmc", mpmc::run),
    ("mpmc_lies", mpmc::run_with_lies),
    ("records", records::run),
    ("spsc", spsc::run),
    ("spsc_lies", spsc::run_with_lies),
    ("stream", stream::run),
];

/// Runs the target of this name.
///
/// # Panics
/// When there is none, or when it finds something.
pub fn run(target: &str, data: &[u8]) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    // What an earlier input has said is over, although it may have ended in a panic.
    crate::sync::obey(&[]);
    run(data);
    crate::sync::obey(&[]);
}

/// Runs `call`, which may visit so many slots or records: for those who scribble over a ring that is in use.
///
/// # Panics
/// When it visits more, or reads many more shared words than that takes.
pub fn within<T>(visits: u64, call: impl FnOnce() -> T) -> T {
    crate::sync::within(visits, call)
}
