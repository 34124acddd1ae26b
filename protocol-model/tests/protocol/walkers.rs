//! Walkers that sleep for laps and find their way back, and how many bits the lap needs for it.
//!
//! With `b` bits a walker may be up to 2^b − 2 laps behind. A ring whose walkers can be further behind in a
//! configuration fails in it, which is what a wide lap field is for.

use ringway_protocol_model::{Config, Event, Fault, Hints, Op, Violation};

use crate::{explore, ones, red, shows, sound};

#[test]
fn a_producer_sleeps_for_four_laps() {
    shows(Config::new(2, &[&ones(1), &ones(8)], 1).hints(Hints::Eager), &[Event::Jumped]);
}

#[test]
fn a_consumer_sleeps_for_three_laps() {
    shows(Config::new(2, &[&ones(6)], 2).hints(Hints::Eager), &[Event::Jumped]);
}

#[test]
fn a_sleeper_wakes_where_a_batch_is() {
    let batch = || Op::batch(3, &[1, 1]);
    shows(Config::new(3, &[&[batch(), batch(), batch()], &ones(1)], 1), &[Event::Jumped, Event::Split]);
}

#[test]
fn two_laps_of_sleep_fit_two_bits() {
    shows(Config::new(2, &[&ones(4)], 2).lap_bits(2), &[Event::Jumped]);
}

#[test]
fn one_bit_confuses_a_lap_with_the_next() {
    let found = explore(Config::new(2, &[&ones(2), &ones(2)], 1).lap_bits(1)).violation;
    assert_eq!(found.map(|(violation, _)| violation), Some(Violation::Stuck));
}

#[test]
fn two_bits_do_not_fit_three_laps_of_sleep() {
    let found = explore(Config::new(2, &[&ones(1), &ones(6)], 1).lap_bits(2)).violation;
    assert_eq!(found.map(|(violation, _)| violation), Some(Violation::Stuck));
}

#[test]
fn two_bits_let_a_cas_hit_a_word_of_four_laps_later() {
    let found = explore(Config::new(2, &[&ones(1), &ones(8)], 1).lap_bits(2)).violation;
    assert_eq!(found.map(|(violation, _)| violation), Some(Violation::Backwards));
}

#[test]
fn red_retry_on_newer_instead_of_stepping_on() {
    red(Config::new(2, &[&ones(2), &ones(1)], 1), Fault::RetryOnNewer, Violation::Stuck);
}

#[test]
fn red_retry_on_newer_with_every_hint_stored() {
    let config = Config::new(2, &[&ones(2), &ones(1)], 1).hints(Hints::Eager);
    red(config, Fault::RetryOnNewer, Violation::Stuck);
}

#[test]
fn red_retry_on_newer_with_hints_that_only_rise() {
    let config = Config::new(2, &[&ones(2), &ones(1)], 1).hints(Hints::Rising);
    sound(config.clone().fault(Fault::RetryOnNewer));
    red(config.crashes(1), Fault::RetryOnNewer, Violation::Stuck);
}

#[test]
fn red_older_by_a_signed_comparison() {
    red(Config::new(2, &[&ones(4)], 2).lap_bits(2), Fault::SignedOlder, Violation::Stuck);
}

#[test]
fn red_jump_one_lap_too_far() {
    red(Config::new(2, &[&ones(2), &ones(2)], 1), Fault::JumpTooFar, Violation::Stuck);
}

#[test]
fn red_laps_not_compared() {
    red(Config::new(2, &[&ones(3)], 1), Fault::LapIgnored, Violation::WrongLap);
}
