//! Addresses of connections.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::AddressError;
use crate::segment::address::Address;

/// What is left for a name of the 108 bytes of a socket's address: the first says that it is abstract, and then come
/// `ringway/`, the user's number and a slash.
const NAME_MAX: usize = 107 - "ringway/4294967295/".len();
/// A path and the zero that ends it.
const PATH_MAX: usize = 107;

/// Where to be connected.
///
/// ```
/// use ringway::connect::At;
/// assert_eq!("camera".parse(), Ok(At::Name("camera".into())));
/// assert_eq!("unix:/run/camera".parse(), Ok(At::Unix("/run/camera".into())));
/// assert_eq!(At::Stdio.to_string(), "stdio:");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum At {
    /// `camera` or `auto:camera`: the two sides meet by this name, and choose.
    Name(String),
    /// `auto:/path`: the two sides meet at a socket with this path, and choose.
    Path(PathBuf),
    /// `unix:/path`: the two sides meet at a socket with this path, and use it.
    Unix(PathBuf),
    /// `shm:camera`, `file:/path`, `fd:N`: the ring of this address.
    Ring(Address),
    /// `fifo:/path`: the FIFO at this path.
    Fifo(PathBuf),
    /// `stdio:`: a producer's standard output, a consumer's standard input.
    Stdio,
}

impl FromStr for At {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.split_once(':') {
            None => name(text),
            Some(("auto", path)) if path.starts_with('/') => socket(path).map(At::Path),
            Some(("auto", text)) => name(text),
            Some(("unix", path)) => socket(path).map(At::Unix),
            Some(("fifo", path)) => file(path).map(At::Fifo),
            Some(("stdio", "")) => Ok(At::Stdio),
            Some(("shm" | "file" | "fd", _)) => text.parse().map(At::Ring),
            Some((scheme, _)) => Err(AddressError::NoTransport { scheme: scheme.to_owned() }),
        }
    }
}

fn name(name: &str) -> Result<At, AddressError> {
    // The rules for the names of rings, which are also names of files.
    Address::Shm(name.to_owned()).check()?;
    if name.len() > NAME_MAX {
        return Err(AddressError::TooLong { len: name.len(), max: NAME_MAX });
    }
    Ok(At::Name(name.to_owned()))
}

fn file(path: &str) -> Result<PathBuf, AddressError> {
    let path = PathBuf::from(path);
    Address::File(path.clone()).check()?;
    Ok(path)
}

fn socket(path: &str) -> Result<PathBuf, AddressError> {
    if path.len() > PATH_MAX {
        return Err(AddressError::TooLong { len: path.len(), max: PATH_MAX });
    }
    file(path)
}

impl At {
    /// Checks an address that was not parsed but put together.
    pub(super) fn check(&self) -> Result<(), AddressError> {
        let text = |path: &PathBuf| {
            path.to_str().map(str::to_owned).ok_or_else(|| AddressError::Path { path: path.clone() })
        };
        match self {
            At::Name(text) => name(text).map(drop),
            At::Path(path) | At::Unix(path) => socket(&text(path)?).map(drop),
            At::Fifo(path) => Address::File(path.clone()).check(),
            At::Ring(address) => address.check(),
            At::Stdio => Ok(()),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Name(name) => write!(f, "auto:{name}"),
            At::Path(path) => write!(f, "auto:{}", path.display()),
            At::Unix(path) => write!(f, "unix:{}", path.display()),
            At::Ring(address) => address.fmt(f),
            At::Fifo(path) => write!(f, "fifo:{}", path.display()),
            At::Stdio => f.write_str("stdio:"),
        }
    }
}

impl TryFrom<&str> for At {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl TryFrom<&String> for At {
    type Error = AddressError;

    fn try_from(text: &String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl TryFrom<String> for At {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<&At> for At {
    fn from(at: &At) -> Self {
        at.clone()
    }
}

impl From<Address> for At {
    fn from(address: Address) -> Self {
        At::Ring(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_they_are_written() {
        for text in
            ["auto:camera", "auto:/a/b", "unix:/a/b", "shm:camera", "file:/a", "fd:7", "fifo:/a", "stdio:"]
        {
            let at: At = text.parse().expect(text);
            assert_eq!(at.to_string(), text);
            assert_eq!(at.check(), Ok(()), "{text}");
        }
        assert_eq!("camera".parse::<At>(), "auto:camera".parse());
    }

    #[test]
    fn what_is_no_address_says_why() {
        let error = |text: &str| text.parse::<At>().expect_err(text);
        for text in ["", "auto:", "shm:"] {
            assert_eq!(error(text), AddressError::Empty, "{text}");
        }
        assert!(matches!(error("a/b"), AddressError::Character { found: '/', .. }));
        for text in ["tcp:1", "stdio:x", ":", "/a:/b"] {
            assert!(matches!(error(text), AddressError::NoTransport { .. }), "{text}");
        }
        for text in ["unix:", "unix:/", "auto:/a/", "fifo:", "file:/"] {
            assert!(matches!(error(text), AddressError::Path { .. }), "{text}");
        }
        assert_eq!(error(&"n".repeat(89)), AddressError::TooLong { len: 89, max: 88 });
        let long = format!("unix:/{}", "n".repeat(107));
        assert_eq!(error(&long), AddressError::TooLong { len: 108, max: 107 });
        assert!(At::Name("a/b".into()).check().is_err() && At::Unix("/".into()).check().is_err());
    }
}
