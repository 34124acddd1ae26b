//! A pair of role processes of one build, as the coordinator sees them.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::control::{Answer, Job, Order, Outcome, PROTOCOL, Setup, Side, Tuning};
use super::ends::Ends;
use super::keeper::Keeper;
use super::plan::{Mechanism, Pattern};
use super::python::Python;
use super::{rings, shared};

/// How long a role may take over an order.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a role may take to leave after its input ended.
pub const FAREWELL: Duration = Duration::from_millis(500);

/// What both roles of a pair are started with.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// The cores of the sender and the receiver, if each has one.
    pub cores: Option<[usize; 2]>,
    /// Capacity of the rings, bytes.
    pub ring_bytes: usize,
    /// How the rings' consumers poll.
    pub tune: Tuning,
}

/// What a role's reader saw: a line, or its end.
type Heard = (Side, Option<String>);

/// A running pair. Dropping it ends both processes and removes their rings.
pub struct Pair {
    /// The processes, sender first.
    children: Vec<Child>,
    /// Their standard inputs.
    inputs: Vec<ChildStdin>,
    /// What they say.
    heard: Receiver<Heard>,
    /// Prefix of the names of their rings.
    rings: String,
    /// Number of the last job.
    last_job: u64,
    /// What they were started with.
    conditions: Conditions,
    /// Python's processes, once they were needed.
    python: Option<Python>,
    /// What keeps the System V objects, if the system has them; the last to be let go of.
    keeper: Option<Keeper>,
}

impl Pair {
    /// Starts a sender and a receiver out of the binary at `build`.
    pub fn start(build: &Path, conditions: &Conditions) -> Result<Self> {
        Self::try_start(build, conditions)
            .with_context(|| format!("cannot start the roles of {}", build.display()))
    }

    /// Starts both and hears that they are ready.
    fn try_start(build: &Path, conditions: &Conditions) -> Result<Self> {
        let shared = shared::create(conditions.ring_bytes)?;
        let rings = unique_prefix();
        let keeper = Keeper::start(conditions.ring_bytes).ok();
        let ends = Ends::new(&rings, conditions.ring_bytes)?;
        let (tell, heard) = mpsc::channel();
        let mut pair = Self {
            children: Vec::new(),
            inputs: Vec::new(),
            heard,
            rings,
            last_job: 0,
            conditions: conditions.clone(),
            python: None,
            keeper,
        };
        for side in Side::BOTH {
            pair.spawn(side, build, &tell)?;
        }
        for side in Side::BOTH {
            let setup = Setup {
                protocol: PROTOCOL,
                cores: conditions.cores,
                shared: shared.as_raw_fd(),
                ring_bytes: conditions.ring_bytes,
                streams: ends.of(side),
                system_v: pair.keeper.as_ref().map(Keeper::ids),
                rings: pair.rings.clone(),
                tune: conditions.tune,
            };
            pair.tell(side, &Order::Setup(setup))?;
        }
        pair.hear_both()?;
        Ok(pair)
    }

    /// Starts one role and a thread that listens to it.
    fn spawn(&mut self, side: Side, build: &Path, tell: &Sender<Heard>) -> Result<()> {
        let mut command = Command::new(build);
        command.arg("bench-role").arg(side.label()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take();
        self.children.push(child);
        self.inputs.push(input.context("a role without input")?);
        let output = output.context("a role without output")?;
        let tell = tell.clone();
        thread::spawn(move || listen(side, output, &tell));
        Ok(())
    }

    /// Takes a sample: what the sender and the receiver measured. The job's number is set here.
    pub fn run(&mut self, job: Job) -> Result<[Outcome; 2]> {
        if job.mechanism.is_python() {
            return self.run_python(job);
        }
        self.last_job += 1;
        let job = Job { id: self.last_job, ..job };
        for side in Side::BOTH {
            self.tell(side, &Order::Run(job))?;
        }
        let mut outcomes = self.hear_both()?.into_iter().map(|answer| match answer {
            Answer::Done(outcome) => Ok(outcome),
            other => bail!("expected a result, got {other:?}"),
        });
        match (outcomes.next(), outcomes.next()) {
            (Some(sender), Some(receiver)) => Ok([sender?, receiver?]),
            _ => bail!("a role did not answer"),
        }
    }

    /// Has Python's processes take a sample between two probes of the roles.
    fn run_python(&mut self, job: Job) -> Result<[Outcome; 2]> {
        if self.python.is_none() {
            self.python = Some(Python::start(&self.conditions)?);
        }
        let [_, before] = self.probe(job.probe)?;
        let [sender, receiver] = self.python.as_mut().context("no python3")?.run(job)?;
        let [after, _] = self.probe(job.probe)?;
        Ok([Outcome { probe: [before, after], ..sender }, receiver])
    }

    /// Two probes of the distance between the cores, if they are wanted, with next to nothing between them.
    fn probe(&mut self, wanted: bool) -> Result<[f64; 2]> {
        if !wanted {
            return Ok([0.0; 2]);
        }
        let (mechanism, pattern) = (Mechanism::PingPong, Pattern::RoundTrip);
        let [sender, _] =
            self.run(Job { id: 0, mechanism, pattern, size: 8, count: 1, timed: 0, rest: 0, probe: true })?;
        Ok(sender.probe)
    }

    /// Removes the names of the rings, once both roles have attached all they need: then nothing can be left
    /// behind.
    pub fn unlink_rings(&self) {
        for address in rings::addresses(&self.rings) {
            // Fails for those that were never needed, or are gone already.
            let _ = ringway::inspect::remove(address, true);
        }
    }

    /// Writes an order to a role.
    fn tell(&mut self, side: Side, order: &Order) -> Result<()> {
        let mut line = serde_json::to_string(order)?;
        line.push('\n');
        let sent = self.inputs[side as usize].write_all(line.as_bytes());
        match sent {
            Ok(()) => Ok(()),
            Err(_) => bail!("the {} process is gone{}", side.label(), self.epitaph(side)),
        }
    }

    /// An answer from each role, the sender's first.
    fn hear_both(&mut self) -> Result<Vec<Answer>> {
        let deadline = Instant::now() + PATIENCE;
        let mut answers: [Option<Answer>; 2] = [None, None];
        while answers.iter().any(Option::is_none) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok((side, Some(line))) => {
                    let answer = serde_json::from_str(&line)
                        .with_context(|| format!("the {} process said {line:?}", side.label()))?;
                    if let Answer::Failed(error) = answer {
                        bail!("the {} process failed: {error}", side.label());
                    }
                    answers[side as usize] = Some(answer);
                }
                Ok((side, None)) => bail!("the {} process died{}", side.label(), self.epitaph(side)),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("no answer within {}", humantime::format_duration(PATIENCE))
                }
                Err(RecvTimeoutError::Disconnected) => bail!("both processes are gone"),
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// How a role ended, as far as it can be told.
    fn epitaph(&mut self, side: Side) -> String {
        let status = self.children[side as usize].wait_timeout(FAREWELL);
        status.map_or(String::new(), |status| format!(" ({status})"))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.inputs.clear();
        for child in &mut self.children {
            if child.wait_timeout(FAREWELL).is_none() {
                // Both fail only if the process is gone already.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        self.unlink_rings();
    }
}

/// Waiting for a child with a limit.
pub trait WaitTimeout {
    /// The exit status, if the child ends within `limit`.
    fn wait_timeout(&mut self, limit: Duration) -> Option<std::process::ExitStatus>;
}

impl WaitTimeout for Child {
    fn wait_timeout(&mut self, limit: Duration) -> Option<std::process::ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            match self.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
                _ => return None,
            }
        }
    }
}

/// Passes on the lines of a role, and its end.
fn listen(side: Side, output: ChildStdout, tell: &Sender<Heard>) {
    for line in BufReader::new(output).lines().map_while(|line| line.ok()) {
        if tell.send((side, Some(line))).is_err() {
            return;
        }
    }
    // Fails only if the pair was dropped meanwhile.
    let _ = tell.send((side, None));
}

/// A prefix of ring names that no other bench uses.
fn unique_prefix() -> String {
    static PAIRS: AtomicU64 = AtomicU64::new(0);
    let number = PAIRS.fetch_add(1, Ordering::Relaxed); // edge: none, only the number counts
    format!("bench-{}-{number}", std::process::id())
}
