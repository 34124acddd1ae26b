//! `ringway-rivals` with more rivals: those that bring so many crates along, or such old ones, that nobody who builds
//! the workspace should have to build them. Everything else is there, too, so one run compares all.

mod dbus;
mod iceoryx;
mod servo;
mod shmem;

use ringway_rivals::pairs::field::{Open, Rival};
use ringway_rivals::pairs::plan::Pattern;

/// Everybody here.
static RIVALS: [Rival; 5] = [
    Rival::new("iceoryx2", Open::Apart(iceoryx::polled)).takes(no_batches).clean(iceoryx::clean),
    Rival::new("iceoryx2-event", Open::Apart(iceoryx::with_events))
        .takes(|pattern, _| pattern == Pattern::RoundTrip)
        .sleeps(),
    Rival::new("shmem-ipc", Open::Apart(shmem::polled)),
    Rival::new("ipc-channel", Open::Apart(servo::open)).takes(no_batches).sleeps(),
    Rival::new("dbus", Open::Apart(dbus::open))
        .takes(|pattern, size| no_batches(pattern, size) && [8, 64, 1016].contains(&size))
        .missing(dbus::missing)
        .sleeps(),
];

/// Who publishes one message at a time.
fn no_batches(pattern: Pattern, _: usize) -> bool {
    pattern != Pattern::Batch
}

fn main() -> anyhow::Result<()> {
    ringway_rivals::run(&RIVALS)
}
