//! `Deserialize` and `Serialize` for crates that don't depend on serde.
//!
//! serde's own derives write code that looks for a crate `serde` beside the user's, and a derive
//! can't add the attribute that says otherwise. So the item is copied, the copy gets serde's derive
//! as a *remote* one (<https://serde.rs/remote-derive.html>), and the item hands on to it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Data, DeriveInput, Fields, GenericParam, Ident, Lifetime, LifetimeParam, Result, parse_quote};

pub fn deserialize(item: DeriveInput) -> Result<TokenStream> {
    let name = item.ident.clone();
    let (_, parameters, _) = item.generics.split_for_impl();
    let mut generics = item.generics.clone();
    let batch = Lifetime::new("'de", proc_macro2::Span::call_site());
    let borrowed: Vec<_> = generics.lifetimes().map(|it| it.lifetime.clone()).collect();
    let types: Vec<_> = generics.type_params().map(|it| it.ident.clone()).collect();
    generics.params.insert(0, GenericParam::Lifetime(LifetimeParam::new(batch)));
    let bounds = generics.make_where_clause();
    for lifetime in borrowed {
        bounds.predicates.push(parse_quote!('de: #lifetime));
    }
    for name in types {
        bounds.predicates.push(parse_quote!(#name: ::retold::__private::serde::Deserialize<'de>));
    }
    let (generics, _, bounds) = generics.split_for_impl();
    let shape_name = shape_name(&name);
    let shape = shape(&item, quote!(Deserialize));
    Ok(quote! {
        const _: () = {
            #shape

            impl #generics ::retold::__private::serde::Deserialize<'de> for #name #parameters #bounds {
                fn deserialize<Deserializer: ::retold::__private::serde::Deserializer<'de>>(
                    deserializer: Deserializer,
                ) -> ::core::result::Result<Self, Deserializer::Error> {
                    #shape_name::deserialize(deserializer)
                }
            }
        };
    })
}

pub fn serialize(item: DeriveInput) -> Result<TokenStream> {
    let name = item.ident.clone();
    let (_, parameters, _) = item.generics.split_for_impl();
    let mut generics = item.generics.clone();
    let types: Vec<_> = generics.type_params().map(|it| it.ident.clone()).collect();
    let bounds = generics.make_where_clause();
    for name in types {
        bounds.predicates.push(parse_quote!(#name: ::retold::__private::serde::Serialize));
    }
    let (generics, _, bounds) = generics.split_for_impl();
    let shape_name = shape_name(&name);
    let shape = shape(&item, quote!(Serialize));
    Ok(quote! {
        const _: () = {
            #shape

            impl #generics ::retold::__private::serde::Serialize for #name #parameters #bounds {
                fn serialize<Serializer: ::retold::__private::serde::Serializer>(
                    &self,
                    serializer: Serializer,
                ) -> ::core::result::Result<Serializer::Ok, Serializer::Error> {
                    #shape_name::serialize(self, serializer)
                }
            }
        };
    })
}

fn shape_name(name: &Ident) -> Ident {
    format_ident!("{name}Shape")
}

/// The copy: the same fields with serde's attributes, and none of the others.
fn shape(item: &DeriveInput, derive: TokenStream) -> DeriveInput {
    let mut shape = item.clone();
    let original = item.ident.to_string();
    shape.ident = shape_name(&item.ident);
    // The derive stands first: an attribute may not stand before the derive that it belongs to.
    shape.attrs = vec![
        parse_quote!(#[derive(::retold::__private::serde::#derive)]),
        parse_quote!(#[serde(crate = "::retold::__private::serde", remote = #original)]),
        parse_quote!(#[allow(dead_code, reason = "stands for another type")]),
    ];
    let serdes = item.attrs.iter().filter(|it| is_serdes(it));
    shape.attrs.extend(serdes.cloned());
    match &mut shape.data {
        Data::Struct(data) => keep_serdes(&mut data.fields),
        Data::Enum(data) => {
            for variant in &mut data.variants {
                variant.attrs.retain(is_serdes);
                keep_serdes(&mut variant.fields);
            }
        }
        Data::Union(_) => {} // serde's derive refuses it
    }
    shape
}

fn keep_serdes(fields: &mut Fields) {
    for field in fields {
        field.attrs.retain(is_serdes);
    }
}

fn is_serdes(attribute: &Attribute) -> bool {
    attribute.path().is_ident("serde") || attribute.path().is_ident("cfg")
}
