//! One process that comes and goes, by every door there is.

use std::mem::forget;
use std::os::fd::AsRawFd;

use ringway::inspect::{inspect, list, remove};
use ringway::{Address, OpenError, RecvError, SendError, duplex};

use crate::census::Census;
use crate::common::eventually;
use crate::ends::{mpmc_options, spsc_options};
use crate::ground::Ground;
use crate::hosted;
use crate::progress::Progress;
use crate::{cycles, watch};

/// Rounds before the first census.
const WARM_UP: u64 = 20;

/// What can go wrong on the way in, and inside.
#[derive(Debug)]
#[expect(dead_code, reason = "shown when a door is shut")]
enum Trouble {
    Open(OpenError),
    Send(SendError),
    Recv(RecvError),
}

impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Trouble {
        Trouble::Open(error)
    }
}

impl From<SendError> for Trouble {
    fn from(error: SendError) -> Trouble {
        Trouble::Send(error)
    }
}

impl From<RecvError> for Trouble {
    fn from(error: RecvError) -> Trouble {
        Trouble::Recv(error)
    }
}

type Door = fn(&Ground) -> Result<(), Trouble>;

/// Every way to come to a ring and to leave it.
const DOORS: [Door; 11] = [
    |_| names(&Address::Shm("door".to_owned())),
    |ground| names(&Address::File(ground.path("door"))),
    |_| queues(&Address::Shm("door".to_owned())),
    |ground| queues(&Address::File(ground.path("door"))),
    descriptors,
    duplexes,
    clones,
    leaked_guards,
    looked_at,
    |_| Ok(hosted::ring().map(drop)?),
    successors,
];

#[test]
fn coming_and_going_leaves_nothing_behind() {
    watch("doors", cycles(2000));
}

pub fn doors(arguments: &[&str]) {
    let Some(ground) = Ground::new() else { return };
    let mut progress = Progress::new("doors", arguments[0].parse().expect("a number"));
    let stock = ground.stock();
    let round = || DOORS.iter().for_each(|door| door(&ground).expect("the door is open"));
    (0..WARM_UP).for_each(|_| round());
    let before = Census::take();
    while !progress.is_done() {
        round();
        progress.add(DOORS.len() as u64);
        eventually("files, inodes and blocks are as before", || ground.stock() == stock);
    }
    let after = Census::take();
    assert_eq!(after.leaked_since(&before), None);
    progress.end(format_args!("; {after}"));
}

fn names(address: &Address) -> Result<(), Trouble> {
    let mut tx = spsc_options().producer(address)?;
    let mut rx = spsc_options().consumer(address)?;
    tx.try_send(b"in")?;
    drop(rx.try_recv()?);
    Ok(())
}

fn queues(address: &Address) -> Result<(), Trouble> {
    let mut tx = mpmc_options().producer(address)?;
    let mut rx = mpmc_options().consumer(address)?;
    tx.try_send(&[1; 200])?;
    drop(rx.try_recv()?);
    Ok(())
}

/// Both sides of a duplex come and go, by a name.
fn duplexes(_: &Ground) -> Result<(), Trouble> {
    let options = duplex::options().size(4096);
    let (mut one, mut other) = (options.endpoint("door")?, options.endpoint("door")?);
    one.send(b"there")?;
    assert_eq!(&other.recv()?[..], b"there");
    other.send(b"back")?;
    assert_eq!(&one.recv()?[..], b"back");
    Ok(())
}

fn descriptors(_: &Ground) -> Result<(), Trouble> {
    let (tx, rx) = spsc_options().pair()?;
    let memfd = tx.descriptor()?;
    drop(tx);
    spsc_options().producer(Address::Fd(memfd.as_raw_fd()))?;
    drop(rx);
    mpmc_options().pair()?;
    Ok(())
}

fn clones(_: &Ground) -> Result<(), Trouble> {
    let (tx, mut rx) = mpmc_options().pair()?;
    let mut others = [tx.try_clone()?, tx.try_clone()?];
    drop(tx);
    for other in &mut others {
        other.try_send(b"in")?;
        drop(rx.try_clone()?.try_recv()?);
    }
    drop(others);
    let end = rx.try_recv().map(drop);
    assert_eq!(end, Err(RecvError::Closed));
    Ok(())
}

/// Guards that are forgotten are finished by whoever comes next.
fn leaked_guards(_: &Ground) -> Result<(), Trouble> {
    let (mut tx, mut rx) = spsc_options().pair()?;
    let (mut sender, mut receiver) = mpmc_options().pair()?;
    tx.try_send(b"in")?;
    sender.try_send(b"in")?;
    forget(rx.try_recv()?);
    forget(receiver.try_recv()?);
    forget(sender.try_claim(100)?);
    let mut batch = sender.batch()?;
    batch.push(b"never sent")?;
    forget(batch);
    Ok(())
}

fn looked_at(_: &Ground) -> Result<(), Trouble> {
    spsc_options().create_ring("door")?;
    inspect("door")?;
    assert_eq!(list().map(|entries| entries.len()).ok(), Some(1));
    Ok(remove("door", false)?)
}

/// Each goes on where the last one stopped; the last ones take the name with them.
fn successors(_: &Ground) -> Result<(), Trouble> {
    for message in [b"first", b"other"] {
        spsc_options().producer("door")?.try_send(message)?;
    }
    for expected in [b"first", b"other"] {
        let mut rx = spsc_options().consumer("door")?;
        assert_eq!(&rx.try_recv()?[..], expected);
    }
    Ok(())
}
