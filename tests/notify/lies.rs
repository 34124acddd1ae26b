//! Lines that lie: another's process, descriptor, signal or token, or something that is none. Nobody is signalled for a lie,
//! whoever sends goes on, and is not slower for it later.

use ringway::Counters;
use ringway::notify::Signal;

use crate::asker::{Asker, consumer, plan, signal};
use crate::common::image::{patch, read_u64};
use crate::common::names::Name;
use crate::kinds::{KINDS, Kind, Tx};
use crate::lines::{self, Call};

const TOKEN: u32 = 0x1234_5678;

/// What a line says of the process and of how to call it.
type Line = (u32, Call);

fn wakes(tx: &Tx) -> u64 {
    let Counters { wakes, .. } = match tx {
        Tx::Spsc(tx) => tx.counters(),
        Tx::Mpmc(tx) => tx.counters(),
    };
    wakes
}

/// Lies by one who had `truth` written in its line. `others`: another's process, and its descriptor.
fn lies(truth: Line, (others_pid, others_descriptor): (u32, u64)) -> Vec<Line> {
    let (pid, call) = truth;
    let user1 = Signal::user1().number() as u64;
    let signals = [0, 1, 9, user1, call.signal - 1, call.signal + 1, 64, 65, 127];
    let mut lies: Vec<Line> = signals.into_iter().map(|signal| (pid, Call { signal, ..call })).collect();
    let tokens = [0, u64::from(TOKEN) - 1, u64::from(TOKEN) + 1, u64::from(u32::MAX)];
    lies.extend(tokens.into_iter().map(|token| (pid, Call { token, ..call })));
    let descriptors = [0, 1, 2, call.descriptor + 1, 0x7f_ffff];
    lies.extend(descriptors.into_iter().map(|descriptor| (pid, Call { descriptor, ..call })));
    for pid in [0, 1, std::process::id(), others_pid, 1 << 22, i32::MAX as u32, 1 << 31, u32::MAX] {
        for descriptor in [call.descriptor, others_descriptor] {
            lies.push((pid, Call { descriptor, ..call }));
            lies.push((pid, Call { descriptor, signal: 9, ..call }));
        }
    }
    // By a semaphore, where nobody waits at one, and in no way that is known.
    lies.extend([1, 3].map(|kind| (pid, Call { kind, ..call })));
    lies
}

#[test]
fn nobody_is_signalled_for_a_line_that_lies() {
    for kind in KINDS {
        let (name, others) = (Name::new("lies"), Name::new("others"));
        let mut asker = Asker::of(consumer(kind, &name, TOKEN));
        // It has asked for the same signal and token, in another ring, and holds the same place there.
        let mut other = Asker::of(consumer(kind, &others, TOKEN));
        let [mut tx, mut to_others] =
            [&name, &others].map(|name| plan(kind).producer(name).expect("a producer"));
        let line = lines::of_consumer(kind);
        let said = |name: &Name| {
            let word = |at| read_u64(&name.path(), line + at);
            (word(lines::PID - 4) >> 32, Call::of(word(lines::CALL)))
        };
        asker.arms();
        other.arms();
        let ((pid, truth), (others_pid, others_call)) = (said(&name), said(&others));
        assert_eq!((pid as u32, truth.signal), (asker.pid(), signal().number() as u64));
        for (pid, lie) in lies((pid as u32, truth), (others_pid as u32, others_call.descriptor)) {
            asker.arms();
            patch(&name.path(), line + lines::PID, &pid.to_ne_bytes());
            patch(&name.path(), line + lines::CALL, &lie.word().to_ne_bytes());
            tx.send(b"something").expect("room");
            let true_after_all = pid == asker.pid() && lie == truth;
            assert!(!true_after_all, "{pid} {lie:?} is no lie");
            asker.is_not_told();
            other.is_not_told();
            let before = wakes(&tx);
            asker.tries("something");
            tx.send(b"something").expect("room");
            asker.tries("something");
            assert_eq!(wakes(&tx), before, "the lie is forgotten: {pid} {lie:?}");
            patch(&name.path(), line + lines::PID, &asker.pid().to_ne_bytes());
        }
        asker.arms();
        tx.send(b"in earnest").expect("room");
        asker.is_told(TOKEN);
        to_others.send(b"in earnest").expect("room");
        other.is_told(TOKEN);
        asker.finish();
        other.finish();
    }
}

/// Many who want to be called in no way that is known, beside one who is told.
#[test]
fn whoever_asks_beside_liars_is_told_and_nobody_pays_for_them_twice() {
    let name = Name::new("beside");
    let mut askers = [1, 2, 3].map(|token| Asker::of(consumer(Kind::Mpmc, &name, token)));
    let mut tx = plan(Kind::Mpmc).producer(&name).expect("a producer");
    let liars = [0, 1].map(|nth| lines::of_nth_consumer(Kind::Mpmc, nth) + lines::CALL);
    let call = Call { kind: 3, signal: 0, descriptor: 0, token: 0 };
    for lie in [call, Call { kind: 2, ..call }] {
        askers[2].arms();
        liars.into_iter().for_each(|at| patch(&name.path(), at, &(lie.word() | 1 << 40).to_ne_bytes()));
        tx.send(b"something").expect("room");
        askers[2].is_told(3);
        askers[2].tries("something");
        // The message may have left the bell rung for those who were not looked at.
        tx.send(b"something").expect("room");
        askers[2].tries("something");
        let before = wakes(&tx);
        for _ in 0..3 {
            tx.send(b"something").expect("room");
            askers[2].tries("something");
        }
        assert_eq!(wakes(&tx), before, "the liars are forgotten");
    }
    askers.into_iter().for_each(Asker::finish);
}
