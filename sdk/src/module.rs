//! `module!`: makes a module of its functions.

/// Makes the crate a module with these functions, by the crate's own name and version:
///
/// ```
/// # use retold::prelude::*;
/// # #[handler(subscribes("order.*"))] fn audit(_: Recorded<Json>) -> Result<()> { Ok(()) }
/// # #[handler(subscribes("order.*"))] fn pricing(_: Recorded<Json>) -> Result<()> { Ok(()) }
/// retold::module!(audit, pricing);
/// ```
///
/// or by another:
///
/// ```
/// # use retold::prelude::*;
/// # #[handler(subscribes("order.*"))] fn audit(_: Recorded<Json>) -> Result<()> { Ok(()) }
/// retold::module!(name = "orders", version = "2.0.0", audit);
/// ```
///
/// Once a crate, and the crate is a `cdylib`. Natively it only checks the names. A name that breaks
/// the rule `[a-z][a-z0-9_-]{0,63}` or stands twice doesn't compile.
#[macro_export]
macro_rules! module {
    (name = $name:expr, version = $version:expr, $($handler:path),+ $(,)?) => {
        const _: () = {
            assert!(
                $crate::__private::valid_name($name),
                "a module's name is a-z, 0-9, - and _, begins with a letter and has at most 64 bytes"
            );
            assert!(
                $crate::__private::distinct(&[$(<$handler as $crate::Handler>::NAME),+]),
                "two functions of the module have one name"
            );
        };

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Module;

            impl $crate::__private::wire::ManifestGuest for Module {
                fn describe() -> $crate::__private::wire::Manifest {
                    $crate::__private::wire::Manifest {
                        name: ::std::string::String::from($name),
                        version: ::std::string::String::from($version),
                        functions: ::std::vec![$(<$handler as $crate::Handler>::describe()),+],
                        schemas: ::std::vec::Vec::new(),
                    }
                }
            }

            impl $crate::__private::wire::HandlerGuest for Module {
                fn handle(
                    function: ::std::string::String,
                    events: ::std::vec::Vec<$crate::__private::wire::Event>,
                ) -> ::std::result::Result<
                    ::std::vec::Vec<$crate::__private::wire::Reaction>,
                    $crate::__private::wire::Failure,
                > {
                    $(if function == <$handler as $crate::Handler>::NAME {
                        return $crate::__private::handle::<$handler>(&events);
                    })+
                    ::std::result::Result::Err($crate::__private::unknown(&function))
                }
            }

            $crate::__private::export_manifest!(Module with_types_in $crate::__private::manifest);
            $crate::__private::export_handler!(Module with_types_in $crate::__private::handler);
        };
    };
    (name = $name:expr, $($rest:tt)+) => {
        $crate::module!(name = $name, version = ::core::env!("CARGO_PKG_VERSION"), $($rest)+);
    };
    (version = $version:expr, $($rest:tt)+) => {
        $crate::module!(name = ::core::env!("CARGO_PKG_NAME"), version = $version, $($rest)+);
    };
    ($($handler:path),+ $(,)?) => {
        $crate::module!(
            name = ::core::env!("CARGO_PKG_NAME"),
            version = ::core::env!("CARGO_PKG_VERSION"),
            $($handler),+
        );
    };
}
