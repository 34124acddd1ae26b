//! A task of any runtime that awaits a ring: here of `async-io`, the reactor of smol. What it takes is the ten lines of `Watch`.
//!
//! Without arguments it is both: it starts itself anew as the sender.

use std::error::Error;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::task::{Context, Poll};
use std::{env, io, process};

use async_io::block_on;
use ringway::task::{Async, Reactor};
use ringway::{RecvError, spsc};

type Outcome = Result<(), Box<dyn Error>>;

const MESSAGES: u64 = 1000;

/// The runtime's watch over a descriptor.
struct Watch(async_io::Async<OwnedFd>);

impl Reactor for Watch {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_readable(cx)
    }
}

fn main() -> Outcome {
    match env::args().nth(1) {
        Some(name) => block_on(send(&name)),
        None => block_on(receive(&format!("smol_consumer-{}", process::id()))),
    }
}

/// Sends numbered messages; waits while the ring is full.
async fn send(name: &str) -> Outcome {
    let tx = spsc::options().size(1024).producer(name)?.pollable()?;
    let watch = Watch(async_io::Async::new(tx.as_fd().try_clone_to_owned()?)?);
    let mut tx = Async::new(tx, watch);
    for number in 0..MESSAGES {
        tx.send(&number.to_le_bytes()).await?;
    }
    Ok(())
}

/// Receives them, to the sender's goodbye.
async fn receive(name: &str) -> Outcome {
    let rx = spsc::options().size(1024).consumer(name)?.pollable()?;
    let watch = Watch(async_io::Async::new(rx.as_fd().try_clone_to_owned()?)?);
    let mut rx = Async::new(rx, watch);
    let mut sender = Command::new(env::current_exe()?).arg(name).spawn()?;
    let mut received = 0_u64;
    let end = loop {
        match rx.recv().await {
            Ok(message) if message[..] == received.to_le_bytes() => received += 1,
            Ok(_) => return Err(format!("message {received} is another one").into()),
            Err(end) => break end,
        }
    };
    println!("received {received} messages, then: {end}");
    let sent = sender.wait()?.success();
    if sent && received == MESSAGES && end == RecvError::Closed {
        Ok(())
    } else {
        Err("not all of it".into())
    }
}
