//! Whatever a pipe brings.

use std::io::Write;
use std::os::unix::net::UnixStream;

use super::input::Input;
use crate::error::RecvError;
use crate::pipe;

/// The largest message.
const LARGEST: usize = 1000;
/// The most that is written.
const ROOM: usize = 1 << 14;

/// How the bytes are cut into pieces, and then the stream.
pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let piece = 1 + input.below(1 << 12) as usize;
    let by_drain = input.byte() & 1 != 0;
    let stream = input.take(ROOM);
    let (mut writer, reader) = UnixStream::pair().expect("a pair of sockets");
    let mut consumer = pipe::options().largest(LARGEST).consumer_on(reader).expect("a socket");
    // Who has found something corrupt reads no more, and a socket may be full of a few hundred short pieces.
    writer.set_nonblocking(true).expect("a socket");
    for piece in stream.chunks(piece) {
        if writer.write_all(piece).is_err() {
            break;
        }
        while take(&mut consumer, by_drain).is_ok() {}
    }
    drop(writer);
    // One stream may follow another, each with an end of its own; each message and each end takes eight bytes at least.
    let mut told = None;
    for _ in 0..ROOM / 4 {
        told = match take(&mut consumer, by_drain) {
            Ok(()) => None,
            Err(end) if told == Some(end) => {
                assert!(!matches!(end, RecvError::Empty | RecvError::TimedOut), "an end is told: {end}");
                return;
            }
            Err(end) => Some(end),
        };
    }
    panic!("a stream of so many bytes has no more messages");
}

/// Takes what is there.
fn take(consumer: &mut pipe::Consumer, by_drain: bool) -> Result<(), RecvError> {
    let check = |len| assert!(len <= LARGEST, "{len} bytes");
    if by_drain {
        let mut drain = consumer.drain()?;
        while let Some(message) = drain.next() {
            check(message?.len());
        }
    }
    consumer.try_recv().map(|message| check(message.len()))
}
