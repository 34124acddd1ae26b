//! A team of workers as the coordinator sees it: its hosts, and the queues made for it.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};

use crate::control::{Answer, Job, Order, Outcome, Part, Prepared, Report, Seat, Setup};
use crate::ends::{Locals, ring_options};
use crate::hosts::Hosts;
use crate::plan::{Crowd, Place};
use crate::run::Agenda;
use crate::stage;

/// A running team. Dropping it ends its processes and removes its rings.
pub struct Team {
    /// Who they are.
    pub crowd: Crowd,
    /// Where they are.
    pub place: Place,
    /// The processes.
    hosts: Hosts,
    /// The queues made for them, with the files that they inherit.
    sizes: Vec<(Prepared, File)>,
    /// Number of the last job.
    last_job: u64,
}

/// The seats of a team on two cores: the first producer and the first consumer sit apart.
fn seats(crowd: Crowd, cores: [usize; 2]) -> Vec<Seat> {
    if crowd == Crowd::ALONE {
        return vec![Seat { worker: 0, part: Part::Both, core: cores[0] }];
    }
    let producers = (0..crowd.producers).map(|name| (Part::Producer(name), cores[name % 2]));
    let consumers = (0..crowd.consumers).map(|name| (Part::Consumer(name), cores[(name + 1) % 2]));
    let parts = producers.chain(consumers).enumerate();
    parts.map(|(worker, (part, core))| Seat { worker, part, core }).collect()
}

impl Team {
    /// Starts a team of `agenda`.
    pub fn start(crowd: Crowd, place: Place, agenda: &Agenda) -> Result<Self> {
        let Agenda { sizes, cores, pauses, .. } = agenda;
        let mut team = Self { crowd, place, hosts: Hosts::new(), sizes: Vec::new(), last_job: 0 };
        for &size in sizes {
            team.prepare(size)?;
        }
        let stage = stage::create(sizes)?;
        let seats = seats(crowd, *cores);
        let per_host = if place == Place::Threads { seats.len() } else { 1 };
        for seats in seats.chunks(per_host) {
            team.hosts.spawn("host")?;
            let sizes = team.sizes.iter().map(|(prepared, _)| prepared.clone()).collect();
            let stage = stage.as_raw_fd();
            let setup = Setup { seats: seats.to_vec(), crowd, place, pauses: *pauses, stage, sizes };
            team.hosts.tell(team.hosts.len() - 1, &Order::Setup(setup))?;
        }
        team.hear(seats.len())?;
        team.unlink_rings();
        Ok(team)
    }

    /// Makes the queues for messages of `size` bytes that are to be found by name or number.
    fn prepare(&mut self, size: usize) -> Result<()> {
        static NAMES: AtomicU64 = AtomicU64::new(0);
        let shaq = Locals::new(size)?.shaq()?;
        let name = || format!("rivals-{}-{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed));
        let prepared = Prepared { size, ring: name(), fit: name(), shaq: shaq.as_raw_fd() };
        let [ring, fit] = ring_options(size);
        let names = [(ring, prepared.ring.clone()), (fit, prepared.fit.clone())];
        // Before the rings are made, so that they are removed whatever happens.
        self.sizes.push((prepared, shaq));
        for (options, name) in names {
            options.create_ring(&name).with_context(|| format!("cannot make the ring {name}"))?;
        }
        Ok(())
    }

    /// Removes the names of the rings: once everybody is attached nothing can be left behind.
    fn unlink_rings(&self) {
        for (prepared, _) in &self.sizes {
            for name in [&prepared.ring, &prepared.fit] {
                // Fails for those that are gone already.
                let _ = ringway::inspect::remove(name, true);
            }
        }
    }

    /// Measures the distance between the cores, nanoseconds per round trip; 0 for a lone worker.
    pub fn probe(&mut self) -> Result<f64> {
        if self.crowd == Crowd::ALONE {
            return Ok(0.0);
        }
        for host in 0..self.hosts.len() {
            // Only the first producer and the first consumer take part.
            if self.place == Place::Threads || host == 0 || host == self.crowd.producers {
                self.hosts.tell(host, &Order::Probe)?;
            }
        }
        let answers = self.hear(2)?;
        let results = answers
            .iter()
            .filter_map(|(_, answer)| if let Answer::Probed(ns) = answer { Some(*ns) } else { None });
        Ok(results.sum::<f64>() / 2.0)
    }

    /// Takes a sample: what each worker measured. The job's number is set here.
    pub fn run(&mut self, job: Job) -> Result<Vec<(Seat, Outcome)>> {
        self.last_job += 1;
        let job = Job { id: self.last_job, ..job };
        for host in 0..self.hosts.len() {
            self.hosts.tell(host, &Order::Run(job))?;
        }
        let workers = (self.crowd.producers + self.crowd.consumers).max(1);
        let answers = self.hear(workers)?;
        let seats = seats(self.crowd, [0, 1]);
        let outcome = |(worker, answer): (usize, Answer)| match answer {
            Answer::Done(outcome) => Ok((seats[worker], outcome)),
            other => bail!("expected a result, got {other:?}"),
        };
        answers.into_iter().map(outcome).collect()
    }

    /// So many answers, each with its worker.
    fn hear(&self, answers: usize) -> Result<Vec<(usize, Answer)>> {
        let heard = self.hosts.hear(answers)?.into_iter().map(|Report { worker, answer }| match answer {
            Answer::Failed(error) => bail!("worker {worker} failed: {error}"),
            answer => Ok((worker, answer)),
        });
        heard.collect()
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.unlink_rings();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cores_have_as_many_producers_and_consumers() {
        for pairs in [2, 4] {
            let seats = seats(Crowd { producers: pairs, consumers: pairs }, [3, 5]);
            for core in [3, 5] {
                let on_core = seats.iter().filter(|seat| seat.core == core);
                assert_eq!(on_core.filter(|seat| seat.part.sends()).count(), pairs / 2);
            }
        }
        let pair = seats(Crowd { producers: 1, consumers: 1 }, [3, 5]);
        assert_eq!([pair[0].core, pair[1].core], [3, 5]);
    }
}
