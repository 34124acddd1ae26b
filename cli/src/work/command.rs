//! A job becomes a process.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Child, Command};

use memchr::memmem;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::SigSet;
use ringway::mpmc::Message;

use super::child::dies_with_worker;

/// What stands for the job in an argument.
const PLACEHOLDER: &[u8] = b"{}";

/// The command that is run for each job.
#[derive(Debug)]
pub struct Template {
    program: OsString,
    arguments: Vec<OsString>,
}

impl Template {
    /// The program and its arguments, in which `{}` stands for the job. `None`: there is no program.
    pub fn new(command: &[OsString]) -> Option<Self> {
        let (program, arguments) = command.split_first()?;
        Some(Self { program: program.clone(), arguments: arguments.to_vec() })
    }

    /// The program, for people.
    pub fn program(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// Starts the command for `job`, with the signal mask `signals`.
    pub fn start(&self, job: &Message<'_>, signals: SigSet) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .args(self.arguments.iter().map(|argument| fill_in(argument, job)))
            .env("RINGWAY_SEQUENCE", job.sequence().to_string())
            .env("RINGWAY_TAG", job.tag().to_string())
            .env("RINGWAY_REDELIVERED", u8::from(job.redelivered()).to_string())
            .stdin(file_with(job)?);
        dies_with_worker(&mut command, signals);
        command.spawn()
    }
}

/// `argument` with `job` in place of every `{}`.
fn fill_in(argument: &OsStr, job: &[u8]) -> OsString {
    let bytes = argument.as_bytes();
    let mut filled = Vec::with_capacity(bytes.len());
    let mut rest = 0;
    for at in memmem::find_iter(bytes, PLACEHOLDER) {
        filled.extend_from_slice(&bytes[rest..at]);
        filled.extend_from_slice(job);
        rest = at + PLACEHOLDER.len();
    }
    filled.extend_from_slice(&bytes[rest..]);
    OsString::from_vec(filled)
}

/// A file in memory that holds `job`: unlike a pipe it takes all of it at once, whether the command reads it or not.
fn file_with(job: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"ringway-job", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(job)?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(argument: &str, job: &[u8]) -> Vec<u8> {
        fill_in(OsStr::new(argument), job).into_vec()
    }

    #[test]
    fn the_job_replaces_every_placeholder_and_nothing_else() {
        assert_eq!(filled("plain", b"job"), b"plain");
        assert_eq!(filled("{}", b"job"), b"job");
        assert_eq!(filled("a{}b{}c", b"x"), b"axbxc");
        assert_eq!(filled("{{}}{", b"x"), b"{x}{");
        assert_eq!(filled("{}{}", b"{}"), b"{}{}", "a job is not looked through");
        assert_eq!(filled("{}.out", b"\xff"), b"\xff.out");
        assert_eq!(filled("{}", b""), b"");
    }
}
