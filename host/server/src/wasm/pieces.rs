//! Large fills and copies of memory become loops of small ones, between which a guest can be held up or ended. As one
//! instruction each they can't be: 60 MiB take milliseconds, and a guest may do that again and again.
//!
//! What they do stays the same, to the byte and to the trap: one that doesn't fit into the memory writes nothing.

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, Component, CustomSection, Function, FunctionSection, Instruction, Module, NameMap, NameSection, RawSection,
    TypeSection, ValType,
};
use wasmparser::{CodeSectionReader, CustomSectionReader, FunctionBody, FunctionSectionReader, Name, Operator, Parser, Payload, TypeRef};
use wasmparser::{Result, TypeSectionReader};

/// Of what this page makes of a component. Code compiled from another's is compiled again.
pub(super) const REVISION: u32 = 1;
/// Bytes that are filled or copied at once: a page of WebAssembly's, some microseconds.
const PIECE_BYTES: i32 = 64 << 10;
const MODULE_SECTION: u8 = 1;
const COMPONENT_SECTION: u8 = 4;

type Reencoded<T> = std::result::Result<T, Error>;

/// `component`, which has been scanned, with its fills and copies in pieces.
pub(super) fn in_pieces(component: &[u8]) -> Reencoded<Vec<u8>> {
    let mut rewritten = Component::new();
    let (mut parser, mut rest) = (Parser::new(0), component);
    while !rest.is_empty() {
        let (consumed, payload) = match parser.parse(rest, true)? {
            wasmparser::Chunk::Parsed { consumed, payload } => (consumed, payload),
            wasmparser::Chunk::NeedMoreData(_) => return Err(Error::InvalidCodeSectionSize),
        };
        rest = &rest[consumed..];
        let mut inner = |range: &std::ops::Range<usize>| {
            let (inner, after) = rest.split_at_checked(range.len()).ok_or(Error::InvalidCodeSectionSize)?;
            rest = after;
            Ok::<_, Error>(inner)
        };
        match &payload {
            Payload::ModuleSection { unchecked_range, .. } => {
                let data = module_in_pieces(inner(unchecked_range)?)?;
                rewritten.section(&RawSection { id: MODULE_SECTION, data: &data });
            }
            Payload::ComponentSection { unchecked_range, .. } => {
                let data = in_pieces(inner(unchecked_range)?)?;
                rewritten.section(&RawSection { id: COMPONENT_SECTION, data: &data });
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    let data = component.get(range).ok_or(Error::InvalidCodeSectionSize)?;
                    rewritten.section(&RawSection { id, data });
                }
            }
        }
    }
    Ok(rewritten.finish())
}

/// Untouched if there is nothing to rewrite.
fn module_in_pieces(module: &[u8]) -> Reencoded<Vec<u8>> {
    let mut pieces = Pieces::default();
    let mut has_any = false;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::TypeSection(types) => pieces.read_types(types)?,
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    pieces.imported += u32::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                }
            }
            Payload::FunctionSection(functions) => pieces.functions = functions.into_iter().collect::<Result<_>>()?,
            Payload::CodeSectionEntry(body) if !has_any => {
                for operator in body.get_operators_reader()? {
                    has_any |= matches!(operator?, Operator::MemoryFill { .. } | Operator::MemoryCopy { .. });
                }
            }
            _ => {}
        }
    }
    if !has_any {
        return Ok(module.to_vec());
    }
    let mut rewritten = Module::new();
    utils::parse_core_module(&mut pieces, &mut rewritten, Parser::new(0), module)?;
    Ok(rewritten.finish())
}

/// What is to be known of a module, to which one type and two functions are added behind its own.
#[derive(Default)]
struct Pieces {
    /// Parameters of each of its types.
    parameters: Vec<u32>,
    imported: u32,
    /// The type of each function of its own.
    functions: Vec<u32>,
    /// Bodies that have been rewritten.
    bodies: usize,
}

impl Pieces {
    fn read_types(&mut self, types: TypeSectionReader<'_>) -> Result<()> {
        for function in types.into_iter_err_on_gc_types() {
            self.parameters.push(function?.params().len() as u32);
        }
        Ok(())
    }

    fn added_type(&self) -> u32 {
        self.parameters.len() as u32
    }

    fn fill(&self) -> u32 {
        self.imported + self.functions.len() as u32
    }

    fn copy(&self) -> u32 {
        self.fill() + 1
    }
}

impl Reencode for Pieces {
    type Error = std::convert::Infallible;

    fn parse_type_section(&mut self, types: &mut TypeSection, section: TypeSectionReader<'_>) -> Reencoded<()> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([ValType::I32; 3], []);
        Ok(())
    }

    fn parse_function_section(&mut self, functions: &mut FunctionSection, section: FunctionSectionReader<'_>) -> Reencoded<()> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.added_type()).function(self.added_type());
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Reencoded<()> {
        utils::parse_code_section(self, code, section)?;
        code.function(&fills()).function(&copies());
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Reencoded<()> {
        let invalid = || Error::InvalidCodeSectionSize;
        let its_type = *self.functions.get(self.bodies).ok_or_else(invalid)?;
        self.bodies += 1;
        let mut length = *self.parameters.get(its_type as usize).ok_or_else(invalid)?;
        let mut locals = Vec::new();
        for group in body.get_locals_reader()? {
            let (count, kind) = group?;
            length = length.checked_add(count).ok_or_else(invalid)?;
            locals.push((count, self.val_type(kind)?));
        }
        // Behind all of its own.
        locals.push((1, ValType::I32));
        let mut function = Function::new(locals);
        let (mut operators, mut is_small) = (body.get_operators_reader()?, false);
        while !operators.eof() {
            let operator = operators.read()?;
            let in_pieces = match &operator {
                Operator::MemoryFill { .. } => Some(self.fill()),
                Operator::MemoryCopy { .. } => Some(self.copy()),
                _ => None,
            };
            let was_small =
                std::mem::replace(&mut is_small, matches!(operator, Operator::I32Const { value } if (0..=PIECE_BYTES).contains(&value)));
            let instruction = self.instruction(operator)?;
            let Some(in_pieces) = in_pieces.filter(|_| !was_small) else {
                function.instruction(&instruction);
                continue;
            };
            // Its three operands are on the stack, the length on top.
            function.instructions().local_tee(length).local_get(length).i32_const(PIECE_BYTES).i32_gt_u();
            function.instructions().if_(BlockType::FunctionType(self.added_type())).call(in_pieces).else_();
            function.instruction(&instruction).instruction(&Instruction::End);
        }
        code.function(&function);
        Ok(())
    }

    /// Names that can't be read are nobody's business: a module is none the worse for them.
    fn parse_custom_section(&mut self, module: &mut Module, section: CustomSectionReader<'_>) -> Reencoded<()> {
        if utils::parse_custom_section(self, module, section.clone()).is_err() {
            module.section(&CustomSection::from(section));
        }
        Ok(())
    }

    /// What a trap's backtrace calls the two.
    fn parse_custom_name_subsection(&mut self, names: &mut NameSection, section: Name<'_>) -> Reencoded<()> {
        let Name::Function(functions) = section else {
            return utils::parse_custom_name_subsection(self, names, section);
        };
        let mut with_ours = NameMap::new();
        for name in functions {
            let name = name?;
            with_ours.append(name.index, name.name);
        }
        with_ours.append(self.fill(), "memory.fill");
        with_ours.append(self.copy(), "memory.copy");
        names.functions(&with_ours);
        Ok(())
    }
}

/// `(at, byte, length)`.
fn fills() -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    let [at, byte, length] = [0, 1, 2];
    code.local_get(at).i64_extend_i32_u().local_get(length).i64_extend_i32_u().i64_add();
    code.memory_size(0).i64_extend_i32_u().i64_const(16).i64_shl().i64_le_u().if_(BlockType::Empty);
    code.loop_(BlockType::Empty).local_get(length).i32_const(PIECE_BYTES).i32_gt_u().if_(BlockType::Empty);
    code.local_get(at).local_get(byte).i32_const(PIECE_BYTES).memory_fill(0);
    code.local_get(at).i32_const(PIECE_BYTES).i32_add().local_set(at);
    code.local_get(length).i32_const(PIECE_BYTES).i32_sub().local_set(length);
    code.br(1).end().end().end();
    // The rest; or all, and the trap, if it doesn't fit.
    code.local_get(at).local_get(byte).local_get(length).memory_fill(0).end();
    function
}

/// `(to, from, length)`; the two may overlap.
fn copies() -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    let [to, from, length] = [0, 1, 2];
    for at in [to, from] {
        code.local_get(at).i64_extend_i32_u().local_get(length).i64_extend_i32_u().i64_add();
        code.memory_size(0).i64_extend_i32_u().i64_const(16).i64_shl().i64_le_u();
    }
    code.i32_and().if_(BlockType::Empty);
    code.local_get(to).local_get(from).i32_le_u().if_(BlockType::Empty);
    // From the first piece on: what is still to be copied lies behind all that was written.
    code.loop_(BlockType::Empty).local_get(length).i32_const(PIECE_BYTES).i32_gt_u().if_(BlockType::Empty);
    code.local_get(to).local_get(from).i32_const(PIECE_BYTES).memory_copy(0, 0);
    for at in [to, from] {
        code.local_get(at).i32_const(PIECE_BYTES).i32_add().local_set(at);
    }
    code.local_get(length).i32_const(PIECE_BYTES).i32_sub().local_set(length);
    code.br(1).end().end().else_();
    // From the last piece on.
    code.loop_(BlockType::Empty).local_get(length).i32_const(PIECE_BYTES).i32_gt_u().if_(BlockType::Empty);
    code.local_get(length).i32_const(PIECE_BYTES).i32_sub().local_set(length);
    for at in [to, from] {
        code.local_get(at).local_get(length).i32_add();
    }
    code.i32_const(PIECE_BYTES).memory_copy(0, 0).br(1).end().end().end().end();
    code.local_get(to).local_get(from).local_get(length).memory_copy(0, 0).end();
    function
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use wasmtime::{Engine, Instance, Store};

    use super::*;
    use crate::wasm::engine;

    const PIECE: u32 = PIECE_BYTES as u32;
    const PAGES: u32 = 6;
    /// Its memory begins with bytes of no pattern. `copy` has locals of its own, and both use a length that is known, too.
    const BOTH: &str = r#"(module
      (import "" "" (func))
      (memory (export "memory") 6)
      (func (export "fill") (param $at i32) (param $byte i32) (param $length i32)
        (memory.fill (i32.const 0) (i32.const 7) (i32.const 3))
        (memory.fill (local.get $at) (local.get $byte) (local.get $length)))
      (func (export "copy") (param $to i32) (param $from i32) (param $length i32) (local i64 i64) (local f32)
        (memory.copy (i32.const 8) (i32.const 0) (i32.const 4))
        (memory.copy (local.get $to) (local.get $from) (local.get $length)))
      (func (export "other") (result i32) i32.const 1))"#;

    /// What a call left in the memory, and whether it trapped; and how often the guest could have been held up.
    fn call(module: &[u8], function: &str, arguments: (u32, u32, u32)) -> (Vec<u8>, bool, u32) {
        let engine: Engine = engine::compiling().unwrap();
        let module = wasmtime::Module::new(&engine, module).unwrap();
        let mut store = Store::new(&engine, ());
        store.set_fuel(u64::MAX).unwrap();
        store.fuel_async_yield_interval(Some(1)).unwrap();
        let nothing = wasmtime::Func::wrap(&mut store, || {});
        let (instance, _) = looked_at(Instance::new_async(&mut store, &module, &[nothing.into()]));
        let instance = instance.unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let mut random = 1_u32;
        for byte in memory.data_mut(&mut store) {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (random >> 24) as u8;
        }
        let function = instance.get_typed_func::<(u32, u32, u32), ()>(&mut store, function).unwrap();
        let (ended, looks) = looked_at(function.call_async(&mut store, arguments));
        (memory.data(&store).to_vec(), ended.is_err(), looks)
    }

    /// What it comes to, and how often it could have been held up.
    fn looked_at<R>(guest: impl Future<Output = R>) -> (R, u32) {
        let (mut guest, mut context, mut looks) = (pin!(guest), Context::from_waker(Waker::noop()), 0);
        loop {
            match guest.as_mut().poll(&mut context) {
                Poll::Ready(ended) => return (ended, looks),
                Poll::Pending => looks += 1,
            }
        }
    }

    #[test]
    fn fills_and_copies_in_pieces_do_what_they_did_in_one_w32() {
        let plain = wat::parse_str(BOTH).unwrap();
        let rewritten = module_in_pieces(&plain).unwrap();
        let same = |function, arguments| {
            let (before, after) = (call(&plain, function, arguments), call(&rewritten, function, arguments));
            assert!((before.0, before.1) == (after.0, after.1), "{function} {arguments:?}");
        };
        let end = PAGES * PIECE;
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 5, end, end + 1, u32::MAX] {
            for at in [0, 100, end - length.min(end), end, u32::MAX] {
                same("fill", (at, 167, length));
                for from in [0, 99, 101, PIECE + 100, end - length.min(end), end] {
                    same("copy", (at, from, length));
                }
            }
        }
    }

    #[test]
    fn a_guest_is_held_up_between_the_pieces_of_what_it_fills_and_copies_w32() {
        let plain = wat::parse_str(BOTH).unwrap();
        let rewritten = module_in_pieces(&plain).unwrap();
        for (function, arguments) in [("fill", (0, 1, 5 * PIECE)), ("copy", (PIECE, 0, 5 * PIECE)), ("copy", (0, PIECE, 5 * PIECE))] {
            let [before, after] = [&plain, &rewritten].map(|module| call(module, function, arguments).2);
            assert!(before < 5 && after >= before + 4, "{function} {arguments:?}: {before} looks, and {after} in pieces");
        }
    }

    #[test]
    fn what_neither_fills_nor_copies_stays_as_it_is() {
        let plain = wat::parse_str("(module (memory 1) (func (result i32) i32.const 1))").unwrap();
        assert_eq!(module_in_pieces(&plain).unwrap(), plain);
        let component = wat::parse_str("(component (core module) (component (core module (memory 1))) (import \"a\" (func)))").unwrap();
        assert_eq!(in_pieces(&component).unwrap(), component);
    }

    #[test]
    fn names_are_kept_and_those_that_can_not_be_read_do_no_harm() {
        let function = "(func $mine (memory.fill (i32.const 0) (i32.const 0) (memory.size)))";
        let named = wat::parse_str(format!("(module (memory 1) {function})")).unwrap();
        let names = String::from_utf8_lossy(&module_in_pieces(&named).unwrap()).into_owned();
        assert!(["mine", "memory.fill", "memory.copy"].iter().all(|name| names.contains(name)), "{names}");
        let unreadable = format!("(module (@custom \"name\" \"\\01\\05\\ff\") (memory 1) {})", function.replace("$mine", ""));
        let rewritten = module_in_pieces(&wat::parse_str(unreadable).unwrap()).unwrap();
        assert!(engine::compiling().unwrap().precompile_module(&rewritten).is_ok());
    }

    #[test]
    fn what_is_no_module_is_told_and_not_rewritten() {
        assert!(in_pieces(b"\0asm\x0d\0\x01\0\x01\x7f").is_err(), "a section that is cut off");
        let broken = wat::parse_str("(module (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 100000))))").unwrap();
        let rewritten = module_in_pieces(&broken).unwrap();
        assert!(engine::compiling().unwrap().precompile_module(&rewritten).is_err(), "without a memory it stays invalid");
    }
}
