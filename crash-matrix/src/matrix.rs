//! All cells, several at a time, with a progress bar, results that are kept, and the table.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::Common;
use crate::cell::Cell;
use crate::foreman::{Foreman, Job, Plan};
use crate::place::Ground;
use crate::run::Deed;
use crate::table;
use crate::tally::{Results, Tally};

/// How often to look at the foremen.
const LOOK: Duration = Duration::from_millis(5);

/// The jobs that `common` asks for.
fn jobs(common: &Common) -> Vec<Job> {
    let cells = Cell::all().into_iter().filter(|cell| cell.to_string().contains(&common.only));
    let with = |cell: Cell| common.deeds.iter().map(move |deed| Job { cell, deed: *deed });
    cells.flat_map(with).filter(|job| job.deed != Deed::Fail || job.cell.operation.can_be_failed()).collect()
}

/// Runs the matrix, or what is missing of it, and writes the table.
pub fn run(common: &Common, plan: Plan, path: PathBuf, ground: &Ground) -> Result<()> {
    let text = format!("{} rounds, every: {}, lie: {:?}", plan.rounds, plan.every, plan.lie);
    let (mut results, mut tallies) = Results::open(&path, text)?;
    let all = jobs(common);
    let is_of = |tally: &Tally, job: &Job| tally.deed == job.deed && tally.cell == job.cell.to_string();
    tallies.retain(|tally| all.iter().any(|job| is_of(tally, job)));
    let todo: Vec<Job> =
        all.iter().filter(|job| !tallies.iter().any(|tally| is_of(tally, job))).copied().collect();
    println!("{} of {} cells are done already; results in {}", tallies.len(), all.len(), path.display());
    tallies.extend(work(&todo, plan, common.workers, ground, &mut results)?);
    tallies.sort_by_key(|tally| all.iter().position(|job| is_of(tally, job)));
    if common.only.is_empty() && common.deeds.len() == 3 && plan.lie.is_none() {
        fs::write(&common.table, table::render(&tallies, plan.rounds)?)
            .with_context(|| format!("cannot write {}", common.table.display()))?;
        println!("wrote {}", common.table.display());
    }
    report(&tallies)
}

/// Runs a sample, and compares it with the table.
pub fn sample(common: &Common, plan: Plan, compares: bool, ground: &Ground) -> Result<()> {
    let started = Instant::now();
    let tallies = work(&jobs(common), plan, common.workers, ground, &mut Results::nowhere())?;
    println!("{:.0} s", started.elapsed().as_secs_f64());
    report(&tallies)?;
    if compares {
        let text = fs::read_to_string(&common.table)
            .with_context(|| format!("cannot read {}; make it with ci/crash.sh", common.table.display()))?;
        table::compare(&text, &Cell::all())?;
    }
    Ok(())
}

/// Has foremen do the jobs.
fn work(
    todo: &[Job],
    plan: Plan,
    workers: usize,
    ground: &Ground,
    results: &mut Results,
) -> Result<Vec<Tally>> {
    let style = "{elapsed_precise} {bar:30} {pos}/{len} cells, {eta} left  {wide_msg}";
    let bar = ProgressBar::new(todo.len() as u64).with_style(ProgressStyle::with_template(style)?);
    let mut waiting = todo.iter();
    let mut foremen: Vec<Option<Foreman>> = (0..workers.max(1)).map(|_| None).collect();
    let mut tallies = Vec::new();
    while tallies.len() < todo.len() {
        for (processor, slot) in foremen.iter_mut().enumerate() {
            let Some(foreman) = slot else {
                if let Some(job) = waiting.next() {
                    *slot = Some(Foreman::start(*job, plan, ground, processor % processors())?);
                }
                continue;
            };
            if let Some(tally) = foreman.poll()? {
                results.keep(&tally)?;
                if !tally.failures.is_empty() {
                    bar.suspend(|| print!("{}", tally.describe()));
                }
                tallies.push(tally);
                *slot = None;
                bar.inc(1);
            }
        }
        bar.set_message(doing(&foremen));
        std::thread::sleep(LOOK);
    }
    bar.finish_and_clear();
    Ok(tallies)
}

fn doing(foremen: &[Option<Foreman>]) -> String {
    let one = |foreman: &Foreman| {
        let (done, total) = foreman.progress();
        format!("{} {:?} {done}/{total}", foreman.job.cell, foreman.job.deed)
    };
    foremen.iter().flatten().map(one).collect::<Vec<_>>().join(", ")
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Says how it went.
fn report(tallies: &[Tally]) -> Result<()> {
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let failed = sum(|tally| tally.counts.values().sum());
    println!(
        "{} cells, {} points, {} runs, {} of them past the end; {failed} findings",
        tallies.len(),
        sum(|tally| tally.points),
        sum(|tally| tally.runs),
        sum(|tally| tally.missed),
    );
    ensure!(failed == 0, "{failed} findings: see above, and replay them with ci/crash.sh replay");
    Ok(())
}
