//! The process that is lied to.
#![allow(unsafe_code)]

use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::libc::c_void;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use crate::Mode;
use crate::common::role::{listen, say};
use crate::ends::{End, Outcome, Place, Play, another_ring_works};

/// Operations between two looks at the clock.
const ROUND: u64 = 2000;
/// How long the victim goes on before it says how far it is.
const TURN: Duration = Duration::from_millis(200);
/// Refusals in a round after which the end is given up, and another taken.
const FED_UP: u64 = 64;
const PAGE: usize = 4096;

/// How far the victim is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub operations: u64,
    pub moved: u64,
    pub corrupt: u64,
    pub attached: u64,
    /// How long the longest call took that was to wait for 50 µs at most.
    pub longest: Duration,
}

impl Counts {
    /// A line for [`Counts::from_str`].
    fn line(&self) -> String {
        let Counts { operations, moved, corrupt, attached, longest } = self;
        format!("{operations} {moved} {corrupt} {attached} {}", longest.as_micros())
    }

    /// Was enough seen?
    pub fn is_complete(&self) -> bool {
        self.operations > 1000 && self.moved > 0 && self.corrupt > 0 && self.attached > 0
    }
}

impl FromStr for Counts {
    type Err = String;

    fn from_str(line: &str) -> Result<Counts, String> {
        let numbers: Option<Vec<u64>> = line.split(' ').map(|number| number.parse().ok()).collect();
        let Some([operations, moved, corrupt, attached, longest]) = numbers.as_deref() else {
            return Err(line.to_owned());
        };
        let (operations, moved, corrupt, attached) = (*operations, *moved, *corrupt, *attached);
        Ok(Counts { operations, moved, corrupt, attached, longest: Duration::from_micros(*longest) })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { operations, moved, corrupt, attached, longest } = self;
        write!(
            f,
            "{operations} operations, of which {moved} moved messages and {corrupt} found something corrupt; attached \
             {attached} times; the longest wait of at most 50 µs took {longest:?}"
        )
    }
}

/// An end, with pages round its memory that nobody may touch.
struct Held {
    // Dropped in this order.
    end: Box<dyn End>,
    _guards: Vec<Guard>,
}

pub fn role(arguments: &[&str]) {
    let (mode, address) = (Mode::parse(arguments[0]), arguments[1]);
    let place = Place::new(mode, address);
    let before = descriptors();
    let (mut play, mut counts, mut held) = (Play::new(), Counts::default(), None);
    // The ring, before anybody lies about it. An untrusted one takes two.
    if !mode.is_untrusted() {
        held = Some(guarded(place.attach(true, &mut play.random).expect("a sound ring"), address));
    }
    say("ready");
    while listen() == "on" {
        let turn = Instant::now();
        while turn.elapsed() < TURN {
            round(&place, address, &mut held, &mut play, &mut counts);
        }
        counts.longest = play.longest;
        say(counts.line());
    }
    drop(held);
    assert_eq!(descriptors(), before, "no end has left a descriptor");
    another_ring_works(mode);
    say("sound");
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("one's own").count()
}

/// Operates for a while; if the end turns out to be useless, takes another.
fn round(place: &Place, address: &str, held: &mut Option<Held>, play: &mut Play, counts: &mut Counts) {
    let Some(Held { end, .. }) = held else {
        counts.operations += 1;
        let attached =
            place.attach(true, &mut play.random).inspect_err(|error| assert!(!error.to_string().is_empty()));
        *held = attached.ok().map(|end| guarded(end, address));
        counts.attached += u64::from(held.is_some());
        return;
    };
    let mut refused = 0;
    for _ in 0..ROUND {
        counts.operations += 1;
        match end.operate(play) {
            Outcome::Moved => counts.moved += 1,
            Outcome::Nothing => {}
            Outcome::Corrupt => {
                counts.corrupt += 1;
                refused += 1;
            }
            Outcome::Over { corrupt } => {
                counts.corrupt += u64::from(corrupt);
                refused = FED_UP + 1;
            }
        }
        if refused > FED_UP {
            *held = None;
            break;
        }
    }
}

/// A page that nobody may touch, until it is dropped.
struct Guard(NonNull<c_void>);

impl Guard {
    /// At this address, unless something lies there already.
    fn new(at: usize) -> Option<Guard> {
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED_NOREPLACE;
        let len = NonZeroUsize::new(PAGE)?;
        // SAFETY: a new mapping, where there is none.
        unsafe { mmap_anonymous(NonZeroUsize::new(at), len, ProtFlags::PROT_NONE, flags) }.ok().map(Guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: this value's own mapping, which nobody uses.
        unsafe { munmap(self.0, PAGE) }.expect("its own");
    }
}

/// The end, and guards before and behind its memory: that of a ring of this name, or memfds.
fn guarded(end: Box<dyn End>, address: &str) -> Held {
    let maps = fs::read_to_string("/proc/self/maps").expect("one's own");
    let file = format!("ringway.{address}");
    let lines = maps.lines().filter(|line| line.ends_with(&file) || line.contains(" /memfd:"));
    let ranges = lines.map(|line| {
        let range = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let address = |text| usize::from_str_radix(text, 16).expect("an address");
        (address(range.0), address(range.1))
    });
    let _guards =
        ranges.flat_map(|(start, end)| [Guard::new(start - PAGE), Guard::new(end)]).flatten().collect();
    Held { end, _guards }
}
