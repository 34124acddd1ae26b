//! D-Bus: a bus of the run's own, to which both sides connect. A round trip is a method call and its reply, a stream is
//! calls that want no reply. Bodies are arrays of bytes, copied as such. The bus runs on both cores, a side's
//! connection on its side's.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::env;
use std::io::{BufRead, BufReader, Error};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use ringway_rivals::pairs::control::{Job, Outcome};
use ringway_rivals::pairs::field::{Duplex, Ends};
use ringway_rivals::pairs::ground::Ground;
use ringway_rivals::pairs::meter::Meter;
use ringway_rivals::pairs::payload::{Check, Payload};
use ringway_rivals::pairs::plan::Pattern;
use ringway_rivals::pairs::traffic::{Rx, Tx};
use serde_bytes::Bytes;
use zbus::Message;
use zbus::blocking::{Connection, MessageIterator, connection};
use zbus::message::{Flags, Type};

/// The bus.
const DAEMON: &str = "dbus-daemon";

/// The receiver's name on the bus, and of its interface.
const NAME: &str = "org.ringway.Rival";

/// The receiver's object.
const PATH: &str = "/org/ringway/Rival";

/// Its method.
const METHOD: &str = "Take";

/// Why there is no bus to be had.
pub fn missing() -> Option<&'static str> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let there = env::split_paths(&paths).any(|folder| folder.join(DAEMON).is_file());
    (!there).then_some("there is no dbus-daemon")
}

/// Opens a side: the sender starts the bus.
pub fn open(ground: &Ground) -> Result<Box<dyn Ends>> {
    let address = format!("unix:abstract=ringway-{}", ground.name);
    let bus = ground.makes().then(|| Bus::start(&address)).transpose()?;
    let mut connection = connection::Builder::address(&*address)?;
    if !ground.makes() {
        connection = connection.name(NAME)?;
    }
    let connection = connection.build()?;
    if ground.makes() {
        let reply = Left::default();
        let caller = Caller { connection, reply: Rc::clone(&reply), waits: true };
        return Ok(Box::new(Sender { ends: Duplex(caller, Reply(reply)), _bus: bus }));
    }
    let calls = MessageIterator::from(&connection);
    let call = Left::default();
    Ok(Box::new(Duplex(Answerer { connection, call: Rc::clone(&call) }, Calls { calls, call })))
}

/// A running bus; killed on drop.
struct Bus(Child);

impl Bus {
    /// Starts one and waits until it listens.
    fn start(address: &str) -> Result<Self> {
        let mut command = Command::new(DAEMON);
        command.args(["--session", "--nofork", "--nopidfile", "--print-address", "--address", address]);
        // It complains of limits that it may not raise; that it does not start is told by its silence.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // SAFETY: the closure makes two system calls and allocates nothing.
        unsafe { command.pre_exec(leave_alone) };
        let mut child = command.spawn().context("cannot start a bus")?;
        let output = child.stdout.take();
        let bus = Self(child);
        let mut line = String::new();
        BufReader::new(output.context("a bus without output")?).read_line(&mut line)?;
        ensure!(line.starts_with("unix:abstract="), "the bus said {line:?}");
        Ok(bus)
    }
}

/// In the bus's process: it ends with its starter, and runs on every core.
fn leave_alone() -> Result<(), Error> {
    set_pdeathsig(Signal::SIGKILL)?;
    let mut all = CpuSet::new();
    for core in 0..CpuSet::count() {
        all.set(core)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &all)?)
}

impl Drop for Bus {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A message that one end leaves for the other.
type Left = Rc<RefCell<Option<Message>>>;

/// The side that calls.
struct Sender {
    /// Its ends.
    ends: Duplex<Caller, Reply>,
    /// Goes after them.
    _bus: Option<Bus>,
}

impl Ends for Sender {
    fn run(&mut self, meter: &mut Meter<'_>, job: Job) -> Result<Outcome> {
        self.ends.0.waits = job.pattern == Pattern::RoundTrip;
        self.ends.run(meter, job)
    }
}

/// Calls.
struct Caller {
    /// To the bus.
    connection: Connection,
    /// The reply to the last call.
    reply: Left,
    /// Does it want replies?
    waits: bool,
}

impl Tx for Caller {
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        let body = Bytes::new(payload.numbered(number));
        if self.waits {
            let reply = self.connection.call_method(Some(NAME), PATH, Some(NAME), METHOD, &body)?;
            self.reply.replace(Some(reply));
            return Ok(());
        }
        let call = Message::method_call(PATH, METHOD)?.destination(NAME)?.interface(NAME)?;
        Ok(self.connection.send(&call.with_flags(Flags::NoReplyExpected)?.build(&body)?)?)
    }
}

/// Gives the reply to the last call.
struct Reply(Left);

impl Rx for Reply {
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        take(&self.0.take().context("no reply")?, check)
    }
}

/// Checks a message.
fn take(message: &Message, check: &mut Check) -> Result<()> {
    let body = message.body();
    check.take(body.deserialize::<&[u8]>()?)
}

/// Replies.
struct Answerer {
    /// To the bus.
    connection: Connection,
    /// The last call.
    call: Left,
}

impl Tx for Answerer {
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        let call = self.call.take().context("no call to reply to")?;
        Ok(self.connection.reply(&call.header(), &Bytes::new(payload.numbered(number)))?)
    }
}

/// Gives the calls.
struct Calls {
    /// What comes from the bus.
    calls: MessageIterator,
    /// The last call.
    call: Left,
}

impl Rx for Calls {
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        loop {
            let message = self.calls.next().context("the bus is gone")??;
            if message.message_type() == Type::MethodCall {
                take(&message, check)?;
                self.call.replace(Some(message));
                return Ok(());
            }
        }
    }
}
