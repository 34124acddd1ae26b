//! One run of an operation, instruction by instruction: at which of them the state that others can see changes.
//!
//! A process that is killed takes its registers and its private memory with it. So between two changes of what it
//! shares with others - a store to the segment, a system call, a word to the user - all points are one and the same
//! to everybody else.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Result, bail, ensure};

use crate::account::{Account, Phase};
use crate::place::Place;
use crate::tracee::{Stop, Tracee};

/// Operations of at most so many instructions are killed at every one of them.
const SHORT: usize = 1500;
/// Of a longer one: so many points beside those at changes.
const SAMPLE: usize = 200;
/// More instructions than any operation has.
const TOO_LONG: usize = 3_000_000;

/// The address of a point: so many system calls, then so many instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// System calls made.
    pub calls: usize,
    /// Instructions executed since the last one.
    pub steps: usize,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.calls, self.steps)
    }
}

/// How to get to a point.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its address.
    pub point: Point,
    /// An instruction on the way that the operation is at for the first time, and the steps from there.
    pub mark: Option<(u64, usize)>,
    /// Is it the end of the operation?
    pub is_end: bool,
}

/// One instruction of the operation.
#[derive(Clone, Copy, Debug)]
struct Step {
    at: u64,
    is_call: bool,
    changes: bool,
}

/// A whole operation.
#[derive(Debug)]
pub struct Trace {
    steps: Vec<Step>,
    /// Does it change the segment?
    pub changes_segment: bool,
}

/// What others see of a segment.
#[derive(Debug, Default)]
struct View {
    file: Option<File>,
    bytes: Vec<u8>,
    fresh: Vec<u8>,
}

impl View {
    fn open(place: &Place) -> View {
        let mut view = View { file: place.open(), ..View::default() };
        view.look();
        view
    }

    /// Has it changed since the last look?
    fn look(&mut self) -> bool {
        let Some(file) = &self.file else {
            return false;
        };
        self.fresh.resize(1 << 16, 0);
        let len = file.read_at(&mut self.fresh, 0).unwrap_or(0);
        let changed = self.fresh[..len] != self.bytes[..];
        if changed {
            self.bytes.clear();
            self.bytes.extend_from_slice(&self.fresh[..len]);
        }
        changed
    }
}

impl Trace {
    /// Steps `tracee`, which is ready, through its operation, at the end of which it stays.
    pub fn record(tracee: &mut Tracee, account: &Account, place: &Place) -> Result<Trace> {
        tracee.step_to_beginning(account)?;
        let mut view = View::open(place);
        let mut trace = Trace { steps: Vec::new(), changes_segment: false };
        let mut version = account.version();
        while account.phase() < Phase::Over {
            ensure!(trace.steps.len() < TOO_LONG, "the operation does not end");
            let (at, is_call) = tracee.place()?;
            match tracee.step()? {
                Stop::Trap => {}
                stop => bail!("while it was traced: {stop:?}; {}", account.text()),
            }
            if is_call && view.file.is_none() {
                view = View::open(place);
            }
            let stored = view.look();
            let told = account.version() != std::mem::replace(&mut version, account.version());
            trace.changes_segment |= stored;
            trace.steps.push(Step { at, is_call, changes: is_call || stored || told });
        }
        ensure!(!trace.steps.is_empty(), "the operation has no instructions");
        Ok(trace)
    }

    /// How many instructions it has.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Which points are worth a visit. `every`: all of them.
    pub fn points(&self, every: bool) -> Vec<Route> {
        let end = self.steps.len();
        let chosen: Vec<usize> = if every || end <= SHORT {
            (0..=end).collect()
        } else {
            let changes = self.steps.iter().enumerate().filter(|(_, step)| step.changes);
            let mut chosen: Vec<usize> = changes.flat_map(|(at, _)| [at, at + 1]).collect();
            chosen.extend(self.evenly(SAMPLE));
            chosen.push(end);
            chosen.sort_unstable();
            chosen.dedup();
            chosen
        };
        self.routes(&chosen)
    }

    /// An even choice of `count` points.
    pub fn sample(&self, count: usize, offset: usize) -> Vec<Route> {
        let all = self.points(false);
        let every = all.len().div_ceil(count.max(1));
        all.into_iter().skip(offset % every).step_by(every).collect()
    }

    /// Some `count` of the different instructions, each where the operation is at it for the first time: there a break
    /// point leads straight.
    fn evenly(&self, count: usize) -> impl Iterator<Item = usize> {
        let mut seen = HashSet::new();
        let new = |(at, step): (usize, &Step)| seen.insert(step.at).then_some(at);
        let first: Vec<usize> = self.steps.iter().enumerate().filter_map(new).collect();
        (0..count).map(move |nth| first[nth * first.len() / count])
    }

    fn routes(&self, chosen: &[usize]) -> Vec<Route> {
        let mut seen = HashSet::new();
        let (mut point, mut mark, mut next) = (Point { calls: 0, steps: 0 }, None, 0);
        let mut routes = Vec::with_capacity(chosen.len());
        for at in 0..=self.steps.len() {
            let step = self.steps.get(at);
            if step.is_some_and(|step| seen.insert(step.at)) {
                mark = step.map(|step| (step.at, at));
            }
            if chosen.get(next) == Some(&at) {
                let counting = 2 * point.calls + point.steps;
                let mark = mark.map(|(mark, from)| (mark, at - from));
                let mark = mark.filter(|(_, steps)| *steps <= counting);
                routes.push(Route { point, mark, is_end: step.is_none() });
                next += 1;
            }
            match step {
                Some(Step { is_call: true, .. }) => point = Point { calls: point.calls + 1, steps: 0 },
                _ => point.steps += 1,
            }
        }
        routes
    }
}

impl Route {
    /// The way to a point of which only the address is known.
    pub fn by_counting(point: Point) -> Route {
        Route { point, mark: None, is_end: false }
    }

    /// Brings a child that is ready to the point. [`Stop::End`]: the operation ended before it.
    pub fn go(&self, tracee: &mut Tracee, account: &Account) -> Result<Stop> {
        match self.mark {
            Some((at, steps)) => match tracee.run_to(at)? {
                Stop::Trap => go_on(tracee, account, steps),
                stop => Ok(stop),
            },
            None => self.count(tracee, account),
        }
    }

    fn count(&self, tracee: &mut Tracee, account: &Account) -> Result<Stop> {
        tracee.step_to_beginning(account)?;
        for _ in 0..2 * self.point.calls {
            let stop = tracee.run_to_syscall()?;
            if stop != Stop::Syscall {
                return Ok(stop);
            }
            if account.phase() >= Phase::Over {
                return tracee.run();
            }
        }
        go_on(tracee, account, self.point.steps)
    }
}

fn go_on(tracee: &mut Tracee, account: &Account, steps: usize) -> Result<Stop> {
    for _ in 0..steps {
        if account.phase() >= Phase::Over {
            return tracee.run();
        }
        let stop = tracee.step()?;
        if stop != Stop::Trap {
            return Ok(stop);
        }
    }
    Ok(Stop::Trap)
}

/// How many system calls the operation of a child makes that is ready; it stays at its end.
pub fn count_calls(tracee: &mut Tracee, account: &Account) -> Result<usize> {
    tracee.step_to_beginning(account)?;
    let mut stops = 0;
    loop {
        match tracee.run_to_syscall()? {
            Stop::Syscall if account.phase() < Phase::Over => stops += 1,
            Stop::Syscall => {}
            Stop::End => return Ok(stops / 2),
            stop => bail!("while it was counted: {stop:?}"),
        }
    }
}
