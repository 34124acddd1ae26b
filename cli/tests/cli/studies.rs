//! Every study of the bench runs, checks what it moves, and leaves nothing behind.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::{Running, assert_exit, assert_says, ringway, text, until};

/// Runs one study briefly: its samples.
fn smoke(part: &str) -> Vec<Value> {
    let mut command = ringway(&["bench", "--smoke", "--parts", part, "--json"]);
    let output = Running::start(&mut command).finish();
    assert_exit(&output, 0);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    report["studies"].as_array().expect("a list").clone()
}

/// The number in a field.
#[track_caller]
fn number(sample: &Value, field: &str) -> f64 {
    sample[field].as_f64().unwrap_or_else(|| panic!("no number {field}: {sample}"))
}

#[test]
fn crowds_of_both_shapes_go_through_everything() {
    let samples = smoke("crowds");
    for mechanism in
        ["bare", "bare-fit", "ring", "ring-fit", "ring-blocking", "pipe", "datagram", "seqpacket"]
    {
        for (consumers, size) in [(1, 8), (1, 64), (2, 8), (2, 64)] {
            let found = samples.iter().filter(|sample| {
                (&sample["mechanism"], &sample["producers"]) == (&mechanism.into(), &2.into())
                    && (&sample["consumers"], &sample["size"]) == (&consumers.into(), &size.into())
            });
            assert_eq!(found.count(), 1, "{mechanism}, 2 x {consumers}, {size} bytes");
        }
    }
    assert_eq!(samples.iter().filter(|sample| sample["mechanism"] == "rings").count(), 2, "fan-in alone");
    for sample in &samples {
        assert_eq!(sample["record"], "crowd");
        assert!(number(sample, "ns") > 0.0 && number(sample, "count") >= 128.0, "{sample}");
        assert!(
            sample["cpu"].as_array().map(Vec::len) == Some(2) && sample["sound"].is_boolean(),
            "{sample}"
        );
    }
}

#[test]
fn every_message_under_load_has_its_latency() {
    let samples = smoke("load");
    for mechanism in ["adaptive", "pipe", "unix"] {
        let rates = samples.iter().filter(|sample| sample["mechanism"] == mechanism).count();
        assert_eq!(rates, 3, "{mechanism}");
    }
    for sample in &samples {
        assert_eq!(sample["record"], "load");
        let latency = sample["latency"].as_array().expect("a histogram");
        let counted: u64 = latency.iter().filter_map(|bucket| bucket[1].as_u64()).sum();
        assert_eq!(sample["count"].as_u64(), Some(counted), "{sample}");
        assert!(number(sample, "late_sends") <= number(sample, "count") && number(sample, "reached") > 0.0);
    }
}

#[test]
fn those_who_wait_are_counted_and_use_their_time() {
    let samples = smoke("idle");
    let whats: Vec<&str> = samples.iter().filter_map(|sample| sample["what"].as_str()).collect();
    assert_eq!(whats, ["park", "park", "pipe", "adaptive", "spin"]);
    for sample in &samples {
        assert_eq!(sample["record"], "idle");
        assert!(number(sample, "consumers") >= 1.0 && number(sample, "seconds") > 0.0, "{sample}");
    }
    assert!(number(&samples[4], "cpu_seconds") > 0.0, "one that spins uses a core");
    assert!(samples[0]["liveness_ns"].as_u64() > samples[1]["liveness_ns"].as_u64());
}

#[test]
fn what_rings_take_is_measured_where_there_are_two_cores() {
    let samples = smoke("growth");
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return;
    }
    let families: Vec<(u64, u64)> = samples
        .iter()
        .filter_map(|sample| Some((sample["rings"].as_u64()?, sample["ring_bytes"].as_u64()?)))
        .collect();
    assert_eq!(families, [(1, 4096), (10, 4096), (1, 65536)]);
    for sample in &samples {
        assert_eq!(sample["record"], "growth");
        assert!(number(sample, "memory_bytes") > number(sample, "ring_bytes"), "{sample}");
        assert!(number(sample, "create_ns") > 0.0 && number(sample, "open_ns") > 0.0, "{sample}");
    }
}

#[test]
fn the_tables_name_every_study() {
    let output = ringway(&["bench", "--smoke", "--parts", "idle,growth"]).output().expect("ringway bench");
    assert_exit(&output, 0);
    let table = text(&output.stdout);
    assert!(table.contains("== idle") && table.contains("read of a pipe"), "{table}");
}

/// The processes whose parent is `parent`.
fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let list = fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Starts studies that take long, and waits until their workers have their rings.
fn started(parts: &str) -> (Running, Vec<u32>) {
    let mut command = ringway(&["bench", "--parts", parts, "--seconds", "120"]);
    let mut bench = Running::start(&mut command);
    let id = bench.child().id();
    let mut workers = Vec::new();
    let maps = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    until("workers with rings", || {
        workers = children(id);
        workers.len() >= 2 && workers.iter().all(|worker| maps(worker).contains("/memfd:ringway "))
    });
    assert!(!workers.iter().any(|worker| maps(worker).contains("/dev/shm/")), "a ring has a name");
    (bench, workers)
}

/// Waits until none of these workers runs.
fn await_end(workers: &[u32]) {
    let runs = |pid: &u32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        text(&command).contains("bench-worker")
    };
    until("the workers' end", || !workers.iter().any(runs));
}

#[test]
fn a_study_that_is_killed_leaves_no_process_and_no_ring() {
    let (mut bench, workers) = started("crowds,load");
    bench.kill();
    bench.finish();
    await_end(&workers);
}

#[test]
fn a_study_whose_worker_dies_says_so_and_takes_the_others_along() {
    let (bench, workers) = started("load");
    kill(Pid::from_raw(workers[0] as i32), Signal::SIGKILL).expect("kill a worker");
    let output = bench.finish();
    assert_says(&output, 1, &["worker "]);
    await_end(&workers);
}
