//! Peers that are killed, over every transport that processes can use by an address.

use std::time::Duration;

use nix::sys::signal::Signal;
use ringway::{RecvError, SendError};

use crate::common::PATIENCE;
use crate::common::role::{Entry, Role, listen, say};
use crate::transports::{ADDRESSED, Bed, Transport};

pub const ROLES: [Entry; 2] = [("producer", produce), ("consumer", consume)];

/// Sends numbers, and waits to be killed.
fn produce(arguments: &[&str]) {
    let transport = Transport::named(arguments[0]);
    let mut tx = transport.options(true).producer(arguments[1]).expect("a producer");
    say(format!("{:?}", tx.transport().carrier));
    for number in 0_u32..3 {
        tx.send(&number.to_le_bytes()).expect("sent");
    }
    say("sent");
    listen();
}

/// Takes one message, and waits to be killed.
fn consume(arguments: &[&str]) {
    let transport = Transport::named(arguments[0]);
    let mut rx = transport.options(false).consumer(arguments[1]).expect("a consumer");
    drop(rx.recv().expect("a message"));
    say("received");
    listen();
}

#[test]
fn what_a_killed_producer_has_sent_is_received_before_its_death_is_told() {
    for transport in ADDRESSED {
        eprintln!("over {transport}");
        let bed = Bed::new(transport);
        let producer = Role::start("producer", &[&transport.to_string(), &bed.address()]);
        let mut rx = transport.options(false).consumer(bed.address()).expect("a consumer");
        producer.expect(&format!("{:?}", rx.transport().carrier));
        producer.expect("sent");
        producer.signal(Signal::SIGKILL);
        for number in 0_u32..3 {
            assert_eq!(rx.recv_timeout(PATIENCE).expect("a message")[..], number.to_le_bytes());
        }
        assert!(matches!(rx.recv_timeout(PATIENCE), Err(RecvError::PeerDead)));
    }
}

#[test]
fn a_producer_is_told_of_a_killed_consumer() {
    for transport in ADDRESSED {
        eprintln!("over {transport}");
        let bed = Bed::new(transport);
        let consumer = Role::start("consumer", &[&transport.to_string(), &bed.address()]);
        let mut tx = transport.options(true).producer(bed.address()).expect("a producer");
        tx.send(b"one").expect("sent");
        consumer.expect("received");
        consumer.kill();
        let error = loop {
            match tx.send_timeout(&[1; 1000], Duration::from_secs(20)) {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        let told = if transport.is_ring() { SendError::PeerDead } else { SendError::Closed };
        assert_eq!(error, told);
    }
}
