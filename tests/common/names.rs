//! Names that no other test uses.

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// The name of a ring in shared memory, its address by `Deref`. Whatever has it on drop is removed.
#[derive(Debug)]
pub struct Name(String);

impl Name {
    pub fn new(what: &str) -> Name {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Name(format!("test.{}.{count}.{what}", std::process::id()))
    }

    /// The file that a ring of this name is.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/ringway.{}", self.0))
    }

    /// Does anything have this name?
    pub fn exists(&self) -> bool {
        self.path().symlink_metadata().is_ok()
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // A test that ends well has mostly left nothing.
        let _ = fs::remove_file(self.path()).or_else(|_| fs::remove_dir(self.path()));
    }
}
