//! The attributes of the Retold SDK. Everything here is described where it is used: in `retold`.

mod event;
mod handler;
mod shape;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemFn, parse_macro_input};

/// Gives a struct its event type, or makes an enum *one of several* events. See `retold::Event`.
///
/// ```ignore
/// #[derive(Event, Deserialize)]
/// #[event("order.placed")]
/// struct OrderPlaced { quantity: u32 }
/// ```
#[proc_macro_derive(Event, attributes(event))]
pub fn event(item: TokenStream) -> TokenStream {
    answer(event::derive(&parse_macro_input!(item as DeriveInput)))
}

/// serde's `Deserialize`, without serde among your dependencies. All of serde's attributes work,
/// but `crate`, `bound` and `remote`: for those depend on serde itself.
#[proc_macro_derive(Deserialize, attributes(serde))]
pub fn deserialize(item: TokenStream) -> TokenStream {
    answer(shape::deserialize(parse_macro_input!(item as DeriveInput)))
}

/// serde's `Serialize`, without serde among your dependencies. All of serde's attributes work, but
/// `crate`, `bound` and `remote`: for those depend on serde itself.
#[proc_macro_derive(Serialize, attributes(serde))]
pub fn serialize(item: TokenStream) -> TokenStream {
    answer(shape::serialize(parse_macro_input!(item as DeriveInput)))
}

/// Makes a function a handler. It stays a function; beside it comes a type of the same name, for
/// `module!` and `Trial`.
///
/// The function takes `Recorded<T>`, and `&mut State<S>` if it has state, and returns `Result` of
/// what it emits. All settings may be left out:
///
/// | setting | meaning | without it |
/// |---|---|---|
/// | `name = "knock-on"` | its identity across versions | the function's name |
/// | `start = "beginning"` | where a new function begins to read: `"now"` or `"beginning"` | `"now"` |
/// | `policy = "halt"` | when an event can't be handled: `"park"` or `"halt"` | `"park"` |
/// | `split = 1` | the first so many `/`-separated parts of the subject are its unit of state | no split |
/// | `attempts = 3` | attempts at one event before it is set aside | the host's |
/// | `fuel = 1_000_000` | units of fuel for one call | the host's |
/// | `memory_bytes = 1_048_576` | memory of an instance | the host's |
/// | `subscribes("order.*")` | types and patterns to read | what `T` says |
#[proc_macro_attribute]
pub fn handler(settings: TokenStream, item: TokenStream) -> TokenStream {
    let settings = parse_macro_input!(settings as handler::Settings);
    answer(handler::expand(&settings, &parse_macro_input!(item as ItemFn)))
}

fn answer(code: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    code.unwrap_or_else(|error| error.into_compile_error()).into()
}
