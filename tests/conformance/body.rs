//! The checks, each over every transport.

use std::thread;
use std::time::{Duration, Instant};

use ringway::{RecvError, SendError};

use crate::common::PATIENCE;
use crate::ends::{Received, Rx, Tx};
use crate::transports::{ALL, Bed, LARGEST};

const SIZES: [usize; 16] =
    [0, 1, 7, 8, 9, 63, 64, 65, 255, 256, 257, 1000, 4096, 10_000, LARGEST - 1, LARGEST];
/// Long enough to be waited for, short enough to be waited out.
const MOMENT: Duration = Duration::from_millis(30);

/// The `number`th message.
fn message(number: usize) -> Received {
    let len = SIZES[number % SIZES.len()];
    let byte = |at: usize| (at.wrapping_mul(31) ^ number.wrapping_mul(7)) as u8;
    (number as u16, (0..len).map(byte).collect())
}

fn over_each(body: impl Fn(&mut dyn Tx, &mut dyn Rx)) {
    for transport in ALL {
        eprintln!("over {transport}");
        let mut bed = Bed::new(transport);
        let (mut tx, mut rx) = bed.ends();
        body(&mut *tx, &mut *rx);
    }
}

/// Every way to send and every way to receive, at the same time.
#[test]
fn messages_of_all_sizes_come_in_order_whole_and_with_their_tags() {
    const COUNT: usize = 2000;
    over_each(|tx, rx| {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut number = 0;
                while number < COUNT {
                    let (tag, bytes) = message(number);
                    match number % 5 {
                        0 => tx.send_tagged(tag, &bytes).expect("sent"),
                        1 => tx.fill(bytes.len(), tag, &bytes).expect("sent"),
                        2 => tx.fill((bytes.len() + 9).min(LARGEST), tag, &bytes).expect("sent"),
                        3 => {
                            tx.abort(bytes.len()).expect("room");
                            tx.send_tagged(tag, &bytes).expect("sent");
                        }
                        _ => {
                            let small = |number: &usize| message(*number).1.len() <= 1000;
                            let together: Vec<_> =
                                (number..COUNT).take_while(small).take(10).map(message).collect();
                            if together.is_empty() {
                                tx.send_tagged(tag, &bytes).expect("sent");
                            } else {
                                send_together(tx, &together);
                                number += together.len() - 1;
                            }
                        }
                    }
                    number += 1;
                }
            });
            let mut number = 0;
            while number < COUNT {
                let came = match number % 3 {
                    0 => vec![rx.recv().expect("a message")],
                    1 => vec![rx.recv_timeout(PATIENCE).expect("a message")],
                    _ => rx.drain().expect("a drain"),
                };
                for found in came {
                    assert!(found == message(number), "message {number}");
                    number += 1;
                }
            }
        });
    });
}

/// Sends these in as many batches as they need: one whose room is not there yet is tried again.
fn send_together(tx: &mut dyn Tx, messages: &[Received]) {
    let mut left = messages;
    while !left.is_empty() {
        let count = (1..=left.len()).rev().find(|count| match tx.send_all(&left[..*count]) {
            Ok(()) => true,
            Err(SendError::Full { .. }) => false,
            Err(error) => panic!("{error}"),
        });
        left = &left[count.unwrap_or(0)..];
    }
}

#[test]
fn an_empty_transport_says_so_and_keeps_to_the_time() {
    over_each(|tx, rx| {
        assert_eq!(rx.try_recv(), Err(RecvError::Empty));
        assert_eq!(rx.drain(), Ok(Vec::new()));
        let started = Instant::now();
        assert_eq!(rx.recv_timeout(MOMENT), Err(RecvError::TimedOut));
        assert!(started.elapsed() >= MOMENT);
        tx.send(b"here").expect("sent");
        assert_eq!(rx.recv_timeout(PATIENCE), Ok((0, b"here".to_vec())));
    });
}

/// What was accepted before is received, and what was refused is not.
#[test]
fn a_full_transport_says_so_keeps_to_the_time_and_takes_more_when_there_is_room() {
    over_each(|tx, rx| {
        let mut accepted = 0_u64;
        let mut next = |tx: &mut dyn Tx| {
            let mut bytes = vec![0; 1000];
            bytes[..8].copy_from_slice(&accepted.to_le_bytes());
            let result = tx.try_send(&bytes);
            accepted += u64::from(result.is_ok());
            result
        };
        while next(tx).is_ok() {}
        assert!(matches!(next(tx), Err(SendError::Full { .. })));
        let started = Instant::now();
        assert_eq!(tx.send_timeout(&[0xff; 1000], MOMENT), Err(SendError::TimedOut));
        assert!(started.elapsed() >= MOMENT);
        let mut received = 0_u64;
        thread::scope(|scope| {
            scope.spawn(|| tx.send(&[0xff; 1000]).expect("room, some time"));
            loop {
                let (_, bytes) = rx.recv_timeout(PATIENCE).expect("a message");
                if bytes[0] == 0xff && bytes[7] == 0xff {
                    break;
                }
                assert_eq!(bytes[..8], received.to_le_bytes());
                received += 1;
            }
        });
        assert_eq!(received, accepted);
    });
}

#[test]
fn a_message_that_is_too_large_is_refused_and_costs_nothing() {
    over_each(|tx, rx| {
        let largest = tx.largest();
        assert!(largest >= LARGEST);
        let too_large = vec![1; largest + 1];
        let refused = |result| matches!(result, Err(SendError::TooLarge { .. }));
        assert!(refused(tx.send(&too_large)));
        assert!(refused(tx.try_send(&too_large)));
        assert!(refused(tx.send_timeout(&too_large, MOMENT)));
        assert!(refused(tx.abort(largest + 1)));
        tx.send(b"fits").expect("sent");
        assert_eq!(rx.recv(), Ok((0, b"fits".to_vec())));
    });
}

#[test]
fn what_was_sent_before_a_goodbye_is_received_before_it() {
    for transport in ALL {
        eprintln!("over {transport}");
        let mut bed = Bed::new(transport);
        let (mut tx, mut rx) = bed.ends();
        for number in 0..3 {
            tx.send(&[number]).expect("sent");
        }
        drop(tx);
        for number in 0..3 {
            assert_eq!(rx.recv(), Ok((0, vec![number])));
        }
        assert_eq!(rx.recv_timeout(PATIENCE), Err(RecvError::Closed));
        assert_eq!(rx.try_recv(), Err(RecvError::Closed));
    }
}

/// At once, or once it is full where a next consumer may come.
#[test]
fn a_producer_is_told_that_its_consumer_has_said_goodbye() {
    for transport in ALL {
        eprintln!("over {transport}");
        let mut bed = Bed::new(transport);
        let (mut tx, mut rx) = bed.ends();
        // At a FIFO they have not met before.
        tx.send(b"hello").expect("sent");
        rx.recv().expect("a message");
        drop(rx);
        let mut sent = 0;
        let error = loop {
            match tx.send_timeout(&[7; 1000], MOMENT) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        if transport.is_ring() {
            assert!(matches!(error, SendError::Closed | SendError::TimedOut), "{error}");
        } else {
            assert_eq!((error, sent <= 1), (SendError::Closed, true), "{sent} sent");
        }
    }
}
