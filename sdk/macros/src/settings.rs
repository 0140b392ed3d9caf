//! What stands in `#[handler(...)]`, `#[view(...)]` and their like.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitInt, LitStr, Path, Result, Token, Type, parenthesized, punctuated::Punctuated};

use crate::schedule::Schedule;

/// Of any of the attributes; each refuses those that mean nothing to it.
#[derive(Default)]
pub struct Settings {
    /// As written, in their order.
    keys: Vec<Ident>,
    pub name: Option<LitStr>,
    pub view: Option<Path>,
    start: Option<LitStr>,
    policy: Option<LitStr>,
    split: Option<LitInt>,
    attempts: Option<LitInt>,
    fuel: Option<LitInt>,
    memory_bytes: Option<LitInt>,
    subscribes: Vec<LitStr>,
    pub hosts: Vec<LitStr>,
    secrets: Vec<LitStr>,
    pub schedules: Vec<Schedule>,
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
        self.keys.push(key.clone());
        match key.to_string().as_str() {
            "name" => once(&key, &mut self.name, input),
            "view" => once(&key, &mut self.view, input),
            "start" => once(&key, &mut self.start, input),
            "policy" => once(&key, &mut self.policy, input),
            "split" => once(&key, &mut self.split, input),
            "attempts" => once(&key, &mut self.attempts, input),
            "fuel" => once(&key, &mut self.fuel, input),
            "memory_bytes" => once(&key, &mut self.memory_bytes, input),
            "subscribes" => several(&key, "type: subscribes(\"order.*\")", &mut self.subscribes, input),
            "hosts" => several(&key, "host: hosts(\"api.example.com\")", &mut self.hosts, input),
            "secrets" => several(&key, "secret: secrets(\"api-token\")", &mut self.secrets, input),
            "schedule" => {
                let content;
                parenthesized!(content in input);
                self.schedules.push(content.parse()?);
                Ok(())
            }
            // Refused by `only`, with what there is.
            _ => input.step(|cursor| Ok(((), skip_setting(*cursor)))),
        }
    }

    /// Refuses settings that mean nothing to the attribute.
    pub fn only(&self, allowed: &[&str]) -> Result<()> {
        let stranger = self.keys.iter().find(|key| !allowed.contains(&key.to_string().as_str()));
        stranger.map_or(Ok(()), |key| {
            let lists = ["subscribes", "hosts", "secrets", "schedule"];
            let shown = allowed.iter().map(|key| if lists.contains(key) { format!("{key}(…)") } else { (*key).to_owned() });
            let list = shown.collect::<Vec<_>>().join(", ");
            Err(Error::new(key.span(), format!("no such setting: {list}")))
        })
    }

    /// The code of a `Settings` of the SDK. `start` is what counts where none is set.
    pub fn code(&self, start: &str) -> Result<TokenStream> {
        let start = self.start.as_ref().map_or_else(|| start.to_owned(), LitStr::value);
        let start = choice(&start, self.start.as_ref(), &[("now", quote!(Now)), ("beginning", quote!(Beginning))])?;
        let policy = self.policy.as_ref().map_or_else(|| "park".to_owned(), LitStr::value);
        let policy = choice(&policy, self.policy.as_ref(), &[("park", quote!(Park)), ("halt", quote!(Halt))])?;
        let split = self.split()?;
        let attempts = at_least_one(self.attempts.as_ref())?;
        let fuel = at_least_one(self.fuel.as_ref())?;
        let memory_bytes = at_least_one(self.memory_bytes.as_ref())?;
        let schedules = self.schedules.iter().map(Schedule::code).collect::<Result<Vec<_>>>()?;
        let (hosts, secrets) = (&self.hosts, &self.secrets);
        Ok(quote! {
            ::retold::__private::Settings {
                start: ::retold::__private::wire::Start::#start,
                failure_policy: ::retold::__private::wire::FailurePolicy::#policy,
                split: #split,
                limits: ::retold::__private::wire::Limits {
                    fuel: #fuel,
                    memory_bytes: #memory_bytes,
                    attempts: #attempts,
                },
                schedules: ::std::vec![#(#schedules),*],
                hosts: ::std::vec![#(#hosts),*],
                secrets: ::std::vec![#(#secrets),*],
            }
        })
    }

    pub fn split(&self) -> Result<TokenStream> {
        at_least_one(self.split.as_ref())
    }

    /// What is set, or else the types of the input.
    pub fn subscribes(&self, input: &Type) -> TokenStream {
        if !self.subscribes.is_empty() {
            let types = &self.subscribes;
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
}

fn once<T: Parse>(key: &Ident, setting: &mut Option<T>, input: ParseStream<'_>) -> Result<()> {
    input.parse::<Token![=]>()?;
    if setting.replace(input.parse()?).is_some() {
        return Err(Error::new(key.span(), "set twice"));
    }
    Ok(())
}

/// `hosts("a", "b")`. `wanted` is what to name, with an example.
fn several(key: &Ident, wanted: &str, list: &mut Vec<LitStr>, input: ParseStream<'_>) -> Result<()> {
    let content;
    parenthesized!(content in input);
    let named = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
    if named.is_empty() {
        return Err(Error::new(key.span(), format!("name at least one {wanted}")));
    }
    list.extend(named);
    Ok(())
}

/// Up to the next comma or the end.
fn skip_setting(mut cursor: syn::buffer::Cursor<'_>) -> syn::buffer::Cursor<'_> {
    while let Some((tree, next)) = cursor.token_tree() {
        if matches!(&tree, proc_macro2::TokenTree::Punct(mark) if mark.as_char() == ',') {
            break;
        }
        cursor = next;
    }
    cursor
}

fn choice(value: &str, written: Option<&LitStr>, choices: &[(&str, TokenStream)]) -> Result<TokenStream> {
    let found = choices.iter().find(|(word, _)| *word == value);
    found.map(|(_, code)| code.clone()).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        Error::new_spanned(written, format!("say {}", words.join(" or ")))
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
