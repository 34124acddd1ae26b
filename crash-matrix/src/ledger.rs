//! Which messages must come, which may, and with which mark; and the verdict on those that came.

use std::collections::{BTreeMap, BTreeSet};

use crate::account::{Account, Outcome, Received};
use crate::cell::{Cell, Kind, Operation, Part};
use crate::fault::{Class, Fault};

/// A message that is in the ring before the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its number.
    pub number: u16,
    /// Had an earlier consumer it in hand when it died?
    pub held: bool,
}

/// How a message is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    /// It must come; else it may.
    must: bool,
    /// With which mark; `None`: either will do.
    marked: Option<bool>,
}

/// What is to come.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    due: BTreeMap<u16, Due>,
    /// All of them, or none.
    together: Vec<u16>,
    /// Do messages that are not redelivered come in the order of their numbers?
    unordered: bool,
}

impl Expected {
    fn expect(&mut self, number: u16, must: bool, marked: Option<bool>) {
        self.due.insert(number, Due { must, marked });
    }

    /// A message that was sent, unmarked.
    pub fn sent(&mut self, number: u16) {
        self.expect(number, true, Some(false));
    }

    /// A message that may have been sent.
    pub fn perhaps_sent(&mut self, number: u16) {
        self.expect(number, false, Some(false));
    }

    /// The ring was removed: nothing need come any more.
    pub fn forgive(&mut self) {
        self.due.values_mut().for_each(|due| due.must = false);
        self.together.clear();
    }

    /// Several receivers: messages come in no order.
    pub fn any_order(&mut self) {
        self.unordered = true;
    }

    /// Which messages must come and have not.
    pub fn missing(&self, received: &[Received]) -> Vec<u16> {
        let have: BTreeSet<u16> = received.iter().map(|message| message.number).collect();
        let must = self.due.iter().filter(|(number, due)| due.must && !have.contains(number));
        must.map(|(number, _)| *number).collect()
    }

    /// What after the child's death, in the operation or after it, is to come.
    pub fn after_death(cell: Cell, left: &[Left], sends: &[u16], account: &Account, warm: bool) -> Expected {
        let mut expected = Expected::default();
        let told = account.told();
        let once = cell.operation.at_most_once();
        let consumes = cell.operation.part() == Part::Consumer;
        let next = left.iter().find(|left| !told.iter().any(|told| told.number == left.number));
        for Left { number, held } in left {
            let in_hand = told.iter().position(|told| told.number == *number);
            match in_hand {
                Some(at) if at < account.released() => {}
                Some(at) if at < account.releasing() => expected.expect(*number, false, Some(true)),
                Some(_) if once => {}
                Some(_) => expected.expect(*number, true, Some(true)),
                None if *held && once => {}
                None if *held => expected.expect(*number, true, Some(true)),
                None if consumes && next.is_some_and(|next| next.number == *number) => {
                    expected.expect(*number, !once, if once { Some(false) } else { None });
                }
                None => expected.sent(*number),
            }
        }
        expected.own(cell, sends, account, warm);
        expected
    }

    /// What the child sent itself.
    fn own(&mut self, cell: Cell, sends: &[u16], account: &Account, warm: bool) {
        let aborts = matches!(cell.operation, Operation::Abort | Operation::BatchDropped);
        for number in sends {
            match account.sent() {
                true => self.sent(*number),
                false if aborts || refused(account.outcome()) => {}
                false => self.perhaps_sent(*number),
            }
        }
        // A batch of a slot ring is one claim if it is no larger than the last one.
        if cell.kind == Kind::Spsc || warm || sends.len() == 1 {
            self.together = sends.to_vec();
        }
    }

    /// What is to come, by whomever, when nobody died.
    pub fn alive(cell: Cell, left: &[Left], sends: &[u16], account: &Account) -> Expected {
        let mut expected = Expected::default();
        let once = cell.operation.at_most_once();
        for Left { number, held } in left {
            if !(*held && once) {
                expected.expect(*number, true, Some(*held));
            }
        }
        expected.own(cell, sends, account, true);
        expected
    }

    /// The verdict on what came, by a single receiver in this order.
    pub fn judge(&self, received: &[Received]) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        let mut last = 0;
        for message in received {
            let Received { number, marked, torn } = *message;
            if torn {
                faults.push(Fault::new(Class::Torn, "a message is not what was sent"));
                continue;
            }
            match self.due.get(&number) {
                None => {
                    faults.push(Fault::new(Class::Duplicate, format!("message {number} must not come")));
                }
                Some(Due { marked: Some(due), .. }) if *due != marked => {
                    let mark = if marked { "is marked without reason" } else { "lacks its mark" };
                    faults.push(Fault::new(Class::Duplicate, format!("message {number} {mark}")));
                }
                Some(_) => {}
            }
            if !seen.insert(number) {
                faults.push(Fault::new(Class::Duplicate, format!("message {number} comes twice")));
            }
            if !marked && !self.unordered {
                if number < last {
                    let what = format!("message {number} comes after {last}");
                    faults.push(Fault::new(Class::Wrong, what));
                }
                last = number;
            }
        }
        faults.extend(self.absent(received, &seen));
        faults
    }

    fn absent(&self, received: &[Received], seen: &BTreeSet<u16>) -> Vec<Fault> {
        let lost = |number| Fault::new(Class::Lost, format!("message {number} does not come"));
        let mut faults: Vec<Fault> = self.missing(received).into_iter().map(lost).collect();
        let came = self.together.iter().filter(|number| seen.contains(number)).count();
        if came != 0 && came != self.together.len() {
            let what = format!("{came} of the {} messages of one batch come", self.together.len());
            faults.push(Fault::new(Class::Torn, what));
        }
        faults
    }
}

/// Was nothing sent?
fn refused(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::None | Outcome::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: u16, marked: bool) -> Received {
        Received { number, marked, torn: false }
    }

    fn classes(expected: &Expected, received: &[Received]) -> Vec<Class> {
        expected.judge(received).into_iter().map(|fault| fault.class).collect()
    }

    fn three() -> Expected {
        let mut expected = Expected::default();
        expected.expect(1, true, Some(true));
        expected.expect(2, false, None);
        expected.sent(3);
        expected
    }

    #[test]
    fn what_is_due_and_comes_is_right() {
        assert_eq!(classes(&three(), &[of(1, true), of(2, false), of(3, false)]), []);
        assert_eq!(classes(&three(), &[of(1, true), of(3, false)]), []);
        assert_eq!(three().missing(&[of(3, false)]), [1]);
    }

    #[test]
    fn each_wrong_is_of_its_class() {
        assert_eq!(classes(&three(), &[of(1, true)]), [Class::Lost]);
        assert_eq!(classes(&three(), &[of(1, false), of(3, false)]), [Class::Duplicate]);
        assert_eq!(classes(&three(), &[of(1, true), of(3, true)]), [Class::Duplicate]);
        assert_eq!(classes(&three(), &[of(1, true), of(3, false), of(3, false)]), [Class::Duplicate]);
        assert_eq!(classes(&three(), &[of(1, true), of(3, false), of(4, false)]), [Class::Duplicate]);
        assert_eq!(classes(&three(), &[of(1, true), of(3, false), of(2, false)]), [Class::Wrong]);
        let torn = Received { number: 0, marked: false, torn: true };
        assert_eq!(classes(&three(), &[of(1, true), torn, of(3, false)]), [Class::Torn]);
    }

    #[test]
    fn a_batch_comes_as_a_whole_or_not() {
        let mut expected = Expected::default();
        (1..=3).for_each(|number| expected.perhaps_sent(number));
        expected.together = vec![1, 2, 3];
        assert_eq!(classes(&expected, &[]), []);
        assert_eq!(classes(&expected, &[of(1, false), of(2, false), of(3, false)]), []);
        assert_eq!(classes(&expected, &[of(1, false), of(2, false)]), [Class::Torn]);
    }
}
