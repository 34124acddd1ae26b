//! Another user sits on the name of a ring, in a directory where everybody may create and nobody may remove what is
//! others': nothing of the attacker's is ever joined unless its owner was asked for, no link is followed, nobody's
//! file is touched, and nobody waits.

use std::fs;
use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use ringway::{OpenError, Owner};
use tempfile::TempDir;

use crate::common::PATIENCE;
use crate::common::image::Footprint;
use crate::common::names::Name;
use crate::common::role::Entry;
use crate::forked::{Child, become_user};
use crate::kinds::{Plan, kind_of};
use crate::of_each_kind_as_root;
use crate::traps::{Scene, TRAPS, Trap};

pub const ROLES: [Entry; 3] = [("squatted", squatted), ("trusted", trusted), ("swapped", swapped)];

const ATTACKER: u32 = 65534;
/// Root, whom no permission stops, and somebody whom permissions stop.
const VICTIMS: [u32; 2] = [0, 12_345];

/// A directory like /dev/shm.
fn sticky_directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o1777)).expect("root may");
    directory
}

/// Does something as another user.
fn as_user(uid: u32, deed: impl FnOnce()) {
    let child = Child::start(|_| {
        become_user(uid);
        deed();
    });
    child.finish();
}

/// Makes what the victim has: a file that everybody may write to, and another ring.
fn furnish(scene: &Scene, victim: u32) {
    as_user(victim, || {
        fs::write(scene.prey, "precious").expect("a file");
        fs::set_permissions(scene.prey, fs::Permissions::from_mode(0o666)).expect("one's own");
        scene.plan.create_ring(&format!("file:{}", scene.other.display())).expect("a ring");
    });
}

#[test]
fn whoever_squats_on_a_name_is_left_alone() {
    of_each_kind_as_root("squatted");
}

fn squatted(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    for victim in VICTIMS {
        for trap in &TRAPS {
            let [name, prey, other] = ["squatted", "prey", "other"].map(Name::new);
            let (prey, other) = (prey.path(), other.path());
            let scene = Scene { plan: &plan, name: name.path(), prey: &prey, other: &other };
            spring(victim, trap, &scene, &name);
            let directory = sticky_directory();
            let [file, prey, other] = ["ring", "prey", "other"].map(|name| directory.path().join(name));
            let address = format!("file:{}", file.display());
            spring(victim, trap, &Scene { plan: &plan, name: file, prey: &prey, other: &other }, &address);
        }
    }
}

/// The attacker sets a trap, and the victim runs into it.
fn spring(victim: u32, trap: &Trap, scene: &Scene, address: &str) {
    let plan = scene.plan;
    let footprints = || [&*scene.name, scene.prey, scene.other].map(Footprint::of);
    furnish(scene, victim);
    as_user(ATTACKER, || (trap.set)(scene));
    let before = footprints();
    as_user(victim, || {
        let careless = Plan { mode: 0o666, ..*plan };
        let missing = Plan { create: false, ..*plan };
        for attempt in [
            plan.producer(address).map(drop),
            plan.consumer(address).map(drop),
            careless.producer(address).map(drop),
            missing.consumer(address).map(drop),
        ] {
            let error = attempt.expect_err(trap.what);
            let stopped = !geteuid().is_root() && is_denied(&error);
            assert!((trap.told)(&error) || stopped, "{}: {error:?}", trap.what);
        }
        let new = Plan { create_new: true, ..*plan };
        for attempt in [new.producer(address).map(drop), plan.create_ring(address)] {
            let error = attempt.expect_err(trap.what);
            assert!(matches!(error, OpenError::Exists { .. }), "{}: {error:?}", trap.what);
        }
    });
    assert_eq!(footprints(), before, "{}: touched", trap.what);
    assert!(!scene.prey.with_extension("new").exists(), "{}: followed", trap.what);
}

/// Did permissions stop the caller, and the text say what to look at?
fn is_denied(error: &OpenError) -> bool {
    let text = error.to_string();
    text.contains("Permission denied") && text.contains("check who may read and write there")
}

/// What is refused unasked is joined when its owner is named.
#[test]
fn a_ring_of_another_user_is_joined_only_if_its_owner_is_asked_for() {
    of_each_kind_as_root("trusted");
}

fn trusted(arguments: &[&str]) {
    let plan = Plan { mode: 0o666, ..Plan::new(kind_of(arguments[0])) };
    let name = Name::new("trusted");
    as_user(ATTACKER, || Plan { persist: true, ..plan }.create_ring(&name).expect("a ring"));
    for victim in VICTIMS {
        as_user(victim, || {
            for owner in [Owner::Me, Owner::Uid(victim), Owner::Uid(1)] {
                let error = Plan { owner, ..plan }.producer(&name).map(drop).expect_err("not that one's");
                let told = matches!(error, OpenError::ForeignOwner { found: ATTACKER, .. });
                assert!(told, "{error:?}");
            }
            for owner in [Owner::Uid(ATTACKER), Owner::Anyone] {
                Plan { owner, ..plan }.producer(&name).expect("asked for");
                let error = Plan { owner, mode: 0o600, ..plan }.producer(&name).map(drop);
                assert!(matches!(error, Err(OpenError::Mode { found: 0o666, .. })), "{error:?}");
            }
        });
    }
}

#[test]
fn a_name_that_is_swapped_at_full_speed_never_leads_to_the_attackers_ring() {
    of_each_kind_as_root("swapped");
}

fn swapped(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    for victim in VICTIMS {
        let directory = sticky_directory();
        let [name, prey, other] = ["ring", "prey", "other"].map(|name| directory.path().join(name));
        let scene = Scene { plan: &plan, name, prey: &prey, other: &other };
        furnish(&scene, victim);
        let footprints = || [&prey, &other].map(|path| Footprint::of(path));
        let before = footprints();
        let mut attacker = Child::start(|line| {
            become_user(ATTACKER);
            let baits = make_baits(&scene);
            line.say("swapping");
            swap_for_ever(&scene.name, &baits);
        });
        attacker.line.expect("swapping");
        as_user(victim, || open_again_and_again(&scene));
        attacker.kill();
        assert_eq!(footprints(), before, "what the victim has was touched");
        assert!(!prey.with_extension("new").exists(), "a link was followed");
    }
}

/// One of each trap, under a name of its own, that the attacker can put under another and take away again: no
/// directory, and no file of the victim's.
fn make_baits(scene: &Scene) -> Vec<PathBuf> {
    let set = |(number, trap): (usize, &Trap)| {
        let bait = scene.name.with_file_name(format!("bait.{number}"));
        (trap.set)(&Scene { name: bait.clone(), ..*scene });
        bait
    };
    let can_be_moved = |bait: &PathBuf| {
        let metadata = bait.symlink_metadata().expect("just set");
        metadata.uid() == ATTACKER && !metadata.is_dir()
    };
    TRAPS.iter().enumerate().map(set).filter(can_be_moved).collect()
}

/// Puts one bait after the other under the name, and now and then nothing. What the victim has put there stays: it is
/// the victim's.
fn swap_for_ever(name: &Path, baits: &[PathBuf]) {
    let next = name.with_file_name("next");
    for bait in baits.iter().cycle() {
        match fs::read_link(bait) {
            Ok(target) => symlink(target, &next).expect("a link"),
            Err(_) => fs::hard_link(bait, &next).expect("a second name"),
        }
        // Both fail while the victim's ring has the name.
        if fs::rename(&next, name).is_err() {
            fs::remove_file(&next).expect("one's own");
        }
        let _ = fs::remove_file(name);
    }
}

/// The victim gets rings of its own or errors, some of each.
fn open_again_and_again(scene: &Scene) {
    let (plan, address) = (scene.plan, format!("file:{}", scene.name.display()));
    let other = scene.other.metadata().expect("a ring").ino();
    let (mut joined, mut refused) = (0, 0);
    let started = Instant::now();
    while joined < 50 || refused < 50 || started.elapsed() < Duration::from_millis(1500) {
        assert!(started.elapsed() < 4 * PATIENCE, "{joined} joined, {refused} refused");
        let descriptor = match (joined + refused) % 2 {
            0 => plan.producer(&address).and_then(|tx| tx.descriptor()),
            _ => plan.consumer(&address).and_then(|rx| rx.descriptor()),
        };
        match descriptor.map(File::from) {
            Ok(file) => {
                let metadata = file.metadata().expect("a file");
                assert_eq!(metadata.uid(), geteuid().as_raw(), "somebody else's ring");
                assert_ne!(metadata.ino(), other, "a ring of another name");
                joined += 1;
            }
            Err(error) => {
                let denied = !geteuid().is_root() && is_denied(&error);
                let told = TRAPS.iter().any(|trap| (trap.told)(&error));
                assert!(told || denied, "{error:?}");
                refused += 1;
            }
        }
    }
}
