//! Configurations that take from seconds to a minute each, and up to two gigabytes.

use ringway_protocol_model::{Config, Hints, Op};

use crate::{ones, sound};

#[test]
#[ignore = "long"]
fn two_producers_and_two_consumers() {
    sound(Config::new(2, &[&ones(2), &ones(2)], 2));
}

#[test]
#[ignore = "long"]
fn two_and_two_and_a_death() {
    sound(Config::new(2, &[&ones(2), &ones(1)], 2).crashes(1));
}

#[test]
#[ignore = "long"]
fn two_and_two_and_two_successors_with_eager_hints() {
    sound(Config::new(2, &[&ones(2), &ones(1)], 2).crashes(2).replace().hints(Hints::Eager));
}

#[test]
#[ignore = "long"]
fn three_producers_and_two_consumers() {
    sound(Config::new(2, &[&ones(1), &ones(1), &ones(1)], 2).hints(Hints::Eager));
}

#[test]
#[ignore = "long"]
fn two_producers_and_three_consumers() {
    sound(Config::new(2, &[&ones(1), &ones(1)], 3).crashes(1).hints(Hints::Eager));
}

#[test]
#[ignore = "long"]
fn three_producers_spans_and_pads() {
    let producers: [&[Op]; 3] = [&[Op::send(3)], &[Op::send(2)], &[Op::send(1)]];
    sound(Config::new(4, &producers, 1).crashes(1));
}

#[test]
#[ignore = "long"]
fn six_slots_spans_and_a_successor() {
    let producers: [&[Op]; 2] = [&[Op::send(3), Op::send(2)], &[Op::send(2), Op::send(3)]];
    sound(Config::new(6, &producers, 1).crashes(1).replace());
}

#[test]
#[ignore = "long"]
fn a_sleeper_for_six_laps() {
    sound(Config::new(2, &[&ones(1), &ones(11)], 1));
}

#[test]
#[ignore = "long"]
fn a_sleeper_and_batches_cut_short_by_deaths() {
    let batch = || Op::batch(2, &[1, 1]);
    sound(Config::new(3, &[&[batch(), batch(), batch()], &ones(1)], 1).crashes(1).replace());
}

#[test]
#[ignore = "long"]
fn three_repairers_die() {
    sound(Config::new(2, &[&[Op::send(2), Op::send(1)]], 3).crashes(3).hints(Hints::Eager));
}

#[test]
#[ignore = "long"]
fn at_most_once_with_two_and_two() {
    let producers: [&[Op]; 2] = [&[Op::send(2)], &ones(1)];
    sound(Config::new(3, &producers, 2).crashes(2).at_most_once().replace().hints(Hints::Eager));
}

#[test]
#[ignore = "long"]
fn two_producers_close_or_die() {
    sound(Config::new(2, &[&ones(2), &ones(1)], 2).crashes(1).closing());
}

#[test]
#[ignore = "long"]
fn batches_spans_and_pads_over_a_sleeper_and_a_successor() {
    let producers: [&[Op]; 2] =
        [&[Op::batch(3, &[1, 1]), Op::batch(2, &[1, 1]), Op::send(3)], &[Op::send(1)]];
    sound(Config::new(4, &producers, 1).crashes(1).replace());
}

#[test]
#[ignore = "long"]
fn two_drains_share_batches_and_come_back() {
    let ops = [Op::batch(3, &[1, 1]), Op::send(2), Op::batch(2, &[1, 1])];
    sound(Config::new(3, &[&ops], 2).drain(2).crashes(2).replace().hints(Hints::Eager));
}
