//! The sending side: one thread that sends to one ring after the other, evenly over time.

use std::io::Write;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use ringway::spsc::Producer;
use zerocopy::IntoBytes;

use super::{Note, Sent, Side, Way, now, raise_limit, usage};

/// Serves as the sending side.
pub fn send(side: &Side) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot tie this process to its starter")?;
    raise_limit()?;
    let sent = if side.way == Way::Socket {
        let address = SocketAddr::from_abstract_name(&side.name)?;
        let connect = |_| UnixStream::connect_addr(&address).context("no socket");
        let mut streams = (0..side.rings).map(connect).collect::<Result<Vec<UnixStream>>>()?;
        send_all(side, |ring, note| Ok(streams[ring].write_all(note)?))?
    } else {
        let attach = |ring| side.options().create(false).producer(side.ring(ring)).context("no ring");
        let mut rings = (0..side.rings).map(attach).collect::<Result<Vec<Producer>>>()?;
        send_all(side, |ring, note| Ok(rings[ring].send(note)?))?
    };
    println!("{}", serde_json::to_string(&sent)?);
    Ok(())
}

/// Sends everything, each message when its time has come.
fn send_all(side: &Side, mut send: impl FnMut(usize, &[u8]) -> Result<()>) -> Result<Sent> {
    let pace = Duration::from_secs(1) / side.rate / side.rings;
    let (began, mut due, mut cpu) = (Instant::now(), Duration::ZERO, 0);
    for number in 0..side.messages() {
        if number == side.warm_up() {
            cpu = usage()?.0;
        }
        for ring in 0..side.rings {
            due += pace;
            thread::sleep(due.saturating_sub(began.elapsed()));
            let note = Note { ring: ring.into(), number, sent: now()? };
            send(ring as usize, note.as_bytes())?;
        }
    }
    Ok(Sent { cpu: usage()?.0 - cpu })
}
