//! A child that knows its parent only by its standard input and output: no shared memory, no file, no name.
//!
//! The parent sends it lines of text, each tagged, and receives how many words each has. The child is this program
//! again, in the role `count`; in a shell, `pipeline send < text | pipeline count | pipeline show` does the same.

use std::error::Error;
use std::io::BufRead;
use std::process::{Command, Stdio};
use std::thread;

use ringway::pipe::{self, Consumer, Producer};
use ringway::{RecvError, SendError};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    match std::env::args().nth(1).as_deref() {
        Some("send") => send(pipe::stdout()?, std::io::stdin().lock().lines().collect::<Result<_, _>>()?)?,
        Some("count") => count(pipe::stdin()?, pipe::stdout()?)?,
        Some("show") => println!("{} words", sum(pipe::stdin()?)?),
        Some(other) => {
            return Err(format!("{other:?} is no role: give send, count or show, or nothing").into());
        }
        None => both()?,
    }
    Ok(())
}

/// Sends every line, tagged with its number.
fn send(mut tx: Producer, lines: Vec<String>) -> Result<(), SendError> {
    (0..)
        .zip(&lines)
        .try_for_each(|(number, line): (usize, _)| tx.send_tagged(number as u16, line.as_bytes()))
}

/// Answers every message with its number of words, under the same tag.
fn count(mut lines: Consumer, mut counts: Producer) -> Outcome {
    loop {
        let line = match lines.recv() {
            Ok(line) => line,
            Err(RecvError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let words = std::str::from_utf8(&line)?.split_whitespace().count() as u64;
        counts.send_tagged(line.tag(), &words.to_le_bytes())?;
    }
}

/// Adds the numbers up until the goodbye.
fn sum(mut counts: Consumer) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let mut sum = 0;
    loop {
        match counts.recv() {
            Ok(count) => sum += u64::from_le_bytes((&count[..]).try_into()?),
            Err(RecvError::Closed) => return Ok(sum),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Both pipes are used at once: whoever sent everything first could wait for a child that waits for it.
fn both() -> Outcome {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("count")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let tx = pipe::options().producer_on(child.stdin.take().ok_or("a child with an input")?)?;
    let rx = pipe::options().consumer_on(child.stdout.take().ok_or("a child with an output")?)?;
    let lines: Vec<String> = include_str!("pipeline.rs").lines().map(str::to_owned).collect();
    let expected: usize = lines.iter().map(|line| line.split_whitespace().count()).sum();
    let sender = thread::spawn(move || send(tx, lines));
    let words = sum(rx)?;
    sender.join().map_err(|_| "the sender panicked")??;
    let status = child.wait()?;
    println!("{words} words, counted by another process, which ended with {status}");
    if words == expected as u64 && status.success() { Ok(()) } else { Err("that is not their number".into()) }
}
