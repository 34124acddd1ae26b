//! One short round of everything: every queue carries its messages, alone, in crowds and in pairs, and nothing is left
//! behind.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn every_queue_carries_its_messages() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_rivals"))
            .args(["mpmc", "--seconds", "0", "--sample", "1"])
            .args(arguments)
            .output()
            .expect("the bench starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["--sizes", "8,64", "--pairs", "alone,1x1,2x2"]);
    run(&["--sizes", "16,128", "--pairs", "3x1,1x3", "--pauses", "1", "--cores", "1,0"]);
}

#[test]
fn every_rival_carries_its_messages_both_ways_and_leaves_nothing() {
    let raw = std::env::temp_dir().join(format!("rivals-smoke-{}.json", std::process::id()));
    let bench = Command::new(env!("CARGO_BIN_EXE_rivals"))
        .args(["pairs", "--smoke", "--rounds-per-start", "1", "--json"])
        .arg(&raw)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the bench starts");
    let names = format!("rivals-{}-", bench.id());
    let output = bench.wait_with_output().expect("the bench ends");
    let written = fs::read_to_string(&raw).unwrap_or_default();
    let _ = fs::remove_file(&raw);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rivals = ["ping-pong", "t", "ringway", "ringway-park", "ringway-typed", "shaq", "ringfire"];
    let threads = ["ringway-threads", "ringway-typed-threads", "rtrb", "array-queue", "crossbeam", "kanal"];
    for rival in rivals.iter().chain(&threads) {
        assert!(written.contains(&format!("\"rival\":\"{rival}\"")), "no sample of {rival}");
    }
    assert_nothing_left(&names);
}

/// Nothing in shared memory has such a name.
fn assert_nothing_left(names: &str) {
    let left = fs::read_dir("/dev/shm").expect("shared memory").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains(names)), "left behind: {left:?}");
}

#[test]
fn a_run_that_is_stopped_cleans_up() {
    let raw = std::env::temp_dir().join(format!("rivals-stop-{}.json", std::process::id()));
    let mut bench = Command::new(env!("CARGO_BIN_EXE_rivals"))
        .args(["pairs", "--seconds", "600", "--sample", "1", "--sizes", "8", "--json"])
        .arg(&raw)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the bench starts");
    // It holds signals back from before it creates the file.
    while !raw.exists() && bench.try_wait().expect("a child").is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    let pid = Pid::from_raw(bench.id().try_into().expect("a number of a process"));
    kill(pid, Signal::SIGTERM).expect("a signal");
    let output = bench.wait_with_output().expect("the bench ends");
    let _ = fs::remove_file(&raw);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("stopped by a signal"), "{error}");
    assert_nothing_left(&format!("rivals-{pid}-"));
}
