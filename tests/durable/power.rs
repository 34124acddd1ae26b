//! Losses of power at random moments, and what is found afterwards.

use std::collections::VecDeque;
use std::fs::{self, Permissions};
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ringway::spsc::{Consumer, Options, Producer, options};

use crate::common::pattern;
use crate::disk::{Disk, Random};
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
    /// How many were sent, and released, at the last sync that is known of.
    sent_at_sync: usize,
    released_at_sync: usize,
}

impl Use {
    fn begin(path: &Path) -> Use {
        let tx = durable().producer(address(path)).expect("a producer");
        let rx = durable().consumer(address(path)).expect("a consumer");
        let disk = Disk::new(path);
        Use { tx, rx, disk, sent: Vec::new(), released: 0, sent_at_sync: 0, released_at_sync: 0 }
    }

    fn step(&mut self, path: &Path, random: &mut Random) {
        let before = (self.sent.len(), self.released);
        match random.below(8) {
            0..=2 => self.send(random),
            3 => self.send_batch(random),
            4..=5 => self.receive(),
            6 => self.drain(),
            _ => return self.sync(path),
        }
        if self.disk.look(path) {
            (self.sent_at_sync, self.released_at_sync) = before;
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

    fn send_batch(&mut self, random: &mut Random) {
        let mut batch = self.tx.batch().expect("a batch");
        let mut pushed = Vec::new();
        for _ in 0..4 {
            let message = payload((self.sent.len() + pushed.len()) as u64, random);
            if batch.push(&message).is_ok() {
                pushed.push(message);
            }
        }
        batch.commit().expect("committed");
        self.sent.extend(pushed);
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

    fn sync(&mut self, path: &Path) {
        self.tx.sync().expect("synced");
        self.disk.sync(path);
        (self.sent_at_sync, self.released_at_sync) = (self.sent.len(), self.released);
    }

    /// Loses power, and looks at what is left.
    fn crash(&self, left: &Path, random: &mut Random) {
        let count_is_newest = self.disk.lose_power(left, random);
        fs::set_permissions(left, Permissions::from_mode(0o600)).expect("its mode");
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
        assert!(recovery.dropped <= lost(*end.start()), "{} told, {end:?}", recovery.dropped);
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

#[test]
fn what_was_synced_survives_and_what_was_not_is_counted() {
    let place = Place::new();
    for seed in 0..150 {
        let random = &mut Random::new(seed);
        let (path, left) = (place.path("ring"), place.path("left"));
        let mut ring = Use::begin(&path);
        for _ in 0..1 + random.below(OPERATIONS) {
            ring.step(&path, random);
        }
        for _ in 0..4 {
            ring.crash(&left, random);
        }
        drop(ring);
        let _ = fs::remove_file(&path);
    }
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
    for number in 0..3_u8 {
        tx.send(&[number; LEN]).expect("sent");
    }
    let mut first_is_lost = fs::read(&path).expect("the ring");
    first_is_lost[8192..8192 + 512].fill(0);
    drop(tx);
    lose_power(&path, &first_is_lost);

    let mut tx = durable().producer(address(&path)).expect("a producer");
    let recovery = tx.recovery().expect("recovered");
    assert_eq!((recovery.kept, recovery.dropped), (0, 3));
    let mut only_this_is_written = fs::read(&path).expect("the ring");
    tx.send(&[7; LEN]).expect("a message of the same size, in the same place");
    let all_is_written = fs::read(&path).expect("the ring");
    only_this_is_written[8192..8192 + 1024].copy_from_slice(&all_is_written[8192..8192 + 1024]);
    drop(tx);
    lose_power(&path, &only_this_is_written);

    let mut rx = durable().consumer(address(&path)).expect("a consumer");
    assert_eq!(rx.recovery().expect("recovered").kept, 1);
    assert_eq!(rx.recv().expect("received")[..], [7; LEN]);
    assert!(rx.try_recv().is_err(), "what was dropped came back");
}

/// Leaves `left` of the ring.
fn lose_power(path: &Path, left: &[u8]) {
    fs::remove_file(path).expect("not drained, so it is there");
    fs::write(path, left).expect("a file");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("its mode");
    crate::disk::reboot(path);
}
