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
    COMMAND "TR-PHP-0101" "Request input is executed as a command" WebShell ["T1505.003", "T1059.004"];
    COMMAND_PART "TR-PHP-0121" "Request input becomes part of a command" Vulnerable [];
    CODE "TR-PHP-0102" "Request input is run as PHP code" WebShell ["T1505.003", "T1059"];
    CODE_PART "TR-PHP-0122" "Request input that was checked is run as PHP code" Vulnerable [];
    CALLBACK "TR-PHP-0103" "The request chooses the function that is called" WebShell ["T1505.003"];
    CALLBACK_PART "TR-PHP-0123" "The request names a part of the function that is called" Vulnerable [];
    INCLUDE_PART "TR-PHP-0124" "Request input becomes part of an included path" Vulnerable [];
    EXECUTING_CALLBACK "TR-PHP-0113" "A function that executes is used as a callback" WebShell ["T1505.003"];
    INCLUDE "TR-PHP-0104" "Request input is included as code" WebShell ["T1505.003"];
    WRITE "TR-PHP-0105" "Request input is written to a file of the request's choice" WebShell ["T1505.003", "T1105"];
    UPLOAD "TR-PHP-0106" "Uploader that takes any file" WebShell ["T1505.003", "T1105"];
    UNSERIALIZE "TR-PHP-0107" "Request input is deserialised" Vulnerable [];
    REMOTE_CODE "TR-PHP-0108" "Code from another host is run" WebShell ["T1505.003", "T1105"];
    OWN_DATA "TR-PHP-0109" "Code hidden in a picture or in the file's own data is run" WebShell ["T1027.003", "T1505.003"];
    STORED_CODE "TR-PHP-0110" "Stored data is run as PHP code" Exposure [];
    MODIFIED "TR-PHP-0111" "The request chooses a preload library, mail option or handler that runs commands" WebShell ["T1574.006"];
    REMOTE_WRITE "TR-PHP-0112" "What another host sends is saved as PHP" WebShell ["T1105"];
    HIDDEN_CODE "TR-PHP-0201" "Decodes and runs hidden code" WebShell ["T1027", "T1140"];
    PACKED_CODE "TR-PHP-0202" "Runs hidden code that could not be unrolled" WebShell ["T1027"];
    HIDDEN_NAME "TR-PHP-0203" "Hides the name of a function that executes" WebShell ["T1027"];
    SYMBOLS "TR-PHP-0204" "Code without letters and digits" WebShell ["T1027"];
    SCRAMBLED "TR-PHP-0205" "Scrambled code that takes orders" WebShell ["T1027"];
    HIDDEN_INCLUDE "TR-PHP-0206" "Includes a file whose name is hidden, or that is no PHP" WebShell ["T1027", "T1505.003"];
    SHELL "TR-PHP-0301" "Web shell: many powers over the host, at the request's order" WebShell ["T1505.003"];
    ANY_EXECUTOR "TR-PHP-0302" "Tries one execution function after the other" WebShell ["T1505.003", "T1059.004"];
    REVERSE "TR-PHP-0303" "Connects a shell with another host" WebShell ["T1059.004", "T1571"];
    MAILER "TR-PHP-0305" "Sends mail in bulk to recipients from the request" WebShell ["T1586", "T1566"];
    CONSOLE "TR-PHP-0307" "Database console at the request's order" WebShell ["T1505.003", "T1213.006"];
    BROWSER "TR-PHP-0308" "Lists and shows whatever files the request names" WebShell ["T1505.003", "T1083"];
    ACCOUNT "TR-PHP-0309" "Makes an account of the system" WebShell ["T1136.001"];
    CREDENTIALS "TR-PHP-0310" "Reads stored passwords of the host" WebShell ["T1552.001"];
    TRACES "TR-PHP-0311" "Removes the traces of an intruder" WebShell ["T1070.003"];
    FLOOD "TR-PHP-0312" "Floods hosts that the request names" WebShell ["T1498.001"];
    RECON "TR-PHP-0313" "Runs a command that only tells an intruder where they are" WebShell ["T1059.004", "T1033"];
    DROPPER "TR-PHP-0306" "Writes a hidden PHP file" WebShell ["T1505.003", "T1105"];
    ENCODED "TR-PHP-0501" "Encoded PHP, unreadable by analysis" Exposure ["T1027.002"];
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
