//! `#[handler]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{
    Error, FnArg, GenericArgument, Ident, ItemFn, LitInt, LitStr, PathArguments, Result, ReturnType, Token, Type, parenthesized,
    punctuated::Punctuated,
};

/// What stands in `#[handler(...)]`.
#[derive(Default)]
pub struct Settings {
    name: Option<LitStr>,
    start: Option<LitStr>,
    policy: Option<LitStr>,
    split: Option<LitInt>,
    attempts: Option<LitInt>,
    fuel: Option<LitInt>,
    memory_bytes: Option<LitInt>,
    subscribes: Vec<LitStr>,
}

impl Parse for Settings {
    fn parse(input: ParseStream<'_>) -> Result<Settings> {
        let mut settings = Settings::default();
        while !input.is_empty() {
            settings.parse_one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(settings)
    }
}

impl Settings {
    fn parse_one(&mut self, input: ParseStream<'_>) -> Result<()> {
        let key: Ident = input.parse()?;
        match key.to_string().as_str() {
            "name" => once(&key, &mut self.name, input),
            "start" => once(&key, &mut self.start, input),
            "policy" => once(&key, &mut self.policy, input),
            "split" => once(&key, &mut self.split, input),
            "attempts" => once(&key, &mut self.attempts, input),
            "fuel" => once(&key, &mut self.fuel, input),
            "memory_bytes" => once(&key, &mut self.memory_bytes, input),
            "subscribes" => {
                let list;
                parenthesized!(list in input);
                let types = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
                if types.is_empty() {
                    return Err(Error::new(key.span(), "name at least one type: subscribes(\"order.*\")"));
                }
                self.subscribes.extend(types);
                Ok(())
            }
            _ => Err(Error::new(key.span(), "no such setting: name, start, policy, split, attempts, fuel, memory_bytes, subscribes(…)")),
        }
    }
}

fn once<T: Parse>(key: &Ident, setting: &mut Option<T>, input: ParseStream<'_>) -> Result<()> {
    input.parse::<Token![=]>()?;
    if setting.replace(input.parse()?).is_some() {
        return Err(Error::new(key.span(), "set twice"));
    }
    Ok(())
}

pub fn expand(settings: &Settings, function: &ItemFn) -> Result<TokenStream> {
    let signature = Signature::of(function)?;
    let ident = &function.sig.ident;
    let visibility = &function.vis;
    let name = name(settings, ident)?;
    let describe = describe(settings, &signature)?;
    let state = signature.has_state.then(|| {
        quote! { , &mut ::retold::State::of(host, index) }
    });
    let doc = format!("The handler [`{ident}()`] for `module!` and `Trial`.");
    Ok(quote! {
        #function

        #[doc = #doc]
        #[allow(non_camel_case_types, reason = "it stands for the function of this name")]
        #visibility enum #ident {}

        impl ::retold::Handler for #ident {
            const NAME: &'static str = #name;

            fn describe() -> ::retold::__private::wire::Function {
                #describe
            }

            fn react(
                event: &::retold::__private::wire::Event,
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
    })
}

fn name(settings: &Settings, ident: &Ident) -> Result<String> {
    let (name, span) = match &settings.name {
        Some(literal) => (literal.value(), literal.span()),
        None => (ident.to_string(), ident.span()),
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
            "a function's name is a-z, 0-9, - and _, begins with a letter and has at most 64 bytes; set it with #[handler(name = \"…\")]",
        ))
    }
}

fn describe(settings: &Settings, signature: &Signature<'_>) -> Result<TokenStream> {
    let name = quote!(<Self as ::retold::Handler>::NAME);
    let start = choice(settings.start.as_ref(), &[("now", quote!(Now)), ("beginning", quote!(Beginning))])?;
    let policy = choice(settings.policy.as_ref(), &[("park", quote!(Park)), ("halt", quote!(Halt))])?;
    let split = at_least_one(settings.split.as_ref())?;
    let attempts = at_least_one(settings.attempts.as_ref())?;
    let fuel = at_least_one(settings.fuel.as_ref())?;
    let memory_bytes = at_least_one(settings.memory_bytes.as_ref())?;
    let subscribes = subscribes(settings, signature.input);
    let output = signature.output;
    Ok(quote! {
        const SUBSCRIBES: &[&str] = #subscribes;
        ::retold::__private::describe::<#output>(
            #name,
            SUBSCRIBES,
            ::retold::__private::Settings {
                start: ::retold::__private::wire::Start::#start,
                failure_policy: ::retold::__private::wire::FailurePolicy::#policy,
                split: #split,
                limits: ::retold::__private::wire::Limits {
                    fuel: #fuel,
                    memory_bytes: #memory_bytes,
                    attempts: #attempts,
                },
            },
        )
    })
}

fn subscribes(settings: &Settings, input: &Type) -> TokenStream {
    if !settings.subscribes.is_empty() {
        let types = &settings.subscribes;
        return quote!(&[#(#types),*]);
    }
    quote! {{
        let types = <#input as ::retold::Input>::TYPES;
        assert!(
            !types.is_empty(),
            "this input has no event type of its own: say #[handler(subscribes(\"order.*\"))]"
        );
        assert!(::retold::__private::distinct(types), "two variants of the input have one event type");
        types
    }}
}

/// The first choice is the default.
fn choice(setting: Option<&LitStr>, choices: &[(&str, TokenStream)]) -> Result<TokenStream> {
    let Some(literal) = setting else {
        return Ok(choices[0].1.clone());
    };
    let value = literal.value();
    let found = choices.iter().find(|(word, _)| *word == value);
    found.map(|(_, code)| code.clone()).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        Error::new(literal.span(), format!("say {}", words.join(" or ")))
    })
}

fn at_least_one(setting: Option<&LitInt>) -> Result<TokenStream> {
    let none = quote!(::core::option::Option::None);
    let Some(literal) = setting else {
        return Ok(none);
    };
    if literal.base10_parse::<u64>()? == 0 {
        return Err(Error::new(literal.span(), "at least 1"));
    }
    Ok(quote!(::core::option::Option::Some(#literal)))
}

/// What the attribute needs to know of the function; the compiler checks the rest.
struct Signature<'a> {
    /// The `T` of `Recorded<T>`.
    input: &'a Type,
    has_state: bool,
    output: &'a Type,
}

impl Signature<'_> {
    fn of(function: &ItemFn) -> Result<Signature<'_>> {
        let signature = &function.sig;
        let refuse = |what: &dyn ToTokens, message: &str| Err(Error::new_spanned(what, message));
        if let Some(asynchronous) = &signature.asyncness {
            return refuse(asynchronous, "a handler is not async: it has nothing to wait for");
        }
        if signature.generics.type_params().next().is_some() {
            return refuse(&signature.generics, "a handler has no type parameters");
        }
        let (event, has_state) = match signature.inputs.iter().collect::<Vec<_>>()[..] {
            [event] => (event, false),
            [event, _] => (event, true),
            _ => {
                return refuse(&signature.inputs, "a handler takes Recorded<T>, and &mut State<S> if it has state");
            }
        };
        let Some(input) = recorded(event) else {
            return refuse(event, "a handler's first argument is Recorded<T>");
        };
        let ReturnType::Type(_, output) = &signature.output else {
            return refuse(&signature.ident, "a handler returns Result<…>; Result<()> if it emits nothing");
        };
        Ok(Signature { input, has_state, output })
    }
}

fn recorded(argument: &FnArg) -> Option<&Type> {
    let FnArg::Typed(argument) = argument else {
        return None;
    };
    let Type::Path(path) = &*argument.ty else {
        return None;
    };
    let last = path.path.segments.last()?;
    if last.ident != "Recorded" {
        return None;
    }
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(input) => Some(input),
        _ => None,
    })
}
