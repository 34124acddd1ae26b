//! Who may attach, and what stays: sides by their names, kinds, the end of a name, what is seen from outside.

use std::os::fd::AsRawFd;
use std::sync::Barrier;
use std::thread;

use ringway::duplex::{self, Endpoint, options};
use ringway::inspect::{self, Report};
use ringway::{Kind, OpenError, Peer, RecvError, Role, SendError, Side, mpmc, spsc};

use crate::bed::LONG;
use crate::common::image::patch;
use crate::common::names::Name;

fn endpoint(name: &Name) -> Endpoint {
    options().size(1 << 14).endpoint(&**name).expect("a side")
}

/// Sends a message each way.
fn exchange(here: &mut Endpoint, there: &mut Endpoint) {
    here.send(b"there").expect("room");
    there.send(b"back").expect("room");
    assert_eq!(&there.recv_timeout(LONG).expect("a message")[..], b"there");
    assert_eq!(&here.recv_timeout(LONG).expect("a message")[..], b"back");
}

#[test]
fn two_meet_at_a_name_and_a_third_is_told() {
    let name = Name::new("third");
    let mut first = endpoint(&name);
    assert_eq!((first.side(), first.peer()), (Side::First, Peer::Absent));
    let mut second = endpoint(&name);
    assert_eq!((second.side(), second.peer()), (Side::Second, Peer::Attached));
    assert_eq!(first.peer(), Peer::Attached);
    let error = duplex::endpoint(&*name).expect_err("there is no third");
    let me = std::process::id();
    assert!(matches!(error, OpenError::NoSide { pids, .. } if pids == [me, me]), "{error}");
    assert!(error.to_string().contains(&me.to_string()), "{error}");
    exchange(&mut first, &mut second);
    first.close();
    assert_eq!(second.peer(), Peer::Closed);
    assert_eq!(second.recv().map(drop), Err(RecvError::Closed));
    let mut third = endpoint(&name);
    assert_eq!(third.side(), Side::First, "the place is free");
    exchange(&mut third, &mut second);
    drop((second, third));
    assert!(!name.exists(), "the last one removes the name");
}

#[test]
fn a_side_that_is_asked_for_is_had_or_refused() {
    let name = Name::new("asked");
    let of = |side| options().side(side).endpoint(&*name);
    let mut second = of(Side::Second).expect("nobody is there");
    assert_eq!(second.side(), Side::Second);
    let error = of(Side::Second).expect_err("taken");
    let me = std::process::id();
    assert!(matches!(error, OpenError::SideTaken { side: Side::Second, pid, .. } if pid == me), "{error}");
    let mut first = endpoint(&name);
    assert_eq!(first.side(), Side::First);
    exchange(&mut first, &mut second);
}

#[test]
fn a_side_of_which_one_end_lives_is_taken() {
    let name = Name::new("halves");
    let (tx, rx) = endpoint(&name).split();
    let mut second = endpoint(&name);
    let is_taken = || matches!(duplex::endpoint(&*name), Err(OpenError::NoSide { .. }));
    drop(tx);
    assert!(is_taken());
    assert_eq!(second.peer(), Peer::Attached, "one end is there");
    assert_eq!(second.recv().map(drop), Err(RecvError::Closed), "and the other has said goodbye");
    drop(rx);
    let (tx, rx) = endpoint(&name).split();
    drop(rx);
    assert!(is_taken());
    drop(tx);
    exchange(&mut endpoint(&name), &mut second);
}

/// Nobody gets one direction without the other, and nobody who is refused leaves a trace.
#[test]
fn of_many_that_attach_at_once_two_win() {
    const RACERS: usize = 6;
    for round in 0..30 {
        let name = Name::new("race");
        let start = Barrier::new(RACERS);
        let ends: Vec<_> = thread::scope(|scope| {
            let race = || {
                start.wait();
                options().size(1 << 12).endpoint(&*name)
            };
            let racers: Vec<_> = (0..RACERS).map(|_| scope.spawn(race)).collect();
            racers.into_iter().map(|racer| racer.join().expect("no panic")).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = ends.into_iter().partition(Result::is_ok);
        assert!(
            lost.iter().all(|end| matches!(end, Err(OpenError::NoSide { .. }))),
            "round {round}: {lost:?}"
        );
        let mut won: Vec<Endpoint> = won.into_iter().flatten().collect();
        won.sort_by_key(|end| end.side() == Side::Second);
        let [first, second] = &mut won[..] else { panic!("round {round}: {} have won", won.len()) };
        assert_eq!((first.side(), second.side()), (Side::First, Side::Second));
        exchange(first, second);
    }
}

#[test]
fn kinds_are_told_apart() {
    let is_kind = |error: OpenError, was: &str, wanted: &str| {
        let text = error.to_string();
        matches!(&error, OpenError::Kind { found, expected, .. } if found == was && *expected == wanted)
            && text.contains(was)
            && text.contains(wanted)
    };
    let name = Name::new("kinds");
    let _endpoint = endpoint(&name);
    assert!(is_kind(spsc::producer(&*name).expect_err("a duplex"), "duplex", "spsc"));
    assert!(is_kind(spsc::consumer(&*name).expect_err("a duplex"), "duplex", "spsc"));
    assert!(is_kind(mpmc::producer(&*name).expect_err("a duplex"), "duplex", "mpmc"));
    let name = Name::new("kinds");
    let _tx = spsc::producer(&*name).expect("a producer");
    assert!(is_kind(duplex::endpoint(&*name).expect_err("no duplex"), "spsc", "duplex"));
    let name = Name::new("kinds");
    let _tx = mpmc::producer(&*name).expect("a producer");
    assert!(is_kind(duplex::endpoint(&*name).expect_err("no duplex"), "mpmc", "duplex"));
}

#[test]
fn a_name_stays_while_anything_is_left_in_either_direction() {
    for sender in [Side::First, Side::Second] {
        let name = Name::new("left");
        let of = |side| options().side(side).endpoint(&*name).expect("a side");
        let (mut one, other) = (of(sender), of(sender.other()));
        one.send(b"left").expect("room");
        drop((one, other));
        assert!(name.exists(), "the {sender} side has sent something");
        let mut other = of(sender.other());
        assert_eq!(&other.recv().expect("a message")[..], b"left");
        assert_eq!(other.recv().map(drop), Err(RecvError::Closed));
        drop(other);
        assert!(!name.exists(), "and that was received");
    }
}

#[test]
fn what_persists_stays() {
    let name = Name::new("persist");
    drop(options().persist(true).endpoint(&*name).expect("a side"));
    assert!(name.exists());
    assert!(matches!(options().create_new(true).endpoint(&*name), Err(OpenError::Exists { .. })));
    exchange(&mut endpoint(&name), &mut endpoint(&name));
    inspect::remove(&*name, false).expect("nobody lives");
    assert!(matches!(options().create(false).endpoint(&*name), Err(OpenError::NotFound { .. })));
}

#[test]
fn sizes_that_no_ring_has_are_refused_and_leave_nothing() {
    let name = Name::new("sizes");
    for size in [0, 1, usize::MAX] {
        let error = options().size(size).endpoint(&*name).expect_err("impossible");
        assert!(
            matches!(error, OpenError::Option { option: "ring size", asked, .. } if asked == size as u64)
        );
    }
    let error = options().payload_align(7).endpoint(&*name).expect_err("impossible");
    assert!(matches!(error, OpenError::Option { option: "payload alignment", asked: 7, .. }));
    assert!(!name.exists());
}

#[test]
fn payloads_are_aligned_in_both_directions() {
    let (mut here, mut there) = options().payload_align(4096).size(1 << 16).pair().expect("a pair");
    for _ in 0..20 {
        here.send(&[1; 100]).expect("room");
        there.send(&[2; 100]).expect("room");
        for (end, byte) in [(&mut here, 2), (&mut there, 1)] {
            let message = end.recv().expect("a message");
            assert!(message.as_ptr().addr().is_multiple_of(4096) && message[..] == [byte; 100]);
        }
    }
}

#[test]
fn a_duplex_lives_in_a_file_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("duplex");
    let address = format!("file:{}", path.display());
    let mut first = duplex::endpoint(&address).expect("a side");
    let mut second = duplex::endpoint(&address).expect("the other side");
    exchange(&mut first, &mut second);
    assert!(matches!(duplex::endpoint(&address), Err(OpenError::NoSide { .. })));
    drop((first, second));
    assert!(!path.exists());
}

#[test]
fn a_lone_side_waits_for_whoever_gets_its_descriptor() {
    for side in [Side::First, Side::Second] {
        let mut here = options().side(side).lone().expect("a side");
        assert_eq!((here.side(), here.peer()), (side, Peer::Absent));
        assert_eq!(here.recv_timeout(crate::bed::SHORT).map(drop), Err(RecvError::TimedOut));
        let descriptor = here.descriptor().expect("a descriptor");
        let address = format!("fd:{}", descriptor.as_raw_fd());
        let mut there = duplex::endpoint(&address).expect("the other side");
        assert_eq!(there.side(), side.other());
        exchange(&mut here, &mut there);
        assert!(matches!(duplex::endpoint(&address), Err(OpenError::NoSide { .. })));
    }
}

/// What an earlier boot has left in both rings, at positions that are not those of a new one.
#[test]
fn an_empty_duplex_of_an_earlier_boot_is_as_good_as_new_and_another_is_refused() {
    const BOOT_ID: u64 = 96;
    let reboot = |name: &Name| patch(&name.path(), BOOT_ID, &[0x5a; 16]);
    let name = Name::new("boot");
    let of = |side| options().size(1 << 12).persist(true).side(side).endpoint(&*name).expect("a side");
    let (mut first, mut second) = (of(Side::First), of(Side::Second));
    for _ in 0..100 {
        exchange(&mut first, &mut second);
    }
    drop((first, second));
    reboot(&name);
    let report = inspect::inspect(&*name).expect("a report");
    assert!(!report.boot_current);
    let (mut first, mut second) = (of(Side::First), of(Side::Second));
    assert!(inspect::inspect(&*name).expect("a report").boot_current);
    for _ in 0..300 {
        exchange(&mut first, &mut second);
    }
    second.send(b"old").expect("room");
    drop((first, second));
    reboot(&name);
    let error = duplex::endpoint(&*name).expect_err("it holds a message");
    assert!(matches!(error, OpenError::EarlierBoot { .. }), "{error}");
    let mut first = options().earlier_boot(true).side(Side::First).endpoint(&*name).expect("accepted");
    assert_eq!(&first.recv().expect("a message")[..], b"old");
}

/// Who is there, by role and side.
fn states(report: &Report) -> Vec<(Role, Option<Side>, Peer)> {
    report.participants.iter().map(|one| (one.role, one.side, one.state)).collect()
}

#[test]
fn a_duplex_is_seen_from_outside() {
    let name = Name::new("seen");
    let mut first = endpoint(&name);
    let report = inspect::inspect(&*name).expect("a report");
    assert_eq!(report.geometry.kind, Kind::Duplex);
    assert_eq!((report.geometry.size, report.geometry.largest), (1 << 14, (1 << 13) - 8));
    assert_eq!(first.geometry().instance, report.geometry.instance);
    let (one, other) = (Some(Side::First), Some(Side::Second));
    let expected = [
        (Role::Producer, one, Peer::Attached),
        (Role::Consumer, one, Peer::Attached),
        (Role::Producer, other, Peer::Absent),
        (Role::Consumer, other, Peer::Absent),
    ];
    assert_eq!(states(&report), expected);
    let mut second = endpoint(&name);
    first.send(&[0; 100]).expect("room");
    second.send(&[0; 200]).expect("room");
    let used = inspect::inspect(&*name).expect("a report").used;
    assert_eq!(used, Ok(112 + 208), "both directions");
    assert!(matches!(inspect::remove(&*name, false), Err(OpenError::InUse { .. })));
    drop(second);
    let report = inspect::inspect(&*name).expect("a report");
    assert!(states(&report)[2..].iter().all(|(_, _, state)| *state == Peer::Closed));
    inspect::remove(&*name, true).expect("removed");
    assert!(!first.is_linked());
    assert_eq!(&first.recv().expect("what was sent before")[..], [0; 200]);
    let end = (0..1000).find_map(|_| first.try_send(&[0; 1000]).err());
    assert_eq!(end, Some(SendError::Closed));
}
