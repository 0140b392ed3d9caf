//! The compiling process: this binary, started as `retold __compile`. It reads an upload, makes it a
//! component, compiles it, and ends. Nothing of an upload is parsed or compiled anywhere else, so a
//! file made to hang, exhaust or crash a compiler takes this process with it and no more.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use retold_engine::model::limits;
use rustix::process::{Resource, Rlimit, nice, setrlimit};
use wasmtime::OutOfMemory;

use super::componentize::componentize;
use super::error::one_line;
use super::pieces::in_pieces;
use super::{ModuleError, engine};

/// Exit code that says: standard error holds a [`ModuleError`] as JSON.
pub(super) const REFUSED: u8 = 2;
/// What the compiled code of one module may take.
const OUTPUT_BYTES_MAX: u64 = 512 << 20;

/// An upload, ready to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Built {
    /// The component that the upload was or became.
    pub(super) component: Vec<u8>,
    /// Machine code for the engine of this binary.
    pub(super) compiled: Vec<u8>,
}

/// All that `retold __compile MEMORY_BYTES CPU_SECONDS` does. For the parent alone to call.
pub fn compile_child_main() -> ExitCode {
    match compile_standard_input() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody to tell if this fails: the parent then says that the compiler gave up.
            let _ = serde_json::to_writer(io::stderr(), &error);
            ExitCode::from(REFUSED)
        }
    }
}

fn compile_standard_input() -> Result<(), ModuleError> {
    limit_self(std::env::args().skip(2)).map_err(ModuleError::host)?;
    let mut upload = Vec::new();
    io::stdin().take(limits::MODULE_BYTES_MAX as u64 + 1).read_to_end(&mut upload).map_err(ModuleError::host)?;
    let built = build(&upload)?;
    built.write(&mut io::stdout().lock()).map_err(ModuleError::host)
}

/// Refuses itself more memory and processor time than the two arguments say, and steps back behind
/// the host's threads.
fn limit_self(mut arguments: impl Iterator<Item = String>) -> io::Result<()> {
    let mut number =
        || arguments.next().and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| io::Error::other("__compile needs two numbers"));
    let (memory_bytes, cpu_seconds) = (number()?, number()?);
    let limit = |resource, max| setrlimit(resource, Rlimit { current: Some(max), maximum: Some(max) });
    limit(Resource::As, memory_bytes)?;
    limit(Resource::Cpu, cpu_seconds)?;
    limit(Resource::Fsize, OUTPUT_BYTES_MAX)?;
    limit(Resource::Core, 0)?;
    nice(10)?;
    Ok(())
}

/// What the process does, without the process.
pub(super) fn build(upload: &[u8]) -> Result<Built, ModuleError> {
    let component = componentize(upload)?;
    let engine = engine::compiling().map_err(ModuleError::host)?;
    let compile = |component: &[u8]| {
        engine.precompile_component(component).map_err(|error| match error.is::<OutOfMemory>() {
            true => ModuleError::TooExpensive { what: "the compiler ran out of memory (limit `compile-memory-bytes`)".into() },
            false => ModuleError::Invalid { problem: one_line(&error) },
        })
    };
    let unreadable = |error: wasm_encoder::reencode::Error| ModuleError::Invalid { problem: error.to_string() };
    let compiled = match in_pieces(&component).map_err(unreadable).and_then(|in_pieces| compile(&in_pieces)) {
        Ok(compiled) => compiled,
        // What is wrong is told of the component as its maker knows it.
        Err(why) => return Err(compile(&component).err().unwrap_or(why)),
    };
    Ok(Built { component: component.into_owned(), compiled })
}

impl Built {
    /// The component's length, the component, the compiled code.
    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&(self.component.len() as u64).to_le_bytes())?;
        to.write_all(&self.component)?;
        to.write_all(&self.compiled)?;
        to.flush()
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Built> {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let (component, compiled) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        Some(Built { component: component.to_vec(), compiled: compiled.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::tests::guests;

    #[test]
    fn what_the_compiling_process_writes_the_host_reads() {
        let built = Built { component: vec![1, 2, 3], compiled: vec![4, 5] };
        let mut bytes = Vec::new();
        built.write(&mut bytes).unwrap();
        assert_eq!(Built::read(&bytes), Some(built));
        assert_eq!(Built::read(&bytes[..9]), None);
    }

    #[test]
    fn code_that_breaks_the_rules_of_webassembly_is_refused_with_the_rule() {
        let error = build(&guests::core("i64.const 0")).expect_err("a handler of the wrong type");
        assert!(error.to_string().contains("type mismatch"), "{error}");
    }
}
