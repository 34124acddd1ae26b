//! Sockets that keep messages apart: Unix datagrams and sequenced packets. A system call for each message on either side.
//!
//! Such a socket blocks its sender while the receiver's queue is full (/proc/sys/net/unix/max_dgram_qlen), so nothing is
//! lost.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::RawFd;

use anyhow::{Context, Result, bail, ensure};

use super::payload::{Check, Payload};
use super::shared::adopt;
use super::traffic::{Rx, Tx};

/// Bytes of the largest message that fits the send buffer which a system gives unless told otherwise.
pub const LARGEST: usize = 64 << 10;

/// The sending end.
#[derive(Debug)]
pub struct PacketTx(File);

/// The receiving end.
#[derive(Debug)]
pub struct PacketRx {
    /// The end.
    socket: File,
    /// The message that was read.
    buffer: Vec<u8>,
}

/// Both ends of one socket of a pair.
pub fn packets(fd: RawFd) -> Result<(PacketTx, PacketRx)> {
    let socket: File = adopt(fd);
    let read = socket.try_clone().context("cannot duplicate a socket")?;
    Ok((PacketTx(socket), PacketRx { socket: read, buffer: Vec::new() }))
}

impl Tx for PacketTx {
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        let sent = self.0.write(payload.numbered(number)).context("cannot send a packet")?;
        ensure!(sent == payload.len(), "a packet of {} bytes was cut to {sent}", payload.len());
        Ok(())
    }
}

impl Rx for PacketRx {
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        // A packet that is longer than expected fills one byte more than the check allows.
        self.buffer.resize(check.size() + 1, 0);
        loop {
            match self.socket.read(&mut self.buffer) {
                Ok(len) => return check.take(&self.buffer[..len]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => bail!("cannot receive a packet: {error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use std::os::fd::IntoRawFd;

    #[test]
    fn packets_arrive_whole_and_in_order_though_their_queue_is_short() {
        for kind in [SockType::Datagram, SockType::SeqPacket] {
            let (one, other) = socketpair(AddressFamily::Unix, kind, None, SockFlag::empty()).unwrap();
            let (mut tx, _) = packets(one.into_raw_fd()).unwrap();
            let (_, mut rx) = packets(other.into_raw_fd()).unwrap();
            for size in [8, LARGEST, 120] {
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let mut payload = Payload::new(size);
                        (0..500).try_for_each(|number| tx.send(&mut payload, number)).unwrap();
                    });
                    let mut check = Check::new(size, 0);
                    (0..500).try_for_each(|_| rx.recv(&mut check)).unwrap();
                });
            }
            tx.send(&mut Payload::new(128), 0).unwrap();
            assert!(
                rx.recv(&mut Check::new(120, 0)).is_err(),
                "a longer message is not taken for a short one"
            );
        }
    }
}
