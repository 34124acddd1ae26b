//! The ring in two halves.

use core::time::Duration;

use crate::layout::Shared;
use crate::layout::halves::Control;
use crate::ring::halves::{self, Refused, Window};
use crate::sync::Fence;
use crate::wait::across::{self, Across};
use crate::wait::{self, Patience, Sleeps, Wait};

use super::bell::Looking;

/// A ring of which each side has a half, without memory that is mapped.
#[derive(Debug)]
pub struct Ring {
    window: Window,
    producers: Shared<Control>,
    consumers: Shared<Control>,
}

impl Ring {
    /// An empty ring of `size` bytes.
    pub fn new(size: u64) -> Ring {
        Ring {
            window: Window::on_heap(size),
            producers: Shared::on_heap(Control::default()),
            consumers: Shared::on_heap(Control::default()),
        }
    }

    /// Both ends.
    pub fn ends(&self) -> (Producer, Consumer) {
        let (producers, consumers) = (self.producers.clone(), self.consumers.clone());
        let producer = halves::Producer::new(producers.clone(), consumers.clone(), self.window.clone());
        let consumer = halves::Consumer::new(consumers.clone(), producers.clone(), self.window.clone());
        (
            Producer { ring: producer, bell: Bell { own: producers.clone(), theirs: consumers.clone() } },
            Consumer { ring: consumer, bell: Bell { own: consumers, theirs: producers } },
        )
    }
}

/// The bell between the halves, seen by one side.
#[derive(Debug)]
struct Bell {
    own: Shared<Control>,
    theirs: Shared<Control>,
}

impl Bell {
    fn ring(&self) -> bool {
        across::ring(&self.own, &self.theirs, Fence::Asymmetric)
    }

    fn across(&self) -> Across<'_> {
        Across { own: &self.own, theirs: &self.theirs, fence: Fence::Asymmetric }
    }

    /// The shipped wait without a deadline: parks until `look` finds something.
    fn wait<T>(&self, look: impl FnMut() -> Option<T>) -> T {
        let patience = Patience {
            how: Wait::Park,
            began: Duration::ZERO,
            spin: Duration::ZERO,
            interval: Duration::MAX,
            deadline: None,
        };
        wait::wait(self.across(), &patience, &mut Looking(look))
            .expect("a wait without a deadline finds something")
    }
}

/// The producer.
#[derive(Debug)]
pub struct Producer {
    ring: halves::Producer,
    bell: Bell,
}

impl Producer {
    /// Sends a message, without waking anybody; `false`: the ring is full.
    pub fn send(&mut self, tag: u16, message: &[u8]) -> bool {
        match self.ring.send(tag, message) {
            Ok(()) => true,
            Err(Refused::Full { .. }) => false,
            Err(refused) => panic!("{refused:?}"),
        }
    }

    /// Wakes the consumer; `true`: it said that it sleeps.
    pub fn ring(&self) -> bool {
        self.bell.ring()
    }

    /// Parks until there is room for `len` bytes.
    pub fn wait(&mut self, len: u64) {
        let Producer { ring, bell } = self;
        bell.wait(|| ring.has_room(len).expect("a sound ring").then_some(()));
    }

    /// Says goodbye, without waking anybody.
    pub fn close(&self) {
        halves::close(&self.bell.own);
    }
}

/// The consumer.
#[derive(Debug)]
pub struct Consumer {
    ring: halves::Consumer,
    bell: Bell,
}

impl Consumer {
    /// The tag and the words of the next message, if there is one.
    pub fn recv(&mut self) -> Option<(u16, &[u64])> {
        let copied = self.ring.recv().expect("a sound ring")?;
        Some((copied.tag, &self.ring.words()[..copied.len.div_ceil(8)]))
    }

    /// Wakes the producer; `true`: it said that it sleeps.
    pub fn ring(&self) -> bool {
        self.bell.ring()
    }

    /// Parks until there is a message.
    pub fn wait(&mut self) {
        let Consumer { ring, bell } = self;
        bell.wait(|| ring.look().expect("a sound ring").then_some(()));
    }

    /// Says that the caller is about to sleep.
    pub fn announce(&self) -> u32 {
        self.bell.across().announce()
    }

    /// Sleeps until the producer rings after `announced`.
    pub fn sleep(&self, announced: u32) {
        self.bell.across().sleep(announced, Duration::MAX);
    }

    /// Has the producer said goodbye?
    pub fn is_left(&mut self) -> bool {
        self.ring.is_left().expect("a sound ring")
    }
}
