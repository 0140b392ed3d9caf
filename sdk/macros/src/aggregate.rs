//! `#[aggregate]`, with `#[decide]` and `#[evolve]` on methods of its impl block.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Result, Type};

use crate::settings::Settings;
use crate::{names, signature};

pub fn expand(settings: &Settings, mut block: ItemImpl) -> Result<TokenStream> {
    settings.only(&["name", "fuel", "memory_bytes"])?;
    let state = state_ident(&block)?.clone();
    let methods = Methods::take(&mut block)?;
    if methods.decides.is_empty() && methods.evolves.is_empty() {
        return signature::refuse(&block.self_ty, "an aggregate has methods with #[decide] and #[evolve]");
    }
    let name = names::function(settings.name.as_ref(), &state)?;
    let settings = settings.code("beginning")?;
    let function = function(&state, &name, &settings, &methods);
    let decide = decide(&methods.decides);
    let evolve = evolve(&methods.evolves);
    let kind = names::kind_macro("aggregate", &state);
    Ok(quote! {
        #block

        #function

        impl ::retold::Aggregate for #state {
            #decide
            #evolve
        }

        #kind
    })
}

fn state_ident(block: &ItemImpl) -> Result<&Ident> {
    if block.trait_.is_some() || !block.generics.params.is_empty() {
        return signature::refuse(&block.self_ty, "#[aggregate] stands on an impl block of its own: impl Cart { … }");
    }
    match &*block.self_ty {
        Type::Path(path) if path.path.segments.len() == 1 && path.path.segments[0].arguments.is_empty() => Ok(&path.path.segments[0].ident),
        other => signature::refuse(other, "#[aggregate] stands where its state is: impl Cart { … }"),
    }
}

/// Those with an attribute; the others are the author's own.
struct Methods {
    decides: Vec<Method>,
    evolves: Vec<Method>,
}

struct Method {
    ident: Ident,
    /// The `T` of `Received<T>` or `Recorded<T>`.
    input: Type,
    output: Option<Type>,
}

impl Methods {
    /// Takes the attributes off, as no one else knows them.
    fn take(block: &mut ItemImpl) -> Result<Methods> {
        let mut methods = Methods { decides: Vec::new(), evolves: Vec::new() };
        for item in &mut block.items {
            let ImplItem::Fn(method) = item else { continue };
            if take_attribute(method, "decide") {
                methods.decides.push(decision(method)?);
            }
            if take_attribute(method, "evolve") {
                methods.evolves.push(evolution(method)?);
            }
        }
        Ok(methods)
    }
}

fn take_attribute(method: &mut ImplItemFn, name: &str) -> bool {
    let before = method.attrs.len();
    method.attrs.retain(|attribute| !attribute.path().is_ident(name));
    method.attrs.len() < before
}

fn decision(method: &ImplItemFn) -> Result<Method> {
    const WANTED: &str = "a #[decide] method takes &self and Received<T>: it reads the state and never changes it";
    let found = taken(method, "Received", false, WANTED)?;
    if found.output.is_none() {
        return signature::refuse(&method.sig.ident, "a #[decide] method returns Result<…, Rejection>");
    }
    Ok(found)
}

fn evolution(method: &ImplItemFn) -> Result<Method> {
    taken(method, "Recorded", true, "an #[evolve] method takes &mut self and Recorded<T>")
}

fn taken(method: &ImplItemFn, wrapper: &str, mutable: bool, wanted: &str) -> Result<Method> {
    let sig = &method.sig;
    signature::plain("a method of an aggregate", sig)?;
    let [FnArg::Receiver(receiver), argument] = sig.inputs.iter().collect::<Vec<_>>()[..] else {
        return signature::refuse(&sig.inputs, wanted);
    };
    let by_reference = receiver.reference.is_some() && receiver.mutability.is_some() == mutable;
    match signature::inside(argument, wrapper) {
        Some(input) if by_reference => {
            Ok(Method { ident: sig.ident.clone(), input: input.clone(), output: signature::output(sig).cloned() })
        }
        _ => signature::refuse(&sig.inputs, wanted),
    }
}

fn function(state: &Ident, name: &str, settings: &TokenStream, methods: &Methods) -> TokenStream {
    let commands: Vec<_> = methods.decides.iter().map(|method| &method.input).collect();
    let answers: Vec<_> = methods.decides.iter().map(|method| &method.output).collect();
    let events: Vec<_> = methods.evolves.iter().map(|method| &method.input).collect();
    quote! {
        impl ::retold::Function for #state {
            const NAME: &'static str = #name;

            fn describe() -> ::retold::__private::wire::Function {
                const DECIDES: &[&str] = &[#(<#commands as ::retold::Command>::TYPE),*];
                const EVOLVES: &[&[&str]] = &[#(<#events as ::retold::Input>::TYPES),*];
                const {
                    assert!(::retold::__private::distinct(DECIDES), "two #[decide] methods take one command type");
                    assert!(::retold::__private::all_distinct(EVOLVES), "two #[evolve] methods take one event type");
                    #(assert!(
                        <<#answers as ::retold::__private::Decision>::Answer as ::retold::Answer>::SHAPE.only_events(),
                        "a #[decide] method answers events: it sends no commands, sets no timers and makes no requests"
                    );)*
                    assert!(::retold::__private::none_empty(EVOLVES), "an #[evolve] method takes events of its own types, not any");
                }
                let mut edges = ::retold::__private::Edges {
                    subscribes: EVOLVES.concat(),
                    decides: DECIDES.to_vec(),
                    ..::core::default::Default::default()
                };
                #(<<#answers as ::retold::__private::Decision>::Answer as ::retold::Answer>::declare(&mut edges.answers);)*
                ::retold::__private::describe(Self::NAME, ::retold::__private::wire::FunctionKind::Aggregate, &edges, #settings)
            }

            fn declare(types: &mut ::retold::__private::Types) {
                #(types.command::<#commands>();)*
                #(<<#answers as ::retold::__private::Decision>::Answer as ::retold::Answer>::declare(types);)*
                #(<#events as ::retold::Input>::declare(types);)*
            }
        }
    }
}

fn decide(methods: &[Method]) -> TokenStream {
    let idents = methods.iter().map(|method| &method.ident);
    let commands = methods.iter().map(|method| &method.input);
    quote! {
        fn decide(
            &self,
            command: &::retold::__private::wire::Command,
            reactions: &mut ::retold::__private::Reactions<'_>,
        ) -> ::retold::Result<(), ::retold::Rejection> {
            let _ = &reactions;
            #(if command.type_ == <#commands as ::retold::Command>::TYPE {
                let received = ::retold::Received::decode(command)?;
                let answer = ::retold::__private::Decision::into_result(self.#idents(received))?;
                ::retold::Answer::write(answer, reactions)?;
                return ::core::result::Result::Ok(());
            })*
            ::core::result::Result::Err(::retold::__private::undecided(<Self as ::retold::Function>::NAME, &command.type_))
        }
    }
}

fn evolve(methods: &[Method]) -> TokenStream {
    let idents = methods.iter().map(|method| &method.ident);
    let events = methods.iter().map(|method| &method.input);
    quote! {
        fn evolve(
            &mut self,
            event: ::retold::__private::Envelope<'_>,
            host: &dyn ::retold::__private::Host,
        ) -> ::retold::Result<()> {
            let _ = host;
            #(if <#events as ::retold::Input>::TYPES.contains(&event.event_type) {
                let recorded = ::retold::Recorded::decode(event, host)?;
                return ::retold::__private::Evolved::into_result(self.#idents(recorded));
            })*
            ::core::result::Result::Err(::retold::__private::unevolved(<Self as ::retold::Function>::NAME, event.event_type))
        }
    }
}
