//! The other processes of a scene: one that dies before the operation, and one that sleeps during it.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, pause};
use ringway::{Address, RecvError, SendError};

use crate::account::{Account, Phase};
use crate::cell::Part;
use crate::ends::{Maker, Until};
use crate::fork::fork;
use crate::message;
use crate::tracee::{Stop, Tracee, end, stop_self};

/// How long anything may take that is to take no time.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a process does until it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doom {
    /// It has claimed room for a message of so many bytes.
    Claim(usize),
    /// It has a message in hand, or two that it drains.
    Hands(usize),
    /// It has begun to release a message of several slots.
    Releasing,
}

/// A process that is to die.
#[derive(Debug)]
pub enum Casualty {
    /// It waits for its end.
    Waiting { _process: Mortal },
    /// It is stopped in the middle of something.
    Stopped { _process: Tracee },
    /// It is gone.
    Gone,
}

/// A process that is killed on drop.
#[derive(Debug)]
pub struct Mortal(Pid);

impl Drop for Mortal {
    fn drop(&mut self) {
        end(self.0);
    }
}

impl Casualty {
    /// Starts a process that is to die by `doom`; tells whom it had told of what.
    pub fn start(maker: &Maker, address: &Address, doom: Doom) -> Result<(Casualty, Account)> {
        let account = Account::new()?;
        if doom == Doom::Releasing {
            let mut tracee = Tracee::start(&account, || act(maker, address, doom, &account))?;
            stop_in_release(&mut tracee, address, &account)?;
            return Ok((Casualty::Stopped { _process: tracee }, account));
        }
        let process = Mortal(fork(|| act(maker, address, doom, &account))?);
        let started = Instant::now();
        while account.phase() < Phase::Ready {
            if started.elapsed() > PATIENCE {
                bail!("a casualty did not get ready: {}", account.text());
            }
            std::thread::yield_now();
        }
        Ok((Casualty::Waiting { _process: process }, account))
    }

    /// It dies.
    pub fn die(&mut self) {
        *self = Casualty::Gone;
    }
}

/// The life of a casualty.
fn act(maker: &Maker, address: &Address, doom: Doom, account: &Account) -> i32 {
    let me = getpid();
    let wait = || {
        account.set_phase(Phase::Ready);
        loop {
            pause();
        }
    };
    let result = match doom {
        Doom::Claim(len) => maker.producer(address).map_err(|error| error.to_string()).and_then(|mut tx| {
            tx.die_with_a_claim(&message::payload(9999, len), wait).map_err(|error| error.to_string())
        }),
        Doom::Hands(count) => {
            maker.consumer(address).map_err(|error| error.to_string()).and_then(|mut rx| {
                let taken = if count > 1 {
                    rx.drain(count, account, wait)
                } else {
                    rx.recv(Until::Now, account, wait)
                };
                taken.map_err(|error| error.to_string())
            })
        }
        Doom::Releasing => maker.consumer(address).map_err(|error| error.to_string()).and_then(|mut rx| {
            account.set_phase(Phase::Ready);
            stop_self(me);
            rx.recv(Until::Now, account, || {}).map_err(|error| error.to_string())
        }),
    };
    account.set_text(&format!("it outlived its doom: {result:?}"));
    3
}

/// Steps a consumer until its release has changed something.
fn stop_in_release(tracee: &mut Tracee, address: &Address, account: &Account) -> Result<()> {
    let segment = segment_of(address);
    let mut before = None;
    for _ in 0..20_000 {
        if tracee.step()? != Stop::Trap || account.released() > 0 {
            break;
        }
        if account.releasing() > 0 {
            let now = fs::read(&segment)?;
            if before.get_or_insert_with(|| now.clone()) != &now {
                return Ok(());
            }
        }
    }
    bail!("its release changes nothing: {}", account.text())
}

fn segment_of(address: &Address) -> String {
    match address {
        Address::Shm(name) => format!("/dev/shm/ringway.{name}"),
        Address::File(path) => path.display().to_string(),
        Address::Fd(fd) => format!("/proc/self/fd/{fd}"),
        other => other.to_string(),
    }
}

/// A process that sleeps in a call until it gets what it waits for.
#[derive(Debug)]
pub struct Sleeper {
    pid: Option<Pid>,
    /// What it was told.
    pub account: Account,
}

impl Sleeper {
    /// Starts a process that waits for a message, or for room for `message`; to be found asleep.
    pub fn start(maker: &Maker, address: &Address, part: Part, message: &[u8]) -> Result<Sleeper> {
        let account = Account::new()?;
        let pid = fork(|| sleep(&maker.sleepy(), address, part, message, &account))?;
        let sleeper = Sleeper { pid: Some(pid), account };
        let started = Instant::now();
        while !sleeper.sleeps() {
            if started.elapsed() > PATIENCE {
                bail!("a sleeper does not fall asleep: {}", sleeper.account.text());
            }
            std::thread::yield_now();
        }
        Ok(sleeper)
    }

    /// Is it in the kernel, in a futex?
    fn sleeps(&self) -> bool {
        let Some(pid) = self.pid.filter(|_| self.account.phase() == Phase::Begun) else {
            return false;
        };
        let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        call.split(' ').next().and_then(|number| number.parse().ok()) == Some(libc::SYS_futex)
    }

    /// Has it got what it waits for?
    pub fn is_done(&self) -> bool {
        self.account.phase() >= Phase::Over
    }

    /// Waits until it has got that, and has left. `false`: it did not within a long time.
    pub fn join(&mut self) -> bool {
        let started = Instant::now();
        while !self.is_done() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_micros(200));
        }
        let done = self.is_done();
        if done && let Some(pid) = self.pid.take() {
            return matches!(waitpid(pid, None), Ok(WaitStatus::Exited(_, 0)));
        }
        done
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Some(pid) = self.pid.take() {
            end(pid);
        }
    }
}

/// The life of a sleeper.
fn sleep(maker: &Maker, address: &Address, part: Part, message: &[u8], account: &Account) -> i32 {
    let again = |error: &str| {
        account.set_text(error);
        std::thread::sleep(Duration::from_micros(500));
    };
    if part == Part::Producer {
        let Ok(mut tx) = maker.producer(address) else { return 4 };
        account.set_phase(Phase::Begun);
        loop {
            match tx.send(message) {
                Ok(()) => break,
                Err(error @ (SendError::PeerDead | SendError::Closed)) => again(&error.to_string()),
                Err(_) => return 5,
            }
        }
        account.set_sent();
        account.set_phase(Phase::Over);
    } else {
        let Ok(mut rx) = maker.consumer(address) else { return 4 };
        account.set_phase(Phase::Begun);
        loop {
            match rx.recv(Until::Ever, account, || {}) {
                Ok(()) => break,
                Err(error @ (RecvError::PeerDead | RecvError::Closed)) => again(&error.to_string()),
                Err(_) => return 5,
            }
        }
        account.set_phase(Phase::Over);
    }
    0
}
