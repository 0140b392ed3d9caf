//! The attributes of the Retold SDK. Everything here is described where it is used: in `retold`.

mod aggregate;
mod event;
mod handler;
mod ingress;
mod module;
mod names;
mod schedule;
mod settings;
mod shape;
mod signature;
mod typed;
mod upcaster;
mod view;

use proc_macro::TokenStream;
use settings::Settings;
use syn::{DeriveInput, ItemFn, ItemImpl, parse_macro_input};

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

/// Gives a struct its command type. See `retold::Command`.
///
/// ```ignore
/// #[derive(Command, Deserialize)]
/// #[command("cart.add-item")]
/// struct AddItem { sku: String }
/// ```
#[proc_macro_derive(Command, attributes(command))]
pub fn command(item: TokenStream) -> TokenStream {
    answer(typed::command(&parse_macro_input!(item as DeriveInput)))
}

/// schemars' `JsonSchema`, without schemars among your dependencies. It follows serde's attributes,
/// and doc comments become descriptions.
#[proc_macro_derive(JsonSchema, attributes(schemars, serde))]
pub fn json_schema(item: TokenStream) -> TokenStream {
    answer(Ok(shape::json_schema(&parse_macro_input!(item as DeriveInput))))
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
/// what it answers: events, commands, timers, requests. All settings may be left out:
///
/// | setting | meaning | without it |
/// |---|---|---|
/// | `name = "knock-on"` | its identity across versions | the function's name in kebab case |
/// | `start = "beginning"` | where a new function begins to read: `"now"` or `"beginning"` | `"now"` |
/// | `policy = "halt"` | when an event can't be handled: `"park"` or `"halt"` | `"park"` |
/// | `split = 1` | the first so many `/`-separated parts of the subject are its unit of state | no split |
/// | `attempts = 3` | attempts at one event before it is set aside | the host's |
/// | `fuel = 1_000_000` | units of fuel for one call | the host's |
/// | `memory_bytes = 1_048_576` | memory of an instance | the host's |
/// | `subscribes("order.*")` | types and patterns to read | what `T` says |
/// | `hosts("api.example.com")` | hosts that its requests may go to; `"*.example.com"` is all under it | none |
/// | `secrets("api-token")` | names of the secrets that its requests may carry | none |
/// | `schedule(…)`, once or more | an event that is recorded again and again | none |
///
/// A schedule is `schedule(key = "daily", cron = "0 18 * * *", time_zone = "Europe/Berlin", event = DayEnded,
/// missed = "latest")`. The event is one that the handler reads, with nothing in its data; its subject is
/// the key, its time the time that it is due. The zone is UTC unless another is said. `missed` tells which
/// are made up for when the host was down: `"all"`, as without it, `"latest"`, or none of them: `"skip"`.
#[proc_macro_attribute]
pub fn handler(settings: TokenStream, item: TokenStream) -> TokenStream {
    let settings = parse_macro_input!(settings as Settings);
    answer(handler::expand(&settings, &parse_macro_input!(item as ItemFn)))
}

/// Makes a type an aggregate: the state that is folded from a subject's events, with what it decides.
/// It stands on an impl block of the type, which is `Default`, `Serialize` and `Deserialize`.
///
/// A method with `#[decide]` takes `&self` and `Received<T>`, and returns `Result<…, Rejection>` of
/// what it emits, always about its own subject. A method with `#[evolve]` takes `&mut self` and
/// `Recorded<T>`. Other methods are the type's own. All settings may be left out:
///
/// | setting | meaning | without it |
/// |---|---|---|
/// | `name = "cart"` | its identity across versions | the type's name in kebab case |
/// | `fuel = 1_000_000` | units of fuel for one call | the host's |
/// | `memory_bytes = 1_048_576` | memory of an instance | the host's |
#[proc_macro_attribute]
pub fn aggregate(settings: TokenStream, item: TokenStream) -> TokenStream {
    let settings = parse_macro_input!(settings as Settings);
    answer(aggregate::expand(&settings, parse_macro_input!(item as ItemImpl)))
}

/// Makes a function a view. It stays a function; beside it comes a type of the same name, for
/// `module!`, `Trial` and `#[query]`.
///
/// The function takes `Recorded<T>` and `&mut Rows<R>`, and returns `Result<()>`. All settings may be
/// left out:
///
/// | setting | meaning | without it |
/// |---|---|---|
/// | `name = "order-history"` | its identity across versions | the function's name in kebab case |
/// | `start = "now"` | where a new view begins to read: `"now"` or `"beginning"` | `"beginning"` |
/// | `split = 1` | rows stand apart by the first so many `/`-separated parts of the subject | no split |
/// | `fuel = 1_000_000` | units of fuel for one call | the host's |
/// | `memory_bytes = 1_048_576` | memory of an instance | the host's |
/// | `subscribes("order.*")` | types and patterns to read | what `T` says |
#[proc_macro_attribute]
pub fn view(settings: TokenStream, item: TokenStream) -> TokenStream {
    let settings = parse_macro_input!(settings as Settings);
    answer(view::expand(&settings, &parse_macro_input!(item as ItemFn)))
}

/// Makes a function a question to a view: `#[query(view = order_history)]`. Its name is the
/// function's in kebab case, unless `name = "…"` says another.
///
/// The function takes its question, if it has one (anything that is `Deserialize`), and `&Rows<R>`,
/// with the `R` of the view. It returns `Result<…, Rejection>` of anything that is `Serialize`. It
/// stands in `module!` beside its view.
#[proc_macro_attribute]
pub fn query(settings: TokenStream, item: TokenStream) -> TokenStream {
    let settings = parse_macro_input!(settings as Settings);
    answer(view::expand_query(&settings, &parse_macro_input!(item as ItemFn)))
}

/// Makes a function an upcaster. It stays a function; beside it comes a type of the same name, for
/// `module!` and `Trial`.
///
/// The function takes `Recorded<T>` of the old type and returns `Result` of events of newer types:
/// one, several, or none. They keep the stored event's subject, id and time. Upcasters are told apart
/// by the type that they take. The settings are `name`, `fuel` and `memory_bytes`, as an aggregate's.
#[proc_macro_attribute]
pub fn upcaster(settings: TokenStream, item: TokenStream) -> TokenStream {
    let settings = parse_macro_input!(settings as Settings);
    answer(upcaster::expand(&settings, &parse_macro_input!(item as ItemFn)))
}

/// Makes a function an ingress function, which turns foreign HTTP requests into events: those of
/// `POST …/ingress/NAME`. It stays a function; beside it comes a type of the same name, for `module!` and
/// `Trial`.
///
/// The function takes `Incoming` and returns `Result<…, Response>` of events. Give each event a key: with
/// the function's name it makes the event's id, so that what is delivered again is known. Settings:
///
/// | setting | meaning | without it |
/// |---|---|---|
/// | `name = "github"` | its identity, and the end of its address | the function's name in kebab case |
/// | `secrets("github-webhook")` | names of the secrets that it may check signatures with | none |
/// | `fuel = 1_000_000` | units of fuel for one call | the host's |
/// | `memory_bytes = 1_048_576` | memory of an instance | the host's |
#[proc_macro_attribute]
pub fn ingress(settings: TokenStream, item: TokenStream) -> TokenStream {
    let settings = parse_macro_input!(settings as Settings);
    answer(ingress::expand(&settings, &parse_macro_input!(item as ItemFn)))
}

/// See `retold::module`, which documents it.
#[proc_macro]
pub fn module(functions: TokenStream) -> TokenStream {
    answer(module::expand(parse_macro_input!(functions as module::Module)))
}

/// Called by what `module!` expands to.
#[doc(hidden)]
#[proc_macro]
pub fn module_step(step: TokenStream) -> TokenStream {
    module::step(parse_macro_input!(step as module::Step)).into()
}

fn answer(code: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    code.unwrap_or_else(|error| error.into_compile_error()).into()
}
