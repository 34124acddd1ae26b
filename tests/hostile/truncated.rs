//! Files of other users that change their length while somebody only looks at what is there.

use std::fs;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use ringway::Address;
use ringway::inspect::{inspect, list, remove};

use crate::common::names::Name;
use crate::common::role::Entry;
use crate::forked::{Child, become_user};
use crate::kinds::{Plan, kind_of};
use crate::of_each_kind_as_root;

pub const ROLES: [Entry; 1] = [("onlooker", onlooker)];

const ATTACKER: u32 = 65534;
const LOOKED_AT: Duration = Duration::from_millis(1000);

/// Whoever lists rings has not chosen to trust their owners.
#[test]
fn looking_at_a_ring_that_its_owner_truncates_meanwhile_kills_nobody() {
    of_each_kind_as_root("onlooker");
}

fn onlooker(arguments: &[&str]) {
    let plan = Plan { persist: true, ..Plan::new(kind_of(arguments[0])) };
    let name = Name::new("truncated");
    let mut attacker = Child::start(|line| {
        become_user(ATTACKER);
        plan.create_ring(&name).expect("a ring");
        let whole = fs::read(name.path()).expect("one's own");
        let file = fs::File::options().write(true).open(name.path()).expect("one's own");
        line.say("truncating");
        loop {
            file.set_len(0).expect("one's own");
            fs::write(name.path(), &whole).expect("one's own");
        }
    });
    attacker.line.expect("truncating");
    let onlooker = Child::start(|_| {
        assert!(geteuid().is_root(), "who may look at everything");
        let started = Instant::now();
        let mut seen = 0;
        while started.elapsed() < LOOKED_AT {
            let mine = Address::Shm(name.to_string());
            // Whatever is found, or not.
            seen += u32::from(inspect(&mine).is_ok());
            seen += u32::from(list().expect("a list").iter().any(|entry| entry.report.is_ok()));
        }
        println!("seen whole {seen} times");
    });
    onlooker.finish();
    attacker.kill();
    // What was cut short at the last moment is no segment any more; then the name is this test's to remove.
    let _ = remove(&*name, true);
}
