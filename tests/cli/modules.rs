use crate::env::{SHELL, TestEnvironment};

const MODULES: &str = "var/www/html/admin/modules";

/// A list without a signature: nobody here has the vendor's secret key.
fn list(files: &[(&str, &str)]) -> String {
    use sha2::Digest as _;
    let text =
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n[config]\nversion=1\nrepo=standard\n[hashes]\n".to_owned();
    let lines = files.iter().map(|(name, content)| {
        let digest = sha2::Sha256::digest(content.as_bytes());
        let digest: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name} = {}\n", digest.concat())
    });
    let lines: Vec<String> = lines.collect();
    text + &lines.concat() + ";# End\n-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"
}

fn host() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.clean_host();
    let files =
        [("functions.inc.php", "<?php // core\n"), ("module.xml", "<module><version>17.0.1</version></module>\n")];
    for (name, content) in files {
        env.put(&format!("{MODULES}/core/{name}"), content);
    }
    env.put(&format!("{MODULES}/core/module.sig"), list(&files));
    env
}

#[test]
fn modules_are_told_with_their_state_in_every_format() {
    let env = host();
    env.put(&format!("{MODULES}/core/functions.inc.php"), "<?php // altered\n");
    env.put(&format!("{MODULES}/core/extra.php"), SHELL);
    env.put(&format!("{MODULES}/freepbx_ha/license.php"), SHELL);
    let table = env.triage(["modules", "host"]).expect(2);
    for word in [
        "altered, unlisted, unsigned",
        "rogue",
        "17.0.1",
        "altered: /var/www/html/admin/modules/core/functions.inc.php",
    ] {
        assert!(table.stdout.contains(word), "{word}: {}", table.stdout);
    }
    assert!(table.stderr.contains("0 of 2 modules as the vendor signed them"), "{}", table.stderr);
    let json: serde_json::Value =
        serde_json::from_str(&env.triage(["modules", "--root", "host", "--format", "json"]).expect(2).stdout).unwrap();
    assert_eq!(json["format_version"], 1);
    assert_eq!(json["modules"][0]["states"], serde_json::json!(["altered", "unlisted", "unsigned"]));
    assert_eq!(json["modules"][0]["signature"]["state"], "absent");
    assert_eq!(json["modules"][1]["states"], serde_json::json!(["rogue"]));
    let lines = env.triage(["modules", "host", "--format", "jsonl"]).expect(2).stdout;
    let kinds: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["module", "module", "modules"]);
}

#[test]
fn a_host_and_its_bundle_have_the_same_modules() {
    let env = host();
    env.put(&format!("{MODULES}/core/extra.php"), SHELL);
    env.triage(["collect", "--root", "host", "-o", "b.tar.zst", "--profile", "freepbx"]).expect(0);
    let told = |target: &str| {
        let answer = env.triage(["modules", target, "--format", "json"]).expect(2);
        serde_json::from_str::<serde_json::Value>(&answer.stdout).unwrap()["modules"].clone()
    };
    assert_eq!(told("host"), told("b.tar.zst"));
}

#[test]
fn a_host_without_freepbx_has_no_modules() {
    let env = TestEnvironment::new();
    env.clean_host();
    let answer = env.triage(["modules", "host"]).expect(0);
    assert!(answer.stderr.contains("No FreePBX module was found"), "{}", answer.stderr);
}
