//! A container inside an age file (age-encryption.org/v1), decrypted where it is read: nothing of it gets to a disk.
//!
//! An age payload is a row of chunks that each decrypt alone, so that one member of an encrypted bundle is found as fast as one
//! of a plain bundle. What does not authenticate is an error of reading.

use super::file::{At, Backing, Section};
use age::secrecy::SecretString;
use age::stream::StreamReader;
use age::{DecryptError, Decryptor};
use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

/// What every age file begins with.
pub(super) const MAGIC: &[u8] = b"age-encryption.org/v1\n";
/// What one in ASCII begins with.
pub(super) const ARMOUR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// Largest header that is looked at: some thousand recipients.
const MAX_HEADER: usize = 1 << 20;
/// Plaintext in one chunk, and the tag that it gets.
const CHUNK: u64 = 64 << 10;
const TAG: u64 = 16;
const NONCE: usize = 16;
/// Readers that are kept, each at its own place; one holds two chunks.
const KEPT: usize = 8;
/// Cost of a passphrase that is accepted: about what `age -p` uses (18), and four times that.
const MAX_WORK_FACTOR: u8 = 20;

type Secret = Box<dyn age::Identity + Send + Sync>;

/// The secret keys that encrypted bundles are opened with.
#[derive(Clone, Default)]
pub struct Identities(Arc<Vec<Arc<Secret>>>);

/// Why a file with identities cannot be used. Nothing of its text is told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// It holds something else than identities of age, or none.
    #[error("there is no age identity in it: {detail}")]
    NotIdentities {
        /// What is wrong, and on which line.
        detail: String,
    },
    /// It is protected with a passphrase, and that is missing or wrong.
    #[error("its passphrase is missing or wrong")]
    Passphrase,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}

impl Identities {
    /// Says whether the text of an identity file is itself encrypted, so that [`Identities::add`] wants a passphrase.
    pub fn wants_passphrase(text: &[u8]) -> bool {
        text.starts_with(MAGIC)
    }

    /// Adds the identities of a file that `age-keygen` wrote, or of one that `age -p` encrypted.
    ///
    /// # Errors
    /// [`IdentityError`], which says what is wrong with the file and nothing of what is in it.
    pub fn add(&mut self, text: &[u8], passphrase: Option<&str>) -> Result<(), IdentityError> {
        let wrong = |detail: String| IdentityError::NotIdentities { detail };
        if text.starts_with(ARMOUR) {
            return Err(wrong("it is in ASCII armour, which is read after `age -d`".to_owned()));
        }
        let plain = if Self::wants_passphrase(text) {
            let passphrase = passphrase.ok_or(IdentityError::Passphrase)?;
            let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
            identity.set_max_work_factor(MAX_WORK_FACTOR);
            let mut plain = Vec::new();
            let opened = Decryptor::new_buffered(text).and_then(|file| {
                file.decrypt(std::iter::once(&identity as &dyn age::Identity))?.read_to_end(&mut plain)?;
                Ok(())
            });
            opened.map_err(|_| IdentityError::Passphrase)?;
            plain
        } else {
            text.to_vec()
        };
        let file = age::IdentityFile::from_buffer(plain.as_slice()).map_err(|error| wrong(error.to_string()))?;
        let found = file.into_identities().map_err(|error| wrong(error.to_string()))?;
        if found.is_empty() {
            return Err(wrong("no line of it is a secret key".to_owned()));
        }
        let mut all = self.0.as_ref().clone();
        all.extend(found.into_iter().map(Arc::new));
        self.0 = Arc::new(all);
        Ok(())
    }

    /// Says that there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The plaintext of an age file.
pub(super) struct Sealed {
    raw: Backing,
    identities: Identities,
    /// Readers and the places they are at.
    readers: Mutex<Vec<(u64, Plain)>>,
}

type Plain = StreamReader<BufReader<Section>>;

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("raw", &self.raw).finish_non_exhaustive()
    }
}

/// Why an age file is not opened.
pub(super) enum Refused {
    Io(io::Error),
    /// In words.
    Because(&'static str),
}

impl Sealed {
    /// Opens it, and says how long the plaintext is, as far as it goes.
    pub(super) fn open(raw: &Backing, identities: &Identities) -> Result<(Self, u64), Refused> {
        let there = usize::try_from(raw.len()).unwrap_or(usize::MAX).min(MAX_HEADER);
        let head = raw.bytes_at(0, there).map_err(Refused::Io)?;
        // The header ends with `--- `, a code of 43 letters and a line end; the nonce of the payload follows.
        let mark = head
            .windows(5)
            .position(|window| window == b"\n--- ")
            .ok_or(Refused::Because("encrypted with age, and its header has no end within 1 MiB"))?;
        if identities.is_empty() {
            return Err(Refused::Because("encrypted with age, and no identity was given to open it"));
        }
        let start = u64::try_from(mark + 5 + 43 + 1 + NONCE).unwrap_or(u64::MAX);
        let packed = raw.len().saturating_sub(start);
        let length = packed.saturating_sub(TAG * packed.div_ceil(CHUNK + TAG));
        let sealed = Self { raw: raw.clone(), identities: identities.clone(), readers: Mutex::default() };
        let reader = sealed.reader()?;
        sealed.readers.lock().unwrap_or_else(PoisonError::into_inner).push((0, reader));
        Ok((sealed, length))
    }

    fn reader(&self) -> Result<Plain, Refused> {
        let input = BufReader::with_capacity(4096, self.raw.section());
        let identities = self.identities.0.iter().map(|identity| identity.as_ref().as_ref() as &dyn age::Identity);
        // The header is a stranger's; that its parser has no panic is not ours to promise.
        let opened = catch_unwind(AssertUnwindSafe(|| Decryptor::new_buffered(input)?.decrypt(identities)));
        match opened {
            Ok(Ok(reader)) => Ok(reader),
            Ok(Err(DecryptError::Io(error))) if error.raw_os_error().is_some() => Err(Refused::Io(error)),
            Ok(Err(DecryptError::NoMatchingKeys)) => {
                Err(Refused::Because("encrypted with age, and for none of the identities that were given"))
            }
            _ => Err(Refused::Because("encrypted with age, and its header is damaged")),
        }
    }

    /// Brings a reader to a place. One at the beginning of a chunk is reached through the byte before it: asked for the place
    /// itself the crate wants the end of the file to be there, and a bundle that was cut has none.
    fn go(reader: &mut Plain, place: u64) -> io::Result<()> {
        if place > 0 && place.is_multiple_of(CHUNK) {
            reader.seek(SeekFrom::Start(place - 1))?;
            return reader.read_exact(&mut [0]);
        }
        reader.seek(SeekFrom::Start(place)).map(|_| ())
    }
}

impl At for Sealed {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        let found = {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            match readers.iter().position(|(at, _)| *at == place) {
                Some(at) => Some(readers.swap_remove(at)),
                // The one that was used longest ago, once there are enough.
                None if readers.len() >= KEPT => Some(readers.remove(0)),
                None => None,
            }
        };
        let (at, mut reader) = match found {
            Some(found) => found,
            None => match self.reader() {
                Ok(reader) => (0, reader),
                Err(Refused::Io(error)) => return Err(error),
                Err(Refused::Because(why)) => return Err(io::Error::new(io::ErrorKind::InvalidData, why)),
            },
        };
        if at != place {
            Self::go(&mut reader, place)?;
        }
        let read = reader.read(buffer)?;
        let at = place.saturating_add(u64::try_from(read).unwrap_or(0));
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push((at, reader));
        Ok(read)
    }
}
