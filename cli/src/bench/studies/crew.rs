//! The processes of a study: how the coordinator starts and orders them, and how they obey.
//!
//! One JSON object per line: the setup and the orders on a worker's standard input, the answers on its standard output. A worker
//! without an order sleeps in `read`. It ends with its standard input, and dies with the coordinator.

use std::io::{BufRead, BufReader, Lines, StdinLock, Write, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{crowds, growth, idle, load};

/// How long a worker may take over an order.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a worker may take to leave after its input ended.
const FAREWELL: Duration = Duration::from_millis(500);

/// What a worker is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Setup {
    /// One of a crowd.
    Crowd(crowds::Setup),
    /// A side of traffic at a fixed rate.
    Load(load::Setup),
    /// All consumers that wait.
    Idle(idle::Setup),
    /// A side of traffic over many rings.
    Growth(growth::Setup),
}

/// From the coordinator to a worker, after the setup.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Order<J> {
    /// Measure the distance to the other worker that is told to.
    Probe,
    /// Take part in a job.
    Run(J),
}

/// From a worker to the coordinator; one per order, and one for the setup.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Answer<O> {
    /// It is set up.
    Ready,
    /// Nanoseconds per round trip.
    Probed(f64),
    /// What it measured.
    Done(O),
    /// What it could not do, or which message was wrong.
    Failed(String),
}

/// Running workers. Dropping them ends their processes.
pub struct Crew {
    /// The processes.
    workers: Vec<Child>,
    /// Their standard inputs.
    inputs: Vec<ChildStdin>,
    /// What they say, each line with its worker; `None`: that was all.
    heard: Receiver<(usize, Option<String>)>,
}

impl Crew {
    /// Starts a worker for each of `setups` and hears that all are ready.
    pub fn start(setups: &[Setup]) -> Result<Self> {
        let (tell, heard) = mpsc::channel();
        let mut crew = Self { workers: Vec::new(), inputs: Vec::new(), heard };
        for setup in setups {
            crew.spawn(&tell).context("cannot start a worker")?;
            crew.tell(crew.workers.len() - 1, setup)?;
        }
        crew.hear::<()>(0..setups.len())?;
        Ok(crew)
    }

    /// Starts one worker and a thread that listens to it.
    fn spawn(&mut self, tell: &Sender<(usize, Option<String>)>) -> Result<()> {
        let mut command = Command::new("/proc/self/exe");
        let mut worker = command.arg("bench-worker").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (worker.stdin.take(), worker.stdout.take());
        let number = self.workers.len();
        self.workers.push(worker);
        self.inputs.push(input.context("a worker without input")?);
        let output = output.context("a worker without output")?;
        let tell = tell.clone();
        thread::spawn(move || listen(number, output, &tell));
        Ok(())
    }

    /// How far apart these two workers' cores are, nanoseconds per round trip; the first one's measurement.
    pub fn probe(&mut self, pair: [usize; 2]) -> Result<f64> {
        for worker in pair {
            self.tell(worker, &Order::<()>::Probe)?;
        }
        match self.hear::<()>(pair)?.first() {
            Some(Answer::Probed(distance)) => Ok(*distance),
            other => bail!("expected a distance, got {other:?}"),
        }
    }

    /// Has everybody take part in a job: what each of them measured.
    pub fn run<J: Serialize, O: DeserializeOwned>(&mut self, job: &J) -> Result<Vec<O>> {
        for worker in 0..self.workers.len() {
            self.tell(worker, &Order::Run(job))?;
        }
        let answers = self.hear(0..self.workers.len())?;
        let outcome = |answer| match answer {
            Answer::Done(outcome) => Ok(outcome),
            _ => bail!("a worker answered another order"),
        };
        answers.into_iter().map(outcome).collect()
    }

    /// Writes a line to a worker.
    fn tell(&mut self, worker: usize, line: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_string(line)?;
        line.push('\n');
        self.inputs[worker].write_all(line.as_bytes()).with_context(|| format!("worker {worker} is gone"))
    }

    /// An answer of each of these workers, in their order.
    fn hear<O: DeserializeOwned>(
        &mut self,
        workers: impl IntoIterator<Item = usize>,
    ) -> Result<Vec<Answer<O>>> {
        let deadline = Instant::now() + PATIENCE;
        let mut answers: Vec<(usize, Option<Answer<O>>)> =
            workers.into_iter().map(|worker| (worker, None)).collect();
        while answers.iter().any(|(_, answer)| answer.is_none()) {
            match self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((worker, Some(line))) => {
                    let answer = serde_json::from_str(&line)
                        .with_context(|| format!("worker {worker} said {line:?}"))?;
                    if let Answer::Failed(error) = answer {
                        bail!("worker {worker} failed: {error}");
                    }
                    let asked = answers.iter_mut().find(|(asked, _)| *asked == worker);
                    asked.with_context(|| format!("worker {worker} said {line:?} unasked"))?.1 = Some(answer);
                }
                Ok((worker, None)) => bail!("worker {worker} died"),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("no answer within {}", humantime::format_duration(PATIENCE))
                }
                Err(RecvTimeoutError::Disconnected) => bail!("all workers are gone"),
            }
        }
        Ok(answers.into_iter().filter_map(|(_, answer)| answer).collect())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.inputs.clear();
        let deadline = Instant::now() + FAREWELL;
        for worker in &mut self.workers {
            while matches!(worker.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            // Both fail only if the process is gone already.
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

/// Passes on the lines of a worker, and its end.
fn listen(worker: usize, output: ChildStdout, tell: &Sender<(usize, Option<String>)>) {
    for line in BufReader::new(output).lines().map_while(|line| line.ok()) {
        if tell.send((worker, Some(line))).is_err() {
            return;
        }
    }
    // Fails only if the crew was dropped meanwhile.
    let _ = tell.send((worker, None));
}

/// What a worker can be told to do.
pub trait Work {
    /// A job.
    type Job: DeserializeOwned;
    /// What it measures.
    type Outcome: Serialize;

    /// Measures the distance to the other worker that does so.
    fn probe(&mut self) -> Result<f64>;

    /// Takes part in a job.
    fn run(&mut self, job: Self::Job) -> Result<Self::Outcome>;
}

/// What the coordinator says, line by line.
pub type Orders = Lines<StdinLock<'static>>;

/// A worker process, until its standard input ends.
pub fn worker() -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot tie this process to the coordinator")?;
    let mut lines = stdin().lines();
    let first = lines.next().context("no setup")?.context("cannot read the setup")?;
    let setup = serde_json::from_str(&first).context("cannot parse the setup")?;
    let done = match setup {
        Setup::Crowd(setup) => crowds::serve(&setup, lines),
        Setup::Load(setup) => load::serve(&setup, lines),
        Setup::Idle(setup) => idle::serve(&setup, lines),
        Setup::Growth(setup) => growth::serve(&setup, lines),
    };
    done.or_else(|error| answer(&Answer::<()>::Failed(format!("{error:#}"))))
}

/// Says that it is ready and does what is ordered.
pub fn obey(work: &mut impl Work, orders: Orders) -> Result<()> {
    answer(&Answer::<()>::Ready)?;
    for line in orders {
        let line = line.context("cannot read an order")?;
        let done = match serde_json::from_str(&line).context("cannot parse an order")? {
            Order::Probe => work.probe().map(Answer::Probed),
            Order::Run(job) => work.run(job).map(Answer::Done),
        };
        answer(&done.unwrap_or_else(|error| Answer::Failed(format!("{error:#}"))))?;
    }
    Ok(())
}

/// Writes one answer line.
fn answer<O: Serialize>(answer: &Answer<O>) -> Result<()> {
    let mut line = serde_json::to_string(answer)?;
    line.push('\n');
    let mut out = stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).context("cannot answer the coordinator")
}
