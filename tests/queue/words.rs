//! Where the words of a queue lie in its file, and how to write them: part of the layout, so a change here is a new
//! layout version.

use ringway::Geometry;

use crate::common::image::{patch, read_u64};
use crate::common::names::Name;

/// States of a slot.
#[derive(Clone, Copy, Debug)]
pub enum State {
    Free,
    Writing,
    Ready,
    Reading,
    Releasing,
    Aborted,
}

/// A slot word.
pub fn word(state: State, lap: u64, span: u64, owner: u64) -> u64 {
    state as u64 | owner << 3 | span << 13 | lap << 25
}

/// The words of a queue in shared memory.
pub struct Words {
    name: String,
    places: u64,
    stride: u64,
}

impl Words {
    pub fn of(name: &Name, geometry: &Geometry) -> Words {
        let (places, stride) = (u64::from(geometry.places), 16 + geometry.inline);
        Words { name: name.to_string(), places, stride }
    }

    /// The line of participant `id`, its state first.
    pub fn line(id: u64) -> u64 {
        4096 + 128 * id
    }

    /// The hint of where the tail is; the head's is a line further on, and then the bells.
    pub fn hints(&self) -> u64 {
        Words::line(2 * self.places)
    }

    /// The turn, beside the first bell.
    pub fn turn(&self) -> u64 {
        self.hints() + 2 * 128 + 8
    }

    /// The word of slot `index`; length and tag follow.
    pub fn slot(&self, index: u64) -> u64 {
        (self.hints() + 4 * 128).next_multiple_of(4096) + index * self.stride
    }

    pub fn read(&self, at: u64) -> u64 {
        read_u64(&self.path(), at)
    }

    pub fn write(&self, at: u64, value: u64) {
        patch(&self.path(), at, &value.to_ne_bytes());
    }

    fn path(&self) -> std::path::PathBuf {
        format!("/dev/shm/ringway.{}", self.name).into()
    }

    /// As if the participant with this id had been here, and died: it holds no lease.
    pub fn died(&self, id: u64) {
        self.write(Words::line(id), 1 | 4242 << 32);
        // Every place of either role may have been taken.
        self.write(self.hints() + 2 * 128 + 16, self.places | self.places << 32);
    }
}
