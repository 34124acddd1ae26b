//! A kill before any step, of anybody: the dead stay away, or are followed by participants with their ids.

use ringway_protocol_model::{Config, Event, Hints, Op};

use crate::{ones, shows, sound};

#[test]
fn one_of_two_producers_dies() {
    shows(Config::new(2, &[&ones(2), &ones(2)], 1).crashes(1), &[Event::Tombstone]);
}

#[test]
fn one_of_two_consumers_dies() {
    shows(Config::new(2, &[&ones(3)], 2).crashes(1), &[Event::Adopted, Event::Redelivered]);
}

#[test]
fn anybody_dies_and_is_replaced_again_and_again() {
    shows(
        Config::new(2, &[&ones(3)], 1).crashes(3).replace(),
        &[Event::Inherited, Event::Redelivered, Event::Tombstone],
    );
}

#[test]
fn one_of_two_producers_is_replaced() {
    sound(Config::new(2, &[&ones(2), &ones(2)], 1).crashes(1).replace());
}

#[test]
fn one_of_two_consumers_is_replaced() {
    sound(Config::new(2, &[&ones(3)], 2).crashes(1).replace().hints(Hints::Eager));
}

#[test]
fn a_dead_repairer_is_repaired() {
    shows(
        Config::new(2, &[&[Op::send(2)], &[Op::send(1)]], 2).crashes(2).hints(Hints::Eager),
        &[Event::Finished, Event::Redelivered, Event::Tombstone],
    );
}

#[test]
fn a_producer_and_its_repairer_die_and_come_back() {
    sound(Config::new(2, &[&[Op::send(2)], &[Op::send(1)]], 1).crashes(2).replace().hints(Hints::Eager));
}

#[test]
fn two_and_two_and_a_successor() {
    sound(Config::new(2, &[&ones(1), &ones(1)], 2).crashes(1).replace());
}
