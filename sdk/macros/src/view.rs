//! `#[view]` and `#[query]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, ItemFn, Result, Type};

use crate::settings::Settings;
use crate::{names, signature};

const SETTINGS: &[&str] = &["name", "start", "split", "fuel", "memory_bytes", "subscribes"];

pub fn expand(settings: &Settings, function: &ItemFn) -> Result<TokenStream> {
    settings.only(SETTINGS)?;
    let sig = &function.sig;
    signature::plain("a view", sig)?;
    let [event, rows] = sig.inputs.iter().collect::<Vec<_>>()[..] else {
        return signature::refuse(&sig.inputs, "a view takes Recorded<T> and &mut Rows<R>");
    };
    let Some(input) = signature::inside(event, "Recorded") else {
        return signature::refuse(event, "a view's first argument is Recorded<T>");
    };
    let Some(row) = signature::inside(rows, "Rows") else {
        return signature::refuse(rows, "a view's second argument is &mut Rows<R>");
    };
    if signature::output(sig).is_none() {
        return signature::refuse(&sig.ident, "a view returns Result<()>");
    }
    let ident = &sig.ident;
    let visibility = &function.vis;
    let name = names::function(settings.name.as_ref(), ident)?;
    let subscribes = settings.subscribes(input);
    let split = settings.split()?;
    let settings = settings.code("beginning")?;
    let kind = names::kind_macro("view", ident);
    let doc = format!("The view [`{ident}()`] for `module!` and `Trial`.");
    Ok(quote! {
        #function

        #[doc = #doc]
        #[allow(non_camel_case_types, reason = "it stands for the function of this name")]
        #visibility enum #ident {}

        impl ::retold::Function for #ident {
            const NAME: &'static str = #name;

            fn describe() -> ::retold::__private::wire::Function {
                const SUBSCRIBES: &[&str] = #subscribes;
                let edges = ::retold::__private::Edges { subscribes: SUBSCRIBES.to_vec(), ..::core::default::Default::default() };
                ::retold::__private::describe(Self::NAME, ::retold::__private::wire::FunctionKind::View, &edges, #settings)
            }

            fn declare(types: &mut ::retold::__private::Types) {
                <#input as ::retold::Input>::declare(types);
            }
        }

        impl ::retold::View for #ident {
            type Row = #row;

            const SPLIT: ::core::option::Option<u32> = #split;

            fn project(
                event: ::retold::__private::Envelope<'_>,
                index: u32,
                host: &dyn ::retold::__private::Host,
            ) -> ::retold::Result<()> {
                let recorded = ::retold::Recorded::decode(event, host)?;
                let outcome = #ident(recorded, &mut ::retold::Rows::of(host, index));
                ::retold::__private::Outcome::into_result(outcome)
            }
        }

        #kind
    })
}

pub fn expand_query(settings: &Settings, function: &ItemFn) -> Result<TokenStream> {
    settings.only(&["view", "name"])?;
    let sig = &function.sig;
    signature::plain("a query", sig)?;
    let (asks, rows) = match sig.inputs.iter().collect::<Vec<_>>()[..] {
        [rows] => (false, rows),
        [_, rows] => (true, rows),
        _ => return signature::refuse(&sig.inputs, "a query takes its question, if it has one, and &Rows<R>"),
    };
    let Some(row) = rows_only_read(rows) else {
        return signature::refuse(rows, "a query's last argument is &Rows<R>: it can't write");
    };
    let Some(view) = &settings.view else {
        return signature::refuse(&sig.ident, "name the view: #[query(view = order_history)]");
    };
    if signature::output(sig).is_none() {
        return signature::refuse(&sig.ident, "a query returns Result<…, Rejection>");
    }
    let ident = &sig.ident;
    let visibility = &function.vis;
    let name = names::function(settings.name.as_ref(), ident)?;
    let kind = names::kind_macro("query", ident);
    let question = asks.then(|| quote!(::retold::__private::read_question(Self::NAME, question)?,));
    let doc = format!("The query [`{ident}()`] for `module!` and `Trial`.");
    Ok(quote! {
        #function

        #[doc = #doc]
        #[allow(non_camel_case_types, reason = "it stands for the function of this name")]
        #visibility enum #ident {}

        impl ::retold::Query for #ident {
            const NAME: &'static str = #name;

            type View = #view;

            fn answer(
                question: &[u8],
                host: &dyn ::retold::__private::Host,
            ) -> ::retold::Result<::std::vec::Vec<u8>, ::retold::Rejection> {
                let _ = question;
                let rows: ::retold::Rows<'_, #row> = ::retold::Rows::<<#view as ::retold::View>::Row>::of(host, 0);
                ::retold::__private::write_answer(Self::NAME, #ident(#question &rows))
            }
        }

        #kind
    })
}

/// The `R` of `&Rows<R>`.
fn rows_only_read(argument: &FnArg) -> Option<&Type> {
    let FnArg::Typed(typed) = argument else {
        return None;
    };
    match &*typed.ty {
        Type::Reference(reference) if reference.mutability.is_none() => signature::within(&reference.elem, "Rows"),
        _ => None,
    }
}
