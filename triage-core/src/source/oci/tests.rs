#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]
use super::*;
use crate::model::escape;
use std::collections::BTreeMap;
use std::io::Write as _;

enum Node<'a> {
    File(&'a str),
    Folder(u32),
    Link(&'a str),
}

fn tar(entries: &[(&str, Node<'_>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, node) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(0);
        match node {
            Node::File(content) => {
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, name, content.as_bytes()).unwrap();
            }
            Node::Folder(mode) => {
                header.set_mode(*mode);
                header.set_entry_type(tar::EntryType::Directory);
                builder.append_data(&mut header, name, std::io::empty()).unwrap();
            }
            Node::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                builder.append_link(&mut header, name, target).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

fn raw(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As `docker save` writes it since version 25: blobs, and both manifests.
fn saved(layers: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = r#"{"rootfs":{"type":"layers","diff_ids":[]}}"#;
    let names: Vec<String> = ids.iter().map(|id| format!("\"blobs/sha256/{id}\"")).collect();
    let manifest = format!(r#"[{{"Config":"config.json","RepoTags":["pbx:1"],"Layers":[{}]}}]"#, names.join(","));
    let mut entries =
        vec![("manifest.json".to_owned(), manifest.into_bytes()), ("config.json".to_owned(), config.into())];
    entries.extend(ids.iter().zip(layers).map(|(id, layer)| (format!("blobs/sha256/{id}"), layer.clone())));
    raw(&entries)
}

/// As the OCI layout has it.
fn oci(layers: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let listed: Vec<String> = ids.iter().map(|id| format!(r#"{{"digest":"sha256:{id}"}}"#)).collect();
    let manifest = format!(r#"{{"schemaVersion":2,"layers":[{}]}}"#, listed.join(",")).into_bytes();
    let inner = format!(r#"{{"manifests":[{{"digest":"sha256:{}"}}]}}"#, Digest::of(&manifest)).into_bytes();
    let index = format!(r#"{{"manifests":[{{"digest":"sha256:{}"}}]}}"#, Digest::of(&inner)).into_bytes();
    let mut entries = vec![("oci-layout".to_owned(), b"{}".to_vec()), ("index.json".to_owned(), index)];
    for blob in [inner, manifest].into_iter().chain(layers.to_vec()) {
        entries.push((format!("blobs/sha256/{}", Digest::of(&blob)), blob));
    }
    raw(&entries)
}

fn open(image: &[u8]) -> ContainerImage {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.tar");
    std::fs::write(&path, image).unwrap();
    let archive = ArchiveSource::open(&path).unwrap();
    assert!(is_container_image(&archive));
    ContainerImage::open(&archive).unwrap()
}

fn seen(image: &ContainerImage) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let mut folders = std::collections::HashSet::new();
    image
        .walk(&Selection::everything(), &mut |item| {
            match item {
                Item::Entry(entry) => {
                    let text = match (entry.content, &entry.meta.link_target) {
                        (Some(open), _) => {
                            let mut text = String::new();
                            open().unwrap().reader.read_to_string(&mut text).unwrap();
                            text
                        }
                        (None, Some(target)) => format!("-> {}", escape(target.as_bytes())),
                        (None, None) => format!("{} {}", entry.meta.kind.as_str(), entry.meta.mode),
                    };
                    let is_folder = entry.meta.kind == FileKind::Directory;
                    if is_folder {
                        folders.insert(entry.path.clone());
                    }
                    assert_eq!(seen.insert(entry.path.to_string(), text), None, "{} is given twice", entry.path);
                }
                Item::Gap(gap) => {
                    seen.insert(format!("gap {}", gap.detail), String::new());
                }
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    seen
}

fn layers() -> [Vec<u8>; 3] {
    [
        tar(&[
            ("etc/", Node::Folder(0o755)),
            ("etc/passwd", Node::File("one")),
            ("etc/old", Node::File("gone")),
            ("opt/", Node::Folder(0o755)),
            ("opt/a", Node::File("a")),
            ("opt/deep/b", Node::File("b")),
            ("srv/app/x", Node::File("x")),
            ("bin/tool", Node::File("tool")),
        ]),
        tar(&[
            ("etc/", Node::Folder(0o700)),
            ("etc/passwd", Node::File("two")),
            ("etc/.wh.old", Node::File("")),
            ("opt/", Node::Folder(0o755)),
            ("opt/.wh..wh..opq", Node::File("")),
            ("opt/c", Node::File("c")),
            ("bin", Node::Link("usr/bin")),
        ]),
        tar(&[(".wh.srv", Node::File("")), ("srv/new", Node::File("new")), ("etc/.wh..wh.plnk", Node::File(""))]),
    ]
}

#[test]
fn layers_are_applied_in_order_with_their_whiteouts() {
    let plain = layers().to_vec();
    let packed = vec![gzip(&plain[0]), zstd::bulk::compress(&plain[1], 1).unwrap(), plain[2].clone()];
    for image in [saved(&plain), saved(&packed), oci(&packed)] {
        let image = open(&image);
        let expected = [
            ("/bin", "-> usr/bin"),
            ("/etc", "directory 0700"),
            ("/etc/passwd", "two"),
            ("/opt", "directory 0755"),
            ("/opt/c", "c"),
            ("/srv/new", "new"),
        ];
        let expected = expected.map(|(path, text)| (path.to_owned(), text.to_owned()));
        assert_eq!(seen(&image), BTreeMap::from(expected));
        let path = |text: &str| EvidencePath::new(text).unwrap();
        assert_eq!(image.read(&path("/etc/passwd"), 9).unwrap().unwrap(), b"two");
        assert_eq!(image.read(&path("/etc/old"), 9).unwrap(), None);
        assert_eq!(image.metadata(&path("/srv/app/x")).unwrap(), None);
        assert!(image.notes()[0].starts_with("a container image of 3 layers, 6 objects"), "{:?}", image.notes());
    }
}

#[test]
fn layer_that_is_not_what_its_name_says_is_told() {
    let mut image = saved(&layers());
    let at = image.windows(4).position(|window| window == b"tool").unwrap() + 508;
    let at = image[at..].windows(4).position(|window| window == b"tool").map_or(at, |more| at + more);
    image[at] = b'T';
    let found = seen(&open(&image));
    assert!(found.keys().any(|line| line.contains("layer 1 of the image: its SHA-256")), "{found:?}");
}

#[test]
fn layer_that_is_missing_or_no_archive_is_told_and_the_others_are_read() {
    let manifest = br#"[{"Config":"c","Layers":["none/layer.tar","text","good"]}]"#;
    let good = tar(&[("etc/passwd", Node::File("one"))]);
    let image = [
        ("manifest.json".to_owned(), manifest.to_vec()),
        ("text".to_owned(), b"no tar".to_vec()),
        ("good".to_owned(), good),
    ];
    let found = seen(&open(&raw(&image)));
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found["/etc/passwd"], "one");
}

#[test]
fn layer_named_outside_of_the_image_is_refused() {
    let manifest = br#"[{"Config":"c","Layers":["../../etc/passwd"]}]"#;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.tar");
    std::fs::write(&path, raw(&[("manifest.json".to_owned(), manifest.to_vec())])).unwrap();
    let archive = ArchiveSource::open(&path).unwrap();
    assert!(matches!(ContainerImage::open(&archive), Err(SourceError::Damaged { .. })));
}

#[test]
fn whiteout_cannot_reach_out_of_its_folder() {
    let image = saved(&[
        tar(&[("etc/passwd", Node::File("one"))]),
        tar(&[("opt/.wh...", Node::File("")), ("opt/.wh..", Node::File("")), ("opt/.wh.", Node::File(""))]),
    ]);
    let found = seen(&open(&image));
    assert_eq!(found.get("/etc/passwd").map(String::as_str), Some("one"), "{found:?}");
}
