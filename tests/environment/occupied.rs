//! The name is taken, by something that is no ring.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use ringway::inspect::{inspect, remove};
use ringway::spsc::options;
use ringway::{Address, OpenError};

use crate::common::image::Footprint;
use crate::common::names::Name;
use crate::refused;

/// Whatever is tried, whatever has the name stays as it is, and every refusal is of the expected kind.
#[track_caller]
fn stays_untouched(address: &Address, path: &Path, parts: &[&str], expected: fn(&OpenError) -> bool) {
    let before = Footprint::of(path);
    let attempts = [
        ("producer", options().producer(address).map(drop)),
        ("consumer", options().consumer(address).map(drop)),
        ("without creating", options().create(false).producer(address).map(drop)),
        ("inspect", inspect(address).map(drop)),
        ("remove", remove(address, false)),
        ("remove by force", remove(address, true)),
    ];
    for (what, attempt) in attempts {
        let error = refused(attempt, parts);
        assert!(expected(&error), "{what}: {error:?}");
    }
    for attempt in [options().create_new(true).producer(address).map(drop), options().create_ring(address)] {
        let error = refused(attempt, &["exists already"]);
        assert!(matches!(error, OpenError::Exists { .. }), "{error:?}");
    }
    assert_eq!(Footprint::of(path), before, "it was touched");
}

/// The same under a name in shared memory and under a path.
#[track_caller]
fn everywhere(put: impl Fn(&Path), parts: &[&str], expected: fn(&OpenError) -> bool) {
    let name = Name::new("occupied");
    put(&name.path());
    stays_untouched(&Address::Shm(name.to_string()), &name.path(), parts, expected);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ring");
    put(&path);
    stays_untouched(&Address::File(path.clone()), &path, parts, expected);
}

fn not_a_file(error: &OpenError) -> bool {
    matches!(error, OpenError::NotAFile { .. })
}

fn not_a_segment(error: &OpenError) -> bool {
    matches!(error, OpenError::NotASegment { .. })
}

#[test]
fn a_foreign_file_is_left_alone() {
    let text = "# somebody's notes\n".repeat(1000);
    let parts = ["not a ringway segment", "[23, 20, 73", "choose another name"];
    everywhere(|path| fs::write(path, &text).expect("a file"), &parts, not_a_segment);
}

#[test]
fn a_short_or_empty_file_is_left_alone() {
    let parts = ["bytes long, shorter than a header", "choose another name"];
    everywhere(|path| fs::write(path, "short").expect("a file"), &parts, not_a_segment);
    everywhere(|path| fs::write(path, "").expect("a file"), &parts, not_a_segment);
}

#[test]
fn a_symbolic_link_is_not_followed() {
    let parts = ["a symbolic link", "expected a regular file", "choose another name"];
    everywhere(|path| symlink("/nowhere/at/all", path).expect("a link"), &parts, not_a_file);

    let victim = tempfile::NamedTempFile::new().expect("a file");
    fs::write(victim.path(), "precious").expect("contents");
    let before = Footprint::of(victim.path());
    everywhere(|path| symlink(victim.path(), path).expect("a link"), &parts, not_a_file);
    assert_eq!(Footprint::of(victim.path()), before, "the link was followed");
}

/// Not even to a sound ring.
#[test]
fn a_symbolic_link_to_a_ring_is_not_followed() {
    let name = Name::new("linked");
    let _tx = options().producer(&*name).expect("a ring");
    let parts = ["a symbolic link", "choose another name"];
    everywhere(|path| symlink(name.path(), path).expect("a link"), &parts, not_a_file);
}

#[test]
fn a_fifo_is_left_alone() {
    let parts = ["FIFO", "expected a regular file", "choose another name"];
    everywhere(|path| mkfifo(path, Mode::S_IRWXU).expect("a FIFO"), &parts, not_a_file);
}

#[test]
fn a_directory_is_left_alone() {
    let parts = ["a directory", "expected a regular file", "choose another name"];
    everywhere(|path| fs::create_dir(path).expect("a directory"), &parts, not_a_file);
}

#[test]
fn a_socket_is_left_alone() {
    let parts = ["a socket", "expected a regular file", "choose another name"];
    everywhere(|path| drop(UnixListener::bind(path).expect("a socket")), &parts, not_a_file);
}
