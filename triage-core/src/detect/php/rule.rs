//! The rules of the analyser: one a mechanism.

use crate::model::{Category, Severity};

/// A mechanism with its stable name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) category: Category,
    pub(super) attack: &'static [&'static str],
}

macro_rules! rules {
    ($($name:ident $id:literal $title:literal $category:ident [$($attack:literal),*];)*) => {
        $(pub(super) const $name: Rule = Rule {
            id: $id, title: $title, category: Category::$category, attack: &[$($attack),*],
        };)*
    };
}

rules! {
    COMMAND "TR-PHP-0101" "request input is executed as a command" WebShell ["T1505.003", "T1059.004"];
    COMMAND_PART "TR-PHP-0121" "request input becomes part of a command" Vulnerable [];
    CODE "TR-PHP-0102" "request input is run as PHP code" WebShell ["T1505.003", "T1059"];
    CODE_PART "TR-PHP-0122" "request input that was checked is run as PHP code" Vulnerable [];
    CALLBACK "TR-PHP-0103" "the request chooses the function that is called" WebShell ["T1505.003"];
    CALLBACK_PART "TR-PHP-0123" "the request names a part of the function that is called" Vulnerable [];
    INCLUDE_PART "TR-PHP-0124" "request input becomes part of an included path" Vulnerable [];
    EXECUTING_CALLBACK "TR-PHP-0113" "a function that executes is used as a callback" WebShell ["T1505.003"];
    INCLUDE "TR-PHP-0104" "request input is included as code" WebShell ["T1505.003"];
    WRITE "TR-PHP-0105" "request input is written to a file of the request's choice" WebShell ["T1505.003", "T1105"];
    UPLOAD "TR-PHP-0106" "uploader that takes any file" WebShell ["T1505.003", "T1105"];
    UNSERIALIZE "TR-PHP-0107" "request input is deserialised" Vulnerable [];
    REMOTE_CODE "TR-PHP-0108" "code from another host is run" WebShell ["T1505.003", "T1105"];
    OWN_DATA "TR-PHP-0109" "code hidden in a picture or in the file's own data is run" WebShell ["T1027.003", "T1505.003"];
    STORED_CODE "TR-PHP-0110" "stored data is run as PHP code" Exposure [];
    MODIFIED "TR-PHP-0111" "the request chooses a preload library, mail option or handler that runs commands" WebShell ["T1574.006"];
    REMOTE_WRITE "TR-PHP-0112" "what another host sends is saved as PHP" WebShell ["T1105"];
    HIDDEN_CODE "TR-PHP-0201" "decodes and runs hidden code" WebShell ["T1027", "T1140"];
    PACKED_CODE "TR-PHP-0202" "runs hidden code that could not be unrolled" WebShell ["T1027"];
    HIDDEN_NAME "TR-PHP-0203" "hides the name of a function that executes" WebShell ["T1027"];
    SYMBOLS "TR-PHP-0204" "code without letters and digits" WebShell ["T1027"];
    SCRAMBLED "TR-PHP-0205" "scrambled code that takes orders" WebShell ["T1027"];
    HIDDEN_INCLUDE "TR-PHP-0206" "includes a file whose name is hidden, or that is no PHP" WebShell ["T1027", "T1505.003"];
    SHELL "TR-PHP-0301" "web shell: many powers over the host, at the request's order" WebShell ["T1505.003"];
    ANY_EXECUTOR "TR-PHP-0302" "tries one execution function after the other" WebShell ["T1505.003", "T1059.004"];
    REVERSE "TR-PHP-0303" "connects a shell with another host" WebShell ["T1059.004", "T1571"];
    MAILER "TR-PHP-0305" "sends mail in bulk to recipients from the request" WebShell ["T1586", "T1566"];
    CONSOLE "TR-PHP-0307" "database console at the request's order" WebShell ["T1505.003", "T1213.006"];
    BROWSER "TR-PHP-0308" "lists and shows whatever files the request names" WebShell ["T1505.003", "T1083"];
    ACCOUNT "TR-PHP-0309" "makes an account of the system" WebShell ["T1136.001"];
    CREDENTIALS "TR-PHP-0310" "reads stored passwords of the host" WebShell ["T1552.001"];
    TRACES "TR-PHP-0311" "removes the traces of an intruder" WebShell ["T1070.003"];
    FLOOD "TR-PHP-0312" "floods hosts that the request names" WebShell ["T1498.001"];
    RECON "TR-PHP-0313" "runs a command that only tells an intruder where they are" WebShell ["T1059.004", "T1033"];
    DROPPER "TR-PHP-0306" "writes a hidden PHP file" WebShell ["T1505.003", "T1105"];
    ENCODED "TR-PHP-0501" "encoded PHP, unreadable by analysis" Exposure ["T1027.002"];
}

/// One thing that the analysis saw.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) rule: &'static Rule,
    pub(super) severity: Severity,
    pub(super) confidence: u8,
    /// The way of the data: line, layer, what happens there.
    pub(super) steps: Vec<(u32, u16, String)>,
    /// Stands behind something that ends the script.
    pub(super) is_dead: bool,
    /// What it weighs depends on what else the file is.
    pub(super) is_contextual: bool,
}
