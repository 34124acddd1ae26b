//! Either side may be killed at any moment: the other says so, and nothing that was committed is lost.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use crate::common::{Name, Running, assert_exit, assert_says, holding, numbered_lines, until};

/// The most that a killed receiver can have written and not released: it gathers this much of small messages.
const UNRELEASED: usize = 64 << 10;

#[test]
fn a_killed_sender_is_reported_after_everything_it_sent() {
    let name = Name::new("dead-sender");
    let mut receiver = Running::start(&mut name.recv(&["--lines"]));
    let mut sender = Running::start(name.send(&["--lines"]).stdin(Stdio::piped()));
    let mut input = sender.child().stdin.take().expect("its standard input");
    input.write_all(b"one\ntwo\nunfinished").expect("write");
    let mut arrived = [0; 8];
    receiver.child().stdout.as_mut().expect("its output").read_exact(&mut arrived).expect("read");
    sender.kill();
    let ended = receiver.finish();
    assert_says(&ended, 4, &["the sender died"]);
    assert_eq!(&arrived, b"one\ntwo\n");
    assert_eq!(ended.stdout, b"", "an unfinished line is no message");
}

#[test]
fn a_sender_with_idle_input_notices_a_killed_receiver() {
    let name = Name::new("idle");
    let mut receiver = Running::start(&mut name.recv(&["--lines"]));
    let mut sender = Running::start(name.send(&["--lines"]).stdin(Stdio::piped()));
    let mut input = sender.child().stdin.take().expect("its standard input");
    input.write_all(b"one\n").expect("write");
    let mut arrived = [0; 4];
    receiver.child().stdout.as_mut().expect("its output").read_exact(&mut arrived).expect("read");
    receiver.kill();
    assert_says(&sender.finish(), 4, &["the receiver died", "ringway recv"]);
    drop(input);
    name.remove();
}

#[test]
fn a_sender_at_full_speed_notices_a_killed_receiver() {
    let name = Name::new("fast");
    let endless = File::open("/dev/zero").expect("/dev/zero");
    let mut receiver = Running::start(name.recv(&[]).stdout(Stdio::null()));
    let sender = Running::start(name.send(&[]).stdin(endless));
    until("the ring", || name.path().exists());
    sleep(Duration::from_millis(100));
    receiver.kill();
    assert_says(&sender.finish(), 4, &["the receiver died"]);
    name.remove();
}

#[test]
fn the_next_receiver_goes_on_where_a_killed_one_stopped() {
    let name = Name::new("restart");
    let input = numbered_lines(64 << 20);
    let mut first = Running::start(&mut name.recv(&["--size", "64K"]));
    let sender = Running::start(name.send(&["--size", "64K", "--chunk", "4K"]).stdin(holding(&input)));
    // Nobody reads on, so the first one is killed far from the end.
    let mut before = vec![0; 1 << 20];
    first.child().stdout.as_mut().expect("its output").read_exact(&mut before).expect("read");
    first.kill();
    assert_exit(&sender.finish(), 4);
    before.extend(first.finish().stdout);
    let second = Running::start(&mut name.recv(&[])).finish();
    assert_exit(&second, 4);
    assert_continues(&input, &before, &second.stdout);
}

/// Checks that `before` begins `input`, and that `after` goes on from there or from at most [`UNRELEASED`] earlier.
#[track_caller]
fn assert_continues(input: &[u8], before: &[u8], after: &[u8]) {
    assert!(input.starts_with(before), "the first receiver wrote something else");
    assert!(!after.is_empty(), "the sender left nothing");
    let again = (0..=before.len()).find(|again| input[before.len() - again..].starts_with(after));
    let again = again.expect("the second receiver goes on where the first one stopped");
    assert!(again <= UNRELEASED, "{again} bytes were written twice");
}

#[test]
fn a_stream_that_was_sent_whole_survives_its_receiver() {
    let name = Name::new("whole");
    let input = numbered_lines(1 << 20);
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    assert_exit(&Running::start(name.send(&[]).stdin(holding(&input))).finish(), 0);
    let failed = Running::start(name.recv(&[]).stdout(full)).finish();
    assert_says(&failed, 1, &["cannot write standard output", "No space"]);
    let second = Running::start(&mut name.recv(&[])).finish();
    assert_exit(&second, 0);
    assert!(second.stdout == input, "{} of {} bytes", second.stdout.len(), input.len());
}
