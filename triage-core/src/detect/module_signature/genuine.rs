//! Asking about one signed list or archive, outside of a sweep: for who wants to put a module's file back.

use super::layout::Layout;
use super::signer::{Authorities, SignatureVerdict, Signers};
use super::{MAX_ARCHIVE, is_key_file};
use crate::model::EvidencePath;
use crate::parse::Limits;
use crate::parse::clear_sign::ClearSigned;
use crate::parse::freepbx_dirs::Directories;
use crate::parse::module_sig::{self, ModuleSignature};
use crate::parse::openpgp::{self, KeyRing, OpenPgpError};
use std::collections::BTreeMap;

impl Signers {
    /// Reads a `module.sig` and says what its signature is worth. The list is a claim unless that is good.
    pub fn judge_list(&self, keys: &KeyRing, path: &EvidencePath, bytes: &[u8]) -> (SignatureVerdict, ModuleSignature) {
        let message = ClearSigned::read(bytes);
        let list = module_sig::parse_signed(path, &message, &Limits::default()).value;
        let signatures = openpgp::clear_signed(&message);
        (Authorities { signers: self, keys, latest: None }.judge(&signatures), list)
    }

    /// Opens a signed archive of the framework's store (`…tgz.gpg`): what its signature is worth, and what is signed.
    ///
    /// # Errors
    /// When it is no signed message, or unpacks to more than any module has.
    pub fn open_archive(&self, keys: &KeyRing, bytes: &[u8]) -> Result<(SignatureVerdict, Vec<u8>), OpenPgpError> {
        let message = openpgp::signed_message(bytes, MAX_ARCHIVE)?;
        let verdict = Authorities { signers: self, keys, latest: None }.judge(&Ok(message.signatures));
        Ok((verdict, message.content))
    }
}

/// Says whether a file is one in which keys of vendors lie.
pub fn holds_keys(path: &EvidencePath) -> bool {
    is_key_file(path)
}

/// Where the file of a module may lie on a host: in the module's folder, and where the installer copies it.
pub fn places(found: &BTreeMap<usize, Directories>, folder: &EvidencePath, file: &[u8]) -> Vec<EvidencePath> {
    Layout::new(found).destinations(folder, file)
}
