#[allow(unsafe_code)] pub mod bindings;
pub use bindings::*;
