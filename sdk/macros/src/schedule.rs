//! `schedule(…)`, one of the settings of `#[handler]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitStr, Path, Result, Token};

const WANTED: &str = "a schedule has a key, a cron, an event, and perhaps a time_zone and missed";

/// What stands in `schedule(…)`.
pub struct Schedule {
    key: LitStr,
    cron: LitStr,
    time_zone: Option<LitStr>,
    pub event: Path,
    missed: Option<LitStr>,
}

impl Parse for Schedule {
    fn parse(input: ParseStream<'_>) -> Result<Schedule> {
        let (mut key, mut cron, mut time_zone, mut event, mut missed) = (None, None, None, None, None);
        let span = input.span();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            let twice = match name.to_string().as_str() {
                "key" => key.replace(input.parse::<LitStr>()?).is_some(),
                "cron" => cron.replace(input.parse::<LitStr>()?).is_some(),
                "time_zone" => time_zone.replace(input.parse::<LitStr>()?).is_some(),
                "event" => event.replace(input.parse::<Path>()?).is_some(),
                "missed" => missed.replace(input.parse::<LitStr>()?).is_some(),
                _ => return Err(Error::new(name.span(), WANTED)),
            };
            if twice {
                return Err(Error::new(name.span(), "set twice"));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let absent = || Error::new(span, WANTED);
        let (key, cron) = (key.ok_or_else(absent)?, cron.ok_or_else(absent)?);
        for text in [&key, &cron] {
            if text.value().trim().is_empty() {
                return Err(Error::new(text.span(), "it is empty"));
            }
        }
        Ok(Schedule { key, cron, time_zone, event: event.ok_or_else(absent)?, missed })
    }
}

impl Schedule {
    /// The code of a schedule of the manifest.
    pub fn code(&self) -> Result<TokenStream> {
        let Schedule { key, cron, event, .. } = self;
        let time_zone = self.time_zone.as_ref().map_or_else(|| "UTC".to_owned(), LitStr::value);
        let missed = match self.missed.as_ref().map(LitStr::value).as_deref() {
            None | Some("all") => quote!(All),
            Some("latest") => quote!(Latest),
            Some("skip") => quote!(Skip),
            Some(_) => return Err(Error::new_spanned(&self.missed, "say \"all\", \"latest\" or \"skip\"")),
        };
        Ok(quote! {
            ::retold::__private::wire::Schedule {
                key: ::std::string::String::from(#key),
                cron: ::std::string::String::from(#cron),
                time_zone: ::std::string::String::from(#time_zone),
                type_: ::std::string::String::from(<#event as ::retold::Event>::TYPE),
                missed: ::retold::__private::wire::Missed::#missed,
            }
        })
    }
}
