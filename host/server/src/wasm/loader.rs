//! From an upload, or from a component that the store keeps, to a module that can be called.

use std::sync::Arc;

use retold_engine::model::{Digest, Manifest};

use super::{CompileCache, Compiler, ModuleError, Sandbox, WasmModule};

/// Compiles what isn't compiled yet and loads the rest. Calls may take as long as the compile limits
/// say; they come from threads that may wait.
pub struct ModuleLoader {
    sandbox: Sandbox,
    compiler: Compiler,
    cache: CompileCache,
}

/// An upload that passed every check that needs no history.
pub struct Loaded {
    /// What to keep: the upload itself, or the component made of it.
    pub component: Vec<u8>,
    /// Of `component`.
    pub digest: Digest,
    pub module: Arc<WasmModule>,
    /// As the module said it. [`Manifest::check`] is still to come.
    pub manifest: Manifest,
}

impl ModuleLoader {
    pub fn new(sandbox: Sandbox, compiler: Compiler, cache: CompileCache) -> ModuleLoader {
        ModuleLoader { sandbox, compiler, cache }
    }

    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Takes a core module or a component from outside.
    pub fn upload(&self, upload: &[u8]) -> Result<Loaded, ModuleError> {
        // A component seen before needs no compiling.
        let digest = Digest::of(upload);
        if let Some(module) = self.load_compiled(digest) {
            return Loaded::new(upload.to_vec(), digest, module?);
        }
        let built = self.compiler.build(upload)?;
        let digest = Digest::of(&built.component);
        let module = self.keep_and_load(digest, &built.compiled)?;
        Loaded::new(built.component, digest, module)
    }

    /// Loads a component that [`ModuleLoader::upload`] gave earlier, on this host or another.
    pub fn open(&self, component: &[u8]) -> Result<Arc<WasmModule>, ModuleError> {
        let digest = Digest::of(component);
        if let Some(module) = self.load_compiled(digest) {
            return module.map(Arc::new);
        }
        let built = self.compiler.build(component)?;
        self.keep_and_load(digest, &built.compiled).map(Arc::new)
    }

    fn load_compiled(&self, digest: Digest) -> Option<Result<WasmModule, ModuleError>> {
        let component = self.cache.load(&self.sandbox, digest)?;
        Some(WasmModule::load(&self.sandbox, &component))
    }

    fn keep_and_load(&self, digest: Digest, compiled: &[u8]) -> Result<WasmModule, ModuleError> {
        let kept = self.cache.store(digest, compiled);
        kept.map_err(|error| ModuleError::host(format!("compiled code can't be written to {}: {error}", self.cache.folder().display())))?;
        let unreadable = || ModuleError::host(format!("compiled code can't be read back from {}", self.cache.folder().display()));
        self.load_compiled(digest).ok_or_else(unreadable)?
    }
}

impl Loaded {
    fn new(component: Vec<u8>, digest: Digest, module: WasmModule) -> Result<Loaded, ModuleError> {
        let manifest = module.describe()?;
        Ok(Loaded { component, digest, module: Arc::new(module), manifest })
    }
}
