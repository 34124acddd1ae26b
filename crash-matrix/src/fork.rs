//! Forked children. The process that forks has one thread, so a child may do whatever it likes.
#![allow(unsafe_code)]

use std::io::{Read, Write, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;

use anyhow::{Context, Result};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork as system_fork, getppid};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a child that panicked exits with.
pub const PANICKED: i32 = 101;

/// Forks a child that runs `body` and exits with what it returns; it dies with its parent.
pub fn fork(body: impl FnOnce() -> i32) -> Result<Pid> {
    let parent = nix::unistd::getpid();
    // SAFETY: this process has no other thread, so no lock is held by one that the child lacks.
    match unsafe { system_fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => exit(child(parent, body)),
    }
}

fn child(parent: Pid, body: impl FnOnce() -> i32) -> i32 {
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    if getppid() != parent {
        return PANICKED;
    }
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(PANICKED)
}

/// Runs `body` in a process of its own, and returns what it returns.
pub fn apart<T: Serialize + DeserializeOwned>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    let (mut reader, mut writer) = pipe()?;
    let pid = fork(|| {
        let result = body().map_err(|error| format!("{error:#}"));
        let text = serde_json::to_string(&result).unwrap_or_default();
        i32::from(writer.write_all(text.as_bytes()).is_err())
    })?;
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    let status = waitpid(pid, None)?;
    let result: Result<T, String> =
        serde_json::from_str(&text).with_context(|| format!("a process of its own ended by {status:?}"))?;
    result.map_err(anyhow::Error::msg)
}
