//! Nobody dies.

use ringway_protocol_model::{Config, Hints, Op};

use crate::{ones, sound};

#[test]
fn one_producer_and_one_consumer() {
    sound(Config::new(2, &[&ones(7)], 1));
}

#[test]
fn two_producers_race_for_each_slot() {
    sound(Config::new(2, &[&ones(2), &ones(3)], 1));
}

#[test]
fn two_consumers_race_for_each_message() {
    sound(Config::new(2, &[&ones(4)], 2));
}

#[test]
fn two_producers_and_two_consumers() {
    sound(Config::new(2, &[&ones(2), &ones(1)], 2));
}

#[test]
fn three_producers_and_a_consumer_with_eager_hints() {
    sound(Config::new(2, &[&ones(1), &ones(1), &ones(1)], 1).hints(Hints::Eager));
}

#[test]
fn aborted_claims_are_passed() {
    sound(Config::new(2, &[&[Op::abort(1), Op::send(1)], &[Op::send(1), Op::abort(2)]], 1));
}
