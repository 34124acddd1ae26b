//! Coming and going: closed both ways, one of each role, going on where the last one stopped.

use ringway::spsc::{Peer, options};
use ringway::{OpenError, RecvError, SendError};

use crate::bed::on_every_backing;

#[test]
fn a_closed_producer_is_known_once_everything_is_received() {
    on_every_backing(&options().size(1024), |bed| {
        let (mut tx, mut rx) = bed.ends();
        assert_eq!(rx.peer(), if bed.has_leases() { Peer::Attached } else { Peer::Unknown });
        tx.send(b"one").expect("room");
        tx.send(b"two").expect("room");
        tx.close();
        assert_eq!(rx.peer(), Peer::Closed);
        assert_eq!(&rx.recv().expect("one")[..], b"one");
        assert_eq!(&rx.try_recv().expect("two")[..], b"two");
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Closed));
        assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
        assert_eq!(rx.wait_for_message(None), Err(RecvError::Closed));
        assert!(rx.drain().expect("at home").next().is_none());
    });
}

#[test]
fn a_closed_consumer_is_known_once_the_ring_is_full() {
    on_every_backing(&options().size(64), |bed| {
        let (mut tx, rx) = bed.ends();
        rx.close();
        assert_eq!(tx.peer(), Peer::Closed);
        tx.send(&[0; 24]).expect("room for a later consumer");
        assert_eq!(tx.send(&[0; 24]), Err(SendError::Closed));
        assert_eq!(tx.try_send(&[0; 24]), Err(SendError::Closed));
        assert_eq!(tx.claim(24).map(drop), Err(SendError::Closed));
        assert_eq!(tx.wait_for_space(24, None), Err(SendError::Closed));
        let mut rx = bed.consumer();
        assert_eq!(&rx.recv().expect("it waited here")[..], [0; 24]);
        tx.send(&[0; 24]).expect("room again");
    });
}

#[test]
fn a_waiting_side_hears_the_goodbye() {
    on_every_backing(&options().size(64), |bed| {
        let (mut tx, mut rx) = bed.ends();
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(rx.recv().map(drop), Err(RecvError::Closed)));
            std::thread::sleep(std::time::Duration::from_millis(5));
            drop(tx);
        });
        tx = bed.producer();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                tx.send(&[0; 24]).expect("room");
                assert_eq!(tx.send(&[0; 24]), Err(SendError::Closed));
            });
            std::thread::sleep(std::time::Duration::from_millis(5));
            drop(rx);
        });
    });
}

#[test]
fn a_ring_takes_one_of_each() {
    on_every_backing(&options().size(1024), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for error in [bed.try_producer().map(drop), bed.try_consumer().map(drop)] {
            let error = error.expect_err("taken");
            let OpenError::AlreadyAttached { pid, .. } = error else { panic!("{error}") };
            assert_eq!(pid, std::process::id());
            assert!(error.to_string().contains(&format!("process {pid}")), "{error}");
            assert!(error.to_string().contains("use another name"), "{error}");
        }
        tx.send(b"unharmed").expect("room");
        assert_eq!(&rx.recv().expect("a message")[..], b"unharmed");
    });
}

#[test]
fn a_successor_goes_on_where_the_last_one_stopped() {
    on_every_backing(&options().size(256), |bed| {
        let (mut tx, mut rx) = bed.ends();
        let mut sequence = None;
        for k in 0..100_u8 {
            tx.send(&[k; 20]).expect("room");
            tx.send(&[k; 33]).expect("room");
            drop(tx);
            tx = bed.producer();
            let message = rx.recv().expect("a message");
            assert_eq!(&message[..], [k; 20]);
            assert!(sequence.is_none_or(|last| message.sequence() > last));
            sequence = Some(message.sequence());
            drop(message);
            drop(rx);
            rx = bed.consumer();
            let message = rx.recv().expect("a message");
            assert_eq!(&message[..], [k; 33]);
            assert!(!message.redelivered(), "it was never in anybody's hands");
            drop(message);
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
        }
    });
}

#[test]
fn what_is_not_drained_waits_for_the_next_ones() {
    on_every_backing(&options().size(256), |bed| {
        let (mut tx, mut rx) = bed.ends();
        tx.send(b"first").expect("room");
        tx.send(b"second").expect("room");
        drop(rx.recv().expect("a message"));
        drop((tx, rx));
        let mut rx = bed.consumer();
        assert_eq!(&rx.recv().expect("it waited")[..], b"second");
        assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
    });
}

#[test]
fn a_named_ring_that_is_drained_goes_with_its_last_user() {
    on_every_backing(&options().size(256), |bed| {
        if !bed.is_named() {
            return;
        }
        let (mut tx, mut rx) = bed.ends();
        let instance = tx.geometry().instance;
        tx.send(b"x").expect("room");
        drop(rx.recv().expect("a message"));
        drop(tx);
        drop(bed.producer());
        assert_eq!(rx.geometry().instance, instance);
        drop(rx);
        let (tx, rx) = bed.ends();
        assert_ne!(tx.geometry().instance, instance, "a new one was made");
        assert_eq!(rx.geometry().instance, tx.geometry().instance);
    });
}

/// Before anybody came there is nobody to be dead or gone.
#[test]
fn nobody_was_there_yet() {
    on_every_backing(&options().size(256), |bed| {
        if !bed.is_named() {
            return;
        }
        let mut rx = bed.consumer();
        assert_eq!(rx.peer(), Peer::Absent);
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
        let tx = bed.producer();
        assert_eq!((rx.peer(), tx.peer()), (Peer::Attached, Peer::Attached));
    });
}
