//! A path inside the evidence: bytes, absolute, never lossy.

use super::text::{escape, is_plain};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use thiserror::Error;

/// The place of an object inside a host's root, as `/`-separated bytes beginning with `/`.
///
/// It is normal by construction: no empty, `.` or `..` component, no NUL, no trailing slash. It says nothing of where the
/// root itself lies on this machine.
///
/// In JSON it is two fields of the object that holds it (use `#[serde(flatten)]`): `path`, escaped for people, and `path_b64`,
/// the bytes, present only when `path` is not those bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvidencePath(Box<[u8]>);

/// What is wrong with bytes that were given as a path.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// A `..` component: it would leave the root, or make one object answer to many names.
    #[error("path `{0}` has a `..` component")]
    Parent(String),
    /// A NUL byte, which no file name can hold.
    #[error("path `{0}` has a NUL byte")]
    Nul(String),
}

impl EvidencePath {
    /// The root, `/`.
    pub fn root() -> Self {
        Self(Box::from(&b"/"[..]))
    }

    /// Reads a path; a missing leading slash is added, `//` and `/./` are folded.
    ///
    /// # Errors
    /// [`PathError`] when it has `..` or NUL.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let bytes = bytes.as_ref();
        if bytes.contains(&0) {
            return Err(PathError::Nul(escape(bytes)));
        }
        let mut out = Vec::with_capacity(bytes.len() + 1);
        for part in bytes.split(|&b| b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err(PathError::Parent(escape(bytes))),
                part => {
                    out.push(b'/');
                    out.extend_from_slice(part);
                }
            }
        }
        if out.is_empty() {
            out.push(b'/');
        }
        Ok(Self(out.into()))
    }

    /// The path of `name` in this directory. `name` is one component as a directory listing gives it.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        let mut out = Vec::with_capacity(self.0.len() + name.len() + 1);
        if !self.is_root() {
            out.extend_from_slice(&self.0);
        }
        out.push(b'/');
        out.extend_from_slice(name);
        Self(out.into())
    }

    /// The bytes, beginning with `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes without the leading `/`; empty for the root. What `openat` takes.
    pub fn relative(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }

    /// Says whether this is `/`.
    pub fn is_root(&self) -> bool {
        &*self.0 == b"/"
    }

    /// The directory that holds it; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let cut = self.0.iter().rposition(|&b| b == b'/')?;
        match (cut, self.is_root()) {
            (_, true) => None,
            (0, _) => Some(Self::root()),
            (cut, _) => self.0.get(..cut).map(|head| Self(head.into())),
        }
    }

    /// The last component; empty for the root.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|&b| b == b'/').next().unwrap_or_default()
    }

    /// The bytes after the last dot of the name, as they are; none where the name has no dot or only a leading one.
    pub fn extension(&self) -> Option<&[u8]> {
        let name = self.file_name();
        let dot = name.iter().rposition(|&b| b == b'.')?;
        if dot == 0 { None } else { name.get(dot + 1..) }
    }

    /// The components from the top; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|part| !part.is_empty())
    }

    /// Says whether it is `dir` or lies beneath it, by whole components.
    pub fn starts_with(&self, dir: &Self) -> bool {
        dir.is_root() || self.0.strip_prefix(&*dir.0).is_some_and(|rest| rest.first().is_none_or(|&b| b == b'/'))
    }
}

impl fmt::Display for EvidencePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.0))
    }
}

impl fmt::Debug for EvidencePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
}

impl Serialize for EvidencePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let path_b64 = (!is_plain(&self.0)).then(|| BASE64.encode(&self.0));
        Wire { path: escape(&self.0), path_b64 }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EvidencePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let bytes = match wire.path_b64 {
            Some(b64) => BASE64.decode(b64).map_err(serde::de::Error::custom)?,
            None => wire.path.into_bytes(),
        };
        Self::new(bytes).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(bytes: &str) -> EvidencePath {
        EvidencePath::new(bytes).unwrap()
    }

    #[test]
    fn one_object_has_one_spelling() {
        assert_eq!(path("var//www/./html/"), path("/var/www/html"));
        assert_eq!(path(""), EvidencePath::root());
        assert_eq!(EvidencePath::root().join(b"etc"), path("/etc"));
    }

    #[test]
    fn dot_dot_and_nul_are_refused() {
        assert_eq!(EvidencePath::new("/etc/../root"), Err(PathError::Parent("/etc/../root".into())));
        assert!(EvidencePath::new(b"a\0b").is_err());
    }

    #[test]
    fn prefixes_are_whole_components() {
        assert!(path("/var/www").starts_with(&path("/var")));
        assert!(path("/var/www").starts_with(&path("/var/www")));
        assert!(!path("/var/www2").starts_with(&path("/var/www")));
        assert!(path("/x").starts_with(&EvidencePath::root()));
    }

    #[test]
    fn parents_end_at_the_root() {
        assert_eq!(path("/etc/passwd").parent(), Some(path("/etc")));
        assert_eq!(path("/etc").parent(), Some(EvidencePath::root()));
        assert_eq!(EvidencePath::root().parent(), None);
    }

    #[test]
    fn extension_of_a_dotfile_is_none() {
        assert_eq!(path("/x/.htaccess").extension(), None);
        assert_eq!(path("/x/a.PHP").extension(), Some(&b"PHP"[..]));
    }

    #[test]
    fn json_has_the_bytes_only_where_the_text_is_not_them() {
        assert_eq!(serde_json::to_string(&path("/a")).unwrap(), r#"{"path":"/a"}"#);
        let odd = EvidencePath::new(b"/new\nline").unwrap();
        let json = serde_json::to_string(&odd).unwrap();
        assert_eq!(json, r#"{"path":"/new\\nline","path_b64":"L25ldwpsaW5l"}"#);
        assert_eq!(serde_json::from_str::<EvidencePath>(&json).unwrap(), odd);
    }
}
