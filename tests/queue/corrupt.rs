//! Words that nobody who runs this protocol wrote: each call ends in an answer, and nothing panics.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ringway::inspect::inspect;
use ringway::mpmc::{Consumer, Options, Producer};
use ringway::{RecvError, SendError, Wait};

use crate::common::image::crash_image;
use crate::common::names::Name;
use crate::common::{PATIENCE, pattern};
use crate::small;
use crate::words::{State, Words, word};

const MOMENT: Duration = Duration::from_micros(200);

fn tiny() -> Options {
    small().slots(8).participants(2).liveness(Duration::from_millis(1))
}

/// Runs `body`, which must end.
#[track_caller]
fn ends(what: &str, body: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let runner = thread::spawn(move || {
        body();
        let _ = done.send(());
    });
    if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("no end: {what}");
    }
    assert!(runner.join().is_ok(), "a panic: {what}");
}

/// Any outcome will do, but a panic, a signal, or no end.
fn use_producer(tx: &mut Producer) {
    for wait in [Wait::Spin, Wait::Park] {
        tx.set_wait(wait);
        let _ = tx.try_send(b"x");
        let _ = tx.try_send(&[0; 100]);
        let _ = tx.send_timeout(&[0; 200], Duration::ZERO);
        let _ = tx.send_timeout(&[0; 60], MOMENT);
        let _ = tx.wait_for_space(256, Some(MOMENT));
        if let Ok(mut claim) = tx.try_claim(150) {
            claim.fill(1);
            claim.truncate(10);
            let _ = claim.commit();
        }
        if let Ok(mut batch) = tx.batch() {
            let _ = (batch.push(&[1; 10]), batch.push(&[1; 100]), batch.push(&[1; 65]));
            let _ = batch.commit();
        }
    }
    let sent = (0..200).take_while(|_| tx.try_send(b"x").is_ok()).count();
    assert!(sent <= 8, "{sent} messages into 8 slots");
    let _ = (tx.used(), tx.peer(), tx.counters());
}

fn use_consumer(rx: &mut Consumer) {
    let room = rx.slots() * 64;
    for wait in [Wait::Spin, Wait::Park] {
        rx.set_wait(wait);
        let _ =
            rx.recv_timeout(MOMENT).map(|message| message.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        let _ = rx.wait_for_message(Some(MOMENT));
        if let Ok(mut drain) = rx.drain() {
            let longest = (0..20).map_while(|_| drain.next()?.ok().map(|message| message.len())).max();
            assert!(longest.is_none_or(|len| len <= room), "{longest:?} bytes out of {room}");
        }
        let _ = rx.recv_timeout(Duration::ZERO).map(drop);
    }
    (0..200)
        .take_while(|_| rx.try_recv().map(|message| assert!(message.len() <= room)).is_ok())
        .for_each(drop);
    let _ = (rx.used(), rx.peer(), rx.counters());
}

/// Values that a slot word should not have, or not here.
fn hostile_words() -> Vec<u64> {
    let mut words = vec![1, 7, u64::MAX, 1 << 63, 0x5555_5555_5555_5555];
    for state in [State::Free, State::Writing, State::Ready, State::Reading, State::Releasing, State::Aborted]
    {
        for (lap, span, owner) in [
            (0, 0, 0),
            (0, 1, 0),
            (0, 1, 1),
            (0, 1, 1023),
            (0, 4, 4),
            (0, 9, 2),
            (0, 4095, 3),
            (1, 1, 4),
            (1, 8, 1023),
            (2, 1, 0),
            (1 << 20, 2, 2),
            (1 << 38, 1, 1),
            ((1 << 39) - 1, 1, 1023),
            ((1 << 39) - 2, 3, 1),
        ] {
            words.push(word(state, lap, span, owner));
        }
    }
    words
}

/// A ring whose second lap has begun: free slots, a message of three slots, a claim and a message in hand.
fn used_ring() -> (Name, Words) {
    let name = Name::new("sound");
    let mut tx = tiny().producer(&*name).expect("a producer");
    let mut rx = tiny().consumer(&*name).expect("a consumer");
    for k in 0..6 {
        tx.send(&pattern(k, 20)).expect("room");
        drop(rx.recv().expect("a message"));
    }
    tx.send(b"in hand").expect("room");
    tx.send(&pattern(9, 180)).expect("room");
    let message = rx.recv().expect("a message");
    let claim = tx.try_claim(64).expect("room");
    let image = crash_image(&name);
    let words = Words::of(&image, &small_geometry(&image));
    drop((claim, message));
    (image, words)
}

fn small_geometry(name: &Name) -> ringway::Geometry {
    inspect(&**name).expect("a report").geometry
}

/// A copy of `sound` in which the word at `at` is `value`, for those who come to it.
fn damaged(sound: &Name, at: u64, value: u64) -> Name {
    let name = crash_image(sound);
    Words::of(&name, &small_geometry(&name)).write(at, value);
    name
}

fn come_to(name: &Name) {
    let _ = inspect(&**name).expect("the header is sound");
    let rx = tiny().create(false).consumer(&**name);
    let tx = tiny().create(false).producer(&**name);
    if let Ok(mut tx) = tx {
        use_producer(&mut tx);
    }
    if let Ok(mut rx) = rx {
        use_consumer(&mut rx);
    }
}

#[test]
fn whoever_comes_to_a_hostile_slot_word_gets_an_answer() {
    ends("hostile words", || {
        let (sound, words) = used_ring();
        for value in hostile_words() {
            for index in [0, 1, 2, 6, 7] {
                println!("slot {index}: {value:#x}");
                come_to(&damaged(&sound, words.slot(index), value));
            }
        }
    });
}

#[test]
fn a_hostile_length_is_refused() {
    ends("hostile lengths", || {
        let (sound, words) = used_ring();
        for index in 0..8 {
            for value in [0, 1, 48, 64, 65, 193, 1 << 31, u64::from(u32::MAX), 1 << 32, 3 << 48, u64::MAX] {
                for header in [0, 1 << 48, 2 << 48, 1 << 32, 1 << 63] {
                    println!("length and tag of slot {index}: {:#x}", value | header);
                    come_to(&damaged(&sound, words.slot(index) + 8, value | header));
                }
            }
        }
    });
}

#[test]
fn hostile_hints_lines_and_bells_are_survived() {
    ends("hostile hints", || {
        let (sound, words) = used_ring();
        let lines = (0..4).flat_map(|id| [0, 8, 16].map(|word| Words::line(id) + word));
        let control = (0..4).map(|line| words.hints() + 128 * line);
        for at in lines.chain(control) {
            for value in [
                1,
                2,
                8,
                9,
                255,
                1 << 20,
                1 << 31,
                1 << 41,
                1 << 42,
                1 << 62,
                1 << 63,
                u64::MAX - 1,
                u64::MAX,
            ] {
                println!("word at {at}: {value:#x}");
                come_to(&damaged(&sound, at, value));
            }
        }
    });
}

/// The same, met by handles that are already there, and that leave when the damage is done.
#[test]
fn the_living_get_an_answer_too() {
    ends("hostile words among the living", || {
        for value in hostile_words() {
            for index in [0, 3] {
                let name = Name::new("living");
                let mut tx = tiny().producer(&*name).expect("a producer");
                let mut rx = tiny().consumer(&*name).expect("a consumer");
                tx.send(b"x").expect("room");
                let words = Words::of(&name, &tx.geometry());
                println!("slot {index}: {value:#x}");
                words.write(words.slot(index), value);
                use_producer(&mut tx);
                use_consumer(&mut rx);
                use_producer(&mut tx);
                let _ = (tx.try_clone().map(drop), rx.try_clone().map(drop));
            }
        }
    });
}

/// What cannot be passed is named.
#[test]
fn what_is_wrong_is_said() {
    let check = |value: u64, what: &str| {
        let name = Name::new("said");
        let mut rx = tiny().consumer(&*name).expect("a consumer");
        let mut tx = tiny().producer(&*name).expect("a producer");
        let words = Words::of(&name, &rx.geometry());
        words.write(words.slot(0), value);
        for received in [rx.try_recv().map(drop), rx.recv().map(drop), rx.wait_for_message(None)] {
            assert!(
                matches!(received, Err(RecvError::Corrupt(corrupt)) if corrupt.what == what),
                "{received:?}"
            );
        }
        for sent in [tx.try_send(b"x"), tx.send(b"x"), tx.claim(200).map(drop)] {
            assert!(matches!(sent, Err(SendError::Corrupt(corrupt)) if corrupt.what == what), "{sent:?}");
        }
    };
    check(7, "state of a slot");
    check(word(State::Ready, 0, 0, 0), "span of a slot");
    check(word(State::Ready, 0, 9, 0), "span of a slot");
    check(word(State::Writing, 0, 1, 0), "owner of a slot");
    check(word(State::Reading, 0, 1, 5), "owner of a slot");
    check(word(State::Ready, (1 << 39) - 100, 1, 0), "lap of a slot");
}

/// A holder that no ring has is no process to wait for.
#[test]
fn a_holder_that_cannot_be_is_an_error() {
    for (wait, limit) in
        [(Wait::Spin, Duration::ZERO), (Wait::Spin, MOMENT), (Wait::Adaptive, MOMENT), (Wait::Park, MOMENT)]
    {
        let name = Name::new("holder");
        let mut tx = tiny().wait(wait).producer(&*name).expect("a producer");
        (0..8).for_each(|_| tx.send(b"x").expect("room"));
        let words = Words::of(&name, &tx.geometry());
        for owner in [5, 1023] {
            words.write(words.slot(0), word(State::Reading, 0, 1, owner));
            let sent = tx.send_timeout(b"x", limit);
            assert!(matches!(sent, Err(SendError::Corrupt(_) | SendError::TimedOut)), "{sent:?}");
        }
    }
}
