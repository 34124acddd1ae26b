//! A process that keeps the System V objects of a pair.
//!
//! No exit removes such objects by itself. The keeper creates them, says their numbers, and removes them when its standard
//! input ends: when the coordinator lets go of the pair, or is gone, even if it was killed. It is in a process group of its
//! own, so that Ctrl-C does not end it as well.

use std::io::{BufRead, BufReader, Read, Write, stdin, stdout};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, anyhow};

use super::system_v::{Ids, Objects};

/// Arguments of a keeper process, started by the bench itself.
#[derive(Debug, clap::Args)]
pub struct KeeperArgs {
    /// Capacity of the rings, bytes
    ring_bytes: usize,
}

/// Keeps the objects until the standard input ends.
pub fn keeper(args: &KeeperArgs) -> Result<()> {
    let created = Objects::create(args.ring_bytes);
    let ids = created.as_ref().map(Objects::ids).map_err(|error| format!("{error:#}"));
    let mut out = stdout().lock();
    let said = writeln!(out, "{}", serde_json::to_string(&ids)?).and_then(|()| out.flush());
    // Whether the numbers were heard or not, the input ends when nobody needs them any more.
    stdin().lock().read_to_end(&mut Vec::new()).context("cannot wait for the coordinator")?;
    said.context("cannot tell the coordinator")
}

/// A keeper at work. Dropping it has the objects removed, and waits until they are.
#[derive(Debug)]
pub struct Keeper {
    /// The process.
    child: Child,
    /// Its standard input.
    input: Option<ChildStdin>,
    /// What it keeps.
    ids: Ids,
}

impl Keeper {
    /// Starts a keeper; fails where the system does not have what it keeps.
    pub fn start(ring_bytes: usize) -> Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg("bench-keeper").arg(ring_bytes.to_string()).process_group(0);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a keeper of System V objects")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let ids = output.context("a keeper without output").and_then(heard);
        match ids {
            Ok(ids) => Ok(Self { child, input, ids }),
            Err(error) => {
                drop(input);
                child.wait().context("cannot wait for a keeper")?;
                Err(error)
            }
        }
    }

    /// The numbers of what it keeps.
    pub fn ids(&self) -> Ids {
        self.ids
    }
}

/// What a keeper says first.
fn heard(output: impl Read) -> Result<Ids> {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).context("cannot hear a keeper")?;
    let ids: Result<Ids, String> = serde_json::from_str(&line).context("a keeper said nothing")?;
    ids.map_err(|error| anyhow!(error))
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.input = None;
        // Fails only if somebody else has waited for it.
        let _ = self.child.wait();
    }
}
