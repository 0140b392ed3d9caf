//! `#[upcaster]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemFn, Result};

use crate::settings::Settings;
use crate::{names, signature};

pub fn expand(settings: &Settings, function: &ItemFn) -> Result<TokenStream> {
    settings.only(&["name", "fuel", "memory_bytes"])?;
    let sig = &function.sig;
    signature::plain("an upcaster", sig)?;
    let [event] = sig.inputs.iter().collect::<Vec<_>>()[..] else {
        return signature::refuse(&sig.inputs, "an upcaster takes Recorded<T> of the old type");
    };
    let Some(input) = signature::inside(event, "Recorded") else {
        return signature::refuse(event, "an upcaster takes Recorded<T> of the old type");
    };
    let Some(output) = signature::output(sig) else {
        return signature::refuse(&sig.ident, "an upcaster returns Result<…> of the new type");
    };
    let ident = &sig.ident;
    let visibility = &function.vis;
    let name = names::function(settings.name.as_ref(), ident)?;
    let subscribes = settings.subscribes(input);
    let settings = settings.code("beginning")?;
    let kind = names::kind_macro("upcaster", ident);
    let doc = format!("The upcaster [`{ident}()`] for `module!` and `Trial`.");
    Ok(quote! {
        #function

        #[doc = #doc]
        #[allow(non_camel_case_types, reason = "it stands for the function of this name")]
        #visibility enum #ident {}

        impl ::retold::Function for #ident {
            const NAME: &'static str = #name;

            fn describe() -> ::retold::__private::wire::Function {
                const {
                    assert!(
                        <<#output as ::retold::__private::Outcome>::Answer as ::retold::Answer>::SHAPE.only_events(),
                        "an upcaster answers events: it sends no commands, sets no timers and makes no requests"
                    );
                }
                let mut edges = ::retold::__private::Edges {
                    subscribes: <Self as ::retold::Upcaster>::TYPES.to_vec(),
                    ..::core::default::Default::default()
                };
                <<#output as ::retold::__private::Outcome>::Answer as ::retold::Answer>::declare(&mut edges.answers);
                ::retold::__private::describe(Self::NAME, ::retold::__private::wire::FunctionKind::Upcaster, &edges, #settings)
            }

            fn declare(types: &mut ::retold::__private::Types) {
                <#input as ::retold::Input>::declare(types);
                <<#output as ::retold::__private::Outcome>::Answer as ::retold::Answer>::declare(types);
            }
        }

        impl ::retold::Upcaster for #ident {
            const TYPES: &'static [&'static str] = #subscribes;

            fn upcast(
                event: ::retold::__private::Envelope<'_>,
                host: &dyn ::retold::__private::Host,
                reactions: &mut ::retold::__private::Reactions<'_>,
            ) -> ::retold::Result<()> {
                let recorded = ::retold::Recorded::decode(event, host)?;
                let answer = ::retold::__private::Outcome::into_result(#ident(recorded))?;
                ::retold::Answer::write(answer, reactions)
            }
        }

        #kind
    })
}
