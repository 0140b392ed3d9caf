//! A look at uploaded bytes before anything costly is done with them: is it WebAssembly, how much of
//! it, and what does it ask for. Reads the structure only; the rules of WebAssembly are judged later,
//! by the compiler.

use retold_engine::model::limits;
use wasmparser::{Encoding, FunctionBody, Parser, Payload};

use super::{ModuleError, interfaces};

pub(super) const FUNCTIONS_MAX: u64 = 100_000;
pub(super) const FUNCTION_BODY_BYTES_MAX: u64 = 1 << 20;
pub(super) const LOCALS_PER_FUNCTION_MAX: u64 = 5_000;
/// Core modules inside a component. wit-component makes about four of one.
pub(super) const NESTED_MODULES_MAX: u64 = 16;
pub(super) const NESTED_COMPONENTS_MAX: u64 = 64;
/// Instances of modules and components that a component makes.
pub(super) const INSTANCES_MAX: u64 = 256;
pub(super) const MEMORIES_MAX: u64 = 2;
pub(super) const TABLES_MAX: u64 = 8;
pub(super) const TABLE_ELEMENTS_MAX: u64 = 20_000;

const WASM_PAGE_BYTES: u64 = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    CoreModule,
    Component,
}

/// Checks `bytes` and tells which of the two kinds of WebAssembly they are.
pub(super) fn scan(bytes: &[u8]) -> Result<Shape, ModuleError> {
    check_kind_of_file(bytes)?;
    let mut scan = Scan::default();
    for payload in Parser::new(0).parse_all(bytes) {
        scan.payload(payload.map_err(malformed)?).map_err(Refused::into_error)?;
    }
    let shape = scan.shape.ok_or_else(|| ModuleError::Malformed { offset: 0, problem: "no header".into() })?;
    if shape == Shape::Component {
        interfaces::check_imports(&scan.imports)?;
        if !scan.exports.iter().any(|export| export == interfaces::MANIFEST) {
            return Err(ModuleError::ExportMissing {
                interface: interfaces::MANIFEST.into(),
                needed_by: String::new(),
                remedy: "end the crate with `retold::module!(…)`, naming its functions".into(),
            });
        }
    }
    Ok(shape)
}

fn check_kind_of_file(bytes: &[u8]) -> Result<(), ModuleError> {
    let not_wasm = |what: &str, remedy: &str| Err(ModuleError::NotWasm { what: what.into(), remedy: remedy.into() });
    if bytes.is_empty() {
        return Err(ModuleError::Empty);
    }
    if bytes.len() > limits::MODULE_BYTES_MAX {
        return Err(ModuleError::TooLarge { found: bytes.len(), max: limits::MODULE_BYTES_MAX });
    }
    if bytes.starts_with(b"\0asm") {
        return Ok(());
    }
    if wasmtime::Engine::detect_precompiled(bytes).is_some() || bytes.starts_with(b"\x7fELF") {
        return not_wasm("native or precompiled code", "that is never taken; upload the .wasm file that it was made from");
    }
    let text = bytes.trim_ascii_start();
    if text.starts_with(b"(module") || text.starts_with(b"(component") || text.starts_with(b";;") {
        return not_wasm("WebAssembly text", "turn it into binary first, for example with `wasm-tools parse`");
    }
    let start: String = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    not_wasm(
        &format!("something that begins with 0x{start}"),
        "upload the file that `retold build` prints, or the .wasm under target/wasm32-unknown-unknown",
    )
}

fn malformed(error: wasmparser::BinaryReaderError) -> ModuleError {
    ModuleError::Malformed { offset: error.offset() as u64, problem: error.message().to_owned() }
}

/// What has been counted so far.
#[derive(Default)]
struct Scan {
    shape: Option<Shape>,
    /// How many modules or components the parser is inside of.
    depth: usize,
    functions: u64,
    modules: u64,
    components: u64,
    instances: u64,
    memories: u64,
    tables: u64,
    imports: Vec<String>,
    exports: Vec<String>,
}

/// A reader's complaint or our own.
enum Refused {
    Reader(wasmparser::BinaryReaderError),
    Rule(ModuleError),
}

impl Refused {
    fn into_error(self) -> ModuleError {
        match self {
            Refused::Reader(error) => malformed(error),
            Refused::Rule(error) => error,
        }
    }
}

impl From<wasmparser::BinaryReaderError> for Refused {
    fn from(error: wasmparser::BinaryReaderError) -> Refused {
        Refused::Reader(error)
    }
}

fn at_most(what: &str, limit: &str, found: u64, max: u64) -> Result<(), Refused> {
    if found <= max {
        return Ok(());
    }
    Err(Refused::Rule(ModuleError::OverLimit { what: what.into(), limit: limit.into(), found, max }))
}

fn add(counter: &mut u64, more: u32) -> u64 {
    *counter += u64::from(more);
    *counter
}

impl Scan {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), Refused> {
        match payload {
            Payload::Version { encoding, .. } if self.shape.is_none() => {
                self.shape = Some(match encoding {
                    Encoding::Module => Shape::CoreModule,
                    Encoding::Component => Shape::Component,
                });
            }
            Payload::ModuleSection { .. } => {
                self.depth += 1;
                at_most("inner modules", "inner-modules", add(&mut self.modules, 1), NESTED_MODULES_MAX)?;
            }
            Payload::ComponentSection { .. } => {
                self.depth += 1;
                at_most("inner components", "inner-components", add(&mut self.components, 1), NESTED_COMPONENTS_MAX)?;
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::InstanceSection(section) => self.instances(section.count())?,
            Payload::ComponentInstanceSection(section) => self.instances(section.count())?,
            Payload::FunctionSection(section) => {
                at_most("functions", "functions", add(&mut self.functions, section.count()), FUNCTIONS_MAX)?
            }
            Payload::CodeSectionEntry(body) => function_body(&body)?,
            Payload::MemorySection(section) => {
                at_most("memories", "memories", add(&mut self.memories, section.count()), MEMORIES_MAX)?;
                for memory in section {
                    let bytes = memory?.initial.saturating_mul(WASM_PAGE_BYTES);
                    at_most("a first memory of bytes", "memory-bytes", bytes, limits::GUEST_MEMORY_BYTES_MAX as u64)?;
                }
            }
            Payload::TableSection(section) => {
                at_most("tables", "tables", add(&mut self.tables, section.count()), TABLES_MAX)?;
                for table in section {
                    at_most("a table of elements", "table-elements", table?.ty.initial, TABLE_ELEMENTS_MAX)?;
                }
            }
            Payload::ComponentImportSection(section) if self.depth == 0 => {
                for import in section {
                    self.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if self.depth == 0 => {
                for export in section {
                    self.exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn instances(&mut self, more: u32) -> Result<(), Refused> {
        at_most("instances", "instances", add(&mut self.instances, more), INSTANCES_MAX)
    }
}

fn function_body(body: &FunctionBody<'_>) -> Result<(), Refused> {
    at_most("a function of bytes", "function-bytes", body.range().len() as u64, FUNCTION_BODY_BYTES_MAX)?;
    let mut locals = 0;
    for group in body.get_locals_reader()? {
        at_most("a function with locals", "locals-per-function", add(&mut locals, group?.0), LOCALS_PER_FUNCTION_MAX)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(bytes: &[u8]) -> String {
        scan(bytes).expect_err("refused").to_string()
    }

    #[test]
    fn what_is_not_webassembly_is_named_for_what_it_is() {
        assert_eq!(scan(b""), Err(ModuleError::Empty));
        assert!(refused(b"  (module)").contains("wasm-tools parse"));
        assert!(refused(b"\x7fELF\x02\x01\x01").contains("precompiled"));
        assert!(refused(b"hello").contains("0x68656c6c6f"));
        assert!(refused(&vec![0; limits::MODULE_BYTES_MAX + 1]).contains("module-bytes"));
    }

    #[test]
    fn a_truncated_file_is_refused_with_the_place_where_it_breaks() {
        let whole = wat::parse_str("(module (memory 1) (func (export \"a\") (result i32) i32.const 7))").unwrap();
        assert_eq!(scan(&whole), Ok(Shape::CoreModule));
        // Behind its head, and behind the section of types, it is a valid, shorter module; everywhere else a cut shows.
        let valid = [8, 8 + 2 + usize::from(whole[9])];
        for length in 4..whole.len() {
            match scan(&whole[..length]) {
                Ok(_) => assert!(valid.contains(&length), "{length} bytes of {}", whole.len()),
                Err(error) => {
                    assert!(matches!(error, ModuleError::Malformed { offset, .. } if offset <= length as u64), "{length}: {error}");
                    assert!(!valid.contains(&length), "{length}: {error}");
                }
            }
        }
    }

    #[test]
    fn a_module_that_would_cost_too_much_is_refused_by_the_limit_s_name() {
        let locals = format!("(module (func {}))", "(local i32)".repeat(5_001));
        assert!(refused(&wat::parse_str(locals).unwrap()).contains("locals-per-function"));
        assert!(refused(&wat::parse_str("(module (memory 1025))").unwrap()).contains("memory-bytes"));
        assert!(refused(&wat::parse_str("(module (table 20001 funcref))").unwrap()).contains("table-elements"));
        let body = format!("(module (func {}))", "nop ".repeat(1 << 20));
        assert!(refused(&wat::parse_str(body).unwrap()).contains("function-bytes"));
        let modules = format!("(component {})", "(core module)".repeat(17));
        assert!(refused(&wat::parse_str(modules).unwrap()).contains("inner-modules"));
    }

    #[test]
    fn imports_that_are_not_granted_are_all_named() {
        let component = wat::parse_str(
            r#"(component (import "wasi:http/types@0.2.0" (instance)) (import "acme:clock/now@1.0.0" (instance)) (import "retold:module/state@0.1.0" (instance)))"#,
        );
        let message = refused(&component.unwrap());
        assert!(message.contains("wasi:http/types@0.2.0, acme:clock/now@1.0.0"), "{message}");
        assert!(!message.contains("state"), "{message}");
    }
}
