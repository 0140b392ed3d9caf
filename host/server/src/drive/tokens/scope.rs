//! What a token may do.

/// Each stands by itself: none includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Append events.
    Append,
    /// Read events, types, the flow, and how functions and what waits for them stand; read as a consumer.
    Read,
    /// Send commands.
    Command,
    /// Read views and aggregates.
    Query,
    /// Deploy, rehearse, roll back and remove modules; set schemas.
    Deploy,
    /// Everything else that changes how a namespace stands; on all namespaces, tokens and metrics too.
    Operate,
}

impl Scope {
    pub const ALL: [Scope; 6] = [Scope::Append, Scope::Read, Scope::Command, Scope::Query, Scope::Deploy, Scope::Operate];

    pub const fn name(self) -> &'static str {
        match self {
            Scope::Append => "append",
            Scope::Read => "read",
            Scope::Command => "command",
            Scope::Query => "query",
            Scope::Deploy => "deploy",
            Scope::Operate => "operate",
        }
    }

    pub fn named(name: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// All names, for who wrote another.
    pub fn names() -> String {
        Scope::ALL.map(Scope::name).join(", ")
    }
}

/// A set of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the order of `Scope::ALL`.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Scopes {
        Scopes(scopes.into_iter().fold(0, |bits, scope| bits | 1 << scope as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_found_by_its_name_and_a_set_holds_what_was_put_into_it() {
        for scope in Scope::ALL {
            assert_eq!(Scope::named(scope.name()), Some(scope));
            let only: Scopes = [scope].into_iter().collect();
            assert_eq!(only.iter().collect::<Vec<_>>(), [scope]);
        }
        assert_eq!((Scope::named("admin"), Scope::named("Read")), (None, None));
        assert!(Scopes::default().is_empty());
    }
}
