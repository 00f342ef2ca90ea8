//! The knowledge that comes with the library: rules and playbooks as text, listed by `build.rs`.

include!(concat!(env!("OUT_DIR"), "/builtin.rs"));
