//! The readers of other tools' archives and of images. Everything that they list is opened and read.

use super::make::{self, InMemory};
use super::parser::path;
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::path::Path;
use triage_core::collect;
use triage_core::source::{
    ArchiveSource, Container, ContainerImage, DiskImage, Item, Layout, Limits, Selection, Source, is_container_image,
    is_disk_image, resolve,
};

/// What a container may become before the rest of a body does without it: decompressing gigabytes is slow, and no fault.
const LIMITS: Limits = Limits { max_entries: 20_000, max_total: 16 << 20, max_ratio: 1000, ratio_free: 16 << 20 };
/// Objects of which the content is read, and how much of each, in bytes.
const OBJECTS: usize = 300;
const CONTENT: u64 = 64 << 10;

/// Goes through a container with its content; says whether it came to an end within the limits.
fn passes(file: &Path) -> bool {
    let Ok(container) = Container::open(file) else { return false };
    let container = container.with_limits(LIMITS);
    let (mut entries, mut total) = (0, 0);
    let ended = container.for_each(&mut |entry, content| {
        entries += 1;
        let read = io::copy(content, &mut io::sink());
        total += read.as_ref().copied().unwrap_or_default();
        assert!(
            entry.hard_link.is_some() || read.map_or(true, |read| read <= entry.size.max(CONTENT) + LIMITS.max_total)
        );
        ControlFlow::Continue(())
    });
    assert!(entries <= LIMITS.max_entries && total <= LIMITS.max_total * 2);
    !matches!(ended, Err(triage_core::source::ContainerError::LimitReached { .. }))
}

/// Walks a source and reads what it has.
pub(super) fn read(source: &dyn Source) {
    let mut objects = Vec::new();
    let _ = source.walk(&Selection::everything(), &mut |item| {
        if let Item::Entry(entry) = item {
            assert!(entry.path.components().all(|name| name != b".." && name != b"."), "{}", entry.path);
            if let Some(open) = entry.content
                && let Ok(opened) = open()
            {
                let _ = io::copy(&mut opened.reader.take(CONTENT), &mut io::sink());
            }
            objects.push(entry.path);
        }
        if objects.len() < OBJECTS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    for path in objects.iter().take(30) {
        let _ = (source.metadata(path), source.read(path, 4096));
        let _ = resolve(source, path);
    }
    let _ = (source.notes(), source.label(), collect::identify(source, None));
    let mut records = 0;
    let _ = source.records(&mut |_| {
        records += 1;
        if records < OBJECTS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
}

/// Tar, gzip, Zstandard, xz, zip: entry by entry.
pub(super) fn container(data: &[u8]) {
    passes(&InMemory::new(data).path());
}

/// An archive as evidence.
pub(super) fn archive(data: &[u8]) {
    let file = InMemory::new(data);
    if !passes(&file.path()) {
        return;
    }
    if let Ok(source) = ArchiveSource::open(&file.path()) {
        read(&source);
        if is_container_image(&source)
            && let Ok(image) = ContainerImage::open(&source)
        {
            read(&image);
        }
    }
}

/// UAC's own files around a host's: the bodyfile and what follows it.
pub(super) fn collection(data: &[u8]) {
    let (bodyfile, passwd) = make::halves(data);
    let tar = make::tar(&[
        (b"uac.log", b""),
        (b"bodyfile/bodyfile.txt", bodyfile),
        (b"[root]/etc/passwd", passwd),
        (b"[root]/var/log/wtmp", passwd),
    ]);
    let source = ArchiveSource::open(&InMemory::new(&tar).path()).expect("a whole tar");
    assert_eq!(source.layout(), Layout::Uac);
    read(&source);
}

/// Names of members, one a line: Velociraptor's, acquire's, and those that would leave the archive.
pub(super) fn names(data: &[u8]) {
    let names: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let zip = InMemory::new(&make::zip(&names));
    if let Ok(source) = ArchiveSource::open(&zip.path()) {
        read(&source);
    }
    let files: Vec<(&[u8], &[u8])> = names.iter().take(300).map(|name| (*name, &b"x"[..])).collect();
    if let Ok(source) = ArchiveSource::open(&InMemory::new(&make::tar(&files)).path()) {
        read(&source);
    }
}

/// A container image in both arrangements, with a hostile manifest and a hostile layer.
pub(super) fn container_image(data: &[u8]) {
    images(data);
}

/// Says in how many of the arrangements `/etc/passwd` could be read.
pub(super) fn images(data: &[u8]) -> usize {
    let mut whole = 0;
    let (manifest, layer) = make::halves(data);
    let saved: &[(&[u8], &[u8])] = &[(b"manifest.json", manifest), (b"config.json", manifest), (b"l/layer.tar", layer)];
    let digest = triage_core::model::Digest::of(layer).to_string();
    let own = triage_core::model::Digest::of(manifest).to_string();
    let (blob, itself) = (format!("blobs/sha256/{digest}"), format!("blobs/sha256/{own}"));
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{own}","size":{}}}]}}"#,
        manifest.len()
    );
    let layout: &[(&[u8], &[u8])] = &[
        (b"oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
        (b"index.json", index.as_bytes()),
        (itself.as_bytes(), manifest),
        (blob.as_bytes(), layer),
    ];
    for files in [saved, layout] {
        let file = InMemory::new(&make::tar(files));
        // A layer can be compressed.
        if !layer.is_empty()
            && Container::open(&InMemory::new(layer).path()).is_ok()
            && !passes(&InMemory::new(layer).path())
        {
            continue;
        }
        let Ok(source) = ArchiveSource::open(&file.path()) else { continue };
        if is_container_image(&source)
            && let Ok(image) = ContainerImage::open(&source)
        {
            read(&image);
            whole += usize::from(matches!(image.read(&path("/etc/passwd"), CONTENT), Ok(Some(_))));
        }
    }
    whole
}

/// A disk or a file system on it.
pub(super) fn disk_image(data: &[u8]) {
    let file = InMemory::new(data);
    let _ = is_disk_image(&file.path());
    for chosen in [None, Some(1)] {
        if let Ok(image) = DiskImage::open(&file.path(), chosen) {
            read(&image);
            let _ = image.read(&path("/etc/passwd"), CONTENT);
        }
    }
}
