//! What a slot ring's participants do in models.

use loom::thread;
use ringway::model::slots::{Batch, Claim, Consumer, Message, Producer, Ring};

use crate::letter;

/// A length that fits a descriptor.
pub const INLINE: usize = 8;
/// A length that takes a slot's block.
pub const BLOCK: usize = 16;
/// A length that takes the blocks of two slots.
pub const SPAN: usize = 32;

/// Sends `len` bytes of `name`, the short way if it can be; `false`: the ring is full.
pub fn send(producer: &mut Producer, name: char, len: usize) -> bool {
    let (tag, payload) = letter(name, len);
    producer.send_ready(tag, &payload) || producer.send(tag, &payload)
}

/// Claims `len` bytes and fills them with `name`.
pub fn claim(producer: &mut Producer, name: char, len: usize) -> Claim {
    let (_, payload) = letter(name, len);
    let claim = producer.claim(len as u64).expect("room");
    producer.payload_mut(&claim).copy_from_slice(&payload);
    claim
}

/// Commits the first `len` bytes of a claim that was filled with `name`.
pub fn commit(producer: &mut Producer, claim: Claim, name: char, len: usize) {
    producer.commit(claim, len as u64, letter(name, len).0);
}

/// Opens a batch and appends messages: name and length of each.
pub fn filled_batch<'a>(producer: &'a mut Producer, messages: &[(char, usize)]) -> Batch<'a> {
    let mut batch = producer.batch();
    for (name, len) in messages {
        let (tag, payload) = letter(*name, *len);
        assert!(batch.push(tag, &payload));
    }
    batch
}

/// Sends a batch of messages.
pub fn send_batch(producer: &mut Producer, messages: &[(char, usize)]) {
    assert_eq!(filled_batch(producer, messages).commit(), messages.len() as u64);
}

/// A producer in the first place that has sent a batch of four slots, so that it makes one claim for the next. The
/// consumer has received it.
pub fn practised(ring: &Ring, consumer: &mut Consumer) -> Producer {
    let mut producer = ring.producer(0);
    send_batch(&mut producer, &[('Z', INLINE); 4]);
    assert_eq!(rest(consumer), "ZZZZ");
    producer
}

/// Reads a message that was taken, checks every byte of it, and returns its name: in lower case if it is marked as
/// redelivered.
pub fn read(consumer: &Consumer, message: &Message) -> char {
    let name = char::from((message.tag() >> 8) as u8);
    let (_, payload) = letter(name, usize::from(message.tag() & 0xff));
    assert_eq!(consumer.payload(message), payload);
    if message.redelivered() { name.to_ascii_lowercase() } else { name }
}

/// Takes the next message, the short way if it can be.
pub fn find(consumer: &mut Consumer) -> Option<Message> {
    consumer.find_ready().or_else(|| consumer.find())
}

/// Takes the next message and reads it; it stays in hand.
pub fn take(consumer: &mut Consumer) -> Option<char> {
    find(consumer).map(|message| read(consumer, &message))
}

/// Looks once: the name of the next message, which is released after reading, or a dot.
pub fn look(consumer: &mut Consumer) -> char {
    let Some(message) = find(consumer) else { return '.' };
    read_and_release(consumer, &message)
}

/// As [`read`], and releases the message.
pub fn read_and_release(consumer: &mut Consumer, message: &Message) -> char {
    let name = read(consumer, message);
    consumer.release_held(message);
    name
}

/// Looks `times` times.
pub fn looks(consumer: &mut Consumer, times: usize) -> String {
    (0..times).map(|_| look(consumer)).collect()
}

/// Takes, reads and releases whatever is there.
pub fn rest(consumer: &mut Consumer) -> String {
    core::iter::from_fn(|| Some(look(consumer)).filter(|name| *name != '.')).collect()
}

/// As [`rest`], after repairing what the dead left. The ring is empty then.
pub fn remains(ring: &Ring, consumer: &mut Consumer) -> String {
    consumer.sweep();
    let rest = rest(consumer);
    assert_eq!(ring.used(), 0, "slots that nobody frees");
    rest
}

/// A participant in a thread of its own, which dies at the end.
pub fn start<P: Send + 'static, T: 'static>(
    mut participant: P,
    live: impl FnOnce(&mut P) -> T + 'static,
) -> thread::JoinHandle<T> {
    thread::spawn(move || live(&mut participant))
}
