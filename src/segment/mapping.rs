//! A view of a segment in this process's memory: from a file, or memory that the caller has already.
//!
//! | edge | release | acquire | carries |
//! |---|---|---|---|
//! | birth | whoever formats a segment stores the magic, last | whoever opens it loads the magic, first | the rest of the header, and the zeroed ring |
#![allow(unsafe_code)]

use core::ops::Range;
use core::ptr::NonNull;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use memmap2::{Advice, MmapOptions, MmapRaw};
use zerocopy::{FromZeros, IntoBytes};

use crate::error::OpenError;
use crate::layout::Shared;
use crate::layout::header::{HEADER_LEN, RawHeader};
use crate::sync::{AtomicU64, Ordering};

/// The memory of a segment, mapped for as long as this value lives (hosted memory: as the host promised).
#[derive(Debug)]
pub(crate) struct Mapping {
    memory: NonNull<u8>,
    len: u64,
    /// Unmaps on drop; `None` for hosted memory.
    mapped: Option<MmapRaw>,
}

// SAFETY: a mapping is plain memory, reached only through atomics and the ring's rules.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes of `file`, shared and writable.
    pub(crate) fn of(file: &File, place: &str, len: u64) -> Result<Mapping, OpenError> {
        let mapped = options_for(len)?.map_raw(file).map_err(|source| mmap_failed(place, source))?;
        Ok(Mapping::owned(mapped, len))
    }

    /// Maps the first `len` bytes of `file`, shared, to be read only: a store there would be a SIGSEGV. Every page is mapped
    /// now, as far as the kernel can (5.14).
    pub(crate) fn to_read(file: &File, place: &str, len: u64) -> Result<Mapping, OpenError> {
        let mapped =
            options_for(len)?.map_raw_read_only(file).map_err(|source| mmap_failed(place, source))?;
        let _ = mapped.advise(Advice::PopulateRead);
        Ok(Mapping::owned(mapped, len))
    }

    /// Uses `len` bytes that the caller has.
    ///
    /// # Safety
    /// They must stay readable and writable for as long as the mapping lives, and be shared only with
    /// processes that run this protocol.
    pub(crate) unsafe fn hosted(memory: NonNull<u8>, len: u64) -> Mapping {
        Mapping { memory, len, mapped: None }
    }

    /// A copy of the first `len` bytes of `file` in memory of this process's own: what happens to the file later, it stays
    /// as it is.
    pub(crate) fn copy_of(file: &File, place: &str, len: u64) -> Result<Mapping, OpenError> {
        let system = |call, source| OpenError::System { call, place: place.to_owned(), source };
        let mut memory = MmapOptions::new()
            .len(len as usize)
            .map_anon()
            .map_err(|source| system("mmap (of memory for a copy of)", source))?;
        file.read_exact_at(&mut memory, 0).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                let found = file.metadata().map_or(0, |metadata| metadata.len());
                OpenError::Length { place: place.to_owned(), found, expected: len }
            }
            _ => system("read", source),
        })?;
        Ok(Mapping::owned(memory.into(), len))
    }

    fn owned(mapped: MmapRaw, len: u64) -> Mapping {
        let memory = NonNull::new(mapped.as_mut_ptr()).expect("mmap never returns null");
        Mapping { memory, len, mapped: Some(mapped) }
    }

    /// Is this memory that the caller had already?
    pub(crate) fn is_hosted(&self) -> bool {
        self.mapped.is_none()
    }

    /// Asks for huge pages; the kernel may decline, see [`Mapping::huge_bytes`].
    pub(crate) fn advise_huge(&self) {
        if let Some(mapped) = &self.mapped {
            // A refusal (no support in this kernel or file system) leaves ordinary pages.
            let _ = mapped.advise(Advice::HugePage);
        }
    }

    /// Maps every page now, so that no first touch costs a fault later.
    pub(crate) fn prefault(&self) {
        if let Some(mapped) = &self.mapped {
            // Kernels before 5.14 refuse; then pages are mapped on first touch.
            let _ = mapped.advise(Advice::PopulateWrite);
        }
    }

    /// Bytes of the segment.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The memory `at` bytes into the segment, of which `len` must be there.
    pub(crate) fn at(&self, at: u64, len: u64) -> NonNull<u8> {
        assert!(at.checked_add(len).is_some_and(|end| end <= self.len), "beyond the segment");
        // SAFETY: `at` is within the mapping, as just checked.
        unsafe { self.memory.add(at as usize) }
    }

    /// The part at `at`, which must consist of atomics (every `T` of `layout` does).
    pub(crate) fn part<T>(&self, at: u64) -> Shared<T> {
        let memory = self.at(at, size_of::<T>() as u64);
        assert!(memory.cast::<T>().is_aligned(), "misaligned part");
        // SAFETY: in range and aligned, as just checked; the segment outlives its parts, which the handle
        // drops first; `layout` types are atomics.
        unsafe { Shared::new(memory) }
    }

    /// Makes an empty ring of whatever the memory holds: everything up to `end` becomes zero, then the header is
    /// written.
    pub(crate) fn format(&self, header: &RawHeader, end: u64) {
        for at in (0..end).step_by(8) {
            self.part::<AtomicU64>(at).store(0, Ordering::Relaxed);
        }
        self.write_header(header);
    }

    /// Zeroes a part.
    pub(crate) fn clear(&self, range: Range<u64>) {
        for at in range.step_by(8) {
            self.part::<AtomicU64>(at).store(0, Ordering::Relaxed);
        }
    }

    /// Makes every page one that is to be written to the disk, without changing it: the kernel has write-protected what it
    /// took for written, and does not any more. (Linux 5.14.)
    pub(crate) fn write_again(&self) -> io::Result<()> {
        self.mapped.as_ref().map_or(Ok(()), |mapped| mapped.advise(Advice::PopulateWrite))
    }

    /// Writes the header, the magic last, so that whoever sees the magic sees the rest.
    pub(crate) fn write_header(&self, header: &RawHeader) {
        let words = self.part::<[AtomicU64; HEADER_LEN / 8]>(0);
        for (at, bytes) in header.as_bytes().chunks_exact(8).enumerate().rev() {
            let word = u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
            words[at].store(word, Ordering::Release); // edge: birth (release; the magic is the first word)
        }
    }

    /// A copy of the header: each word is read once, the magic first.
    pub(crate) fn read_header(&self) -> RawHeader {
        let words = self.part::<[AtomicU64; HEADER_LEN / 8]>(0);
        let mut header = RawHeader::new_zeroed();
        for (word, bytes) in words.iter().zip(header.as_mut_bytes().chunks_exact_mut(8)) {
            let word = word.load(Ordering::Acquire); // edge: birth (acquire)
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        header
    }

    /// How many bytes of the mapping are on huge pages now, as /proc/self/smaps tells.
    pub(crate) fn huge_bytes(&self) -> u64 {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        huge_bytes_in(&smaps, self.memory.as_ptr() as usize)
    }
}

fn options_for(len: u64) -> Result<MmapOptions, OpenError> {
    let wanted = usize::try_from(len).map_err(|_| OpenError::Option {
        option: "ring size",
        asked: len,
        rule: "at most what this machine can address",
    })?;
    let mut options = MmapOptions::new();
    options.len(wanted);
    Ok(options)
}

fn mmap_failed(place: &str, source: io::Error) -> OpenError {
    OpenError::System { call: "mmap", place: place.to_owned(), source }
}

/// Reads the entry of the mapping that begins at `start`.
fn huge_bytes_in(smaps: &str, start: usize) -> u64 {
    let head = format!("{start:x}-");
    let entry = smaps.lines().skip_while(|line| !line.starts_with(&head)).skip(1);
    entry
        .take_while(|line| line.split_whitespace().next().is_some_and(|word| word.ends_with(':')))
        .filter(|line| {
            ["ShmemPmdMapped:", "FilePmdMapped:", "Shared_Hugetlb:"].iter().any(|key| line.starts_with(key))
        })
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum::<u64>()
        * 1024
}

/// A copy of the header of a file that was not mapped yet; `None` when it is shorter than a header.
pub(crate) fn read_header_of(file: &File) -> io::Result<Option<RawHeader>> {
    let mut header = RawHeader::new_zeroed();
    match file.read_exact_at(header.as_mut_bytes(), 0) {
        Ok(()) => Ok(Some(header)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_pages_are_read_from_the_right_entry() {
        let smaps = "1000-2000 rw-s 0 0:1 1 /dev/shm/a\nShmemPmdMapped:    2048 kB\nVmFlags: rd\n\
                     2000-3000 rw-s 0 0:1 2 /dev/shm/b\nShmemPmdMapped:    4096 kB\nFilePmdMapped: 4 kB\n";
        assert_eq!(huge_bytes_in(smaps, 0x1000), 2048 * 1024);
        assert_eq!(huge_bytes_in(smaps, 0x2000), 4100 * 1024);
        assert_eq!(huge_bytes_in(smaps, 0x9000), 0);
    }
}
