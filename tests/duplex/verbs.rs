//! What one side sends the other receives, in both directions and with every verb.

use std::thread;
use std::time::Instant;

use ringway::{RecvError, SendError};

use crate::bed::{LARGEST, LONG, SHORT};
use crate::common::pattern;

over_both! {
    #[test]
    fn messages_of_every_size_go_both_ways_in_order(here, there) {
        assert_eq!((here.largest(), there.largest()), (LARGEST, LARGEST));
        let lens = [0, 1, 7, 8, 9, 63, 64, 65, 1000, 4096, 10_000, LARGEST - 1, LARGEST];
        for (tag, len) in (0..).zip(lens.into_iter().cycle().take(100)) {
            here.send_tagged(tag, &pattern(tag.into(), len)).expect("room");
            there.send_tagged(tag + 1000, &pattern(u64::from(tag) + 1000, len)).expect("room");
            let message = there.recv().expect("a message");
            assert!(message.tag() == tag && message[..] == pattern(tag.into(), len), "{len} bytes there");
            drop(message);
            let message = here.recv_timeout(LONG).expect("a message");
            assert!(message.tag() == tag + 1000 && message[..] == pattern(u64::from(tag) + 1000, len));
        }
        let error = here.send(&vec![0; LARGEST + 1]).expect_err("too large");
        assert_eq!(error, SendError::TooLarge { len: LARGEST + 1, largest: LARGEST });
        assert_eq!(there.try_recv().map(drop), Err(RecvError::Empty));
    }

    #[test]
    fn claims_are_filled_in_place_and_abort_when_dropped(here, there) {
        drop(here.claim(100).expect("room"));
        let mut claim = here.claim(100).expect("room");
        claim.fill(7);
        claim.set_tag(9);
        claim.truncate(50);
        claim.commit().expect("sent");
        let mut claim = here.try_claim(LARGEST).expect("room");
        claim.fill(8);
        claim.commit().expect("sent");
        let claim = here.claim_timeout(0, LONG).expect("room");
        claim.commit().expect("sent");
        let message = there.recv().expect("a message");
        assert_eq!((message.tag(), &message[..]), (9, &[7; 50][..]));
        drop(message);
        assert!(there.recv().expect("a message")[..] == [8; LARGEST]);
        assert!(there.recv().expect("a message").is_empty());
        assert_eq!(there.try_recv().map(drop), Err(RecvError::Empty), "what was dropped was never sent");
    }

    #[test]
    fn batches_go_together_and_are_drained(here, there) {
        let mut batch = here.batch().expect("home");
        for number in 0..20_u16 {
            batch.push_tagged(number, &number.to_ne_bytes()).expect("room");
        }
        assert_eq!(batch.len(), 20);
        assert_eq!(there.try_recv().map(drop), Err(RecvError::Empty), "nothing is seen before the commit");
        batch.commit().expect("sent");
        let mut batch = here.batch().expect("home");
        batch.push(b"never sent").expect("room");
        drop(batch);
        let mut seen = Vec::new();
        let mut drain = there.drain().expect("home");
        while let Some(message) = drain.next() {
            let message = message.expect("sound");
            assert_eq!(message[..], message.tag().to_ne_bytes());
            seen.push(message.tag());
        }
        drop(drain);
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
        assert_eq!(there.try_recv().map(drop), Err(RecvError::Empty));
    }

    #[test]
    fn a_full_direction_holds_its_sender_and_not_the_other(here, there) {
        let message = vec![1; 3000];
        let mut sent = 0;
        let full = loop {
            match here.try_send(&message) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 1_000_000, "it never fills");
        };
        assert!(matches!(full, SendError::Full { .. }), "{full}");
        assert_eq!(here.send_timeout(&message, SHORT), Err(SendError::TimedOut));
        there.send(b"the way back").expect("room");
        assert_eq!(&here.recv().expect("a message")[..], b"the way back");
        let receiver = thread::spawn(move || {
            for _ in 0..sent {
                assert!(there.recv().expect("a message")[..] == vec![1; 3000]);
            }
            assert_eq!(&there.recv().expect("a message")[..], b"last");
        });
        here.send(b"last").expect("room comes");
        receiver.join().expect("all was received");
    }

    #[test]
    fn time_limits_are_kept(here, there) {
        let started = Instant::now();
        assert_eq!(here.recv_timeout(SHORT).map(drop), Err(RecvError::TimedOut));
        assert!(started.elapsed() >= SHORT);
        assert_eq!(there.try_recv().map(drop), Err(RecvError::Empty));
    }

    #[test]
    fn a_goodbye_is_heard_behind_what_was_sent(here, there) {
        there.send(b"bye").expect("room");
        there.close();
        assert_eq!(&here.recv().expect("a message")[..], b"bye");
        for _ in 0..2 {
            assert_eq!(here.recv().map(drop), Err(RecvError::Closed));
        }
        let message = vec![0; LARGEST];
        let end = (0..1000).find_map(|_| here.try_send(&message).err());
        assert_eq!(end, Some(SendError::Closed));
    }

    #[test]
    fn both_ends_work_at_once(here, there) {
        here.send(b"ping").expect("room");
        let (tx, rx) = there.ends();
        let message = rx.recv().expect("a message");
        tx.send(&message).expect("room");
        drop(message);
        assert_eq!(&here.recv().expect("a message")[..], b"ping");
    }

    #[test]
    fn a_side_is_split_into_two_threads(here, there) {
        const MESSAGES: u64 = 20_000;
        let ends = [here.split(), there.split()];
        let mut threads = Vec::new();
        for (mut tx, mut rx) in ends {
            threads.push(thread::spawn(move || {
                for number in 0..MESSAGES {
                    tx.send(&pattern(number, (number % 200) as usize)).expect("sent");
                }
            }));
            threads.push(thread::spawn(move || {
                for number in 0..MESSAGES {
                    let message = rx.recv().expect("a message");
                    assert!(message[..] == pattern(number, (number % 200) as usize), "message {number}");
                }
                drop(rx);
            }));
        }
        for thread in threads {
            thread.join().expect("all was right");
        }
    }
}
