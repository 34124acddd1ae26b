//! Messages of several slots, and the pads that fill the end of the ring.

use ringway_protocol_model::{Config, Event, Op};

use crate::{shows, sound};

#[test]
fn spans_and_pads_in_turn() {
    shows(Config::new(3, &[&[Op::send(2), Op::send(2), Op::send(1), Op::send(3)]], 1), &[Event::Padded]);
}

#[test]
fn a_long_span_against_short_ones() {
    sound(Config::new(3, &[&[Op::send(3)], &[Op::send(1), Op::send(1)]], 1));
}

#[test]
fn two_producers_pad_the_same_end() {
    shows(Config::new(4, &[&[Op::send(3)], &[Op::send(3)]], 1), &[Event::Padded]);
}

#[test]
fn two_consumers_release_spans_out_of_order() {
    sound(Config::new(3, &[&[Op::send(1), Op::send(2), Op::send(2)]], 2));
}

#[test]
fn an_aborted_span_is_released_by_one_of_two() {
    sound(Config::new(3, &[&[Op::abort(2), Op::send(2), Op::send(1)]], 2));
}

#[test]
fn a_producer_dies_in_a_span_and_in_front_of_a_pad() {
    shows(
        Config::new(3, &[&[Op::send(2), Op::send(1)], &[Op::send(2)]], 1).crashes(1),
        &[Event::Padded, Event::Tombstone],
    );
}

#[test]
fn a_consumer_dies_while_it_stamps() {
    shows(Config::new(3, &[&[Op::send(2), Op::send(2)]], 2).crashes(1), &[Event::Finished, Event::Adopted]);
}

#[test]
fn a_span_of_three_and_a_successor_with_the_dead_ones_id() {
    shows(
        Config::new(3, &[&[Op::send(3), Op::send(1), Op::send(2)]], 1).crashes(1).replace(),
        &[Event::Inherited, Event::Redelivered],
    );
}
