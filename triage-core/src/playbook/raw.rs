//! The file as it is written: what serde reads, and what its JSON Schema is made of.

use super::{ActionKind, Affects, InputKind, Phase, Risk};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Only the version, whatever else the file has: a later version may have fields that this one does not know.
#[derive(Deserialize)]
pub(super) struct Versioned {
    pub(super) format_version: Spanned<u32>,
}

/// What to do about which findings.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Playbook of triage, version 1", rename = "Playbook")]
pub(super) struct RawPlaybook {
    /// 1.
    #[serde(rename = "format_version")]
    #[schemars(range(min = 1, max = 1))]
    pub(super) _format_version: u32,
    /// `family/name` or `name`: lower-case letters, digits and `-`.
    #[schemars(with = "String", regex(pattern = r"^[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)?$"))]
    pub(super) name: Spanned<String>,
    /// One line.
    pub(super) title: String,
    /// What it does and does not do.
    #[serde(default)]
    pub(super) description: String,
    /// Addresses of where its knowledge comes from.
    #[serde(default)]
    pub(super) references: Vec<String>,
    /// What a person says when a plan is made: `triage plan --set NAME=VALUE`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, RawInput>")]
    pub(super) inputs: BTreeMap<String, Spanned<RawInput>>,
    /// Its steps, in order.
    pub(super) steps: Vec<RawStep>,
}

/// One thing that a person says.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Input")]
pub(super) struct RawInput {
    /// What kind of value it is.
    #[serde(rename = "type")]
    pub(super) kind: InputKind,
    /// What it is for, in one line.
    pub(super) description: String,
    /// What holds when nobody says anything. Without it, a step that needs the input is in the plan and waits for it.
    #[serde(default)]
    #[schemars(with = "Option<Scalar>")]
    pub(super) default: Option<Spanned<String>>,
}

/// One step: an action for each finding that it selects.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Step")]
pub(super) struct RawStep {
    /// Lower-case letters, digits and `-`; once in the file.
    #[schemars(with = "String", regex(pattern = r"^[a-z0-9][a-z0-9-]*$"))]
    pub(super) id: Spanned<String>,
    /// One line; `{path}`, `{name}` and `{count}` are filled in.
    #[schemars(with = "String")]
    pub(super) title: Spanned<String>,
    /// When it runs.
    pub(super) phase: Phase,
    /// CEL: which of `findings` it is done to.
    #[schemars(with = "String")]
    pub(super) for_each: Spanned<String>,
    /// CEL: false leaves the step out.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) when: Option<Spanned<String>>,
    /// What is done.
    #[schemars(with = "ActionKind")]
    pub(super) action: Spanned<ActionKind>,
    /// What the action needs to know. A value is text as it stands, or `${…}` with a CEL expression, which sees the finding as `f`.
    #[serde(default)]
    pub(super) with: RawValues,
    /// Ids of steps that run before it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) requires: Vec<Spanned<String>>,
    /// How much can go wrong.
    pub(super) risk: Risk,
    /// Which services it can touch.
    #[serde(default)]
    pub(super) affects: Vec<Affects>,
    /// Says that nothing brings back what the step does: it ends a process, or runs a command without `undo`.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) irreversible: Option<Spanned<bool>>,
}

macro_rules! values {
    ($($(#[doc = $doc:literal])+ $name:ident)*) => {
        /// What an action needs to know; which of these an action takes is in its page.
        #[derive(Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(rename = "Values")]
        pub(super) struct RawValues {
            $($(#[doc = $doc])+
            #[serde(default)]
            #[schemars(with = "Option<Scalar>")]
            $name: Option<Spanned<String>>,)*
        }

        impl RawValues {
            /// Those that are there, by name.
            pub(super) fn given(&self) -> Vec<(&'static str, &Spanned<String>)> {
                [$((stringify!($name), self.$name.as_ref())),*]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value?)))
                    .collect()
            }
        }
    };
}

values! {
    /// Where a good copy is: what `--from` takes. Without it, `--from` says it.
    from
    /// Permission bits, octal: `0644`.
    mode
    /// Owner, as a number.
    uid
    /// Group, as a number.
    gid
    /// Inode flags that it will have: `immutable`, `append_only`, with `,` between.
    set
    /// Inode flags that it will not have.
    clear
    /// A line that goes.
    remove
    /// A regular expression; the lines in which it is found go.
    remove_matching
    /// A line that becomes `by`.
    replace
    /// A regular expression; what it finds becomes `by`.
    replace_matching
    /// What comes in the place.
    by
    /// A line that will be there.
    ensure
    /// A login shell, from the root.
    shell
    /// A group; without it, every group that has the account as a member.
    group
    /// An option of sshd.
    option
    /// Its value.
    value
    /// A service, as its manager knows it: `apache2.service`. Without it, the unit whose file was found.
    unit
    /// What is asked of the service: `stop`, `start`, `restart`, `reload`, `enable` or `disable`.
    verb
    /// A program from the root and its arguments, by blanks; `'…'` around one that has some. No shell sees it.
    command
    /// How long it may take, in seconds; 60 where nothing is said.
    limit
    /// The command that undoes it.
    undo
}

/// A value in YAML.
pub(super) struct Scalar;

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A value as it stands, or ${…} with an expression", "type": ["string", "integer", "boolean"]})
    }
}

/// The JSON Schema of a playbook, indented, with a newline at the end.
pub fn schema() -> String {
    let schema = schemars::schema_for!(RawPlaybook);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]
    use super::*;

    /// `UPDATE_GOLDENS=1` writes it anew.
    #[test]
    fn the_published_schema_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/formats/playbook.schema.json");
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(path, schema()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), schema(), "run the test with `UPDATE_GOLDENS=1`");
    }

    #[test]
    fn every_value_that_an_action_takes_is_in_the_schema() {
        let schema = schema();
        for kind in ActionKind::ALL {
            assert!(schema.contains(&format!("\"{}\"", kind.as_str())), "{kind:?}");
            for name in kind.values() {
                assert!(schema.contains(&format!("\"{name}\"")), "{name}");
            }
        }
    }
}
