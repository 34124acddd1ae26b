//! Contents that no participant ever wrote: no panic, no call without an end.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ringway::inspect::inspect;
use ringway::spsc::{Consumer, Producer, options};

use crate::disk::{POSITION, RECORDS, Random, SYNCED, TAIL, leave, lose_power};
use crate::fdatasync::simulated;
use crate::{Place, address, first_bytes};

const SIZE: usize = 1 << 15;

/// Words at the edges of what is checked: positions, and headers of each kind.
const WORST: [u64; 13] = [
    u64::MAX,
    u64::MAX - 7,
    u64::MAX - 4095,
    1 << 63,
    (1 << 63) - 4096,
    0,
    8,
    4096,
    2 << 48,
    3 << 48,
    2 << 48 | 0xffff_ffff,
    3 << 48 | 0xffff_ffff,
    3 << 48 | 16368,
];

/// A ring with something in it, and its last users gone.
fn sound(path: &Path, align: usize) -> Vec<u8> {
    let ring = options().size(SIZE).payload_align(align).durable(true);
    let mut tx = ring.producer(address(path)).expect("a producer");
    let mut rx = ring.consumer(address(path)).expect("a consumer");
    for number in 0..40 {
        if tx.try_send(&vec![number as u8; number * 13 % 3000]).is_err() {
            drop(rx.try_recv().expect("received"));
        }
    }
    let image = fs::read(path).expect("the ring");
    while rx.try_recv().is_ok() {}
    image
}

/// Overwrites a few words of the control lines and of the headers.
fn damage(image: &mut [u8], align: usize, random: &mut Random) {
    for _ in 0..1 + random.below(6) {
        let any = (0..4).fold(0, |any, _| any << 16 | random.below(1 << 16) as u64);
        let value = if random.below(2) == 0 { WORST[random.below(WORST.len())] } else { any };
        let at = match random.below(3) {
            0 => TAIL + 8 * random.below(4),
            1 => [POSITION - 128, POSITION, POSITION + 8, POSITION + 16, SYNCED][random.below(5)],
            _ => RECORDS + align - 8 + align * random.below(SIZE / align),
        };
        image[at..at + 8].copy_from_slice(&value.to_ne_bytes());
    }
}

/// Whatever the verbs return: they return.
fn use_producer(tx: &mut Producer) {
    let _ = tx.try_send(&[5; 300]);
    let _ = tx.used();
    let _ = tx.try_claim(5).map(|claim| claim.commit());
    if let Ok(mut batch) = tx.batch() {
        let _ = batch.push(&[6; 800]);
        let _ = batch.push(&[6; 800]);
        let _ = batch.commit();
    }
    let _ = tx.send_timeout(&[1; 900], Duration::from_micros(10));
}

fn use_consumer(rx: &mut Consumer) {
    let _ = rx.try_recv().map(drop);
    let _ = rx.used();
    if let Ok(mut drain) = rx.drain() {
        while let Some(Ok(message)) = drain.next() {
            drop(message);
        }
    }
}

fn use_damaged(path: &Path, random: &mut Random) {
    let _ = inspect(address(path));
    let first = if random.below(2) == 0 { options().consumer(address(path)).ok() } else { None };
    let mut tx = options().producer(address(path)).ok();
    let mut rx = first.or_else(|| options().consumer(address(path)).ok());
    for _ in 0..30 {
        tx.iter_mut().for_each(use_producer);
        rx.iter_mut().for_each(use_consumer);
    }
    let _ = tx.map(|mut tx| tx.sync());
}

#[test]
fn damaged_words_end_in_an_error_or_a_recovery() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    for align in [8, 64, 4096] {
        let image = sound(&path, align);
        for seed in 0..150 {
            let random = &mut Random::new(seed);
            let mut image = image.clone();
            damage(&mut image, align, random);
            let end = if random.below(2) == 0 { leave } else { lose_power };
            end(&left, &image);
            simulated(|| use_damaged(&left, random));
        }
        let _ = fs::remove_file(&path);
    }
}

/// Each word is the header of a record that is as long as can be: to compute all those checksums would take days.
#[test]
fn a_ring_full_of_headers_is_recovered_with_bounded_effort() {
    const LARGE: usize = 1 << 23;
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let _tx = options().size(LARGE).durable(true).producer(address(&path)).expect("a producer");
    let mut image = fs::read(&path).expect("the ring");
    let header = 3 << 48 | (LARGE as u64 / 2 - 16);
    image[RECORDS..].chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&header.to_ne_bytes()));
    lose_power(&left, &image);
    let mut rx = options().durable(true).consumer(address(&left)).expect("a consumer");
    assert_eq!(rx.recovery().expect("recovered").kept, 0);
    assert_eq!(first_bytes(&mut rx), []);
}
