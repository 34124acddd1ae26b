//! What a record ring's participants do in models.

use ringway::model::record::{Batch, Consumer, Message, Producer};

use crate::letter;

/// Sends `len` bytes of `name`, the short way if it can be; `false`: the ring is full.
pub fn send(producer: &mut Producer, name: char, len: usize) -> bool {
    let (tag, payload) = letter(name, len);
    producer.send_ready(tag, &payload) || producer.send(tag, &payload)
}

/// Claims `room` bytes, fills them, and commits the first `len` of them as `name`.
pub fn claim_and_commit(producer: &mut Producer, name: char, room: usize, len: usize) {
    let (tag, payload) = letter(name, room);
    let claim = producer.claim(room as u64).expect("room");
    producer.payload_mut(&claim).copy_from_slice(&payload);
    producer.commit(claim, len as u64, tag - room as u16 + len as u16);
}

/// Opens a batch and appends messages, each the short way if it can be: name and length of each.
fn filled_batch<'a>(producer: &'a mut Producer, messages: &[(char, usize)]) -> Batch<'a> {
    let mut batch = producer.batch();
    for (name, len) in messages {
        let (tag, payload) = letter(*name, *len);
        assert!(batch.push_ready(tag, &payload) || batch.push(tag, &payload));
    }
    batch
}

/// Sends a batch of messages.
pub fn send_batch(producer: &mut Producer, messages: &[(char, usize)]) {
    assert!(filled_batch(producer, messages).commit());
}

/// Opens a batch, appends messages, and drops it.
pub fn abandon_batch(producer: &mut Producer, messages: &[(char, usize)]) {
    let _abandoned = filled_batch(producer, messages);
}

/// Reads a message that was taken, checks every byte of it, and returns its name: in lower case if it is marked
/// as redelivered.
pub fn read(consumer: &Consumer, message: &Message) -> char {
    let name = char::from((message.tag() >> 8) as u8);
    let (_, payload) = letter(name, usize::from(message.tag() & 0xff));
    assert_eq!(consumer.hand_out(message), payload);
    if message.redelivered() { name.to_ascii_lowercase() } else { name }
}

/// Takes the next message, the short way if it can be.
pub fn find(consumer: &mut Consumer) -> Option<Message> {
    consumer.find_ready().or_else(|| consumer.find())
}

/// Looks once: the name of the next message, which is released after reading, or a dot.
pub fn look(consumer: &mut Consumer) -> char {
    let Some(message) = find(consumer) else { return '.' };
    let name = read(consumer, &message);
    consumer.release();
    name
}

/// Looks `times` times.
pub fn looks(consumer: &mut Consumer, times: usize) -> String {
    (0..times).map(|_| look(consumer)).collect()
}

/// Takes, reads and releases messages until the one named `last` was among them.
pub fn receive_until(consumer: &mut Consumer, last: char) -> String {
    let mut names = String::new();
    while !names.ends_with(|name: char| name.eq_ignore_ascii_case(&last)) {
        if consumer.poll() {
            let message = find(consumer).expect("a message is there");
            names.push(read(consumer, &message));
            consumer.release();
        }
    }
    names
}
