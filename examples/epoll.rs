//! One `epoll` loop for two rings and a timer.
//!
//! In three terminals, in any order: `epoll gps`, `epoll radio`, `epoll station`. Without arguments it is all three.
//!
//! A ring's descriptor is armed when there is nothing to receive, as the last thing before the loop sleeps; so a sender pays for
//! a system call only where somebody is to be woken. It says that there is something to look at, and not what: receive until
//! the ring is empty, arm, and go on receiving if `arm` says that something has come meanwhile.

use std::error::Error;
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use ringway::spsc::{self, Consumer};
use ringway::{Pollable, RecvError};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Who sends, how many messages, and how long after one another.
const SENDERS: [(&str, u64, Duration); 2] =
    [("gps", 100, Duration::from_millis(5)), ("radio", 20, Duration::from_millis(23))];
/// What `epoll` calls the timer. The rings are called by their places.
const TIMER: u64 = u64::MAX;
const TICK: Duration = Duration::from_millis(50);
/// Ticks in a row without a message after which the station gives up.
const PATIENCE: u32 = 400;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (role, name) = (arguments.next(), arguments.next());
    let name = name.unwrap_or_else(|| "epoll".to_owned());
    match role.as_deref() {
        Some("station") => listen(&name),
        Some(role) => send(&name, role),
        None => all(&format!("epoll-{}", std::process::id())),
    }
}

/// Starts the senders and is the station.
fn all(name: &str) -> Outcome {
    let start = |role| Command::new(std::env::current_exe()?).args([role, name]).spawn();
    let senders = [start(SENDERS[0].0)?, start(SENDERS[1].0)?];
    listen(name)?;
    for mut sender in senders {
        let end = sender.wait()?;
        if !end.success() {
            return Err(format!("a sender failed: {end}").into());
        }
    }
    Ok(())
}

/// Sends numbered messages at a sender's pace. Dropping the producer says goodbye.
fn send(name: &str, role: &str) -> Outcome {
    let known = SENDERS.into_iter().find(|(sender, ..)| *sender == role);
    let (sender, messages, period) =
        known.ok_or_else(|| format!("{role:?} is no role: give `gps`, `radio` or `station`, or nothing"))?;
    let mut tx = spsc::producer(format!("{name}.{sender}"))?;
    for message in 0..messages {
        tx.send(&message.to_le_bytes())?;
        thread::sleep(period);
    }
    Ok(())
}

/// A sender's ring, and how many messages have come.
struct Ring {
    sender: &'static str,
    rx: Pollable<Consumer>,
    received: u64,
    is_open: bool,
}

impl Ring {
    fn open(name: &str, sender: &'static str) -> Outcome<Ring> {
        let rx = spsc::consumer(format!("{name}.{sender}"))?.pollable()?;
        Ok(Ring { sender, rx, received: 0, is_open: true })
    }

    /// Receives whatever is there, and arms the descriptor for what comes next.
    fn serve(&mut self) -> Outcome {
        loop {
            let why_not = match self.rx.try_recv() {
                Ok(message) if message[..] == self.received.to_le_bytes() => {
                    self.received += 1;
                    continue;
                }
                Ok(message) => return Err(format!("{}: unexpected {:?}", self.sender, &message[..]).into()),
                Err(error) => error,
            };
            match why_not {
                RecvError::Empty if self.rx.arm()? => return Ok(()),
                // Something has come meanwhile.
                RecvError::Empty => {}
                RecvError::Closed => {
                    println!("{}: {} messages in order, then goodbye", self.sender, self.received);
                    self.is_open = false;
                    return Ok(());
                }
                error => return Err(format!("{}: {error}", self.sender).into()),
            }
        }
    }
}

/// Receives from everybody until all have said goodbye.
fn listen(name: &str) -> Outcome {
    let mut rings = [Ring::open(name, SENDERS[0].0)?, Ring::open(name, SENDERS[1].0)?];
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
    timer.set(Expiration::Interval(TimeSpec::from_duration(TICK)), TimerSetTimeFlags::empty())?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
    for (place, ring) in (0..).zip(&mut rings) {
        epoll.add(ring.rx.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, place))?;
        ring.serve()?;
    }
    let (mut ticks, mut quiet) = (0, 0);
    while rings.iter().any(|ring| ring.is_open) {
        let mut events = [EpollEvent::empty(); 3];
        let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
            // A descriptor of io_uring may interrupt the thread that has armed it.
            Err(Errno::EINTR) => 0,
            count => count?,
        };
        for event in &events[..count] {
            if event.data() == TIMER {
                timer.wait()?;
                (ticks, quiet) = (ticks + 1, quiet + 1);
                continue;
            }
            let ring = &mut rings[event.data() as usize];
            ring.serve()?;
            quiet = 0;
            if !ring.is_open {
                epoll.delete(ring.rx.as_fd())?;
            }
        }
        if quiet > PATIENCE {
            return Err("nothing has come for too long".into());
        }
    }
    println!("the timer has ticked {ticks} times meanwhile");
    Ok(())
}
