//! A module whose `describe` traps. Written without the SDK, against the WIT alone.

wit_bindgen::generate!({ path: "../../wit", world: "manifest-world" });

use exports::retold::module::manifest::{Guest, Manifest};

struct Module;

impl Guest for Module {
    fn describe() -> Manifest {
        panic!("told to trap");
    }
}

export!(Module);
