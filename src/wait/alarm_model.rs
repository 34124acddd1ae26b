//! The alarm under loom, which models use through `sync::Ticket`: models have no descriptors.

use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crate::layout::Shared;
use crate::layout::bell::BellLine;
use crate::sync::Home;

/// A descriptor that no model has.
#[derive(Debug)]
pub(crate) struct Alarm;

impl Alarm {
    pub(crate) fn new(_home: Home, _memory: Arc<dyn Send + Sync>) -> io::Result<Alarm> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn arm(
        &mut self,
        _bell: &Shared<BellLine>,
        _announced: u32,
        _deadline: Duration,
    ) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn is_armed(&mut self) -> bool {
        false
    }

    pub(crate) fn disarm(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        unreachable!("no alarm is ever made in a model")
    }
}
