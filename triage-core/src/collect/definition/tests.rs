//! Definitions of all formats: what they come to, and what is refused.

use super::*;
use crate::collect::{Catalogue, Profile, ProfileError};
use crate::model::EvidencePath;
use crate::source::fake::FakeRoot;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn path(text: &str) -> EvidencePath {
    EvidencePath::new(text).unwrap()
}

fn host() -> FakeRoot {
    FakeRoot::new()
        .file("/etc/passwd", b"root:x:0:0::/root:/bin/bash\nbob:x:1000:1000::/home/bob:/bin/bash\n")
        .file("/etc/apache2/sites-enabled/a.conf", b"DocumentRoot /srv/shop\n")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/definitions").join(name)).unwrap()
}

fn loaded(name: &str) -> Catalogue {
    let mut catalogue = Catalogue::default();
    catalogue.add(name, &fixture(name)).unwrap_or_else(|error| panic!("{error}"));
    catalogue
}

fn refused(text: &str) -> String {
    read("bad.yaml", text.as_bytes(), false).unwrap_err().to_string()
}

fn scope(catalogue: &Catalogue, artifact: &str) -> crate::collect::Scope {
    let profile = catalogue.select(&[], &[artifact.to_owned()]).unwrap_or_else(|error| panic!("{error}"));
    profile.resolve(&host()).unwrap()
}

#[test]
fn a_file_of_ours_has_artifacts_and_profiles() {
    let catalogue = loaded("own.yaml");
    let scope = scope(&catalogue, "shop");
    for hit in ["/srv/shop/index.php", "/home/bob/.shoprc", "/var/mail/bob", "/root/.shoprc"] {
        assert!(scope.selection.selects(&path(hit)), "{hit}");
    }
    for miss in ["/srv/shop/cache/x", "/var/mail/eve", "/home/eve/.shoprc"] {
        assert!(!scope.selection.selects(&path(miss)), "{miss}");
    }
    assert!(scope.sensitive.selects(&path("/srv/shop/index.php")));
    assert!(scope.listed_only.selects(&path("/srv/shop-media/big.mp4")));
    assert_eq!(scope.volatile, BTreeSet::from([VolatileKind::Processes]));
    let profile = catalogue.select(&["shop-host".to_owned()], &[]).unwrap();
    assert_eq!(
        profile.definitions().iter().map(|d| d.name.as_str()).collect::<Vec<_>>(),
        ["shop", "shop_media", "extra"]
    );
}

#[test]
fn what_is_collected_by_one_artifact_is_not_merely_listed_by_another() {
    let text = "format_version: 1\nname: p\ntitle: t\nartifacts:\n\
                - {name: a, title: a, is_listed_only: true, paths: [/d/**]}\n\
                - {name: b, title: b, is_hashed_only: true, paths: [/d/bin/**]}\n\
                - {name: c, title: c, paths: [/d/bin/x]}\n";
    let mut catalogue = Catalogue::default();
    catalogue.add("p.yaml", text.as_bytes()).unwrap();
    let scope = catalogue.select(&["p".into()], &[]).unwrap().resolve(&host()).unwrap();
    assert!(scope.listed_only.selects(&path("/d/y")));
    assert!(scope.hashed_only.selects(&path("/d/bin/y")) && !scope.listed_only.selects(&path("/d/bin/y")));
    assert!(!scope.hashed_only.selects(&path("/d/bin/x")) && !scope.listed_only.selects(&path("/d/bin/x")));
}

#[test]
fn forensic_artifacts_are_read_as_they_are() {
    let catalogue = loaded("forensic_artifacts.yaml");
    assert_eq!((catalogue.artifacts().count(), catalogue.foreign()), (6, 2));
    let scope = scope(&catalogue, "OldGroupName");
    for hit in [
        "/home/bob/.thumbnails/a/b/c",
        "/var/log/gc.log.3",
        "/opt/tomcat9/logs/x/y/catalina.out",
        "/var/spool/mail/bob",
        "/opt/tool",
        "/opt/tool/plugin",
    ] {
        assert!(scope.selection.selects(&path(hit)), "{hit}");
    }
    for miss in ["/home/bob/.thumbnails/a/b/c/d", "/var/log/gc.log.x", "/opt/tool/plugin/deep", "/Library/x"] {
        assert!(!scope.selection.selects(&path(miss)), "{miss}");
    }
    assert!(scope.listed_only.selects(&path("/opt/tool/plugin")));
    assert_eq!(scope.volatile, BTreeSet::from([VolatileKind::Processes, VolatileKind::Firewall]));
    let group = catalogue.artifact("TestGroup").unwrap();
    assert_eq!(group.name, "TestGroup");
    let commands = catalogue.artifact("TestCommands").unwrap();
    assert_eq!(commands.commands.len(), 3);
    let told: Vec<_> = commands.notices.iter().map(|notice| (notice.effect, notice.text.as_str())).collect();
    assert_eq!(told, [(Effect::Less, "the command `/sbin/sysctl -a` is not run")]);
    let variable = catalogue.artifact("TestVariable").unwrap();
    let text = "`%%environ_programdata%%/x` is not read: `%%environ_programdata%%` stands for nothing here";
    assert!(variable.notices.iter().any(|notice| notice.text == text), "{:?}", variable.notices);
}

#[test]
fn a_part_of_uac_is_read_and_the_rest_is_told() {
    let catalogue = loaded("artifacts/uac.yaml");
    let scope = scope(&catalogue, "uac/uac");
    for hit in [
        "/etc/hosts",
        "/home/bob/.bash_history",
        "/home/bob/My App/x/History",
        "/home/bob/My App/Extensions/deep/manifest.json",
        "/var/log/a/x.LoG",
        "/opt/app/x/Cache/y",
        "/srv/one/two/f.log",
        "/home/bob/.cache/f",
    ] {
        assert!(scope.selection.selects(&path(hit)), "{hit}");
    }
    for miss in [
        "/etc/shadow",
        "/etc/x/gshadow",
        "/var/log/x.txt",
        "/var/log/journal/x.log",
        "/opt/app/x/y",
        "/srv/one/two/three/f.log",
        "/Library/x",
    ] {
        assert!(!scope.selection.selects(&path(miss)), "{miss}");
    }
    assert!(scope.listed_only.selects(&path("/srv/one/f.log")));
    assert_eq!(scope.volatile, BTreeSet::from([VolatileKind::Sockets]));
    let definition = catalogue.artifact("uac/uac").unwrap();
    let mut told = String::new();
    for notice in &definition.notices {
        let _ = writeln!(told, "{} {:?} {}", notice.line, notice.effect, notice.text);
    }
    let expected = String::from_utf8(fixture("artifacts/uac.notices")).unwrap();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/definitions/artifacts/uac.notices");
        std::fs::write(file, &told).unwrap();
    } else {
        assert_eq!(told, expected);
    }
}

#[test]
fn a_definition_of_the_user_takes_the_place_of_a_built_in_one_and_says_so() {
    let mut catalogue = Catalogue::builtin().unwrap();
    let added = catalogue
        .add("mine.yaml", b"format_version: 1\nartifacts:\n  - name: cron\n    title: Mine\n    paths: [/only/this]\n")
        .unwrap();
    assert_eq!(added.artifacts, 1);
    assert_eq!(catalogue.artifact("cron").unwrap().title, "Mine");
    let [notice] = catalogue.notices() else { panic!("{:?}", catalogue.notices()) };
    assert_eq!((notice.name.as_str(), notice.effect, notice.line), ("cron", Effect::Replaces, 3));
    assert!(notice.text.contains("rules/artifacts/linux.yaml"), "{}", notice.text);
}

#[test]
fn a_mistake_is_shown_with_line_column_caret_and_what_was_meant() {
    let text = "format_version: 1\nartifacts:\n  - name: a\n    title: b\n    path: [/x]\n";
    assert_eq!(
        refused(text),
        "definition `bad.yaml`, line 5, column 5: there is no field `path`\n  |\n5 |     path: [/x]\n  |     ^^^^\n  = did you mean `paths`?"
    );
    let text = "name: A\ndoc: x\nsources:\n- type: FLIE\n  attributes: {paths: [/x]}\nsupported_os: [Linux]\n";
    let told = refused(text);
    assert!(told.starts_with("definition `bad.yaml`, line 4, column 9: there is no type `FLIE`"), "{told}");
    assert!(told.ends_with("= did you mean `FILE`?"), "{told}");
    let told = refused("name: A\ndoc: x\nsources: []\nsupported_os: [linux]\n");
    assert!(told.contains("line 4, column 16") && told.ends_with("did you mean `Linux`?"), "{told}");
    let told = refused("version: 1.0\nartifacts:\n  -\n    collector: fiel\n    path: /x\n");
    assert!(told.contains("line 4, column 16") && told.ends_with("did you mean `file`?"), "{told}");
    let told = refused("version: 1.0\nartifacts:\n  -\n    collector: file\n    pth: /x\n");
    assert!(told.ends_with("did you mean `path`?"), "{told}");
    let told = refused("format_version: 2\nartifacts: []\n");
    assert!(told.contains("format version 2 is not known"), "{told}");
    let told = refused("artifacts:\n  - name: x\n");
    assert!(told.contains("the field `format_version` is missing"), "{told}");
}

#[test]
fn a_name_that_leads_nowhere_is_shown_at_its_place() {
    let mut catalogue = Catalogue::builtin().unwrap();
    let text = "format_version: 1\nname: mine\ntitle: t\nincludes: [linux]\nartifacts: [web_root]\n";
    catalogue.add("mine.yaml", text.as_bytes()).unwrap();
    let error = catalogue.select(&["mine".into()], &[]).unwrap_err().to_string();
    assert!(error.starts_with("definition `mine.yaml`, line 5, column 13: there is no artifact `web_root`"), "{error}");
    assert!(error.ends_with("did you mean `web_roots`?"), "{error}");
    assert_eq!(catalogue.problems().len(), 1);
    assert!(
        matches!(catalogue.select(&["nix".into()], &[]), Err(ProfileError::Unknown { known, .. }) if known.contains(&"mine".into()))
    );
    let Err(ProfileError::UnknownArtifact { hint, .. }) = catalogue.select(&[], &["corn".into()]) else { panic!() };
    assert_eq!(hint.as_deref(), Some("did you mean `cron`?"));
}

#[test]
fn groups_that_lead_back_to_themselves_are_refused() {
    let group = |name: &str, member: &str| {
        format!(
            "name: {name}\ndoc: x\nsources:\n- type: ARTIFACT_GROUP\n  attributes: {{names: [{member}]}}\nsupported_os: [Linux]\n---\n"
        )
    };
    let mut catalogue = Catalogue::default();
    let text = group("A", "B") + &group("B", "C") + &group("C", "A");
    catalogue.add("cycle.yaml", text.as_bytes()).unwrap();
    let error = catalogue.select(&[], &["A".into()]).unwrap_err().to_string();
    assert!(error.contains("`A` leads back to itself: A -> B -> C -> A"), "{error}");
    assert!(catalogue.problems().iter().any(|problem| problem.is_error));

    let mut catalogue = Catalogue::default();
    let text = "format_version: 1\nname: p\ntitle: t\nincludes: [p]\n";
    catalogue.add("self.yaml", text.as_bytes()).unwrap();
    assert!(catalogue.select(&["p".into()], &[]).unwrap_err().to_string().contains("leads back to itself: p -> p"));
}

#[test]
fn a_long_chain_of_groups_does_not_overflow_the_stack() {
    let mut catalogue = Catalogue::default();
    let mut last = "end".to_owned();
    for file in 0..3 {
        let mut text = String::new();
        for n in 0..4000 {
            let next = if n == 3999 { format!("g{}_0", file + 1) } else { format!("g{file}_{}", n + 1) };
            let _ = write!(
                text,
                "name: g{file}_{n}\ndoc: x\nsources:\n- type: ARTIFACT_GROUP\n  attributes: {{names: [{next}]}}\n---\n"
            );
            last = next;
        }
        catalogue.add("chain.yaml", text.as_bytes()).unwrap();
    }
    // The end is missing: in a set of somebody else's that is a thing to know, not an error.
    let profile = catalogue.select(&[], &["g0_0".into()]).unwrap();
    assert_eq!(profile.definitions().len(), 12_000);
    assert!(profile.notices().iter().any(|notice| notice.text.contains(&last)), "{last}");
}

#[test]
fn a_diamond_is_no_cycle() {
    let mut catalogue = Catalogue::default();
    let text = "format_version: 1\nartifacts:\n- {name: a, title: t, includes: [b, c]}\n- {name: b, title: t, includes: [d]}\n\
                - {name: c, title: t, includes: [d]}\n- {name: d, title: t, paths: [/d]}\n";
    catalogue.add("diamond.yaml", text.as_bytes()).unwrap();
    assert_eq!(catalogue.problems(), []);
    assert_eq!(catalogue.select(&[], &["a".into()]).unwrap().definitions().len(), 4);
}

#[test]
fn a_file_of_ten_megabytes_is_refused_unread() {
    let text = format!("format_version: 1\n#{}\n", "x".repeat(10 << 20));
    assert!(matches!(read("big.yaml", text.as_bytes(), false), Err(DefinitionError::TooLarge { .. })));
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut bomb = "format_version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let _ = writeln!(bomb, "a{n}: &a{n} [{}]", format!("*a{}, ", n - 1).repeat(9).trim_end_matches(", "));
    }
    assert!(refused(&bomb).contains("anchors"), "{}", refused(&bomb));
    assert!(refused("format_version: 1\nartifacts: &x []\n").contains("anchors"));
}

#[test]
fn deep_nesting_and_many_nodes_are_refused() {
    for text in [
        format!("format_version: 1\nartifacts: {}{}\n", "[".repeat(5000), "]".repeat(5000)),
        format!("format_version: 1\nartifacts: [{}]\n", "a,".repeat(300_000)),
        "name: a\ndoc: b\nsources: []\n---\n".repeat(6000),
    ] {
        let error = refused(&text);
        assert!(error.starts_with("definition `bad.yaml`, line"), "{}", error.chars().take(200).collect::<String>());
    }
}

#[test]
fn paths_that_lead_out_are_refused() {
    for (wrong, why) in [
        ("etc/passwd", "begin with `/`"),
        ("/etc/../../x", "`..` would leave the root"),
        ("\"/etc/\\0x\"", "NUL"),
        ("\"%%users.homedir%%../x\"", "begin with `/`"),
        ("\"%%users.homedir%%/../x\"", "`..`"),
        ("\"/x/%%users.homedir%%\"", "only stand at the beginning"),
        ("\"%%environ_path%%/x\"", "stands for nothing here"),
        ("\"/%%unclosed\"", "stands for nothing here"),
        ("/a/**99", "32 at most"),
        ("\"/[z-a]\"", "backwards"),
    ] {
        let told = refused(&format!(
            "format_version: 1\nartifacts:\n  - name: a\n    title: t\n    paths:\n      - {wrong}\n"
        ));
        assert!(told.contains("line 6, column 9") && told.contains(why), "{wrong}: {told}");
        let forensic = format!("name: A\ndoc: d\nsources:\n- type: FILE\n  attributes:\n    paths:\n    - {wrong}\n");
        if !why.contains("nothing") {
            assert!(refused(&forensic).contains(why), "{wrong}");
        }
    }
    assert!(refused("version: 1\nartifacts:\n  - {collector: file, path: /a/../b}\n").contains("`..`"));
    assert!(refused("version: 1\nartifacts:\n  - {collector: file, path: relative}\n").contains("begin with `/`"));
}

#[test]
fn names_that_could_deceive_are_refused() {
    for name in ["\"\"", "\"a\\nb\"", "\"\\e[2J\"", "--all", "\"a b\"", "ａ"] {
        let told =
            refused(&format!("format_version: 1\nartifacts:\n  - name: {name}\n    title: t\n    paths: [/x]\n"));
        assert!(told.contains("this cannot be the name") && !told.contains('\u{1b}'), "{name}: {told}");
    }
    let long = "a".repeat(129);
    assert!(refused(&format!("name: {long}\ndoc: d\nsources: []\n")).contains("this cannot be the name"));
}

#[test]
fn two_of_one_name_in_a_file_are_refused() {
    let one = "  - {name: a, title: t, paths: [/x]}\n";
    assert!(refused(&format!("format_version: 1\nartifacts:\n{one}{one}")).contains("another artifact of this file"));
    let one = "name: A\ndoc: d\nsources: []\n---\n";
    assert!(refused(&one.repeat(2)).contains("another artifact of this file"));
    assert!(refused("format_version: 1\nartifacts: []\nartifacts: []\n").contains("stands here twice"));
}

#[test]
fn what_is_no_text_is_refused_with_its_place() {
    let error = read("x.yaml", b"format_version: 1\n\xff\xfe", false).unwrap_err();
    assert_eq!(error.to_string(), "definition `x.yaml` is no UTF-8 text from byte 18 on");
    for odd in [&b""[..], b"\n", b"null", b"[]", b"- a\n- b", b"\x00\x01", b"%%%%", b"{", b"---\n---\n---\n"] {
        // Nothing to read is nothing defined; anything else is a mistake. Neither is a panic.
        let _ = read("odd.yaml", odd, false).map(|contents| assert!(contents.definitions.is_empty()));
    }
}

#[test]
fn a_name_of_an_account_cannot_become_a_pattern() {
    let mut catalogue = Catalogue::default();
    let text = "format_version: 1\nartifacts:\n  - {name: m, title: t, paths: [\"/mail/%%users.username%%\"]}\n";
    catalogue.add("m.yaml", text.as_bytes()).unwrap();
    let root = FakeRoot::new()
        .file("/etc/passwd", b"*:x:1:1::/h:/x\n..:x:2:2::/h:/x\na/../b:x:3:3::/h:/x\nbob:x:4:4::/h:/x\n");
    let scope = catalogue.select(&[], &["m".into()]).unwrap().resolve(&root).unwrap();
    assert_eq!(scope.selection.texts(), ["/mail/bob"]);
    assert_eq!(scope.gaps.len(), 3);
}

#[test]
fn every_built_in_definition_holds_together() {
    let catalogue = Catalogue::builtin().unwrap();
    assert_eq!(catalogue.problems(), []);
    assert_eq!(catalogue.notices(), []);
    let names: Vec<&str> = catalogue.profiles().map(|profile| profile.name.as_str()).collect();
    let mut expected = Profile::NAMES;
    expected.sort_unstable();
    assert_eq!(names, expected);
    for definition in catalogue.artifacts() {
        assert!(!definition.title.is_empty() && definition.notices.is_empty(), "{}", definition.name);
        let is_named =
            catalogue.profiles().any(|p| p.artifacts.iter().any(|artifact| artifact.name == definition.name));
        assert!(is_named, "no profile has {}", definition.name);
    }
}

proptest::proptest! {
    /// A definition may come from anybody: whatever it says, it is read or refused.
    #[test]
    fn no_text_makes_a_reader_panic(
        head in proptest::sample::select(vec!["", "format_version: 1\nartifacts:\n", "version: 1\nartifacts:\n", "name: A\ndoc: b\nsources:\n"]),
        lines in proptest::collection::vec("( {0,6})(- )?([a-z_]{1,12}: ?)?[\\[\\]{}%'\"*/a-z~$:,é\u{e000}-]{0,14}", 0..12),
    ) {
        let text = head.to_owned() + &lines.join("\n");
        if let Err(error) = read("any.yaml", text.as_bytes(), false) {
            proptest::prop_assert!(!error.to_string().is_empty());
        }
    }
}

/// Where a set of definitions lies on this machine, if it does.
fn find_set(variable: &str, usual: &[&str]) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let found = named.into_iter().chain(usual.iter().map(PathBuf::from)).find(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("skipped: no set of definitions at {variable} or {usual:?}");
    }
    found
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// `FORENSIC_ARTIFACTS` names the folder with the YAML files of <https://github.com/ForensicArtifacts/artifacts>; else it is looked for where the
/// Debian package and the Python one put it.
#[test]
fn the_whole_linux_set_of_forensic_artifacts_loads() {
    let usual = ["/usr/share/artifacts", "/usr/local/share/artifacts", "/usr/share/forensic-artifacts"];
    let Some(folder) = find_set("FORENSIC_ARTIFACTS", &usual) else { return };
    let mut catalogue = Catalogue::default();
    for file in yaml_files(&folder) {
        let name = file.to_string_lossy().into_owned();
        catalogue.add(&name, &std::fs::read(&file).unwrap()).unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(catalogue.artifacts().count() > 150, "{}", catalogue.artifacts().count());
    assert!(catalogue.foreign() > 300, "{}", catalogue.foreign());
    assert_eq!(catalogue.problems(), []);
    assert!(catalogue.artifact("LinuxCronTabs").is_some());
    let names: Vec<String> = catalogue.artifacts().map(|definition| definition.name.clone()).collect();
    let scope = catalogue.select(&[], &names).unwrap().resolve(&host()).unwrap();
    for hit in ["/etc/crontab", "/home/bob/.bash_history", "/var/log/auth.log"] {
        assert!(scope.selection.selects(&path(hit)), "{hit}");
    }
    // What is not read is told, and it is commands only.
    for notice in catalogue.artifacts().flat_map(|definition| &definition.notices) {
        assert!(notice.text.starts_with("the command `"), "{notice:?}");
    }
}

/// `UAC_ARTIFACTS` names the folder `artifacts/` of <https://github.com/tclahr/uac>.
#[test]
fn every_artifact_of_uac_that_collects_files_loads() {
    let Some(folder) = find_set("UAC_ARTIFACTS", &[]) else { return };
    let mut catalogue = Catalogue::default();
    let mut files = 0;
    for file in yaml_files(&folder.join("files")) {
        let name = file.to_string_lossy().into_owned();
        catalogue.add(&name, &std::fs::read(&file).unwrap()).unwrap_or_else(|error| panic!("{error}"));
        files += 1;
    }
    assert!(files > 100, "{files}");
    assert_eq!(catalogue.artifacts().count() + catalogue.foreign(), files);
    let names: Vec<String> = catalogue.artifacts().map(|definition| definition.name.clone()).collect();
    let scope = catalogue.select(&[], &names).unwrap().resolve(&host()).unwrap();
    for hit in ["/etc/crontab", "/home/bob/.bash_history", "/var/log/auth.log", "/home/bob/.ssh/authorized_keys"] {
        assert!(scope.selection.selects(&path(hit)), "{hit}");
    }
    // The others are commands, some of them no YAML; what can be read must not be read wrongly.
    let (mut read, mut refused) = (0, 0);
    for file in yaml_files(&folder) {
        let name = file.to_string_lossy().into_owned();
        match Catalogue::default().add(&name, &std::fs::read(&file).unwrap()) {
            Ok(_) => read += 1,
            Err(error) => {
                eprintln!("{error}");
                refused += 1;
            }
        }
    }
    eprintln!("{read} files read, {refused} refused");
    assert!(refused * 20 < read, "{refused} of {}", read + refused);
}
