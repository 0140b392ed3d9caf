//! A module whose `describe` never returns. Written without the SDK, against the WIT alone.

use std::hint::black_box;

wit_bindgen::generate!({ path: "../../wit", world: "manifest-world" });

use exports::retold::module::manifest::{Guest, Manifest};

struct Module;

impl Guest for Module {
    fn describe() -> Manifest {
        while black_box(true) {}
        unreachable!("the loop has no end");
    }
}

export!(Module);
