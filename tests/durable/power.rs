//! Losses of power at random moments, and what is found afterwards.

use std::collections::VecDeque;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use ringway::spsc::{Batch, Consumer, Options, Producer, options};

use crate::common::pattern;
use crate::disk::{Disk, POSITION, RECORDS, Random, SENT, lose_power, word};
use crate::fdatasync::{simulated, watched};
use crate::{Place, address};

/// Operations between two losses of power, at most.
const OPERATIONS: usize = 60;

fn durable() -> Options {
    options().size(1 << 13).durable(true)
}

/// The payload of message `number`: any length, all bytes depending on it.
fn payload(number: u64, random: &mut Random) -> Vec<u8> {
    let len = [random.below(24), random.below(200), random.below(2000)][random.below(3)];
    let mut payload = number.to_le_bytes().to_vec();
    payload.extend(pattern(number, len));
    payload
}

/// A ring in use, and what was done to it.
struct Use {
    tx: Producer,
    rx: Consumer,
    disk: Disk,
    /// Every message that was sent, from the first on.
    sent: Vec<Vec<u8>>,
    released: usize,
    /// How many were sent, and released, at the last sync.
    sent_at_sync: usize,
    released_at_sync: usize,
    /// For each message that was pushed to a batch and dropped with it: how many had been sent.
    aborted_behind: Vec<usize>,
    /// How the ends sync.
    options: [Options; 2],
}

impl Use {
    fn begin(path: &Path, random: &mut Random) -> Use {
        let options = [(); 2].map(|()| durable().sync_every([0, 0, 1, 5][random.below(4)]));
        Use {
            tx: options[0].producer(address(path)).expect("a producer"),
            rx: options[1].consumer(address(path)).expect("a consumer"),
            disk: Disk::new(path),
            sent: Vec::new(),
            released: 0,
            sent_at_sync: 0,
            released_at_sync: 0,
            aborted_behind: Vec::new(),
            options,
        }
    }

    fn step(&mut self, path: &Path, random: &mut Random) {
        let before = (self.sent.len(), self.released);
        let ((), written) = watched(|| self.operate(path, random));
        let is_noted = |written: &[u8], at, now, before| {
            let newest = fs::read(path).expect("the ring");
            if word(written, at) as u32 == word(&newest, at) as u32 { now } else { before }
        };
        if let Some(written) = &written {
            self.sent_at_sync = is_noted(written, SENT, self.sent.len(), before.0);
            self.released_at_sync = is_noted(written, POSITION, self.released, before.1);
        }
        self.disk.look(path, written);
    }

    fn operate(&mut self, path: &Path, random: &mut Random) {
        match random.below(16) {
            0..=4 => self.send(random),
            5 => self.send_batch(random),
            6 => self.drop_batch(random),
            7 => self.drop_claim(random),
            8..=10 => self.receive(),
            11..=12 => self.drain(),
            13 => self.tx.sync().expect("synced"),
            14 => self.rx.sync().expect("synced"),
            _ => self.die(path, random),
        }
    }

    fn send(&mut self, random: &mut Random) {
        let message = payload(self.sent.len() as u64, random);
        if random.below(2) == 0 {
            if self.tx.try_send(&message).is_ok() {
                self.sent.push(message);
            }
        } else if let Ok(mut claim) = self.tx.try_claim(message.len() + 16) {
            claim[..message.len()].copy_from_slice(&message);
            claim.truncate(message.len());
            claim.commit().expect("committed");
            self.sent.push(message);
        }
    }

    /// Pushes a few messages to `batch`; those that fitted.
    fn fill(batch: &mut Batch<'_>, sent: usize, random: &mut Random) -> Vec<Vec<u8>> {
        let mut pushed = Vec::new();
        for _ in 0..4 {
            let message = payload((sent + pushed.len()) as u64, random);
            if batch.push(&message).is_ok() {
                pushed.push(message);
            }
        }
        pushed
    }

    fn send_batch(&mut self, random: &mut Random) {
        let mut batch = self.tx.batch().expect("a batch");
        let pushed = Use::fill(&mut batch, self.sent.len(), random);
        batch.commit().expect("committed");
        self.sent.extend(pushed);
    }

    fn drop_batch(&mut self, random: &mut Random) {
        let mut batch = self.tx.batch().expect("a batch");
        let pushed = Use::fill(&mut batch, self.sent.len(), random);
        drop(batch);
        self.aborted_behind.extend(pushed.iter().map(|_| self.sent.len()));
    }

    fn drop_claim(&mut self, random: &mut Random) {
        if let Ok(mut claim) = self.tx.try_claim(random.below(2000)) {
            claim.fill(0xcc);
        }
    }

    /// Both ends die, the producer while it fills a batch; others go on, with what the kernel has of the file.
    fn die(&mut self, path: &Path, random: &mut Random) {
        let left = path.with_extension("left");
        let mut batch = self.tx.batch().expect("a batch");
        let pushed = Use::fill(&mut batch, self.sent.len(), random);
        fs::copy(path, &left).expect("what is left");
        drop(batch);
        self.aborted_behind.extend(pushed.iter().map(|_| self.sent.len()));
        fs::rename(&left, path).expect("in the place of the first");
        // The first ends keep the first file, which has no name any more.
        self.tx = self.options[0].clone().create(false).producer(address(path)).expect("another producer");
        self.rx = self.options[1].clone().create(false).consumer(address(path)).expect("another consumer");
        assert_eq!((self.tx.recovery(), self.rx.recovery()), (None, None), "a death damages nothing");
    }

    fn receive(&mut self) {
        if let Ok(message) = self.rx.try_recv() {
            assert_eq!(message[..], self.sent[self.released][..]);
            drop(message);
            self.released += 1;
        }
    }

    fn drain(&mut self) {
        let mut drain = self.rx.drain().expect("a drain");
        while let Some(message) = drain.next() {
            assert_eq!(message.expect("a message")[..], self.sent[self.released][..]);
            self.released += 1;
        }
    }

    /// Loses power, and looks at what is left.
    fn crash(&self, left: &Path, random: &mut Random) {
        let count_is_newest = self.disk.lose_power(left, random);
        let mut rx = durable().create(false).consumer(address(left)).expect("the ring opens");
        let recovery = rx.recovery().expect("it says that it was recovered");
        let mut received = VecDeque::new();
        while let Ok(message) = rx.try_recv() {
            assert!(message.redelivered(), "it may have been received before");
            received.push_back(message.to_vec());
        }
        assert_eq!(received.len() as u64, recovery.kept);
        let end = self.check_received(&received);
        let lost = |end: usize| (self.sent.len() - end) as u64;
        // Of what was pushed to a batch and dropped there are traces, too.
        let aborted = |end: usize| self.aborted_behind.iter().filter(|sent| **sent >= end).count() as u64;
        let most = lost(*end.start()) + aborted(*end.start());
        assert!(recovery.dropped <= most, "{} told, {end:?}, {most} at most", recovery.dropped);
        if count_is_newest {
            assert!(recovery.dropped >= lost(*end.end()), "the count of those sent was on the disk");
        }
        go_on(left, rx);
    }

    /// What is received is whole, without a gap, and has everything that was synced. Returns up to which message all are
    /// received, before or now: if nothing is received now, it cannot be told how much was before.
    fn check_received(&self, received: &VecDeque<Vec<u8>>) -> RangeInclusive<usize> {
        let Some(first) = received.front() else {
            assert!(self.released >= self.sent_at_sync, "synced messages are lost");
            return self.released_at_sync.max(self.sent_at_sync)..=self.released;
        };
        let number = u64::from_le_bytes(first[..8].try_into().expect("eight bytes")) as usize;
        assert!((self.released_at_sync..=self.released).contains(&number), "begins at {number}");
        for (nth, message) in received.iter().enumerate() {
            assert_eq!(*message, self.sent[number + nth]);
        }
        let end = number + received.len();
        assert!(end >= self.sent_at_sync, "{end} of {} synced messages", self.sent_at_sync);
        end..=end
    }
}

/// The ring works as any other from then on.
fn go_on(path: &Path, mut rx: Consumer) {
    let mut tx = durable().create(false).producer(address(path)).expect("a producer");
    assert_eq!(tx.recovery(), None, "a consumer lives");
    for number in 0..100_u64 {
        let message = pattern(number, (number * 37 % 1500) as usize);
        tx.send(&message).expect("sent");
        let received = rx.recv().expect("received");
        assert_eq!(received[..], message[..]);
        assert!(!received.redelivered());
    }
    drop((tx, rx));
    assert!(!path.exists(), "the last one out of a drained ring unlinks");
}

/// How many sequences of operations are tried. The environment may ask for more.
fn seeds() -> u64 {
    let asked = std::env::var("RINGWAY_POWER_SEEDS").ok();
    asked.map_or(150, |seeds| seeds.parse().expect("a number of seeds"))
}

#[test]
fn what_was_synced_survives_and_what_was_not_is_counted() {
    let place = Place::new();
    for seed in 0..seeds() {
        simulated(|| use_and_lose_power(&place, &mut Random::new(seed)));
    }
}

fn use_and_lose_power(place: &Place, random: &mut Random) {
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut ring = Use::begin(&path, random);
    for _ in 0..1 + random.below(OPERATIONS) {
        ring.step(&path, random);
    }
    for _ in 0..4 {
        ring.crash(&left, random);
    }
    drop(ring);
    let _ = fs::remove_file(&path);
}

/// A message that was dropped lies, whole, where it would be found again once the gap before it is filled, and its
/// header's clearing is lost as well.
#[test]
fn what_was_dropped_does_not_come_back() {
    // With its header and seal such a message takes two sectors.
    const LEN: usize = 1024 - 16;
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = durable().producer(address(&path)).expect("a producer");
    let control = fs::read(&path).expect("the ring")[4096..RECORDS].to_vec();
    for number in 0..3_u8 {
        tx.send(&[number; LEN]).expect("sent");
    }
    let mut first_is_lost = fs::read(&path).expect("the ring");
    // Nor is there a trace of the numbers that were given.
    first_is_lost[4096..RECORDS].copy_from_slice(&control);
    first_is_lost[RECORDS..RECORDS + 512].fill(0);
    drop(tx);
    lose_power(&path, &first_is_lost);

    let mut tx = durable().producer(address(&path)).expect("a producer");
    let recovery = tx.recovery().expect("recovered");
    assert_eq!((recovery.kept, recovery.dropped), (0, 3));
    let mut only_this_is_written = fs::read(&path).expect("the ring");
    tx.send(&[7; LEN]).expect("a message of the same size, in the same place");
    let all_is_written = fs::read(&path).expect("the ring");
    only_this_is_written[RECORDS..RECORDS + 1024].copy_from_slice(&all_is_written[RECORDS..RECORDS + 1024]);
    drop(tx);
    lose_power(&path, &only_this_is_written);

    let mut rx = durable().consumer(address(&path)).expect("a consumer");
    assert_eq!(rx.recovery().expect("recovered").kept, 1);
    assert_eq!(rx.recv().expect("received")[..], [7; LEN]);
    assert!(rx.try_recv().is_err(), "what was dropped came back");
}
