//! Uploads on their way to be modules, and modules on their way to be guests.

use std::sync::Arc;

use retold_engine::model::{Digest, Manifest};

use super::calendar::check_schedules;
use super::clock;
use super::host::{HostOptions, io};
use super::inside::Inside;
use super::types::DriveError;
use crate::wasm::{CompileCache, CompileLimits, Compiler, ModuleLoader, Sandbox, WasmModule};

pub struct Modules {
    loader: ModuleLoader,
}

/// A module that passed all checks and isn't active yet.
pub struct Upload {
    pub manifest: Manifest,
    pub digest: Digest,
    pub component: Vec<u8>,
    pub module: Arc<WasmModule>,
}

impl Modules {
    pub fn open(options: &HostOptions) -> Result<Modules, DriveError> {
        let sandbox = Sandbox::new(options.sandbox.clone())?;
        let cache = CompileCache::open(&options.data.join("compiled"), &options.data.join("compiled.secret"), &sandbox)
            .map_err(io("the cache of compiled modules can't be opened"))?;
        let (scratch, limits) = (options.data.join("compiling"), CompileLimits::default());
        let compiler = match &options.compiler {
            Some(program) => Compiler::with_program(program.clone(), scratch, limits),
            None => Compiler::new(scratch, limits).map_err(io("the program that compiles modules can't be found"))?,
        };
        Ok(Modules { loader: ModuleLoader::new(sandbox, compiler, cache) })
    }

    pub fn sandbox(&self) -> &Sandbox {
        self.loader.sandbox()
    }

    /// Checks, compiles and asks a module what it is. Blocks as long as that takes. Without a name it has its
    /// own.
    pub fn upload(&self, name: Option<&str>, bytes: &[u8]) -> Result<Upload, DriveError> {
        let loaded = self.loader.upload(bytes)?;
        loaded.manifest.check(name.unwrap_or(&loaded.manifest.name)).map_err(DriveError::Manifest)?;
        check_schedules(&loaded.manifest, clock::now()).map_err(DriveError::Manifest)?;
        Ok(Upload { manifest: loaded.manifest, digest: loaded.digest, component: loaded.component, module: loaded.module })
    }

    /// A component that was checked when it was uploaded.
    pub fn load(&self, component: &[u8]) -> Result<Arc<WasmModule>, DriveError> {
        Ok(self.loader.open(component)?)
    }

    /// Loads the code of a namespace's active modules. One that can't be loaded is reported; its
    /// functions wait.
    pub fn load_active(&self, namespace: &Inside) -> Result<(), DriveError> {
        let snapshot = namespace.reader.snapshot()?;
        for row in snapshot.modules().filter(|row| row.active) {
            let Some(component) = snapshot.component(row.digest)? else {
                tracing::error!(namespace = %namespace.name, module = %row.name, "its code is missing: deploy it again");
                continue;
            };
            match self.loader.open(&component) {
                Ok(module) => namespace.set_guest(row.digest, module),
                Err(error) => tracing::error!(namespace = %namespace.name, module = %row.name, %error, "its code can't be loaded"),
            }
        }
        Ok(())
    }
}
