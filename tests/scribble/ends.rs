//! What the victim holds, and what it does with that. The liar takes part with the same.

use std::error::Error;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use ringway::{Corrupt, RecvError, RequestError, SendError, ServeError, Wait, duplex, mpmc, spsc, untrusted};

use crate::Mode;
use crate::common::names::Name;
use crate::common::random::Random;

/// The limit of calls that wait.
const MOMENT: Duration = Duration::from_micros(50);
/// Bytes of an untrusted ring.
pub const UNTRUSTED: usize = 4096;
/// Operations of an untrusted end before it is given up, if nothing is wrong with it before.
const LIFE: u32 = 20_000;

const SLOTS: usize = 64;
/// Visits of a call of a record ring that does not wait: a header, and those around padding, in a look or two.
const FEW: u64 = 64;
/// Of a slot ring: each slot, and 64 more, in a walk; three walks, a repair, and a look whether the ring is drained.
const LAPS: u64 = 8 * (SLOTS as u64 + 64);

pub fn spsc_options() -> spsc::Options {
    spsc::options().size(4096).liveness(Duration::from_millis(1)).persist(true)
}

pub fn mpmc_options() -> mpmc::Options {
    mpmc::options()
        .slots(SLOTS)
        .slot_size(64)
        .participants(2)
        .liveness(Duration::from_millis(1))
        .persist(true)
}

fn duplex_options() -> duplex::Options {
    duplex::options().size(4096).liveness(Duration::from_millis(1)).persist(true)
}

fn untrusted_options() -> untrusted::Options {
    untrusted::options().size(UNTRUSTED).liveness(Duration::from_millis(1))
}

/// Where the victim meets its peer.
pub enum Place {
    /// A ring of this name.
    Name(Mode, String),
    /// A socket.
    Socket(Mode, UnixListener),
}

impl Place {
    pub fn new(mode: Mode, address: &str) -> Place {
        if mode.is_untrusted() {
            Place::Socket(mode, UnixListener::bind(address).expect("a socket"))
        } else {
            Place::Name(mode, address.to_owned())
        }
    }

    /// Attaches, to wait in one way or another; makes the ring, if it is to be made.
    pub fn attach(&self, create: bool, random: &mut Random) -> Result<Box<dyn End>, Box<dyn Error>> {
        let wait = [Wait::Spin, Wait::Adaptive, Wait::Park][random.below(3) as usize];
        let (spsc, mpmc) =
            (spsc_options().create(create).wait(wait), mpmc_options().create(create).wait(wait));
        let untrusted = untrusted_options().wait(wait);
        Ok(match self {
            Place::Name(mode, name) => {
                let name = name.as_str();
                match mode {
                    Mode::SpscProducer => Box::new(spsc.producer(name)?),
                    Mode::SpscConsumer => Box::new(spsc.consumer(name)?),
                    Mode::MpmcProducer => Box::new(mpmc.producer(name)?),
                    Mode::MpmcConsumer => Box::new(mpmc.consumer(name)?),
                    _ => Box::new(duplex_options().create(create).wait(wait).endpoint(name)?),
                }
            }
            // Whatever is wrong, it is not how they meet.
            Place::Socket(mode, listener) => {
                let (socket, _) = listener.accept()?;
                if mode.is_producer() {
                    let end = untrusted.producer(&socket).expect("a sound greeting and half");
                    Box::new(Untrusted { end, left: LIFE })
                } else {
                    let end = untrusted.consumer(&socket).expect("a sound greeting and half");
                    Box::new(Untrusted { end, left: LIFE })
                }
            }
        })
    }
}

/// What an operation came to.
pub enum Outcome {
    /// A message went, or came, or there was room for one.
    Moved,
    Nothing,
    Corrupt,
    /// The end is good for nothing more, and was found corrupt or not.
    Over {
        corrupt: bool,
    },
}

/// An end, or both ends of a side.
pub trait End {
    /// Does one thing or another.
    fn operate(&mut self, play: &mut Play) -> Outcome;
}

/// What decides what is done next, and how long the longest call took that had a limit.
pub struct Play {
    pub random: Random,
    pub longest: Duration,
}

impl Play {
    pub fn new() -> Play {
        Play { random: Random::any(), longest: Duration::ZERO }
    }

    /// A call that waits for a moment at most.
    fn timed<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = call();
        self.longest = self.longest.max(began.elapsed());
        result
    }
}

/// A call that visits so many slots or records at most: counted in a build for it (`--cfg fuzzing`), where one more is a panic.
fn within<T>(visits: u64, call: impl FnOnce() -> T) -> T {
    #[cfg(fuzzing)]
    return ringway::fuzzing::within(visits, call);
    #[cfg(not(fuzzing))]
    {
        let _ = visits;
        call()
    }
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

fn named(corrupt: Corrupt) -> Outcome {
    assert!(!corrupt.what.is_empty(), "{corrupt:?}");
    Outcome::Corrupt
}

/// Reads every byte of a message, which is no longer than any.
fn read(bytes: &[u8], largest: usize) -> u64 {
    assert!(bytes.len() <= largest, "{} bytes of at most {largest}", bytes.len());
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

macro_rules! ends {
    ($producer:ty, $consumer:ty, $visits:expr) => {
        impl End for $producer {
            fn operate(&mut self, play: &mut Play) -> Outcome {
                let what = play.random.next();
                let len = (what >> 8) as usize;
                match what % 1024 {
                    0 => sent(play.timed(|| self.send_timeout(&[1; 200], MOMENT))),
                    1 => sent(play.timed(|| self.wait_for_space(len % 2000, Some(MOMENT)))),
                    2 => {
                        let _ = (self.peer(), self.is_linked(), self.counters());
                        sent(self.used())
                    }
                    3..200 => sent(within($visits, || self.try_claim(len % 2100)).and_then(|mut claim| {
                        claim.fill(2);
                        claim.truncate(len % 1000);
                        within($visits, || claim.commit())
                    })),
                    200..400 => sent(self.batch().and_then(|mut batch| {
                        (0..len % 9)
                            .try_for_each(|part| within($visits, || batch.push(&[3; 90][..10 * part])))?;
                        within(8 * $visits, || batch.commit())
                    })),
                    400..600 => sent(within($visits, || self.try_send(&[4; 2100][..len % 2100]))),
                    _ => sent(within($visits, || self.try_send(&[5; 64][..len % 64]))),
                }
            }
        }

        impl End for $consumer {
            fn operate(&mut self, play: &mut Play) -> Outcome {
                let largest = self.largest();
                match play.random.below(1024) {
                    0 => received(
                        play.timed(|| self.recv_timeout(MOMENT).map(|message| read(&message, largest))),
                    ),
                    1 => received(play.timed(|| self.wait_for_message(Some(MOMENT)))),
                    2 => {
                        let _ = (self.peer(), self.is_linked(), self.counters());
                        received(self.used())
                    }
                    3..300 => received(self.drain().and_then(|mut drain| {
                        while let Some(message) = within($visits, || drain.next()) {
                            read(&message?, largest);
                        }
                        Ok(())
                    })),
                    _ => received(within($visits, || self.try_recv().map(|message| read(&message, largest)))),
                }
            }
        }
    };
}

ends!(spsc::Producer, spsc::Consumer, FEW);
ends!(mpmc::Producer, mpmc::Consumer, LAPS);

impl End for duplex::Endpoint {
    fn operate(&mut self, play: &mut Play) -> Outcome {
        match play.random.below(512) {
            0 => match play.timed(|| self.request(&[6; 40], MOMENT).map(|reply| reply.len())) {
                Err(RequestError::Send(error)) => sent::<()>(Err(error)),
                Err(RequestError::Recv(error)) => received::<()>(Err(error)),
                Err(_) => Outcome::Nothing,
                Ok(_) => Outcome::Moved,
            },
            1 => match play.timed(|| match self.next_request(Some(MOMENT)) {
                Ok(request) => Ok(request.reply_timeout(&[7; 40], MOMENT)),
                Err(error) => Err(error),
            }) {
                Err(ServeError::Recv(error)) => received::<()>(Err(error)),
                Err(_) => Outcome::Nothing,
                Ok(replied) => sent(replied),
            },
            2 => {
                let _ = (self.peer(), self.is_linked());
                Outcome::Nothing
            }
            what if what.is_multiple_of(2) => self.ends().0.operate(play),
            _ => self.ends().1.operate(play),
        }
    }
}

/// An untrusted end, which is given up after so many operations more.
struct Untrusted<E> {
    end: E,
    left: u32,
}

impl<E> Untrusted<E> {
    /// Is it time for another?
    fn is_old(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left == 0
    }
}

impl End for Untrusted<untrusted::Producer> {
    fn operate(&mut self, play: &mut Play) -> Outcome {
        if self.is_old() {
            return Outcome::Over { corrupt: false };
        }
        let what = play.random.next();
        let len = (what >> 8) as usize;
        let result = match what % 256 {
            0 => play.timed(|| self.end.send_timeout(&[1; 500], MOMENT)),
            1..64 => self.end.try_send(&[4; 4200][..len % 4200]),
            _ => self.end.try_send(&[5; 64][..len % 64]),
        };
        match result {
            Err(SendError::Corrupt(corrupt)) => {
                assert_eq!(self.end.try_send(&[6]), Err(SendError::Corrupt(corrupt)), "once is for ever");
                named(corrupt);
                Outcome::Over { corrupt: true }
            }
            Err(SendError::Closed | SendError::PeerDead) => Outcome::Over { corrupt: false },
            other => sent(other),
        }
    }
}

impl End for Untrusted<untrusted::Consumer> {
    fn operate(&mut self, play: &mut Play) -> Outcome {
        if self.is_old() {
            return Outcome::Over { corrupt: false };
        }
        let largest = self.end.largest();
        let result = match play.random.below(256) {
            0 => play.timed(|| self.end.recv_timeout(MOMENT).map(|message| keep(&message, largest))),
            _ => self.end.try_recv().map(|message| keep(&message, largest)),
        };
        match result {
            Err(RecvError::Corrupt(corrupt)) => {
                assert_eq!(
                    self.end.try_recv().map(drop),
                    Err(RecvError::Corrupt(corrupt)),
                    "once is for ever"
                );
                named(corrupt);
                Outcome::Over { corrupt: true }
            }
            Err(RecvError::Closed | RecvError::PeerDead) => Outcome::Over { corrupt: false },
            other => received(other),
        }
    }
}

/// A message that was given out stays as it is.
fn keep(message: &[u8], largest: usize) {
    assert!(message.len() <= largest, "{} bytes of at most {largest}", message.len());
    let first = std::hint::black_box(message.to_vec());
    assert_eq!(message, first);
}

/// What a peer has written concerns no other ring of this process.
pub fn another_ring_works(mode: Mode) {
    macro_rules! passes {
        ($tx:expr, $rx:expr) => {{
            let (mut tx, mut rx) = ($tx, $rx);
            tx.send(b"sound").expect("room");
            assert_eq!(&rx.recv().expect("a message")[..], b"sound");
        }};
    }
    let name = Name::new("other");
    let (spsc, mpmc) = (spsc_options().persist(false), mpmc_options().persist(false));
    let duplex = duplex_options().persist(false);
    match mode {
        Mode::SpscProducer | Mode::SpscConsumer => {
            passes!(spsc.producer(&*name).expect("an end"), spsc.consumer(&*name).expect("an end"));
        }
        Mode::MpmcProducer | Mode::MpmcConsumer => {
            passes!(mpmc.producer(&*name).expect("an end"), mpmc.consumer(&*name).expect("an end"));
        }
        Mode::Duplex => {
            passes!(duplex.endpoint(&*name).expect("a side"), duplex.endpoint(&*name).expect("a side"));
        }
        Mode::UntrustedProducer | Mode::UntrustedConsumer => {
            let (mine, theirs) = UnixStream::pair().expect("sockets");
            let other = std::thread::spawn(move || untrusted_options().consumer(&theirs).expect("an end"));
            passes!(untrusted_options().producer(&mine).expect("an end"), other.join().expect("no panic"));
        }
    }
    assert!(!name.exists(), "a drained ring is removed by the last one to leave");
}
