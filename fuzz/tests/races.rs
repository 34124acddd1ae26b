//! Threads that share a ring's memory. Run by `ci/tsan.sh` these are what ThreadSanitizer looks at; here they are tests, too.
//! Without the test harness, whose threads std orders by means that ThreadSanitizer cannot see.

use ringway::fuzzing::races;

/// Messages of a thread that sends; their numbers fit a tag.
const COUNT: usize = 20_000;

fn main() {
    races::record_ring(COUNT);
    println!("record ring: {COUNT} messages between two threads");
    races::slot_ring(COUNT);
    println!("slot ring: {COUNT} messages from each of two threads to two");
}
