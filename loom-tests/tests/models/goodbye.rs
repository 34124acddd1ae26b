//! Edge `goodbye`: whoever has heard it sees everything that was sent before it.

use loom::thread;
use ringway::model::record::Ring;
use ringway_loom_tests::outcomes;
use ringway_loom_tests::record::{look, send};

/// A consumer looks; finds that the producer has said goodbye, or has not; and then looks a last time.
#[test]
fn the_last_message_is_not_missed() {
    // With "closed", a dot and a dot would be a lost message.
    let expected =
        [(".", false, "."), (".", false, "A"), ("A", false, "."), (".", true, "A"), ("A", true, ".")];
    outcomes(None, expected.map(|(first, closed, last)| (first.into(), closed, last.into())), || {
        let ring = Ring::new(64);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        let leaving = ring.clone();
        let producing = thread::spawn(move || {
            assert!(send(&mut producer, 'A', 8));
            leaving.close_producer();
        });
        let first = String::from(look(&mut consumer));
        let closed = ring.producer_said_goodbye();
        let last = String::from(look(&mut consumer));
        producing.join().unwrap();
        (first, closed, last)
    });
}
