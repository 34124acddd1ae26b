//! What another user can put under the name of somebody's ring, in a directory that both may write to.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use ringway::OpenError;

use crate::kinds::Plan;

/// Where a trap is set.
pub struct Scene<'a> {
    /// How the rings are that the victim wants.
    pub plan: &'a Plan,
    /// The name that the victim is going to open.
    pub name: PathBuf,
    /// The victim's file, which anybody may write to.
    pub prey: &'a Path,
    /// Another ring of the victim's.
    pub other: &'a Path,
}

impl Scene<'_> {
    fn file(&self, mode: u32) {
        fs::write(&self.name, "mine\n".repeat(10_000)).expect("a file");
        self.chmod(mode);
    }

    fn ring(&self, mode: u32) {
        let plan = Plan { persist: true, mode, ..*self.plan };
        plan.create_ring(&format!("file:{}", self.name.display())).expect("a ring");
    }

    fn chmod(&self, mode: u32) {
        fs::set_permissions(&self.name, fs::Permissions::from_mode(mode)).expect("one's own file");
    }
}

/// A trap: what it is, how it is set, and what one who may open it is told.
pub struct Trap {
    pub what: &'static str,
    pub set: fn(&Scene),
    pub told: fn(&OpenError) -> bool,
}

fn not_a_file(error: &OpenError) -> bool {
    matches!(error, OpenError::NotAFile { .. })
}

fn not_a_segment(error: &OpenError) -> bool {
    matches!(error, OpenError::NotASegment { .. })
}

fn foreign(error: &OpenError) -> bool {
    matches!(error, OpenError::ForeignOwner { .. })
}

fn length(error: &OpenError) -> bool {
    matches!(error, OpenError::Length { .. })
}

/// Every trap.
pub const TRAPS: [Trap; 14] = [
    Trap { what: "a file for all", set: |scene| scene.file(0o666), told: not_a_segment },
    Trap { what: "a file of the attacker's", set: |scene| scene.file(0o600), told: not_a_segment },
    Trap {
        what: "a link to the victim's file",
        set: |scene| symlink(scene.prey, &scene.name).expect("a link"),
        told: not_a_file,
    },
    Trap {
        what: "a link to nothing, where the victim may create",
        set: |scene| symlink(scene.prey.with_extension("new"), &scene.name).expect("a link"),
        told: not_a_file,
    },
    Trap {
        what: "a link to another ring of the victim's",
        set: |scene| symlink(scene.other, &scene.name).expect("a link"),
        told: not_a_file,
    },
    Trap {
        what: "a link to itself",
        set: |scene| symlink(&scene.name, &scene.name).expect("a link"),
        told: not_a_file,
    },
    Trap {
        what: "a second name of the victim's file",
        set: |scene| fs::hard_link(scene.prey, &scene.name).expect("whoever may write to it may link it"),
        told: not_a_segment,
    },
    Trap {
        what: "a directory",
        set: |scene| fs::create_dir(&scene.name).expect("a directory"),
        told: not_a_file,
    },
    Trap {
        what: "a FIFO",
        set: |scene| {
            mkfifo(&scene.name, Mode::S_IRWXU).expect("a FIFO");
            scene.chmod(0o666);
        },
        told: not_a_file,
    },
    Trap {
        what: "a socket",
        set: |scene| {
            drop(UnixListener::bind(&scene.name).expect("a socket"));
            scene.chmod(0o666);
        },
        told: not_a_file,
    },
    Trap { what: "a ring of the attacker's", set: |scene| scene.ring(0o600), told: foreign },
    Trap { what: "a ring for all", set: |scene| scene.ring(0o666), told: foreign },
    Trap {
        what: "a ring for all that is too short",
        set: |scene| {
            scene.ring(0o666);
            let file = fs::File::options().write(true).open(&scene.name).expect("one's own");
            file.set_len(5000).expect("shorter");
        },
        told: length,
    },
    Trap {
        what: "a set-uid ring",
        set: |scene| {
            scene.ring(0o600);
            scene.chmod(0o6777);
        },
        told: foreign,
    },
];
