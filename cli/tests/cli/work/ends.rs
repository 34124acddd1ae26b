//! Every way in which a worker or a sender ends has its exit code and its line.

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::{consumers_counted, create, inspect, is_any_pending, is_gone, runner, send, signal, stuck, work};
use crate::common::{Name, Running, assert_exit, assert_says, holding, numbered_lines, ringway, text, until};

#[test]
fn asked_to_end_a_worker_finishes_its_job_and_takes_no_further() {
    let name = Name::new("work-term");
    send(&name, b"first\nsecond\n");
    let gate = tempfile::tempdir().expect("a directory");
    let open = gate.path().join("open");
    let script = format!("echo $$; until test -e {}; do sleep 0.01; done", open.display());
    let (mut worker, command) = stuck(&name, &script);
    signal(&mut worker, Signal::SIGTERM);
    fs::write(open, "").expect("open the gate");
    let ended = worker.finish();
    assert_eq!(ended.status.signal(), Some(Signal::SIGTERM as i32), "{}", text(&ended.stderr));
    assert!(is_gone(command), "it was waited for");
    let rest = runner(&name, &[], r#"echo "$RINGWAY_REDELIVERED $0""#).finish();
    assert_exit(&rest, 0);
    assert_eq!(text(&rest.stdout), "0 second\n");
}

#[test]
fn asked_again_a_worker_passes_it_on_and_the_job_goes_to_another() {
    let name = Name::new("work-again");
    send(&name, b"job\n");
    let (mut worker, command) = stuck(&name, "echo $$; exec sleep 1000");
    signal(&mut worker, Signal::SIGTERM);
    // SIGINT would do, too, but a process that a shell has started in the background ignores it.
    until("the first signal is taken", || !is_any_pending(&mut worker));
    signal(&mut worker, Signal::SIGTERM);
    let ended = worker.finish();
    assert!(ended.status.signal().is_some(), "{}", text(&ended.stderr));
    assert!(text(&ended.stderr).contains("another worker"), "{}", text(&ended.stderr));
    assert!(is_gone(command));
    let done = runner(&name, &[], r#"echo "$RINGWAY_REDELIVERED $0""#).finish();
    assert_exit(&done, 0);
    assert_eq!(text(&done.stdout), "1 job\n");
}

#[test]
fn an_idle_worker_ends_with_a_goodbye_when_it_is_asked_to() {
    let name = Name::new("work-idle");
    for mut command in [work(&name, "recv", &["--stay"]), work(&name, "run", &["--", "true"])] {
        let mut worker = Running::start(&mut command);
        until("the worker", || name.path().exists() && consumers_counted(&inspect(&name), "sleeps") > 0);
        signal(&mut worker, Signal::SIGTERM);
        assert_eq!(worker.finish().status.signal(), Some(Signal::SIGTERM as i32));
        assert!(!name.path().exists(), "it said goodbye");
    }
}

#[test]
fn a_receiver_that_nobody_reads_ends_at_once_and_its_job_goes_to_another() {
    let name = Name::new("work-unheard");
    let job = vec![b'x'; 100_000];
    let sent = Running::start(work(&name, "send", &[]).stdin(holding(&job))).finish();
    assert_exit(&sent, 0);
    let mut unheard = Running::start(&mut work(&name, "recv", &[]));
    let mut begun = [0];
    unheard.child().stdout.as_mut().expect("its output").read_exact(&mut begun).expect("read");
    signal(&mut unheard, Signal::SIGTERM);
    assert_eq!(unheard.finish().status.signal(), Some(Signal::SIGTERM as i32));
    let heard = work(&name, "recv", &[]).output().expect("ringway work recv");
    assert_exit(&heard, 0);
    assert!(heard.stdout == job, "{} bytes", heard.stdout.len());
}

#[test]
fn signals_that_were_ignored_before_stay_ignored() {
    let name = Name::new("work-deaf");
    let script = format!(r#"trap '' TERM; exec "$0" work recv {} --lines --timeout 30s"#, name.address());
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_ringway")]).stdout(Stdio::piped());
    let mut worker = Running::start(&mut command);
    until("the worker", || name.path().exists() && consumers_counted(&inspect(&name), "sleeps") > 0);
    signal(&mut worker, Signal::SIGTERM);
    send(&name, b"job\n");
    let ended = worker.finish();
    assert_exit(&ended, 0);
    assert_eq!(text(&ended.stdout), "job\n");
}

#[test]
fn jobs_that_fail_are_named_and_the_others_are_done() {
    let name = Name::new("work-fail");
    send(&name, b"one\ntwo\nthree\n");
    let done = runner(&name, &[], "echo $0; test $0 != two || exit 3").finish();
    assert_exit(&done, 9);
    assert_eq!(text(&done.stdout), "one\ntwo\nthree\n");
    let said = text(&done.stderr);
    assert!(said.contains("job 1: `sh` exited with 3") && said.contains("1 of 3 jobs failed"), "{said}");
}

#[test]
fn fail_fast_leaves_the_rest_to_others() {
    let name = Name::new("work-fast");
    send(&name, b"one\ntwo\nthree\n");
    let first = runner(&name, &["--fail-fast"], "kill -KILL $$").finish();
    assert_exit(&first, 9);
    assert!(text(&first.stderr).contains("was killed by SIGKILL"), "{}", text(&first.stderr));
    let rest = runner(&name, &[], r#"echo "$RINGWAY_REDELIVERED $0""#).finish();
    assert_exit(&rest, 0);
    assert_eq!(text(&rest.stdout), "0 two\n0 three\n");
}

#[test]
fn a_command_that_cannot_be_run_costs_no_job() {
    let name = Name::new("work-absent");
    send(&name, b"job\n");
    let failed = work(&name, "run", &["--", "there-is-no-such-command"]).output().expect("ringway work run");
    assert_says(&failed, 1, &["cannot run `there-is-no-such-command`", "No such file", "another worker"]);
    let done = work(&name, "recv", &["--lines"]).output().expect("ringway work recv");
    assert_exit(&done, 0);
    assert_eq!(text(&done.stdout), "job\n");
}

#[test]
fn a_job_that_cannot_be_an_argument_fails_and_stops_nobody() {
    let name = Name::new("work-zero");
    send(&name, b"zero\0\ngood\n");
    let done = runner(&name, &[], "echo $0").finish();
    assert_exit(&done, 9);
    assert_eq!(text(&done.stdout), "good\n");
    assert!(text(&done.stderr).contains("cannot be an argument"), "{}", text(&done.stderr));
}

#[test]
fn a_full_queue_without_workers_times_out_and_says_what_it_lacks() {
    let name = Name::new("work-none");
    let lines = numbered_lines(13 * 200);
    let options = ["--lines", "--slots", "16", "--timeout", "100ms"];
    let sent = Running::start(work(&name, "send", &options).stdin(holding(&lines))).finish();
    assert_says(&sent, 5, &["no worker is there", "ringway work run", "--timeout"]);
    name.remove();
}

#[test]
fn a_line_that_does_not_fit_is_named_with_the_queue_to_create() {
    let name = Name::new("work-huge");
    let job = [b"short\n".to_vec(), vec![b'x'; 5000], b"\nnever sent\n".to_vec()].concat();
    let options = ["--lines", "--slots", "16", "--slot-size", "64"];
    let sent = Running::start(work(&name, "send", &options).stdin(holding(&job))).finish();
    let advice = format!("ringway work create {} --slots 16 --slot-size 1024", name.address());
    assert_says(&sent, 2, &["line 2", "5000 bytes", "up to 512", &advice]);
    let received = work(&name, "recv", &["--lines"]).output().expect("ringway work recv");
    assert_says(&received, 4, &["before it had sent all"]);
    assert_eq!(text(&received.stdout), "short\n");
    create(&name, &["--slots", "16", "--slot-size", "1024"]);
    send(&name, &job);
    name.remove();
}

#[test]
fn closed_standard_input_is_no_job() {
    let name = Name::new("work-stdin");
    let script = format!(r#""$0" work send {} --lines <&-"#, name.address());
    let sent = Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_ringway")]).output().expect("sh");
    assert_exit(&sent, 0);
    assert!(!name.path().exists(), "nothing is in it");
}

#[test]
fn each_kind_of_ring_names_the_commands_that_are_for_it() {
    let name = Name::new("work-kind");
    create(&name, &[]);
    for command in [&mut name.send(&[]), &mut name.recv(&[])] {
        assert_says(&command.output().expect("ringway"), 6, &["is a queue", "ringway work send"]);
    }
    name.remove();
    assert_exit(&ringway(&["create", &name.address()]).output().expect("ringway create"), 0);
    let runs = ["--", "true"];
    for (verb, options) in [("send", &[][..]), ("recv", &[]), ("run", &runs)] {
        let refused = work(&name, verb, options).output().expect("ringway work");
        assert_says(&refused, 6, &["is a stream", "`ringway send`", "`ringway recv`"]);
    }
    name.remove();
}

#[test]
fn too_many_workers_are_told_which_option_helps() {
    let name = Name::new("work-places");
    create(&name, &["--participants", "1"]);
    send(&name, b"job\n");
    let (_worker, _) = stuck(&name, "echo $$; exec sleep 1000");
    let second = work(&name, "recv", &[]).output().expect("ringway work recv");
    assert_exit(&second, 6);
    assert!(text(&second.stderr).contains("consumer already"), "{}", text(&second.stderr));
    name.remove();
}

#[test]
fn bad_usage_of_work_exits_with_2() {
    for arguments in [
        &["work"][..],
        &["work", "send"],
        &["work", "run", "a"],
        &["work", "run", "a", "--"],
        &["work", "send", "a", "--lines", "--length-prefixed"],
        &["work", "recv", "a", "--count", "0"],
        &["work", "send", "a", "--tag", "65536"],
        &["work", "create", "a", "--slots", "0"],
        &["work", "create", "a", "--slot-size", "7"],
        &["work", "create", "a", "--participants", "512"],
    ] {
        let output = ringway(arguments).output().expect("ringway");
        assert_exit(&output, 2);
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}");
    }
}
