//! Runs every example as a user would, without arguments: it must succeed, in time, say what it found, and leave
//! nothing in /dev/shm.

use std::fs;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Examples take up to two seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Beside this test's directory, where cargo puts examples.
fn path_of(example: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let target = test.ancestors().nth(2).expect("a test in target/<profile>/deps");
    let path = target.join("examples").join(example);
    assert!(path.exists(), "no {}: run `cargo build --examples` (plain `cargo test` does)", path.display());
    path
}

/// Runs `example` and returns what it printed.
fn run(example: &str) -> String {
    let mut output = tempfile::tempfile().expect("a file for the output");
    let handle = || output.try_clone().expect("a second handle");
    let mut child = Command::new(path_of(example))
        .stdin(Stdio::null())
        .stdout(handle())
        .stderr(handle())
        .spawn()
        .expect("an example that starts");
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child to wait for") {
            break Some(status);
        }
        if started.elapsed() > LIMIT {
            child.kill().expect("a child to kill");
            child.wait().expect("a child to wait for");
            break None;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let mut text = String::new();
    output.rewind().expect("an output to rewind");
    output.read_to_string(&mut text).expect("an output of text");
    let status = status.unwrap_or_else(|| panic!("{example} took more than {LIMIT:?}; it printed:\n{text}"));
    assert!(status.success(), "{example} failed: {status}; it printed:\n{text}");
    assert_eq!(
        left_by(&format!("{example}-{}", child.id())),
        [] as [String; 0],
        "{example} left files behind"
    );
    text
}

/// Names in /dev/shm of rings and other memory that an example has called `name` or `name.…`.
fn left_by(name: &str) -> Vec<String> {
    let names = fs::read_dir("/dev/shm").expect("/dev/shm").map(|entry| {
        let name = entry.expect("an entry of /dev/shm").file_name();
        name.to_string_lossy().into_owned()
    });
    let is_of = |found: &String| {
        let found = found.strip_prefix("ringway.").unwrap_or(found);
        found.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    names.filter(is_of).collect()
}

/// Panics unless `text` has a line with every word of each of `lines`.
fn assert_lines(text: &str, lines: &[&[&str]]) {
    for words in lines {
        let found = text.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no line with {words:?} in:\n{text}");
    }
}

/// The line of `text` that begins with `words`.
fn line_of<'a>(text: &'a str, words: &str) -> &'a str {
    let found = text.lines().find(|line| line.starts_with(words));
    found.unwrap_or_else(|| panic!("no line begins with {words:?} in:\n{text}"))
}

/// The number that follows `words` in `line`.
fn number_after(line: &str, words: &str) -> u64 {
    let (_, rest) = line.split_once(words).unwrap_or_else(|| panic!("no {words:?} in: {line}"));
    let digits = rest.split(|found: char| !found.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or_else(|_| panic!("no number after {words:?} in: {line}"))
}

#[test]
fn hello() {
    assert_eq!(run("hello"), "hello from another process\n");
}

#[test]
fn ping_pong_measures_every_way_to_wait() {
    assert_lines(&run("ping_pong"), &[&["Spin"], &["Adaptive"], &["Park"]]);
}

#[test]
fn sensor_pipeline_receives_all_that_was_not_dropped() {
    let text = run("sensor_pipeline");
    for (sensor, samples) in [("camera", 200), ("imu", 1000)] {
        let taken = line_of(&text, sensor);
        let received = line_of(&text, &format!("processor {sensor}:"));
        assert_eq!(number_after(taken, "took "), samples, "{taken}");
        assert_eq!(number_after(received, "received "), samples - number_after(taken, "dropped "), "{text}");
        assert!(number_after(received, "lost ") <= number_after(taken, "dropped "), "{text}");
    }
}

#[test]
fn latency_sensitive_makes_no_system_call() {
    let text = run("latency_sensitive");
    assert_lines(&text, &[&["questions answered", "p99"], &["made no system call"], &["was killed"]]);
}

#[test]
fn hosted_notices_a_death_and_a_goodbye() {
    let text = run("hosted");
    assert_lines(&text, &[&["received 1000", "peer dead"], &["received 1000", "closed"]]);
}

/// Needs the feature, as the example does.
#[cfg(feature = "tokio")]
#[test]
fn tokio_consumer_receives_from_all_and_notices_a_death() {
    let text = run("tokio_consumer");
    assert_lines(&text, &[&["sensor 0: received 1000 samples", "peer dead"]]);
    for sensor in 1..4 {
        assert_lines(&text, &[&[&format!("sensor {sensor}: received 1000 samples"), "closed"]]);
    }
}

#[test]
fn smol_consumer_receives_everything() {
    assert_lines(&run("smol_consumer"), &[&["received 1000 messages", "closed"]]);
}

#[test]
fn signals_tell_of_every_message_and_of_the_goodbyes() {
    let text = run("signals");
    for ring in ["text", "clock"] {
        let line = line_of(&text, ring);
        assert_eq!(number_after(line, "received "), 50, "{text}");
        assert!((1..=51).contains(&number_after(line, "by ")), "{text}");
    }
}

#[test]
fn work_queue_loses_no_job_when_a_worker_is_killed() {
    let text = run("work_queue");
    let hashed = number_after(line_of(&text, "hashed "), "hashed ");
    let workers = (0..3).map(|worker| line_of(&text, &format!("{worker} ")).to_owned());
    let jobs = workers.map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    // One job was delivered twice.
    assert_eq!(jobs.sum::<Option<u64>>(), Some(hashed + 1), "{text}");
    assert_lines(&text, &[&["SIGKILL"], &["delivered 2 times"]]);
}

#[test]
fn sandboxed_child_works_where_nothing_can_be_opened() {
    let text = run("sandboxed_child");
    assert_lines(&text, &[&["counted 6 words"], &["counted 0 words"], &["counted 3 words"]]);
    let refusals: Vec<&str> = text.lines().filter(|line| line.starts_with("refused in the child")).collect();
    assert_eq!(refusals.len(), 3, "{text}");
    assert!(refusals.iter().all(|line| line.contains("Operation not permitted")), "{text}");
}

#[test]
fn request_reply_survives_a_late_answer_and_a_death() {
    let text = run("request_reply");
    assert_lines(
        &text,
        &[
            &["10000 questions answered"],
            &["a late answer was dropped: 1"],
            &["the server was killed: Dead"],
            &["another server answers"],
        ],
    );
}

#[test]
fn plugin_host_drops_a_hostile_plugin_and_goes_on() {
    let text = run("plugin_host");
    assert_lines(
        &text,
        &[
            &["honest: 1000 answers, all of them right"],
            &["hostile: dropped after 0 answers", "corrupt"],
            &["mortal: dropped after 100 answers", "peer dead"],
            &["the host goes on"],
        ],
    );
}

#[test]
fn pipeline_counts_words_in_a_child() {
    let text = run("pipeline");
    assert!(number_after(&text, "") > 100, "{text}");
    assert_lines(&text, &[&["words", "another process", "exit status: 0"]]);
}

#[test]
fn epoll_serves_two_rings_and_a_timer() {
    let text = run("epoll");
    assert_lines(
        &text,
        &[&["gps: 100 messages in order", "goodbye"], &["radio: 20 messages in order", "goodbye"]],
    );
    assert!(number_after(line_of(&text, "the timer"), "ticked ") > 0, "{text}");
}

#[test]
fn many_rings_take_turns_or_go_by_priority() {
    let text = run("many_rings");
    let turns = ["brakes wheels cabin"; 4].join(" ");
    assert_eq!(line_of(&text, "fair: brakes"), format!("fair: {turns}"));
    let priority = line_of(&text, "priority: brakes");
    assert!(priority.starts_with(&format!("priority: {}", ["brakes"; 4].join(" "))), "{text}");
    for order in ["fair", "priority"] {
        let readings = number_after(line_of(&text, &format!("{order}: received")), "received ");
        assert_eq!(readings, 3 * 54, "{text}");
    }
}
