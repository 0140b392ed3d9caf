//! The functions that a component exports: found by name when it is loaded, held against the
//! contract's types once an instance.

use retold_engine::model::FunctionKind;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Lift, Lower, TypedFunc};

use super::bindings::{
    AcceptParams, AcceptResult, DecideParams, DecideResult, EvolveParams, EvolveResult, HandleParams, HandleResult, ProjectParams,
    ProjectResult, QueryParams, QueryResult, UpcastParams, UpcastResult,
};
use super::describe::DescribeResult;
use super::error::one_line;
use super::instances::Started;
use super::{ModuleError, interfaces};

/// Where the functions of the contract are in a component.
pub(super) struct Exports {
    describe: Export,
    handle: Export,
    decide: Export,
    evolve: Export,
    project: Export,
    query: Export,
    upcast: Export,
    accept: Export,
}

/// The same in one instance, ready to be called.
pub(super) struct Functions {
    pub(super) handle: Typed<HandleParams<'static>, HandleResult>,
    pub(super) decide: Typed<DecideParams<'static>, DecideResult>,
    pub(super) evolve: Typed<EvolveParams<'static>, EvolveResult>,
    pub(super) project: Typed<ProjectParams<'static>, ProjectResult>,
    pub(super) query: Typed<QueryParams<'static>, QueryResult>,
    pub(super) upcast: Typed<UpcastParams<'static>, UpcastResult>,
    pub(super) accept: Typed<AcceptParams<'static>, AcceptResult>,
}

impl Exports {
    /// An interface that lacks one of its functions is refused here.
    pub(super) fn of(component: &Component) -> Result<Exports, ModuleError> {
        let export = |interface, function| Export::find(component, interface, function);
        Ok(Exports {
            describe: export(interfaces::MANIFEST, "describe")?,
            handle: export(interfaces::HANDLER, "handle")?,
            decide: export(interfaces::AGGREGATE, "decide")?,
            evolve: export(interfaces::AGGREGATE, "evolve")?,
            project: export(interfaces::VIEW, "project")?,
            query: export(interfaces::VIEW, "query")?,
            upcast: export(interfaces::UPCASTER, "upcast")?,
            accept: export(interfaces::INGRESS, "accept")?,
        })
    }

    /// Whether there is what functions of this kind are called through.
    pub(super) fn serves(&self, kind: FunctionKind) -> bool {
        let export = match kind {
            FunctionKind::Handler => &self.handle,
            FunctionKind::Aggregate => &self.decide,
            FunctionKind::View => &self.query,
            FunctionKind::Upcaster => &self.upcast,
            FunctionKind::Ingress => &self.accept,
        };
        export.index.is_some()
    }

    pub(super) fn describe(&self, started: &mut Started) -> Result<TypedFunc<(), DescribeResult>, ModuleError> {
        let describe = self.describe.typed(started)?.found;
        describe.ok_or_else(|| ModuleError::export_missing(interfaces::MANIFEST, None))
    }

    /// All that is exported, of the contract's types. The first that isn't is told by name.
    pub(super) fn typed(&self, started: &mut Started) -> Result<Functions, ModuleError> {
        Ok(Functions {
            handle: self.handle.typed(started)?,
            decide: self.decide.typed(started)?,
            evolve: self.evolve.typed(started)?,
            project: self.project.typed(started)?,
            query: self.query.typed(started)?,
            upcast: self.upcast.typed(started)?,
            accept: self.accept.typed(started)?,
        })
    }
}

/// One function of the contract, where a component exports it.
struct Export {
    interface: &'static str,
    index: Option<ComponentExportIndex>,
}

impl Export {
    fn find(component: &Component, interface: &'static str, function: &str) -> Result<Export, ModuleError> {
        let Some(instance) = component.get_export_index(None, interface) else { return Ok(Export { interface, index: None }) };
        let Some(index) = component.get_export_index(Some(&instance), function) else {
            return Err(ModuleError::ExportMismatch { interface: interface.into(), problem: format!("it has no function `{function}`") });
        };
        Ok(Export { interface, index: Some(index) })
    }

    fn typed<Params, Return>(&self, started: &mut Started) -> Result<Typed<Params, Return>, ModuleError>
    where
        Params: ComponentNamedList + Lower,
        Return: ComponentNamedList + Lift,
    {
        let Some(index) = &self.index else { return Ok(Typed { interface: self.interface, found: None }) };
        let found = started.instance.get_typed_func(&mut started.store, index);
        let found = found.map_err(|error| ModuleError::ExportMismatch { interface: self.interface.into(), problem: one_line(&error) })?;
        Ok(Typed { interface: self.interface, found: Some(found) })
    }
}

/// A function of the contract in one instance, if the component exports it.
pub(super) struct Typed<Params, Return> {
    interface: &'static str,
    found: Option<TypedFunc<Params, Return>>,
}

impl<Params, Return> Typed<Params, Return> {
    pub(super) fn get(&self) -> Result<TypedFunc<Params, Return>, NotExported> {
        self.found.ok_or(NotExported(self.interface))
    }
}

/// A call through an interface that the module hasn't. A module whose manifest asks for that is
/// refused before it is called.
#[derive(Debug, thiserror::Error)]
#[error("the module doesn't export {0}")]
pub(super) struct NotExported(&'static str);
