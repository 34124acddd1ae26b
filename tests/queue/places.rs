//! Places of participants: clones, as many as the ring was made for, taken again when they are free; and who comes
//! first does not matter.

use ringway::inspect::inspect;
use ringway::mpmc::{Peer, options};
use ringway::{OpenError, Role};

use crate::bed::on_every_backing;
use crate::common::names::Name;
use crate::{small, take, take_all};

#[track_caller]
fn no_place<T>(attempt: Result<T, OpenError>, expected: Role, count: u32) {
    let error = attempt.map(drop).expect_err("no place");
    let text = error.to_string();
    assert!(text.contains(&format!("{count} {expected}s already")), "{text}");
    assert!(
        matches!(error, OpenError::NoPlace { role, places, .. } if (role, places) == (expected, count)),
        "{error:?}"
    );
}

#[test]
fn a_ring_takes_as_many_as_it_was_made_for() {
    on_every_backing(&small().participants(3), |bed| {
        let mut producers = [(); 3].map(|()| bed.producer());
        let mut consumers = [(); 3].map(|()| bed.consumer());
        for _ in 0..3 {
            no_place(bed.try_producer(), Role::Producer, 3);
            no_place(bed.try_consumer(), Role::Consumer, 3);
            no_place(producers[0].try_clone(), Role::Producer, 3);
            no_place(consumers[2].try_clone(), Role::Consumer, 3);
        }
        for turn in 0..9_u8 {
            producers[usize::from(turn % 3)].send(&[turn]).expect("room");
            assert_eq!(take(&mut consumers[usize::from(turn) / 3]), [turn]);
        }
        let [one, other, _third] = producers;
        drop(other);
        let _fourth = one.try_clone().expect("a place that is free again");
        no_place(bed.try_producer(), Role::Producer, 3);
    });
}

/// Places are used again and again, whoever had them.
#[test]
fn places_are_free_again() {
    on_every_backing(&small().participants(2), |bed| {
        let mut rx = bed.consumer();
        for round in 0..20_u8 {
            let one = bed.producer();
            let mut other = one.try_clone().expect("a second place");
            other.send(&[round]).expect("room");
            drop(one);
            let mut third = other.try_clone().expect("the first place");
            third.send(&[round + 100]).expect("room");
            assert_eq!((take(&mut rx), take(&mut rx)), (vec![round], vec![round + 100]));
            drop(rx.try_clone().expect("a second place"));
        }
    });
}

#[test]
fn a_clone_is_a_participant_of_its_own() {
    on_every_backing(&small(), |bed| {
        let (mut tx, rx) = bed.ends();
        let mut clone = tx.try_clone().expect("a clone");
        let mut heir = rx.try_clone().expect("a clone");
        tx.send(b"one").expect("room");
        drop(tx);
        drop(rx);
        clone.send(b"other").expect("room");
        assert_eq!(clone.counters().messages, 1);
        assert_eq!(clone.geometry(), heir.geometry());
        assert_eq!(take_all(&mut heir).len(), 2);
        assert_eq!((clone.peer(), heir.peer()), (Peer::Attached, Peer::Attached));
        let report = inspect(bed.address()).expect("a report");
        let states: Vec<_> = report.participants.iter().map(|one| (one.role, one.id, one.state)).collect();
        let expected = [
            (Role::Producer, 0, Peer::Closed),
            (Role::Producer, 1, Peer::Attached),
            (Role::Consumer, 4, Peer::Closed),
            (Role::Consumer, 5, Peer::Attached),
        ];
        assert_eq!(states, expected);
    });
}

#[test]
fn a_pair_has_clones_too() {
    let (tx, rx) = small().pair().expect("a pair");
    let mut producers = [tx.try_clone().expect("a clone"), tx];
    let mut consumers = [rx.try_clone().expect("a clone"), rx];
    for turn in 0..20_u8 {
        producers[usize::from(turn % 2)].send(&[turn]).expect("room");
        assert_eq!(take(&mut consumers[usize::from(turn / 2 % 2)]), [turn]);
    }
}

#[test]
fn either_side_may_come_first() {
    for producer_first in [true, false] {
        on_every_backing(&small(), |bed| {
            let (mut tx, mut rx) = if producer_first {
                let mut tx = bed.producer();
                tx.send(b"before anybody came").expect("room");
                (tx, bed.consumer())
            } else {
                let mut rx = bed.consumer();
                assert!(rx.try_recv().is_err());
                (bed.producer(), rx)
            };
            tx.send(b"after").expect("room");
            assert_eq!(take_all(&mut rx).len(), 1 + usize::from(producer_first));
        });
    }
}

#[test]
fn many_can_be_there_at_once() {
    let name = Name::new("many");
    let ring = options().slots(64).slot_size(0).participants(511);
    let mut producers: Vec<_> = (0..60).map(|_| ring.producer(&*name).expect("a place")).collect();
    let mut consumers: Vec<_> = (0..60).map(|_| ring.consumer(&*name).expect("a place")).collect();
    for (turn, tx) in producers.iter_mut().enumerate() {
        tx.send(&turn.to_ne_bytes()).expect("room");
    }
    for (turn, rx) in consumers.iter_mut().enumerate() {
        assert_eq!(take(rx), turn.to_ne_bytes());
    }
    assert_eq!(inspect(&*name).expect("a report").participants.len(), 120);
}
