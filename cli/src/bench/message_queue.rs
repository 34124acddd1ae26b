//! POSIX message queues: one forth and one back, each as deep as a system allows unless told otherwise, whose names are
//! gone as soon as they are open. No mounted `/dev/mqueue` is needed; a kernel or a container may be without them all the same.

use std::os::fd::{IntoRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::stat::Mode;

use super::payload::{Check, Payload};
use super::shared::adopt;
use super::traffic::{Rx, Tx};

/// Messages that a queue holds: what a system allows unless told otherwise (/proc/sys/fs/mqueue/msg_max).
const DEPTH: usize = 10;

/// Bytes of the largest message: what a system allows unless told otherwise.
pub const LARGEST: usize = 8192;

/// A queue forth and one back, inheritable; nobody else's names begin with `prefix`.
pub fn pair(prefix: &str) -> Result<[OwnedFd; 2]> {
    Ok([
        queue(&format!("/{prefix}-forth"), DEPTH, LARGEST)?,
        queue(&format!("/{prefix}-back"), DEPTH, LARGEST)?,
    ])
}

/// A queue of `depth` messages of at most `largest` bytes, inheritable, whose name is free again.
pub fn queue(name: &str, depth: usize, largest: usize) -> Result<OwnedFd> {
    let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL;
    let depth = MqAttr::new(0, depth as _, largest as _, 0);
    let queue = mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&depth))
        .context("cannot create a message queue")?;
    let queue: OwnedFd = adopt(queue.into_raw_fd());
    mq_unlink(name).context("cannot remove a message queue's name")?;
    fcntl(&queue, FcntlArg::F_SETFD(FdFlag::empty())).context("cannot pass on a message queue")?;
    Ok(queue)
}

/// The sending end of a queue.
#[derive(Debug)]
pub struct QueueTx(MqdT);

/// The receiving end of a queue.
#[derive(Debug)]
pub struct QueueRx {
    /// The end.
    queue: MqdT,
    /// Room for the largest message.
    buffer: Vec<u8>,
}

/// The ends of a queue to send to and of one to receive from.
pub fn ends([towards, back]: [RawFd; 2]) -> (QueueTx, QueueRx) {
    (QueueTx(adopt(towards)), QueueRx { queue: adopt(back), buffer: vec![0; LARGEST] })
}

impl Tx for QueueTx {
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        mq_send(&self.0, payload.numbered(number), 0).context("cannot send to a message queue")
    }
}

impl Rx for QueueRx {
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        let size = mq_receive(&self.queue, &mut self.buffer, &mut 0)
            .context("cannot receive from a message queue")?;
        check.take(&self.buffer[..size])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_there_and_back_where_there_are_queues() {
        let Ok([forth, back]) = pair(&format!("bench-{}-test", std::process::id())) else { return };
        let sender = [&forth, &back].map(|end| end.try_clone().unwrap().into_raw_fd());
        let receiver = [back, forth].map(IntoRawFd::into_raw_fd);
        let ((mut ask, mut answers), (mut answer, mut asked)) = (ends(sender), ends(receiver));
        for size in [8, LARGEST] {
            let mut payload = Payload::new(size);
            ask.send(&mut payload, 7).unwrap();
            asked.recv(&mut Check::new(size, 7)).unwrap();
            answer.send(&mut payload, 8).unwrap();
            answers.recv(&mut Check::new(size, 8)).unwrap();
        }
    }
}
