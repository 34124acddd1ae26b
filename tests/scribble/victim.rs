//! The process that is lied to.
#![allow(unsafe_code)]

use std::fs;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use ringway::{OpenError, RecvError, SendError, mpmc, spsc};

use crate::Mode;
use crate::common::names::Name;
use crate::common::random::Random;
use crate::common::role::{listen, say};

/// Operations between two looks at the clock.
const ROUND: u64 = 2000;
/// How long the victim goes on before it says how far it is.
const TURN: Duration = Duration::from_millis(200);
/// Refusals in a row after which the handle is given up, and another taken.
const FED_UP: u64 = 64;
const MOMENT: Duration = Duration::from_micros(50);
const PAGE: usize = 4096;

/// A handle of either kind and role.
enum Handle {
    SpscProducer(spsc::Producer),
    SpscConsumer(spsc::Consumer),
    MpmcProducer(mpmc::Producer),
    MpmcConsumer(mpmc::Consumer),
}

pub fn spsc_options() -> spsc::Options {
    spsc::options().size(4096).liveness(Duration::from_millis(1)).persist(true)
}

pub fn mpmc_options() -> mpmc::Options {
    mpmc::options().slots(64).slot_size(64).participants(2).liveness(Duration::from_millis(1)).persist(true)
}

#[derive(Default)]
struct Counts {
    operations: u64,
    done: u64,
    corrupt: u64,
    attached: u64,
}

pub fn role(arguments: &[&str]) {
    let (mode, name) = (Mode::parse(arguments[0]), arguments[1]);
    let before = descriptors();
    let mut handle = attach(mode, name).ok();
    assert!(handle.is_some(), "a ring that nobody has lied about yet");
    guard(name);
    say("attached");
    let mut random = Random::any();
    let mut counts = Counts::default();
    while listen() == "on" {
        let turn = Instant::now();
        while turn.elapsed() < TURN {
            play(mode, name, &mut handle, &mut random, &mut counts);
        }
        say(summary(&counts));
    }
    drop(handle);
    assert_eq!(descriptors(), before, "no handle has left a descriptor");
    another_ring_works(mode);
    say(summary(&counts));
}

fn summary(counts: &Counts) -> String {
    let Counts { operations, done, corrupt, attached } = counts;
    format!(
        "{operations} operations, of which {done} moved messages and {corrupt} found something corrupt; attached {attached} times"
    )
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("one's own").count()
}

fn attach(mode: Mode, name: &str) -> Result<Handle, OpenError> {
    Ok(match mode {
        Mode::SpscProducer => Handle::SpscProducer(spsc_options().producer(name)?),
        Mode::SpscConsumer => Handle::SpscConsumer(spsc_options().consumer(name)?),
        Mode::MpmcProducer => Handle::MpmcProducer(mpmc_options().producer(name)?),
        Mode::MpmcConsumer => Handle::MpmcConsumer(mpmc_options().consumer(name)?),
    })
}

/// Makes the pages before and behind the ring's mapping ones that nobody may touch, where nothing lies yet.
fn guard(name: &str) {
    let maps = fs::read_to_string("/proc/self/maps").expect("one's own");
    let file = format!("ringway.{name}");
    for line in maps.lines().filter(|line| line.ends_with(&file)) {
        let range = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let address = |text| usize::from_str_radix(text, 16).expect("an address");
        for page in [address(range.0) - PAGE, address(range.1)] {
            let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED_NOREPLACE;
            let len = NonZeroUsize::new(PAGE).expect("a page");
            // SAFETY: a new mapping, where there is none; it stays until the process ends.
            let _ = unsafe { mmap_anonymous(NonZeroUsize::new(page), len, ProtFlags::PROT_NONE, flags) };
        }
    }
}

fn play(mode: Mode, name: &str, handle: &mut Option<Handle>, random: &mut Random, counts: &mut Counts) {
    let mut refused = 0;
    for _ in 0..ROUND {
        counts.operations += 1;
        let Some(handle) = handle.as_mut() else { break };
        match operate(handle, random) {
            Outcome::Moved => {
                counts.done += 1;
                refused = 0;
            }
            Outcome::Nothing => {}
            Outcome::Corrupt => {
                counts.corrupt += 1;
                refused += 1;
                if refused > FED_UP {
                    break;
                }
            }
        }
    }
    if refused > FED_UP || handle.is_none() {
        // The old one first: its place is the new one's.
        *handle = None;
        counts.operations += 1;
        *handle = attach(mode, name).inspect_err(|error| assert!(!error.to_string().is_empty())).ok();
        if handle.is_some() {
            counts.attached += 1;
            guard(name);
        }
    }
}

enum Outcome {
    Moved,
    Nothing,
    Corrupt,
}

fn sent<T>(result: Result<T, SendError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Moved,
        Err(SendError::Corrupt(corrupt)) => named(corrupt),
        Err(_) => Outcome::Nothing,
    }
}

fn received<T>(result: Result<T, RecvError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Moved,
        Err(RecvError::Corrupt(corrupt)) => named(corrupt),
        Err(_) => Outcome::Nothing,
    }
}

fn named(corrupt: ringway::Corrupt) -> Outcome {
    assert!(!corrupt.what.is_empty(), "{corrupt:?}");
    Outcome::Corrupt
}

/// Reads every byte of a message, which is no longer than any.
fn read(bytes: &[u8], largest: usize) -> u64 {
    assert!(bytes.len() <= largest, "{} bytes of at most {largest}", bytes.len());
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

/// What both kinds of handles can do, in either's own words.
fn operate(handle: &mut Handle, random: &mut Random) -> Outcome {
    let what = random.next();
    let len = (what >> 8) as usize;
    match handle {
        Handle::SpscProducer(tx) => match what % 1024 {
            0 => sent(tx.send_timeout(&[1; 200], MOMENT)),
            1 => sent(tx.wait_for_space(len % 2000, Some(MOMENT))),
            2 => {
                let _ = (tx.peer(), tx.is_linked(), tx.counters());
                sent(tx.used())
            }
            3..200 => sent(tx.try_claim(len % 2100).and_then(|mut claim| {
                claim.fill(2);
                claim.truncate(len % 1000);
                claim.commit()
            })),
            200..400 => sent(tx.batch().and_then(|mut batch| {
                (0..len % 9).try_for_each(|part| batch.push(&[3; 90][..10 * part]))?;
                batch.commit()
            })),
            400..600 => sent(tx.try_send(&[4; 2100][..len % 2100])),
            _ => sent(tx.try_send(&[5; 64][..len % 64])),
        },
        Handle::SpscConsumer(rx) => {
            let largest = rx.largest();
            match what % 1024 {
                0 => received(rx.recv_timeout(MOMENT).map(|message| read(&message, largest))),
                1 => received(rx.wait_for_message(Some(MOMENT))),
                2 => {
                    let _ = (rx.peer(), rx.is_linked(), rx.counters());
                    received(rx.used())
                }
                3..300 => received(rx.drain().and_then(|mut drain| {
                    while let Some(message) = drain.next() {
                        read(&message?, largest);
                    }
                    Ok(())
                })),
                _ => received(rx.try_recv().map(|message| read(&message, largest))),
            }
        }
        Handle::MpmcProducer(tx) => match what % 1024 {
            0 => sent(tx.send_timeout(&[1; 200], MOMENT)),
            1 => sent(tx.wait_for_space(len % 2000, Some(MOMENT))),
            2 => {
                let _ = (tx.peer(), tx.is_linked(), tx.counters());
                sent(tx.used())
            }
            3..200 => sent(tx.try_claim(len % 2100).and_then(|mut claim| {
                claim.fill(2);
                claim.truncate(len % 1000);
                claim.commit()
            })),
            200..400 => sent(tx.batch().and_then(|mut batch| {
                (0..len % 9).try_for_each(|part| batch.push(&[3; 90][..10 * part]))?;
                batch.commit()
            })),
            400..600 => sent(tx.try_send(&[4; 2100][..len % 2100])),
            _ => sent(tx.try_send(&[5; 64][..len % 64])),
        },
        Handle::MpmcConsumer(rx) => {
            let largest = rx.largest();
            match what % 1024 {
                0 => received(rx.recv_timeout(MOMENT).map(|message| read(&message, largest))),
                1 => received(rx.wait_for_message(Some(MOMENT))),
                2 => {
                    let _ = (rx.peer(), rx.is_linked(), rx.counters());
                    received(rx.used())
                }
                3..300 => received(rx.drain().and_then(|mut drain| {
                    while let Some(message) = drain.next() {
                        read(&message?, largest);
                    }
                    Ok(())
                })),
                _ => received(rx.try_recv().map(|message| read(&message, largest))),
            }
        }
    }
}

/// What a peer has written concerns no other ring of this process.
fn another_ring_works(mode: Mode) {
    let name = Name::new("other");
    if mode.is_mpmc() {
        let mut tx = mpmc_options().persist(false).producer(&*name).expect("a producer");
        let mut rx = mpmc_options().persist(false).consumer(&*name).expect("a consumer");
        tx.send(b"sound").expect("room");
        assert_eq!(&rx.recv().expect("a message")[..], b"sound");
    } else {
        let mut tx = spsc_options().persist(false).producer(&*name).expect("a producer");
        let mut rx = spsc_options().persist(false).consumer(&*name).expect("a consumer");
        tx.send(b"sound").expect("room");
        assert_eq!(&rx.recv().expect("a message")[..], b"sound");
    }
    assert!(!name.exists(), "a drained ring is removed by the last one to leave");
}
