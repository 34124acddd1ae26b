//! A host that does not trust its plug-in.
//!
//! Without arguments it is the host, which starts itself again as three plug-ins, one after the other. Each gets one end of
//! a pair of sockets as its standard input, and both make two untrusted rings over it: requests one way, answers the other.
//! The first plug-in works. The second turns hostile: it writes rubbish over everything that it may write, at full speed. The
//! third dies at work. The host tells the three apart, drops each plug-in for its own reason, and goes on.
//!
//! The hostile plug-in makes its half of the ring by hand, since nothing in ringway would do what it does.
#![allow(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::io::{IoSlice, stdin};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio, exit};
use std::time::Duration;

use memmap2::MmapOptions;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use ringway::{RecvError, SendError, untrusted};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How long the host gives a plug-in for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Outcome {
    match std::env::args().nth(1).as_deref() {
        None => host(),
        Some("honest") => honest(u64::MAX),
        Some("hostile") => hostile(),
        Some("mortal") => honest(100),
        Some(other) => Err(format!("{other:?} is no plug-in: give nothing").into()),
    }
}

/// A plug-in as the host sees it.
struct Plugin {
    process: Child,
    requests: untrusted::Producer,
    answers: untrusted::Consumer,
}

impl Plugin {
    fn start(kind: &str) -> Outcome<Plugin> {
        let (mine, theirs) = UnixStream::pair()?;
        let mut command = Command::new(std::env::current_exe()?);
        let process = command.arg(kind).stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
        // The command's own descriptor must not keep the socket open when the plug-in is dead.
        drop(command);
        let requests = untrusted::options().size(1 << 16).producer(&mine)?;
        let answers = untrusted::options().most(1 << 16).consumer(&mine)?;
        Ok(Plugin { process, requests, answers })
    }

    /// Has the plug-in add up numbers. What it answers is checked like anything else that comes from outside.
    fn sum(&mut self, numbers: &[u8]) -> Outcome<u64> {
        self.requests.send_timeout(numbers, PATIENCE)?;
        let answer = self.answers.recv_timeout(PATIENCE)?;
        let sum = answer[..].try_into().map_err(|_| format!("an answer of {} bytes", answer.len()))?;
        Ok(u64::from_le_bytes(sum))
    }
}

fn host() -> Outcome {
    for kind in ["honest", "hostile", "mortal"] {
        let mut plugin = Plugin::start(kind)?;
        let mut answered = 0;
        let reason = loop {
            if answered == 1000 {
                break None;
            }
            let numbers: Vec<u8> = (0..answered % 200).map(|number| number as u8).collect();
            match plugin.sum(&numbers) {
                Ok(sum) if sum == numbers.iter().map(|number| u64::from(*number)).sum() => answered += 1,
                Ok(sum) => break Some(format!("a wrong sum, {sum}").into()),
                Err(error) => break Some(error),
            }
        };
        match reason {
            None => println!("{kind}: {answered} answers, all of them right"),
            Some(error) => println!("{kind}: dropped after {answered} answers: {error}"),
        }
        let Plugin { mut process, requests, answers } = plugin;
        drop((requests, answers));
        if kind != "honest" {
            process.kill()?;
        }
        process.wait()?;
    }
    println!("the host goes on");
    Ok(())
}

/// The plug-in's end of the sockets.
fn socket() -> Outcome<UnixStream> {
    Ok(UnixStream::from(stdin().as_fd().try_clone_to_owned()?))
}

/// Adds up what comes, and dies at the given request.
fn honest(last: u64) -> Outcome {
    let socket = socket()?;
    let mut requests = untrusted::consumer(&socket)?;
    let mut answers = untrusted::options().size(1 << 16).producer(&socket)?;
    for number in 0.. {
        if number == last {
            exit(1);
        }
        let sum: u64 = match requests.recv() {
            Ok(numbers) => numbers.iter().map(|number| u64::from(*number)).sum(),
            Err(RecvError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match answers.send(&sum.to_le_bytes()) {
            Ok(()) | Err(SendError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Takes part in the hand-over as one must, and then writes rubbish over all of its half for ever.
fn hostile() -> Outcome {
    const LEN: usize = 4096 + (1 << 16);
    let socket = socket()?;
    let _requests = untrusted::consumer(&socket)?;
    let half = File::from(memfd_create(c"half", MFdFlags::MFD_ALLOW_SEALING)?);
    half.set_len(LEN as u64)?;
    let memory = MmapOptions::new().map_raw(&half)?;
    let length = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
    fcntl(&half, FcntlArg::F_ADD_SEALS(length | SealFlag::F_SEAL_FUTURE_WRITE | SealFlag::F_SEAL_SEAL))?;
    let greeting = b"RINGHALF\x01\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0";
    let descriptors = [half.as_raw_fd()];
    let beside = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(greeting)], &beside, MsgFlags::empty(), None)?;
    let mut rubbish = 1_u64;
    loop {
        for word in 0..LEN / 8 {
            rubbish ^= rubbish << 13;
            rubbish ^= rubbish >> 7;
            rubbish ^= rubbish << 17;
            let place = memory.as_mut_ptr().wrapping_add(8 * word).cast::<u64>();
            // SAFETY: the word is in the mapping and aligned; nobody in this process reads it.
            unsafe { place.write_volatile(rubbish) };
        }
    }
}
