//! A process of a pair: one side or both, each a thread pinned to its core, until the standard input ends.

use std::collections::HashMap;
use std::io::{BufRead, Write, stdin, stdout};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use super::control::{Answer, Job, Order, Report, Setup, Side};
use super::field::{Ends, Field, Open, Rival};
use super::ground::{self, Ground};
use super::meter::{Meter, WORDS};
use crate::stage::reopen;
use crate::worker::pin;

/// What a side is to do.
enum Task {
    /// Open its ends of a rival for messages of a size.
    Open(usize, usize),
    /// Take ends over that were made for it.
    Take(usize, usize, Box<dyn Ends + Send>),
    /// Take a sample.
    Run(Job),
}

/// Serves until the standard input ends.
pub fn role(more: &'static [Rival]) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot tie this process to the coordinator")?;
    let mut lines = stdin().lock().lines();
    let first = lines.next().context("no setup")?.context("cannot read the setup")?;
    let Order::Setup(setup) = serde_json::from_str(&first).context("cannot parse the setup")? else {
        bail!("the first order must be the setup");
    };
    let field = Field::new(more);
    let words = ground::map(&reopen(setup.lines)?, WORDS)?;
    let mut threads = Vec::new();
    let mut sides = Vec::new();
    for &side in &setup.sides {
        let (tell, tasks) = channel();
        let (setup, field) = (setup.clone(), field.clone());
        threads.push(thread::spawn(move || live(side, &setup, &field, words, &tasks)));
        sides.push((side, tell));
    }
    for line in lines {
        let order = serde_json::from_str(&line.context("cannot read an order")?)?;
        if let Err(error) = pass_on(order, &field, &sides) {
            say(setup.sides[0], Answer::Failed(format!("{error:#}")))?;
        }
    }
    // Their ends go with them, and so does what those have in the file system.
    drop(sides);
    threads.into_iter().for_each(|thread| drop(thread.join()));
    Ok(())
}

/// Gives an order to the sides.
fn pass_on(order: Order, field: &Field, sides: &[(Side, Sender<Task>)]) -> Result<()> {
    let give = |side: usize, task: Task| {
        // Fails only if the side has failed, and said so.
        let _ = sides[side].1.send(task);
    };
    match order {
        Order::Setup(_) => bail!("a second setup"),
        Order::Open { rival, size } => match field.get(rival).open {
            Open::Apart(_) => give(0, Task::Open(rival, size)),
            Open::Together(make) => {
                for (side, ends) in make(size)?.into_iter().enumerate() {
                    give(side, Task::Take(rival, size, ends));
                }
            }
        },
        Order::Run(job) => (0..sides.len()).for_each(|side| give(side, Task::Run(job))),
    }
    Ok(())
}

/// A side's life.
fn live(side: Side, setup: &Setup, field: &Field, words: &[AtomicU64], tasks: &Receiver<Task>) {
    let report = |result: Result<Answer>| {
        let answer = result.unwrap_or_else(|error| Answer::Failed(format!("{error:#}")));
        let failed = matches!(answer, Answer::Failed(_));
        say(side, answer).is_ok() && !failed
    };
    let mut bench =
        Bench { side, prefix: &setup.prefix, field, meter: Meter::new(side, words), ends: HashMap::new() };
    if !report(pin(setup.cores[side as usize]).map(|()| Answer::Ready)) {
        return;
    }
    while let Ok(task) = tasks.recv() {
        if !report(bench.perform(task)) {
            return;
        }
    }
}

/// What a side keeps from sample to sample.
struct Bench<'a> {
    /// Which side.
    side: Side,
    /// Names made of this are the pair's own.
    prefix: &'a str,
    /// Everybody.
    field: &'a Field,
    /// What measures.
    meter: Meter<'a>,
    /// Its ends of each rival for each message size.
    ends: HashMap<(usize, usize), Box<dyn Ends>>,
}

impl Bench<'_> {
    /// Does what is asked.
    fn perform(&mut self, task: Task) -> Result<Answer> {
        let (rival, size, ends) = match task {
            Task::Run(job) => {
                let ends = self.ends.get_mut(&(job.rival, job.size)).context("no such ends")?;
                return ends.run(&mut self.meter, job).map(Answer::Done);
            }
            Task::Open(rival, size) => (rival, size, self.open(rival, size)?),
            Task::Take(rival, size, ends) => (rival, size, ends as Box<dyn Ends>),
        };
        self.ends.insert((rival, size), ends);
        Ok(Answer::Ready)
    }

    /// Opens this side's ends.
    fn open(&self, rival: usize, size: usize) -> Result<Box<dyn Ends>> {
        let rival = self.field.get(rival);
        let Open::Apart(open) = rival.open else { bail!("{rival} is made for both sides at once") };
        open(&Ground::new(self.side, size, self.prefix, rival.name))
    }
}

/// Writes one report.
fn say(side: Side, answer: Answer) -> Result<()> {
    let mut line = serde_json::to_string(&Report { side, answer })?;
    line.push('\n');
    let mut out = stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).context("cannot answer the coordinator")
}
