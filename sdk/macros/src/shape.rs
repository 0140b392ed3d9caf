//! `Deserialize`, `Serialize` and `JsonSchema` for crates that don't depend on serde and schemars.
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

/// schemars' derive, which knows no `remote`: the item hands on to what the copy says of itself.
pub fn json_schema(item: &DeriveInput) -> TokenStream {
    let name = &item.ident;
    let (_, parameters, _) = item.generics.split_for_impl();
    let mut generics = item.generics.clone();
    let types: Vec<_> = generics.type_params().map(|it| it.ident.clone()).collect();
    let bounds = generics.make_where_clause();
    for name in types {
        bounds.predicates.push(parse_quote!(#name: ::retold::__private::schemars::JsonSchema));
    }
    let (generics, _, bounds) = generics.split_for_impl();
    let shape_name = shape_name(name);
    let original = name.to_string();
    let mut shape = copy(item, |attribute| is_serdes(attribute) || is_schemas(attribute));
    shape.attrs.splice(
        0..0,
        [
            parse_quote!(#[derive(::retold::__private::schemars::JsonSchema)]),
            parse_quote!(#[schemars(crate = "::retold::__private::schemars", rename = #original)]),
            parse_quote!(#[allow(dead_code, reason = "stands for another type")]),
        ],
    );
    quote! {
        const _: () = {
            #shape

            impl #generics ::retold::__private::schemars::JsonSchema for #name #parameters #bounds {
                fn schema_name() -> ::std::borrow::Cow<'static, str> {
                    <#shape_name #parameters as ::retold::__private::schemars::JsonSchema>::schema_name()
                }

                fn schema_id() -> ::std::borrow::Cow<'static, str> {
                    ::std::borrow::Cow::Borrowed(::core::any::type_name::<Self>())
                }

                fn json_schema(
                    generator: &mut ::retold::__private::schemars::SchemaGenerator,
                ) -> ::retold::__private::schemars::Schema {
                    <#shape_name #parameters as ::retold::__private::schemars::JsonSchema>::json_schema(generator)
                }
            }
        };
    }
}

fn shape_name(name: &Ident) -> Ident {
    format_ident!("{name}Shape")
}

/// The copy for serde: the same fields with serde's attributes, and none of the others.
fn shape(item: &DeriveInput, derive: TokenStream) -> DeriveInput {
    let mut shape = copy(item, is_serdes);
    let original = item.ident.to_string();
    // The derive stands first: an attribute may not stand before the derive that it belongs to.
    shape.attrs.splice(
        0..0,
        [
            parse_quote!(#[derive(::retold::__private::serde::#derive)]),
            parse_quote!(#[serde(crate = "::retold::__private::serde", remote = #original)]),
            parse_quote!(#[allow(dead_code, reason = "stands for another type")]),
        ],
    );
    shape
}

/// The same fields under another name, with those attributes that are kept.
fn copy(item: &DeriveInput, kept: fn(&Attribute) -> bool) -> DeriveInput {
    let mut copy = item.clone();
    copy.ident = shape_name(&item.ident);
    copy.attrs.retain(kept);
    match &mut copy.data {
        Data::Struct(data) => keep(&mut data.fields, kept),
        Data::Enum(data) => {
            for variant in &mut data.variants {
                variant.attrs.retain(kept);
                keep(&mut variant.fields, kept);
            }
        }
        Data::Union(_) => {} // serde's derive refuses it
    }
    copy
}

fn keep(fields: &mut Fields, kept: fn(&Attribute) -> bool) {
    for field in fields {
        field.attrs.retain(kept);
    }
}

fn is_serdes(attribute: &Attribute) -> bool {
    attribute.path().is_ident("serde") || attribute.path().is_ident("cfg")
}

/// The words of a doc comment become the schema's descriptions.
fn is_schemas(attribute: &Attribute) -> bool {
    attribute.path().is_ident("schemars") || attribute.path().is_ident("doc")
}
