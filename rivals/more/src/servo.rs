//! ipc-channel (Servo's): channels of bytes, which spare the serialization of values; the receiving side sleeps in the
//! kernel, as its calls are meant to be used. Whoever comes second makes both channels and hands two of their ends
//! over.

use std::{fs, mem};

use anyhow::{Context, Result, bail};
use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel};
use ringway_rivals::pairs::control::{Job, Outcome};
use ringway_rivals::pairs::field::{Duplex, Ends};
use ringway_rivals::pairs::ground::Ground;
use ringway_rivals::pairs::meter::Meter;
use ringway_rivals::pairs::payload::{Check, Payload};
use ringway_rivals::pairs::traffic::{Rx, Tx};

/// A side's ends, as they are handed over.
type Bytes = (IpcBytesSender, IpcBytesReceiver);

/// A side.
enum Servo {
    /// Nobody has come yet.
    Alone(IpcOneShotServer<Bytes>),
    /// Both are there.
    Open(Duplex<Sends, Receives>),
    /// The handing over has failed.
    Broken,
}

/// Opens a side.
pub fn open(ground: &Ground) -> Result<Box<dyn Ends>> {
    let path = ground.path(&ground.name);
    Ok(Box::new(if ground.makes() {
        let (server, name) = IpcOneShotServer::new()?;
        fs::write(&path, name).with_context(|| format!("cannot write {}", path.display()))?;
        Servo::Alone(server)
    } else {
        let name = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        let (towards_me, mine) = bytes_channel()?;
        let (towards_other, others) = bytes_channel()?;
        IpcSender::connect(name)?.send((towards_me, others))?;
        Servo::Open(Duplex(Sends(towards_other), Receives(mine)))
    }))
}

impl Ends for Servo {
    fn run(&mut self, meter: &mut Meter<'_>, job: Job) -> Result<Outcome> {
        if let Self::Alone(_) = self
            && let Self::Alone(server) = mem::replace(self, Self::Broken)
        {
            let (_, (tx, rx)) = server.accept()?;
            *self = Self::Open(Duplex(Sends(tx), Receives(rx)));
        }
        let Self::Open(ends) = self else { bail!("the ends were not handed over") };
        ends.run(meter, job)
    }
}

/// Sends.
struct Sends(IpcBytesSender);

/// Receives.
struct Receives(IpcBytesReceiver);

impl Tx for Sends {
    #[inline(always)]
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        Ok(self.0.send(payload.numbered(number))?)
    }
}

impl Rx for Receives {
    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        check.take(&self.0.recv()?)
    }
}
