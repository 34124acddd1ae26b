//! What a soak's journal proves, or what it shows to be broken.

use std::collections::HashMap;

use crate::journal::{Journal, LISTS, Receipt};
use crate::plan::{Plan, head_of};

/// What was counted in runs that were in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub messages: u64,
    pub redelivered: u64,
    /// `at_most_once`: committed messages that no consumer lived to note.
    pub missing: u64,
    pub kills: u64,
    pub rounds: u64,
}

impl Figures {
    pub fn add(&mut self, other: Figures) {
        self.messages += other.messages;
        self.redelivered += other.redelivered;
        self.missing += other.missing;
        self.kills += other.kills;
        self.rounds += other.rounds;
    }
}

/// Everything in a journal that should not be there.
struct Verdict<'a> {
    journal: &'a Journal,
    plan: Plan,
    problems: Vec<String>,
    figures: Figures,
}

/// Judges a run with so many producers; the problems are said in words.
pub fn judge(journal: &Journal, plan: Plan, producers: u16) -> Result<Figures, String> {
    let mut verdict = Verdict { journal, plan, problems: Vec::new(), figures: Figures::default() };
    for list in 0..LISTS {
        verdict.judge_list(list);
    }
    let messages = verdict.judge_messages();
    for producer in 0..producers {
        verdict.judge_producer(producer, messages.get(&producer).map_or(&[], Vec::as_slice));
    }
    let strangers = messages.keys().filter(|producer| **producer >= producers);
    verdict.problems.extend(strangers.map(|stranger| format!("messages of {stranger}, who never was")));
    match verdict.problems.len() {
        0 => Ok(verdict.figures),
        many => {
            verdict.problems.truncate(12);
            Err(format!("{many} problems, among them:\n{}", verdict.problems.join("\n")))
        }
    }
}

impl Verdict<'_> {
    fn receipts(&self, list: usize) -> impl Iterator<Item = Receipt> + '_ {
        (0..self.journal.count(list)).map(move |number| self.journal.receipt(list, number))
    }

    /// Each consumer: whole messages, and those that are not redelivered in the order of the ring, in which each
    /// producer's messages stand in the order of their sending.
    fn judge_list(&mut self, list: usize) {
        let mut problems = Vec::new();
        let mut last: Option<Receipt> = None;
        for receipt in self.receipts(list) {
            if !receipt.whole {
                problems.push(format!("torn: {receipt:?}"));
            }
            if receipt.redelivered {
                continue;
            }
            let same = last.filter(|last| last.consumer == receipt.consumer);
            if let Some(before) = same.filter(|last| last.sequence >= receipt.sequence) {
                problems.push(format!("out of order: {before:?}, then {receipt:?}"));
            }
            last = Some(receipt);
        }
        self.problems.extend(problems);
    }

    /// Each message: what was received of it, by producer and in the order of the ring.
    fn judge_messages(&mut self) -> HashMap<u16, Vec<Receipt>> {
        let mut receipts: Vec<Receipt> = (0..LISTS).flat_map(|list| self.receipts(list)).collect();
        receipts.sort_by_key(|receipt| (receipt.sequence, receipt.received));
        let mut messages: HashMap<u16, Vec<Receipt>> = HashMap::new();
        for same in receipts.chunk_by(|one, other| one.sequence == other.sequence) {
            if let Some(problem) = self.problem_of(same) {
                self.problems.push(format!("{problem}: {same:?}"));
            }
            self.figures.messages += 1;
            self.figures.redelivered += same.iter().filter(|receipt| receipt.redelivered).count() as u64;
            messages.entry(same[0].producer).or_default().push(same[0]);
        }
        messages
    }

    /// What is wrong with the receipts of one message, in the order of their times.
    fn problem_of(&self, same: &[Receipt]) -> Option<&'static str> {
        let (first, last) = (same[0], same[same.len() - 1]);
        let identity = |receipt: &Receipt| (receipt.producer, receipt.length, receipt.head);
        if same.iter().any(|receipt| identity(receipt) != identity(&first)) {
            return Some("different messages with one sequence");
        }
        if same[1..].iter().any(|receipt| !receipt.redelivered) {
            return Some("received again without a mark");
        }
        if same.iter().any(|receipt| receipt.released != 0 && *receipt != last) {
            return Some("received again after it was released, or while a living one held it");
        }
        (self.plan.at_most_once && (same.len() > 1 || first.redelivered)).then_some("delivered twice")
    }

    /// Each producer: everything that it committed was received, nothing that it aborted, and in its order.
    fn judge_producer(&mut self, producer: u16, received: &[Receipt]) {
        let (tried, committed) = (self.journal.tried(producer), self.journal.committed(producer));
        let mut serial = 0;
        for receipt in received {
            while self.plan.at_most_once && serial < tried && !self.is(receipt, producer, serial) {
                self.figures.missing += u64::from(serial < committed);
                serial += 1;
            }
            if serial >= tried || !self.is(receipt, producer, serial) {
                let expected = (serial, self.plan.length(producer, serial));
                let end = format!("{committed} to {tried} were sent");
                return self.problems.push(format!(
                    "lost or invented: {receipt:?} stands where {expected:?} was sent; {end}"
                ));
            }
            serial += 1;
        }
        let missing = committed.saturating_sub(serial);
        if self.plan.at_most_once {
            self.figures.missing += missing;
        } else if missing > 0 {
            self.problems.push(format!("lost: of {producer}, from {serial}; {committed} were committed"));
        }
    }

    fn is(&self, receipt: &Receipt, producer: u16, serial: u64) -> bool {
        let length = self.plan.length(producer, serial);
        (receipt.length, receipt.head) == (length, head_of(serial, length))
    }
}
