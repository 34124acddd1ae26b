//! How two that have met agree on a transport. All words are little-endian.
//!
//! ```text
//! producer                                        consumer
//!    greeting  ------------------------------------->
//!    <-------------------------------------  greeting
//! if both can share memory:
//!    verdict: is there a ring?  -------------------->
//!  if there is:
//!    the ring, handed over  ------------------------>
//!    <--------------  verdict: is it attached to?
//!
//! greeting: 0   52 49 4e 47 4d 45 45 54   "RINGMEET"
//!           8   version of the talk, 1
//!           12  role of the sender: 1 producer, 2 consumer
//!           16  what it can use: 1 memory, 2 the socket, 3 both
//!           20  why not memory: a text, as in a verdict
//! verdict:  0   length of a text, at most 512; 0: yes
//!           4   the text: why not
//! ```
//!
//! If every verdict is yes, the messages are in the ring, and both close the socket; else they go over the socket, and begin
//! where the talk ended.

use std::io::IoSlice;

use nix::sys::socket::Shutdown;

use super::options::Using;
use super::transport::Transport;
use crate::channel::spsc;
use crate::error::{ConnectError, Corrupt, HandoverError, OpenError};
use crate::handover;
use crate::layout::Role;
use crate::pipe::limit::Limit;
use crate::pipe::stream::{Halt, Stream};
use crate::segment::Owner;

const MAGIC: [u8; 8] = *b"RINGMEET";
const VERSION: u32 = 1;
const MEMORY: u32 = 1;
const SOCKET: u32 = 2;
/// Bytes of a text.
const TEXT: usize = 512;

/// Why a talk led to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The other side left, or says nothing: another may come.
    Left,
    Error(ConnectError),
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Failure {
        Failure::Error(error)
    }
}

/// What two have agreed on.
#[derive(Debug)]
pub(super) enum Agreed<End> {
    Ring(End),
    /// The socket, with what stood in the way of memory.
    Socket(Stream, Transport),
}

/// One side of a talk.
pub(super) struct Talk<'a> {
    pub(super) stream: Stream,
    pub(super) place: &'a str,
    pub(super) role: Role,
    pub(super) using: Using,
    pub(super) owner: Owner,
    pub(super) limit: Limit,
}

impl Talk<'_> {
    /// Agrees with a consumer.
    pub(super) fn produce(mut self, options: &spsc::Options) -> Result<Agreed<spsc::Producer>, Failure> {
        let mut greeted = self.greet()?;
        if !greeted.may_use(MEMORY) {
            return self.fall_back(greeted);
        }
        let tx = match options.lone_producer() {
            Ok(tx) => tx,
            Err(error) => {
                greeted.here = Some(error.to_string());
                self.say_verdict(greeted.here.as_deref())?;
                return self.fall_back(greeted);
            }
        };
        self.say_verdict(None)?;
        self.handover()
            .give(&self.stream, &tx, Role::Consumer)
            .map_err(|error| self.handover_failed(error))?;
        match self.hear_last_verdict()? {
            None => Ok(Agreed::Ring(tx)),
            there => self.fall_back(Greeted { there, ..greeted }),
        }
    }

    /// Agrees with a producer.
    pub(super) fn consume(mut self, options: &spsc::Options) -> Result<Agreed<spsc::Consumer>, Failure> {
        let greeted = self.greet()?;
        if !greeted.may_use(MEMORY) {
            return self.fall_back(greeted);
        }
        if let there @ Some(_) = self.hear_verdict()? {
            return self.fall_back(Greeted { there, ..greeted });
        }
        let why = match self.handover().take(&self.stream) {
            Ok(handed) => match handed.consumer(options) {
                Ok(rx) => {
                    self.say_verdict(None)?;
                    return Ok(Agreed::Ring(rx));
                }
                Err(error) => error.to_string(),
            },
            // Its greeting came in one piece, and only what was beside it got lost, or is of no use: the talk can go on. After a
            // call that failed it is not known how much was read.
            Err(
                error @ HandoverError::Open(OpenError::System {
                    call: "recvmsg" | "poll" | "getsockopt", ..
                }),
            ) => {
                return Err(self.handover_failed(error));
            }
            Err(error @ (HandoverError::Open(_) | HandoverError::Truncated { .. })) => error.to_string(),
            Err(error) => return Err(self.handover_failed(error)),
        };
        self.say_verdict(Some(&why))?;
        self.fall_back(Greeted { here: Some(why), ..greeted })
    }

    fn handover(&self) -> handover::Options {
        let options = handover::options().owner(self.owner);
        self.limit.left().map_or(options.clone(), |left| options.timeout(left))
    }

    fn handover_failed(&self, error: HandoverError) -> Failure {
        match error {
            HandoverError::Closed { .. } | HandoverError::TimedOut { .. } => Failure::Left,
            error => ConnectError::Handover { place: self.place.to_owned(), error }.into(),
        }
    }

    /// The socket, if both may use it.
    fn fall_back<End>(self, greeted: Greeted) -> Result<Agreed<End>, Failure> {
        let may_use_socket = greeted.may_use(SOCKET);
        let Greeted { here, there, .. } = greeted;
        if may_use_socket {
            return Ok(Agreed::Socket(self.stream, Transport::socket(here, there)));
        }
        Err(ConnectError::NoMemory { place: self.place.to_owned(), here, there }.into())
    }

    /// Says what this side can use, and hears what the other can.
    fn greet(&mut self) -> Result<Greeted, Failure> {
        let (uses, why) = match self.using {
            Using::Best => (MEMORY | SOCKET, None),
            Using::Memory => (MEMORY, None),
            Using::Socket => (SOCKET, Some("it was told to use the socket")),
        };
        let mut bytes = MAGIC.to_vec();
        for word in [VERSION, number(self.role), uses] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(verdict(why));
        self.say(&bytes)?;

        let magic: [u8; 8] = self.hear()?;
        if magic != MAGIC {
            let found = magic.escape_ascii().to_string();
            let expected = MAGIC.escape_ascii().to_string();
            return Err(ConnectError::Foreign { place: self.place.to_owned(), found, expected }.into());
        }
        let found = self.hear_word()?;
        if found != VERSION {
            let place = self.place.to_owned();
            return Err(ConnectError::Version { place, found, expected: VERSION }.into());
        }
        let expected = match self.role {
            Role::Producer => Role::Consumer,
            Role::Consumer => Role::Producer,
        };
        let found = self.hear_word()?;
        self.check(
            "role in the greeting of a connection",
            found,
            found == number(expected),
            number(expected),
        )?;
        let theirs = self.hear_word()?;
        let known = (MEMORY..=MEMORY | SOCKET).contains(&theirs);
        self.check("what the greeting of a connection can use", theirs, known, MEMORY | SOCKET)?;
        let there = self.hear_verdict()?;
        Ok(Greeted { both: uses & theirs, here: why.map(str::to_owned), there })
    }

    fn say_verdict(&mut self, why_not: Option<&str>) -> Result<(), Failure> {
        self.say(&verdict(why_not))
    }

    fn hear_verdict(&mut self) -> Result<Option<String>, Failure> {
        let len = self.hear_word()?;
        self.check(
            "length of a text in the greeting of a connection",
            len,
            len as usize <= TEXT,
            TEXT as u32,
        )?;
        let mut text = [0; TEXT];
        let text = &mut text[..len as usize];
        self.hear_all(text)?;
        // It may be printed.
        let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        Ok((len > 0).then(|| String::from_utf8_lossy(text).chars().map(printable).collect()))
    }

    /// Whether the other side has attached. When the time is up it is decided here and now: either it has said so, or it will
    /// find that nobody hears it.
    fn hear_last_verdict(&mut self) -> Result<Option<String>, Failure> {
        self.hear_verdict().or_else(|failure| match failure {
            Failure::Left => {
                self.stream.shut(Shutdown::Read);
                self.limit = Limit::Now;
                self.hear_verdict()
            }
            failure => Err(failure),
        })
    }

    fn check(&self, what: &'static str, found: u32, is_right: bool, allowed: u32) -> Result<(), Failure> {
        if is_right {
            return Ok(());
        }
        let corrupt = Corrupt { what, found: found.into(), allowed: allowed.into() };
        Err(ConnectError::from(OpenError::Corrupt { place: self.place.to_owned(), corrupt }).into())
    }

    fn say(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let count =
                self.stream.write(&[IoSlice::new(bytes)], self.limit).map_err(|halt| self.halted(halt))?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    fn hear<const LEN: usize>(&mut self) -> Result<[u8; LEN], Failure> {
        let mut bytes = [0; LEN];
        self.hear_all(&mut bytes)?;
        Ok(bytes)
    }

    fn hear_word(&mut self) -> Result<u32, Failure> {
        self.hear().map(u32::from_le_bytes)
    }

    fn hear_all(&mut self, mut into: &mut [u8]) -> Result<(), Failure> {
        while !into.is_empty() {
            let count = self.stream.read(into, self.limit).map_err(|halt| self.halted(halt))?;
            if count == 0 {
                return Err(Failure::Left);
            }
            into = &mut into[count..];
        }
        Ok(())
    }

    fn halted(&self, halt: Halt) -> Failure {
        match halt {
            Halt::TimeUp | Halt::Gone => Failure::Left,
            Halt::Failed(errno) => {
                let (call, place) = ("a socket", self.place.to_owned());
                ConnectError::from(OpenError::System { call, place, source: errno.into() }).into()
            }
        }
    }
}

/// What two greetings say.
struct Greeted {
    /// What both can use.
    both: u32,
    /// Why this side does not use memory.
    here: Option<String>,
    there: Option<String>,
}

impl Greeted {
    fn may_use(&self, carrier: u32) -> bool {
        self.both & carrier != 0
    }
}

fn number(role: Role) -> u32 {
    match role {
        Role::Producer => 1,
        Role::Consumer => 2,
    }
}

fn verdict(why_not: Option<&str>) -> Vec<u8> {
    let text = why_not.unwrap_or_default();
    let text = &text[..text.floor_char_boundary(TEXT)];
    let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::io::{ErrorKind, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A producer whose time is up while its consumer attaches, and which has said so much by then; and the consumer's socket.
    fn late(said: &[u8]) -> (Talk<'static>, UnixStream) {
        let (here, mut there) = UnixStream::pair().expect("sockets");
        there.write_all(said).expect("room");
        let (place, role, using) = ("here", Role::Producer, Using::Best);
        let stream = Stream::adopt_socket(here.into(), place).expect("a socket");
        (Talk { stream, place, role, using, owner: Owner::Me, limit: Limit::Now }, there)
    }

    #[test]
    fn a_consumer_that_said_in_time_that_it_has_attached_has() {
        let (mut producer, _consumer) = late(&verdict(None));
        assert!(matches!(producer.hear_last_verdict(), Ok(None)));
        let (mut producer, _consumer) = late(&verdict(Some("no memory")));
        assert!(matches!(producer.hear_last_verdict(), Ok(Some(why)) if why == "no memory"));
    }

    #[test]
    fn a_consumer_that_attaches_too_late_finds_that_nobody_hears_it() {
        // Though the producer's end is still open.
        let (mut producer, mut consumer) = late(b"");
        assert!(matches!(producer.hear_last_verdict(), Err(Failure::Left)));
        let refused = consumer.write_all(&verdict(None)).map_err(|error| error.kind());
        assert_eq!(refused, Err(ErrorKind::BrokenPipe));
    }
}
