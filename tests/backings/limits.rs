//! Full and empty, too early and too late, and what a ring says of itself.

use std::time::{Duration, Instant};

use ringway::spsc::options;
use ringway::{Kind, RecvError, SendError, Wait};

use crate::bed::on_every_backing;

const SHORT: Duration = Duration::from_millis(5);

/// `capacity` is what the user can use, to the byte.
#[test]
fn a_ring_holds_exactly_its_capacity() {
    for align in [8, 16, 64, 4096] {
        on_every_backing(&options().size(4 * 4096).payload_align(align), |bed| {
            let (mut tx, mut rx) = bed.ends();
            for skipped in 0..3 {
                let record = vec![0; align - 8];
                let mut held = 0;
                while tx.try_send(&record).is_ok() {
                    held += align;
                    assert_eq!(tx.used(), Ok(held));
                    assert_eq!(rx.used(), Ok(held));
                }
                assert_eq!(held, tx.capacity(), "alignment {align}, after {skipped} records");
                assert!(matches!(tx.try_send(&record), Err(SendError::Full { need, free }) if free < need));
                assert!(matches!(tx.try_claim(0).map(drop), Err(SendError::Full { .. })));
                drop(rx.recv().expect("a message"));
                tx.try_send(&record).expect("one in for one out");
                while rx.try_recv().is_ok() {}
                // The next round begins elsewhere.
                tx.send(&record).expect("room");
                drop(rx.recv().expect("a message"));
            }
        });
    }
}

#[test]
fn full_says_what_is_needed_and_what_is_free() {
    on_every_backing(&options().size(1024), |bed| {
        let (mut tx, _rx) = bed.ends();
        tx.send(&[0; 500]).expect("room");
        tx.send(&[0; 392]).expect("room");
        // 512 + 400 are taken: 112 to the end, which are padding for a record of 208.
        let refused = SendError::Full { need: 112 + 208 + 8, free: 112 };
        assert_eq!(tx.try_send(&[0; 200]), Err(refused));
        assert_eq!(tx.try_send(&[0; 96]), Ok(()), "what fits fits");
    });
}

#[test]
fn waits_end_when_their_time_is_up() {
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        on_every_backing(&options().size(64).wait(wait), |bed| {
            let (mut tx, mut rx) = bed.ends();
            let late = |what: &mut dyn FnMut()| {
                let started = Instant::now();
                what();
                assert!(started.elapsed() >= SHORT, "{wait:?} gave up after {:?}", started.elapsed());
            };
            late(&mut || assert_eq!(rx.recv_timeout(SHORT).map(drop), Err(RecvError::TimedOut)));
            late(&mut || assert_eq!(rx.wait_for_message(Some(SHORT)), Err(RecvError::TimedOut)));
            assert_eq!(rx.recv_timeout(Duration::ZERO).map(drop), Err(RecvError::TimedOut));
            while tx.try_send(&[1; 8]).is_ok() {}
            late(&mut || assert_eq!(tx.send_timeout(&[1; 8], SHORT), Err(SendError::TimedOut)));
            late(&mut || assert_eq!(tx.claim_timeout(8, SHORT).map(drop), Err(SendError::TimedOut)));
            late(&mut || assert_eq!(tx.wait_for_space(8, Some(SHORT)), Err(SendError::TimedOut)));
            assert_eq!(tx.send_timeout(&[1; 8], Duration::ZERO), Err(SendError::TimedOut));
            rx.wait_for_message(None).expect("there are some");
            drop(rx.recv_timeout(Duration::MAX).expect("there are some"));
            tx.wait_for_space(8, Some(Duration::MAX)).expect("there is some");
            tx.send_timeout(&[1; 8], Duration::MAX).expect("there is room");
        });
    }
}

#[test]
fn a_waiting_side_goes_on_when_it_can() {
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        on_every_backing(&options().size(64).wait(wait), |bed| {
            let (mut tx, mut rx) = bed.ends();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    rx.wait_for_message(None).expect("it comes");
                    assert_eq!(&rx.recv().expect("it came")[..], b"first");
                    std::thread::sleep(SHORT);
                    while rx.recv().expect("more")[..] != b"last"[..] {}
                });
                std::thread::sleep(SHORT);
                tx.send(b"first").expect("room");
                for _ in 0..20 {
                    tx.send(&[0; 20]).expect("room comes");
                }
                tx.wait_for_space(4, None).expect("room comes");
                tx.try_send(b"last").expect("as promised");
            });
        });
    }
}

#[test]
fn counters_count_what_this_end_has_done() {
    on_every_backing(&options().size(256), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for len in 0..100 {
            tx.send(&vec![0; len]).expect("room");
            drop(rx.recv().expect("a message"));
        }
        for counters in [tx.counters(), rx.counters()] {
            assert_eq!(counters.messages, 100);
            assert_eq!(counters.bytes, tx.counters().bytes, "both ends count the same records");
            assert!(counters.bytes >= 99 * 100 / 2 + 100 * 8, "headers and padding count");
            assert_eq!((counters.waits, counters.sleeps, counters.wakes), (0, 0, 0));
        }
        rx.set_wait(Wait::Park);
        assert!(rx.recv_timeout(SHORT).is_err());
        assert_eq!(rx.counters().waits, 1);
        assert!(rx.counters().sleeps >= 1);
        tx.send(&[]).expect("room");
        assert_eq!(tx.counters().wakes, 0, "who slept in vain has taken its announcement back");
    });
}

#[test]
fn geometry_says_what_the_ring_is_made_of() {
    on_every_backing(&options().size(5000).payload_align(64).persist(true), |bed| {
        let (tx, rx) = bed.ends();
        let geometry = tx.geometry();
        assert_eq!(rx.geometry(), geometry, "both ends see the same");
        assert_eq!(geometry.backing.as_str(), bed.backing());
        assert_eq!((geometry.kind, geometry.size, geometry.payload_align), (Kind::Spsc, 8192, 64));
        assert_eq!((geometry.capacity, geometry.largest), (tx.capacity() as u64, tx.largest() as u64));
        assert_eq!(geometry.largest, 4096 - 8);
        assert!(geometry.total > geometry.size && geometry.total.is_multiple_of(4096));
        assert!(geometry.persist);
        assert_eq!(geometry.type_description, None);
        assert_ne!(geometry.instance, 0);
    });
}
