//! What a function takes and returns.

use quote::ToTokens;
use syn::{Error, FnArg, GenericArgument, PathArguments, Result, ReturnType, Signature, Type};

/// Refuses what no function of a module can be.
pub fn plain(kind: &str, signature: &Signature) -> Result<()> {
    if let Some(asynchronous) = &signature.asyncness {
        return refuse(asynchronous, &format!("{kind} is not async: it has nothing to wait for"));
    }
    if signature.generics.type_params().next().is_some() {
        return refuse(&signature.generics, &format!("{kind} has no type parameters"));
    }
    Ok(())
}

pub fn refuse<T>(what: &dyn ToTokens, message: &str) -> Result<T> {
    Err(Error::new_spanned(what, message))
}

/// The `T` of an argument `Recorded<T>`, or of another such name.
pub fn inside<'a>(argument: &'a FnArg, wrapper: &str) -> Option<&'a Type> {
    let FnArg::Typed(argument) = argument else {
        return None;
    };
    within(&argument.ty, wrapper)
}

/// The `T` of `Recorded<T>`, `&Recorded<T>` or `&mut Recorded<T>`.
pub fn within<'a>(argument: &'a Type, wrapper: &str) -> Option<&'a Type> {
    let path = match argument {
        Type::Path(path) => path,
        Type::Reference(reference) => return within(&reference.elem, wrapper),
        _ => return None,
    };
    let last = path.path.segments.last()?;
    if last.ident != wrapper {
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

/// The return type, where one is written.
pub fn output(signature: &Signature) -> Option<&Type> {
    match &signature.output {
        ReturnType::Type(_, output) => Some(output),
        ReturnType::Default => None,
    }
}
