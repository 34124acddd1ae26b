//! A pair as the coordinator sees it: two processes with a side each, or one with both.

use std::collections::HashSet;
use std::mem;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};

use super::control::{Answer, Job, Order, Outcome, Report, Setup, Side};
use super::field::Field;
use super::ground;
use super::meter::WORDS;
use crate::hosts::Hosts;
use crate::plan::Place;
use crate::stage::memory_file;

/// A running pair. Dropping it ends its processes and removes what they have left.
pub struct Pair<'a> {
    /// Where the sides are.
    pub place: Place,
    /// Everybody.
    field: &'a Field,
    /// The processes.
    hosts: Hosts,
    /// Names made of this are the pair's own.
    prefix: String,
    /// The rivals and sizes whose ends are open.
    open: HashSet<(usize, usize)>,
    /// Number of the last job.
    last_job: u64,
}

impl<'a> Pair<'a> {
    /// Starts a pair on two cores.
    pub fn start(place: Place, cores: [usize; 2], field: &'a Field) -> Result<Self> {
        static NAMES: AtomicU64 = AtomicU64::new(0);
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("rivals-{}-{number}-", std::process::id());
        let mut pair = Self { place, field, hosts: Hosts::new(), prefix, open: HashSet::new(), last_job: 0 };
        let lines = memory_file()?;
        lines.set_len((WORDS * size_of::<u64>()) as u64).context("cannot size the memory file")?;
        let sides: &[&[Side]] = match place {
            Place::Processes => &[&[Side::Sender], &[Side::Receiver]],
            Place::Threads => &[&Side::BOTH],
        };
        for (host, sides) in sides.iter().enumerate() {
            pair.hosts.spawn("pair-role")?;
            let (sides, prefix) = (sides.to_vec(), pair.prefix.clone());
            let setup = Setup { sides, cores, lines: lines.as_raw_fd(), prefix };
            pair.hosts.tell(host, &Order::Setup(setup))?;
        }
        pair.hear()?;
        Ok(pair)
    }

    /// Has both sides open a rival for messages of a size, unless they have done so.
    pub fn open(&mut self, rival: usize, size: usize) -> Result<()> {
        if !self.open.insert((rival, size)) {
            return Ok(());
        }
        let order = Order::Open { rival, size };
        for host in 0..self.hosts.len() {
            self.hosts.tell(host, &order)?;
            self.hear_some(2 / self.hosts.len())?;
        }
        Ok(())
    }

    /// Takes a sample: what the sender and the receiver measured. The job's number is set here.
    pub fn run(&mut self, job: Job) -> Result<[Outcome; 2]> {
        self.last_job += 1;
        let job = Job { id: self.last_job, ..job };
        for host in 0..self.hosts.len() {
            self.hosts.tell(host, &Order::Run(job))?;
        }
        let mut outcomes = [Outcome::default(); 2];
        for (side, answer) in self.hear()? {
            let Answer::Done(outcome) = answer else { bail!("expected a result, got {answer:?}") };
            outcomes[side as usize] = outcome;
        }
        Ok(outcomes)
    }

    /// An answer from each side.
    fn hear(&self) -> Result<Vec<(Side, Answer)>> {
        self.hear_some(2)
    }

    /// So many answers.
    fn hear_some(&self, answers: usize) -> Result<Vec<(Side, Answer)>> {
        let heard = self.hosts.hear(answers)?.into_iter().map(|Report { side, answer }| match answer {
            Answer::Failed(error) => bail!("the {side:?} failed: {error}"),
            answer => Ok((side, answer)),
        });
        heard.collect()
    }
}

impl Drop for Pair<'_> {
    fn drop(&mut self) {
        // The processes first: a side that is alive removes what is its own.
        drop(mem::replace(&mut self.hosts, Hosts::new()));
        self.field.clean(&self.prefix);
        ground::sweep(&self.prefix);
    }
}
