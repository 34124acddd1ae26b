//! The checks can fail: each lie of a child is found out, and called what it is.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs the matrix at one cell.
fn run(test: &str, cell: &str, arguments: &[&str]) -> Output {
    let results =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.{}.jsonl", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_crash-matrix"))
        .args(["run", "--rounds", "1", "--enough", "1", "--only", cell, "--results"])
        .arg(&results)
        .args(arguments)
        .output()
        .expect("the harness runs");
    let _ = std::fs::remove_file(results);
    output
}

/// A child that lies is found out.
fn is_found_out(lie: &str, cell: &str, deed: &str, class: &str) {
    let output = run(lie, cell, &["--deeds", deed, "--lie", lie]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{lie}: not found out\n{text}");
    assert!(text.contains(&format!("{class}: ")), "{lie}: no {class}\n{text}");
    assert!(text.contains(&format!("ci/crash.sh replay {cell}@")), "{lie}: no command\n{text}");
}

#[test]
fn children_that_do_not_lie_pass() {
    for (cell, deed) in [
        ("spsc/send/middle/shm", "kill"),
        ("mpmc/recv/full/file", "stop"),
        ("spsc/create-producer/empty/memfd", "kill"),
        ("spsc/inspect/full/file", "fail"),
    ] {
        let output = run("none", cell, &["--deeds", deed]);
        assert!(output.status.success(), "{cell}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn a_message_that_was_not_sent_is_lost() {
    is_found_out("sent", "mpmc/abort/middle/shm", "kill", "Lost");
}

#[test]
fn a_message_that_was_not_released_comes_again() {
    is_found_out("released", "spsc/recv/middle/shm", "kill", "Duplicate");
}

#[test]
fn a_message_that_is_other_than_it_says_is_torn() {
    is_found_out("torn", "spsc/send/empty/shm", "kill", "Torn");
}

#[test]
fn a_message_that_is_sent_twice_is_a_duplicate() {
    is_found_out("twice", "mpmc/send/empty/shm", "kill", "Duplicate");
}

#[test]
fn a_message_that_was_in_nobodys_hand_lacks_its_mark() {
    is_found_out("in-hand", "mpmc/recv/full/shm", "kill", "Duplicate");
}

#[test]
fn a_file_that_stays_is_leaked() {
    is_found_out("residue", "spsc/create-producer/empty/file", "kill", "Leaked");
}

#[test]
fn a_place_that_a_newcomer_gets_is_stolen() {
    is_found_out("gone", "spsc/send/empty/shm", "stop", "Theft");
}

#[test]
fn a_failing_point_can_be_replayed() {
    let replay = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_crash-matrix"))
            .args(["replay", "spsc/send/empty/shm@0.20"])
            .args(arguments)
            .output()
            .expect("the harness runs");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (passes, text) = replay(&[]);
    assert!(passes && text.contains("rip 0x") && text.contains("nothing was found"), "{text}");
    let (passes, text) = replay(&["--lie", "residue"]);
    assert!(passes, "no file stays beside a ring in shared memory: {text}");
}
