//! A container image as evidence: the tar that `docker save`, `podman save` or `skopeo` writes (Docker image specification 1.2,
//! OCI image layout 1.0), with its layers applied in order.
//!
//! Nothing is unpacked: each layer is an archive within the archive, read where it lies. A layer hides what it deletes by
//! whiteouts (`.wh.NAME`) and opaque folders (`.wh..wh..opq`) from those beneath it. What is hidden is still in the image, but not in
//! the host that it makes; the notes say how much that is. Digests that layers are named by are checked.

use super::archive::ArchiveSource;
use super::{Item, Kept, Opened, Selection, Source, SourceError, SourceKind};
use crate::model::{Digest, EvidencePath, FileKind, FileMeta, Gap, GapReason, Hasher, escape};
use crate::source::{Container, ContainerError};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use std::io::{self, Read as _};
use std::ops::ControlFlow;

/// Largest manifest or configuration, in bytes.
const MAX_JSON: u64 = 16 << 20;
/// Most layers; overlayfs itself takes 500.
const MAX_LAYERS: usize = 1000;
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// An image of a container.
pub struct ContainerImage {
    /// From the lowest to the highest; what one hides has been taken out of those beneath it.
    layers: Vec<ArchiveSource>,
    label: String,
    notes: Vec<String>,
    gaps: Vec<Gap>,
}

/// One layer, as the image names it.
struct Layer {
    path: EvidencePath,
    /// SHA-256 of the layer's file, where it is named by that.
    digest: Option<Digest>,
    /// SHA-256 of the uncompressed layer, by the image's configuration.
    uncompressed: Option<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Says whether an archive is a container image, by what lies at its top.
pub fn is_container_image(archive: &ArchiveSource) -> bool {
    let there = |path: &str| EvidencePath::new(path).is_ok_and(|path| matches!(archive.metadata(&path), Ok(Some(_))));
    if there("/oci-layout") && there("/index.json") {
        return true;
    }
    there("/manifest.json")
        && json(archive, "/manifest.json").is_some_and(|manifest| {
            manifest.as_array().is_some_and(|images| images.iter().any(|image| image.get("Layers").is_some()))
        })
}

impl ContainerImage {
    /// Reads the image that an archive is.
    ///
    /// # Errors
    /// [`SourceError::Foreign`] where the whole is compressed, [`SourceError::Damaged`] where the manifest makes no sense.
    pub fn open(archive: &ArchiveSource) -> Result<Self, SourceError> {
        let label = archive.label();
        let damaged = |detail: &str| SourceError::Damaged { what: label.clone(), detail: detail.to_owned() };
        if archive.container().is_compressed() {
            // Layers are read where they lie, and in a compressed file nothing lies anywhere.
            return Err(SourceError::Foreign {
                what: label.clone(),
                detail: "a container image that is compressed as a whole".to_owned(),
                commands: vec![
                    format!("gunzip -k {label}    # or: zstd -dk {label}, xz -dk {label}"),
                    "triage scan IMAGE.tar".to_owned(),
                ],
            });
        }
        let mut notes = Vec::new();
        let layers = saved(archive, &mut notes).or_else(|| layout(archive, &mut notes));
        let layers = layers.ok_or_else(|| damaged("the image's manifest cannot be read"))?;
        if layers.len() > MAX_LAYERS {
            return Err(damaged("the image has more layers than any system can mount"));
        }
        let mut image = Self { layers: Vec::new(), label: label.clone(), notes, gaps: Vec::new() };
        for (number, layer) in layers.iter().enumerate() {
            match open_layer(archive, layer) {
                Ok((source, trouble)) => {
                    if let Some(detail) = trouble {
                        image.gap(number, &detail);
                    }
                    image.apply(source);
                }
                Err(error) => image.gap(number, &error.to_string()),
            }
        }
        let objects: usize = image.layers.iter().map(|layer| layer.paths().count()).sum();
        image.notes.insert(0, format!("a container image of {} layers, {objects} objects", layers.len()));
        Ok(image)
    }

    fn gap(&mut self, number: usize, detail: &str) {
        let detail = format!("layer {} of the image: {detail}", number + 1);
        self.gaps.push(Gap::new(EvidencePath::root(), GapReason::Damaged, detail));
    }

    /// Puts a layer on top of those that there are.
    fn apply(&mut self, mut layer: ArchiveSource) {
        let mut opaque = HashSet::new();
        // Gone with all that is beneath: what was deleted, and what a file or link stands in place of.
        let mut gone = HashSet::new();
        let mut marks = HashSet::new();
        for (path, kind) in layer.paths() {
            let name = path.file_name();
            if name == OPAQUE {
                opaque.extend(path.parent());
                marks.insert(path.clone());
            } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
                // `.wh..wh.` begins the names that aufs keeps for itself.
                if !hidden.is_empty() && !hidden.starts_with(WHITEOUT) && hidden != b"." && hidden != b".." {
                    gone.extend(path.parent().map(|parent| parent.join(hidden)));
                }
                marks.insert(path.clone());
            } else if kind != FileKind::Directory {
                gone.insert(path.clone());
            }
        }
        layer.hide(&|path| marks.contains(path));
        let mut hidden = 0;
        let is_hidden = |path: &EvidencePath| {
            let mut at = Some(path.clone());
            let mut is_self = true;
            while let Some(place) = at {
                if gone.contains(&place) || (!is_self && opaque.contains(&place)) {
                    return true;
                }
                is_self = false;
                at = place.parent();
            }
            false
        };
        for below in &mut self.layers {
            let before = below.paths().count();
            below.hide(&is_hidden);
            hidden += before - below.paths().count();
            below.take_folders(&mut layer);
        }
        // A folder in place of a file beneath: the file is gone.
        let folders: HashSet<EvidencePath> =
            layer.paths().filter(|(_, kind)| *kind == FileKind::Directory).map(|(path, _)| path.clone()).collect();
        for below in &mut self.layers {
            let files: HashSet<EvidencePath> = below
                .paths()
                .filter(|(path, kind)| *kind != FileKind::Directory && folders.contains(*path))
                .map(|(path, _)| path.clone())
                .collect();
            if !files.is_empty() {
                hidden += files.len();
                below.hide(&|path| files.contains(path));
            }
        }
        if hidden > 0 {
            let number = self.layers.len() + 1;
            self.notes
                .push(format!("layer {number} hides {hidden} objects of those beneath it; they were not looked at"));
        }
        self.layers.push(layer);
    }
}

/// The layers by `manifest.json`, as `docker save` writes it.
fn saved(archive: &ArchiveSource, notes: &mut Vec<String>) -> Option<Vec<Layer>> {
    let images: Vec<SavedImage> = serde_json::from_value(json(archive, "/manifest.json")?).ok()?;
    let image = images.first()?;
    if images.len() > 1 {
        let tags: Vec<String> = images.iter().skip(1).filter_map(|image| image.repo_tags.clone()).flatten().collect();
        notes.push(format!(
            "the file has {} images; the first is read, not {}",
            images.len(),
            escape(tags.join(", ").as_bytes())
        ));
    }
    let config = json(archive, &image.config);
    let ids = config.as_ref().and_then(|config| config.get("rootfs")?.get("diff_ids")?.as_array());
    image
        .layers
        .iter()
        .enumerate()
        .map(|(at, name)| {
            Some(Layer {
                path: EvidencePath::new(name).ok()?,
                digest: name.strip_prefix("blobs/sha256/").and_then(|hex| hex.parse().ok()),
                uncompressed: ids.and_then(|ids| digest(ids.get(at)?)),
            })
        })
        .collect()
}

/// The layers by `index.json`, as the OCI layout has it.
fn layout(archive: &ArchiveSource, notes: &mut Vec<String>) -> Option<Vec<Layer>> {
    let mut index = json(archive, "/index.json")?;
    // An index may point to another one, of the same image for several machines.
    for _ in 0..3 {
        let manifests = index.get("manifests")?.as_array()?;
        let is_image =
            |entry: &&Value| entry.get("platform").and_then(|platform| platform.get("os")?.as_str()) != Some("unknown");
        let chosen = manifests.iter().find(is_image)?;
        if manifests.len() > 1 {
            notes.push(format!("the index has {} manifests; the first that is an image is read", manifests.len()));
        }
        let next = json(archive, &blob(chosen.get("digest")?)?)?;
        if let Some(layers) = next.get("layers").and_then(Value::as_array) {
            return layers
                .iter()
                .map(|layer| {
                    let name = layer.get("digest")?;
                    Some(Layer { path: EvidencePath::new(blob(name)?).ok()?, digest: digest(name), uncompressed: None })
                })
                .collect();
        }
        index = next;
    }
    None
}

/// `sha256:HEX`.
fn digest(value: &Value) -> Option<Digest> {
    value.as_str()?.strip_prefix("sha256:")?.parse().ok()
}

fn blob(value: &Value) -> Option<String> {
    let (algorithm, hex) = value.as_str()?.split_once(':')?;
    Some(format!("/blobs/{algorithm}/{hex}"))
}

fn json(archive: &ArchiveSource, path: &str) -> Option<Value> {
    let path = EvidencePath::new(path).ok()?;
    let bytes = archive.read(&path, MAX_JSON).ok()??;
    serde_json::from_slice(&bytes).ok()
}

/// Opens a layer where it lies; the second part says in what it is not what the image promises.
fn open_layer(archive: &ArchiveSource, layer: &Layer) -> Result<(ArchiveSource, Option<String>), SourceError> {
    let damaged = |detail: String| SourceError::Damaged { what: layer.path.to_string(), detail };
    let (start, size) = archive.extent(&layer.path).ok_or_else(|| damaged("it is not in the image".to_owned()))?;
    let container =
        archive.container().within(layer.path.as_bytes(), start, size).map_err(|error| damaged(error.to_string()))?;
    let mut trouble = None;
    if let Some(expected) = layer.digest {
        let actual = container.sha256().map_err(|error| damaged(error.to_string()))?;
        if actual != Some(expected) {
            trouble = Some("its SHA-256 is not the one that it is named by".to_owned());
        }
    } else if let Some(expected) = layer.uncompressed {
        match uncompressed(&container) {
            Ok(actual) if actual == expected => {}
            Ok(_) => trouble = Some("its SHA-256 is not the one in the image's configuration".to_owned()),
            Err(error) => trouble = Some(error.to_string()),
        }
    }
    Ok((ArchiveSource::layer(container)?, trouble))
}

/// SHA-256 of the decompressed layer, within the limits that hold for every container.
fn uncompressed(container: &Container) -> Result<Digest, ContainerError> {
    let mut hasher = Hasher::new();
    let mut stream = container.stream()?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => {
                let what = escape(container.path().as_os_str().as_encoded_bytes());
                return Err(ContainerError::Io { doing: "decoding", what, source });
            }
        }
    }
}

impl Source for ContainerImage {
    fn kind(&self) -> SourceKind {
        SourceKind::ContainerImage
    }

    fn label(&self) -> String {
        self.label.clone()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn kept(&self) -> Kept {
        Kept { modes: true, owners: true, mtimes: true, attributes: false }
    }

    fn walk(&self, selection: &Selection, sink: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<(), SourceError> {
        let mut flow = ControlFlow::Continue(());
        for layer in &self.layers {
            layer.walk(selection, &mut |item| {
                flow = sink(item);
                flow
            })?;
            if flow.is_break() {
                return Ok(());
            }
        }
        for gap in &self.gaps {
            if sink(Item::Gap(gap.clone())).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn metadata(&self, path: &EvidencePath) -> Result<Option<FileMeta>, SourceError> {
        for layer in &self.layers {
            if let Some(meta) = layer.metadata(path)? {
                return Ok(Some(meta));
            }
        }
        Ok(None)
    }

    fn open(&self, path: &EvidencePath) -> Result<Option<Opened>, SourceError> {
        for layer in &self.layers {
            if let Some(opened) = layer.open(path)? {
                return Ok(Some(opened));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
