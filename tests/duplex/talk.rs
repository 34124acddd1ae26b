//! Requests and replies: each gets its own, or an error that says what became of it.

use std::thread;
use std::time::{Duration, Instant};

use ringway::{RecvError, RequestError, SendError, ServeError};

use crate::bed::{LARGEST, LONG, SHORT};
use crate::common::pattern;

/// What a request or reply takes beside its payload.
const HEAD: usize = 16;

over_both! {
    #[test]
    fn each_request_gets_its_reply(here, there) {
        assert_eq!(here.largest_request(), LARGEST - HEAD);
        let server = thread::spawn(move || {
            let mut served = 0;
            loop {
                match there.next_request(None) {
                    Ok(request) => {
                        let (tag, mut reply) = (request.tag(), request.to_vec());
                        assert!(!request.redelivered());
                        assert_eq!(request.largest_reply(), LARGEST - HEAD);
                        reply.reverse();
                        request.reply_tagged(tag + 1, &reply).expect("replied");
                        served += 1;
                    }
                    Err(error) => return (served, error),
                }
            }
        });
        let lens = [0, 1, 8, 63, 64, 1000, LARGEST - HEAD];
        for (number, len) in (0..).zip(lens.into_iter().cycle().take(500)) {
            let mut sent = pattern(number, len);
            let reply = here.request_tagged(number as u16, &sent, LONG).expect("a reply");
            sent.reverse();
            assert!(reply[..] == sent && reply.tag() == number as u16 + 1, "request {number}");
        }
        assert_eq!(here.late_replies(), 0);
        here.close();
        assert_eq!(server.join().expect("served"), (500, ServeError::Recv(RecvError::Closed)));
    }

    #[test]
    fn a_late_reply_is_dropped_and_counted(here, there) {
        for round in 1..=3 {
            let started = Instant::now();
            let error = here.request(b"slow", SHORT).expect_err("nobody serves yet");
            assert_eq!(error, RequestError::TimedOut { sent: true });
            assert!(started.elapsed() >= SHORT);
            let request = there.next_request(Some(LONG)).expect("the request is there");
            assert_eq!(&request[..], b"slow");
            request.reply(b"too late").expect("replied");
            thread::scope(|scope| {
                scope.spawn(|| {
                    let request = there.next_request(Some(LONG)).expect("a request");
                    assert_eq!(&request[..], b"next");
                    request.reply(b"its own").expect("replied");
                });
                let reply = here.request(b"next", LONG).expect("a reply");
                assert_eq!(&reply[..], b"its own");
            });
            assert_eq!(here.late_replies(), round);
        }
    }

    /// The reply to the first request comes while that to the second one is waited for.
    #[test]
    fn a_reply_that_comes_late_during_the_next_request_is_not_its_answer(here, there) {
        assert_eq!(here.request(b"first", SHORT).map(drop), Err(RequestError::TimedOut { sent: true }));
        thread::scope(|scope| {
            scope.spawn(|| {
                for expected in [&b"first"[..], b"second"] {
                    let request = there.next_request(Some(LONG)).expect("a request");
                    assert_eq!(&request[..], expected);
                    request.reply(expected).expect("replied");
                }
            });
            // It is served behind the first.
            assert_eq!(&here.request(b"second", LONG).expect("a reply")[..], b"second");
        });
        assert_eq!(here.late_replies(), 1);
    }

    /// Replies that nobody takes hold the server, and it holds the client: until that throws them away.
    #[test]
    fn late_replies_that_fill_the_way_back_hold_nobody_for_ever(here, there) {
        const GIVEN_UP: u64 = 40;
        for _ in 0..GIVEN_UP {
            let error = here.request(&[0; 1000], Duration::ZERO).expect_err("nobody serves yet");
            assert_eq!(error, RequestError::TimedOut { sent: true });
        }
        let server = thread::spawn(move || {
            let reply = vec![7; LARGEST - HEAD];
            while let Ok(request) = there.next_request(None) {
                let is_last = &request[..] == b"last";
                request.reply(if is_last { b"the answer" } else { &reply }).expect("replied");
            }
        });
        assert_eq!(&here.request(b"last", LONG).expect("a reply")[..], b"the answer");
        assert_eq!(here.late_replies(), GIVEN_UP);
        here.close();
        server.join().expect("served");
    }

    #[test]
    fn a_request_for_which_there_is_no_room_is_not_sent(here, there) {
        let request = vec![0; LARGEST - HEAD];
        let errors = (0..1000).map(|_| here.request(&request, Duration::from_millis(1)).map(drop));
        let mut sent = 0;
        let error = errors.inspect(|_| sent += 1).find(|end| *end != Err(RequestError::TimedOut { sent: true }));
        assert_eq!(error, Some(Err(RequestError::TimedOut { sent: false })));
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 1..sent {
                    there.next_request(Some(LONG)).expect("a request").reply(b"").expect("replied");
                }
                there.next_request(Some(LONG)).expect("a request").reply(b"room").expect("replied");
            });
            assert_eq!(&here.request(b"small", LONG).expect("a reply")[..], b"room");
        });
    }

    #[test]
    fn what_is_too_large_is_refused_whole(here, there) {
        let error = here.request(&vec![0; LARGEST - HEAD + 1], LONG).expect_err("too large");
        assert_eq!(error, RequestError::TooLarge { len: LARGEST - HEAD + 1, largest: LARGEST - HEAD });
        thread::scope(|scope| {
            scope.spawn(|| {
                let request = there.next_request(Some(LONG)).expect("a request");
                let error = request.reply(&vec![0; LARGEST - HEAD + 1]);
                assert_eq!(error, Err(SendError::TooLarge { len: LARGEST - HEAD + 1, largest: LARGEST - HEAD }));
            });
            assert_eq!(here.request(b"how much?", SHORT).map(drop), Err(RequestError::TimedOut { sent: true }));
        });
    }

    #[test]
    fn a_server_that_leaves_is_told_from_one_that_is_slow(here, there) {
        thread::scope(|scope| {
            scope.spawn(|| {
                let request = there.next_request(Some(LONG)).expect("a request");
                drop(request);
                there.close();
            });
            assert_eq!(here.request(b"anybody?", LONG).map(drop), Err(RequestError::Closed { sent: true }));
        });
        assert_eq!(here.request(b"anybody?", LONG).map(drop), Err(RequestError::Closed { sent: false }));
    }

    #[test]
    fn a_request_without_a_reply_ends_with_its_time(here, there) {
        thread::scope(|scope| {
            scope.spawn(|| {
                drop(there.next_request(Some(LONG)).expect("a request"));
                there.next_request(Some(LONG)).expect("a request").reply_timeout(b"yes", LONG).expect("replied");
            });
            assert_eq!(here.request(b"well?", SHORT).map(drop), Err(RequestError::TimedOut { sent: true }));
            assert_eq!(&here.request(b"well?", LONG).expect("a reply")[..], b"yes");
        });
        assert_eq!(here.late_replies(), 0);
    }

    #[test]
    fn sides_that_ask_at_once_are_told(here, there) {
        assert_eq!(here.request(b"1", SHORT).map(drop), Err(RequestError::TimedOut { sent: true }));
        assert_eq!(there.request(b"2", LONG).map(drop), Err(RequestError::Crossed { sent: false }));
        assert_eq!(there.request(b"3", SHORT).map(drop), Err(RequestError::TimedOut { sent: true }));
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(here.request(b"4", LONG).map(drop), Err(RequestError::Crossed { sent: false }));
                let request = here.next_request(Some(LONG)).expect("a request");
                assert_eq!(&request[..], b"5");
                request.reply(b"5").expect("replied");
            });
            // Sides take turns.
            assert_eq!(&there.request(b"5", LONG).expect("a reply")[..], b"5");
        });
    }

    #[test]
    fn a_plain_message_among_requests_is_told(here, there) {
        there.send(b"plain").expect("room");
        assert_eq!(here.request(b"?", LONG).map(drop), Err(RequestError::Foreign { len: 5 }));
        here.send(b"plainer").expect("room");
        assert_eq!(there.next_request(Some(LONG)).map(drop), Err(ServeError::Foreign { len: 7 }));
        let timed_out = ServeError::Recv(RecvError::TimedOut);
        assert_eq!(there.next_request(Some(SHORT)).map(drop), Err(timed_out), "nothing else was sent");
    }

    #[test]
    fn whoever_serves_drops_late_replies_too(here, there) {
        assert_eq!(here.request(b"1", SHORT).map(drop), Err(RequestError::TimedOut { sent: true }));
        there.next_request(Some(LONG)).expect("a request").reply(b"late").expect("replied");
        let timed_out = ServeError::Recv(RecvError::TimedOut);
        assert_eq!(here.next_request(Some(SHORT)).map(drop), Err(timed_out));
        assert_eq!(here.late_replies(), 1);
    }
}
