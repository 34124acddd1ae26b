//! A process that has the other half, and writes whatever it likes over all of it, at full speed, while this side sends or
//! receives.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringway::untrusted::options;
use ringway::{HandoverError, RecvError, SendError, Wait};

use crate::Meeting;
use crate::common::PATIENCE;
use crate::common::random::Random;
use crate::common::role::{Entry, Role};
use crate::raw::{ASLEEP, BELL, CLOSED, CONSUMER, DATA, Half, POSITION, PRODUCER};

pub const ROLES: [Entry; 1] = [("scribble", scribble)];

/// Bytes of the ring.
const SIZE: usize = 4096;
/// How long all of it goes on, for each role.
const TIME: Duration = Duration::from_secs(4);
/// How long one scribbler is endured that is not found out.
const ROUND: Duration = Duration::from_millis(20);
/// Writes between two looks whether the victim is still there.
const WRITES: usize = 512;

/// Comes to the place again and again, with a new half each time, until nobody is there any more.
fn scribble(arguments: &[&str]) {
    let (part, mut random) = (arguments[1].parse().expect("a role"), Random::any());
    while let Ok(socket) = UnixStream::connect(arguments[0]) {
        let half = Half::new(if part == PRODUCER { DATA + SIZE } else { DATA });
        half.give(&socket, part, if part == PRODUCER { SIZE as u64 } else { 0 });
        let style = random.below(6);
        let mut position = 0;
        while !is_gone(&socket) {
            for _ in 0..WRITES {
                write_something(style, &half, &mut position, &mut random);
            }
        }
    }
}

fn is_gone(socket: &UnixStream) -> bool {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).expect("a poll");
    fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
}

/// A value that is near something that means something.
fn pointed(random: &mut Random) -> u64 {
    let near = [0, 1, 8, SIZE as u64, u64::from(u32::MAX), 1 << 48, 1 << 63, u64::MAX];
    let base = near[random.below(near.len() as u64) as usize];
    base.wrapping_add(random.below(33)).wrapping_sub(16)
}

fn write_something(style: u64, half: &Half, position: &mut u64, random: &mut Random) {
    let any = random.below(half.len() as u64) as usize & !7;
    let word = [POSITION, ASLEEP, BELL][random.below(3) as usize];
    match style {
        // Anything, anywhere.
        0 => half.long(any).store(random.next(), Ordering::Relaxed),
        // Pointed values, at the words that count.
        1 => half.long(word).store(pointed(random), Ordering::Release),
        // One bit, now and then of what the protocol would write.
        2 => {
            let at = if random.once_in(2) { any } else { word };
            half.long(at).fetch_xor(1 << random.below(64), Ordering::Relaxed);
        }
        // The protocol, but for headers and payloads that change all the time; faster than anybody can follow, or slower.
        3 | 4 => {
            let data =
                if half.len() > DATA { DATA + (random.below(SIZE as u64) as usize & !7) } else { BELL };
            half.long(data).store(1 << 48 | random.below(64), Ordering::Relaxed);
            if random.once_in(if style == 3 { 16 } else { 1 << 14 }) {
                *position += 8 * random.below(9);
                half.long(POSITION).store(*position, Ordering::Release);
            }
        }
        // Bells and sleeps, and rarely a goodbye.
        _ => {
            half.word(BELL).store(random.next() as u32, Ordering::Relaxed);
            half.word(ASLEEP).store(random.below(64) as u32, Ordering::Relaxed);
            if random.once_in(1 << 16) {
                half.word(CLOSED).store(random.below(3) as u32, Ordering::Release);
            }
        }
    }
}

/// What came of all rounds.
#[derive(Debug, Default)]
struct Tally {
    rounds: u64,
    calls: u64,
    done: u64,
    corrupt: u64,
    in_vain: u64,
}

impl Tally {
    /// Was enough seen?
    fn is_complete(&self) -> bool {
        self.rounds > 20 && self.corrupt > 0 && self.in_vain > 0 && self.done > 0
    }
}

/// How the next victim waits.
fn ways(round: u64) -> Wait {
    [Wait::Spin, Wait::Adaptive, Wait::Park][round as usize % 3]
}

/// Plays rounds against a process that scribbles over the half of `part`.
fn rounds(part: u32, mut round: impl FnMut(&UnixStream, Wait, &mut Tally) -> Result<(), HandoverError>) {
    let meeting = Meeting::new();
    let scribbler = Role::start("scribble", &[&meeting.path, &part.to_string()]);
    let (mut tally, began) = (Tally::default(), Instant::now());
    // Until each kind of outcome was seen, too.
    while began.elapsed() < TIME || (!tally.is_complete() && began.elapsed() < PATIENCE) {
        round(&meeting.accept(), ways(tally.rounds), &mut tally).expect("a sound greeting and half");
        tally.rounds += 1;
    }
    drop(meeting);
    scribbler.finish();
    println!("{tally:?}");
    assert!(tally.is_complete(), "{tally:?}");
}

/// Every call ends soon after its limit, whatever is written meanwhile.
#[track_caller]
fn assert_soon(began: Instant) {
    assert!(began.elapsed() < Duration::from_secs(20), "a call took {:?}", began.elapsed());
}

#[test]
fn a_consumer_stands_a_live_scribbler() {
    rounds(PRODUCER, |socket, how, tally| {
        let mut rx = options().wait(how).liveness(Duration::from_millis(1)).consumer(socket)?;
        let largest = rx.largest();
        let began = Instant::now();
        while began.elapsed() < ROUND {
            let call = Instant::now();
            let limit = Duration::from_micros(200);
            tally.calls += 1;
            let result = if tally.calls.is_multiple_of(2) { rx.try_recv() } else { rx.recv_timeout(limit) };
            match result {
                Ok(message) => {
                    assert!(message.len() <= largest);
                    let first = std::hint::black_box(message.to_vec());
                    assert_eq!(&message[..], first, "a message that was given out stays as it is");
                    tally.done += 1;
                }
                Err(RecvError::Empty | RecvError::TimedOut) => tally.in_vain += 1,
                Err(RecvError::Corrupt(corrupt)) => {
                    tally.corrupt += 1;
                    assert_eq!(rx.try_recv().map(drop), Err(RecvError::Corrupt(corrupt)));
                    break;
                }
                Err(RecvError::Closed) => break,
                Err(other) => panic!("{other}"),
            }
            assert_soon(call);
        }
        Ok(())
    });
}

#[test]
fn a_producer_stands_a_live_scribbler() {
    rounds(CONSUMER, |socket, how, tally| {
        let options = options().size(SIZE).wait(how).liveness(Duration::from_millis(1));
        let mut tx = options.producer(socket)?;
        let message = [7; 500];
        let began = Instant::now();
        while began.elapsed() < ROUND {
            let call = Instant::now();
            let limit = Duration::from_micros(200);
            tally.calls += 1;
            let result = if tally.calls.is_multiple_of(2) {
                tx.try_send(&message)
            } else {
                tx.send_timeout(&message, limit)
            };
            match result {
                Ok(()) => tally.done += 1,
                Err(SendError::Full { .. } | SendError::TimedOut) => tally.in_vain += 1,
                Err(SendError::Corrupt(corrupt)) => {
                    tally.corrupt += 1;
                    assert_eq!(tx.try_send(&message), Err(SendError::Corrupt(corrupt)));
                    break;
                }
                Err(SendError::Closed) => break,
                Err(other) => panic!("{other}"),
            }
            assert_soon(call);
        }
        Ok(())
    });
}
