//! A process with ends of rings for which it is signalled: it does what the test tells it, and says what it sees.
//!
//! A sender's call returns when the signal is pending with the receiver. So what has not come by then does not come.

use std::fmt::Display;
use std::time::Duration;

use ringway::notify::{Inbox, Notice, Signal};
use ringway::{RecvError, SendError, Signalled, mpmc, spsc};

use crate::common::role::{self, Entry, Role, listen, say};
use crate::kinds::{Kind, Plan, Rx, Tx, kind_of};
use crate::mask::pending;
use crate::realtime;

pub const ROLES: [Entry; 1] = [("asker", |arguments| ask(arguments))];

/// The signal that askers ask for, unless told otherwise.
pub fn signal() -> Signal {
    realtime(2)
}

/// Bytes of the messages for which askers that produce want room: a whole number of their records fills a ring.
pub const LEN: usize = 56;

/// How rings are made here: small ones, in which nobody looks whether anybody lives.
pub fn plan(kind: Kind) -> Plan {
    Plan { liveness: Duration::from_secs(3600), ..Plan::new(kind) }
}

/// An end for which its process is signalled.
pub trait Asks {
    fn arm(&mut self) -> bool;
    fn disarm(&mut self);
    /// The call that does not wait, and what came of it.
    fn attempt(&mut self) -> String;
}

fn received(message: Result<&[u8], RecvError>) -> String {
    message.map_or_else(|error| format!("{error:?}"), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn sent(result: Result<(), SendError>) -> String {
    match result {
        Ok(()) => "sent".to_owned(),
        Err(SendError::Full { .. }) => "full".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

impl Asks for Signalled<spsc::Consumer> {
    fn arm(&mut self) -> bool {
        Signalled::arm(self)
    }

    fn disarm(&mut self) {
        Signalled::disarm(self);
    }

    fn attempt(&mut self) -> String {
        received(self.try_recv().as_deref().map_err(|error| *error))
    }
}

impl Asks for Signalled<mpmc::Consumer> {
    fn arm(&mut self) -> bool {
        Signalled::arm(self)
    }

    fn disarm(&mut self) {
        Signalled::disarm(self);
    }

    fn attempt(&mut self) -> String {
        received(self.try_recv().as_deref().map_err(|error| *error))
    }
}

impl Asks for Signalled<spsc::Producer> {
    fn arm(&mut self) -> bool {
        self.arm_for(LEN)
    }

    fn disarm(&mut self) {
        self.disarm_room();
    }

    fn attempt(&mut self) -> String {
        sent(self.try_send(&[b'.'; LEN]))
    }
}

impl Asks for Signalled<mpmc::Producer> {
    fn arm(&mut self) -> bool {
        self.arm_for(LEN)
    }

    fn disarm(&mut self) {
        self.disarm_room();
    }

    fn attempt(&mut self) -> String {
        sent(self.try_send(&[b'.'; LEN]))
    }
}

/// Has a consumer ask for `signal` with `token`.
pub fn consumer_asks(rx: Rx, signal: Signal, token: u32) -> Box<dyn Asks> {
    match rx {
        Rx::Spsc(rx) => Box::new(rx.signalled(signal, token).expect("a listener")),
        Rx::Mpmc(rx) => Box::new(rx.signalled(signal, token).expect("a listener")),
    }
}

/// Has a producer ask for `signal` with `token`.
pub fn producer_asks(tx: Tx, signal: Signal, token: u32) -> Box<dyn Asks> {
    match tx {
        Tx::Spsc(tx) => Box::new(tx.signalled(signal, token).expect("a listener")),
        Tx::Mpmc(tx) => Box::new(tx.signalled(signal, token).expect("a listener")),
    }
}

/// What a test says of an end that an asker is to have.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    pub kind: Kind,
    /// A consumer, or a producer that asks for room.
    pub consumes: bool,
    pub address: &'a str,
    pub token: u32,
}

/// A consumer of the ring at `address`.
pub fn consumer(kind: Kind, address: &str, token: u32) -> End<'_> {
    End { kind, consumes: true, address, token }
}

/// A producer of the ring at `address`.
pub fn producer(kind: Kind, address: &str, token: u32) -> End<'_> {
    End { consumes: false, ..consumer(kind, address, token) }
}

/// A process in the role of this file.
pub struct Asker(Role);

impl Asker {
    /// An asker with these ends, numbered from 0, all of which ask for `signal`. Each of its threads blocks the signals of
    /// these tests.
    #[track_caller]
    pub fn start(signal: Signal, ends: &[End<'_>]) -> Asker {
        let number = signal.number().to_string();
        let mut arguments = vec![number];
        for End { kind, consumes, address, token } in ends {
            let side = if *consumes { "consumer" } else { "producer" };
            arguments.extend([kind.as_str(), side, *address].map(str::to_owned));
            arguments.push(token.to_string());
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let _inherited = Inbox::new(&[signal, Signal::user1()]).expect("an inbox");
        let asker = Asker(Role::start("asker", &arguments));
        asker.0.expect("ready");
        asker
    }

    /// An asker with one end.
    #[track_caller]
    pub fn of(end: End<'_>) -> Asker {
        Asker::start(signal(), &[end])
    }

    #[track_caller]
    fn answers(&mut self, question: &str, answer: impl Display) {
        self.0.tell(question);
        let answer = answer.to_string();
        let heard = self.0.hear();
        assert_eq!(heard, answer, "asked to {question}");
    }

    /// Its first end asks for the signal; there is nothing to do.
    #[track_caller]
    pub fn arms(&mut self) {
        self.arms_end(0);
    }

    #[track_caller]
    pub fn arms_end(&mut self, end: usize) {
        self.answers(&format!("arm {end}"), "armed");
    }

    /// Its first end would ask for the signal, but there is something to do.
    #[track_caller]
    pub fn finds(&mut self) {
        self.answers("arm 0", "ready");
    }

    #[track_caller]
    pub fn disarms(&mut self) {
        self.answers("disarm 0", "disarmed");
    }

    /// Its first end says goodbye.
    #[track_caller]
    pub fn drops(&mut self) {
        self.answers("drop 0", "dropped");
    }

    /// Its first end makes the call that does not wait.
    #[track_caller]
    pub fn tries(&mut self, outcome: &str) {
        self.tries_end(0, outcome);
    }

    #[track_caller]
    pub fn tries_end(&mut self, end: usize, outcome: &str) {
        self.answers(&format!("try {end}"), outcome);
    }

    /// Its first end makes that call until it fails; how often it succeeded.
    pub fn fills(&mut self) -> usize {
        self.0.tell("fill 0");
        self.0.hear().parse().expect("a number")
    }

    /// A signal has come, sent by this process.
    #[track_caller]
    pub fn is_told(&mut self, token: u32) {
        self.is_told_by(std::process::id(), token);
    }

    #[track_caller]
    pub fn is_told_by(&mut self, pid: u32, token: u32) {
        self.answers("look", format!("{} Some({token}) {pid}", signal()));
    }

    /// No signal has come, whichever.
    #[track_caller]
    pub fn is_not_told(&mut self) {
        self.answers("look", "nothing");
    }

    /// The next signal that has come: which, its token and sender.
    #[track_caller]
    pub fn looks(&mut self) -> String {
        self.0.tell("look");
        self.0.hear()
    }

    /// It is to have no more signals pending than this from now on, those of its user's other processes included.
    #[track_caller]
    pub fn limits_pending(&mut self, most: u64) {
        self.answers(&format!("limit {most}"), "limited");
    }

    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        self.0.signal(signal);
    }

    pub fn kill(self) {
        self.0.kill();
    }

    /// Ends it; it must have ended well.
    #[track_caller]
    pub fn finish(self) {
        self.0.finish();
    }
}

fn text_of(notice: Option<Notice>) -> String {
    let text = |Notice { signal, token, pid, .. }| format!("{signal} {token:?} {pid}");
    notice.map_or("nothing".to_owned(), text)
}

fn ask(arguments: &[&str]) {
    let (number, ends) = arguments.split_first().expect("a signal");
    let signal = Signal::try_from(number.parse::<i32>().expect("a number")).expect("one that tells");
    let inbox = Inbox::new(&[signal]).expect("an inbox");
    let mut ends: Vec<Option<Box<dyn Asks>>> = ends.chunks(4).map(|end| Some(open(end, signal))).collect();
    say("ready");
    loop {
        let line = listen();
        let (verb, what) = line.split_once(' ').unwrap_or((&line, "0"));
        let limit: u64 = what.parse().expect("a number");
        let number = limit as usize;
        let end = ends.get_mut(number).and_then(Option::as_mut).ok_or("no such end, or it was dropped");
        match verb {
            "arm" => say(if end.expect(verb).arm() { "armed" } else { "ready" }),
            "try" => say(end.expect(verb).attempt()),
            "fill" => {
                let end = end.expect(verb);
                say((0..).find(|_| end.attempt() != "sent").expect("a ring gets full"));
            }
            "disarm" => {
                end.expect(verb).disarm();
                say("disarmed");
            }
            "drop" => {
                ends[number] = None;
                say("dropped");
            }
            "look" => match inbox.try_next().expect("an inbox") {
                // Nor anything that it is not ready for.
                None if pending() != 0 => say(format!("the signals {:x}", pending())),
                notice => say(text_of(notice)),
            },
            "limit" => {
                crate::scarce::limit_pending(limit);
                say("limited");
            }
            _ => break,
        }
    }
}

fn open(end: &[&str], signal: Signal) -> Box<dyn Asks> {
    let &[kind, side, address, token] = end else { panic!("an end is said in four words") };
    let (plan, token) = (plan(kind_of(kind)), token.parse().expect("a number"));
    match side {
        "consumer" => consumer_asks(plan.consumer(address).expect("a consumer"), signal, token),
        _ => producer_asks(plan.producer(address).expect("a producer"), signal, token),
    }
}

/// Starts a role that may be told by signals: each of its threads blocks them.
pub fn start(role: &str, arguments: &[&str]) -> Role {
    let _inherited = Inbox::new(&[signal(), Signal::user1()]).expect("an inbox");
    role::Role::start(role, arguments)
}
