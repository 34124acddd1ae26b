//! The bench runs everything, leaves nothing behind, and its figures of wake-ups are of sides that slept.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{LIMIT, assert_exit, assert_says, ringway, text};

/// Mechanisms that a system may be without, or that are measured with a few sizes only.
const FURTHER: [&str; 21] = [
    "untrusted",
    "duplex",
    "mpmc",
    "mpmc-park",
    "ringway-pipe",
    "vmsplice",
    "fifo",
    "datagram",
    "seqpacket",
    "tcp",
    "udp",
    "message-queue",
    "sysv-queue",
    "sysv-ring",
    "posix-ring",
    "futex-ring",
    "bare-signal",
    "eventfd",
    "python-pipe",
    "python-queue",
    "python-memory",
];
/// A raw file with made-up figures of every kind.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bench-sample.jsonl");

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

#[test]
fn every_mechanism_is_measured_or_said_to_be_lacking() {
    let folder = tempfile::tempdir().expect("a folder");
    let raw = folder.path().join("samples");
    let further = FURTHER.join(",");
    let mut command = ringway(&["bench", "--smoke", "--json", "--sizes", "8,4096", "--mechanisms", &further]);
    let output = command.arg("--raw").arg(&raw).output().expect("ringway bench");
    assert_exit(&output, 0);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let left_out = report["conditions"]["left_out"].as_array().expect("a list").clone();
    let samples = fs::read_to_string(raw).expect("samples");
    let records = samples.lines().map(|line| serde_json::from_str(line).expect("a record"));
    let samples = records.filter(|record: &Value| record["record"] == "pair");
    let named =
        samples.chain(left_out).map(|entry: Value| entry["mechanism"].as_str().expect("a name").to_owned());
    let named: BTreeSet<String> = named.collect();
    for mechanism in FURTHER {
        assert!(named.contains(mechanism), "{mechanism}: {named:?}");
    }
}

/// System V segments that a child of `parent` which keeps them has created.
fn kept_segments(parent: u32) -> Option<(u32, usize)> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let is_keeper = |child: &&str| {
        let arguments = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
        arguments.split('\0').any(|argument| argument == "bench-keeper")
    };
    let keeper = children.split_whitespace().find(is_keeper)?.parse().ok()?;
    let segments = segments_of(keeper);
    (segments > 0).then_some((keeper, segments))
}

/// How many System V segments a process has created.
fn segments_of(process: u32) -> usize {
    let list = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    list.lines().filter(|line| line.split_whitespace().nth(4) == Some(&process.to_string())).count()
}

/// Waits for a while until there is something.
fn wait_for<T>(child: &mut Child, mut look: impl FnMut(u32) -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        if let Some(found) = look(child.id()) {
            return Some(found);
        }
        sleep(Duration::from_millis(5));
    }
    None
}

#[test]
fn nothing_of_system_v_is_left_when_the_bench_is_killed() {
    if !fs::exists("/proc/sysvipc/shm").expect("/proc") {
        return;
    }
    let mut command =
        ringway(&["bench", "--mechanisms", "sysv-ring", "--patterns", "wake-same-core", "--sizes", "8"]);
    let mut bench = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("ringway bench");
    let kept = wait_for(&mut bench, kept_segments);
    bench.kill().expect("kill");
    bench.wait().expect("wait");
    let (keeper, segments) = kept.expect("a keeper with a segment");
    assert_eq!(segments, 1);
    assert!(wait_for(&mut bench, |_| (segments_of(keeper) == 0).then_some(())).is_some());
}

/// A path as an argument.
fn argument(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn a_run_is_recorded_and_told_again_without_measuring() {
    let folder = tempfile::tempdir().expect("a folder");
    let [raw, page] = ["raw.jsonl", "page.html"].map(|name| folder.path().join(name));
    let report: Value =
        serde_json::from_slice(&wake_ups(&["--json", "--raw", argument(&raw)])).expect("a report");
    let lines = fs::read_to_string(&raw).expect("the raw file");
    let kinds: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
    assert_eq!(kinds.first().map(|record| &record["record"]), Some(&"run".into()));
    assert_eq!(kinds.last().map(|record| &record["record"]), Some(&"end".into()));
    let pairs = kinds.iter().filter(|record| record["record"] == "pair").count();
    assert_eq!(report["samples"].as_u64(), Some(pairs as u64));

    let mut again = ringway(&["bench", "--json", "--from", argument(&raw), "--report", argument(&page)]);
    let again = again.output().expect("ringway bench");
    assert_exit(&again, 0);
    assert_eq!(serde_json::from_slice::<Value>(&again.stdout).expect("a report"), report);
    assert!(fs::read_to_string(&page).expect("the page").starts_with("<!DOCTYPE html>"));
}

#[test]
fn the_page_is_self_contained_and_escapes_what_it_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.html");
    let mut command = ringway(&["bench", "--from", SAMPLE, "--report", argument(&page)]);
    let output = command.output().expect("ringway bench");
    assert_exit(&output, 0);
    let html = fs::read_to_string(&page).expect("the page");
    assert!(html.contains("Example &lt;CPU&gt; &amp; Co.") && !html.contains("<CPU>"));
    for outside in ["http", "<script", "<link", "<img", "url(", "@import", "NaN"] {
        assert!(!html.contains(outside), "the page has {outside}");
    }
}

#[test]
fn a_run_compared_with_itself_has_not_changed() {
    let output = ringway(&["bench", "--from", SAMPLE, "--compare", SAMPLE, "--json"]).output();
    let output = output.expect("ringway bench");
    assert_exit(&output, 0);
    assert_eq!(text(&output.stderr), "", "nothing to be warned of");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let changes = report["comparison"]["changes"].as_array().expect("changes");
    let verdicts = |verdict: &str| changes.iter().filter(|change| change["verdict"] == verdict).count();
    assert!(verdicts("unchanged") > 100);
    assert_eq!(verdicts("unchanged") + verdicts("too-few"), changes.len());
    assert!(changes.iter().all(|change| change["verdict"] != "unchanged" || change["change"] == 0.0));
}

#[test]
fn what_changed_is_found_and_another_machine_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let new = folder.path().join("new.jsonl");
    let faster = |line: &str| {
        let mut record: Value = serde_json::from_str(line).expect("a record");
        if record["record"] == "run" {
            record["machine"]["kernel"] = "0.0.1".into();
        }
        if record["mechanism"] == "spin" && record["record"] == "pair" {
            record["ns"] = (record["ns"].as_f64().expect("a time") / 2.0).into();
        }
        format!("{record}\n")
    };
    let lines = fs::read_to_string(SAMPLE).expect("the sample");
    fs::write(&new, lines.lines().map(faster).collect::<String>()).expect("write");
    let output = ringway(&["bench", "--from", argument(&new), "--compare", SAMPLE]).output();
    let output = output.expect("ringway bench");
    assert_exit(&output, 0);
    assert!(
        text(&output.stderr).contains("the machines or builds differ: Kernel: Linux 0.0.1; then Linux 6.1.0")
    );
    let told = text(&output.stdout);
    let rows: Vec<&str> = told.lines().filter(|line| line.trim_end().ends_with("faster")).collect();
    assert!(
        !rows.is_empty() && rows.iter().all(|row| row.contains("ring, spin") && row.contains("-50.0 %")),
        "{rows:?}"
    );
    assert!(!told.lines().any(|line| line.trim_end().ends_with("slower")));
}

#[test]
fn files_that_are_no_recording_are_refused_with_the_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = folder.path().join("bad.jsonl");
    let refused = |contents: &str, words: &[&str]| {
        fs::write(&bad, contents).expect("write");
        for option in ["--from", "--compare"] {
            let output = ringway(&["bench", option, argument(&bad)]).output().expect("ringway bench");
            assert_says(&output, 1, words);
        }
    };
    let name = argument(&bad);
    refused("", &[name, "line 1", "expected the `run` record"]);
    refused(
        "{\"record\":\"run\",\"format\":99,\"version\":\"9.8.7\"}\n",
        &[name, "format 99", "newer ringway (9.8.7)"],
    );
    let lines = fs::read_to_string(SAMPLE).expect("the sample");
    let first = lines.lines().next().expect("a line");
    refused(&format!("{first}\n{{\"record\":\"idle\"}}\n"), &[name, "line 2", "missing field"]);
    let output = ringway(&["bench", "--from", "/nonexistent.jsonl"]).output().expect("ringway bench");
    assert_says(&output, 1, &["cannot read /nonexistent.jsonl"]);
    let both = ringway(&["bench", "--from", SAMPLE, "--full"]).output().expect("ringway bench");
    assert_eq!(both.status.code(), Some(2), "a run is measured or read");
}
