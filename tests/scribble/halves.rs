//! The liar of an untrusted ring: it has the other half, and writes whatever it likes over all of it, at full speed.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Mode;
use crate::album::Album;
use crate::common::random::Random;
use crate::common::role::say;
use crate::ends::UNTRUSTED;
use crate::raw::{ASLEEP, BELL, CLOSED, CONSUMER, DATA, Half, POSITION, PRODUCER};

/// Writes between two looks whether the victim is still there.
const WRITES: usize = 512;
const STYLES: u64 = 7;

/// Comes to the socket again and again, with a new half each time, until nobody is there any more.
pub fn lie(mode: Mode, address: &str) {
    let mut random = Random::any();
    let (part, len, size) =
        if mode.is_producer() { (PRODUCER, DATA + UNTRUSTED, UNTRUSTED as u64) } else { (CONSUMER, DATA, 0) };
    say("lying");
    while let Ok(socket) = UnixStream::connect(address) {
        let half = Half::new(len);
        half.give(&socket, part, size);
        let style = random.below(STYLES);
        let (mut position, mut album) = (0, Album::new());
        while !is_gone(&socket) {
            for _ in 0..WRITES {
                write_something(style, &half, &mut position, &mut album, &mut random);
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
    let near = [0, 1, 8, UNTRUSTED as u64, u64::from(u32::MAX), 1 << 48, 1 << 63, u64::MAX];
    let base = near[random.below(near.len() as u64) as usize];
    base.wrapping_add(random.below(33)).wrapping_sub(16)
}

/// What the protocol would write, but for headers and payloads that change all the time; one position in `times`.
fn write_on(half: &Half, position: &mut u64, random: &mut Random, times: u64) {
    let data = if half.len() > DATA { DATA + (random.below(UNTRUSTED as u64) as usize & !7) } else { BELL };
    half.long(data).store(1 << 48 | random.below(64), Ordering::Relaxed);
    if random.once_in(times) {
        *position += 8 * random.below(9);
        half.long(POSITION).store(*position, Ordering::Release);
    }
}

fn write_something(style: u64, half: &Half, position: &mut u64, album: &mut Album, random: &mut Random) {
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
        // Faster than anybody can follow, or slower.
        3 => write_on(half, position, random, 16),
        4 => write_on(half, position, random, 1 << 14),
        // Slower, and now and then lines and pages as they were some time ago.
        5 => match random.below(1 << 14) {
            0 | 1 => album.take(half.words(), 0..half.words().len(), random),
            2 => album.replay(half.words(), random, |random| {
                (0..random.below(256)).for_each(|_| std::hint::spin_loop());
            }),
            _ => write_on(half, position, random, 1 << 14),
        },
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
