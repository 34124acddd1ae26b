//! Workers share a queue of jobs: each job is done once, in order, whoever leaves, fails or is killed on the way.

mod ends;
mod loss;
mod share;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::{Name, Running, assert_exit, holding, ringway, text};

/// `ringway work VERB` on the queue `name`, with a limit to its patience.
fn work(name: &Name, verb: &str, options: &[&str]) -> Command {
    let mut command = ringway(&["work", verb, &name.address()]);
    if !options.contains(&"--timeout") {
        command.args(["--timeout", "30s"]);
    }
    command.args(options);
    command
}

/// Sends every line of `lines` as a job.
#[track_caller]
fn send(name: &Name, lines: &[u8]) {
    let sent = Running::start(work(name, "send", &["--lines"]).stdin(holding(lines))).finish();
    assert_exit(&sent, 0);
}

/// A worker that runs the shell script `script`, which finds the job as `$0`.
fn runner(name: &Name, options: &[&str], script: &str) -> Running {
    let options = [options, &["--", "sh", "-c", script, "{}"]].concat();
    Running::start(&mut work(name, "run", &options))
}

/// A worker whose command has written its process id and goes on until it is ended; the command.
fn stuck(name: &Name, script: &str) -> (Running, Pid) {
    let mut worker = runner(name, &[], script);
    let pid = first_line(worker.child().stdout.take().expect("its output"));
    (worker, Pid::from_raw(pid.parse().expect("a process id")))
}

fn first_line(output: ChildStdout) -> String {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("read");
    line.trim_end().to_owned()
}

fn signal(running: &mut Running, signal: Signal) {
    kill(Pid::from_raw(running.child().id().cast_signed()), signal).expect("kill");
}

/// Is a signal on its way that the process has not taken yet?
fn is_any_pending(running: &mut Running) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", running.child().id())).expect("it runs");
    let mut pending = status.lines().filter_map(|line| line.strip_prefix("ShdPnd:"));
    pending.any(|signals| signals.trim().bytes().any(|digit| digit != b'0'))
}

/// Has the process `pid` ended?
fn is_gone(pid: Pid) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')),
        Err(_) => true,
    }
}

fn lines_of(output: &Output) -> Vec<String> {
    text(&output.stdout).lines().map(str::to_owned).collect()
}

/// Makes the queue, which stays until the test removes it: a worker that comes late finds that all is done.
fn create(name: &Name, options: &[&str]) {
    let made = ringway(&["work", "create", &name.address(), "--persist"]).args(options).output();
    assert_exit(&made.expect("ringway work create"), 0);
}

fn inspect(name: &Name) -> Value {
    let output = ringway(&["inspect", &name.address(), "--json"]).output().expect("ringway inspect");
    assert_exit(&output, 0);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What the consumers of `report` counted as `counter`, together.
fn consumers_counted(report: &Value, counter: &str) -> u64 {
    let all = report["participants"].as_array().expect("participants");
    all.iter().filter(|one| one["role"] == "consumer").filter_map(|one| one[counter].as_u64()).sum()
}

/// How many participants of `report` are there in a role.
fn attached(report: &Value, role: &str) -> usize {
    let all = report["participants"].as_array().expect("participants");
    all.iter().filter(|one| one["role"] == role && one["state"] == "attached").count()
}

/// Checks that the workers ended well and that together they had every one of `expected`, once.
#[track_caller]
fn assert_shared(workers: Vec<Running>, expected: &[u8]) {
    let mut times = BTreeMap::new();
    for worker in workers {
        let output = worker.finish();
        assert_exit(&output, 0);
        for line in lines_of(&output) {
            *times.entry(line).or_insert(0) += 1;
        }
    }
    let expected = text(expected).lines().map(|line| (line.to_owned(), 1)).collect::<BTreeMap<_, _>>();
    assert!(times == expected, "{} different jobs, {} sent", times.len(), expected.len());
}
