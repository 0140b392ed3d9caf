//! `#[handler]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemFn, Result, Type};

use crate::settings::Settings;
use crate::{names, signature};

const SETTINGS: &[&str] =
    &["name", "start", "policy", "split", "attempts", "fuel", "memory_bytes", "subscribes", "hosts", "secrets", "schedule"];

pub fn expand(settings: &Settings, function: &ItemFn) -> Result<TokenStream> {
    settings.only(SETTINGS)?;
    let signature = Signature::of(function)?;
    let ident = &function.sig.ident;
    let visibility = &function.vis;
    let name = names::function(settings.name.as_ref(), ident)?;
    let Signature { input, output, has_state } = signature;
    let subscribes = settings.subscribes(input);
    let split = settings.split()?;
    let has_hosts = !settings.hosts.is_empty();
    let scheduled: Vec<_> = settings.schedules.iter().map(|schedule| &schedule.event).collect();
    let settings = settings.code("now")?;
    let state = has_state.then(|| {
        quote! { , &mut ::retold::State::of(host, index) }
    });
    let kind = names::kind_macro("handler", ident);
    let doc = format!("The handler [`{ident}()`] for `module!` and `Trial`.");
    Ok(quote! {
        #function

        #[doc = #doc]
        #[allow(non_camel_case_types, reason = "it stands for the function of this name")]
        #visibility enum #ident {}

        impl ::retold::Function for #ident {
            const NAME: &'static str = #name;

            fn describe() -> ::retold::__private::wire::Function {
                const SUBSCRIBES: &[&str] = #subscribes;
                const SCHEDULED: &[&str] = &[#(<#scheduled as ::retold::Event>::TYPE),*];
                const {
                    let shape = &<<#output as ::retold::__private::Outcome>::Answer as ::retold::Answer>::SHAPE;
                    assert!(shape.timers_are_read(SUBSCRIBES), "a handler reads what its timers make: add the timer's event to its input");
                    assert!(
                        #has_hosts || !shape.has(&::retold::__private::Shape::Request),
                        "name the hosts that it may ask: #[handler(hosts(\"api.example.com\"))]"
                    );
                    assert!(
                        ::retold::__private::all_read(SUBSCRIBES, SCHEDULED),
                        "a handler reads what its schedules make: add the schedule's event to its input"
                    );
                }
                let mut edges = ::retold::__private::Edges {
                    subscribes: SUBSCRIBES.to_vec(),
                    timers: const { <<#output as ::retold::__private::Outcome>::Answer as ::retold::Answer>::SHAPE.has_timers() },
                    ..::core::default::Default::default()
                };
                <<#output as ::retold::__private::Outcome>::Answer as ::retold::Answer>::declare(&mut edges.answers);
                ::retold::__private::describe(Self::NAME, ::retold::__private::wire::FunctionKind::Handler, &edges, #settings)
            }

            fn declare(types: &mut ::retold::__private::Types) {
                <#input as ::retold::Input>::declare(types);
                <<#output as ::retold::__private::Outcome>::Answer as ::retold::Answer>::declare(types);
            }
        }

        impl ::retold::Handler for #ident {
            const HAS_STATE: bool = #has_state;
            const SPLIT: ::core::option::Option<u32> = #split;

            fn react(
                event: ::retold::__private::Envelope<'_>,
                index: u32,
                host: &dyn ::retold::__private::Host,
                reactions: &mut ::retold::__private::Reactions<'_>,
            ) -> ::retold::Result<()> {
                let _ = index;
                let recorded = ::retold::Recorded::decode(event, host)?;
                let outcome = #ident(recorded #state);
                let answer = ::retold::__private::Outcome::into_result(outcome)?;
                ::retold::Answer::write(answer, reactions)
            }
        }

        #kind
    })
}

/// What the attribute needs to know of the function.
struct Signature<'a> {
    /// The `T` of `Recorded<T>`.
    input: &'a Type,
    has_state: bool,
    output: &'a Type,
}

impl Signature<'_> {
    fn of(function: &ItemFn) -> Result<Signature<'_>> {
        let sig = &function.sig;
        signature::plain("a handler", sig)?;
        let (event, has_state) = match sig.inputs.iter().collect::<Vec<_>>()[..] {
            [event] => (event, false),
            [event, _] => (event, true),
            _ => {
                return signature::refuse(&sig.inputs, "a handler takes Recorded<T>, and &mut State<S> if it has state");
            }
        };
        let Some(input) = signature::inside(event, "Recorded") else {
            return signature::refuse(event, "a handler's first argument is Recorded<T>");
        };
        let Some(output) = signature::output(sig) else {
            return signature::refuse(&sig.ident, "a handler returns Result<…>; Result<()> if it emits nothing");
        };
        Ok(Signature { input, has_state, output })
    }
}
