//! Rings handed to a child process.
//!
//! The parent's descriptor is close-on-exec and stays so: the flag is taken off in the forked child alone, between `fork` and
//! `exec`, so that nobody who is started at the same time by another thread inherits it. The environment of the child says
//! `fd:5 spsc consumer 0123456789abcdef0123456789abcdef`: where, what, as what, and the ring's instance, since a variable
//! is inherited further than a descriptor.
//!
//! The flag also says whose a descriptor is: one that came through an `exec` has it off. [`from_parent`] takes no other, looks at
//! a copy, and closes what it came by when it is the ring expected.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::unistd::close;

use super::ends::End;
use super::greeting::Greeting;
use super::handed::Handed;
use crate::error::{HandoverError, OpenError};
use crate::layout::{Kind, Role};
use crate::segment::address::Address;
use crate::segment::{memfd, read_header};

/// What the variables are called, before the ring's name.
const PREFIX: &str = "RINGWAY_RING_";
/// The first number that is no standard stream's.
const FIRST: RawFd = 3;

/// Held while a descriptor is taken, so that it is taken once.
static TAKING: Mutex<()> = Mutex::new(());

/// Hands the ring of `end` to the children that `command` starts, to take part in as `role`: such a child attaches by
/// [`from_parent`] with the same name, of letters, digits and `_`. Returns the address that the ring has in the child, to
/// pass to a program that takes one as an argument.
///
/// The command keeps a descriptor of the ring as long as it lives.
///
/// # Errors
/// [`HandoverError::Name`]; [`HandoverError::Open`] when the ring is not in a memfd, or there is no descriptor left.
pub fn to_child<E: End>(
    command: &mut Command,
    name: &str,
    end: &E,
    role: Role,
) -> Result<Address, HandoverError> {
    let variable = variable(name)?;
    let descriptor = end.descriptor_to_give()?;
    memfd::check(&descriptor, "the ring")?;
    let descriptor = beyond_the_standard(descriptor)?;
    let file = File::from(descriptor);
    let instance = read_header(&file, "the ring")?.instance;
    let address = Address::Fd(file.as_raw_fd());
    command.env(variable, Note { greeting: Greeting { kind: E::KIND, role }, instance }.text(&address));
    inherit(command, file.into());
    Ok(address)
}

/// Takes the ring that the parent process has handed over by this name. It can be taken once.
///
/// # Errors
/// [`HandoverError::NotHanded`] when there is none; [`HandoverError::Stale`] when it was taken already, or the variable came
/// further than the descriptor; [`HandoverError::Name`]; [`HandoverError::Open`] when the descriptor leads to no sealed memfd with
/// a ring.
pub fn from_parent(name: &str) -> Result<Handed, HandoverError> {
    let variable = variable(name)?;
    let Some(value) = std::env::var_os(&variable) else {
        return Err(HandoverError::NotHanded { variable });
    };
    let found = value.to_string_lossy().into_owned();
    let stale = |why| HandoverError::Stale { variable: variable.clone(), found: found.clone(), why };
    let (number, note) = Note::read(&found)
        .ok_or_else(|| stale("that is not what to_child writes; leave the variable to it"))?;
    let _taking = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let handed = Handed::new(copy(number).map_err(stale)?, note.greeting)?;
    if handed.instance() != note.instance {
        return Err(stale("another ring has this descriptor; have the ring handed to this process itself"));
    }
    // It cannot fail but by a filter, and then the next program has the descriptor, too.
    let _ = close(number);
    Ok(handed)
}

/// What the environment says of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note {
    greeting: Greeting,
    instance: u128,
}

impl Note {
    fn text(self, address: &Address) -> String {
        let Greeting { kind, role } = self.greeting;
        format!("{address} {} {role} {:032x}", kind.as_str(), self.instance)
    }

    fn read(text: &str) -> Option<(RawFd, Note)> {
        let words: Vec<&str> = text.split(' ').collect();
        let &[address, kind, role, instance] = words.as_slice() else { return None };
        let Ok(Address::Fd(number)) = address.parse() else { return None };
        let kind = [Kind::Spsc, Kind::Mpmc].into_iter().find(|known| known.as_str() == kind)?;
        let role = [Role::Producer, Role::Consumer].into_iter().find(|known| known.to_string() == role)?;
        let instance = u128::from_str_radix(instance, 16).ok()?;
        Some((number, Note { greeting: Greeting { kind, role }, instance }))
    }
}

fn variable(name: &str) -> Result<String, HandoverError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(HandoverError::Name { name: name.to_owned() });
    }
    Ok(format!("{PREFIX}{name}"))
}

/// The same descriptor under a number that no standard stream is put under in the child.
fn beyond_the_standard(descriptor: OwnedFd) -> Result<OwnedFd, OpenError> {
    if descriptor.as_raw_fd() >= FIRST {
        return Ok(descriptor);
    }
    let number =
        fcntl(&descriptor, FcntlArg::F_DUPFD_CLOEXEC(FIRST)).map_err(|errno| system("dup", errno.into()))?;
    // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Lets the children that `command` starts have the descriptor.
fn inherit(command: &mut Command, descriptor: OwnedFd) {
    let keep =
        move || fcntl(descriptor.as_fd(), FcntlArg::F_SETFD(FdFlag::empty())).map(drop).map_err(Into::into);
    // SAFETY: in the forked child `keep` makes one system call, and neither allocates nor locks.
    unsafe { command.pre_exec(keep) };
}

/// A copy of the descriptor that came through an `exec`; why not, if it is none. Nothing becomes of the descriptor itself,
/// which may be another's.
fn copy(number: RawFd) -> Result<OwnedFd, &'static str> {
    // SAFETY: the call looks at nothing but the descriptor's flags.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 {
        return Err(
            "no such descriptor is open: the ring was taken already, or the variable came further than it; \
                    take it once, and have it handed to this process itself",
        );
    }
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(
            "that descriptor was not inherited: the ring was taken already, or the variable came further than it; \
                    take it once, and have it handed to this process itself",
        );
    }
    // SAFETY: the call opens a new descriptor and touches no other.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, FIRST) };
    if copy < 0 {
        return Err(
            "the descriptor cannot be copied; raise the limit on open files (ulimit -n) or close some",
        );
    }
    // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

fn system(call: &'static str, source: std::io::Error) -> OpenError {
    OpenError::System { call, place: "the ring's descriptor".to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_as_they_went_out() {
        let note =
            Note { greeting: Greeting { kind: Kind::Mpmc, role: Role::Producer }, instance: u128::MAX - 1 };
        let text = note.text(&Address::Fd(7));
        assert_eq!(text, "fd:7 mpmc producer fffffffffffffffffffffffffffffffe");
        assert_eq!(Note::read(&text), Some((7, note)));
        for text in [
            "",
            "fd:7",
            "shm:a spsc consumer 0",
            "fd:7 spsc consumer",
            "fd:7 other consumer 0",
            "fd:7 spsc other 0",
            "fd:7 spsc consumer g",
            "fd:7 spsc consumer 0 ",
        ] {
            assert_eq!(Note::read(text), None, "{text:?}");
        }
    }

    #[test]
    fn names_are_those_of_variables() {
        assert_eq!(variable("frames_2").expect("a name"), "RINGWAY_RING_frames_2");
        for name in ["", "a b", "a=b", "a\0", "ä"] {
            assert!(matches!(variable(name), Err(HandoverError::Name { .. })), "{name:?}");
        }
    }
}
