//! A classic Unix program: one thread in a poll loop, with its signals, its standard input and a timer; and two rings, each of
//! which tells by a signal that it has something.
//!
//! In three terminals, in any order: `signals receive`, `signals send text` and `signals send clock`; Enter asks the receiver
//! how far it is. Without arguments it is all three, for as long as the senders have something to send.
//!
//! What it shows: the signal is blocked and read from a descriptor, so nothing is interrupted; both rings share one
//! real-time signal, and its token says which; each is drained, asked again, and looked at once more if it says so.

use std::error::Error;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringway::notify::{Inbox, Signal};
use ringway::spsc::{self, Consumer};
use ringway::{RecvError, Signalled};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The rings; the number of each is its token.
const RINGS: [&str; 2] = ["text", "clock"];
/// Messages of each sender.
const MESSAGES: u32 = 50;
/// How often to look without having been told: a sender that dies sends no signal.
const NOW_AND_THEN: u16 = 1000;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["receive"] => receive("signals"),
        ["send", ring] => send("signals", ring),
        ["send", ring, name] => send(name, ring),
        [] => all(&format!("signals-{}", std::process::id())),
        _ => Err("give `receive` or `send RING`, or nothing".into()),
    }
}

/// Starts the senders and is the receiver.
fn all(name: &str) -> Outcome {
    let start = |ring| Command::new(std::env::current_exe()?).args(["send", ring, name]).spawn();
    let senders = [start(RINGS[0])?, start(RINGS[1])?];
    receive(name)?;
    for mut sender in senders {
        let end = sender.wait()?;
        if !end.success() {
            return Err(format!("a sender failed: {end}").into());
        }
    }
    Ok(())
}

/// Sends now and then, so that the receiver falls asleep in between.
fn send(name: &str, ring: &str) -> Outcome {
    let mut tx = spsc::producer(format!("{name}.{ring}"))?;
    for number in 0..MESSAGES {
        tx.send(format!("{ring} {number}").as_bytes())?;
        thread::sleep(Duration::from_millis(if number % 5 == 0 { 10 } else { 0 }));
    }
    Ok(())
}

/// What was received of one ring.
struct Source {
    ring: Signalled<Consumer>,
    received: u32,
    told: u32,
    over: bool,
}

impl Source {
    fn open(name: &str, token: usize, signal: Signal) -> Outcome<Source> {
        let consumer = spsc::consumer(format!("{name}.{}", RINGS[token]))?;
        let ring = consumer.signalled(signal, u32::try_from(token)?)?;
        Ok(Source { ring, received: 0, told: 0, over: false })
    }

    /// Receives what there is, and asks to be told of more.
    fn drain(&mut self) -> Outcome {
        while !self.over {
            match self.ring.try_recv().map(drop) {
                Ok(()) => self.received += 1,
                Err(RecvError::Empty) if self.ring.arm() => return Ok(()),
                Err(RecvError::Empty) => {}
                Err(RecvError::Closed) => self.over = true,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn receive(name: &str) -> Outcome {
    // Before anything else: whoever asks for a signal that it is not ready for dies of it.
    let signal = Signal::realtime(1)?;
    let inbox = Inbox::new(&[signal])?;
    let mut sources = [Source::open(name, 0, signal)?, Source::open(name, 1, signal)?];
    sources.iter_mut().try_for_each(Source::drain)?;
    let mut input = Some(io::stdin());
    while sources.iter().any(|source| !source.over) {
        let (told, typed) = wait(&inbox, input.as_ref())?;
        if let Some(stdin) = input.as_mut().filter(|_| typed) {
            match stdin.read(&mut [0; 4096])? {
                0 => input = None, // Its end is readable for ever.
                _ => report(&sources),
            }
        }
        while told && let Some(notice) = inbox.try_next()? {
            // Without a token it may be any of them.
            match notice.token.and_then(|token| sources.get_mut(token as usize)) {
                Some(source) => source.told += 1,
                None => sources.iter_mut().for_each(|source| source.told += 1),
            }
        }
        sources.iter_mut().try_for_each(Source::drain)?;
    }
    report(&sources);
    Ok(())
}

fn report(sources: &[Source]) {
    for (Source { received, told, .. }, ring) in sources.iter().zip(RINGS) {
        println!("{ring}: received {received} messages, told of them by {told} signals");
    }
}

/// Waits for a signal or for Enter, or until it is time to look; which of both there is.
fn wait(inbox: &Inbox, input: Option<&io::Stdin>) -> Outcome<(bool, bool)> {
    let mut descriptors = vec![PollFd::new(inbox.as_fd(), PollFlags::POLLIN)];
    descriptors.extend(input.map(|input| PollFd::new(input.as_fd(), PollFlags::POLLIN)));
    poll(&mut descriptors, PollTimeout::from(NOW_AND_THEN))?;
    let any = |at: usize| descriptors.get(at).and_then(PollFd::any).unwrap_or(false);
    Ok((any(0), any(1)))
}
