//! Structs with a type of their own: `#[derive(Event)]` and `#[derive(Command)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Data, DeriveInput, Error, Ident, LitStr, Result, Token, parse_quote};

/// CloudEvents doesn't bound it; the host does.
const TYPE_BYTES_MAX: usize = 256;

pub fn command(item: &DeriveInput) -> Result<TokenStream> {
    match item.data {
        Data::Struct(_) => derive(item, "command", &quote!(::retold::Command)),
        _ => Err(Error::new_spanned(&item.ident, "a command is a struct; an aggregate has a #[decide] method for each")),
    }
}

/// `attribute` is `event` or `command`.
pub fn derive(item: &DeriveInput, attribute: &str, of: &TokenStream) -> Result<TokenStream> {
    let Typed { name: of_type, schema } = Typed::of(item, attribute)?.ok_or_else(|| {
        let example = format!("name the {attribute} type: #[{attribute}(\"{}\")]", example(item));
        Error::new(item.ident.span(), example)
    })?;
    let name = &item.ident;
    let (_, parameters, _) = item.generics.split_for_impl();
    let mut generics = item.generics.clone();
    if schema && generics.type_params().next().is_some() {
        generics.make_where_clause().predicates.push(parse_quote!(Self: ::retold::__private::schemars::JsonSchema));
    }
    let (generics, _, bounds) = generics.split_for_impl();
    let schema = schema.then(|| {
        quote! {
            const SCHEMA: ::core::option::Option<fn() -> ::std::string::String> =
                ::core::option::Option::Some(::retold::__private::write_schema::<Self>);
        }
    });
    Ok(quote! {
        impl #generics #of for #name #parameters #bounds {
            const TYPE: &'static str = #of_type;
            #schema
        }
    })
}

/// What the type in the message might be called: `OrderPlaced` → `order.placed`.
fn example(item: &DeriveInput) -> String {
    let mut example = String::new();
    for character in item.ident.to_string().chars() {
        if character.is_uppercase() && !example.is_empty() {
            example.push('.');
        }
        example.extend(character.to_lowercase());
    }
    example
}

/// What stands in `#[event(…)]`.
struct Typed {
    name: LitStr,
    schema: bool,
}

impl Parse for Typed {
    fn parse(input: ParseStream<'_>) -> Result<Typed> {
        let name = input.parse()?;
        if input.is_empty() {
            return Ok(Typed { name, schema: false });
        }
        input.parse::<Token![,]>()?;
        let word: Ident = input.parse()?;
        if word != "schema" {
            return Err(Error::new(word.span(), "after the type there may be: schema"));
        }
        input.parse::<Option<Token![,]>>()?;
        Ok(Typed { name, schema: true })
    }
}

impl Typed {
    fn of(item: &DeriveInput, wanted: &str) -> Result<Option<Typed>> {
        let mut found = None;
        for attribute in &item.attrs {
            if !attribute.path().is_ident(wanted) {
                continue;
            }
            let typed: Typed = attribute.parse_args()?;
            typed.check(wanted)?;
            if found.replace(typed).is_some() {
                return Err(Error::new_spanned(attribute, format!("one type, not two: #[{wanted}(\"…\")]")));
            }
        }
        Ok(found)
    }

    fn check(&self, wanted: &str) -> Result<()> {
        let refuse = |message: &str| Err(Error::new_spanned(&self.name, message));
        let name = self.name.value();
        if name.is_empty() || name.len() > TYPE_BYTES_MAX {
            return refuse(&format!("a type of {wanted} has 1 to 256 bytes"));
        }
        if name.contains('*') {
            return refuse("this is one exact type; a pattern belongs into #[handler(subscribes(\"…\"))]");
        }
        if name.starts_with("retold.") {
            return refuse("types that begin with `retold.` are the host's own");
        }
        Ok(())
    }
}
