//! Addresses: where a ring is.

use std::fmt;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::AddressError;

/// The directory in which rings with a shared-memory name live.
pub(crate) const SHM_DIRECTORY: &str = "/dev/shm";
/// What the file of a ring with a shared-memory name begins with.
pub(crate) const SHM_PREFIX: &str = "ringway.";
/// A file name has at most 255 bytes.
const NAME_MAX: usize = 255 - SHM_PREFIX.len();

/// Where a ring is.
///
/// ```
/// use ringway::Address;
/// assert_eq!("camera".parse(), Ok(Address::Shm("camera".into())));
/// assert_eq!("file:/var/tmp/camera".parse(), Ok(Address::File("/var/tmp/camera".into())));
/// assert_eq!(Address::Fd(3).to_string(), "fd:3");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// `camera` or `shm:camera`: POSIX shared memory, the file `/dev/shm/ringway.camera`.
    Shm(String),
    /// `file:/path`: a file that processes map.
    File(PathBuf),
    /// `fd:3`: a segment whose descriptor this process inherited or was handed.
    Fd(RawFd),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.split_once(':') {
            None => shm(text),
            Some(("shm", name)) => shm(name),
            Some(("file", path)) => file(path.into()),
            Some(("fd", number)) => number
                .parse()
                .ok()
                .filter(|fd: &RawFd| *fd >= 0)
                .map(Address::Fd)
                .ok_or_else(|| AddressError::Descriptor { found: number.to_owned() }),
            Some((scheme, _)) => Err(AddressError::Scheme { scheme: scheme.to_owned() }),
        }
    }
}

fn shm(name: &str) -> Result<Address, AddressError> {
    if name.is_empty() {
        return Err(AddressError::Empty);
    }
    if name.len() > NAME_MAX {
        return Err(AddressError::TooLong { len: name.len(), max: NAME_MAX });
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name.chars().find(|c| !allowed(c)) {
        Some(found) => Err(AddressError::Character { name: name.to_owned(), found }),
        None => Ok(Address::Shm(name.to_owned())),
    }
}

fn file(path: PathBuf) -> Result<Address, AddressError> {
    let ends_in_slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    if path.file_name().is_none() || ends_in_slash || path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(AddressError::Path { path });
    }
    Ok(Address::File(path))
}

impl Address {
    /// Checks an address that was not parsed but put together.
    pub(crate) fn check(&self) -> Result<(), AddressError> {
        match self {
            Address::Shm(name) => shm(name).map(drop),
            Address::File(path) => file(path.clone()).map(drop),
            Address::Fd(_) => Ok(()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Shm(name) => write!(f, "shm:{name}"),
            Address::File(path) => write!(f, "file:{}", path.display()),
            Address::Fd(fd) => write!(f, "fd:{fd}"),
        }
    }
}

impl TryFrom<&str> for Address {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl TryFrom<&String> for Address {
    type Error = AddressError;

    fn try_from(text: &String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Self {
        address.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_ring_says_why() {
        let error = |text: &str| text.parse::<Address>().expect_err(text);
        assert_eq!(error(""), AddressError::Empty);
        assert_eq!(error("shm:"), AddressError::Empty);
        assert!(matches!(error("a/b"), AddressError::Character { found: '/', .. }));
        assert!(matches!(error("a\0b"), AddressError::Character { found: '\0', .. }));
        assert!(matches!(error("tcp:1"), AddressError::Scheme { .. }));
        for path in ["file:", "file:/", "file:/a/", "file:..", "file:/a\0"] {
            assert!(matches!(error(path), AddressError::Path { .. }), "{path}");
        }
        for fd in ["fd:", "fd:-1", "fd:x"] {
            assert!(matches!(error(fd), AddressError::Descriptor { .. }), "{fd}");
        }
        assert_eq!(error(&"n".repeat(248)), AddressError::TooLong { len: 248, max: 247 });
        "n".repeat(247).parse::<Address>().expect("the longest name");
    }

    #[test]
    fn addresses_print_as_they_are_written() {
        for text in ["shm:camera", "file:/a/b", "fd:7"] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
    }
}
