//! Every other way a stream ends has its exit code and its line.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use crate::common::{Name, Running, assert_exit, assert_says, holding, ringway, text, until};

#[test]
fn a_reader_that_leaves_ends_both_sides_quietly_and_by_name() {
    let name = Name::new("head");
    let mut receiver = Running::start(&mut name.recv(&[]));
    let sender = Running::start(name.send(&[]).stdin(File::open("/dev/zero").expect("/dev/zero")));
    let mut output = receiver.child().stdout.take().expect("its output");
    output.read_exact(&mut [0; 10]).expect("ten bytes, as head -c 10 takes them");
    drop(output);
    let received = receiver.finish();
    assert_exit(&received, 7);
    assert_eq!(text(&received.stderr), "");
    assert_says(&sender.finish(), 3, &["goodbye", "ringway recv", "ringway rm"]);
    name.remove();
}

#[test]
fn a_receiver_without_a_sender_times_out() {
    let name = Name::new("alone");
    let output = name.recv(&["--timeout", "100ms"]).output().expect("ringway recv");
    assert_says(&output, 5, &["timed out", "--timeout"]);
}

#[test]
fn a_sender_without_a_receiver_times_out_when_the_ring_is_full() {
    let name = Name::new("full");
    let endless = File::open("/dev/zero").expect("/dev/zero");
    let output =
        name.send(&["--size", "64K", "--timeout", "100ms"]).stdin(endless).output().expect("ringway send");
    assert_says(&output, 5, &["timed out", "--timeout"]);
    name.remove();
}

#[test]
fn a_sender_without_input_times_out() {
    let name = Name::new("idle");
    let mut sender = Running::start(name.send(&["--timeout", "100ms"]).stdin(Stdio::piped()));
    let input = sender.child().stdin.take().expect("its standard input");
    let output = sender.finish();
    drop(input);
    assert_says(&output, 5, &["standard input", "--timeout"]);
    if name.path().exists() {
        name.remove();
    }
}

#[test]
fn no_create_means_no_ring() {
    let name = Name::new("absent");
    for mut command in [name.send(&["--no-create"]), name.recv(&["--no-create"])] {
        assert_says(&command.output().expect("ringway"), 6, &["no ring at", "--no-create"]);
    }
}

#[test]
fn a_second_sender_is_told_who_the_first_is() {
    let name = Name::new("second");
    let mut first = Running::start(name.send(&[]).stdin(Stdio::piped()));
    until("the ring", || name.path().exists());
    let pid = first.child().id().to_string();
    until("the first sender", || text(&ringway(&["ls"]).output().expect("ls").stdout).contains(&pid));
    let second = name.send(&[]).output().expect("ringway send");
    assert_says(&second, 6, &["producer already", &pid]);
    drop(first);
    name.remove();
}

#[test]
fn input_that_is_not_length_prefixed_is_found_out() {
    let name = Name::new("cut");
    let receiver = Running::start(&mut name.recv(&["--length-prefixed"]));
    let sender = Running::start(name.send(&["--length-prefixed"]).stdin(holding(b"\x02\0\0\0abXY")));
    assert_says(&sender.finish(), 1, &["ended inside a message", "2 of 4"]);
    let received = receiver.finish();
    assert_says(&received, 4, &["before the end of the stream"]);
    assert_eq!(received.stdout, b"\x02\0\0\0ab", "what was whole was sent");
}

#[test]
fn what_does_not_fit_names_the_option_that_helps() {
    let name = Name::new("large");
    let line = [b'x'; 100_000];
    let sender = Running::start(name.send(&["--lines", "--size", "64K"]).stdin(holding(&line)));
    assert_says(&sender.finish(), 2, &["--size"]);
    let sender = name.send(&["--chunk", "64K", "--size", "64K"]).output().expect("ringway send");
    assert_says(&sender, 2, &["--chunk", "--size"]);
    if name.path().exists() {
        name.remove();
    }
}
