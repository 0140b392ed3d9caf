//! `Types`: the event and command types that a function names, with the schemas that they ask for.

use schemars::JsonSchema;

use crate::bindings::wire;
use crate::{Command, Event};

/// Writes a type's JSON Schema. A function pointer, so that a module without schemas carries no code
/// for them.
pub type WriteSchema = fn() -> String;

/// Types in the order in which they were named.
#[derive(Default)]
pub struct Types {
    list: Vec<(&'static str, Role, Option<WriteSchema>)>,
}

/// What a function does with data of a type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Event,
    Command,
    /// The host records it when it is due; nobody emits it.
    Timer,
}

impl Types {
    pub fn event<E: Event>(&mut self) {
        self.list.push((E::TYPE, Role::Event, E::SCHEMA));
    }

    pub fn command<C: Command>(&mut self) {
        self.list.push((C::TYPE, Role::Command, C::SCHEMA));
    }

    pub fn timer<E: Event>(&mut self) {
        self.list.push((E::TYPE, Role::Timer, E::SCHEMA));
    }

    /// Of one role: sorted, each once.
    pub fn of_role(&self, role: Role) -> Vec<&'static str> {
        self.names(|of| of == role)
    }

    fn names(&self, wanted: impl Fn(Role) -> bool) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (name, _, _) in self.list.iter().filter(|(_, role, _)| wanted(*role)) {
            // A sort would be a tenth of a small module's code.
            if let Err(place) = names.binary_search(name) {
                names.insert(place, *name);
            }
        }
        names
    }

    /// One for each type that asked for it, sorted by type. Where two shapes of one type did, the
    /// first named counts.
    pub fn schemas(&self) -> Vec<wire::Schema> {
        let asked = |name| self.list.iter().find_map(|(of, _, write)| write.filter(|_| *of == name));
        let schema = |name: &'static str| Some(wire::Schema { type_: name.to_owned(), json: asked(name)?() });
        self.names(|_| true).into_iter().filter_map(schema).collect()
    }
}

/// JSON Schema 2020-12 of what serde reads as a `T`. What it refers to stands under its own `$defs`.
pub fn write_schema<T: JsonSchema>() -> String {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    let schema = settings.into_generator().into_root_schema_for::<T>();
    schema.as_value().to_string()
}
