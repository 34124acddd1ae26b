//! Whatever stands where records should.

use super::input::Input;
use super::spsc::{Ring, SIZES};
use crate::frame;
use crate::layout::spsc::Control;
use crate::ring::record;

/// Which ring, the words of its control lines, and then its records.
pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let size = SIZES[input.below(SIZES.len() as u64) as usize];
    let align = [8, 8, 16, 64][input.below(4) as usize];
    let durable = input.byte() & 1 != 0;
    let Some(ring) = Ring::new(size, align, durable) else { return };
    let lines = core::mem::size_of::<Control>() as u64;
    let site = ring.sizes.site();
    for line in (0..lines).step_by(128) {
        ring.memory.write(site.control_at + line, input.take(48));
    }
    ring.memory.write(site.records_at & !7, input.rest());
    for word in input.rest().chunks_exact(8) {
        let _ = frame::parse(u64::from_le_bytes(word.try_into().expect("eight bytes")));
    }
    look(&ring);
    if let Ok(mut consumer) = ring.consumer() {
        // As many as the ring holds headers, for it releases nothing.
        for _ in 0..size / 8 {
            match consumer.find_ready().map_or_else(|| consumer.find(), |found| Ok(Some(found))) {
                Ok(Some(found)) => assert!(ring.memory.holds(consumer.hand_out(&found))),
                Ok(None) | Err(_) => break,
            }
        }
        if durable {
            consumer.release_sealed();
        } else {
            consumer.release();
        }
        let _ = (consumer.backlog(), consumer.is_drained());
    }
    if let Ok(mut producer) = ring.producer() {
        let _ = (
            producer.used(),
            producer.is_drained(),
            producer.fits_by_head(40),
            producer.fits_by_position(40),
        );
        if durable {
            let _ = producer.send_sealed(1, &[7; 24]);
        } else {
            let _ = producer.send(1, &[7; 24], record::Look::Position);
        }
    }
    look(&ring);
}

/// What one sees who only looks, and what a recovery makes of it.
fn look(ring: &Ring) {
    let (window, control) = (ring.window(), ring.control());
    let _ = (record::backlog(&window, &control, ring.sizes), record::is_drained(&window, &control));
    record::backlog_written_down(&control, ring.sizes);
    if ring.sizes.durable
        && let Ok(Some(findings)) = record::examine(&window, &control, ring.sizes, true)
    {
        findings.truncate(&window, &control, ring.sizes);
        findings.note(&control);
    }
}
