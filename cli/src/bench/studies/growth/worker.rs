//! One side of traffic over many rings.

use std::fs;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::fstat;
use ringway::spsc::{self, Consumer, Producer};
use ringway::{Role, Wait, handover};

use super::{Footprint, Job, Outcome, SIZE, SMALL, Setup, kilobytes};
use crate::bench::control::{self, Side};
use crate::bench::payload::{Check, Payload};
use crate::bench::role::{Reading, now};
use crate::bench::seat;
use crate::bench::shared::{Shared, adopt};
use crate::bench::studies::crew::{Orders, Work, obey};
use crate::bench::studies::ground::{self, Meeting, Prober};

/// A side, until its orders end.
pub fn serve(setup: &Setup, orders: Orders) -> Result<()> {
    seat::take(setup.core, false)?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the limit of open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot raise the limit of open files")?;
    let ground = ground::open(setup.ground)?;
    let mut worker = Worker::new(setup, &ground);
    // What a process takes once, whatever comes: that is no ring's.
    worker.rings(1, SMALL)?;
    worker.forget();
    obey(&mut worker, orders)
}

/// One side.
struct Worker<'a> {
    /// Over which rings are handed.
    socket: UnixStream,
    /// Its ends, by turn.
    ends: Ends,
    /// Where both sides start.
    meeting: Meeting<'a>,
    /// The probe.
    prober: Prober<'a>,
}

/// The ends of a side, those that were made together together.
enum Ends {
    /// Those of the sender.
    Sender(Vec<Vec<Producer>>),
    /// Those of the receiver.
    Receiver(Vec<Vec<Consumer>>),
}

impl<'a> Worker<'a> {
    /// Has no ring yet.
    fn new(setup: &Setup, ground: &'a Shared) -> Self {
        Self {
            socket: adopt(setup.socket),
            ends: match setup.side {
                Side::Sender => Ends::Sender(Vec::new()),
                Side::Receiver => Ends::Receiver(Vec::new()),
            },
            meeting: Meeting::new(ground, setup.side as usize, 2),
            prober: Prober::new(ground, setup.side),
        }
    }

    /// Makes rings and hands them over, or takes them.
    fn rings(&mut self, count: usize, bytes: usize) -> Result<Footprint> {
        let options = spsc::options().size(bytes).wait(Wait::Spin);
        let (before, mut took) = (anonymous()?, 0);
        let (segment, capacity) = match &mut self.ends {
            Ends::Sender(turns) => {
                let mut made = Vec::with_capacity(count);
                for _ in 0..count {
                    let began = now()?;
                    let producer = options.lone_producer().context("cannot make a ring")?;
                    took += now()? - began;
                    handover::give(&self.socket, &producer, Role::Consumer)
                        .context("cannot hand over a ring")?;
                    made.push(producer);
                }
                let first = made.first().context("no ring")?;
                let blocks = fstat(first.descriptor()?).context("cannot look at a ring")?.st_blocks;
                let found = (blocks as u64 * 512, first.capacity() as u64);
                turns.push(made);
                found
            }
            Ends::Receiver(turns) => {
                let mut taken = Vec::with_capacity(count);
                for _ in 0..count {
                    let handed = handover::take(&self.socket).context("cannot take a ring")?;
                    let began = now()?;
                    taken.push(handed.consumer(&options).context("cannot attach a consumer")?);
                    took += now()? - began;
                }
                let capacity = taken.first().context("no ring")?.capacity() as u64;
                turns.push(taken);
                (0, capacity)
            }
        };
        let private = anonymous()?.saturating_sub(before) / count as u64;
        Ok(Footprint { took: took / count as u64, segment, private, capacity })
    }

    /// Closes all rings.
    fn forget(&mut self) {
        match &mut self.ends {
            Ends::Sender(turns) => turns.clear(),
            Ends::Receiver(turns) => turns.clear(),
        }
    }

    /// Moves messages through the rings of one turn.
    fn traffic(&mut self, turn: usize, first: u64, count: u64) -> Result<control::Outcome> {
        match &mut self.ends {
            Ends::Sender(turns) => {
                let rings = turns.get_mut(turn).context("no such rings")?;
                let mut payload = Payload::new(SIZE);
                self.meeting.wait()?;
                let reading = Reading::begin()?;
                in_turn(rings, first, count, |ring, number| Ok(ring.send(payload.numbered(number))?))?;
                reading.end()
            }
            Ends::Receiver(turns) => {
                let rings = turns.get_mut(turn).context("no such rings")?;
                let mut check = Check::new(SIZE, first);
                self.meeting.wait()?;
                let reading = Reading::begin()?;
                in_turn(rings, first, count, |ring, _| check.take(&ring.recv()?))?;
                let outcome = reading.end()?;
                ensure!(check.next() == first + count, "messages are missing");
                Ok(outcome)
            }
        }
    }
}

/// Does something with each ring in turn, for `count` numbers from `first` on.
#[inline(always)]
fn in_turn<E>(
    rings: &mut [E],
    first: u64,
    count: u64,
    mut each: impl FnMut(&mut E, u64) -> Result<()>,
) -> Result<()> {
    let mut number = first;
    loop {
        for ring in rings.iter_mut() {
            if number == first + count {
                return Ok(());
            }
            each(ring, number)?;
            number += 1;
        }
    }
}

impl Work for Worker<'_> {
    type Job = Job;
    type Outcome = Outcome;

    fn probe(&mut self) -> Result<f64> {
        self.meeting.wait()?;
        Ok(self.prober.probe())
    }

    fn run(&mut self, job: Job) -> Result<Outcome> {
        match job {
            Job::Rings(count, bytes) => self.rings(count, bytes).map(Outcome::Rings),
            Job::Traffic(turn, first, count) => self.traffic(turn, first, count).map(Outcome::Traffic),
        }
    }
}

/// Bytes of anonymous memory that this process has.
pub fn anonymous() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").context("cannot read the memory's map")?;
    kilobytes(&text, "Anonymous").context("the memory's map does not say what is anonymous")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ring_has_its_turn() {
        let mut rings = [Vec::new(), Vec::new(), Vec::new()];
        in_turn(&mut rings, 5, 7, |ring, number| {
            ring.push(number);
            Ok(())
        })
        .unwrap();
        assert_eq!(rings, [vec![5, 8, 11], vec![6, 9], vec![7, 10]]);
    }
}
