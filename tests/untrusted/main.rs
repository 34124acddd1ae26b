//! Untrusted rings: what they carry between processes that keep to the protocol, and that nothing which one side writes, sends
//! or does harms the other.

#[path = "../common/mod.rs"]
mod common;

mod conform;
mod death;
mod foreign;
mod lies;
mod raw;
mod refused;

use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use common::role;
use ringway::untrusted::{Consumer, Options, Producer, options};

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    let roles = [death::ROLES.as_slice(), foreign::ROLES.as_slice(), refused::ROLES.as_slice()];
    role::enter(&roles.concat());
}

/// Both ends of a ring of `size` bytes, made as these options say.
fn pair(options: &Options, size: usize) -> (Producer, Consumer) {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let options = options.clone().size(size);
    thread::scope(|scope| {
        let rx = scope.spawn(|| options.consumer(&theirs).expect("a consumer"));
        (options.producer(&mine).expect("a producer"), rx.join().expect("no panic"))
    })
}

/// A place at which processes meet, gone with this value.
struct Meeting {
    listener: UnixListener,
    _directory: tempfile::TempDir,
    path: String,
}

impl Meeting {
    fn new() -> Meeting {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        Meeting { listener, _directory: directory, path: path.display().to_string() }
    }

    fn accept(&self) -> UnixStream {
        self.listener.accept().expect("somebody comes").0
    }
}

/// In a role: the end that the test at `path` wants.
fn producer_at(path: &str, size: usize) -> Producer {
    options().size(size).producer(UnixStream::connect(path).expect("it listens")).expect("a producer")
}

fn consumer_at(path: &str) -> Consumer {
    options().consumer(UnixStream::connect(path).expect("it listens")).expect("a consumer")
}
