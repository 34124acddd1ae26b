//! Standing back when another participant was faster.
//!
//! Two walkers that fight for each slot move its line to and fro for each message. One that has lost stands back for a
//! moment, in which the winner goes on alone; each time it loses again, for twice as long.

use crate::sync::pause;

/// The longest that one stands back is 2 to this power, in pauses.
const MOST: u32 = 7;

/// How often this participant has lost in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    /// Another was faster.
    pub(crate) fn lost(&mut self) {
        (0..1 << self.0).for_each(|_| pause());
        self.0 = (self.0 + 1).min(MOST);
    }
}
