//! The verbs, whatever carries the messages.

use std::fmt::Debug;
use std::time::Duration;

use ringway::{RecvError, SendError, connect, duplex, mpmc, pipe, spsc, untrusted};

/// A tag and a message.
pub type Received = (u16, Vec<u8>);

/// A sending end.
pub trait Tx: Send + Debug {
    fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError>;
    fn send(&mut self, message: &[u8]) -> Result<(), SendError>;
    fn try_send(&mut self, message: &[u8]) -> Result<(), SendError>;
    fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError>;
    /// Claims room for `room` bytes and sends `message` in them, which is at most as long.
    fn fill(&mut self, room: usize, tag: u16, message: &[u8]) -> Result<(), SendError>;
    /// Claims room and does not use it.
    fn abort(&mut self, room: usize) -> Result<(), SendError>;
    /// Sends all of these together.
    fn send_all(&mut self, messages: &[Received]) -> Result<(), SendError>;
    fn largest(&self) -> usize;
}

/// A receiving end.
pub trait Rx: Send + Debug {
    fn recv(&mut self) -> Result<Received, RecvError>;
    fn try_recv(&mut self) -> Result<Received, RecvError>;
    fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, RecvError>;
    /// Whatever is there.
    fn drain(&mut self) -> Result<Vec<Received>, RecvError>;
}

macro_rules! ends {
    ($producer:ty, $consumer:ty) => {
        impl Tx for $producer {
            fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
                self.send_tagged(tag, message)
            }

            fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
                self.send(message)
            }

            fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
                self.try_send(message)
            }

            fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
                self.send_timeout(message, timeout)
            }

            fn fill(&mut self, room: usize, tag: u16, message: &[u8]) -> Result<(), SendError> {
                let mut claim = self.claim(room)?;
                assert_eq!(claim.len(), room);
                claim[..message.len()].copy_from_slice(message);
                claim.truncate(message.len());
                claim.set_tag(tag);
                claim.commit()
            }

            fn abort(&mut self, room: usize) -> Result<(), SendError> {
                self.claim(room).map(|mut claim| claim.fill(0xee))
            }

            fn send_all(&mut self, messages: &[Received]) -> Result<(), SendError> {
                let mut batch = self.batch()?;
                assert!(batch.is_empty());
                for (tag, message) in messages {
                    batch.push_tagged(*tag, message)?;
                }
                assert_eq!(batch.len(), messages.len());
                batch.commit()
            }

            fn largest(&self) -> usize {
                self.largest()
            }
        }

        impl Rx for $consumer {
            fn recv(&mut self) -> Result<Received, RecvError> {
                self.recv().map(|message| (message.tag(), message.to_vec()))
            }

            fn try_recv(&mut self) -> Result<Received, RecvError> {
                self.try_recv().map(|message| (message.tag(), message.to_vec()))
            }

            fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, RecvError> {
                self.recv_timeout(timeout).map(|message| (message.tag(), message.to_vec()))
            }

            fn drain(&mut self) -> Result<Vec<Received>, RecvError> {
                let mut drain = self.drain()?;
                let mut all = Vec::new();
                while let Some(message) = drain.next() {
                    let message = message?;
                    all.push((message.tag(), message.to_vec()));
                }
                Ok(all)
            }
        }
    };
}

ends!(spsc::Producer, spsc::Consumer);
ends!(mpmc::Producer, mpmc::Consumer);
ends!(pipe::Producer, pipe::Consumer);
ends!(connect::Producer, connect::Consumer);
ends!(duplex::Endpoint, duplex::Endpoint);
ends!(duplex::Endpoint<duplex::Streams>, duplex::Endpoint<duplex::Streams>);

/// Nothing is filled in place where the memory is not trusted, and nothing borrowed: what the others do in several ways is one.
impl Tx for untrusted::Producer {
    fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.send_tagged(tag, message)
    }

    fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send(message)
    }

    fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.try_send(message)
    }

    fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_timeout(message, timeout)
    }

    fn fill(&mut self, _room: usize, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.send_tagged(tag, message)
    }

    fn abort(&mut self, room: usize) -> Result<(), SendError> {
        let (len, largest) = (room, self.largest());
        if len > largest { Err(SendError::TooLarge { len, largest }) } else { Ok(()) }
    }

    fn send_all(&mut self, messages: &[Received]) -> Result<(), SendError> {
        messages.iter().try_for_each(|(tag, message)| self.send_tagged(*tag, message))
    }

    fn largest(&self) -> usize {
        self.largest()
    }
}

impl Rx for untrusted::Consumer {
    fn recv(&mut self) -> Result<Received, RecvError> {
        self.recv().map(|message| (message.tag(), message.to_vec()))
    }

    fn try_recv(&mut self) -> Result<Received, RecvError> {
        self.try_recv().map(|message| (message.tag(), message.to_vec()))
    }

    fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, RecvError> {
        self.recv_timeout(timeout).map(|message| (message.tag(), message.to_vec()))
    }

    fn drain(&mut self) -> Result<Vec<Received>, RecvError> {
        let mut all = Vec::new();
        loop {
            match Rx::try_recv(self) {
                Ok(message) => all.push(message),
                Err(RecvError::Empty) => return Ok(all),
                Err(error) => return Err(error),
            }
        }
    }
}
