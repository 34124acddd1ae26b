//! Every descriptor that the roles of a pair inherit.
//!
//! None has a name any more when it is handed out, so nothing is left behind however a run ends. What a system may be
//! without is optional.

use std::fs::{File, OpenOptions, remove_file};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::mman::{shm_open, shm_unlink};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};
use nix::sys::stat::Mode;
use nix::unistd::{mkfifo, pipe};

use super::control::{Side, Streams};
use super::{memory, message_queue};

/// Capacity of a wide pipe, bytes.
const WIDE: i32 = 1 << 20;

/// Room that is asked for the datagrams of a socket, bytes; a system may grant less.
const DATAGRAMS: usize = 4 << 20;

/// Every descriptor of a pair, held open until both roles have inherited them.
#[derive(Debug)]
pub struct Ends {
    /// Pipes of the default capacity.
    pipe: Pipes,
    /// Pipes of 1 MiB.
    pipe_wide: Pipes,
    /// Pipes of 1 MiB into which pages are spliced.
    spliced: Pipes,
    /// Pipes that carry ringway's streams.
    transport: Pipes,
    /// Pipes that had a name.
    fifo: Option<Pipes>,
    /// Unix stream sockets.
    unix: [OwnedFd; 2],
    /// Unix datagram sockets.
    datagram: [OwnedFd; 2],
    /// Unix sockets of sequenced packets.
    seqpacket: [OwnedFd; 2],
    /// Unix sockets over which untrusted rings are made.
    untrusted: [OwnedFd; 2],
    /// TCP sockets on loopback.
    tcp: Option<[OwnedFd; 2]>,
    /// UDP sockets on loopback, and those that carry acknowledgements.
    udp: Option<[[OwnedFd; 2]; 2]>,
    /// Eventfds forth and back.
    eventfd: [OwnedFd; 2],
    /// POSIX message queues forth and back.
    queue: Option<[OwnedFd; 2]>,
    /// POSIX shared memory.
    posix: Option<OwnedFd>,
    /// A file to be mapped.
    mapped: Option<OwnedFd>,
}

impl Ends {
    /// Creates the descriptors of a pair, inheritable, for rings of `ring_bytes`; `prefix` is that pair's alone.
    pub fn new(prefix: &str, ring_bytes: usize) -> Result<Self> {
        Ok(Self {
            pipe: Pipes::new()?,
            pipe_wide: Pipes::wide()?,
            spliced: Pipes::wide()?,
            transport: Pipes::new()?,
            fifo: fifos(prefix).ok(),
            unix: sockets(SockType::Stream)?,
            datagram: sockets(SockType::Datagram)?,
            seqpacket: sockets(SockType::SeqPacket)?,
            untrusted: sockets(SockType::Stream)?,
            tcp: tcp().ok(),
            udp: udp().ok(),
            eventfd: [event()?, event()?],
            queue: message_queue::pair(prefix).ok(),
            posix: posix_memory(prefix, ring_bytes).ok(),
            mapped: mapped_file(prefix, ring_bytes).ok(),
        })
    }

    /// The ends of `side`.
    pub fn of(&self, side: Side) -> Streams {
        let mine = |pair: &[OwnedFd; 2]| pair[side as usize].as_raw_fd();
        let both = |[forth, back]: &[OwnedFd; 2]| match side {
            Side::Sender => [forth.as_raw_fd(), back.as_raw_fd()],
            Side::Receiver => [back.as_raw_fd(), forth.as_raw_fd()],
        };
        Streams {
            pipe: self.pipe.of(side),
            pipe_wide: self.pipe_wide.of(side),
            spliced: self.spliced.of(side),
            transport: self.transport.of(side),
            fifo: self.fifo.as_ref().map(|fifos| fifos.of(side)),
            unix: mine(&self.unix),
            datagram: mine(&self.datagram),
            seqpacket: mine(&self.seqpacket),
            untrusted: mine(&self.untrusted),
            tcp: self.tcp.as_ref().map(mine),
            udp: self.udp.as_ref().map(|[data, answers]| [mine(data), mine(answers)]),
            eventfd: both(&self.eventfd),
            queue: self.queue.as_ref().map(both),
            posix: self.posix.as_ref().map(AsRawFd::as_raw_fd),
            mapped: self.mapped.as_ref().map(AsRawFd::as_raw_fd),
        }
    }
}

/// A pipe forth and one back.
#[derive(Debug)]
pub struct Pipes {
    /// Where to read and to write what goes forth.
    forth: (OwnedFd, OwnedFd),
    /// The same for what comes back.
    back: (OwnedFd, OwnedFd),
}

impl Pipes {
    /// Pipes of the default capacity.
    fn new() -> Result<Self> {
        let make = || pipe().context("cannot create a pipe");
        Ok(Self { forth: make()?, back: make()? })
    }

    /// Pipes of 1 MiB.
    fn wide() -> Result<Self> {
        let pipes = Self::new()?;
        for (_, write) in [&pipes.forth, &pipes.back] {
            fcntl(write, FcntlArg::F_SETPIPE_SZ(WIDE))
                .context("cannot widen a pipe to 1 MiB (see /proc/sys/fs/pipe-max-size)")?;
        }
        Ok(pipes)
    }

    /// Where `side` writes and where it reads.
    fn of(&self, side: Side) -> [i32; 2] {
        let (towards, back) = match side {
            Side::Sender => (&self.forth, &self.back),
            Side::Receiver => (&self.back, &self.forth),
        };
        [towards.1.as_raw_fd(), back.0.as_raw_fd()]
    }
}

/// A FIFO forth and one back, open and without their names.
pub fn fifos(prefix: &str) -> Result<Pipes> {
    Ok(Pipes { forth: fifo(&format!("{prefix}-forth"))?, back: fifo(&format!("{prefix}-back"))? })
}

/// Both ends of a FIFO whose name is gone again.
fn fifo(name: &str) -> Result<(OwnedFd, OwnedFd)> {
    let path = std::env::temp_dir().join(format!("ringway-{name}"));
    mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).context("cannot create a FIFO")?;
    // A reader that does not wait for a writer, then a writer, which finds that reader.
    let read = open(&path, OFlag::O_RDONLY | OFlag::O_NONBLOCK, Mode::empty());
    let write = open(&path, OFlag::O_WRONLY, Mode::empty());
    remove_file(&path).context("cannot remove a FIFO's name")?;
    let (read, write) = (read.context("cannot open a FIFO")?, write.context("cannot open a FIFO")?);
    fcntl(&read, FcntlArg::F_SETFL(OFlag::empty())).context("cannot let a FIFO block")?;
    Ok((read, write))
}

/// Connected Unix sockets that have room for many messages.
fn sockets(kind: SockType) -> Result<[OwnedFd; 2]> {
    let (sender, receiver) = socketpair(AddressFamily::Unix, kind, None, SockFlag::empty())
        .context("cannot create a pair of sockets")?;
    Ok([sender, receiver])
}

/// Connected TCP sockets on loopback that send at once.
pub fn tcp() -> Result<[OwnedFd; 2]> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen on loopback")?;
    let address = listener.local_addr().context("a listener without an address")?;
    let sender = TcpStream::connect(address).context("cannot connect over loopback")?;
    let (receiver, _) = listener.accept().context("cannot accept over loopback")?;
    for socket in [&sender, &receiver] {
        socket.set_nodelay(true).context("cannot have TCP send at once")?;
        inherit(socket)?;
    }
    Ok([sender.into(), receiver.into()])
}

/// Connected UDP sockets on loopback, for data and for acknowledgements.
pub fn udp() -> Result<[[OwnedFd; 2]; 2]> {
    Ok([udp_pair()?, udp_pair()?])
}

/// Two UDP sockets, each connected to the other.
fn udp_pair() -> Result<[OwnedFd; 2]> {
    let bind = || UdpSocket::bind(("127.0.0.1", 0)).context("cannot open a UDP socket on loopback");
    let (sender, receiver) = (bind()?, bind()?);
    for (socket, other) in [(&sender, &receiver), (&receiver, &sender)] {
        let address = other.local_addr().context("a socket without an address")?;
        socket.connect(address).context("cannot connect a UDP socket")?;
        setsockopt(socket, sockopt::RcvBuf, &DATAGRAMS).context("cannot make room for datagrams")?;
        inherit(socket)?;
    }
    Ok([sender.into(), receiver.into()])
}

/// An eventfd whose count is zero.
pub fn event() -> Result<OwnedFd> {
    Ok(EventFd::from_flags(EfdFlags::empty()).context("cannot create an eventfd")?.into())
}

/// POSIX shared memory for rings of `ring_bytes`, without its name.
pub fn posix_memory(prefix: &str, ring_bytes: usize) -> Result<OwnedFd> {
    let name = format!("/ringway-{prefix}");
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
    let memory = shm_open(name.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)
        .context("cannot create POSIX shared memory")?;
    shm_unlink(name.as_str()).context("cannot remove the name of POSIX shared memory")?;
    sized(File::from(memory), ring_bytes)
}

/// A file for rings of `ring_bytes` where temporary files are, without its name.
pub fn mapped_file(prefix: &str, ring_bytes: usize) -> Result<OwnedFd> {
    let path = std::env::temp_dir().join(format!("ringway-{prefix}-mapped"));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
    let file = file.with_context(|| format!("cannot create {}", path.display()))?;
    remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    sized(file, ring_bytes)
}

/// Gives a file its length and lets it be inherited. It takes no memory before it is used ([`memory::reserve`]).
fn sized(file: File, ring_bytes: usize) -> Result<OwnedFd> {
    file.set_len(memory::total_bytes(ring_bytes) as u64).context("cannot size shared memory")?;
    inherit(&file)?;
    Ok(file.into())
}

/// Leaves a descriptor open in children.
fn inherit(descriptor: impl AsFd) -> Result<()> {
    fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty())).context("cannot pass on a descriptor")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names in a folder that begin with those that the ends of `prefix` had.
    fn left(folder: &std::path::Path, prefix: &str) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name.contains(prefix)).collect()
    }

    #[test]
    fn nothing_has_a_name() {
        let prefix = format!("bench-{}-ends", std::process::id());
        let ends = Ends::new(&prefix, 64 << 10).unwrap();
        assert!(ends.posix.is_some() && ends.mapped.is_some() && ends.fifo.is_some());
        assert!(left(&std::env::temp_dir(), &prefix).is_empty());
        assert!(left(std::path::Path::new("/dev/shm"), &prefix).is_empty());
    }

    #[test]
    fn all_is_inherited_and_blocks() {
        let ends = Ends::new(&format!("bench-{}-inherited", std::process::id()), 64 << 10).unwrap();
        for side in Side::BOTH {
            let text = serde_json::to_value(ends.of(side)).unwrap();
            let fields = text.as_object().unwrap().values();
            let numbers = fields.flat_map(|value| value.as_array().cloned().unwrap_or(vec![value.clone()]));
            for number in numbers.filter_map(|number| number.as_i64()) {
                let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
                let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
                let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
                let odd = nix::libc::O_CLOEXEC | nix::libc::O_NONBLOCK;
                assert_eq!(flags & odd, 0, "descriptor {number} of the {}", side.label());
            }
        }
    }
}
