//! Bytes that this protocol never writes: an error that stays, and nothing else.

use std::io::Write;
use std::thread;

use proptest::prelude::*;
use ringway::pipe::{Consumer, options};
use ringway::{Corrupt, RecvError};

use crate::bed::on_every_stream;

const HELLO: &[u8] = b"RINGWAY\x01";
const LARGEST: usize = 1000;

/// Writes these bytes and closes; what is received until an error, and the error, which must stay.
fn receive(bytes: &[u8], (mut bare, mut rx): (std::fs::File, Consumer)) -> (Vec<Vec<u8>>, RecvError) {
    thread::scope(|scope| {
        // The consumer may refuse to read all of it.
        scope.spawn(move || bare.write_all(bytes).unwrap_or(()));
        let mut messages = Vec::new();
        let error = loop {
            match rx.recv() {
                Ok(message) => messages.push(message.to_vec()),
                Err(error) => break error,
            }
        };
        if matches!(error, RecvError::Corrupt(_)) {
            assert_eq!(rx.recv().map(drop), Err(error));
            assert_eq!(rx.try_recv().map(drop), Err(error));
            assert_eq!(rx.wait_for_message(None), Err(error));
            let again = rx.drain().expect("at home").next().map(|message| message.map(drop));
            assert_eq!(again, Some(Err(error)));
        }
        drop(rx);
        (messages, error)
    })
}

#[test]
fn what_is_no_stream_is_corrupt() {
    let header = |len: u32, kind: u8, above: u8| [&len.to_le_bytes()[..], &[0, 0, kind, above]].concat();
    let bad: [(&str, Vec<u8>); 11] = [
        ("beginning of the stream", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("beginning of the stream", b"RINGWAY\x02".to_vec()),
        ("beginning of the stream", vec![0; 8]),
        ("frame header", header(0, 0, 0)),
        ("frame header", header(8, 2, 0)),
        ("frame header", header(8, 3, 0)),
        ("frame header", header(8, 5, 0)),
        ("frame header", header(8, 1, 1)),
        ("frame header", HELLO.to_vec()),
        ("frame length", header(LARGEST as u32 + 1, 1, 0)),
        ("frame length", header(u32::MAX, 1, 0)),
    ];
    on_every_stream(&options().largest(LARGEST), |bed| {
        for (what, bytes) in &bad {
            let good = [HELLO, &header(2, 1, 0), b"ok"].concat();
            let begins = *what == "beginning of the stream";
            let bytes = if begins { bytes.clone() } else { [&good[..], bytes].concat() };
            let (messages, error) = receive(&bytes, bed.bare_writer());
            assert_eq!(messages.len(), usize::from(!begins));
            let RecvError::Corrupt(Corrupt { what: found, .. }) = error else { panic!("{error}") };
            assert_eq!(found, *what);
            assert!(error.to_string().contains("close the stream"), "{error}");
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, it is an error in the end, and no message is larger than allowed.
    #[test]
    fn random_bytes_are_an_error(
        hello in any::<bool>(),
        bytes in prop::collection::vec(prop_oneof![3 => 0..6_u8, 1 => any::<u8>()], 0..2000),
    ) {
        let bytes = if hello { [HELLO, &bytes].concat() } else { bytes };
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let rx = options().largest(LARGEST).consumer_on(reader).expect("a consumer");
        let writer = std::fs::File::from(std::os::fd::OwnedFd::from(writer));
        let (messages, error) = receive(&bytes, (writer, rx));
        prop_assert!(messages.iter().all(|message| message.len() <= LARGEST));
        let is_end = matches!(error, RecvError::Corrupt(_) | RecvError::PeerDead | RecvError::Closed);
        prop_assert!(is_end, "{}", error);
    }

    /// A sound stream in which one bit is wrong delivers a beginning of its messages, or other messages, and ends.
    #[test]
    fn a_flipped_bit_is_survived(lengths in prop::collection::vec(0..200_u32, 1..20), bit in any::<prop::sample::Index>()) {
        let frame = |len: &u32| [&len.to_le_bytes()[..], &[0, 0, 1, 0], &vec![5; *len as usize]].concat();
        let mut bytes = [HELLO, &lengths.iter().flat_map(frame).collect::<Vec<u8>>()].concat();
        let bit = bit.index(8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let rx = options().largest(LARGEST).consumer_on(reader).expect("a consumer");
        let writer = std::fs::File::from(std::os::fd::OwnedFd::from(writer));
        let (messages, _) = receive(&bytes, (writer, rx));
        prop_assert!(messages.iter().map(Vec::len).sum::<usize>() <= bytes.len());
    }
}
