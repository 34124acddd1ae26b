//! One short round of everything: every rival carries its messages, and nothing is left behind.

use std::fs;
use std::process::{Command, Stdio};

#[test]
fn every_rival_carries_its_messages_and_leaves_nothing() {
    let raw = std::env::temp_dir().join(format!("more-smoke-{}.json", std::process::id()));
    let mine = ["iceoryx2", "iceoryx2-event", "shmem-ipc", "ipc-channel", "dbus"];
    let bench = Command::new(env!("CARGO_BIN_EXE_rivals-more"))
        .args(["pairs", "--smoke", "--rounds-per-start", "1", "--rivals", &mine.join(","), "--json"])
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
    let report = String::from_utf8_lossy(&output.stdout);
    for rival in mine {
        let measured = written.contains(&format!("\"rival\":\"{rival}\""));
        assert!(measured || report.contains(&format!("left out: {rival}")), "nothing of {rival}");
    }
    for folder in ["/dev/shm".into(), std::env::temp_dir()] {
        let left = fs::read_dir(folder).expect("a folder").flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains(&names)), "left behind: {left:?}");
    }
}
