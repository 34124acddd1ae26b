//! One short round of everything: every queue carries its messages, alone, in crowds and in pairs, and nothing is left
//! behind.

use std::fs;
use std::process::{Command, Stdio};

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
    let left = fs::read_dir("/dev/shm").expect("shared memory").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains(&names)), "left behind: {left:?}");
}
