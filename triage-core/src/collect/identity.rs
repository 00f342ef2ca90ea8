//! Which host a source is of.

use crate::model::{EvidencePath, Hasher, HostIdentity, RawText};
use crate::source::{Item, Pattern, Selection, Source, SourceError, read_resolved};
use std::ops::ControlFlow;

/// Marks are small files; more than this is not one.
const MARK_LIMIT: u64 = 64 << 10;

/// Reads the marks that tell this host from others: machine-id and SSH host keys, and of the running host also the product's UUID and
/// the hardware addresses of its network cards, which `kernel` (its folder `/sys`) has. Host names repeat and machines are cloned, so
/// the name counts only where there is nothing better.
///
/// # Errors
/// When a mark is there and cannot be read for a reason other than missing permission.
pub fn identify(source: &dyn Source, kernel: Option<&dyn Source>) -> Result<HostIdentity, SourceError> {
    let mut marks: Vec<(&'static str, Vec<u8>)> = Vec::new();
    let text = |source: &dyn Source, path: &str| -> Result<Option<Vec<u8>>, SourceError> {
        let Ok(path) = EvidencePath::new(path) else { return Ok(None) };
        let bytes = read_resolved(source, &path, MARK_LIMIT)?;
        Ok(bytes.map(|bytes| bytes.trim_ascii().to_vec()).filter(|bytes| !bytes.is_empty()))
    };
    if let Some(id) = text(source, "/etc/machine-id")? {
        marks.push(("machine-id", id));
    }
    for path in paths(source, "/etc/ssh/ssh_host_*_key.pub")? {
        let Some(key) = source.read(&path, MARK_LIMIT)? else { continue };
        // Type and key; the comment after them is the host's name at the time.
        let key: Vec<&[u8]> = key.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty()).take(2).collect();
        if key.len() == 2 {
            marks.push(("ssh-host-key", key.join(&b' ')));
        }
    }
    if let Some(kernel) = kernel {
        // Only root may read it; without it the identity is another one, and the marks say why.
        if let Ok(Some(uuid)) = text(kernel, "/class/dmi/id/product_uuid") {
            marks.push(("product-uuid", uuid));
        }
        for address in hardware_addresses(kernel)? {
            marks.push(("mac", address));
        }
    }
    let hostname = text(source, "/etc/hostname")?.unwrap_or_default();
    if marks.is_empty() {
        marks.push(("hostname", hostname.clone()));
    }
    marks.sort();
    marks.dedup();
    let mut hasher = Hasher::new();
    for (name, value) in &marks {
        for part in [name.as_bytes(), value] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    Ok(HostIdentity {
        digest: hasher.finish(),
        marks: marks.into_iter().map(|(name, _)| name.to_owned()).collect(),
        hostname: RawText::from(hostname),
    })
}

fn paths(source: &dyn Source, pattern: &str) -> Result<Vec<EvidencePath>, SourceError> {
    let mut found = Vec::new();
    let selection = Selection::new(Pattern::new(pattern).into_iter().collect(), Vec::new());
    source.walk(&selection, &mut |item| {
        if let Item::Entry(entry) = item
            && entry.meta.is_file()
        {
            found.push(entry.path);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The addresses of network cards that are hardware: what containers and tunnels have comes and goes.
fn hardware_addresses(kernel: &dyn Source) -> Result<Vec<Vec<u8>>, SourceError> {
    let mut cards = Vec::new();
    let selection = Selection::new(Pattern::new("/class/net/*").into_iter().collect(), Vec::new());
    kernel.walk(&selection, &mut |item| {
        // `/sys/class/net/eth0` is a link to `../../devices/pci…/net/eth0`.
        if let Item::Entry(entry) = item
            && let Some(target) = entry.meta.link_target
            && let Some(device) = target.as_bytes().strip_prefix(b"../..")
            && !device.starts_with(b"/devices/virtual/")
            && let Ok(device) = EvidencePath::new(device)
        {
            cards.push(device.join(b"address"));
        }
        ControlFlow::Continue(())
    })?;
    let mut addresses = Vec::new();
    for card in cards {
        if let Ok(Some(address)) = kernel.read(&card, MARK_LIMIT) {
            let address = address.trim_ascii().to_vec();
            if !address.is_empty() && address != b"00:00:00:00:00:00" {
                addresses.push(address);
            }
        }
    }
    Ok(addresses)
}
