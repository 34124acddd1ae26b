//! What memory may host a ring.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use ringway::OpenError;

use crate::common::host::Host;

/// Page-aligned memory of this process's own, filled with `fill`.
fn own_memory(len: usize, fill: u8) -> NonNull<u8> {
    let words: &'static mut [Page] =
        Box::leak(vec![Page([fill; 4096]); len.div_ceil(4096)].into_boxed_slice());
    NonNull::from(words).cast()
}

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);

#[test]
fn memory_that_is_too_small_or_misaligned_is_refused() {
    let options = ringway::spsc::options().size(4096).create_new(true);
    let len = options.hosted_len().expect("possible options");
    let memory = own_memory(2 * len, 0);
    for (skip, len) in [(0, 0), (0, 64), (0, 4096), (0, len - 1), (1, len), (8, len), (64, len)] {
        // SAFETY: `skip` is within the memory.
        let memory = unsafe { memory.add(skip) };
        // SAFETY: the memory is never freed, and used for nothing else.
        let error = unsafe { options.producer_in(memory, len, None) }.expect_err("unfit memory");
        assert!(matches!(error, OpenError::Memory { .. }), "{skip} {len}: {error}");
        // SAFETY: as above.
        let error = unsafe { options.consumer_in(memory, len, None) }.expect_err("unfit memory");
        assert!(error.to_string().contains("memory given to host"), "{error}");
    }
}

#[test]
fn memory_must_be_aligned_for_the_payloads() {
    let options = ringway::spsc::options().size(16384).payload_align(4096).create_new(true);
    let len = options.hosted_len().expect("possible options");
    // SAFETY: 128 bytes are within the memory.
    let memory = unsafe { own_memory(len + 4096, 0).add(128) };
    // SAFETY: the memory is never freed, and used for nothing else.
    let error = unsafe { options.producer_in(memory, len, None) }.expect_err("misaligned payloads");
    assert!(matches!(error, OpenError::Memory { .. }), "{error}");
}

/// The memory may hold anything before it is formatted, an old ring for one.
#[test]
fn formatting_forgets_whatever_the_memory_held() {
    for fill in [0, 0xff, 0x5a] {
        let options = ringway::spsc::options().size(4096);
        let len = options.hosted_len().expect("possible options");
        let memory = own_memory(len, fill);
        for round in 0..3_u8 {
            let format = options.clone().create_new(true);
            // SAFETY: the memory is never freed, and used for nothing else.
            let tx = unsafe { format.producer_in(memory, len, None) };
            let mut tx = tx.unwrap_or_else(|error| panic!("format {fill:#x}, round {round}: {error}"));
            // SAFETY: as above.
            let mut rx = unsafe { options.consumer_in(memory, len, None) }.expect("a fresh ring");
            assert_eq!(rx.try_recv().map(drop), Err(ringway::RecvError::Empty));
            tx.send(&[round]).expect("room");
            assert_eq!(&rx.recv().expect("a message")[..], [round]);
            tx.send(b"left over").expect("room");
            // As if both had died: nobody says goodbye.
            std::mem::forget((tx, rx));
        }
    }
}

/// Whoever is refused has not changed anything.
#[test]
fn formatting_memory_in_use_is_refused_before_it_harms() {
    let options = ringway::spsc::options().size(4096);
    let host = Host::new(&options, true);
    let tx = host.producer(&options).expect("the first producer");
    host.format_again();
    let error = host.producer(&options.clone().size(1024)).expect_err("a second producer");
    assert!(matches!(error, OpenError::AlreadyAttached { .. }), "{error}");
    let rx = host.consumer(&options).expect("the ring is as it was");
    assert_eq!(rx.geometry().instance, tx.geometry().instance);
}

#[test]
fn memory_without_a_ring_is_not_opened() {
    let options = ringway::spsc::options().size(4096);
    let len = options.hosted_len().expect("possible options");
    let memory = own_memory(len, 0);
    // SAFETY: the memory is never freed, and used for nothing else.
    let error = unsafe { options.consumer_in(memory, len, None) }.expect_err("no ring");
    assert!(matches!(error, OpenError::Unformatted { .. }), "{error}");
}
