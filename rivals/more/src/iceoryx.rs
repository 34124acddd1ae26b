//! iceoryx2: a service forth and a service back, each of publish and subscribe with one publisher and one subscriber;
//! messages are loaned and written in place, and read where they lie. Subscribers hold as many messages as the other
//! queues, without overflow, and a publisher that finds no room tries again, since nothing may be lost.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use ringway_rivals::pairs::field::{Duplex, Ends};
use ringway_rivals::pairs::ground::Ground;
use ringway_rivals::pairs::payload::{Check, Payload};
use ringway_rivals::pairs::plan::slots;
use ringway_rivals::pairs::sized::{ForWords, for_size};
use ringway_rivals::pairs::traffic::{Poll, Polled, Rx, Tx};

/// A side that looks for messages again and again.
pub fn polled(ground: &Ground) -> Result<Box<dyn Ends>> {
    for_size(ground.size, OpenPolled(ground))
}

/// A side that sleeps in a listener until it is notified of a message.
pub fn with_events(ground: &Ground) -> Result<Box<dyn Ends>> {
    for_size(ground.size, OpenEvents(ground))
}

/// iceoryx2 of a pair's own: whatever else uses it on this machine is left alone, and what it keeps for ever (a segment
/// of its management) is found by its name.
fn config(prefix: &str) -> Result<Config> {
    set_log_level(LogLevel::Error);
    let mut config = Config::default();
    config.global.prefix = FileName::new(prefix.as_bytes())?;
    config.global.set_root_path(&Path::new(root(prefix).as_os_str().as_encoded_bytes())?);
    Ok(config)
}

/// Where a pair's iceoryx2 has its files.
fn root(prefix: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{prefix}iceoryx2"))
}

/// Removes what killed processes of a pair have left, if it has used iceoryx2.
pub fn clean(prefix: &str) {
    let root = root(prefix);
    if !root.exists() {
        return;
    }
    if let Ok(config) = config(prefix)
        && let Ok(node) = NodeBuilder::new().config(&config).create::<ipc::Service>()
    {
        // What it cannot remove is nobody else's, and goes with the folder and the names in shared memory.
        let _ = node.try_cleanup_dead_nodes();
    }
    // Fails only if it is gone already.
    let _ = fs::remove_dir_all(root);
}

/// A side's ports, and the node that they belong to.
struct Ports<const W: usize> {
    /// Sends.
    tx: Publisher<ipc::Service, [u64; W], ()>,
    /// Receives.
    rx: Subscriber<ipc::Service, [u64; W], ()>,
    /// The process, to iceoryx2.
    node: Node<ipc::Service>,
}

impl<const W: usize> Ports<W> {
    /// Creates the ports.
    fn open(ground: &Ground) -> Result<Self> {
        let node = NodeBuilder::new().config(&config(&ground.prefix)?).create::<ipc::Service>()?;
        let service = |name: String| -> Result<_> {
            let service = node.service_builder(&name.as_str().try_into()?).publish_subscribe::<[u64; W]>();
            let service = service.max_publishers(1).max_subscribers(1).max_nodes(2).history_size(0);
            let service = service.enable_safe_overflow(false).subscriber_max_buffer_size(slots(ground.size));
            Ok(service.open_or_create()?)
        };
        let [towards, back] = ground.ways();
        let tx = service(towards)?
            .publisher_builder()
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        Ok(Self { tx, rx: service(back)?.subscriber_builder().create()?, node })
    }
}

/// Loans, writes, sends.
#[inline(always)]
fn publish<const W: usize>(
    tx: &Publisher<ipc::Service, [u64; W], ()>,
    payload: &mut Payload,
    number: u64,
) -> Result<()> {
    let reached = tx.loan_uninit()?.write_payload(*payload.value(number)).send()?;
    if reached != 1 {
        bail!("a message reached {reached} subscribers");
    }
    Ok(())
}

/// Takes a message, if there is one, and checks it.
#[inline(always)]
fn take<const W: usize>(rx: &Subscriber<ipc::Service, [u64; W], ()>, check: &mut Check) -> Result<bool> {
    let Some(message) = rx.receive()? else { return Ok(false) };
    check.take_value(message.payload())?;
    Ok(true)
}

/// Opens a polled side.
struct OpenPolled<'a>(&'a Ground);

/// Sends.
struct Publishes<const W: usize>(Publisher<ipc::Service, [u64; W], ()>);

/// Receives.
struct Subscribes<const W: usize> {
    /// The port.
    port: Subscriber<ipc::Service, [u64; W], ()>,
    /// Lives as long as the ports.
    _node: Node<ipc::Service>,
}

impl ForWords for OpenPolled<'_> {
    type Made = Box<dyn Ends>;

    fn make<const W: usize>(self) -> Result<Box<dyn Ends>> {
        let Ports { tx, rx, node } = Ports::<W>::open(self.0)?;
        Ok(Box::new(Duplex(Publishes(tx), Polled::new(Subscribes { port: rx, _node: node }))))
    }
}

impl<const W: usize> Tx for Publishes<W> {
    #[inline(always)]
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        publish(&self.0, payload, number)
    }
}

impl<const W: usize> Poll for Subscribes<W> {
    #[inline(always)]
    fn poll(&mut self, check: &mut Check) -> Result<bool> {
        take(&self.port, check)
    }
}

/// Opens a side that sleeps.
struct OpenEvents<'a>(&'a Ground);

/// Sends, and notifies.
struct Notifies<const W: usize>(Publishes<W>, Notifier<ipc::Service>);

/// Listens, and receives.
struct Listens<const W: usize>(Subscribes<W>, Listener<ipc::Service>);

impl ForWords for OpenEvents<'_> {
    type Made = Box<dyn Ends>;

    fn make<const W: usize>(self) -> Result<Box<dyn Ends>> {
        let Ports { tx, rx, node } = Ports::<W>::open(self.0)?;
        let event = |name: &str| -> Result<_> {
            let service = node.service_builder(&name.try_into()?).event();
            Ok(service.max_notifiers(1).max_listeners(1).max_nodes(2).open_or_create()?)
        };
        let [towards, back] = self.0.ways();
        let notifier = event(&towards)?.notifier_builder().create()?;
        let listener = event(&back)?.listener_builder().create()?;
        let subscribes = Subscribes { port: rx, _node: node };
        Ok(Box::new(Duplex(Notifies(Publishes(tx), notifier), Listens(subscribes, listener))))
    }
}

impl<const W: usize> Tx for Notifies<W> {
    #[inline(always)]
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        self.0.send(payload, number)?;
        self.1.notify()?;
        Ok(())
    }
}

impl<const W: usize> Rx for Listens<W> {
    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        while !self.0.poll(check)? {
            self.1.blocking_wait(|_| {})?;
        }
        Ok(())
    }
}
