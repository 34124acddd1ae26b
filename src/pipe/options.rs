//! How streams are found, made and used.

use core::time::Duration;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::pipe2;

use super::consumer::Source;
use super::fifo::{Meeting, Rules};
use super::producer::Target;
use super::stream::Stream;
use super::{Consumer, Producer};
use crate::error::OpenError;
use crate::layout::Role;
use crate::segment::Owner;
use crate::segment::process::Home;
use crate::sync::LocalU32;

/// How streams are found, made and used: `ringway::pipe::options()`.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until an end is opened"]
pub struct Options {
    largest: usize,
    pipe_size: Option<usize>,
    linger: Duration,
    liveness: Duration,
    rules: Rules,
}

impl Options {
    pub(super) fn new() -> Options {
        Options {
            largest: 16 << 20,
            pipe_size: None,
            linger: Duration::from_secs(5),
            liveness: Duration::from_millis(50),
            rules: Rules { mode: 0o600, owner: Owner::Me, create: true },
        }
    }

    /// Bytes of the largest message, up to 4 GiB less 1; 16 MiB unless told otherwise. A producer refuses a larger one, and
    /// to a consumer it is [`Corrupt`](crate::Corrupt), so both sides should agree.
    pub fn largest(mut self, bytes: usize) -> Self {
        self.largest = bytes;
        self
    }

    /// Ask for a pipe that holds so many bytes (`F_SETPIPE_SZ`; unprivileged users get up to /proc/sys/fs/pipe-max-size).
    /// Unless told otherwise a pipe of less than 256 KiB is asked to hold that: in the kernel's own 64 KiB there is no room
    /// for a message of 64 KiB and its header. The kernel may decline: [`Producer::pipe_size`] tells what there is.
    /// Sockets stay as they are.
    pub fn pipe_size(mut self, bytes: usize) -> Self {
        self.pipe_size = Some(bytes);
        self
    }

    /// How long dropping a producer waits for room for what it owes and its goodbye; 5 s unless told otherwise. A consumer
    /// that was not told goodbye takes the producer for dead.
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// FIFOs: how often a blocked call looks whether a consumer has come, or whether the name still leads there; 50 ms unless
    /// told otherwise.
    pub fn liveness(mut self, interval: Duration) -> Self {
        self.liveness = interval;
        self
    }

    /// FIFOs: permission bits, whatever the umask; 0600 unless told otherwise. Both sides read and write them. A FIFO with
    /// more bits than these is not opened.
    pub fn mode(mut self, bits: u32) -> Self {
        self.rules.mode = bits;
        self
    }

    /// FIFOs: whose to open.
    pub fn owner(mut self, owner: Owner) -> Self {
        self.rules.owner = owner;
        self
    }

    /// FIFOs: make one if there is none (the default).
    pub fn create(mut self, create: bool) -> Self {
        self.rules.create = create;
        self
    }

    /// The producer of the FIFO at `path`. Does not wait for a consumer: until one has come, sending waits, and
    /// `try_` calls find the FIFO full. When the two meet, the name is removed, so that nobody else comes; whoever asks for
    /// it later makes another FIFO. Of several producers that wait at one name a consumer meets one.
    ///
    /// # Errors
    /// What [`OpenError`] lists: [`OpenError::NotAPipe`], [`OpenError::ForeignOwner`] or [`OpenError::Mode`] for what is
    /// there and is not to be used.
    pub fn producer(&self, path: impl AsRef<Path>) -> Result<Producer, OpenError> {
        self.check()?;
        let meeting = Meeting::at(path.as_ref(), self.rules)?;
        self.make_producer(Target::Meeting(meeting), Arc::default())
    }

    /// The consumer of the FIFO at `path`. Does not wait for a producer. When the two meet, the name is removed.
    ///
    /// # Errors
    /// [`OpenError::AlreadyAttached`] when a consumer waits there; else as [`Options::producer`].
    pub fn consumer(&self, path: impl AsRef<Path>) -> Result<Consumer, OpenError> {
        self.check()?;
        let mut meeting = Meeting::at(path.as_ref(), self.rules)?;
        let stream = Stream::own(meeting.open_to_read()?);
        self.make_consumer(Source::new(stream, Some(meeting)), Arc::default())
    }

    /// The producer of a pipe, FIFO or socket whose descriptor is here already, such as a child's standard input
    /// (`child.stdin`). Its `O_NONBLOCK` may be set or not, and is left as it is. Dropping the producer of a socket ends
    /// that direction.
    ///
    /// # Errors
    /// [`OpenError::NotAPipe`] for any other descriptor, or a pipe's other end.
    pub fn producer_on(&self, descriptor: impl Into<OwnedFd>) -> Result<Producer, OpenError> {
        let stream = self.adopt(descriptor.into(), Role::Producer, "the descriptor")?;
        self.make_producer(Target::Stream(stream), Arc::default())
    }

    /// The consumer of a pipe, FIFO or socket whose descriptor is here already, such as a child's standard output.
    ///
    /// # Errors
    /// As [`Options::producer_on`].
    pub fn consumer_on(&self, descriptor: impl Into<OwnedFd>) -> Result<Consumer, OpenError> {
        let stream = self.adopt(descriptor.into(), Role::Consumer, "the descriptor")?;
        self.make_consumer(Source::new(stream, None), Arc::default())
    }

    /// The producer of standard output, if that is a pipe, FIFO or socket. Nothing else may write there. It has a descriptor
    /// of its own; dropping it says goodbye and leaves standard output open.
    ///
    /// # Errors
    /// As [`Options::producer_on`].
    pub fn stdout(&self) -> Result<Producer, OpenError> {
        let (place, descriptor) = ("standard output", std::io::stdout());
        let stream = self.adopt(duplicate(descriptor, place)?, Role::Producer, place)?;
        self.make_producer(Target::Stream(stream), Arc::default())
    }

    /// The consumer of standard input, if that is a pipe, FIFO or socket. Nothing else may read there.
    ///
    /// # Errors
    /// As [`Options::producer_on`].
    pub fn stdin(&self) -> Result<Consumer, OpenError> {
        let (place, descriptor) = ("standard input", std::io::stdin());
        let stream = self.adopt(duplicate(descriptor, place)?, Role::Consumer, place)?;
        self.make_consumer(Source::new(stream, None), Arc::default())
    }

    /// Both directions of a connected Unix stream socket. Dropping the producer ends one direction, dropping the consumer
    /// the other.
    ///
    /// # Errors
    /// [`OpenError::NotAPipe`] for any other descriptor.
    pub fn duplex(&self, socket: impl Into<OwnedFd>) -> Result<(Producer, Consumer), OpenError> {
        self.check()?;
        let (place, socket) = ("the socket", socket.into());
        let there = Stream::adopt_socket(duplicate(&socket, place)?, place)?;
        let back = Stream::adopt_socket(socket, place)?;
        let died = Arc::<LocalU32>::default();
        let producer = self.make_producer(Target::Stream(there), Arc::clone(&died))?;
        Ok((producer, self.make_consumer(Source::new(back, None), died)?))
    }

    /// Both ends of a new pipe.
    ///
    /// # Errors
    /// What [`OpenError`] lists: no descriptors.
    pub fn pair(&self) -> Result<(Producer, Consumer), OpenError> {
        let (read, write) =
            pipe2(OFlag::O_CLOEXEC).map_err(|errno| system("pipe2", "a pair", errno.into()))?;
        Ok((self.producer_on(write)?, self.consumer_on(read)?))
    }

    /// Both sides of a new pair of connected sockets.
    ///
    /// # Errors
    /// What [`OpenError`] lists: no descriptors.
    pub fn duplex_pair(&self) -> Result<[(Producer, Consumer); 2], OpenError> {
        let (family, flags) = (AddressFamily::Unix, SockFlag::SOCK_CLOEXEC);
        let (one, other) = socketpair(family, SockType::Stream, None, flags)
            .map_err(|errno| system("socketpair", "a pair", errno.into()))?;
        Ok([self.duplex(one)?, self.duplex(other)?])
    }

    fn adopt(&self, descriptor: OwnedFd, role: Role, place: &str) -> Result<Stream, OpenError> {
        self.check()?;
        Stream::adopt(descriptor, role, place)
    }

    fn make_producer(&self, target: Target, died: Arc<LocalU32>) -> Result<Producer, OpenError> {
        Ok(Producer::new(target, self.settings()?, died))
    }

    fn make_consumer(&self, source: Source, died: Arc<LocalU32>) -> Result<Consumer, OpenError> {
        Ok(Consumer::new(source, self.settings()?, died))
    }

    fn settings(&self) -> Result<Settings, OpenError> {
        let home = Home::here().map_err(|source| system("mmap", "a page that tells a fork", source))?;
        let (largest, pipe_size) = (self.largest, self.pipe_size);
        Ok(Settings { home, largest, pipe_size, linger: self.linger, interval: self.liveness })
    }

    fn check(&self) -> Result<(), OpenError> {
        if u32::try_from(self.largest).is_err() {
            let (option, asked) = ("largest", self.largest as u64);
            return Err(OpenError::Option { option, asked, rule: "at most 4294967295 bytes" });
        }
        let mode = self.rules.mode;
        if mode & !0o777 != 0 || mode & 0o600 != 0o600 {
            let rule = "permission bits that let the owner read and write, such as 0600 or 0660";
            return Err(OpenError::Option { option: "mode", asked: mode.into(), rule });
        }
        Ok(())
    }
}

/// What an end needs to know of its options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) home: Home,
    pub(super) largest: usize,
    pub(super) pipe_size: Option<usize>,
    pub(super) linger: Duration,
    pub(super) interval: Duration,
}

fn duplicate(descriptor: impl AsFd, place: &str) -> Result<OwnedFd, OpenError> {
    descriptor.as_fd().try_clone_to_owned().map_err(|source| system("dup", place, source))
}

fn system(call: &'static str, place: &str, source: std::io::Error) -> OpenError {
    OpenError::System { call, place: place.to_owned(), source }
}
