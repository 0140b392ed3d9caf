//! A function's name, and the macro that tells `module!` its kind.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Error, Ident, LitStr, Result};

/// What is set, or the Rust name in kebab case: `order_history` and `OrderHistory` are
/// `order-history`.
pub fn function(set: Option<&LitStr>, ident: &Ident) -> Result<String> {
    let (name, span) = match set {
        Some(literal) => (literal.value(), literal.span()),
        None => (kebab(ident), ident.span()),
    };
    let mut rest = name.bytes();
    let valid = name.len() <= 64
        && rest.next().is_some_and(|first| first.is_ascii_lowercase())
        && rest.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    if valid {
        Ok(name)
    } else {
        Err(Error::new(
            span,
            "a function's name is a-z, 0-9, - and _, begins with a letter and has at most 64 bytes; set it with name = \"…\"",
        ))
    }
}

pub fn kebab(ident: &Ident) -> String {
    let mut name = String::new();
    for character in ident.to_string().trim_start_matches("r#").chars() {
        if character == '_' {
            name.push('-');
            continue;
        }
        if character.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(character.to_lowercase());
    }
    name
}

/// The macro beside a function that hands its kind to `module!`, as only a macro can: which
/// interfaces a module exports is settled before types are known. It has the function's name, so that
/// who imports the function imports it too.
pub fn kind_macro(kind: &str, ident: &Ident) -> TokenStream {
    let kind = Ident::new(kind, Span::call_site());
    let name = format_ident!("retold_function_{ident}");
    quote! {
        #[doc(hidden)]
        #[allow(unused_macros, reason = "a function needn't be in a module, as in tests")]
        macro_rules! #name {
            ($($module:tt)*) => { ::retold::__private::module_step! { #kind $($module)* } };
        }
        #[doc(hidden)]
        #[allow(unused_imports, reason = "a function needn't be in a module, as in tests")]
        pub(crate) use #name as #ident;
    }
}
