//! Embeds `rules/` and `playbooks/`, so that a new file there needs no code.

#![expect(clippy::disallowed_methods, reason = "a build script is told where it is by the environment, and writes")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut code = String::new();
    for (folder, constant, what) in [
        ("rules", "BUILTIN_RULES", "Every file of `rules/`"),
        ("playbooks", "BUILTIN_PLAYBOOKS", "Every file of `playbooks/`"),
    ] {
        let root = home.join(folder);
        let mut files = Vec::new();
        if root.is_dir() {
            println!("cargo:rerun-if-changed={folder}");
            list(&root, &mut files)?;
        }
        // The order of a directory listing differs between machines; the binary must not.
        files.sort();
        writeln!(code, "/// {what} but its notes (`.md`): path below the folder, text.")?;
        writeln!(code, "pub(crate) const {constant}: &[(&str, &str)] = &[")?;
        for file in files {
            let name = file.strip_prefix(&root)?.to_str().ok_or("a rule or playbook has a name that is not UTF-8")?;
            println!("cargo:rerun-if-changed={folder}/{name}");
            writeln!(
                code,
                "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))),",
                format!("/{folder}/{name}")
            )?;
        }
        writeln!(code, "];")?;
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("builtin.rs"), code)?;
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo:rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden || path.extension().is_some_and(|extension| extension == "md") {
            continue;
        }
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
