//! Jobs are shared: each is done once, in order, and as it was sent.

use std::process::Stdio;

use serde_json::Value;

use super::{assert_shared, attached, create, inspect, lines_of, runner, send, stuck, work};
use crate::common::{Name, Running, assert_exit, assert_says, holding, numbered_lines, ringway, text, until};

#[test]
fn receivers_share_the_jobs_of_many_senders() {
    let name = Name::new("work-share");
    create(&name, &["--slots", "64", "--slot-size", "64"]);
    // Less than a pipe holds: nobody reads what a worker has written before the senders have ended.
    let lines = numbered_lines(13 * 4000);
    let workers = (0..4).map(|_| Running::start(&mut work(&name, "recv", &["--lines"]))).collect();
    // Workers end when no sender is left: one stays until the others have come.
    let mut last = Running::start(work(&name, "send", &["--lines"]).stdin(Stdio::piped()));
    until("a sender is there", || attached(&inspect(&name), "producer") > 0);
    let half = lines.len() / 13 / 2 * 13;
    let [one, other] = [&lines[..half], &lines[half..]]
        .map(|part| Running::start(work(&name, "send", &["--lines"]).stdin(holding(part))));
    assert_exit(&one.finish(), 0);
    assert_exit(&other.finish(), 0);
    drop(last.child().stdin.take());
    assert_exit(&last.finish(), 0);
    assert_shared(workers, &lines);
    let report = inspect(&name);
    assert_eq!(report["slots_used"], 0, "{report}");
    name.remove();
}

#[test]
fn commands_share_jobs() {
    let name = Name::new("work-run");
    create(&name, &[]);
    let lines = numbered_lines(13 * 100);
    let workers = (0..3).map(|_| runner(&name, &[], "echo $0")).collect();
    send(&name, &lines);
    assert_shared(workers, &lines);
    name.remove();
}

#[test]
fn one_worker_does_jobs_in_order_and_finds_each_in_three_places() {
    let name = Name::new("work-order");
    let sent = Running::start(
        work(&name, "send", &["--lines", "--tag", "65535"]).stdin(holding(b"one\n\ntwo words\n\nlast")),
    );
    assert_exit(&sent.finish(), 0);
    let script = r#"printf '%s|%s|%s|%s\n' "$0" "$(cat)" "$RINGWAY_TAG" "$RINGWAY_REDELIVERED""#;
    let done = runner(&name, &[], script).finish();
    assert_exit(&done, 0);
    let expected =
        ["one|one", "|", "two words|two words", "|", "last|last"].map(|job| format!("{job}|65535|0"));
    assert_eq!(lines_of(&done), expected);
}

#[test]
fn empty_lines_are_jobs_and_every_line_gets_its_newline() {
    let name = Name::new("work-empty");
    send(&name, b"\n\nlast");
    send(&name, b"\n");
    let received = work(&name, "recv", &["--lines"]).output().expect("ringway work recv");
    assert_exit(&received, 0);
    assert_eq!(text(&received.stdout), "\n\nlast\n\n");
}

#[test]
fn without_a_framing_the_whole_input_is_one_job() {
    let name = Name::new("work-whole");
    let sent = Running::start(work(&name, "send", &[]).stdin(holding(b"one\ntwo")));
    assert_exit(&sent.finish(), 0);
    let prefixed = work(&name, "recv", &["--length-prefixed"]).output().expect("ringway work recv");
    assert_exit(&prefixed, 0);
    assert_eq!(prefixed.stdout, b"\x07\0\0\0one\ntwo");
}

#[test]
fn a_large_job_is_no_burden_to_a_command_that_does_not_read_it() {
    let name = Name::new("work-unread");
    let job = [b'x'; 100_000];
    let sent = Running::start(work(&name, "send", &[]).stdin(holding(&job)));
    assert_exit(&sent.finish(), 0);
    let done = work(&name, "run", &["--", "echo", "done"]).output().expect("ringway work run");
    assert_exit(&done, 0);
    assert_eq!(text(&done.stdout), "done\n");
}

#[test]
fn a_queue_is_listed_looked_at_and_removed() {
    let name = Name::new("work-look");
    create(&name, &["--slots", "100", "--slot-size", "512", "--participants", "3"]);
    send(&name, b"one\ntwo\n");
    let (mut worker, _) = stuck(&name, "echo $$; exec sleep 1000");
    let pid = worker.child().id();
    let report = inspect(&name);
    for (key, value) in
        [("slots", 128), ("slot_size", 512), ("inline", 48), ("places", 3), ("largest", 32768)]
    {
        assert_eq!(report[key], value, "{key}");
    }
    assert!(report["slots_used"].as_u64() >= Some(2), "{report}");
    assert_eq!(report["kind"], "mpmc");
    let holder =
        report["participants"].as_array().expect("participants").iter().find(|one| one["pid"] == pid);
    let holder = holder.expect("the worker");
    assert_eq!((&holder["role"], &holder["state"]), (&Value::from("consumer"), &Value::from("attached")));
    assert_eq!(holder["holds"], true, "{holder}");
    let shown = text(&ringway(&["inspect", &name.address()]).output().expect("ringway inspect").stdout);
    for word in
        ["128 slots of 512 bytes", "of 128 slots", "up to 3 of each role", "at least once", "holds a message"]
    {
        assert!(shown.contains(word), "{word:?} is missing: {shown}");
    }
    let list = text(&ringway(&["ls"]).output().expect("ringway ls").stdout);
    let row = list.lines().find(|line| line.contains(&name.address())).expect("a row");
    assert!(row.contains("mpmc") && row.contains("of 128 slots") && row.contains("1 attached"), "{list}");
    let refused = ringway(&["rm", &name.address()]).output().expect("ringway rm");
    assert_says(&refused, 6, &["in use", &pid.to_string(), "--force"]);
    worker.kill();
    worker.finish();
    let list = text(&ringway(&["ls"]).output().expect("ringway ls").stdout);
    let row = list.lines().find(|line| line.contains(&name.address())).expect("a row");
    assert!(row.contains("1 dead"), "{list}");
    assert_exit(&ringway(&["rm", &name.address()]).output().expect("ringway rm"), 0);
}
