//! Connections: who meets whom, what is left behind, and what is said to whoever does not speak the protocol.

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use common::role::{Entry, Role, listen, say};
use common::{PATIENCE, eventually, names::Name};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use ringway::connect::{self, At, Carrier, Options, Using};
use ringway::{ConnectError, OpenError, RecvError, SendError};
use tempfile::TempDir;

const ROLES: [Entry; 1] = [("waiting", wait)];

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    common::role::enter(&ROLES);
}

/// Waits for a producer.
fn wait(arguments: &[&str]) {
    let waiting = thread::spawn({
        let address = arguments[0].to_owned();
        move || connect::consumer(&address).map(drop)
    });
    eventually("it listens", || is_listened_at(arguments[0]) || waiting.is_finished());
    say("listening");
    listen();
}

/// Does a process listen at this address, by the kernel's table?
fn is_listened_at(address: &str) -> bool {
    let at = match address.parse().expect("an address") {
        At::Name(name) => format!("@ringway/{}/{name}", geteuid()),
        At::Path(path) | At::Unix(path) => path.display().to_string(),
        other => unreachable!("{other} is no meeting"),
    };
    let table = fs::read_to_string("/proc/net/unix").expect("the kernel's table");
    // Flags: accepting connections.
    table.lines().any(|line| line.ends_with(&format!(" {at}")) && line.contains(" 00010000 "))
}

fn options() -> Options {
    connect::options().timeout(PATIENCE)
}

struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("meet")
    }

    fn address(&self) -> String {
        format!("unix:{}", self.path().display())
    }

    /// Where the best is chosen.
    fn of_choice(&self) -> String {
        format!("auto:{}", self.path().display())
    }
}

fn connect_both(address: &str) -> (connect::Producer, connect::Consumer) {
    thread::scope(|scope| {
        let consumer = scope.spawn(|| options().consumer(address).expect("a consumer"));
        let tx = options().producer(address).expect("a producer");
        (tx, consumer.join().expect("no panic"))
    })
}

#[test]
fn either_side_may_come_first_and_each_connection_is_new() {
    let name = Name::new("order");
    for _ in 0..3 {
        let (mut tx, mut rx) = connect_both(&name);
        tx.send(b"hello").expect("sent");
        assert_eq!(&rx.recv().expect("a message")[..], b"hello");
        assert!(tx.transport().is_memory() && rx.transport().is_memory());
        drop(tx);
        assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
    }
    thread::scope(|scope| {
        let late = scope.spawn(|| options().producer(&*name).expect("a producer"));
        let early = options().consumer(&*name).expect("a consumer");
        drop(late.join().expect("no panic"));
        drop(early);
    });
}

/// At a name and at a path: one of them listens, and the others are told.
#[test]
fn of_many_consumers_that_come_at_once_one_listens() {
    let (place, name) = (Place::new(), Name::new("many"));
    for address in [name.to_string(), place.of_choice()] {
        for _ in 0..20 {
            thread::scope(|scope| {
                let consumers = [(); 4].map(|()| scope.spawn(|| options().consumer(&address)));
                let mut tx = options().producer(&address).expect("a producer");
                tx.send(b"hello").expect("sent");
                // Whoever comes after the first has met its producer waits for another.
                while !consumers.iter().all(thread::ScopedJoinHandle::is_finished) {
                    let brief = connect::options().timeout(Duration::from_millis(1));
                    drop(brief.producer(&address));
                }
                let mut received = 0;
                for consumer in consumers {
                    match consumer.join().expect("no panic") {
                        Ok(mut rx) => received += usize::from(rx.recv().is_ok()),
                        Err(error) => assert!(matches!(error, ConnectError::Taken { .. }), "{error}"),
                    }
                }
                assert_eq!(received, 1);
            });
        }
    }
    assert!(!place.path().exists());
}

#[test]
fn two_that_meet_at_a_path_share_memory_and_leave_no_path() {
    let place = Place::new();
    let address = place.of_choice();
    let (mut tx, mut rx) = connect_both(&address);
    assert!(!place.path().exists());
    assert!(tx.transport().is_memory());
    tx.send(b"hello").expect("sent");
    assert_eq!(&rx.recv().expect("a message")[..], b"hello");
}

#[test]
fn each_address_has_the_transport_that_it_names() {
    let (place, name) = (Place::new(), Name::new("named"));
    let path = place.path().display().to_string();
    for (address, carrier) in [
        (format!("shm:{}", &*name), "a ring in POSIX shared memory"),
        (format!("file:{path}"), "a ring in a file"),
        (format!("fifo:{path}"), "a FIFO"),
        (format!("unix:{path}"), "a Unix socket"),
    ] {
        let (mut tx, mut rx) = connect_both(&address);
        assert_eq!([tx.transport(), rx.transport()].map(ToString::to_string), [carrier; 2]);
        tx.send(b"hello").expect("sent");
        assert_eq!(&rx.recv().expect("a message")[..], b"hello");
    }
}

#[test]
fn one_side_alone_can_have_the_socket_used() {
    let name = Name::new("told");
    thread::scope(|scope| {
        let consumer = scope.spawn(|| options().using(Using::Socket).consumer(&*name).expect("a consumer"));
        let tx = options().producer(&*name).expect("a producer");
        assert_eq!(tx.transport().carrier, Carrier::Socket);
        let why = tx.transport().to_string();
        assert!(why.ends_with("at the other side: it was told to use the socket"), "{why}");
        assert_eq!(consumer.join().expect("no panic").transport().carrier, Carrier::Socket);
    });
    thread::scope(|scope| {
        let consumer = scope.spawn(|| options().using(Using::Socket).consumer(&*name).map(drop));
        let refused = options().using(Using::Memory).producer(&*name).map(drop);
        for side in [refused, consumer.join().expect("no panic")] {
            let error = side.expect_err("they use nothing in common");
            assert!(matches!(error, ConnectError::NoMemory { .. }), "{error}");
            assert!(error.to_string().contains("told to use the socket"), "{error}");
        }
    });
}

/// Far more than a socket holds: what a call that may not wait has begun is written by `flush`, and by nothing else here.
#[test]
fn what_a_full_socket_did_not_take_is_written_by_a_flush() {
    let place = Place::new();
    let (mut tx, mut rx) = connect_both(&place.address());
    let message = common::pattern(7, tx.largest());
    tx.try_send(&message).expect("its beginning");
    assert_eq!(tx.flush(Some(Duration::ZERO)), Err(SendError::TimedOut));
    assert_eq!(tx.flush(Some(Duration::from_millis(1))), Err(SendError::TimedOut));
    thread::scope(|scope| {
        let receiver = scope.spawn(|| rx.recv().map(|received| received[..] == message));
        tx.flush(None).expect("room, once it is received");
        assert_eq!(receiver.join().expect("no panic"), Ok(true));
    });
    assert_eq!(tx.flush(Some(Duration::ZERO)), Ok(()), "nothing is owed any more");

    tx.try_send(&message).expect("its beginning");
    drop(rx);
    assert_eq!(tx.flush(None), Err(SendError::Closed), "nobody reads it any more");
    assert_eq!(tx.flush(None), Ok(()), "so nothing is owed");
}

#[test]
fn a_ring_owes_nothing_however_full_it_is() {
    let name = Name::new("flush");
    let (mut tx, rx) = connect_both(&name);
    while tx.try_send(&[7; 4096]).is_ok() {}
    assert_eq!(tx.flush(Some(Duration::ZERO)), Ok(()));
    drop(rx);
    assert_eq!(tx.flush(None), Ok(()));
}

#[test]
fn whoever_waits_in_vain_is_told_so() {
    let (place, name) = (Place::new(), Name::new("vain"));
    let hasty = connect::options().timeout(Duration::from_millis(30));
    for address in [name.to_string(), place.address()] {
        for error in [hasty.producer(&address).map(drop), hasty.consumer(&address).map(drop)] {
            let error = error.expect_err("nobody is there");
            assert!(matches!(error, ConnectError::Nobody { .. }), "{error}");
        }
    }
    assert!(!place.path().exists());
}

#[test]
fn a_second_consumer_is_told_that_one_waits_already() {
    let (place, name) = (Place::new(), Name::new("second"));
    for address in [format!("auto:{}", &*name), place.address()] {
        let mut first = Role::start("waiting", &[&address]);
        first.expect("listening");
        let error = options().consumer(&address).expect_err("one waits already");
        assert!(matches!(error, ConnectError::Taken { .. }), "{error}");
        // The first one still waits.
        drop(options().producer(&address).expect("a producer"));
        first.tell("enough");
        first.finish();
    }
}

#[test]
fn the_place_of_a_killed_consumer_is_taken_by_the_next() {
    let (place, name) = (Place::new(), Name::new("killed"));
    for address in [format!("auto:{}", &*name), place.address()] {
        let killed = Role::start("waiting", &[&address]);
        killed.expect("listening");
        killed.signal(Signal::SIGKILL);
        drop(killed);
        let (mut tx, mut rx) = connect_both(&address);
        tx.send(b"hello").expect("sent");
        assert_eq!(&rx.recv().expect("a message")[..], b"hello");
        assert!(!place.path().exists());
    }
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let place = Place::new();
    let target = place.0.path().join("target");
    let left_alone = |what: &str| {
        let before = fs::symlink_metadata(place.path()).expect(what);
        let error = options().consumer(place.address()).expect_err(what);
        assert!(matches!(error, ConnectError::NotASocket { .. }), "{what}: {error}");
        let after = fs::symlink_metadata(place.path()).expect(what);
        assert_eq!(before.file_type(), after.file_type());
    };
    fs::write(place.path(), "mine").expect("a file");
    left_alone("a file");
    assert_eq!(fs::read(place.path()).expect("it is there"), b"mine");
    fs::remove_file(place.path()).expect("a file");
    fs::create_dir(place.path()).expect("a directory");
    left_alone("a directory");
    fs::remove_dir(place.path()).expect("a directory");
    std::os::unix::fs::symlink(&target, place.path()).expect("a link");
    left_alone("a link that leads nowhere");
    drop(UnixListener::bind(&target).expect("bound"));
    left_alone("a link to a socket");
    assert!(target.exists());
}

#[test]
fn a_path_has_the_mode_that_was_asked_for() {
    let place = Place::new();
    for mode in [0o600, 0o660, 0o666] {
        let (options, address) = (options().mode(mode), place.address());
        thread::scope(|scope| {
            let consumer = scope.spawn(|| options.consumer(&address).expect("a consumer"));
            eventually("a path of this mode", || {
                let metadata = fs::symlink_metadata(place.path());
                metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o777 == mode)
            });
            drop(options.producer(&address).expect("a producer"));
            drop(consumer.join().expect("no panic"));
        });
    }
    for mode in [0, 0o400, 0o1600, 0o4755] {
        let error = options().mode(mode).consumer(place.address()).expect_err("no such mode");
        assert!(matches!(error, ConnectError::Open(OpenError::Option { option: "mode", .. })), "{error}");
    }
}

/// What a stranger says instead of a greeting, and what it is told.
const NONSENSE: [(&[u8], &str); 6] = [
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "somebody says \"GET / HT\", expected \"RINGMEET\""),
    (b"RINGMEET\x02\0\0\0\x01\0\0\0\x03\0\0\0\0\0\0\0", "version 2"),
    (b"RINGMEET\x01\0\0\0\x09\0\0\0\x03\0\0\0\0\0\0\0", "role in the greeting"),
    (b"RINGMEET\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0", "can use"),
    (b"RINGMEET\x01\0\0\0\x01\0\0\0\x04\0\0\0\0\0\0\0", "can use"),
    (b"RINGMEET\x01\0\0\0\x01\0\0\0\x03\0\0\0\xff\xff\xff\xff", "length of a text"),
];

#[test]
fn a_caller_that_does_not_speak_the_protocol_is_found_out() {
    let name = Name::new("nonsense");
    for (said, told) in NONSENSE {
        thread::scope(|scope| {
            let consumer = scope.spawn(|| options().consumer(&*name).map(drop));
            let mut caller = call(&name);
            caller.write_all(said).expect("written");
            let error = consumer.join().expect("no panic").expect_err("nonsense");
            assert!(error.to_string().contains(told), "{error}");
        });
    }
}

#[test]
fn a_listener_that_does_not_speak_the_protocol_is_found_out() {
    let place = Place::new();
    for (said, told) in NONSENSE {
        let listener = UnixListener::bind(place.path()).expect("bound");
        thread::scope(|scope| {
            let producer = scope.spawn(|| options().producer(place.address()).map(drop));
            let (mut caller, _) = listener.accept().expect("a caller");
            // Two producers, where its role is right otherwise.
            caller.write_all(said).expect("written");
            let error = producer.join().expect("no panic").expect_err("nonsense");
            let told = if told == "can use" || told == "length of a text" { "role" } else { told };
            assert!(error.to_string().contains(told), "{error}");
        });
        fs::remove_file(place.path()).expect("the path");
    }
}

/// They leave before they have said anything, in the middle of it, and after their greeting.
#[test]
fn callers_that_leave_keep_nobody_from_the_next() {
    let name = Name::new("leaving");
    let greeting = b"RINGMEET\x01\0\0\0\x01\0\0\0\x03\0\0\0\0\0\0\0";
    thread::scope(|scope| {
        let consumer = scope.spawn(|| options().consumer(&*name));
        for len in [0, 3, 8, 21, greeting.len()] {
            let mut caller = call(&name);
            caller.write_all(&greeting[..len]).expect("written");
        }
        let mut tx = options().producer(&*name).expect("a producer");
        tx.send(b"hello").expect("sent");
        let mut rx = consumer.join().expect("no panic").expect("a consumer");
        assert_eq!(&rx.recv().expect("a message")[..], b"hello");
    });
}

/// Whenever their time is up: when the consumer says that it has one, exactly one producer has it.
#[test]
fn a_producer_whose_time_is_up_and_its_consumer_agree_whether_they_are_connected() {
    let name = Name::new("hasty");
    for round in 0..20 {
        thread::scope(|scope| {
            let consumer = scope.spawn(|| options().consumer(&*name));
            let mut connected = Vec::new();
            let mut time = Duration::from_micros(10 * round);
            while !consumer.is_finished() {
                match connect::options().timeout(time).producer(&*name) {
                    Ok(tx) => connected.push(tx),
                    Err(error) => assert!(matches!(error, ConnectError::Nobody { .. }), "{error}"),
                }
                time += Duration::from_micros(50);
            }
            let mut rx = consumer.join().expect("no panic").expect("a consumer");
            let [tx] = &mut connected[..] else { panic!("{connected:?}") };
            tx.send(b"hello").expect("sent");
            assert_eq!(&rx.recv().expect("a message")[..], b"hello");
        });
    }
}

/// A consumer that leaves in the middle: its producer goes on waiting.
#[test]
fn listeners_that_leave_keep_nobody_from_the_next() {
    let place = Place::new();
    let greeting = b"RINGMEET\x01\0\0\0\x02\0\0\0\x03\0\0\0\0\0\0\0";
    thread::scope(|scope| {
        let producer = scope.spawn(|| options().producer(place.of_choice()));
        for len in [0, 5, 20, greeting.len()] {
            let listener = UnixListener::bind(place.path()).expect("bound");
            let (mut caller, _) = listener.accept().expect("a caller");
            caller.write_all(&greeting[..len]).expect("written");
            fs::remove_file(place.path()).expect("the path");
        }
        let mut rx = options().consumer(place.of_choice()).expect("a consumer");
        let mut tx = producer.join().expect("no panic").expect("a producer");
        tx.send(b"hello").expect("sent");
        assert_eq!(&rx.recv().expect("a message")[..], b"hello");
    });
}

/// A text of the other side's is shown, and may be anything.
#[test]
fn what_the_other_side_says_is_shown_without_its_control_characters() {
    let place = Place::new();
    let listener = UnixListener::bind(place.path()).expect("bound");
    thread::scope(|scope| {
        let producer = scope.spawn(|| options().using(Using::Memory).producer(place.of_choice()));
        let (mut caller, _) = listener.accept().expect("a caller");
        let text = b"\x1b[2Jno\xff";
        caller.write_all(b"RINGMEET\x01\0\0\0\x02\0\0\0\x02\0\0\0").expect("written");
        caller.write_all(&(text.len() as u32).to_le_bytes()).expect("written");
        caller.write_all(text).expect("written");
        let mut greeting = [0; 24];
        caller.read_exact(&mut greeting).expect("a greeting");
        let error = producer.join().expect("no panic").expect_err("no memory there");
        assert!(error.to_string().contains("at the other side: \u{fffd}[2Jno\u{fffd};"), "{error}");
    });
}

/// Calls at a name, as anybody can.
fn call(name: &str) -> UnixStream {
    let address =
        SocketAddr::from_abstract_name(format!("ringway/{}/{name}", geteuid())).expect("an address");
    let mut caller = None;
    eventually("somebody listens", || {
        caller = UnixStream::connect_addr(&address).ok();
        caller.is_some()
    });
    caller.expect("connected")
}

#[test]
fn bad_addresses_are_refused_before_anything_is_done() {
    for text in ["", "tcp:x", "unix:", "auto:a b", "stdio:x"] {
        let error = connect::producer(text).expect_err("no address");
        assert!(matches!(error, ConnectError::Open(OpenError::Address(_))), "{text}: {error}");
    }
    let error = connect::producer(At::Unix(Path::new("/").into())).expect_err("no path of a socket");
    assert!(matches!(error, ConnectError::Open(OpenError::Address(_))), "{error}");
}
