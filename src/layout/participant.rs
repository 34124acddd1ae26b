//! The participant table: one line for each participant, written by that participant alone.
//!
//! Nothing here proves life or death: only a lease does (`segment::lease`). The state says what the
//! participant last said of itself; the process id and start time are for people.
//!
//! | edge | release | acquire | carries |
//! |---|---|---|---|
//! | call | a participant asks to be called, then sets the bell's *call* bit | whoever rings takes that bit away, then takes what was asked for | how to call, and whom: the line is the asker's own by then |
//! | called | whoever calls takes the call away, after it has published | the participant takes it back, too late | what it was called for, to be passed on |
//! | goodbye | a participant that leaves stores *closed* | its peer reads it | everything that the participant did: the peer then looks a last time |

use core::fmt;
use core::ops::Range;

use super::call::Call;
use super::{Line, PAGE};
use crate::sync::{AtomicU32, AtomicU64, Ordering, Semaphore};

/// What a participant does in a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends messages.
    Producer,
    /// Receives messages.
    Consumer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Producer => "producer",
            Role::Consumer => "consumer",
        })
    }
}

/// The participants that a ring with so many `places` for each role has with `role`: producers come first.
pub(crate) fn ids(places: u32, role: Role) -> Range<u32> {
    match role {
        Role::Producer => 0..places,
        Role::Consumer => places..2 * places,
    }
}

/// Where the line of participant `id` lies in the segment.
pub(crate) const fn line_at(id: u32) -> u64 {
    PAGE + id as u64 * LINE
}

/// Where the table of a ring with so many `places` for each role ends.
pub(crate) const fn table_end(places: u32) -> u64 {
    line_at(2 * places)
}

/// What a participant last said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nobody was ever here.
    Nothing,
    /// I am here. Without a lease to prove it: it died.
    Attached,
    /// Goodbye.
    Closed,
    /// It said nothing more: it was found dead, and what it left was repaired.
    Buried,
}

const ATTACHED: u32 = 1;
const CLOSED: u32 = 2;
const BURIED: u32 = 3;

/// This participant said goodbye and left messages that are to be delivered again.
const LEAVES: u32 = 1;
/// This participant sleeps, or is about to.
const ASLEEP: u32 = 2;

/// One participant's line. The state, which the peer looks at whenever it finds nothing to do, and the counters,
/// which are written while work is done, are in different cache lines.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Entry {
    state: AtomicU32,
    pid: AtomicU32,
    started: AtomicU64,
    /// `LEAVES` and `ASLEEP`.
    marks: AtomicU32,
    /// The processor that this participant was last seen on, counted from 1; 0: it was not seen on any.
    processor: AtomicU32,
    /// How it wants to be called when its bell is rung: a [`Call`], or 0.
    call: AtomicU64,
    /// What it sleeps on in a ring whose wake kind is the semaphore.
    semaphore: Semaphore,
    messages: AtomicU64,
    bytes: AtomicU64,
    waits: AtomicU64,
    sleeps: AtomicU64,
    wakes: AtomicU64,
    tombstones: AtomicU64,
    redelivered: AtomicU64,
    dropped: AtomicU64,
}

/// An entry on a line of its own.
pub(crate) type Participant = Line<Entry>;
/// Bytes of one.
const LINE: u64 = 128;

#[cfg(not(loom))]
static_assertions::assert_eq_size!(Participant, [u8; LINE as usize]);
#[cfg(not(loom))]
mod proofs {
    use super::Entry;
    use static_assertions::const_assert;

    const_assert!(core::mem::offset_of!(Entry, call) == 24);
    const_assert!(core::mem::offset_of!(Entry, semaphore) == 32);
    const_assert!(core::mem::offset_of!(Entry, messages) == 64);
}

/// What a participant has done since it attached. In an inspection: as it last wrote it down, which it does now
/// and then (an eighth of the ring, before it sleeps, when it leaves), not per message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages sent or received.
    pub messages: u64,
    /// Bytes of records sent or received: each message with its header, padded, and the padding at the ring's end.
    /// `mpmc`: of the slots that the messages took.
    pub bytes: u64,
    /// Times that a call found the ring full or empty for longer than a moment (some 64 looks) and waited.
    pub waits: u64,
    /// Times that a wait slept in the kernel.
    pub sleeps: u64,
    /// Times that the peer was woken from its sleep.
    pub wakes: u64,
    /// `mpmc`: claims of dead producers that this participant turned into tombstones, which are passed over.
    pub tombstones: u64,
    /// `mpmc`: messages that this participant received again, since the consumer that had them in hand died.
    pub redelivered: u64,
    /// `mpmc` with `at_most_once`: messages that this participant dropped, since the consumer that had them in hand
    /// died.
    pub dropped: u64,
}

impl Entry {
    /// Says that a participant is here. It holds the lease already.
    pub(crate) fn attach(&self, pid: u32, started: u64, processor: Option<u32>) {
        self.pid.store(pid, Ordering::Relaxed);
        self.started.store(started, Ordering::Relaxed);
        self.store_traffic(0, 0);
        self.marks.store(0, Ordering::Relaxed);
        self.processor.store(processor.map_or(0, |processor| processor + 1), Ordering::Relaxed);
        self.call.store(0, Ordering::Relaxed);
        self.semaphore.init();
        self.store_waits(0, 0, 0);
        self.store_repairs(0, 0, 0);
        self.state.store(ATTACHED, Ordering::Release); // edge: goodbye (release)
    }

    /// Takes the place of a participant that is not here, where there are no leases. `false`: it is taken.
    pub(crate) fn claim(&self) -> bool {
        let said = self.state.load(Ordering::Relaxed);
        let vacant = matches!(said, 0 | CLOSED | BURIED);
        // edge: goodbye (acquire)
        vacant && self.state.compare_exchange(said, ATTACHED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Says goodbye. Everything that this participant has done happens before whoever reads it.
    pub(crate) fn close(&self) {
        self.state.store(CLOSED, Ordering::Release); // edge: goodbye (release)
    }

    /// Says of a participant that is not here that what it left is repaired. The caller holds its lease.
    pub(crate) fn bury(&self) {
        self.marks.store(0, Ordering::Relaxed);
        self.call.store(0, Ordering::Relaxed);
        if self.said() == Said::Attached {
            self.state.store(BURIED, Ordering::Release); // edge: goodbye (release)
        }
    }

    /// Forgets that a participant died: another has come.
    pub(crate) fn forgive(&self) {
        // Whoever takes the place meanwhile has said so, and nothing is changed.
        let _ = self.state.compare_exchange(BURIED, CLOSED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// What the participant last said. An unknown value counts as "attached": the lease decides then.
    pub(crate) fn said(&self) -> Said {
        // edge: goodbye (acquire)
        match self.state.load(Ordering::Acquire) {
            0 => Said::Nothing,
            CLOSED => Said::Closed,
            BURIED => Said::Buried,
            _ => Said::Attached,
        }
    }

    /// The process, by its own account.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.load(Ordering::Relaxed)
    }

    /// When that process started, in clock ticks since boot.
    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Says that this participant, which is about to say goodbye, leaves messages that are to be delivered again.
    pub(crate) fn leave_messages(&self) {
        self.marks.fetch_or(LEAVES, Ordering::Relaxed);
    }

    /// May this participant have left something, if it is not here any more?
    pub(crate) fn may_have_left(&self) -> bool {
        self.said() == Said::Attached || self.marks.load(Ordering::Relaxed) & LEAVES != 0
    }

    /// Says whether this participant sleeps.
    pub(crate) fn set_asleep(&self, asleep: bool) {
        if asleep {
            self.marks.fetch_or(ASLEEP, Ordering::Relaxed);
        } else {
            self.marks.fetch_and(!ASLEEP, Ordering::Relaxed);
        }
    }

    /// Does this participant say that it sleeps?
    pub(crate) fn is_asleep(&self) -> bool {
        self.marks.load(Ordering::Relaxed) & ASLEEP != 0
    }

    /// Says on which processor this participant runs.
    pub(crate) fn seen_on(&self, processor: u32) {
        self.processor.store(processor + 1, Ordering::Relaxed);
    }

    /// The processor that this participant was last seen on.
    pub(crate) fn processor(&self) -> Option<u32> {
        self.processor.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Asks to be called. The caller then says so on its bell, with Release.
    pub(crate) fn ask_for(&self, call: Call) {
        self.call.store(call.word(), Ordering::Release); // edge: call (release)
    }

    /// Takes away what this participant has asked for: whoever gets it calls, or is the participant itself, which does not
    /// want to be called any more. If it gets nothing, it was called, and sees for what.
    pub(crate) fn take_call(&self) -> Option<Call> {
        Call::parse(self.call.swap(0, Ordering::AcqRel)) // edge: called (release; acquire), call (acquire)
    }

    /// Puts a call back that could not be made, unless the participant has asked again.
    pub(crate) fn put_back(&self, call: Call) {
        let _ = self.call.compare_exchange(0, call.word(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Does this participant want to be called?
    pub(crate) fn wants_call(&self) -> bool {
        self.call.load(Ordering::Relaxed) != 0
    }

    /// What this participant sleeps on if it is called by semaphore.
    pub(crate) fn semaphore(&self) -> &Semaphore {
        &self.semaphore
    }

    /// Writes down what was sent or received.
    pub(crate) fn store_traffic(&self, messages: u64, bytes: u64) {
        self.messages.store(messages, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Writes down how it was waited.
    pub(crate) fn store_waits(&self, waits: u64, sleeps: u64, wakes: u64) {
        self.waits.store(waits, Ordering::Relaxed);
        self.sleeps.store(sleeps, Ordering::Relaxed);
        self.wakes.store(wakes, Ordering::Relaxed);
    }

    /// Writes down what was repaired.
    pub(crate) fn store_repairs(&self, tombstones: u64, redelivered: u64, dropped: u64) {
        self.tombstones.store(tombstones, Ordering::Relaxed);
        self.redelivered.store(redelivered, Ordering::Relaxed);
        self.dropped.store(dropped, Ordering::Relaxed);
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            waits: self.waits.load(Ordering::Relaxed),
            sleeps: self.sleeps.load(Ordering::Relaxed),
            wakes: self.wakes.load(Ordering::Relaxed),
            tombstones: self.tombstones.load(Ordering::Relaxed),
            redelivered: self.redelivered.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zeroed_line_has_said_nothing() {
        let line = Participant::default();
        assert_eq!(line.said(), Said::Nothing);
        line.attach(7, 9, None);
        assert_eq!((line.said(), line.pid(), line.started()), (Said::Attached, 7, 9));
        line.close();
        assert_eq!(line.said(), Said::Closed);
        line.bury();
        assert_eq!(line.said(), Said::Closed, "who has said goodbye did not die");
        line.attach(8, 9, None);
        line.leave_messages();
        line.close();
        assert!(line.may_have_left());
        line.bury();
        assert!(line.said() == Said::Closed && !line.may_have_left());
        line.attach(9, 9, None);
        line.bury();
        assert_eq!(line.said(), Said::Buried);
        line.forgive();
        assert_eq!(line.said(), Said::Closed);
    }
}
