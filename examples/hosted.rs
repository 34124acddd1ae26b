//! A ring in memory that another library made: here a `shared_memory::Shmem`.
//!
//! In two terminals, the host first: `hosted host` and `hosted send`; end the sender by Enter (it says goodbye) or
//! by Ctrl-C (it dies, and the host waits for another). Without arguments it is all of that: the first sender is
//! killed, the second one takes its place and says goodbye.
//!
//! Memory alone does not show that somebody died. Locks on a file do: the kernel drops them with the process. Any
//! file that both sides can open will do; here it is the one behind the memory.
#![allow(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::ptr::NonNull;
use std::thread;
use std::time::{Duration, Instant};

use ringway::RecvError;
use ringway::spsc::{self, Consumer, Peer, Producer};
use shared_memory::{Shmem, ShmemConf};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Messages of each sender, numbered from 0.
const MESSAGES: u64 = 1000;
/// How long the host waits for a message before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (role, name) = (arguments.next(), arguments.next());
    let name = name.unwrap_or_else(|| "hosted".to_owned());
    match role.as_deref() {
        Some("host") => host(&name),
        Some("send") => send(&name),
        Some(other) => Err(format!("{other:?} is no role: give `host` or `send`, or nothing").into()),
        None => both(&format!("hosted-{}", std::process::id())),
    }
}

/// Room for all messages of a sender, which take 16 bytes each.
fn options() -> spsc::Options {
    spsc::options().size(64 << 10)
}

/// New memory for a ring. Dropping it removes its name; what is mapped stays until everybody has dropped it.
fn new_memory(name: &str) -> Outcome<Shmem> {
    Ok(ShmemConf::new().os_id(name).size(options().hosted_len()?).create()?)
}

/// A descriptor for the leases: of the file behind the memory.
fn lease_file(shm: &Shmem) -> io::Result<OwnedFd> {
    let path = format!("/dev/shm/{}", shm.get_os_id());
    Ok(File::options().read(true).write(true).open(path)?.into())
}

fn memory(shm: &Shmem) -> Outcome<NonNull<u8>> {
    NonNull::new(shm.as_ptr()).ok_or_else(|| "the shared memory is at no address".into())
}

/// The receiving end of a new ring in `shm`.
fn consumer_in(shm: &Shmem) -> Outcome<Consumer> {
    let (memory, leases) = (memory(shm)?, lease_file(shm)?);
    // SAFETY: the memory is mapped as long as `shm` lives, which the callers keep beyond the consumer, and nobody in
    // this program uses it but this ring.
    Ok(unsafe { options().create_new(true).consumer_in(memory, shm.len(), Some(leases)) }?)
}

/// The sending end of the ring that the host made in `shm`.
fn producer_in(shm: &Shmem) -> Outcome<Producer> {
    let (memory, leases) = (memory(shm)?, lease_file(shm)?);
    // SAFETY: the memory is mapped as long as `shm` lives, which `send` keeps beyond the producer, and nobody in
    // this program uses it but this ring.
    Ok(unsafe { options().producer_in(memory, shm.len(), Some(leases)) }?)
}

/// Receives until a sender says goodbye. When one dies it waits for the next.
fn host(name: &str) -> Outcome {
    // Declared before the consumer, so dropped after it.
    let shm = new_memory(name)?;
    let mut rx = consumer_in(&shm)?;
    while receive(&mut rx)? == RecvError::PeerDead {
        while rx.peer() == Peer::Dead {
            thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

/// Receives what one sender sends, and checks it. Returns what ended it: a goodbye or a death.
fn receive(rx: &mut Consumer) -> Outcome<RecvError> {
    let mut received = 0;
    let mut last = Instant::now();
    loop {
        match rx.recv_timeout(PATIENCE) {
            Ok(message) if message[..] == u64::to_le_bytes(received) => received += 1,
            Ok(message) => return Err(format!("expected message {received}, got {:?}", &message[..]).into()),
            Err(end @ (RecvError::PeerDead | RecvError::Closed)) if received == MESSAGES => {
                println!("received {received} messages; {:?} after the last: {end}", last.elapsed());
                return Ok(end);
            }
            Err(error) => return Err(format!("after {received} messages: {error}").into()),
        }
        last = Instant::now();
    }
}

/// Sends the messages, waits for Enter, and says goodbye.
fn send(name: &str) -> Outcome {
    // Declared before the producer, so dropped after it.
    let shm = ShmemConf::new().os_id(name).open()?;
    let mut tx = producer_in(&shm)?;
    for message in 0..MESSAGES {
        tx.send(&message.to_le_bytes())?;
    }
    println!("sent {MESSAGES} messages; Enter: say goodbye, Ctrl-C: die");
    io::stdin().lock().read_line(&mut String::new())?;
    tx.close();
    Ok(())
}

/// Lets one sender die and another one take its place. What the dead one sent is received all the same.
fn both(name: &str) -> Outcome {
    // Declared before the consumer, so dropped after it.
    let shm = new_memory(name)?;
    let mut rx = consumer_in(&shm)?;
    let mut first = start_sender(name)?;
    first.kill()?;
    first.wait()?;
    expect(RecvError::PeerDead, receive(&mut rx)?)?;

    let mut second = start_sender(name)?;
    drop(second.stdin.take());
    let end = second.wait()?;
    if !end.success() {
        return Err(format!("the second sender failed: {end}").into());
    }
    expect(RecvError::Closed, receive(&mut rx)?)
}

fn expect(expected: RecvError, found: RecvError) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("expected `{expected}`, got `{found}`").into()) }
}

/// Starts a sender and waits until it has sent everything.
fn start_sender(name: &str) -> Outcome<Child> {
    let mut sender = Command::new(std::env::current_exe()?)
        .args(["send", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(sender.stdout.take().ok_or("the sender has no output")?).read_line(&mut line)?;
    if line.starts_with("sent ") { Ok(sender) } else { Err("the sender did not send".into()) }
}
