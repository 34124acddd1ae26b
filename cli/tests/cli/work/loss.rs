//! Nothing is lost when a worker or a sender is killed, or cannot go on.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use super::{
    attached, consumers_counted, create, first_line, inspect, is_gone, lines_of, runner, send, stuck, work,
};
use crate::common::{Name, Running, assert_exit, assert_says, holding, numbered_lines, text, until};

#[test]
fn a_killed_workers_job_goes_to_another_and_its_command_dies() {
    let name = Name::new("work-kill");
    send(&name, b"first\nsecond\n");
    let (mut killed, command) = stuck(&name, "echo $$; exec sleep 1000");
    killed.kill();
    killed.finish();
    until("the end of the command", || is_gone(command));
    let done = runner(&name, &[], r#"echo "$RINGWAY_SEQUENCE $RINGWAY_REDELIVERED $0""#).finish();
    assert_exit(&done, 0);
    let mut lines = lines_of(&done);
    lines.sort();
    assert_eq!(lines[0], "0 1 first");
    assert!(lines[1].ends_with(" 0 second") && lines.len() == 2, "{lines:?}");
}

#[test]
fn a_worker_that_waits_takes_over_from_one_that_is_killed() {
    let name = Name::new("work-heir");
    let mut sender = Running::start(work(&name, "send", &["--lines"]).stdin(Stdio::piped()));
    let mut input = sender.child().stdin.take().expect("its standard input");
    input.write_all(b"first\n").expect("write");
    let (mut killed, _) = stuck(&name, "echo $$; exec sleep 1000");
    let mut heir = runner(&name, &[], r#"echo "$RINGWAY_REDELIVERED $0""#);
    until("both workers", || attached(&inspect(&name), "consumer") == 2);
    killed.kill();
    let heard = first_line(heir.child().stdout.take().expect("its output"));
    assert_eq!(heard, "1 first");
    drop(input);
    assert_exit(&sender.finish(), 0);
    assert_exit(&heir.finish(), 0);
}

#[test]
fn workers_killed_again_and_again_lose_no_job_and_repeat_none_unmarked() {
    let name = Name::new("work-soak");
    create(&name, &["--slots", "32"]);
    let done = tempfile::NamedTempFile::new().expect("a file");
    let script = format!(r#"echo "$RINGWAY_REDELIVERED $0" >>{}"#, done.path().display());
    let lines = numbered_lines(13 * 300);
    let sender = Running::start(work(&name, "send", &["--lines"]).stdin(holding(&lines)));
    let mut workers = (0..3).map(|_| runner(&name, &[], &script)).collect::<VecDeque<_>>();
    let written = || done.as_file().metadata().expect("its length").len();
    for kills in 1..=20 {
        until("some jobs", || written() > kills * 100);
        let mut victim = workers.pop_front().expect("a worker");
        victim.kill();
        victim.finish();
        workers.push_back(runner(&name, &[], &script));
    }
    assert_exit(&sender.finish(), 0);
    for worker in workers {
        assert_exit(&worker.finish(), 0);
    }
    let mut times = BTreeMap::new();
    for line in fs::read_to_string(done.path()).expect("what was done").lines() {
        let (mark, job) = line.split_once(' ').expect("a mark and a job");
        let (unmarked, marked) = times.entry(job.to_owned()).or_insert((0, 0));
        *(if mark == "0" { unmarked } else { marked }) += 1;
    }
    assert_eq!(times.len(), 300, "every job was done");
    assert!(
        times.values().all(|(unmarked, _)| *unmarked <= 1),
        "a job was repeated without a mark: {times:?}"
    );
    assert_eq!(inspect(&name)["slots_used"], 0);
    name.remove();
}

#[test]
fn at_most_once_drops_the_job_of_a_killed_worker() {
    let name = Name::new("work-once");
    create(&name, &["--at-most-once"]);
    send(&name, b"first\nsecond\n");
    let (mut killed, _) = stuck(&name, "echo $$; exec sleep 1000");
    killed.kill();
    killed.finish();
    let done = runner(&name, &[], "echo $0").finish();
    assert_exit(&done, 0);
    assert_eq!(text(&done.stdout), "second\n");
    let report = inspect(&name);
    assert_eq!(report["at_most_once"], true);
    assert_eq!(consumers_counted(&report, "dropped"), 1, "{report}");
    name.remove();
}

#[test]
fn a_job_that_cannot_be_written_goes_to_another() {
    let name = Name::new("work-closed");
    send(&name, b"one\ntwo\n");
    let mut command = work(&name, "recv", &["--lines"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let closed = Running::start(command.stdout(writer)).finish();
    assert_exit(&closed, 7);
    assert_eq!(text(&closed.stderr), "");
    let full = fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let failed = Running::start(work(&name, "recv", &["--lines"]).stdout(full)).finish();
    assert_says(&failed, 1, &["cannot write standard output"]);
    let second = work(&name, "recv", &["--lines"]).output().expect("ringway work recv");
    assert_exit(&second, 0);
    let mut lines = lines_of(&second);
    lines.sort();
    assert_eq!(lines, ["one", "two"]);
}

#[test]
fn a_receiver_killed_by_its_pipe_loses_only_what_it_has_written() {
    let name = Name::new("work-pipe");
    create(&name, &["--slots", "16", "--slot-size", "64"]);
    let lines = numbered_lines(13 * 20_000);
    let sender = Running::start(work(&name, "send", &["--lines"]).stdin(holding(&lines)));
    let mut first = Running::start(&mut work(&name, "recv", &["--lines"]));
    let mut output = first.child().stdout.take().expect("its output");
    let mut read = [0; 13 * 10];
    output.read_exact(&mut read).expect("read");
    first.kill();
    let mut written = read.to_vec();
    output.read_to_end(&mut written).expect("read");
    let second = Running::start(&mut work(&name, "recv", &["--lines"])).finish();
    assert_exit(&sender.finish(), 0);
    assert_exit(&second, 0);
    written.extend_from_slice(&second.stdout);
    let mut all = text(&written).lines().map(str::to_owned).collect::<Vec<_>>();
    all.sort();
    let twice = all.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(twice <= 1, "{twice} jobs were written twice");
    all.dedup();
    assert!(all == text(&lines).lines().collect::<Vec<_>>(), "{} of 20000 jobs", all.len());
    name.remove();
}

#[test]
fn a_full_queue_waits_for_its_next_worker() {
    let name = Name::new("work-full");
    create(&name, &["--slots", "16"]);
    let lines = numbered_lines(13 * 200);
    let sender = Running::start(work(&name, "send", &["--lines"]).stdin(holding(&lines)));
    let one = work(&name, "recv", &["--lines", "--count", "3"]).output().expect("ringway work recv");
    assert_exit(&one, 0);
    let (mut killed, _) = stuck(&name, "echo $$; exec sleep 1000");
    killed.kill();
    killed.finish();
    let rest = Running::start(&mut work(&name, "recv", &["--lines"])).finish();
    assert_exit(&sender.finish(), 0);
    assert_exit(&rest, 0);
    let mut all = [lines_of(&one), lines_of(&rest)].concat();
    assert_eq!(all.len(), 200);
    all.sort();
    assert_eq!(all.join("\n") + "\n", text(&lines));
    name.remove();
}

#[test]
fn a_dead_sender_is_reported_after_its_jobs_are_done_and_waited_for_with_stay() {
    let name = Name::new("work-dead");
    create(&name, &[]);
    let mut stays = Running::start(&mut work(&name, "recv", &["--lines", "--stay", "--count", "3"]));
    let mut output = BufReader::new(stays.child().stdout.take().expect("its output"));
    let mut sender = Running::start(work(&name, "send", &["--lines"]).stdin(Stdio::piped()));
    let mut input = sender.child().stdin.take().expect("its standard input");
    input.write_all(b"one\n").expect("write");
    let mut line = String::new();
    output.read_line(&mut line).expect("read");
    assert_eq!(line, "one\n");
    sender.kill();
    sender.finish();
    let leaves = Running::start(&mut work(&name, "recv", &["--lines"])).finish();
    assert_says(&leaves, 4, &["a sender died", "--stay"]);
    for job in ["two\n", "three\n"] {
        send(&name, job.as_bytes());
        line.clear();
        output.read_line(&mut line).expect("read");
        assert_eq!(line, job);
    }
    assert_exit(&stays.finish(), 0);
    name.remove();
}
