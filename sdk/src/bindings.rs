//! The WIT contract as Rust, made by wit-bindgen from `wit/retold.wit`.
//!
//! One module a world, because a module exports only the worlds that it uses: wit-component merges
//! them. A new kind of function adds its world here.

/// `manifest-world`: every module exports it.
pub mod manifest {
    wit_bindgen::generate!({
        path: "../wit",
        world: "manifest-world",
        pub_export_macro: true,
        export_macro_name: "export_manifest",
    });
}

/// `handler-world`: modules with a handler export it.
pub mod handler {
    wit_bindgen::generate!({
        path: "../wit",
        world: "handler-world",
        pub_export_macro: true,
        export_macro_name: "export_handler",
    });
}

/// The words of the contract, under one name for the rest of the crate.
pub mod wire {
    pub use super::handler::exports::retold::module::handler::Guest as HandlerGuest;
    pub use super::handler::retold::module::types::{Event, EventDetails, Failure, FailureKind, NewEvent, Output, Reaction};
    pub use super::manifest::exports::retold::module::manifest::{
        FailurePolicy, Function, FunctionKind, Guest as ManifestGuest, Limits, Manifest, Start,
    };
}
