//! Producers that close or die, and consumers that say so only when nothing can come any more.

use ringway_protocol_model::{Config, Event, Fault, Hints, Op, Violation};

use crate::{ones, red, shows};

#[test]
fn the_last_producer_closes() {
    shows(Config::new(2, &[&[Op::send(1), Op::send(2), Op::send(1)]], 1).closing(), &[Event::Ended]);
}

#[test]
fn two_producers_close() {
    shows(Config::new(2, &[&ones(1), &ones(2)], 1).closing(), &[Event::Ended]);
}

#[test]
fn a_message_comes_back_from_another_consumer_after_the_last_producer_closed() {
    shows(
        Config::new(2, &[&ones(2)], 2).crashes(1).closing().hints(Hints::Eager),
        &[Event::Ended, Event::Redelivered],
    );
}

#[test]
fn the_last_producer_dies_in_a_batch() {
    shows(
        Config::new(3, &[&[Op::batch(3, &[1, 1]), Op::send(1)]], 1).crashes(1).closing(),
        &[Event::Ended, Event::Tombstone],
    );
}

#[test]
fn red_the_slots_read_before_the_producers_are_looked_for() {
    red(Config::new(2, &[&ones(1)], 1).closing(), Fault::SurveyFirst, Violation::GivenUp);
}
