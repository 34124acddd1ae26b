//! What distrust costs: the untrusted ring beside the trusted one, in one run. A sample streams messages from one thread to
//! another; every message is written by its sender and compared byte by byte by its receiver. Both rings are sampled right after
//! one another, in turns first, and compared round by round, since the machine drifts. Arguments: rounds (30).

use std::os::unix::net::UnixStream;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use ringway::{spsc, untrusted};

/// Bytes of a message, and how many make a sample.
const CELLS: [(usize, u64); 3] = [(64, 100_000), (4 << 10, 10_000), (1 << 20, 60)];
/// Bytes of either ring: a trusted one takes messages up to half of it.
const SIZE: usize = 4 << 20;

/// The sending end and the receiving end of either ring.
enum Tx {
    Trusted(Box<spsc::Producer>),
    Untrusted(Box<untrusted::Producer>),
}

enum Rx {
    Trusted(Box<spsc::Consumer>),
    Untrusted(Box<untrusted::Consumer>),
}

fn trusted() -> (Tx, Rx) {
    let (tx, rx) = spsc::options().size(SIZE).pair().expect("a pair");
    (Tx::Trusted(Box::new(tx)), Rx::Trusted(Box::new(rx)))
}

fn untrusted() -> (Tx, Rx) {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let options = untrusted::options().size(SIZE);
    thread::scope(|scope| {
        let rx = scope.spawn(|| options.consumer(&theirs).expect("a consumer"));
        let tx = options.producer(&mine).expect("a producer");
        let rx = rx.join().expect("an end");
        (Tx::Untrusted(Box::new(tx)), Rx::Untrusted(Box::new(rx)))
    })
}

/// Message `number`: its number, and the number's lowest byte to the end.
fn compose(message: &mut [u8], number: u64) {
    message.fill(number as u8);
    message[..8].copy_from_slice(&number.to_le_bytes());
}

fn send_all(mut send: impl FnMut(&[u8]), len: usize, count: u64) {
    let mut message = vec![0; len];
    for number in 0..count {
        compose(&mut message, number);
        send(&message);
    }
}

/// Expects every byte of message `number`.
fn check(message: &[u8], number: u64, expected: &mut [u8]) {
    compose(expected, number);
    assert!(message == expected, "message {number} is wrong");
}

fn receive_all(rx: &mut Rx, len: usize, count: u64) {
    let mut expected = vec![0; len];
    for number in 0..count {
        match rx {
            Rx::Trusted(rx) => check(&rx.recv().expect("a message"), number, &mut expected),
            Rx::Untrusted(rx) => check(&rx.recv().expect("a message"), number, &mut expected),
        }
    }
}

/// From the first send until the last message was received.
fn sample((tx, rx): &mut (Tx, Rx), len: usize, count: u64) -> Duration {
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            ready.wait();
            receive_all(rx, len, count);
        });
        ready.wait();
        let started = Instant::now();
        match tx {
            Tx::Trusted(tx) => send_all(|message| tx.send(message).expect("sent"), len, count),
            Tx::Untrusted(tx) => send_all(|message| tx.send(message).expect("sent"), len, count),
        }
        receiver.join().expect("every message right");
        started.elapsed()
    })
}

/// The value that so many hundredths of all are below.
fn quantile(values: &mut [f64], hundredths: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * hundredths / 100]
}

fn main() {
    // cargo passes `--bench`, and `--test` where it is only to be tried.
    let rounds = if std::env::args().any(|argument| argument == "--test") { 1 } else { 30 };
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(rounds);
    println!("{:>9}  {:>14}  {:>14}  untrusted/trusted (quartiles)", "bytes", "trusted ns", "untrusted ns");
    for (len, count) in CELLS {
        let mut rings = [trusted(), untrusted()];
        let mut times = [Vec::new(), Vec::new()];
        let mut ratios = Vec::new();
        for round in 0..rounds {
            let mut took = [0.0; 2];
            for which in [round % 2, 1 - round % 2] {
                took[which] = sample(&mut rings[which], len, count).as_nanos() as f64 / count as f64;
                times[which].push(took[which]);
            }
            ratios.push(took[1] / took[0]);
        }
        let [trusted, untrusted] = times.each_mut().map(|times| quantile(times, 50));
        let [low, middle, high] = [25, 50, 75].map(|hundredths| quantile(&mut ratios, hundredths));
        println!("{len:>9}  {trusted:>14.1}  {untrusted:>14.1}  {middle:.2} ({low:.2} to {high:.2})");
    }
}
