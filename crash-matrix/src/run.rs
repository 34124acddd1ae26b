//! One run: a fresh scene, a fresh child, one point, one deed, and what came of it.

use std::fs;

use anyhow::Result;
use clap::ValueEnum;
use nix::errno::Errno;
use nix::sys::wait::WaitStatus;
use serde::{Deserialize, Serialize};

use crate::account::{Account, Outcome, Phase, Received};
use crate::aftermath::{Aftermath, Order};
use crate::cell::{Cell, Operation};
use crate::fault::{Class, Fault};
use crate::fork::apart;
use crate::injection;
use crate::ledger::Expected;
use crate::place::Ground;
use crate::scene::Scene;
use crate::stopped::{Meanwhile, may_end};
use crate::subject::{Lie, expected};
use crate::trace::{Point, Route, Trace, count_calls};
use crate::tracee::{Stop, Tracee};

/// What is done to the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
pub enum Deed {
    /// It is killed.
    Kill,
    /// It is stopped, and goes on later.
    Stop,
    /// A system call of its fails.
    Fail,
}

/// What one run found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// Did the operation end before the point?
    pub missed: bool,
    /// What was found.
    pub faults: Vec<Fault>,
}

/// A cell's stage: where its runs take place.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// The cell.
    pub cell: Cell,
    /// The names for rings.
    pub ground: &'a Ground,
    /// How the child lies.
    pub lie: Option<Lie>,
}

/// A system call that may fail: how many come before it, and with which error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Calls before it.
    pub after: usize,
    /// The error.
    pub errno: i32,
}

/// A scene with a child that is ready.
struct Set<'a> {
    scene: Scene,
    account: &'a Account,
    tracee: Tracee,
}

impl Stage<'_> {
    /// A fresh scene whose child is ready.
    fn set<'a>(&self, account: &'a Account, tries_again: bool) -> Result<Set<'a>> {
        let mut scene = Scene::new(self.cell, self.ground)?;
        let subject = scene.subject(account, self.lie, tries_again);
        let tracee = Tracee::start(account, || subject.run())?;
        scene.begin()?;
        Ok(Set { scene, account, tracee })
    }

    /// Traces the operation.
    pub fn trace(&self) -> Result<(Trace, Vec<Fault>)> {
        let account = Account::new()?;
        let mut set = self.set(&account, false)?;
        let trace = Trace::record(&mut set.tracee, &account, &set.scene.place)?;
        let mut faults = Vec::new();
        match set.tracee.run()? {
            Stop::End => check_outcome(&mut faults, account.outcome() == expected(self.cell), &account),
            stop => faults.push(Fault::new(Class::Wrong, format!("untouched it ends by {stop:?}"))),
        }
        if self.cell.operation == Operation::Inspect && trace.changes_segment {
            faults.push(Fault::new(Class::Wrong, "inspection changes the segment"));
        }
        Ok((trace, faults))
    }

    /// How many system calls the operation makes.
    pub fn calls(&self) -> Result<usize> {
        let account = Account::new()?;
        let mut set = self.set(&account, false)?;
        count_calls(&mut set.tracee, &account)
    }

    /// A child at a point, to be looked at.
    pub fn bring_to(&self, account: &Account, route: Route) -> Result<(Tracee, Stop)> {
        let mut set = self.set(account, false)?;
        let stop = route.go(&mut set.tracee, account)?;
        Ok((set.tracee, stop))
    }

    /// Does `deed` at a point.
    pub fn run(&self, deed: Deed, route: Route, round: usize) -> Result<Verdict> {
        let before = descriptors();
        let account = Account::new()?;
        let mut verdict = match deed {
            Deed::Kill => self.kill(&account, route, round)?,
            _ => self.stop(&account, route, round)?,
        };
        check_descriptors(&mut verdict.faults, before);
        Ok(verdict)
    }

    fn kill(&self, account: &Account, route: Route, round: usize) -> Result<Verdict> {
        let mut set = self.set(account, false)?;
        let mut verdict = Verdict::default();
        let stop = route.go(&mut set.tracee, account)?;
        verdict.missed = stop == Stop::End && !route.is_end;
        verdict.arrive(stop, self.cell, account, |outcome| outcome == expected(self.cell));
        set.tracee.kill();
        let mut scene = set.scene;
        let expected = Expected::after_death(self.cell, &scene.left, &scene.sends, account, scene.is_warm());
        let mut aftermath = Aftermath::new(&mut scene, expected);
        // What the dead one received and released is received; the rest is to come again.
        aftermath.check_told(account);
        aftermath.run(Order::of_round(round), account);
        verdict.faults.extend(aftermath.faults);
        Ok(verdict)
    }

    fn stop(&self, account: &Account, route: Route, round: usize) -> Result<Verdict> {
        let mut set = self.set(account, false)?;
        let mut verdict = Verdict::default();
        let mut stop = route.go(&mut set.tracee, account)?;
        verdict.missed = stop == Stop::End && !route.is_end;
        let meanwhile = Meanwhile::observe(&mut set.scene, set.tracee.pid().as_raw());
        if stop == Stop::Trap || stop == Stop::Syscall {
            stop = set.tracee.run()?;
        }
        verdict.arrive(stop, self.cell, account, |outcome| may_end(self.cell, outcome));
        verdict.faults.extend(meanwhile.faults);
        let parted = self.part_alive(set, &mut verdict)?;
        verdict.faults.extend(parted.judge_alive(
            false,
            account,
            meanwhile.received,
            &meanwhile.sent,
            round,
        )?);
        Ok(verdict)
    }

    /// Lets a child that has reached its end leave by itself.
    fn part_alive(&self, mut set: Set<'_>, verdict: &mut Verdict) -> Result<Parted> {
        set.tracee.release()?;
        let status = set.tracee.join()?;
        if !matches!(status, WaitStatus::Exited(_, 0)) {
            let what = format!("left alone it ends by {status:?}: {}", set.account.text());
            verdict.faults.push(Fault::new(Class::Wrong, what));
        }
        Ok(Parted { scene: set.scene })
    }

    /// The system calls of the operation that may fail, and what its process has open at its end.
    pub fn failing(&self) -> Result<(Vec<Failing>, (u32, u32))> {
        apart(|| self.list_failing())
    }

    fn list_failing(&self) -> Result<(Vec<Failing>, (u32, u32))> {
        let account = Account::new()?;
        let mut set = self.set(&account, true)?;
        set.tracee.step_to_beginning(&account)?;
        let mut failing = Vec::new();
        let mut after = 0;
        while set.tracee.run_to_syscall()? == Stop::Syscall && account.phase() < Phase::Over {
            let errors = injection::errors(set.tracee.call()?);
            failing.extend(errors.iter().map(|errno| Failing { after, errno: *errno }));
            after += 1;
            if set.tracee.run_to_syscall()? != Stop::Syscall {
                break;
            }
        }
        while set.tracee.run()? == Stop::Trap {}
        self.part_alive(set, &mut Verdict::default())?;
        Ok((failing, account.open()))
    }

    /// Lets a system call fail. `open`: what is open after a run without a fault. A fresh process prepares the
    /// scene, so that what the library does once in a process is done in each child that creates a ring.
    pub fn fail(&self, failing: Failing, open: (u32, u32), round: usize) -> Result<Verdict> {
        apart(|| self.fail_here(failing, open, round))
    }

    fn fail_here(&self, failing: Failing, open: (u32, u32), round: usize) -> Result<Verdict> {
        let before = descriptors();
        let account = Account::new()?;
        let mut set = self.set(&account, true)?;
        let mut verdict = Verdict::default();
        set.tracee.step_to_beginning(&account)?;
        let mut stop = set.tracee.run_to_syscall()?;
        for _ in 0..2 * failing.after {
            if stop != Stop::Syscall || account.phase() >= Phase::Over {
                break;
            }
            stop = set.tracee.run_to_syscall()?;
        }
        // Calls may differ from run to run; only one that can fail with this error is made to.
        let call = if stop == Stop::Syscall && account.phase() < Phase::Over {
            Some(set.tracee.call()?)
        } else {
            None
        };
        let call = call.filter(|call| injection::errors(*call).contains(&failing.errno));
        verdict.missed = call.is_none();
        if call.is_some() {
            stop = set.tracee.fail_syscall(failing.errno)?;
        }
        while stop == Stop::Syscall || stop == Stop::Trap {
            stop = set.tracee.run()?;
        }
        verdict.arrive(stop, self.cell, &account, |_| true);
        let parted = self.part_alive(set, &mut verdict)?;
        verdict.check_retry(self.cell, &account, open, call.is_some_and(injection::is_final));
        verdict.faults.extend(parted.judge_alive(true, &account, Vec::new(), &[], round)?);
        check_descriptors(&mut verdict.faults, before);
        Ok(verdict)
    }
}

/// A scene whose child has left.
struct Parted {
    scene: Scene,
}

impl Parted {
    /// `failed`: a system call was made to fail.
    fn judge_alive(
        mut self,
        failed: bool,
        account: &Account,
        received: Vec<Received>,
        sent: &[u16],
        round: usize,
    ) -> Result<Vec<Fault>> {
        let scene = &mut self.scene;
        let mut expected = Expected::alive(scene.cell, &scene.left, &scene.sends, account);
        sent.iter().for_each(|number| expected.sent(*number));
        expected.any_order();
        let mut aftermath = Aftermath::new(scene, expected);
        aftermath.may_recover = failed;
        aftermath.received = received;
        aftermath.received.extend(account.told());
        aftermath.run(Order::of_round(round), account);
        Ok(aftermath.faults)
    }
}

impl Verdict {
    /// The child is at a point, or at its end; `right`: may the operation end so?
    fn arrive(&mut self, stop: Stop, cell: Cell, account: &Account, right: impl Fn(Outcome) -> bool) {
        match stop {
            Stop::Dead(status) => {
                let what = format!("{cell} ends by {status:?}: {}", account.text());
                self.faults.push(Fault::new(Class::Wrong, what));
            }
            Stop::End => check_outcome(&mut self.faults, right(account.outcome()), account),
            Stop::Trap | Stop::Syscall => {}
        }
    }

    /// After a fault: the operation was done in the end, and nothing more is open than without the fault.
    /// `is_final`: the handle is not to be tried again.
    fn check_retry(&mut self, cell: Cell, account: &Account, open: (u32, u32), is_final: bool) {
        check_outcome(
            &mut self.faults,
            is_final || account.outcome() == expected(cell) || may_end(cell, account.outcome()),
            account,
        );
        if account.phase() == Phase::Done && account.open() != open {
            let what = format!(
                "{:?} descriptors and mappings are open in the end, {open:?} without a fault",
                account.open()
            );
            self.faults.push(Fault::new(Class::Leaked, what));
        }
    }
}

fn check_outcome(faults: &mut Vec<Fault>, right: bool, account: &Account) {
    if !right {
        let what = format!("the operation ended {:?}: {}", account.outcome(), account.text());
        faults.push(Fault::new(Class::Wrong, what));
    }
}

/// Descriptors of this process.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn check_descriptors(faults: &mut Vec<Fault>, before: usize) {
    let now = descriptors();
    if now != before {
        faults.push(Fault::new(Class::Leaked, format!("{now} descriptors are open, {before} were")));
    }
}

/// The address of a failing call, as in `replay`.
pub fn failing_address(failing: Failing) -> String {
    format!("{}.{:?}", failing.after, Errno::from_raw(failing.errno))
}

/// Reads an address: a point, or a failing call.
pub fn parse_address(text: &str) -> Option<Result<Point, Failing>> {
    let (first, second) = text.split_once('.')?;
    let first = first.parse().ok()?;
    if let Ok(steps) = second.parse() {
        return Some(Ok(Point { calls: first, steps }));
    }
    let errno = (1..134).find(|errno| format!("{:?}", Errno::from_raw(*errno)) == second)?;
    Some(Err(Failing { after: first, errno }))
}
