//! Two sides that send to each other: the verbs, requests and replies over both links, sides that come, go and die.

#[path = "../common/mod.rs"]
mod common;

/// The same test over rings and over a socket, whose guards have the same verbs but not the same types.
macro_rules! over_both {
    ($($(#[$about:meta])* fn $name:ident($here:ident, $there:ident) $body:block)*) => {
        $(
            $(#[$about])*
            #[allow(unused_mut, reason = "some bodies take a side apart")]
            #[allow(clippy::drop_non_drop, reason = "a message of a ring is released by it, one of a stream is not")]
            fn $name() {
                {
                    let (mut $here, mut $there) = crate::bed::rings();
                    $body
                }
                {
                    let (mut $here, mut $there) = crate::bed::streams();
                    $body
                }
            }
        )*
    };
}

mod bed;
mod processes;
mod sides;
mod talk;
mod verbs;

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    common::role::enter(&processes::ROLES);
}
