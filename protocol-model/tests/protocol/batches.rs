//! Batches: one claim that is split at commit, all of it or nothing.

use ringway_protocol_model::{Config, Event, Hints, Op};

use crate::{ones, shows, sound};

#[test]
fn a_batch_is_split_into_messages_and_a_rest() {
    shows(
        Config::new(4, &[&[Op::batch(4, &[1, 2]), Op::batch(2, &[1, 1]), Op::send(2)]], 1),
        &[Event::Split],
    );
}

#[test]
fn a_batch_against_a_single_message() {
    sound(Config::new(3, &[&[Op::batch(3, &[1, 1])], &ones(2)], 1));
}

#[test]
fn two_consumers_share_a_batch() {
    sound(Config::new(3, &[&[Op::batch(3, &[1, 2]), Op::send(1)]], 2));
}

#[test]
fn a_producer_dies_in_its_commit() {
    shows(
        Config::new(3, &[&[Op::batch(3, &[1, 1])], &[Op::send(2)]], 1).crashes(1),
        &[Event::Split, Event::Tombstone],
    );
}

#[test]
fn a_producer_dies_in_its_commit_and_comes_back() {
    shows(
        Config::new(4, &[&[Op::batch(4, &[1, 1, 1]), Op::batch(3, &[2, 1])]], 1).crashes(2).replace(),
        &[Event::Split, Event::Inherited],
    );
}

#[test]
fn two_batches_and_a_death() {
    let batch = || Op::batch(2, &[1, 1]);
    shows(
        Config::new(3, &[&[batch()], &[batch()]], 1).crashes(1).hints(Hints::Eager),
        &[Event::Split, Event::Tombstone, Event::Padded],
    );
}

#[test]
fn a_consumer_dies_holding_part_of_a_batch() {
    shows(
        Config::new(3, &[&[Op::batch(3, &[1, 1])]], 2).drain(2).crashes(1),
        &[Event::Split, Event::Redelivered],
    );
}

#[test]
fn batches_and_drains_and_a_death() {
    let producers: [&[Op]; 2] = [&[Op::batch(4, &[1, 2])], &[Op::batch(2, &[1, 1])]];
    sound(Config::new(4, &producers, 2).drain(2).crashes(1).hints(Hints::Eager));
}
