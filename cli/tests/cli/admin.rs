//! Rings are made, listed, looked at and removed.

use std::fs;
use std::process::Stdio;

use ringway::duplex;
use serde_json::Value;

use crate::common::{Name, Running, assert_exit, assert_says, holding, ringway, text, until};

/// What `ringway` with `arguments` answers in JSON.
#[track_caller]
fn json(arguments: &[&str]) -> Value {
    let output = ringway(arguments).arg("--json").output().expect("ringway");
    assert_exit(&output, 0);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The entry of `name` in `ringway ls --json`.
fn listed(name: &Name) -> Option<Value> {
    let list = json(&["ls"]);
    let found = list.as_array().expect("a list").iter().find(|entry| entry["address"] == name.address());
    found.cloned()
}

/// The participant of `report` in `role`.
fn participant(report: &Value, role: &str) -> Value {
    let all = report["participants"].as_array().expect("participants");
    all.iter().find(|one| one["role"] == role).cloned().unwrap_or(Value::Null)
}

#[test]
fn a_ring_is_made_as_asked_and_removed() {
    let name = Name::new("create");
    let made = json(&["create", &name.address(), "--size", "128K", "--mode", "640", "--payload-align", "64"]);
    assert_eq!(made["address"], name.address());
    assert_eq!(made["size"], 128 << 10);
    assert_eq!(made["payload_align"], 64);
    assert_eq!(made["mode"], "0640");
    assert_eq!(made["used"], 0);
    assert_eq!(made["persist"], false);
    assert_eq!(listed(&name).expect("listed")["instance"], made["instance"]);
    assert_eq!(json(&["inspect", &name.address()])["instance"], made["instance"]);
    let again = ringway(&["create", &name.address()]).output().expect("ringway create");
    assert_says(&again, 6, &["exists already"]);
    assert_eq!(json(&["rm", &name.address()])["removed"], name.address());
    assert!(listed(&name).is_none());
    assert_exit(&ringway(&["rm", &name.address()]).output().expect("ringway rm"), 6);
}

#[test]
fn a_ring_made_ahead_carries_a_stream() {
    let name = Name::new("ahead");
    assert_exit(&ringway(&["create", &name.address(), "--size", "64K"]).output().expect("ringway create"), 0);
    let receiver = Running::start(&mut name.recv(&["--no-create"]));
    let sender = Running::start(name.send(&["--no-create"]).stdin(holding(b"data")));
    assert_exit(&sender.finish(), 0);
    let received = receiver.finish();
    assert_exit(&received, 0);
    assert_eq!(received.stdout, b"data");
}

#[test]
fn a_persistent_ring_stays_and_serves_again() {
    let name = Name::new("persist");
    for stream in [&b"first"[..], b"second"] {
        let sender = Running::start(name.send(&["--persist"]).stdin(holding(stream)));
        assert_exit(&sender.finish(), 0);
        let received = Running::start(&mut name.recv(&["--persist"])).finish();
        assert_exit(&received, 0);
        assert_eq!(received.stdout, stream);
    }
    assert_eq!(json(&["inspect", &name.address()])["used"], 0);
    name.remove();
}

#[test]
fn a_live_ring_shows_its_participants_and_is_not_removed() {
    let name = Name::new("live");
    let mut sender = Running::start(name.send(&[]).stdin(Stdio::piped()));
    let pid = sender.child().id();
    until("the sender", || {
        listed(&name).is_some_and(|ring| participant(&ring, "producer")["state"] == "attached")
    });
    let report = json(&["inspect", &name.address()]);
    assert_eq!(participant(&report, "producer")["pid"], pid);
    let refused = ringway(&["rm", &name.address()]).output().expect("ringway rm");
    assert_says(&refused, 6, &["in use", &pid.to_string(), "--force"]);
    sender.kill();
    sender.finish();
    assert_eq!(participant(&json(&["inspect", &name.address()]), "producer")["state"], "dead");
    assert_exit(&ringway(&["rm", &name.address()]).output().expect("ringway rm"), 0);
}

#[test]
fn force_removes_a_live_ring() {
    let name = Name::new("force");
    let _sender = Running::start(name.send(&[]).stdin(Stdio::piped()));
    until("the sender", || listed(&name).is_some());
    assert_exit(&ringway(&["rm", &name.address(), "--force"]).output().expect("ringway rm"), 0);
    assert!(listed(&name).is_none());
}

#[test]
fn messages_that_wait_are_counted() {
    let name = Name::new("count");
    assert_exit(&Running::start(name.send(&["--lines"]).stdin(holding(b"one\ntwo\n"))).finish(), 0);
    let report = json(&["inspect", &name.address()]);
    assert!(report["used"].as_u64() >= Some(6), "{report}");
    let producer = participant(&report, "producer");
    assert_eq!(producer["messages"], 2);
    assert_eq!(producer["bytes"], 32, "two records of 16 bytes");
    name.remove();
}

#[test]
fn what_is_no_ring_is_listed_with_the_reason_and_left_alone() {
    let name = Name::new("foreign");
    fs::write(name.path(), "somebody's notes").expect("write a file");
    let entry = listed(&name).expect("listed");
    assert!(entry["error"].as_str().expect("a reason").contains("not a ringway segment"), "{entry}");
    let people = ringway(&["ls"]).output().expect("ringway ls");
    assert!(text(&people.stdout).contains("not a ringway segment"));
    assert_exit(&ringway(&["inspect", &name.address()]).output().expect("ringway inspect"), 6);
    assert_exit(&name.recv(&[]).output().expect("ringway recv"), 6);
    assert_exit(&ringway(&["rm", &name.address()]).output().expect("ringway rm"), 6);
    assert_eq!(fs::read(name.path()).expect("still there"), b"somebody's notes");
    fs::remove_file(name.path()).expect("remove the file");
}

#[test]
fn people_get_tables() {
    let name = Name::new("table");
    assert_exit(&ringway(&["create", &name.address(), "--size", "64K"]).output().expect("ringway create"), 0);
    let list = text(&ringway(&["ls"]).output().expect("ringway ls").stdout);
    let row = list.lines().find(|line| line.contains(&name.address())).expect("a row");
    assert!(list.contains("PRODUCER") && row.contains("64.0 KiB") && row.contains("absent"), "{list}");
    let report = text(&ringway(&["inspect", &name.address()]).output().expect("ringway inspect").stdout);
    for word in ["64.0 KiB", "alignment", "64.0 KiB", "0600"] {
        assert!(report.contains(word), "{word:?} is missing: {report}");
    }
    name.remove();
}

#[test]
fn a_duplex_is_shown_with_both_its_sides() {
    let name = Name::new("duplex");
    let mut first = duplex::options().size(64 << 10).endpoint(name.address()).expect("a side");
    first.send(b"hello").expect("room");
    let report = json(&["inspect", &name.address()]);
    assert_eq!(report["kind"], "duplex");
    assert_eq!((&report["size"], &report["used"]), (&Value::from(64 << 10), &Value::from(16)));
    let all = report["participants"].as_array().expect("participants");
    let seen = all.iter().map(|one| [&one["side"], &one["role"], &one["state"]].map(|word| word.as_str()));
    let side = |side, state| ["producer", "consumer"].map(|role| [side, role, state].map(Some));
    let expected = [side("first", "attached"), side("second", "absent")].concat();
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    let list = text(&ringway(&["ls"]).output().expect("ringway ls").stdout);
    let row = list.lines().find(|line| line.contains(&name.address())).expect("a row");
    let there = format!("attached {}, absent", std::process::id());
    assert!(row.contains("duplex") && row.matches(&there).count() == 2, "{row}");
    let people = text(&ringway(&["inspect", &name.address()]).output().expect("ringway inspect").stdout);
    for word in ["64.0 KiB each way", "first producer", "second consumer"] {
        assert!(people.contains(word), "{word:?} is missing: {people}");
    }
    for command in [name.recv(&[]).output(), name.send(&[]).stdin(holding(b"")).output()] {
        assert_says(&command.expect("ringway"), 6, &["is a duplex"]);
    }
    assert_says(&ringway(&["rm", &name.address()]).output().expect("ringway rm"), 6, &["in use"]);
    name.remove();
}
