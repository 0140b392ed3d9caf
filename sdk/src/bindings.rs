//! The WIT contract as Rust, made by wit-bindgen from `wit/retold.wit`.
//!
//! One module a world, because a module exports only the worlds that it uses: wit-component merges
//! them. A new kind of function adds its world here; what worlds share is made once, with the
//! handler's.

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
        generate_unused_types: true,
    });
}

/// `aggregate-world`: modules with an aggregate export it.
pub mod aggregate {
    wit_bindgen::generate!({
        path: "../wit",
        world: "aggregate-world",
        pub_export_macro: true,
        export_macro_name: "export_aggregate",
        with: {
            "retold:module/types@0.1.0": crate::bindings::handler::retold::module::types,
            "retold:module/context@0.1.0": crate::bindings::handler::retold::module::context,
        },
    });
}

/// `view-world`: modules with a view export it.
pub mod view {
    wit_bindgen::generate!({
        path: "../wit",
        world: "view-world",
        pub_export_macro: true,
        export_macro_name: "export_view",
        with: {
            "retold:module/types@0.1.0": crate::bindings::handler::retold::module::types,
            "retold:module/context@0.1.0": crate::bindings::handler::retold::module::context,
            "retold:module/state@0.1.0": crate::bindings::handler::retold::module::state,
        },
    });
}

/// `upcaster-world`: modules with an upcaster export it. It imports nothing.
pub mod upcaster {
    wit_bindgen::generate!({
        path: "../wit",
        world: "upcaster-world",
        pub_export_macro: true,
        export_macro_name: "export_upcaster",
        with: {
            "retold:module/types@0.1.0": crate::bindings::handler::retold::module::types,
        },
    });
}

/// `ingress-world`: modules with an ingress function export it.
pub mod ingress {
    wit_bindgen::generate!({
        path: "../wit",
        world: "ingress-world",
        pub_export_macro: true,
        export_macro_name: "export_ingress",
        with: {
            "retold:module/types@0.1.0": crate::bindings::handler::retold::module::types,
            "retold:module/context@0.1.0": crate::bindings::handler::retold::module::context,
        },
    });
}

/// The words of the contract, under one name for the rest of the crate.
pub mod wire {
    pub use super::aggregate::exports::retold::module::aggregate::Guest as AggregateGuest;
    pub use super::handler::exports::retold::module::handler::Guest as HandlerGuest;
    pub use super::handler::retold::module::state::{Key, Keys, Values, Write, Writes};
    pub use super::handler::retold::module::types::{
        Command, EmittedEvent, EventDetails, Events, Failure, FailureKind, Header, HttpRequest, HttpResponse, NewEvent, Output, Payload,
        Query, Reaction, Reactions, Rejection, Timer,
    };
    pub use super::ingress::exports::retold::module::ingress::Guest as IngressGuest;
    pub use super::manifest::exports::retold::module::manifest::{
        FailurePolicy, Function, FunctionKind, Guest as ManifestGuest, Limits, Manifest, Missed, Schedule, Schema, Start,
    };
    pub use super::upcaster::exports::retold::module::upcaster::Guest as UpcasterGuest;
    pub use super::view::exports::retold::module::view::Guest as ViewGuest;
}
