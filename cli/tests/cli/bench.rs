//! The bench runs everything, and its figures of wake-ups are of sides that slept.

use serde_json::Value;

use crate::common::{assert_exit, ringway, text};

/// Runs every wake-up of eight bytes briefly.
fn wake_ups(options: &[&str]) -> Vec<u8> {
    let mut command = ringway(&["bench", "--smoke", "--patterns", "wake,wake-same-core", "--sizes", "8"]);
    let output = command.args(options).output().expect("ringway bench");
    assert_exit(&output, 0);
    output.stdout
}

#[test]
fn whoever_has_a_figure_as_a_wake_up_has_slept() {
    let report: Value = serde_json::from_slice(&wake_ups(&["--json"])).expect("a report");
    let count = |field: &str| report["dropped"][field].as_u64().expect("a count");
    assert!(report["samples"].as_u64() > Some(0));
    for cell in report["cells"].as_array().expect("cells") {
        assert!(cell["sleeps"].as_f64() >= Some(0.9), "{cell}");
        assert!(cell["latency"]["p50"].as_u64() > Some(0), "{cell}");
    }
    assert_eq!(report["awake"].as_array().map_or(0, Vec::len) > 0, count("awake") > 0);
}

#[test]
fn the_table_says_what_it_dropped() {
    let table = wake_ups(&["--mechanisms", "park,pipe,unix,eventfd,message-queue"]);
    assert!(text(&table).contains("not asleep), 1 process start"), "{}", text(&table));
}

#[test]
fn help_tells_the_patterns_and_the_mechanisms() {
    let help = ringway(&["bench", "--help"]).output().expect("ringway bench --help");
    assert_exit(&help, 0);
    for word in ["wake-same-core", "bare-futex", "eventfd", "message-queue", "--rest"] {
        assert!(text(&help.stdout).contains(word), "bench --help does not mention {word}");
    }
}
