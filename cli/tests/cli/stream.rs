//! Streams arrive as they were sent, in every framing, over every backing, in either start order.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use ringway::spsc;
use sha2::{Digest, Sha256};

use crate::common::{Name, Running, assert_exit, holding, numbered_lines, ringway, until};

/// How much earlier the first side starts, so that it has done what it can alone.
const HEAD_START: Duration = Duration::from_millis(30);

/// Which side starts first.
#[derive(Clone, Copy, Debug)]
enum First {
    Sender,
    Receiver,
}

/// What comes out when `input` goes into a ring of its own.
#[track_caller]
fn round_trip(first: First, input: &[u8], options: &[&str]) -> Vec<u8> {
    round_trip_on(&Name::new("stream"), first, input, options)
}

/// What comes out when `input` goes into the ring `name`.
#[track_caller]
fn round_trip_on(name: &Name, first: First, input: &[u8], options: &[&str]) -> Vec<u8> {
    let mut send = name.send(options);
    let mut recv = name.recv(options);
    send.stdin(holding(input));
    let (sender, receiver) = match first {
        First::Sender => {
            let sender = Running::start(&mut send);
            until("the sender's ring", || name.path().exists());
            sleep(HEAD_START);
            (sender, Running::start(&mut recv))
        }
        First::Receiver => {
            let receiver = Running::start(&mut recv);
            until("the receiver's ring", || name.path().exists());
            sleep(HEAD_START);
            (Running::start(&mut send), receiver)
        }
    };
    let received = receiver.finish();
    assert_exit(&received, 0);
    assert_exit(&sender.finish(), 0);
    received.stdout
}

#[track_caller]
fn arrives_unchanged(input: &[u8], options: &[&str]) {
    for first in [First::Sender, First::Receiver] {
        let output = round_trip(first, input, options);
        let same = output == input;
        assert!(same, "{options:?}, {first:?} first: {} bytes in, {} bytes out", input.len(), output.len());
    }
}

/// Messages, each after its length.
fn prefixed(messages: &[&[u8]]) -> Vec<u8> {
    messages
        .iter()
        .flat_map(|message| [&(message.len() as u32).to_le_bytes()[..], message].concat())
        .collect()
}

#[test]
fn chunks_arrive_unchanged() {
    for input in [&b""[..], b"x", b"no newline", b"\n\n"] {
        arrives_unchanged(input, &[]);
        arrives_unchanged(input, &["--chunk", "1"]);
    }
}

#[test]
fn lines_arrive_unchanged() {
    for input in [&b""[..], b"\n", b"\n\n\n", b"x", b"x\n", b"one\n\ntwo\nlast without", b"\nlast"] {
        arrives_unchanged(input, &["--lines"]);
    }
}

#[test]
fn length_prefixed_messages_arrive_unchanged() {
    let long = vec![7; 20_000];
    let cases: [&[&[u8]]; 4] = [&[], &[b""], &[b"x"], &[b"", b"\n", &long, b"last"]];
    for messages in cases {
        arrives_unchanged(&prefixed(messages), &["--length-prefixed"]);
    }
}

#[test]
fn more_than_the_ring_holds_arrives_unchanged() {
    let input = numbered_lines(5 << 20);
    for options in
        [&["--size", "64K"][..], &["--size", "64K", "--chunk", "1000"], &["--size", "64K", "--lines"]]
    {
        arrives_unchanged(&input, options);
    }
    let messages: Vec<Vec<u8>> = (0..2000).map(|number: usize| vec![number as u8; number * 7]).collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    arrives_unchanged(&prefixed(&messages), &["--size", "64K", "--length-prefixed"]);
}

#[test]
fn every_way_to_wait_works() {
    let input = numbered_lines(1 << 20);
    for wait in ["spin", "adaptive", "park"] {
        arrives_unchanged(&input, &["--size", "64K", "--wait", wait]);
    }
}

#[test]
fn lines_become_messages_that_other_framings_can_write() {
    let name = Name::new("mixed");
    let sender = Running::start(name.send(&["--lines", "--tag", "7"]).stdin(holding(b"ab\n\ncd")));
    assert_exit(&sender.finish(), 0);
    let received = Running::start(&mut name.recv(&["--length-prefixed"])).finish();
    assert_exit(&received, 0);
    assert_eq!(received.stdout, prefixed(&[b"ab", b"", b"cd"]));
}

#[test]
fn a_line_arrives_before_the_next_is_written() {
    let name = Name::new("prompt");
    let mut receiver = Running::start(&mut name.recv(&["--lines"]));
    let mut sender = Running::start(name.send(&["--lines"]).stdin(Stdio::piped()));
    let mut input = sender.child().stdin.take().expect("its standard input");
    let mut output = receiver.child().stdout.take().expect("its standard output");
    for line in [b"first\n", b"again\n"] {
        input.write_all(line).expect("write a line");
        let mut arrived = [0; 6];
        output.read_exact(&mut arrived).expect("read a line");
        assert_eq!(&arrived, line);
    }
    drop(input);
    assert_exit(&sender.finish(), 0);
    assert_exit(&receiver.finish(), 0);
}

#[test]
fn a_mapped_file_carries_a_stream_and_goes_away() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = format!("file:{}", directory.path().join("ring").display());
    let input = numbered_lines(3 << 20);
    let receiver = Running::start(&mut ringway(&["recv", &address, "--timeout", "30s"]));
    let sender = Running::start(ringway(&["send", &address, "--timeout", "30s"]).stdin(holding(&input)));
    let received = receiver.finish();
    assert_exit(&sender.finish(), 0);
    assert_exit(&received, 0);
    assert_eq!(Sha256::digest(&received.stdout), Sha256::digest(&input));
    assert_eq!(directory.path().read_dir().expect("list").count(), 0, "the ring was left behind");
}

#[test]
fn an_inherited_descriptor_carries_a_stream() {
    let segment = {
        let (tx, _rx) = spsc::options().size(1 << 20).pair().expect("a pair");
        nix::unistd::dup(tx.descriptor().expect("a descriptor")).expect("a descriptor that children inherit")
    };
    let address = format!("fd:{}", segment.as_raw_fd());
    let input = numbered_lines(3 << 20);
    let receiver = Running::start(&mut ringway(&["recv", &address, "--timeout", "30s"]));
    let sender = Running::start(ringway(&["send", &address, "--timeout", "30s"]).stdin(holding(&input)));
    let received = receiver.finish();
    assert_exit(&sender.finish(), 0);
    assert_exit(&received, 0);
    assert_eq!(Sha256::digest(&received.stdout), Sha256::digest(&input));
}

#[test]
fn output_may_go_to_a_file() {
    let name = Name::new("file");
    let input = numbered_lines(1 << 20);
    let mut written = tempfile::NamedTempFile::new().expect("a file");
    let output = File::options().append(true).open(written.path()).expect("open");
    let receiver = Running::start(name.recv(&[]).stdout(output));
    assert_exit(&Running::start(name.send(&[]).stdin(holding(&input))).finish(), 0);
    assert_exit(&receiver.finish(), 0);
    let mut arrived = Vec::new();
    written.read_to_end(&mut arrived).expect("read");
    assert_eq!(Sha256::digest(&arrived), Sha256::digest(&input));
}

#[test]
fn the_demonstration_runs_and_agrees_with_itself() {
    let shown = ringway(&["demo", "--bytes", "8M", "--rounds", "1"]).output().expect("ringway demo");
    assert_exit(&shown, 0);
    let shown = crate::common::text(&shown.stdout);
    assert_eq!(shown.matches(" ok").count(), 4, "{shown}");
}

#[test]
fn a_ring_that_stays_serves_stream_after_stream_in_either_order() {
    let name = Name::new("again");
    let long = numbered_lines(300_000);
    for input in [&b"first"[..], b"", &long, b"last"] {
        for first in [First::Sender, First::Receiver] {
            let output = round_trip_on(&name, first, input, &["--persist", "--size", "64K"]);
            assert!(output == input, "{first:?} first: {} bytes in, {} bytes out", input.len(), output.len());
        }
    }
    name.remove();
}
