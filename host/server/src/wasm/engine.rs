//! The one wasmtime configuration: what WebAssembly may be here, and how much of it at once.
//!
//! docs/DETERMINISM.md and SECURITY.md lean on this page: a change here is a change of what guests
//! can do. The compiling process uses [`compiling`], the host [`running`]; code made by the first
//! runs in the second because everything that shapes code stands in [`code`].

use std::num::NonZeroUsize;

use retold_engine::model::limits;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy, WasmBacktraceDetails};

use super::scan;

/// Stack that a guest's own calls may use.
pub(super) const GUEST_STACK_BYTES_MAX: usize = 512 << 10;
/// Frames that a trap's backtrace names.
const BACKTRACE_FRAMES_MAX: usize = 16;
/// A guest's own stack, on which host functions that it calls run too.
const STACK_BYTES: usize = 4 * GUEST_STACK_BYTES_MAX;
/// Address space kept for one memory. All of 32 bits, so that compiled code needs no bounds checks:
/// it is only reserved, never used.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
const MEMORY_GUARD_BYTES: u64 = 32 << 20;

/// What an operator may set about the sandbox.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Instances that exist at one time, of all modules, at work or idle. More calls than that find
    /// the host unavailable and are tried again.
    pub instances_max: u32,
    /// Time between two [`super::Sandbox::tick`]s, in milliseconds.
    pub tick_ms: u64,
    /// Wall time of one call, in milliseconds. Far beyond what the fuel allows on a machine at rest:
    /// it ends calls on a machine that stalls, and is never an outcome.
    pub call_ms_max: u64,
    /// The same of one query: somebody waits for it, and its answer is never part of an outcome.
    pub query_wall_ms: u64,
    /// Fuel that a module may burn to say what it is.
    pub describe_fuel: u64,
    /// What the memories of all guests may hold together. A call that needs more finds the host unavailable and is tried
    /// again.
    pub guests_memory_bytes_max: usize,
    /// Instances that a module keeps for its next calls.
    pub idle_instances_max: usize,
    /// Calls that one instance serves before it is replaced, so that leaks end.
    pub calls_per_instance_max: u32,
    /// How far an instance's memory may have grown since its start and still be kept.
    pub idle_growth_bytes_max: usize,
}

impl Default for SandboxOptions {
    fn default() -> SandboxOptions {
        SandboxOptions {
            instances_max: 64,
            tick_ms: 10,
            call_ms_max: 10_000,
            query_wall_ms: 2_000,
            describe_fuel: 100_000_000,
            guests_memory_bytes_max: 1 << 30,
            idle_instances_max: 4,
            calls_per_instance_max: 10_000,
            idle_growth_bytes_max: 16 << 20,
        }
    }
}

/// The engine that guests run in.
pub(super) fn running(options: &SandboxOptions) -> wasmtime::Result<Engine> {
    let mut config = code();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options.instances_max)));
    Engine::new(&config)
}

/// The engine that only compiles: it reserves no address space for guests.
pub(super) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&code())
}

/// Everything that shapes compiled code.
fn code() -> Config {
    let mut config = Config::new();
    features(&mut config);
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true)
        .max_wasm_stack(GUEST_STACK_BYTES_MAX)
        .async_stack_size(STACK_BYTES)
        .async_stack_zeroing(true)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .memory_guard_size(MEMORY_GUARD_BYTES)
        .guard_before_linear_memory(true)
        .memory_init_cow(true)
        .debug_info(false)
        .native_unwind_info(false)
        .generate_address_map(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX));
    config
}

/// WebAssembly 2.0 and the component model as it was before async. What is off is either a source of
/// chance (threads, relaxed SIMD), unseen by the limiter (shared memory), or young.
fn features(config: &mut Config) {
    config
        .wasm_component_model(true)
        .wasm_component_model_error_context(false)
        .wasm_component_model_gc(false)
        .wasm_component_model_map(false)
        .wasm_component_model_memory64(false)
        .wasm_component_model_fixed_length_lists(false)
        .wasm_component_model_implements(false)
        .concurrency_support(false)
        .gc_support(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .wasm_shared_everything_threads(false)
        .shared_memory(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_custom_page_sizes(false)
        .wasm_tail_call(false)
        .wasm_wide_arithmetic(false)
        .wasm_relaxed_simd(false)
        .relaxed_simd_deterministic(true);
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(4 * instances)
        .total_memories(2 * instances)
        .total_tables(4 * instances)
        .total_stacks(instances)
        .max_memory_size(limits::GUEST_MEMORY_BYTES_MAX)
        .max_memories_per_component(scan::MEMORIES_MAX as u32)
        .max_memories_per_module(scan::MEMORIES_MAX as u32)
        .max_tables_per_component(scan::TABLES_MAX as u32)
        .max_tables_per_module(scan::TABLES_MAX as u32)
        .table_elements(scan::TABLE_ELEMENTS_MAX as usize)
        .max_core_instances_per_component(scan::NESTED_MODULES_MAX as u32)
        .max_unused_warm_slots(4)
        // With Linux 6.7 and later a slot is cleaned by zeroing the pages that were written, as long
        // as they are few; else by giving them back. Halves what a fresh instance costs.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(32 << 10);
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two engines take each other's code when this says the same.
    fn compatibility(engine: &Engine) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn code_of_the_compiling_process_runs_in_the_host() {
        let options = SandboxOptions { instances_max: 2, ..SandboxOptions::default() };
        assert_eq!(compatibility(&running(&options).unwrap()), compatibility(&compiling().unwrap()));
    }

    #[track_caller]
    fn off(wat: &str) {
        let engine = compiling().unwrap();
        let bytes = wat::parse_str(wat).unwrap();
        assert!(engine.precompile_module(&bytes).is_err(), "accepted: {wat}");
    }

    #[test]
    fn what_is_young_or_a_source_of_chance_is_off() {
        off("(module (memory 1 1 shared))");
        off("(module (memory i64 1))");
        off("(module (memory 1) (memory 1))");
        off("(module (tag))");
        off("(module (type (struct)))");
        off("(module (func (result v128) v128.const i64x2 0 0 v128.const i64x2 0 0 i8x16.relaxed_swizzle))");
        off("(module (func $f return_call $f))");
    }
}
