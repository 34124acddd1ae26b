//! `ringway pipe`: messages from one address to another.
//!
//! A message is released at its source once all of it was written to the destination. A goodbye is passed on, and so is the lack of one.

use std::mem;
use std::time::Duration;

use ringway::connect::{Consumer, Producer};
use ringway::{RecvError, SendError};

use crate::args::PipeArgs;
use crate::connected::{note_fallback, send_within};
use crate::exit::Failure;
use crate::progress::Progress;

/// Why a bridge stopped before the goodbye.
enum Stop {
    From(RecvError),
    To(SendError),
}

/// Runs `ringway pipe`.
pub fn run(args: &PipeArgs) -> Result<(), Failure> {
    if args.from == args.to {
        return Err(Failure::same_address(&args.from));
    }
    let options = args.connection.options(args.timeout);
    let mut rx = options.consumer(&args.from)?;
    note_fallback(args.quiet, &args.from, rx.transport());
    let mut tx = options.producer(&args.to)?;
    note_fallback(args.quiet, &args.to, tx.transport());
    let progress = Progress::start("passed on", args.quiet);
    let stopped = pass_on(&mut rx, &mut tx, args.timeout, &progress);
    progress.finish();
    match stopped {
        Stop::From(RecvError::Closed) => {
            tx.close();
            Ok(())
        }
        Stop::From(error) => {
            mem::forget(tx);
            Err(Failure::of_connected_recv(&args.from, &error))
        }
        Stop::To(error) => {
            // What was not passed on is there for the next one, if it is in a ring.
            mem::forget((tx, rx));
            Err(Failure::of_connected_send(&args.to, &error))
        }
    }
}

/// Passes messages on until there are no more.
fn pass_on(rx: &mut Consumer, tx: &mut Producer, timeout: Option<Duration>, progress: &Progress) -> Stop {
    loop {
        let received = match timeout {
            None => rx.recv(),
            Some(timeout) => rx.recv_timeout(timeout),
        };
        let message = match received {
            Ok(message) => message,
            Err(error) => return Stop::From(error),
        };
        let sent = send_within(tx, message.tag(), &message, timeout).and_then(|()| tx.flush(timeout));
        if let Err(error) = sent {
            mem::forget(message);
            return Stop::To(error);
        }
        progress.add(message.len());
    }
}
