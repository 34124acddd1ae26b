//! Two processes say hello.
//!
//! In two terminals, in either order: `hello send` and `hello recv`. Whoever comes first creates the ring; the
//! message waits in it for its receiver, even when the sender has gone; the last one to leave removes the ring.
//!
//! Without arguments it is both: it starts itself anew as the sender.

use std::error::Error;
use std::process::Command;

type Outcome = Result<(), Box<dyn Error>>;

const GREETING: &[u8] = b"hello from another process";

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (role, name) = (arguments.next(), arguments.next());
    let name = name.unwrap_or_else(|| "hello".to_owned());
    match role.as_deref() {
        Some("send") => send(&name),
        Some("recv") => recv(&name),
        Some(other) => Err(format!("{other:?} is no role: give `send` or `recv`, or nothing").into()),
        None => both(&format!("hello-{}", std::process::id())),
    }
}

fn send(name: &str) -> Outcome {
    let mut tx = ringway::spsc::producer(name)?;
    tx.send(GREETING)?;
    Ok(())
}

fn recv(name: &str) -> Outcome {
    let mut rx = ringway::spsc::consumer(name)?;
    let message = rx.recv()?;
    println!("{}", String::from_utf8_lossy(&message));
    if message[..] == *GREETING { Ok(()) } else { Err("that is not what was sent".into()) }
}

/// The sender comes and goes before the receiver looks.
fn both(name: &str) -> Outcome {
    let sender = Command::new(std::env::current_exe()?).args(["send", name]).status()?;
    if !sender.success() {
        return Err(format!("the sender failed: {sender}").into());
    }
    recv(name)
}
