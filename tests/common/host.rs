//! Rings in memory of somebody else's: here, of the crate `shared_memory`.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use ringway::OpenError;
use ringway::spsc::{Consumer, Options, Producer};
use shared_memory::{Shmem, ShmemConf};

/// Shared memory mapped twice, as two processes would have it, and perhaps a file for leases.
pub struct Host {
    producers: Shmem,
    consumers: Shmem,
    leases: Option<File>,
    formatted: Cell<bool>,
}

impl Host {
    pub fn new(options: &Options, leases: bool) -> Host {
        let len = options.hosted_len().expect("possible options");
        let producers = ShmemConf::new().size(len).create().expect("shared memory");
        let consumers = ShmemConf::new().os_id(producers.get_os_id()).open().expect("the same memory");
        let leases = leases.then(|| tempfile::tempfile().expect("a file for leases"));
        Host { producers, consumers, leases, formatted: Cell::new(false) }
    }

    pub fn producer(&self, options: &Options) -> Result<Producer, OpenError> {
        let (options, leases) = self.prepare(options);
        let memory = NonNull::new(self.producers.as_ptr()).expect("mapped");
        // SAFETY: the memory is shared memory that lives as long as the bed, which outlives its ends.
        unsafe { options.producer_in(memory, self.producers.len(), leases) }
    }

    pub fn consumer(&self, options: &Options) -> Result<Consumer, OpenError> {
        let (options, leases) = self.prepare(options);
        let memory = NonNull::new(self.consumers.as_ptr()).expect("mapped");
        // SAFETY: as above.
        unsafe { options.consumer_in(memory, self.consumers.len(), leases) }
    }

    /// Whoever comes next formats the memory again.
    pub fn format_again(&self) {
        self.formatted.set(false);
    }

    /// Whoever comes first formats the memory.
    fn prepare(&self, options: &Options) -> (Options, Option<OwnedFd>) {
        let leases = self.leases.as_ref().map(|file| file.try_clone().expect("dup").into());
        (options.clone().create_new(!self.formatted.replace(true)), leases)
    }
}
