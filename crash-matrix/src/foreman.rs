//! A process of its own for each cell and deed: it does the runs, and its parent watches that it goes on.

use std::hash::{DefaultHasher, Hasher};
use std::io::{PipeReader, Read, Write, pipe};
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::account::Account;
use crate::cell::Cell;
use crate::fault::{Class, Fault};
use crate::fork::fork;
use crate::page::Page;
use crate::place::Ground;
use crate::run::{Deed, Failing, Stage, failing_address, parse_address};
use crate::subject::Lie;
use crate::tally::Tally;
use crate::trace::{Point, Route};
use crate::tracee::{Stop, Tracee, end};

/// How long a foreman may be at one run: longer than the longest patience in it.
const PATIENCE: Duration = Duration::from_secs(60);
/// In a sample without a trace: up to so many instructions behind a system call.
const NEAR: usize = 80;

/// What is to be done at each cell.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Runs at each point.
    pub rounds: usize,
    /// Every instruction, however long the operation.
    pub every: bool,
    /// Only so many points, unless zero.
    pub sample: usize,
    /// Which ones: a number that changes the choice.
    pub seed: u64,
    /// Runs that find something after which a cell is given up: each may have waited for long.
    pub enough: usize,
    /// How the children lie.
    pub lie: Option<Lie>,
}

/// A cell, and what is done to its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// The cell.
    pub cell: Cell,
    /// The deed.
    pub deed: Deed,
}

/// Words of the page in which a foreman says where it is.
const BEAT: usize = 0;
const DONE: usize = 1;
const TOTAL: usize = 2;
const ROUND: usize = 3;
const CALLS: usize = 4;
const STEPS: usize = 5;
const ERRNO: usize = 6;

/// A foreman at work, seen from its parent.
#[derive(Debug)]
pub struct Foreman {
    /// What it does.
    pub job: Job,
    pid: Option<Pid>,
    page: Page,
    reader: PipeReader,
    seen: (u32, Instant),
    started: Instant,
}

impl Foreman {
    /// Starts a foreman on a processor.
    pub fn start(job: Job, plan: Plan, ground: &Ground, processor: usize) -> Result<Foreman> {
        let (page, (reader, mut writer)) = (Page::new()?, pipe()?);
        let pid = fork(|| {
            pin(processor);
            let tally = Work { job, plan, ground, page: &page }.run();
            let text = serde_json::to_string(&tally).unwrap_or_default();
            i32::from(writer.write_all(text.as_bytes()).is_err())
        })?;
        let now = Instant::now();
        Ok(Foreman { job, pid: Some(pid), page, reader, seen: (0, now), started: now })
    }

    /// Runs that it has done, of how many.
    pub fn progress(&self) -> (u32, u32) {
        (self.page.get(DONE), self.page.get(TOTAL))
    }

    /// What it found, if it has ended; a foreman that does not go on is ended.
    pub fn poll(&mut self) -> Result<Option<Tally>> {
        let Some(pid) = self.pid else {
            return Ok(None);
        };
        let what = match waitpid(pid, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::StillAlive => {
                let beat = self.page.get(BEAT);
                if beat != self.seen.0 {
                    self.seen = (beat, Instant::now());
                }
                if self.seen.1.elapsed() < PATIENCE {
                    return Ok(None);
                }
                end(pid);
                Fault::new(Class::Stuck, "the checks do not come to an end")
            }
            WaitStatus::Exited(_, 0) => {
                self.pid = None;
                let mut text = String::new();
                self.reader.read_to_string(&mut text)?;
                return Ok(Some(serde_json::from_str(&text)?));
            }
            status => Fault::new(Class::Wrong, format!("the checks end by {status:?}")),
        };
        self.pid = None;
        Ok(Some(self.cut_short(what)))
    }

    /// The tally of a foreman that did not get to its end.
    fn cut_short(&self, what: Fault) -> Tally {
        let mut tally = Tally::new(self.job.cell.to_string(), self.job.deed);
        (tally.points, tally.runs) = (1, self.page.get(DONE) as usize + 1);
        tally.seconds = self.started.elapsed().as_secs_f64();
        let (calls, steps) = (self.page.get(CALLS) as usize, self.page.get(STEPS) as usize);
        let point = match self.page.get(ERRNO) as i32 {
            0 => Point { calls, steps }.to_string(),
            errno => failing_address(Failing { after: calls, errno }),
        };
        tally.add(point, self.page.get(ROUND) as usize, vec![what]);
        tally
    }
}

impl Drop for Foreman {
    fn drop(&mut self) {
        if let Some(pid) = self.pid.take() {
            end(pid);
        }
    }
}

/// Stepping is three times as fast when parent and child share a processor.
pub fn pin(processor: usize) {
    let mut set = CpuSet::new();
    // Where it is not allowed, it is only slower.
    let _ = set.set(processor).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
}

/// The foreman's own view.
struct Work<'a> {
    job: Job,
    plan: Plan,
    ground: &'a Ground,
    page: &'a Page,
}

impl Work<'_> {
    fn run(&self) -> Tally {
        let started = Instant::now();
        let mut tally = Tally::new(self.job.cell.to_string(), self.job.deed);
        let stage = Stage { cell: self.job.cell, ground: self.ground, lie: self.plan.lie };
        let result = match self.job.deed {
            Deed::Fail => self.fail_calls(&stage, &mut tally),
            _ => self.visit_points(&stage, &mut tally),
        };
        if let Err(error) = result {
            tally.add(
                self.point(),
                0,
                vec![Fault::new(Class::Wrong, format!("the harness fails: {error:#}"))],
            );
        }
        tally.seconds = started.elapsed().as_secs_f64();
        tally
    }

    fn point(&self) -> String {
        format!("{}.{}", self.page.get(CALLS), self.page.get(STEPS))
    }

    fn visit_points(&self, stage: &Stage<'_>, tally: &mut Tally) -> Result<()> {
        let routes = if self.plan.sample > 0 { self.sample(stage, tally)? } else { self.all(stage, tally)? };
        tally.points = routes.len();
        self.page.set(TOTAL, (routes.len() * self.plan.rounds) as u32);
        for route in routes {
            for round in 0..self.plan.rounds {
                // A sample has another order of those who go on at each cell.
                let round = if self.plan.sample > 0 { self.chance(1) as usize % 3 } else { round };
                self.announce(route.point.calls, route.point.steps, 0, round);
                let verdict = stage.run(self.job.deed, route, round)?;
                tally.runs += 1;
                tally.missed += usize::from(verdict.missed);
                tally.add(route.point.to_string(), round, verdict.faults);
                if tally.failures.len() >= self.plan.enough {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn all(&self, stage: &Stage<'_>, tally: &mut Tally) -> Result<Vec<Route>> {
        let (trace, faults) = stage.trace()?;
        tally.size = trace.len();
        tally.add("0.0".to_owned(), 0, faults);
        Ok(trace.points(self.plan.every))
    }

    /// Points chosen without a trace, unless the operation makes no system call.
    fn sample(&self, stage: &Stage<'_>, tally: &mut Tally) -> Result<Vec<Route>> {
        let calls = stage.calls()?;
        if calls == 0 {
            let (trace, faults) = stage.trace()?;
            tally.size = trace.len();
            tally.add("0.0".to_owned(), 0, faults);
            return Ok(trace.sample(self.plan.sample, self.chance(0) as usize));
        }
        tally.size = calls;
        let choose = |nth: usize| {
            let calls = (self.chance(nth) as usize) % (calls + 1);
            let steps = (self.chance(nth + 1000) as usize) % NEAR;
            Route::by_counting(Point { calls, steps })
        };
        Ok((0..self.plan.sample).map(choose).collect())
    }

    fn fail_calls(&self, stage: &Stage<'_>, tally: &mut Tally) -> Result<()> {
        let (mut failing, open) = stage.failing()?;
        tally.size = failing.len();
        if self.plan.sample > 0 {
            let every = failing.len().div_ceil(self.plan.sample).max(1);
            let skip = self.chance(0) as usize % every;
            failing = failing.into_iter().skip(skip).step_by(every).collect();
        }
        tally.points = failing.len();
        self.page.set(TOTAL, (failing.len() * self.plan.rounds) as u32);
        for one in failing {
            for round in 0..self.plan.rounds {
                self.announce(one.after, 0, one.errno, round);
                let verdict = stage.fail(one, open, round)?;
                tally.runs += 1;
                tally.missed += usize::from(verdict.missed);
                tally.add(failing_address(one), round, verdict.faults);
                if tally.failures.len() >= self.plan.enough {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn announce(&self, calls: usize, steps: usize, errno: i32, round: usize) {
        for (at, value) in [(CALLS, calls), (STEPS, steps), (ERRNO, errno as usize), (ROUND, round)] {
            self.page.set(at, value as u32);
        }
        self.page.set(DONE, self.page.get(BEAT));
        self.page.set(BEAT, self.page.get(BEAT) + 1);
    }

    /// A number that the cell, the deed, the seed and `nth` determine.
    fn chance(&self, nth: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(format!("{} {:?} {} {nth}", self.job.cell, self.job.deed, self.plan.seed).as_bytes());
        hasher.finish()
    }
}

/// Replays one point, and says what is seen.
pub fn replay(
    job: Job,
    address: &str,
    round: usize,
    ground: &Ground,
    lie: Option<Lie>,
) -> Result<Vec<Fault>> {
    let stage = Stage { cell: job.cell, ground, lie };
    let place = parse_address(address)
        .ok_or_else(|| anyhow::anyhow!("{address:?} is no point; write k.m, or k.ERRNO"))?;
    let verdict = match place {
        Ok(point) => {
            show(&stage, point)?;
            stage.run(job.deed, Route::by_counting(point), round)?
        }
        Err(failing) => {
            let (_, open) = stage.failing()?;
            stage.fail(failing, open, round)?
        }
    };
    if verdict.missed {
        println!("the operation ended before the point");
    }
    Ok(verdict.faults)
}

/// Says where a point is.
fn show(stage: &Stage<'_>, point: Point) -> Result<()> {
    let account = Account::new()?;
    let (tracee, stop) = stage.bring_to(&account, Route::by_counting(point))?;
    println!(
        "{}@{point}: {}",
        stage.cell,
        if stop == Stop::Trap { "reached" } else { "the operation ended before" }
    );
    println!("told: {:?}, sent: {}, outcome: {:?}", account.told(), account.sent(), account.outcome());
    println!("{}", where_is(&tracee)?);
    Ok(())
}

/// The instruction at which a child is: its file and the offset in it.
fn where_is(tracee: &Tracee) -> Result<String> {
    let (at, _) = tracee.place()?;
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", tracee.pid()))?;
    for line in maps.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let hex = |text: &str| u64::from_str_radix(text, 16).unwrap_or(0);
        let (Some((from, to)), Some(offset)) = (fields[0].split_once('-'), fields.get(2)) else {
            continue;
        };
        if (hex(from)..hex(to)).contains(&at) {
            let file = fields.get(5).unwrap_or(&"memory");
            let offset = at - hex(from) + hex(offset);
            return Ok(format!("rip {at:#x}: {file} + {offset:#x} (file offset)"));
        }
    }
    Ok(format!("rip {at:#x}"))
}
