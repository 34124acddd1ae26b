//! A stream of each kind, with its ends as ringway sees them, or with one end bare.

use std::fmt;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::{mkfifo, pipe2};
use ringway::pipe::{Consumer, Options, Producer};
use tempfile::TempDir;

/// A kind of stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Pipe,
    /// Its descriptors do not block, as those that some parents hand down.
    NonBlockingPipe,
    /// A FIFO that others have opened.
    InheritedFifo,
    Socket,
    NonBlockingSocket,
    /// One direction of a socket whose other direction is used, too.
    Duplex,
    /// Opened by its name on both sides.
    Fifo,
}

const KINDS: [Kind; 7] = [
    Kind::Pipe,
    Kind::NonBlockingPipe,
    Kind::InheritedFifo,
    Kind::Socket,
    Kind::NonBlockingSocket,
    Kind::Duplex,
    Kind::Fifo,
];

/// A place for one stream after the other.
pub struct Bed {
    pub kind: Kind,
    options: Options,
    directory: TempDir,
}

impl Bed {
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("fifo")
    }

    /// Both ends of a new stream.
    pub fn ends(&self) -> (Producer, Consumer) {
        if self.kind == Kind::Fifo {
            let rx = self.options.consumer(self.path()).expect("a consumer");
            return (self.options.producer(self.path()).expect("a producer"), rx);
        }
        let (writer, reader) = self.descriptors();
        (self.producer_on(writer), self.consumer_on(reader))
    }

    /// A consumer, and the bare end that it reads from.
    pub fn bare_writer(&self) -> (File, Consumer) {
        if self.kind == Kind::Fifo {
            let rx = self.options.consumer(self.path()).expect("a consumer");
            return (blocking(open(&self.path(), true)), rx);
        }
        let (writer, reader) = self.descriptors();
        (blocking(writer.into()), self.consumer_on(reader))
    }

    /// A producer, and the bare end that it writes to.
    pub fn bare_reader(&self) -> (Producer, File) {
        if self.kind == Kind::Fifo {
            let tx = self.options.producer(self.path()).expect("a producer");
            return (tx, here(blocking(open(&self.path(), false))));
        }
        let (writer, reader) = self.descriptors();
        (self.producer_on(writer), blocking(reader.into()))
    }

    fn descriptors(&self) -> (OwnedFd, OwnedFd) {
        match self.kind {
            Kind::Pipe | Kind::NonBlockingPipe => {
                let nonblocking = self.kind == Kind::NonBlockingPipe;
                let flags = if nonblocking { OFlag::O_NONBLOCK } else { OFlag::empty() };
                let (reader, writer) = pipe2(flags | OFlag::O_CLOEXEC).expect("a pipe");
                (writer, reader)
            }
            Kind::InheritedFifo => {
                let path = self.directory.path().join("inherited");
                mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
                let (reader, writer) = (blocking(open(&path, false)), blocking(open(&path, true)));
                std::fs::remove_file(path).expect("its name");
                (writer.into(), reader.into())
            }
            Kind::Socket | Kind::NonBlockingSocket | Kind::Duplex | Kind::Fifo => {
                let (one, other) = UnixStream::pair().expect("sockets");
                for socket in [&one, &other] {
                    socket.set_nonblocking(self.kind == Kind::NonBlockingSocket).expect("a flag");
                }
                (one.into(), other.into())
            }
        }
    }

    fn producer_on(&self, descriptor: OwnedFd) -> Producer {
        match self.kind {
            Kind::Duplex => self.options.duplex(descriptor).expect("a socket").0,
            _ => self.options.producer_on(descriptor).expect("a producer"),
        }
    }

    fn consumer_on(&self, descriptor: OwnedFd) -> Consumer {
        match self.kind {
            Kind::Duplex => self.options.duplex(descriptor).expect("a socket").1,
            _ => self.options.consumer_on(descriptor).expect("a consumer"),
        }
    }
}

impl fmt::Display for Bed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

/// Opens an end of a FIFO, waiting for nobody.
fn open(path: &Path, write: bool) -> File {
    let mut options = File::options();
    options.read(!write).write(write).custom_flags(OFlag::O_NONBLOCK.bits());
    options.open(path).expect("an end of a FIFO")
}

/// The same reading end, which says that a consumer is here.
fn here(file: File) -> File {
    let (l_type, l_whence) = (libc::F_RDLCK as i16, libc::SEEK_SET as i16);
    let byte = libc::flock { l_type, l_whence, l_start: 1, l_len: 1, l_pid: 0 };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&byte)).expect("a lock");
    file
}

/// The same descriptor, whose calls block from now on.
fn blocking(file: File) -> File {
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty())).expect("a flag");
    file
}

/// Runs `check` on every kind of stream.
pub fn on_every_stream(options: &Options, check: impl Fn(&Bed)) {
    for kind in KINDS {
        // Shown if the check fails.
        println!("on {kind:?}");
        let directory = tempfile::tempdir().expect("a directory");
        check(&Bed { kind, options: options.clone(), directory });
    }
}
