//! Python's `multiprocessing` between two Python processes: `Pipe`, `Queue`, and `shared_memory` with semaphores.
//!
//! The loops, the payload and the clocks are the script's (`python.py`), as nobody would call Python from here for each
//! message; the roles sleep meanwhile. They probe the distance between the cores right before and right after, so such a
//! sample is classed like any other.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::control::{Job, Outcome};
use super::pair::{Conditions, FAREWELL, WaitTimeout};

/// The interpreter.
const PYTHON: &str = "python3";

/// What the interpreter runs.
const SCRIPT: &str = include_str!("python.py");

/// What the script needs.
const NEEDS: &str = "import ctypes, multiprocessing.shared_memory, multiprocessing.synchronize, resource";

/// How long the processes may take over a job.
const PATIENCE: Duration = Duration::from_secs(20);

/// The first line that the script reads.
#[derive(Debug, Serialize)]
struct Setup {
    /// The cores of the sender and the receiver, if each has one.
    cores: Option<[usize; 2]>,
    /// Bytes of a ring in shared memory.
    ring_bytes: usize,
}

/// Says why there is no Python that could be measured.
pub fn look() -> Result<()> {
    let found = Command::new(PYTHON).args(["-c", NEEDS]).output();
    let found = found.context("there is no python3")?;
    let said = String::from_utf8_lossy(&found.stderr);
    ensure!(found.status.success(), "python3 lacks something: {}", said.trim().lines().last().unwrap_or("?"));
    Ok(())
}

/// The sender, which has forked the receiver. Dropping it ends both.
#[derive(Debug)]
pub struct Python {
    /// The sender.
    child: Child,
    /// Its standard input.
    input: Option<ChildStdin>,
    /// Lines that it says; it is gone when there are no more.
    heard: Receiver<String>,
    /// Number of the last job.
    last_job: u64,
}

impl Python {
    /// Starts both processes.
    pub fn start(conditions: &Conditions) -> Result<Self> {
        let mut command = Command::new(PYTHON);
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start python3")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (tell, heard) = mpsc::channel();
        let mut python = Self { child, input, heard, last_job: 0 };
        let lines = BufReader::new(output.context("python3 without output")?).lines();
        thread::spawn(move || {
            // Ends when the processes do, or when nobody listens any more.
            lines.map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        python.tell(&Setup { cores: conditions.cores, ring_bytes: conditions.ring_bytes })?;
        Ok(python)
    }

    /// Takes a sample: what the sender and the receiver measured, without probes.
    pub fn run(&mut self, job: Job) -> Result<[Outcome; 2]> {
        self.last_job += 1;
        self.tell(&Job { id: self.last_job, ..job })?;
        match self.heard.recv_timeout(PATIENCE) {
            Ok(line) => serde_json::from_str(&line).with_context(|| format!("python3 said {line:?}")),
            Err(RecvTimeoutError::Timeout) => {
                bail!("no answer from python3 within {}", humantime::format_duration(PATIENCE))
            }
            Err(RecvTimeoutError::Disconnected) => bail!("python3 died"),
        }
    }

    /// Writes a line to the sender.
    fn tell(&mut self, what: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_string(what)?;
        line.push('\n');
        let input = self.input.as_mut().context("python3 without input")?;
        input.write_all(line.as_bytes()).context("python3 is gone")
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        self.input = None;
        if self.child.wait_timeout(FAREWELL).is_none() {
            // Both fail only if the process is gone already; the receiver dies with it.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::control::Tuning;
    use crate::bench::plan::{Mechanism, Pattern};

    #[test]
    fn all_ways_carry_all_patterns_and_sizes_checked() {
        if look().is_err() {
            return;
        }
        let conditions = Conditions { cores: None, ring_bytes: 64 << 10, tune: Tuning::default() };
        let mut python = Python::start(&conditions).unwrap();
        for mechanism in [Mechanism::PythonPipe, Mechanism::PythonQueue, Mechanism::PythonMemory] {
            for (pattern, size) in [
                (Pattern::RoundTrip, 8),
                (Pattern::Single, 30_000),
                (Pattern::Single, 24),
                (Pattern::WakeSameCore, 16),
            ] {
                let (count, timed, rest) = (2100, 7, 100);
                let job = Job { id: 0, mechanism, pattern, size, count, timed, rest, probe: false };
                let [sender, receiver] = python.run(job).unwrap();
                let single: u64 = sender.latency.iter().map(|(_, times)| times).sum();
                let expected = if pattern.is_wake() { count + timed } else { timed };
                assert_eq!(single, expected, "{mechanism:?} {pattern:?}");
                assert!(sender.start < receiver.end && sender.cpu > 0 && receiver.cpu > 0);
            }
        }
    }
}
