//! Guests that are killed: one process keeps an end of each of seven rings, forks guests for them, and kills most of
//! those at a random moment.

use std::fmt;
use std::time::{Duration, Instant};

use ringway::Role;

use crate::census::{Census, descriptors};
use crate::chance::Chance;
use crate::common::eventually;
use crate::common::role::say;
use crate::ends::Kind;
use crate::ground::{Ground, Stock};
use crate::progress::Progress;
use crate::rings::{Backing, Guest, Ring};
use crate::{cycles, watch};

/// Within how many microseconds a guest is killed: one needs a few hundred to attach.
const LIFE: u64 = 1500;
/// Guests before the first census, by when every path was walked and the allocator has its caches.
const WARM_UP: u64 = 300;

#[test]
fn the_dead_leave_nothing_behind() {
    watch("nursery", cycles(2000));
}

pub fn nursery(arguments: &[&str]) {
    let Some(ground) = Ground::new() else { return };
    let seed = Chance::seed();
    say(format_args!("nursery: RINGWAY_LEAK_SEED={seed}"));
    let empty = ground.stock();
    let mut nursery = Nursery::new(ground, seed);
    let mut progress = Progress::new("nursery", arguments[0].parse().expect("a number"));
    while nursery.figures.guests < WARM_UP {
        nursery.wave();
    }
    let before = nursery.census();
    nursery.figures = Figures::default();
    while !progress.is_done() {
        progress.add(nursery.wave());
    }
    let after = nursery.census();
    assert_eq!(after.leaked_since(&before), None, "{}", nursery.figures);
    let Nursery { rings, ground, figures, .. } = nursery;
    rings.into_iter().for_each(Ring::end);
    eventually("nothing is left when all have left", || ground.stock() == empty);
    assert!(figures.attached > figures.guests / 8, "many guests had come before they went: {figures}");
    progress.end(format_args!("; {figures}; {after}"));
}

/// What was done.
#[derive(Default)]
struct Figures {
    guests: u64,
    killed: u64,
    /// Guests that had attached just before they went.
    attached: u64,
    renewed: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { guests, killed, attached, renewed } = self;
        write!(f, "{guests} guests, {killed} killed, {attached} had attached, {renewed} rings made anew")
    }
}

/// A keeper of rings.
struct Nursery {
    ground: Ground,
    rings: Vec<Ring>,
    chance: Chance,
    /// What there is while no guest is.
    stock: Stock,
    descriptors: usize,
    figures: Figures,
}

impl Nursery {
    fn new(ground: Ground, seed: u64) -> Nursery {
        let mut rings = vec![Ring::new(Kind::Durable, Backing::File, &ground, Role::Producer)];
        for kind in [Kind::Spsc, Kind::Mpmc] {
            for backing in [Backing::Shm, Backing::File, Backing::Fd] {
                rings.push(Ring::new(kind, backing, &ground, Role::Producer));
            }
        }
        let (chance, stock) = (Chance::new(seed), ground.stock());
        Nursery { ground, rings, chance, stock, descriptors: descriptors(), figures: Figures::default() }
    }

    /// Some guests come to a ring, and go or are killed; everything else is as before. How many guests.
    fn wave(&mut self) -> u64 {
        let chosen = self.chance.below(self.rings.len() as u64) as usize;
        let mut ring = self.rings.swap_remove(chosen);
        let guests = self.visit(&mut ring);
        self.figures.guests += guests.len() as u64;
        ring.check();
        if self.chance.once_in(32) {
            ring = ring.renew(&self.ground);
            self.figures.renewed += 1;
        }
        self.rings.push(ring);
        eventually("files, inodes and blocks are as before", || self.ground.stock() == self.stock);
        eventually("descriptors are as before", || descriptors() == self.descriptors);
        guests.len() as u64
    }

    /// Guests come, do what they do, and are killed or go. Now and then the keeper leaves before.
    fn visit(&mut self, ring: &mut Ring) -> Vec<Guest> {
        let chance = &mut self.chance;
        let count = 1 + chance.below(ring.room());
        let guests: Vec<Guest> = (0..count).map(|_| ring.guest(!chance.once_in(6), chance)).collect();
        // Half of them are killed whatever they have come to, the others once one has attached.
        if chance.once_in(2) {
            eventually("a guest comes", || {
                ring.tend(chance);
                ring.attached(&guests) > 0
            });
        }
        let until = Instant::now() + Duration::from_micros(chance.below(LIFE));
        while Instant::now() < until {
            ring.tend(chance);
        }
        let leaves = chance.once_in(16);
        self.figures.attached += ring.attached(&guests);
        if leaves {
            ring.go();
        }
        guests.iter().for_each(Guest::strike);
        guests.iter().for_each(Guest::bury);
        if leaves {
            ring.come();
        }
        self.figures.killed += guests.iter().filter(|guest| guest.is_doomed()).count() as u64;
        guests
    }

    /// What the keeper has, with every ring made anew.
    fn census(&mut self) -> Census {
        let rings = self.rings.drain(..).collect::<Vec<_>>();
        self.rings = rings.into_iter().map(|ring| ring.renew(&self.ground)).collect();
        Census::take()
    }
}
