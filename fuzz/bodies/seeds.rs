//! Where each target begins: the samples of `testdata`, a few built here, and the files in `fuzz/seeds/<target>/`, among them
//! whatever once broke something.

use super::{make, parser};
use std::fs;
use std::path::{Path, PathBuf};

/// The seeds of a target, in an order that is the same everywhere. `project` is the folder that has `testdata` and `fuzz`.
///
/// # Panics
/// When a folder of samples cannot be read.
pub fn of(project: &Path, target: &str) -> Vec<Vec<u8>> {
    let testdata = project.join("testdata");
    let samples = |folder: &str| files(&testdata.join(folder), ".in");
    let whole = |folder: &str| files(&testdata.join(folder), "");
    let mut seeds = match target {
        "records" => parser::PLACES
            .iter()
            .enumerate()
            .flat_map(|(index, (folder, _))| {
                let kept = files(&project.join("fuzz/seeds").join(folder), "");
                samples(folder).into_iter().chain(kept).map(move |sample| prefixed(index, sample)).collect::<Vec<_>>()
            })
            .collect(),
        "sqlite" => {
            let kinds = ["wtmpdb", "lastlog2", "fail2ban", "astdb", "rpm"];
            let of = |(index, folder): (usize, &&str)| -> Vec<Vec<u8>> {
                let is_database = |sample: &Vec<u8>| sample.starts_with(b"SQLite format 3");
                samples(folder).into_iter().filter(is_database).map(|sample| prefixed(index, sample)).collect()
            };
            kinds.iter().enumerate().flat_map(of).collect()
        }
        "login" => [samples("utmp"), samples("lastlog")].concat(),
        "module_sig" => [samples("module_sig"), samples("module_xml")].concat(),
        "web_config" => {
            let folders = [
                "apache_config",
                "apache_setting",
                "htaccess",
                "nginx_config",
                "nginx_setting",
                "php_ini",
                "freepbx_conf",
            ];
            folders.into_iter().flat_map(samples).collect()
        }
        "ssh_config" => [samples("sshd_config"), samples("ssh_config")].concat(),
        "dpkg" => samples("dpkg_status"),
        "asterisk_conf" => files(&testdata.join("asterisk_conf"), ".conf"),
        "redact" => {
            ["history_shell", "crontab", "systemd_unit", "authorized_keys"].into_iter().flat_map(samples).collect()
        }
        "log_window" => ["auth_log", "audit_log", "fail2ban_log", "utmp"]
            .into_iter()
            .flat_map(samples)
            .enumerate()
            .map(|(index, sample)| prefixed(index, sample))
            .collect(),
        "inside" => archives(),
        "container" | "archive" => [whole("bundles"), archives()].concat(),
        "bundle" => whole("bundles").into_iter().chain(tars(&whole("bundles"))).collect(),
        "plan" => whole("plans"),
        "run" => runs(&testdata.join("runs")),
        "playbook" => whole_beneath(&project.join("playbooks")),
        "definition" => {
            [whole_beneath(&testdata.join("definitions")), whole_beneath(&project.join("rules/profiles"))].concat()
        }
        "container_image" => images(),
        "disk_image" => Vec::new(),
        "php" => scripts(&testdata.join("samples")),
        "access_log" | "master_csv" => samples(&format!("logs/{target}")),
        "asterisk_log" => ["asterisk_log", "security_log", "queue_log", "freepbx_log", "error_log"]
            .iter()
            .zip([0, 1, 2, 3, 5])
            .flat_map(|(folder, index)| {
                let of_place = move |sample| prefixed(index, sample);
                samples(&format!("logs/{folder}")).into_iter().map(of_place).collect::<Vec<_>>()
            })
            .collect(),
        "sigma" => whole_beneath(&project.join("rules/sigma")).iter().flat_map(|rules| documents(rules)).collect(),
        named => samples(named),
    };
    seeds.extend(files(&project.join("fuzz/seeds").join(target), ""));
    seeds
}

/// The folders of samples that `records` reads.
pub fn folders() -> impl Iterator<Item = &'static str> {
    parser::PLACES.iter().map(|(folder, _)| *folder)
}

/// The inert scripts among the samples of the rules.
fn scripts(folder: &Path) -> Vec<Vec<u8>> {
    files(folder, ".php")
}

/// The single rules of a file.
fn documents(rules: &[u8]) -> Vec<Vec<u8>> {
    String::from_utf8_lossy(rules).split("\n---\n").map(|rule| rule.as_bytes().to_vec()).collect()
}

fn prefixed(index: usize, mut sample: Vec<u8>) -> Vec<u8> {
    sample.insert(0, u8::try_from(index).expect("fewer than 256 places"));
    sample
}

/// The files in a folder, sorted, unpacked where they are stored so; none where it is not there.
fn files(folder: &Path, end: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect();
    paths.sort();
    let named = paths.into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        let is_packed = name.strip_suffix(".in.gz").is_some();
        (name.ends_with(end) || is_packed).then_some((path, is_packed))
    });
    named.map(|(path, is_packed)| parser::unpacked(fs::read(path).expect("a sample"), is_packed)).collect()
}

fn whole_beneath(folder: &Path) -> Vec<Vec<u8>> {
    let mut all = files(folder, "");
    let Ok(entries) = fs::read_dir(folder) else { return all };
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    all.extend(folders.iter().flat_map(|folder| whole_beneath(folder)));
    all
}

/// A tar and what it is in each compression; a zip.
fn archives() -> Vec<Vec<u8>> {
    let tar = make::tar(&[
        (b"etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n"),
        (b"var/www/html/index.php", b"<?php exit;\n"),
        (b"../outside", b"x"),
    ]);
    let zip = make::zip(&[b"uploads/auto/etc/passwd", b"uploads.json", b"uploads/auto/a%2Fb"]);
    vec![zstd::bulk::compress(&tar, 1).expect("compressing"), tar, zip]
}

/// The uncompressed tars of bundles, so that a mutation gets to what is in them.
fn tars(bundles: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let packed = bundles.iter().filter(|bundle| bundle.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]));
    packed.map(|bundle| zstd::stream::decode_all(bundle.as_slice()).expect("a bundle")).collect()
}

/// Both halves of what [`make::halves`] takes apart.
fn joined(first: &[u8], second: &[u8]) -> Vec<u8> {
    let length = u16::try_from(first.len()).unwrap_or(u16::MAX);
    [&length.to_le_bytes(), first, second].concat()
}

fn runs(folder: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for version in fs::read_dir(folder).expect("a folder of runs").map(|entry| entry.expect("an entry").path()) {
        for run in fs::read_dir(version).expect("a folder of runs").map(|entry| entry.expect("an entry").path()) {
            let part = |name: &str| fs::read(run.join(name)).expect("a part of a run");
            all.push(joined(&part("journal.jsonl"), &part("plan.json")));
        }
    }
    all.sort();
    all
}

/// An image as `docker save` writes it, and one of OCI's arrangement.
fn images() -> Vec<Vec<u8>> {
    let layer = make::tar(&[
        (b"etc/passwd", b"root:x:0:0::/root:/bin/sh\n"),
        (b"etc/.wh.shadow", b""),
        (b"etc/.wh..wh..opq", b""),
    ]);
    let saved = br#"[{"Config":"config.json","RepoTags":["x:1"],"Layers":["l/layer.tar"]}]"#;
    let digest = triage_core::model::Digest::of(&layer);
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"digest":"sha256:{digest}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:{digest}","size":{}}}]}}"#,
        layer.len()
    );
    vec![joined(saved, &layer), joined(manifest.as_bytes(), &layer)]
}
