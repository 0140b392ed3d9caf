//! `module!`: makes a module of its functions.
//!
//! What a module exports hangs on the kinds of its functions, and a macro sees only names. So each
//! function has a macro of its own name beside it that knows its kind: `module!` calls the first one, which calls
//! `module_step!` with the kind, which calls the next one, and so on until all kinds are known.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Ident, Path, Result, Token, bracketed, punctuated::Punctuated};

/// What stands in `module!(…)`.
pub struct Module {
    name: TokenStream,
    version: TokenStream,
    functions: Vec<Path>,
}

impl Parse for Module {
    fn parse(input: ParseStream<'_>) -> Result<Module> {
        let mut name = quote!(::core::env!("CARGO_PKG_NAME"));
        let mut version = quote!(::core::env!("CARGO_PKG_VERSION"));
        while input.peek(Ident) && input.peek2(Token![=]) {
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            let value = input.parse::<Expr>()?.into_token_stream();
            match key.to_string().as_str() {
                "name" => name = value,
                "version" => version = value,
                _ => return Err(Error::new(key.span(), "a module has a name and a version, and then its functions")),
            }
            input.parse::<Token![,]>()?;
        }
        let functions = Punctuated::<Path, Token![,]>::parse_terminated(input)?.into_iter().collect();
        Ok(Module { name, version, functions })
    }
}

pub fn expand(module: Module) -> Result<TokenStream> {
    let Module { name, version, functions } = module;
    let Some(first) = functions.first() else {
        return Err(Error::new(proc_macro2::Span::call_site(), "a module has functions: module!(pricing)"));
    };
    Ok(quote! { #first! { [#name] [#version] [] [#(#functions),*] } })
}

/// What `module_step!` is called with.
pub struct Step {
    /// Of the first function whose kind is unknown.
    kind: Ident,
    name: TokenStream,
    version: TokenStream,
    known: Vec<(Ident, Path)>,
    unknown: Vec<Path>,
}

impl Parse for Step {
    fn parse(input: ParseStream<'_>) -> Result<Step> {
        let kind = input.parse()?;
        let (name, version, known, unknown);
        bracketed!(name in input);
        bracketed!(version in input);
        bracketed!(known in input);
        bracketed!(unknown in input);
        let pair = |input: ParseStream<'_>| Ok((input.parse()?, input.parse()?));
        Ok(Step {
            kind,
            name: name.parse()?,
            version: version.parse()?,
            known: known.parse_terminated(pair, Token![,])?.into_iter().collect(),
            unknown: unknown.parse_terminated(Path::parse, Token![,])?.into_iter().collect(),
        })
    }
}

pub fn step(step: Step) -> TokenStream {
    let Step { kind, name, version, mut known, mut unknown } = step;
    known.push((kind, unknown.remove(0)));
    if let Some(next) = unknown.first() {
        let known = known.iter().map(|(kind, function)| quote!(#kind #function));
        return quote! { #next! { [#name] [#version] [#(#known),*] [#(#unknown),*] } };
    }
    whole(&name, &version, &known)
}

fn whole(name: &TokenStream, version: &TokenStream, functions: &[(Ident, Path)]) -> TokenStream {
    let of_kind = |wanted: &str| -> Vec<&Path> {
        let found = functions.iter().filter(|(kind, _)| kind == wanted);
        found.map(|(_, function)| function).collect()
    };
    let [handlers, aggregates, views, queries, upcasters, ingresses] =
        ["handler", "aggregate", "view", "query", "upcaster", "ingress"].map(of_kind);
    let named: Vec<_> = functions.iter().filter(|(kind, _)| kind != "query").map(|(_, function)| function).collect();
    let checks = checks(name, &named, &views, &queries, &upcasters);
    let exports = [
        Some(manifest(name, version, &named)),
        handler(&handlers),
        aggregate(&aggregates),
        view(&views, &queries),
        upcaster(&upcasters),
        ingress(&ingresses),
    ];
    quote! {
        #checks

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Module;
            #(#exports)*
        };
    }
}

fn checks(name: &TokenStream, named: &[&Path], views: &[&Path], queries: &[&Path], upcasters: &[&Path]) -> TokenStream {
    let view_names = quote!(&[#(<#views as ::retold::Function>::NAME),*]);
    quote! {
        const _: () = {
            assert!(
                ::retold::__private::valid_name(#name),
                "a module's name is a-z, 0-9, - and _, begins with a letter and has at most 64 bytes"
            );
            assert!(
                ::retold::__private::distinct(&[#(<#named as ::retold::Function>::NAME),*]),
                "two functions of the module have one name"
            );
            assert!(
                ::retold::__private::all_distinct(&[#(<#upcasters as ::retold::Upcaster>::TYPES),*]),
                "two upcasters of the module take one event type"
            );
            #(assert!(
                ::retold::__private::contains(
                    #view_names,
                    <<#queries as ::retold::Query>::View as ::retold::Function>::NAME,
                ),
                "a query's view is missing in the module"
            );)*
        };
    }
}

fn manifest(name: &TokenStream, version: &TokenStream, named: &[&Path]) -> TokenStream {
    quote! {
        impl ::retold::__private::wire::ManifestGuest for Module {
            fn describe() -> ::retold::__private::wire::Manifest {
                let mut types = ::retold::__private::Types::default();
                #(<#named as ::retold::Function>::declare(&mut types);)*
                ::retold::__private::wire::Manifest {
                    name: ::std::string::String::from(#name),
                    version: ::std::string::String::from(#version),
                    functions: ::std::vec![#(<#named as ::retold::Function>::describe()),*],
                    schemas: types.schemas(),
                }
            }
        }
        ::retold::__private::export_manifest!(Module with_types_in ::retold::__private::manifest);
    }
}

fn handler(handlers: &[&Path]) -> Option<TokenStream> {
    (!handlers.is_empty()).then(|| {
        quote! {
            impl ::retold::__private::wire::HandlerGuest for Module {
                fn handle(
                    function: ::std::string::String,
                    events: ::retold::__private::wire::Events,
                ) -> ::core::result::Result<::retold::__private::wire::Reactions, ::retold::__private::wire::Failure> {
                    #(if function == <#handlers as ::retold::Function>::NAME {
                        return ::retold::__private::handle::<#handlers>(::retold::__private::envelopes(&events));
                    })*
                    ::core::result::Result::Err(::retold::__private::unknown("handler", &function))
                }
            }
            ::retold::__private::export_handler!(Module with_types_in ::retold::__private::handler);
        }
    })
}

fn aggregate(aggregates: &[&Path]) -> Option<TokenStream> {
    (!aggregates.is_empty()).then(|| {
        quote! {
            impl ::retold::__private::wire::AggregateGuest for Module {
                fn decide(
                    function: ::std::string::String,
                    _subject: ::std::string::String,
                    state: ::core::option::Option<::std::vec::Vec<u8>>,
                    command: ::retold::__private::wire::Command,
                ) -> ::core::result::Result<::std::vec::Vec<::retold::__private::wire::NewEvent>, ::retold::__private::wire::Rejection> {
                    #(if function == <#aggregates as ::retold::Function>::NAME {
                        return ::retold::__private::decide::<#aggregates>(state.as_deref(), &command);
                    })*
                    ::core::result::Result::Err(::retold::__private::unknown_aggregate(&function))
                }

                fn evolve(
                    function: ::std::string::String,
                    _subject: ::std::string::String,
                    state: ::core::option::Option<::std::vec::Vec<u8>>,
                    events: ::retold::__private::wire::Events,
                ) -> ::core::result::Result<::std::vec::Vec<u8>, ::retold::__private::wire::Failure> {
                    #(if function == <#aggregates as ::retold::Function>::NAME {
                        return ::retold::__private::evolve::<#aggregates>(state.as_deref(), ::retold::__private::envelopes(&events));
                    })*
                    ::core::result::Result::Err(::retold::__private::unknown("aggregate", &function))
                }
            }
            ::retold::__private::export_aggregate!(Module with_types_in ::retold::__private::aggregate);
        }
    })
}

fn view(views: &[&Path], queries: &[&Path]) -> Option<TokenStream> {
    (!views.is_empty()).then(|| {
        quote! {
            impl ::retold::__private::wire::ViewGuest for Module {
                fn project(
                    function: ::std::string::String,
                    events: ::retold::__private::wire::Events,
                ) -> ::core::result::Result<(), ::retold::__private::wire::Failure> {
                    #(if function == <#views as ::retold::Function>::NAME {
                        return ::retold::__private::project::<#views>(::retold::__private::envelopes(&events));
                    })*
                    ::core::result::Result::Err(::retold::__private::unknown("view", &function))
                }

                fn query(
                    function: ::std::string::String,
                    request: ::retold::__private::wire::Query,
                ) -> ::core::result::Result<::retold::__private::wire::Payload, ::retold::__private::wire::Rejection> {
                    let known: &[(&str, &str)] = &[#((
                        <<#queries as ::retold::Query>::View as ::retold::Function>::NAME,
                        <#queries as ::retold::Query>::NAME,
                    )),*];
                    #(if function == <<#queries as ::retold::Query>::View as ::retold::Function>::NAME
                        && request.name == <#queries as ::retold::Query>::NAME
                    {
                        return ::retold::__private::query::<#queries>(&request);
                    })*
                    ::core::result::Result::Err(::retold::__private::unknown_query(&function, &request.name, known))
                }
            }
            ::retold::__private::export_view!(Module with_types_in ::retold::__private::view);
        }
    })
}

fn upcaster(upcasters: &[&Path]) -> Option<TokenStream> {
    (!upcasters.is_empty()).then(|| {
        quote! {
            impl ::retold::__private::wire::UpcasterGuest for Module {
                fn upcast(
                    events: ::retold::__private::wire::Events,
                ) -> ::core::result::Result<
                    ::std::vec::Vec<::std::vec::Vec<::retold::__private::wire::NewEvent>>,
                    ::retold::__private::wire::Failure,
                > {
                    ::retold::__private::upcast_all(::retold::__private::envelopes(&events), |event_type| {
                        #(if <#upcasters as ::retold::Upcaster>::TYPES.contains(&event_type) {
                            return ::core::option::Option::Some(<#upcasters as ::retold::Upcaster>::upcast);
                        })*
                        ::core::option::Option::None
                    })
                }
            }
            ::retold::__private::export_upcaster!(Module with_types_in ::retold::__private::upcaster);
        }
    })
}

fn ingress(ingresses: &[&Path]) -> Option<TokenStream> {
    (!ingresses.is_empty()).then(|| {
        quote! {
            impl ::retold::__private::wire::IngressGuest for Module {
                fn accept(
                    function: ::std::string::String,
                    request: ::retold::__private::wire::HttpRequest,
                ) -> ::core::result::Result<::std::vec::Vec<::retold::__private::wire::NewEvent>, ::retold::__private::wire::HttpResponse> {
                    #(if function == <#ingresses as ::retold::Function>::NAME {
                        return ::retold::__private::accept::<#ingresses>(&request);
                    })*
                    ::core::result::Result::Err(::retold::__private::unknown_ingress(&function))
                }
            }
            ::retold::__private::export_ingress!(Module with_types_in ::retold::__private::ingress);
        }
    })
}
