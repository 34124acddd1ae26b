//! The processes of a team or a pair, as the coordinator sees them: each is told orders and says answers, a line of
//! JSON each.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long the hosts may take over an order.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a host may take to leave after its input ended.
const FAREWELL: Duration = Duration::from_millis(500);

/// Running hosts, numbered from 0. Dropping them ends the processes.
pub struct Hosts {
    /// The processes.
    children: Vec<Child>,
    /// Their standard inputs.
    inputs: Vec<ChildStdin>,
    /// What they say; `None`: one has ended.
    heard: Receiver<Option<String>>,
    /// For the threads that listen to them.
    tell: Sender<Option<String>>,
}

impl Hosts {
    /// None yet.
    pub fn new() -> Self {
        let (tell, heard) = mpsc::channel();
        Self { children: Vec::new(), inputs: Vec::new(), heard, tell }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.children.len()
    }

    /// Starts one, this program with the given command, and a thread that listens to it.
    pub fn spawn(&mut self, command: &str) -> Result<()> {
        let mut child = Command::new("/proc/self/exe");
        let mut child = child.arg(command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        self.children.push(child);
        self.inputs.push(input.context("a host without input")?);
        let output = output.context("a host without output")?;
        let tell = self.tell.clone();
        thread::spawn(move || listen(output, &tell));
        Ok(())
    }

    /// Writes an order to a host.
    pub fn tell(&mut self, host: usize, order: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_string(order)?;
        line.push('\n');
        self.inputs[host].write_all(line.as_bytes()).context("a host is gone")
    }

    /// So many answers, of whichever hosts.
    pub fn hear<T: DeserializeOwned>(&self, answers: usize) -> Result<Vec<T>> {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        while heard.len() < answers {
            match self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Some(line)) => heard.push(serde_json::from_str(&line).context("a host said nonsense")?),
                Ok(None) => bail!("a host died"),
                Err(RecvTimeoutError::Timeout) => bail!("no answer within {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => bail!("all hosts are gone"),
            }
        }
        Ok(heard)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.inputs.clear();
        let deadline = Instant::now() + FAREWELL;
        for child in &mut self.children {
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            // Both fail only if the process is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Passes on the lines of a host, and its end.
fn listen(output: ChildStdout, tell: &Sender<Option<String>>) {
    for line in BufReader::new(output).lines().map_while(|line| line.ok()) {
        if tell.send(Some(line)).is_err() {
            return;
        }
    }
    // Fails only if the hosts were dropped meanwhile.
    let _ = tell.send(None);
}
