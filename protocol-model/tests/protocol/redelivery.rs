//! What a dead consumer had: adopted, delivered again and marked, or dropped with `at_most_once`.

use ringway_protocol_model::{Config, Event, Hints, Op};

use crate::{ones, shows};

#[test]
fn a_dead_consumers_message_is_adopted_by_another() {
    shows(Config::new(2, &[&[Op::send(2), Op::send(1)]], 2).crashes(1), &[Event::Redelivered]);
}

#[test]
fn a_dead_adopters_messages_are_adopted() {
    shows(Config::new(2, &[&ones(2)], 3).crashes(2).hints(Hints::Eager), &[Event::Redelivered]);
}

#[test]
fn several_messages_of_one_owner_are_adopted_at_once() {
    shows(
        Config::new(3, &[&ones(4)], 2).drain(2).crashes(1).hints(Hints::Eager),
        &[Event::Adopted, Event::Redelivered],
    );
}

#[test]
fn several_messages_are_adopted_by_the_successor() {
    shows(
        Config::new(3, &[&[Op::send(1), Op::send(2), Op::send(1)]], 1).drain(3).crashes(2).replace(),
        &[Event::Inherited, Event::Redelivered],
    );
}

#[test]
fn at_most_once_drops_what_was_taken() {
    shows(
        Config::new(2, &[&[Op::send(2), Op::send(1)]], 2).crashes(1).at_most_once(),
        &[Event::Dropped, Event::Finished],
    );
}

#[test]
fn at_most_once_with_dead_repairers_and_successors() {
    shows(
        Config::new(2, &[&[Op::send(2), Op::send(1)]], 1).crashes(3).replace().at_most_once(),
        &[Event::Dropped, Event::Inherited],
    );
}

#[test]
fn at_most_once_drops_all_that_a_drain_held() {
    shows(
        Config::new(3, &[&[Op::send(2), Op::send(1)]], 2).drain(2).crashes(1).at_most_once(),
        &[Event::Dropped],
    );
}
