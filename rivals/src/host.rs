//! A host: a process with one worker or with all of a team, until its standard input ends.

use std::io::{BufRead, Write, stdin, stdout};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::control::{Answer, Order, Report, Seat, Setup};
use crate::ends::{self, Locals};
use crate::stage::Stage;
use crate::worker::{Desk, Worker};

/// Serves as a host until the standard input ends.
pub fn host() -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot tie this process to the coordinator")?;
    let mut lines = stdin().lock().lines();
    let first = lines.next().context("no setup")?.context("cannot read the setup")?;
    let Order::Setup(setup) = serde_json::from_str(&first).context("cannot parse the setup")? else {
        bail!("the first order must be the setup");
    };
    let sizes: Vec<usize> = setup.sizes.iter().map(|prepared| prepared.size).collect();
    let stage = Arc::new(Stage::open(setup.stage, &sizes)?);
    let locals = setup.sizes.iter().map(|prepared| Locals::new(prepared.size)).collect::<Result<Vec<_>>>()?;
    let mut workers = Vec::new();
    for &seat in &setup.seats {
        let (tell, hear) = channel();
        let (setup, locals, stage) = (setup.clone(), locals.clone(), stage.clone());
        thread::spawn(move || work(seat, &setup, &locals, stage, &hear));
        workers.push((seat, tell));
    }
    for line in lines {
        let order: Order = serde_json::from_str(&line.context("cannot read an order")?)?;
        pass_on(&order, &workers);
    }
    Ok(())
}

/// Gives an order to the workers whom it concerns.
fn pass_on(order: &Order, workers: &[(Seat, Sender<Order>)]) {
    for (seat, tell) in workers {
        if seat.probes() || !matches!(order, Order::Probe) {
            // Fails only if the worker has failed, and said so.
            let _ = tell.send(order.clone());
        }
    }
}

/// A worker's life.
fn work(seat: Seat, setup: &Setup, locals: &[Locals], stage: Arc<Stage>, orders: &Receiver<Order>) {
    let report = |answer: Result<Answer>| {
        let answer = answer.unwrap_or_else(|error| Answer::Failed(format!("{error:#}")));
        let failed = matches!(answer, Answer::Failed(_));
        say(&Report { worker: seat.worker, answer }).is_ok() && !failed
    };
    let start = || -> Result<(Worker, Vec<Box<dyn Desk>>)> {
        let worker = Worker::new(seat, setup, stage)?;
        let desks =
            setup.sizes.iter().zip(locals).map(|(prepared, locals)| ends::desk(seat.part, prepared, locals));
        Ok((worker, desks.collect::<Result<_>>()?))
    };
    let (mut worker, mut desks) = match start() {
        Ok(started) => started,
        Err(error) => {
            report(Err(error));
            return;
        }
    };
    if !report(Ok(Answer::Ready)) {
        return;
    }
    while let Ok(order) = orders.recv() {
        if !report(worker.obey(&order, &mut desks)) {
            return;
        }
    }
}

/// Writes one report.
fn say(report: &Report) -> Result<()> {
    let mut line = serde_json::to_string(report)?;
    line.push('\n');
    let mut out = stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).context("cannot answer the coordinator")
}
