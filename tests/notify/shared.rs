//! Several rings, one signal.

use ringway::notify::Signal;

use crate::asker::{Asker, consumer, plan, signal};
use crate::common::names::Name;
use crate::kinds::Kind;

/// What the asker hears when two rings of it are sent to, in this order; nobody looks in between.
fn hears(asker: &mut Asker, names: &[Name; 2], order: [usize; 2]) -> Vec<String> {
    let kinds = [Kind::Spsc, Kind::Mpmc];
    let mut producers = [0, 1].map(|ring| plan(kinds[ring]).producer(&names[ring]).expect("a producer"));
    for _ in 0..2 {
        [0, 1].into_iter().for_each(|ring| asker.arms_end(ring));
        order.into_iter().for_each(|ring| producers[ring].send(b"something").expect("room"));
        // For the last of the rounds, after which it is heard.
        [0, 1].into_iter().for_each(|ring| asker.tries_end(ring, "something"));
        [0, 1].into_iter().for_each(|ring| asker.tries_end(ring, "Empty"));
    }
    let notices = (0..).map(|_| asker.looks()).take_while(|notice| notice != "nothing");
    notices.collect()
}

fn names() -> [Name; 2] {
    [(); 2].map(|()| Name::new("shared"))
}

fn start(signal: Signal, names: &[Name; 2]) -> Asker {
    Asker::start(signal, &[consumer(Kind::Spsc, &names[0], 10), consumer(Kind::Mpmc, &names[1], 11)])
}

#[test]
fn rings_that_share_a_real_time_signal_are_told_apart_by_their_tokens() {
    let names = names();
    let mut asker = start(signal(), &names);
    let me = std::process::id();
    let tokens = [11, 10, 11, 10].map(|token| format!("{} Some({token}) {me}", signal()));
    assert_eq!(hears(&mut asker, &names, [1, 0]), tokens);
    asker.finish();
}

#[test]
fn rings_that_share_a_user_signal_are_told_of_by_one_and_whoever_drains_all_finds_everything() {
    let names = names();
    let mut asker = start(Signal::user1(), &names);
    let first = format!("SIGUSR1 Some(11) {}", std::process::id());
    assert_eq!(hears(&mut asker, &names, [1, 0]), [first]);
    asker.finish();
}
