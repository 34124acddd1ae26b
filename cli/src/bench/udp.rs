//! UDP on loopback. Nothing keeps its sender from overrunning the receiver, so a stream has a window: the receiver
//! acknowledges every half of it over a socket of its own, and the sender stays within it. Round trips need none. A message
//! that was lost all the same is an error, since the next one has the wrong number.

use std::net::UdpSocket;
use std::os::fd::RawFd;

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{getsockopt, sockopt};

use super::payload::{Check, Payload};
use super::shared::adopt;
use super::traffic::{Rx, Tx};

/// Bytes of the largest message: a datagram's limit, less the headers.
pub const LARGEST: usize = 65_507;

/// What the kernel charges a datagram beside its bytes, at most.
const OVERHEAD: usize = 1024;

/// Most messages under way.
const WIDEST: u64 = 256;

/// This side's sockets, each connected to one of the other side.
#[derive(Debug)]
pub struct Udp {
    /// Messages, and answers of round trips.
    data: UdpSocket,
    /// Acknowledgements.
    answers: UdpSocket,
    /// What the kernel holds of messages that were not read, bytes.
    room: usize,
    /// The message that was read.
    buffer: Vec<u8>,
}

impl Udp {
    /// Takes over the inherited sockets.
    pub fn new([data, answers]: [RawFd; 2]) -> Result<Self> {
        let data: UdpSocket = adopt(data);
        let room = getsockopt(&data, sockopt::RcvBuf).context("cannot read a socket's room")?;
        Ok(Self { data, answers: adopt(answers), room, buffer: Vec::new() })
    }

    /// Both halves, for messages of `size` bytes; `streams` says whether they follow one another unanswered.
    pub fn halves(&mut self, size: usize, streams: bool) -> (UdpTx<'_>, UdpRx<'_>) {
        let half = streams.then(|| half_window(self.room, size));
        let (data, answers) = (&self.data, &self.answers);
        let tx = UdpTx { data, answers, half, under_way: 0 };
        self.buffer.resize(size + 1, 0);
        (tx, UdpRx { data, answers, half, unanswered: 0, buffer: &mut self.buffer })
    }
}

/// Messages of half a window: half of `room`, since the kernel charges for up to twice a datagram's bytes and gives a
/// quarter back late.
fn half_window(room: usize, size: usize) -> u64 {
    let window = room / 2 / (2 * (size + OVERHEAD));
    (window as u64).clamp(2, WIDEST) / 2
}

/// The sending half.
#[derive(Debug)]
pub struct UdpTx<'a> {
    /// Where messages go.
    data: &'a UdpSocket,
    /// Where acknowledgements come.
    answers: &'a UdpSocket,
    /// Half the window, if there is one.
    half: Option<u64>,
    /// Messages that were sent and not acknowledged.
    under_way: u64,
}

/// The receiving half.
#[derive(Debug)]
pub struct UdpRx<'a> {
    /// Where messages come.
    data: &'a UdpSocket,
    /// Where acknowledgements go.
    answers: &'a UdpSocket,
    /// Half the window, if there is one.
    half: Option<u64>,
    /// Messages that were received and not acknowledged.
    unanswered: u64,
    /// Room for a message and a byte.
    buffer: &'a mut [u8],
}

impl UdpTx<'_> {
    /// Waits for an acknowledgement.
    fn hear(&mut self, half: u64) -> Result<()> {
        self.answers.recv(&mut [0]).context("cannot receive an acknowledgement")?;
        self.under_way -= half;
        Ok(())
    }
}

impl Tx for UdpTx<'_> {
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        if let Some(half) = self.half {
            if self.under_way == 2 * half {
                self.hear(half)?;
            }
            self.under_way += 1;
        }
        let sent = self.data.send(payload.numbered(number)).context("cannot send a datagram")?;
        ensure!(sent == payload.len(), "a datagram of {} bytes was cut to {sent}", payload.len());
        Ok(())
    }

    /// Hears the acknowledgements that are still to come, or they would be taken for those of the next stream.
    fn finish(&mut self) {
        while let Some(half) = self.half
            && self.under_way >= half
            && self.hear(half).is_ok()
        {}
    }
}

impl Rx for UdpRx<'_> {
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        let len = self.data.recv(self.buffer).context("cannot receive a datagram")?;
        check.take(&self.buffer[..len])?;
        self.unanswered += 1;
        if Some(self.unanswered) == self.half {
            self.unanswered = 0;
            self.answers.send(&[0]).context("cannot acknowledge")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ends;
    use std::os::fd::IntoRawFd;

    #[test]
    fn nothing_is_lost_in_streams_of_any_length() {
        let Ok([[data, other_data], [answers, other_answers]]) = ends::udp() else { return };
        let [mut sender, mut receiver] = [[data, answers], [other_data, other_answers]]
            .map(|sockets| Udp::new(sockets.map(IntoRawFd::into_raw_fd)).unwrap());
        for (size, messages) in [(8, 5000), (16 << 10, 500), (65_504, 100), (8, 3), (1016, 1001)] {
            let ((mut tx, _), (_, mut rx)) = (sender.halves(size, true), receiver.halves(size, true));
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    let mut payload = Payload::new(size);
                    (0..messages).try_for_each(|number| tx.send(&mut payload, number)).unwrap();
                    tx.finish();
                    assert!(tx.half.is_some_and(|half| tx.under_way < half));
                });
                let mut check = Check::new(size, 0);
                (0..messages).try_for_each(|_| rx.recv(&mut check)).unwrap();
            });
        }
    }

    #[test]
    fn the_window_fits_the_room() {
        for (room, size, half) in
            [(425_984, 8, 51), (425_984, 16 << 10, 3), (8 << 20, 8, 128), (4096, 65_504, 1)]
        {
            assert_eq!(half_window(room, size), half, "{size} bytes in {room}");
        }
    }
}
