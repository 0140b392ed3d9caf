//! `#[derive(Event)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Error, Fields, GenericParam, Lifetime, Result, Type};

use crate::typed;

pub fn derive(item: &DeriveInput) -> Result<TokenStream> {
    match &item.data {
        Data::Struct(_) => of_struct(item),
        Data::Enum(data) => of_enum(item, data),
        Data::Union(_) => Err(Error::new_spanned(&item.ident, "a union can't be an event")),
    }
}

fn of_struct(item: &DeriveInput) -> Result<TokenStream> {
    typed::derive(item, "event", &quote!(::retold::Event))
}

/// The enum reads where all its variants read, and is an answer where all of them are.
fn of_enum(item: &DeriveInput, data: &DataEnum) -> Result<TokenStream> {
    if let Some(attribute) = item.attrs.iter().find(|attribute| attribute.path().is_ident("event")) {
        let message = "an enum has no type of its own: name it at the struct in each variant";
        return Err(Error::new_spanned(attribute, message));
    }
    if data.variants.is_empty() {
        return Err(Error::new_spanned(&item.ident, "an enum of events needs a variant"));
    }
    let variants = variants(data)?;
    let input = input_of_enum(item, &variants);
    let answer = answer_of_enum(item, &variants);
    Ok(quote! { #input #answer })
}

struct Variant<'a> {
    name: &'a syn::Ident,
    event: &'a Type,
}

fn variants(data: &DataEnum) -> Result<Vec<Variant<'_>>> {
    data.variants
        .iter()
        .map(|variant| match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Ok(Variant { name: &variant.ident, event: &fields.unnamed[0].ty }),
            _ => {
                let name = &variant.ident;
                let message = format!("a variant holds one event: `{name}({name})`");
                Err(Error::new_spanned(variant, message))
            }
        })
        .collect()
}

fn input_of_enum(item: &DeriveInput, variants: &[Variant<'_>]) -> TokenStream {
    let name = &item.ident;
    let (_, parameters, _) = item.generics.split_for_impl();
    // `'retold` is the batch's life; what the enum borrows lives at most as long.
    let mut generics = item.generics.clone();
    let batch = Lifetime::new("'retold", proc_macro2::Span::call_site());
    let borrowed: Vec<_> = generics.lifetimes().map(|it| it.lifetime.clone()).collect();
    generics.params.insert(0, GenericParam::Lifetime(syn::LifetimeParam::new(batch)));
    for lifetime in borrowed {
        let bounds = generics.make_where_clause();
        bounds.predicates.push(syn::parse_quote!('retold: #lifetime));
    }
    for Variant { event, .. } in variants {
        // A bound with a lifetime of its own is looked at where the impl is used, not here: so an
        // enum that is only emitted needn't be readable.
        let bounds = generics.make_where_clause();
        bounds.predicates.push(syn::parse_quote!(for<'trivial> #event: ::retold::Event + ::retold::Input<'retold>));
    }
    let (generics, _, bounds) = generics.split_for_impl();
    let names = variants.iter().map(|variant| variant.name);
    let events: Vec<_> = variants.iter().map(|variant| variant.event).collect();
    quote! {
        impl #generics ::retold::Input<'retold> for #name #parameters #bounds {
            const TYPES: &'static [&'static str] = &[#(<#events as ::retold::Event>::TYPE),*];

            fn decode(event_type: &str, data: ::retold::Data<'retold>) -> ::retold::Result<Self> {
                #(if event_type == <#events as ::retold::Event>::TYPE {
                    return <#events as ::retold::Input<'retold>>::decode(event_type, data).map(Self::#names);
                })*
                ::core::result::Result::Err(::retold::__private::unexpected_type::<Self>(event_type))
            }

            fn declare(types: &mut ::retold::__private::Types) {
                #(<#events as ::retold::Input<'retold>>::declare(types);)*
            }
        }
    }
}

fn answer_of_enum(item: &DeriveInput, variants: &[Variant<'_>]) -> TokenStream {
    let name = &item.ident;
    let (_, parameters, _) = item.generics.split_for_impl();
    let mut generics = item.generics.clone();
    for Variant { event, .. } in variants {
        let bounds = generics.make_where_clause();
        bounds.predicates.push(syn::parse_quote!(for<'trivial> #event: ::retold::Answer));
    }
    let (generics, _, bounds) = generics.split_for_impl();
    let declares = variants.iter().map(|Variant { event, .. }| {
        quote_spanned! { event.span() => <#event as ::retold::Answer>::declare(types); }
    });
    let names = variants.iter().map(|variant| variant.name);
    let events = variants.iter().map(|variant| variant.event);
    quote! {
        impl #generics ::retold::Answer for #name #parameters #bounds {
            const SHAPE: ::retold::__private::Shape = ::retold::__private::Shape::Any(&[#(<#events as ::retold::Answer>::SHAPE),*]);

            fn declare(types: &mut ::retold::__private::Types) {
                #(#declares)*
            }

            fn write(self, reactions: &mut ::retold::__private::Reactions<'_>) -> ::retold::Result<()> {
                match self {
                    #(Self::#names(event) => ::retold::Answer::write(event, reactions),)*
                }
            }
        }
    }
}
