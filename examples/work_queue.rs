//! A work queue: worker processes hash the files of a directory, and one of them is killed at work.
//!
//! `work_queue [directory workers]`, for two workers or more; without arguments: this crate's source, and three.
//!
//! A worker that is killed takes no job with it: what it had in hand is delivered again, to another worker, and
//! marked. The workers end when the producer of jobs has said goodbye and every job is done, not merely taken.

use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;
use std::{env, fs, io, process, thread};

use ringway::RecvError;
use ringway::mpmc::{self, Consumer, Producer};
use sha2::{Digest, Sha256};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long to wait for workers before giving them up.
const PATIENCE: Duration = Duration::from_secs(30);
/// The tag of the job in which a worker gets stuck, the first time that it is delivered.
const STICKY: u16 = 1;
/// The tag of a report that a job is done; without it the job was taken, or the worker has come.
const DONE: u16 = 1;

/// What a worker says of a job: 40 bytes, so that it travels in one cache line.
#[derive(Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Report {
    worker: u32,
    job: u32,
    digest: [u8; 32],
}

fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [role, name, worker] if role == "work" => work(name, worker.parse()?),
        [directory, workers] => lead(directory.as_ref(), workers.parse()?),
        _ => lead(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), 3),
    }
}

/// Hands the files out, follows the work, and says who did it.
fn lead(directory: &Path, workers: usize) -> Outcome {
    let name = format!("work_queue-{}", process::id());
    let files = files_below(directory)?;
    let jobs = mpmc::options().create_new(true).producer(format!("{name}.jobs"))?;
    let mut reports = mpmc::options().create_new(true).consumer(format!("{name}.reports"))?;
    let start = |id: usize| Command::new(env::current_exe()?).args(["work", &name, &id.to_string()]).spawn();
    let mut crew = (0..workers).map(start).collect::<io::Result<Vec<Child>>>()?;
    (0..workers).try_for_each(|_| reports.recv_timeout(PATIENCE).map(drop))?; // Everybody has come.
    let takers = thread::scope(|scope| {
        // Whoever sends more jobs than there are slots waits for workers, who need their reports to be read.
        let sender = scope.spawn(|| send_all(jobs, &files));
        let takers = follow(&mut reports, &files, &mut crew)?;
        sender.join().map_err(|_| "the thread that sends jobs panicked")?.map(|()| takers)
    })?;
    println!("{:<8}{:>8}{:>7}  end", "worker", "pid", "jobs");
    for (number, worker) in crew.iter_mut().enumerate() {
        let taken = takers.iter().flatten().filter(|taker| **taker == number).count();
        println!("{number:<8}{:>8}{taken:>7}  {}", worker.id(), worker.wait()?);
    }
    for (file, takers) in files.iter().zip(&takers).filter(|(_, takers)| takers.len() > 1) {
        println!("delivered {} times: {}, to workers {takers:?}", takers.len(), file.display());
    }
    println!("hashed {} files, all of them right", files.len());
    Ok(())
}

/// Sends every job, its number and the file's path, written in place. Dropping `jobs` at the end says goodbye.
fn send_all(mut jobs: Producer, files: &[PathBuf]) -> Outcome {
    for (number, file) in files.iter().enumerate() {
        let path = file.as_os_str().as_bytes();
        let mut job = jobs.claim_timeout(4 + path.len(), PATIENCE)?;
        job[..4].copy_from_slice(&u32::try_from(number)?.to_le_bytes());
        job[4..].copy_from_slice(path);
        job.set_tag(if number == files.len() / 2 { STICKY } else { 0 });
        job.commit()?;
    }
    Ok(())
}

/// Reads reports until every job is done right; who took each of them. Kills the worker that gets stuck.
fn follow(reports: &mut Consumer, files: &[PathBuf], crew: &mut [Child]) -> Outcome<Vec<Vec<usize>>> {
    let mut takers = vec![Vec::new(); files.len()];
    let mut open: BTreeSet<usize> = (0..files.len()).collect();
    while !open.is_empty() {
        let message = reports.recv_timeout(PATIENCE)?;
        let report = Report::read_from_bytes(&message).map_err(|_| "a report of another size")?;
        let (worker, job) = (report.worker as usize, report.job as usize);
        let file = files.get(job).ok_or("a report on no job")?;
        if message.tag() == DONE {
            let right = report.digest == digest_of(file)?;
            right.then(|| open.remove(&job)).ok_or_else(|| format!("{} was hashed wrong", file.display()))?;
            continue;
        }
        takers[job].push(worker);
        if job == files.len() / 2 && takers[job].len() == 1 {
            crew.get_mut(worker).ok_or("a report by nobody")?.kill()?;
        }
    }
    Ok(takers)
}

/// Hashes files until there will be no more.
fn work(name: &str, worker: u32) -> Outcome {
    let existing = mpmc::options().create(false);
    let mut jobs = existing.consumer(format!("{name}.jobs"))?;
    let mut reports = existing.producer(format!("{name}.reports"))?;
    let mut report = Report { worker, ..Report::default() };
    reports.send(report.as_bytes())?;
    loop {
        let job = match jobs.recv() {
            Ok(job) => job,
            Err(RecvError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (number, path) = job.split_first_chunk().ok_or("a job without a number")?;
        report.job = u32::from_le_bytes(*number);
        reports.send(report.as_bytes())?;
        while job.tag() == STICKY && !job.redelivered() {
            thread::park();
        }
        report.digest = digest_of(OsStr::from_bytes(path).as_ref())?;
        reports.send_tagged(DONE, report.as_bytes())?;
        // Dropping the job releases it. Whoever is killed before that leaves it to be done once more.
    }
}

fn digest_of(path: &Path) -> io::Result<[u8; 32]> {
    Ok(Sha256::digest(fs::read(path)?).into())
}

/// Every file of a directory and of those below it.
fn files_below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut files, mut directories) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() { &mut directories } else { &mut files }.push(entry.path());
        }
    }
    Ok(files)
}
