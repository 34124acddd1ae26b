//! The end: a producer closes, and a consumer that finds nothing looks whether anything can still come.
//!
//! Nothing can if no producer lives and, read after that, every slot is free: what another consumer holds may come
//! back, and what a dead one holds will. In the other order a producer could commit in a slot already read, and
//! close before it is looked for.

use crate::event::Event;
use crate::fault::Fault;
use crate::state::{Next, Process};
use crate::turn::Turn;
use crate::word::Phase;

impl Turn<'_> {
    /// Drops its lease and is gone.
    pub fn close(&mut self) {
        self.state.leases[usize::from(self.me)] = 0;
        let count = self.me().count;
        *self.process() = Process { count, next: Next::Dead, ..Process::new(0) };
    }

    /// Begins to look for the end.
    pub fn look_for_the_end(&mut self) {
        self.done(if self.model.has(Fault::SurveyFirst) { Next::Survey } else { Next::Probe });
    }

    /// Looks whether one producer lives; if none does, the slots decide.
    pub fn probe(&mut self) {
        let producer = self.me().part + 1;
        if self.state.leases[usize::from(producer)] == producer {
            return self.done(Next::Start);
        }
        self.process().part += 1;
        if usize::from(producer) == self.model.plans.len() {
            let surveyed = self.model.has(Fault::SurveyFirst);
            if surveyed { self.end() } else { self.done(Next::Survey) }
        }
    }

    /// Reads one word; if all are free, nothing will come.
    pub fn survey(&mut self) {
        let at = self.me().at;
        if self.read_word(at).phase() != Phase::Free {
            return self.done(Next::Start);
        }
        self.process().at += 1;
        if at + 1 == self.model.config.slots {
            let unprobed = self.model.has(Fault::SurveyFirst);
            if unprobed { self.done(Next::Probe) } else { self.end() }
        }
    }

    fn end(&mut self) {
        self.event = Some(Event::Ended);
        self.nothing_will_come();
        self.done(Next::Start);
    }
}
