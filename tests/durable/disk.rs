//! A disk that loses power.
//!
//! What a file is on the disk: each of its sectors as it was at some moment since the last sync, independent of the
//! others. The simulated disk takes an image of the ring's file (which is what the processes see, synced or not) after
//! each operation and at each sync, forgets what was before a sync, and makes a file whose sectors come each from any of
//! the images.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::image::patch;

/// What a disk writes at once. (The kernel writes whole pages; this is finer, so it finds more.)
const SECTOR: usize = 512;
/// Where the header has the id of the boot.
pub const BOOT: u64 = 96;
/// Where the producer's line has its position, the consumer's position that is on the disk, and the number of the last
/// message that was sent.
pub const TAIL: usize = 4096 + 2 * 128;
pub const SYNCED: usize = TAIL + 8;
pub const SENT: usize = SYNCED + 8;
/// Where the producer's line notes that the system failed to write the ring to the disk.
pub const FAILED: usize = TAIL + 28;
/// Where the consumer's line has its position, and what it noted of its last two releases: a position, and the number of the
/// last message before it, each.
pub const POSITION: usize = TAIL + 2 * 128;
pub const RELEASED: usize = POSITION + 16;
/// Where the first record begins, if payloads are aligned to 8 bytes.
pub const RECORDS: usize = 8192;

/// Of the releases noted in an image, the number of the one that went to the position there.
pub fn released_number(image: &[u8]) -> Option<u32> {
    let noted = [RELEASED, RELEASED + 16];
    let done = noted.into_iter().find(|at| word(image, *at) == word(image, POSITION))?;
    Some(word(image, done + 8) as u32)
}

/// Numbers that look random and come again with the seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as usize % bound
    }
}

/// A word of an image.
pub fn word(image: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(image[at..at + 8].try_into().expect("eight bytes"))
}

/// What may be on the disk.
pub struct Disk {
    /// Images of the file, the first one at the last sync.
    images: Vec<Vec<u8>>,
}

impl Disk {
    /// A disk that has the file as it is.
    pub fn new(path: &Path) -> Disk {
        Disk { images: vec![fs::read(path).expect("the ring")] }
    }

    /// Looks at the file after an operation, in which the ring was last `written` as this says, if it was.
    pub fn look(&mut self, path: &Path, written: Option<Vec<u8>>) {
        if let Some(written) = written {
            self.images = vec![written];
        }
        self.images.push(fs::read(path).expect("the ring"));
    }

    /// What is left after a loss of power: a file at `path`. Returns whether the count of messages sent is the newest.
    pub fn lose_power(&self, path: &Path, random: &mut Random) -> bool {
        // The last image more often, so that some losses are small.
        let recent = random.below(4);
        let mut count_is_newest = false;
        let mut left = Vec::with_capacity(self.images[0].len());
        for sector in 0..self.images[0].len() / SECTOR {
            let newest = self.images.len() - 1;
            let image = if random.below(4) < recent { newest } else { random.below(self.images.len()) };
            let at = sector * SECTOR;
            left.extend_from_slice(&self.images[image][at..at + SECTOR]);
            if (at..at + SECTOR).contains(&SENT) {
                count_is_newest = self.images[image][SENT..SENT + 4] == self.images[newest][SENT..SENT + 4];
            }
        }
        lose_power(path, &left);
        count_is_newest
    }
}

/// Leaves a file at `path` as the death of all its users does.
pub fn leave(path: &Path, image: &[u8]) {
    // A new file: whoever has the one that was there goes on with it.
    let _ = fs::remove_file(path);
    fs::write(path, image).expect("a file");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("its mode");
}

/// Leaves a file at `path` as a loss of power does.
pub fn lose_power(path: &Path, image: &[u8]) {
    leave(path, image);
    reboot(path);
}

/// Makes the file one of an earlier boot.
pub fn reboot(path: &Path) {
    patch(path, BOOT, &[0x5a; 16]);
}
