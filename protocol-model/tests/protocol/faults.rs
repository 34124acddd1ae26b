//! Proof that the properties can fail: each fault turns a configuration red that is sound without it. Those that
//! concern walkers stand in `walkers`.

use ringway_protocol_model::{Config, Fault, Op, Violation};

use crate::{ones, red, sound};

#[test]
fn red_inner_words_not_stamped() {
    let config = Config::new(2, &[&[Op::send(2), Op::send(1), Op::send(1)]], 1);
    red(config, Fault::InnerUnstamped, Violation::Stuck);
}

#[test]
fn red_first_word_stamped_first() {
    let config = Config::new(2, &[&[Op::send(2), Op::send(1), Op::send(1)]], 2).crashes(1);
    red(config, Fault::FirstStampedFirst, Violation::Stuck);
}

#[test]
fn red_claim_without_the_inner_check() {
    let config = Config::new(3, &[&[Op::send(1), Op::send(1), Op::send(1), Op::send(2)]], 2);
    red(config, Fault::ClaimUnchecked, Violation::Robbed);
}

#[test]
fn red_pad_without_the_inner_check() {
    let ops = [Op::send(1), Op::send(1), Op::send(1), Op::send(1), Op::send(3)];
    red(Config::new(3, &[&ops], 1), Fault::PadUnchecked, Violation::Overlap);
}

#[test]
fn red_pad_that_only_moves_the_hint() {
    red(Config::new(3, &[&[Op::send(2), Op::send(2)]], 1), Fault::PadHintOnly, Violation::Stuck);
}

#[test]
fn red_claim_by_store() {
    red(Config::new(2, &[&ones(1), &ones(1)], 1), Fault::ClaimByStore, Violation::Robbed);
}

#[test]
fn red_repair_without_the_lease() {
    let config = Config::new(2, &[&[Op::send(2), Op::send(1)]], 2).crashes(1);
    red(config.clone(), Fault::RepairWithoutLease, Violation::Robbed);
    red(config.replace(), Fault::RepairWithoutLease, Violation::Robbed);
}

#[test]
fn red_a_time_out_for_a_proof_of_death() {
    red(Config::new(2, &[&ones(1)], 1), Fault::TimeoutForDeath, Violation::Robbed);
}

#[test]
fn red_repair_decided_before_the_lease() {
    red(Config::new(2, &[&ones(1)], 1).crashes(1), Fault::DecideBeforeLease, Violation::Lost);
}

#[test]
fn red_a_dead_consumers_message_handed_back() {
    let config = Config::new(2, &[&ones(3)], 2).crashes(1);
    red(config, Fault::RequeueUnmarked, Violation::Duplicate);
}

#[test]
fn red_a_dead_consumers_message_handed_back_with_a_mark() {
    red(Config::new(2, &[&ones(3)], 2).crashes(1), Fault::RequeueMarked, Violation::Stuck);
}

#[test]
fn red_a_dead_consumers_message_handed_back_and_the_head_rewound() {
    red(Config::new(2, &[&ones(3)], 2).crashes(1), Fault::RequeueRewound, Violation::Stuck);
}

#[test]
fn red_an_aborted_span_released_without_taking_it() {
    let config = Config::new(2, &[&[Op::abort(1), Op::send(1), Op::send(1)]], 2);
    red(config, Fault::AbortedUntaken, Violation::Robbed);
}

#[test]
fn red_adoption_without_a_mark() {
    red(Config::new(2, &[&ones(1)], 2).crashes(1), Fault::AdoptedUnmarked, Violation::Duplicate);
}

#[test]
fn red_adoption_of_only_the_first_message_held() {
    let config = Config::new(2, &[&ones(2)], 1).crashes(1).drain(2).replace();
    red(config, Fault::AdoptOnlyFirst, Violation::Stuck);
}

/// While the dead one's id stays free, its other messages keep naming it, and the next sweep finds them.
#[test]
fn adoption_of_only_the_first_is_made_good_by_the_next_sweep() {
    let config = Config::new(2, &[&ones(2)], 2).crashes(1).drain(2);
    sound(config.fault(Fault::AdoptOnlyFirst));
}

#[test]
fn red_a_span_being_written_passed_by_consumers() {
    red(Config::new(2, &[&ones(1)], 1), Fault::PassWriting, Violation::Stuck);
}

#[test]
fn red_no_sweep_on_finding_nothing() {
    red(Config::new(2, &[&ones(1)], 2).crashes(1), Fault::NoSweepOnNothing, Violation::Stuck);
}

#[test]
fn red_own_id_not_swept() {
    red(Config::new(2, &[&ones(1)], 1).crashes(1).replace(), Fault::OwnIdUnswept, Violation::Stuck);
}

#[test]
fn red_a_batchs_first_word_stored_first() {
    let batch = [Op::batch(2, &[1, 1])];
    red(Config::new(3, &[&batch, &ones(1)], 1), Fault::BatchFirstWordFirst, Violation::Robbed);
    red(Config::new(3, &[&batch], 1).crashes(1), Fault::BatchFirstWordFirst, Violation::Stuck);
}

#[test]
fn red_a_batchs_rest_left_free() {
    let config = Config::new(3, &[&[Op::batch(3, &[1, 1]), Op::send(1)]], 1);
    red(config, Fault::BatchRestFree, Violation::Stuck);
}

#[test]
fn red_a_batchs_inner_starts_left_free() {
    red(Config::new(3, &[&[Op::batch(2, &[1, 1])]], 1), Fault::BatchInnerFree, Violation::Stuck);
}
