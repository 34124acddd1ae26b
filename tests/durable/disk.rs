//! A disk that loses power.
//!
//! What a file is on the disk: each of its sectors as it was at some moment since the last sync, independent of the
//! others. The simulated disk takes an image of the ring's file (which is what the processes see, synced or not) after
//! each operation, forgets all but the last at a sync, and makes a file whose sectors come each from any of the images.

use std::fs;
use std::path::Path;

use crate::common::image::patch;

/// What a disk writes at once. (The kernel writes whole pages; this is finer, so it finds more.)
const SECTOR: usize = 512;
/// Where the header has the id of the boot.
const BOOT: u64 = 96;
/// Where the producer's line has the consumer's position that is on the disk, and how many messages were sent.
pub const SYNCED: usize = 4096 + 2 * 128 + 8;
pub const SENT: usize = SYNCED + 8;

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

    /// Looks at the file after an operation that the test did not end by a sync. Did the ring sync itself meanwhile?
    /// Then what was there before the operation is on the disk.
    pub fn look(&mut self, path: &Path) -> bool {
        let now = fs::read(path).expect("the ring");
        let last = self.images.last().expect("an image");
        let synced = now[SYNCED..SYNCED + 8] != last[SYNCED..SYNCED + 8];
        if synced {
            self.images.drain(..self.images.len() - 1);
        }
        self.images.push(now);
        synced
    }

    /// The file was synced.
    pub fn sync(&mut self, path: &Path) {
        self.images = vec![fs::read(path).expect("the ring")];
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
        fs::write(path, left).expect("a file");
        reboot(path);
        count_is_newest
    }
}

/// Makes the file one of an earlier boot.
pub fn reboot(path: &Path) {
    patch(path, BOOT, &[0x5a; 16]);
}
