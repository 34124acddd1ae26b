//! Real processes on both sides, killed in the middle of a conversation.

use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use ringway::duplex::{self, Endpoint, Link, Streams, options};
use ringway::{OpenError, Peer, RecvError, RequestError, SendError, Side};
use tempfile::TempDir;

use crate::bed::LONG;
use crate::common::names::Name;
use crate::common::pattern;
use crate::common::role::{Entry, Role, listen, say};

pub const ROLES: [Entry; 5] = [
    ("serve", |arguments| serve(ring(arguments[0]))),
    ("serve socket", |arguments| serve(connect(arguments[0]))),
    ("hold", |arguments| hold(ring(arguments[0]))),
    ("hold socket", |arguments| hold(connect(arguments[0]))),
    ("converse", converse),
];

/// Messages that two processes send to each other at once.
const MESSAGES: u64 = 20_000;

fn ring(name: &str) -> Endpoint {
    options().size(1 << 14).endpoint(name).expect("a side")
}

fn connect(path: &str) -> Endpoint<Streams> {
    duplex::over(UnixStream::connect(path).expect("a connection")).expect("a side")
}

/// Replies to every request until the other side is gone.
fn serve<L: Link>(mut endpoint: Endpoint<L>) {
    say("serves");
    while let Ok(request) = endpoint.next_request(None) {
        let mut reply = request.to_vec();
        reply.reverse();
        request.reply(&reply).expect("replied");
    }
}

/// Takes a request, says so, and waits to be killed.
fn hold<L: Link>(mut endpoint: Endpoint<L>) {
    say("is there");
    let request = endpoint.next_request(None).expect("a request");
    say(format!("holds {}", request.len()));
    listen();
}

/// Sends and receives at once.
fn converse(arguments: &[&str]) {
    say("is there");
    pump(ring(arguments[0]));
}

fn pump(endpoint: Endpoint) {
    let (mut tx, mut rx) = endpoint.split();
    let sender = thread::spawn(move || {
        for number in 0..MESSAGES {
            tx.send(&pattern(number, (number % 300) as usize)).expect("sent");
        }
    });
    for number in 0..MESSAGES {
        let message = rx.recv().expect("a message");
        assert!(message[..] == pattern(number, (number % 300) as usize), "message {number}");
    }
    sender.join().expect("all was sent");
}

/// A socket at which a process connects.
struct Door {
    listener: UnixListener,
    directory: TempDir,
}

impl Door {
    fn new() -> Door {
        let directory = tempfile::tempdir().expect("a directory");
        Door { listener: UnixListener::bind(directory.path().join("door")).expect("a socket"), directory }
    }

    fn start(&self, role: &str) -> (Role, Endpoint<Streams>) {
        let role = Role::start(role, &[&self.directory.path().join("door").to_string_lossy()]);
        let (socket, _) = self.listener.accept().expect("it connects");
        role.hear();
        (role, duplex::over(socket).expect("a side"))
    }
}

#[test]
fn processes_converse_in_both_directions_at_once() {
    let name = Name::new("converse");
    let other = Role::start("converse", &[&name]);
    other.expect("is there");
    pump(ring(&name));
    other.finish();
    assert!(!name.exists());
}

#[test]
fn requests_are_served_by_another_process() {
    let name = Name::new("served");
    let server = Role::start("serve", &[&name]);
    server.expect("serves");
    ask(ring(&name), server);
    let (server, client) = Door::new().start("serve socket");
    ask(client, server);
}

fn ask<L: Link>(mut client: Endpoint<L>, server: Role) {
    for number in 0..2000 {
        let mut sent = pattern(number, (number * 7 % 3000) as usize);
        let reply = client.request(&sent, LONG).expect("a reply");
        sent.reverse();
        assert!(reply[..] == sent, "request {number}");
    }
    drop(client);
    server.finish();
}

/// Asks while the process that has the request in hand is killed.
fn ask_the_dying<L: Link + Send>(client: &mut Endpoint<L>, server: Role)
where
    L::Producer: Send,
    L::Consumer: Send,
{
    thread::scope(|scope| {
        let asking = scope.spawn(|| client.request(b"1234567", LONG).map(drop));
        server.expect("holds 7");
        server.kill();
        assert_eq!(asking.join().expect("no panic"), Err(RequestError::PeerDead { sent: true }));
    });
}

#[test]
fn a_server_that_dies_is_told_and_another_goes_on() {
    let name = Name::new("dying");
    let mut client = ring(&name);
    let server = Role::start("hold", &[&name]);
    server.expect("is there");
    ask_the_dying(&mut client, server);
    assert_eq!(client.peer(), Peer::Dead);
    let server = Role::start("serve", &[&name]);
    server.expect("serves");
    // The successor serves what the dead one had in hand, too; nobody waits for that any more.
    assert_eq!(&client.request(b"on", LONG).expect("a reply")[..], b"no");
    assert_eq!(client.late_replies(), 1);
    client.close();
    server.finish();
}

#[test]
fn a_server_that_dies_at_the_other_end_of_a_socket_is_told() {
    let (server, mut client) = Door::new().start("hold socket");
    ask_the_dying(&mut client, server);
    assert_eq!(client.request(b"again", LONG).map(drop), Err(RequestError::PeerDead { sent: false }));
    assert_eq!(client.recv().map(drop), Err(RecvError::PeerDead));
}

#[test]
fn a_side_that_was_killed_is_told_in_both_directions_and_replaced() {
    let name = Name::new("killed");
    let mut here = ring(&name);
    let other = Role::start("hold", &[&name]);
    other.expect("is there");
    let third = duplex::endpoint(&*name).expect_err("there is no third");
    let pids = [std::process::id(), other.pid()];
    assert!(matches!(third, OpenError::NoSide { pids: found, .. } if found == pids), "{third}");
    other.kill();
    assert_eq!(here.peer(), Peer::Dead);
    assert_eq!(here.recv().map(drop), Err(RecvError::PeerDead));
    let message = [7; 1000];
    let mut sent = 0;
    let error = loop {
        match here.send(&message) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, SendError::PeerDead);
    let mut successor = ring(&name);
    assert_eq!(successor.side(), Side::Second);
    for _ in 0..sent {
        assert_eq!(successor.recv().expect("what was sent before")[..], message);
    }
    successor.send(b"back").expect("room");
    assert_eq!(&here.recv().expect("a message")[..], b"back");
}

/// What a dead side had in hand, and what it had sent, are there for those who live.
#[test]
fn a_successor_goes_on_where_the_dead_one_stopped() {
    let name = Name::new("successor");
    let mut client = ring(&name);
    let server = Role::start("hold", &[&name]);
    server.expect("is there");
    ask_the_dying(&mut client, server);
    let mut successor = ring(&name);
    let request = successor.next_request(Some(LONG)).expect("the request is still there");
    assert!(request.redelivered() && &request[..] == b"1234567");
    request.reply(b"late").expect("replied");
    drop(successor);
    let closed = Err(RequestError::Closed { sent: false });
    assert_eq!(client.request(b"gone?", LONG).map(drop), closed);
    assert_eq!(client.late_replies(), 1, "what it had sent before its goodbye was met");
}
