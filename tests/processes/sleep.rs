//! A parked side costs nothing, and is woken.

use std::time::{Duration, Instant};

use ringway::inspect::inspect;
use ringway::spsc::options;
use ringway::{Role as End, Wait};

use crate::common::eventually;
use crate::common::names::Name;
use crate::common::role::Role;

const IDLE: Duration = Duration::from_millis(1500);
const INTERVAL: Duration = Duration::from_millis(50);

#[test]
fn a_parked_receiver_uses_no_processor_and_is_woken() {
    let name = Name::new("park");
    let mut tx = options().wait(Wait::Park).producer(&*name).expect("a producer");
    let parked = Role::start("park", &[&name]);
    parked.expect("parking");
    let started = Instant::now();
    eventually("the receiver sleeps", || sleeps(&name) > 0);
    std::thread::sleep(IDLE);
    tx.send(b"wake").expect("room");
    let microseconds: u64 = parked.hear().parse().expect("a number");
    let switches: u128 = parked.hear().parse().expect("a number");
    let waited = started.elapsed();
    let sleeps_due = waited.as_millis() / INTERVAL.as_millis();
    assert!(microseconds < 50_000, "{microseconds} µs of processor time for {waited:?} of waiting");
    assert!(switches <= 2 * sleeps_due + 20, "{switches} switches where {sleeps_due} sleeps were due");
    assert_eq!(tx.counters().wakes, 1, "it was woken, not found awake");
    parked.finish();
}

/// Without a wake-up a sleeper would look again only after its interval: here, an hour.
#[test]
fn a_sleeper_is_woken_at_once() {
    let hour = Duration::from_secs(3600);
    for wait in [Wait::Adaptive, Wait::Park] {
        let name = Name::new("woken");
        let ends = options().size(64).wait(wait).liveness(hour);
        let mut tx = ends.producer(&*name).expect("a producer");
        let mut rx = ends.consumer(&*name).expect("a consumer");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for k in 0..50_u8 {
                    assert_eq!(&rx.recv().expect("woken")[..], [k; 24]);
                }
                std::thread::sleep(Duration::from_millis(20));
                for _ in 0..50 {
                    drop(rx.recv().expect("sent"));
                }
            });
            for k in 0..50_u8 {
                std::thread::sleep(Duration::from_micros(200));
                tx.send(&[k; 24]).expect("woken");
            }
            // A consumer that is away for a while: the producer fills the ring and sleeps.
            for _ in 0..50 {
                tx.send(&[0; 24]).expect("woken");
            }
        });
    }
}

/// How often the consumer has slept, by what it wrote down.
fn sleeps(name: &str) -> u64 {
    let report = inspect(name).expect("a ring");
    let mut consumers = report.participants.iter().filter(|one| one.role == End::Consumer);
    consumers.next().map_or(0, |consumer| consumer.counters.sleeps)
}
