//! What every kind of ring has for options: how it is found and made, and how its handles wait.

use core::time::Duration;

use crate::error::OpenError;
use crate::layout::header::{DESCRIPTION_MAX, Plan};
use crate::layout::{Sizes, Wake};
use crate::segment::{Owner, Request};
use crate::wait::{Patience, Wait};

/// Options of rings of every kind.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) persist: bool,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
    pub(crate) mode: u32,
    pub(crate) owner: Owner,
    pub(crate) earlier_boot: bool,
    pub(crate) prefault: bool,
    pub(crate) huge_pages: bool,
    pub(crate) wake: Wake,
    pub(crate) wait: Wait,
    pub(crate) spin: Duration,
    pub(crate) liveness: Duration,
}

/// What every kind of ring can be asked for, as methods of its options, which have [`Common`] in the field `common`.
macro_rules! common_options {
    () => {
        /// Create the ring if there is none (the default).
        pub fn create(mut self, create: bool) -> Self {
            self.common.create = create;
            self
        }

        /// Create the ring, and fail with [`OpenError::Exists`](crate::OpenError::Exists) if there is one. For hosted memory:
        /// format it.
        pub fn create_new(mut self, create_new: bool) -> Self {
            self.common.create_new = create_new;
            self
        }

        /// Keep the name when the last participant leaves, though nothing is left to be received.
        pub fn persist(mut self, persist: bool) -> Self {
            self.common.persist = persist;
            self
        }

        /// Permission bits of the file, whatever the umask; 0600 unless told otherwise. A ring with more bits than these is
        /// not opened.
        pub fn mode(mut self, bits: u32) -> Self {
            self.common.mode = bits;
            self
        }

        /// Whose rings to open.
        pub fn owner(mut self, owner: crate::segment::Owner) -> Self {
            self.common.owner = owner;
            self
        }

        /// Map every page when attaching (the default), so that no message pays for a page fault.
        pub fn prefault(mut self, prefault: bool) -> Self {
            self.common.prefault = prefault;
            self
        }

        /// Ask for huge pages. The kernel may decline: [`Geometry::huge_bytes`](crate::Geometry) tells what was obtained.
        pub fn huge_pages(mut self, huge_pages: bool) -> Self {
            self.common.huge_pages = huge_pages;
            self
        }

        /// What those who sleep in a blocking call are woken by, on both sides; a property of the ring, so whoever opens one
        /// takes it as it is.
        pub fn wake(mut self, wake: crate::layout::Wake) -> Self {
            self.common.wake = wake;
            self
        }

        /// How blocking calls wait.
        pub fn wait(mut self, wait: crate::wait::Wait) -> Self {
            self.common.wait = wait;
            self
        }

        /// How long [`Wait::Adaptive`](crate::Wait::Adaptive) spins before it sleeps; 25 µs unless told otherwise.
        pub fn spin(mut self, spin: core::time::Duration) -> Self {
            self.common.spin = spin;
            self
        }
    };
}
pub(crate) use common_options;

impl Common {
    pub(crate) fn new() -> Common {
        Common {
            persist: false,
            create: true,
            create_new: false,
            mode: 0o600,
            owner: Owner::Me,
            earlier_boot: false,
            prefault: true,
            huge_pages: false,
            wake: Wake::Futex,
            wait: Wait::Adaptive,
            spin: Duration::from_micros(25),
            liveness: Duration::from_millis(50),
        }
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience {
            how: self.wait,
            began: Duration::ZERO,
            spin: self.spin,
            interval: self.liveness,
            deadline: None,
        }
    }

    /// The request for a ring with these `sizes`.
    pub(crate) fn request(
        &self,
        sizes: Sizes,
        at_most_once: bool,
        description: Option<&str>,
        type_align: usize,
    ) -> Result<Request, OpenError> {
        if self.mode & !0o777 != 0 || self.mode & 0o600 != 0o600 {
            let rule = "permission bits that let the owner read and write, such as 0600 or 0660";
            return Err(OpenError::Option { option: "mode", asked: self.mode.into(), rule });
        }
        if let Some(len) = description.map(str::len).filter(|len| *len > DESCRIPTION_MAX) {
            let rule =
                "a type whose description is at most 3840 bytes long: use fewer or shorter field names";
            let asked = len as u64;
            return Err(OpenError::Option { option: "length of the type's description", asked, rule });
        }
        let description = description.map(str::to_owned);
        Ok(Request {
            plan: Plan { sizes, wake: self.wake, persist: self.persist, at_most_once, description },
            type_align: type_align as u64,
            create: self.create,
            create_new: self.create_new,
            mode: self.mode,
            owner: self.owner,
            prefault: self.prefault,
            huge_pages: self.huge_pages,
        })
    }
}
