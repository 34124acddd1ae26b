//! `vmsplice`: the pages of a message go into a pipe of 1 MiB as they are, and only the reader copies.
//!
//! The pipe refers to the sender's pages until they are read, so they must not be written before. Messages are written in
//! turn into a pool that is larger than the pipe: when a page's turn comes again, as many pages as the pipe holds have been
//! put in after it, so it is out. As in the ring that is filled in place, each byte of a message is written once, straight to
//! where the reader takes it from. Gifts (`SPLICE_F_GIFT`) would change nothing: the reader copies, it does not keep the pages.

use std::fs::File;
use std::io::IoSlice;
use std::os::fd::RawFd;

use anyhow::{Context, Result};
use memmap2::{Advice, MmapMut};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SpliceFFlags, fcntl, vmsplice};

use super::kernel::StreamRx;
use super::payload::Payload;
use super::shared::adopt;
use super::traffic::Tx;

/// Bytes of a page.
const PAGE: usize = 4096;

/// Bytes of the smallest message that is worth pages of its own: one page less a header of the program's.
pub const LEAST: usize = PAGE - 8;

/// The splicing end of a pipe.
#[derive(Debug)]
pub struct SpliceTx {
    /// The pipe.
    pipe: File,
    /// Bytes of the pages that the pipe holds at most.
    holds: usize,
    /// Pages for messages, if any were sent yet.
    pool: Option<MmapMut>,
    /// Where in the pool the next message goes.
    next: usize,
}

/// The ends of a pipe to splice into and of one to read from.
pub fn ends([write, read]: [RawFd; 2]) -> Result<(SpliceTx, StreamRx)> {
    Ok((SpliceTx::new(write)?, StreamRx::new(read)))
}

impl SpliceTx {
    /// The end of an inherited pipe.
    fn new(fd: RawFd) -> Result<Self> {
        let pipe: File = adopt(fd);
        let holds = fcntl(&pipe, FcntlArg::F_GETPIPE_SZ).context("cannot read a pipe's capacity")? as usize;
        Ok(Self { pipe, holds, pool: None, next: 0 })
    }

    /// Where in the pool the next message of `size` bytes goes.
    fn place(&mut self, size: usize) -> Result<usize> {
        let whole = size.next_multiple_of(PAGE);
        // A lap skips less than a message at its end, and the message itself does not count: the rest fills the pipe.
        let least = self.holds + 2 * whole;
        if self.pool.as_ref().is_none_or(|pool| pool.len() < least) {
            self.pool = Some(pool(least)?);
            self.next = 0;
        }
        if self.pool.as_ref().is_some_and(|pool| self.next + whole > pool.len()) {
            self.next = 0;
        }
        let start = self.next;
        self.next += whole;
        Ok(start)
    }
}

/// So many bytes of pages, huge ones if the system has them: those are found faster.
fn pool(bytes: usize) -> Result<MmapMut> {
    let mut pool = MmapMut::map_anon(bytes).context("no memory for pages")?;
    // Refused where the kernel has no huge pages.
    let _ = pool.advise(Advice::HugePage);
    pool.chunks_mut(PAGE).for_each(|page| page[0] = 0);
    Ok(pool)
}

impl Tx for SpliceTx {
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        let start = self.place(payload.len())?;
        let pool = self.pool.as_mut().context("no pages")?;
        let message = &mut pool[start..start + payload.len()];
        payload.write_to(message, number);
        let mut rest: &[u8] = message;
        while !rest.is_empty() {
            match vmsplice(&self.pipe, &[IoSlice::new(rest)], SpliceFFlags::empty()) {
                Ok(spliced) => rest = &rest[spliced..],
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error).context("cannot splice pages into a pipe"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::payload::Check;
    use crate::bench::traffic::Rx;
    use nix::unistd::pipe;
    use std::os::fd::IntoRawFd;

    #[test]
    fn no_page_is_written_before_it_was_read() {
        let (read, write) = pipe().unwrap();
        let (mut tx, mut rx) = ends([write, read].map(IntoRawFd::into_raw_fd)).unwrap();
        for size in [LEAST, 64 << 10, 5000, 1 << 20, LEAST] {
            let messages = 3 * (tx.holds / size) as u64 + 20;
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut payload = Payload::new(size);
                    (0..messages).try_for_each(|number| tx.send(&mut payload, number)).unwrap();
                });
                let mut check = Check::new(size, 0);
                (0..messages).try_for_each(|_| rx.recv(&mut check)).unwrap();
            });
        }
    }

    #[test]
    fn pages_come_again_after_more_than_the_pipe_holds() {
        let (_read, write) = pipe().unwrap();
        let mut tx = SpliceTx::new(write.into_raw_fd()).unwrap();
        for size in [LEAST, 3 * PAGE, 1 << 20] {
            let whole = size.next_multiple_of(PAGE);
            let mut since: Vec<(usize, usize)> = Vec::new();
            for _ in 0..1000 {
                let start = tx.place(size).unwrap();
                for (_, bytes) in &mut since {
                    *bytes += whole;
                }
                let overlaps = |other: usize| other < start + whole && start < other + whole;
                // What was put in after it, this message not yet.
                assert!(since.iter().all(|(other, after)| !overlaps(*other) || after - whole >= tx.holds));
                since.retain(|(_, after)| *after <= 2 * tx.holds + 4 * whole);
                since.retain(|(other, _)| !overlaps(*other));
                since.push((start, 0));
            }
        }
    }
}
