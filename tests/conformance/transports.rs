//! Every transport, with both ends.

use std::fmt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;

use ringway::connect::{self, Using};
use ringway::{duplex, mpmc, pipe, spsc, untrusted};
use tempfile::TempDir;

use crate::common::PATIENCE;
use crate::common::host::Host;
use crate::common::names::Name;
use crate::ends::{Rx, Tx};

/// Bytes of the largest message that every one of them takes.
pub const LARGEST: usize = 32 << 10;

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Shm,
    File,
    Memfd,
    Hosted,
    Mpmc,
    Pipe,
    Fifo,
    Unix,
    /// Two that do not trust one another.
    Untrusted,
    /// One of the two rings in a segment.
    Duplex,
    /// One direction of a socket.
    DuplexStream,
    /// Two that meet by a name, and share memory.
    Connected,
    /// Two that meet by a name, one of which uses no memory.
    FallenBack,
}

pub const ALL: [Transport; 13] = [
    Transport::Shm,
    Transport::File,
    Transport::Memfd,
    Transport::Hosted,
    Transport::Mpmc,
    Transport::Pipe,
    Transport::Fifo,
    Transport::Unix,
    Transport::Untrusted,
    Transport::Duplex,
    Transport::DuplexStream,
    Transport::Connected,
    Transport::FallenBack,
];

/// Those that unrelated processes can use by an address.
pub const ADDRESSED: [Transport; 6] = [
    Transport::Shm,
    Transport::File,
    Transport::Fifo,
    Transport::Unix,
    Transport::Connected,
    Transport::FallenBack,
];

impl Transport {
    pub fn named(name: &str) -> Transport {
        ALL.into_iter().find(|transport| transport.to_string() == name).expect("a transport")
    }

    /// Are messages in memory, where they wait for a next consumer?
    pub fn is_ring(self) -> bool {
        !matches!(
            self,
            Transport::Pipe
                | Transport::Fifo
                | Transport::Unix
                | Transport::DuplexStream
                | Transport::FallenBack
        )
    }

    /// Options of one of the two sides of a connection.
    pub fn options(self, is_producer: bool) -> connect::Options {
        let using = match self {
            Transport::FallenBack if is_producer => Using::Socket,
            _ => Using::Best,
        };
        connect::options().size(4 * LARGEST).largest(2 * LARGEST).timeout(PATIENCE).using(using)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A place for one pair of ends after the other.
pub struct Bed {
    pub transport: Transport,
    name: Name,
    directory: TempDir,
    host: Option<Host>,
}

impl Bed {
    pub fn new(transport: Transport) -> Bed {
        let directory = tempfile::tempdir().expect("a directory");
        Bed { transport, name: Name::new("conformance"), directory, host: None }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("it")
    }

    /// Where processes meet.
    pub fn address(&self) -> String {
        let path = self.path().display().to_string();
        match self.transport {
            Transport::Shm => format!("shm:{}", &*self.name),
            Transport::File => format!("file:{path}"),
            Transport::Fifo => format!("fifo:{path}"),
            Transport::Unix => format!("unix:{path}"),
            Transport::Connected | Transport::FallenBack => format!("auto:{}", &*self.name),
            other => unreachable!("{other} has no address"),
        }
    }

    /// Both ends.
    pub fn ends(&mut self) -> (Box<dyn Tx>, Box<dyn Rx>) {
        let ring = spsc::options().size(4 * LARGEST);
        match self.transport {
            Transport::Memfd => boxed(ring.pair().expect("a pair")),
            Transport::Hosted => {
                let host = self.host.insert(Host::new(&ring, true));
                boxed((host.producer(&ring).expect("a producer"), host.consumer(&ring).expect("a consumer")))
            }
            Transport::Mpmc => {
                let options = mpmc::options().slots(256).slot_size(4 * LARGEST / 256);
                boxed(options.pair().expect("a pair"))
            }
            Transport::Untrusted => {
                let (mine, theirs) = UnixStream::pair().expect("sockets");
                let options = untrusted::options().size(4 * LARGEST);
                boxed(thread::scope(|scope| {
                    let consumer = scope.spawn(|| options.consumer(&theirs).expect("a consumer"));
                    let tx = options.producer(&mine).expect("a producer");
                    (tx, consumer.join().expect("no panic"))
                }))
            }
            Transport::Duplex => boxed(duplex::options().size(4 * LARGEST).pair().expect("a pair")),
            Transport::DuplexStream => {
                let options = pipe::options().largest(2 * LARGEST);
                boxed(options.duplex_pair().expect("a pair").map(duplex::Endpoint::from).into())
            }
            Transport::Pipe => boxed(pipe::options().largest(2 * LARGEST).pair().expect("a pair")),
            _ => boxed(connected(self.transport, &self.address())),
        }
    }
}

/// Both ends of a connection, each made by a thread of its own, since they may have to meet.
fn connected(transport: Transport, address: &str) -> (connect::Producer, connect::Consumer) {
    thread::scope(|scope| {
        let consumer = scope.spawn(|| transport.options(false).consumer(address).expect("a consumer"));
        let tx = transport.options(true).producer(address).expect("a producer");
        (tx, consumer.join().expect("no panic"))
    })
}

fn boxed<P: Tx + 'static, C: Rx + 'static>((tx, rx): (P, C)) -> (Box<dyn Tx>, Box<dyn Rx>) {
    (Box::new(tx), Box::new(rx))
}
