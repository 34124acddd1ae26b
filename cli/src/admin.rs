//! `ringway create`, `ls`, `inspect` and `rm`: rings as things to look after.

use std::io::{self, Write};

use ringway::inspect;
use serde::Serialize;

use crate::args::{CreateArgs, InspectArgs, ListArgs, RemoveArgs};
use crate::exit::{Exit, Failure};
use crate::report::{EntryView, RingView, list_text, ring_text};

/// The answer of `ringway rm --json`.
#[derive(Debug, Serialize)]
struct Removed {
    /// The address that is free now.
    removed: String,
}

/// Runs `ringway create`.
pub fn create(args: &CreateArgs) -> Result<(), Failure> {
    let address = &args.at.address;
    args.ring.options().payload_align(args.payload_align).create_ring(address)?;
    let report = inspect::inspect(address)?;
    if args.json { say_json(&RingView::from(&report)) } else { Ok(()) }
}

/// Runs `ringway ls`.
pub fn list(args: &ListArgs) -> Result<(), Failure> {
    let entries = inspect::list().map_err(|error| {
        Failure::new(Exit::Error, format!("cannot list the rings of this machine: {error}"))
    })?;
    if args.json {
        return say_json(&entries.into_iter().map(EntryView::from).collect::<Vec<_>>());
    }
    say(&list_text(&entries))
}

/// Runs `ringway inspect`.
pub fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    let report = inspect::inspect(&args.at.address)?;
    if args.json { say_json(&RingView::from(&report)) } else { say(&ring_text(&report)) }
}

/// Runs `ringway rm`.
pub fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let address = &args.at.address;
    inspect::remove(address, args.force)?;
    if args.json { say_json(&Removed { removed: address.to_string() }) } else { Ok(()) }
}

/// Prints `text` and a newline.
fn say(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(|error| Failure::of_output(&error))
}

/// Prints `value` as JSON.
pub fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::of_output(&error.into()))?;
    say(&text)
}
