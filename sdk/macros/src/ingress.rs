//! `#[ingress]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, ItemFn, Result, Type};

use crate::settings::Settings;
use crate::{names, signature};

pub fn expand(settings: &Settings, function: &ItemFn) -> Result<TokenStream> {
    settings.only(&["name", "secrets", "fuel", "memory_bytes"])?;
    let sig = &function.sig;
    signature::plain("an ingress function", sig)?;
    let [incoming] = sig.inputs.iter().collect::<Vec<_>>()[..] else {
        return signature::refuse(&sig.inputs, "an ingress function takes Incoming");
    };
    if !is_incoming(incoming) {
        return signature::refuse(incoming, "an ingress function takes Incoming");
    }
    let Some(output) = signature::output(sig) else {
        return signature::refuse(&sig.ident, "an ingress function returns Result<…, Response> of events");
    };
    let ident = &sig.ident;
    let visibility = &function.vis;
    let name = names::function(settings.name.as_ref(), ident)?;
    let settings = settings.code("now")?;
    let kind = names::kind_macro("ingress", ident);
    let doc = format!("The ingress function [`{ident}()`] for `module!` and `Trial`.");
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
                        <<#output as ::retold::__private::Accepted>::Answer as ::retold::Answer>::SHAPE.only_events(),
                        "an ingress function answers events: it sends no commands, sets no timers and makes no requests"
                    );
                }
                let mut edges = ::retold::__private::Edges::default();
                <<#output as ::retold::__private::Accepted>::Answer as ::retold::Answer>::declare(&mut edges.answers);
                ::retold::__private::describe(Self::NAME, ::retold::__private::wire::FunctionKind::Ingress, &edges, #settings)
            }

            fn declare(types: &mut ::retold::__private::Types) {
                <<#output as ::retold::__private::Accepted>::Answer as ::retold::Answer>::declare(types);
            }
        }

        impl ::retold::Ingress for #ident {
            fn accept(
                incoming: ::retold::Incoming<'_>,
                reactions: &mut ::retold::__private::Reactions<'_>,
            ) -> ::retold::Result<(), ::retold::Response> {
                let answer = ::retold::__private::Accepted::into_result(#ident(incoming))?;
                ::core::result::Result::Ok(::retold::Answer::write(answer, reactions)?)
            }
        }

        #kind
    })
}

fn is_incoming(argument: &FnArg) -> bool {
    let FnArg::Typed(argument) = argument else {
        return false;
    };
    matches!(&*argument.ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Incoming"))
}
