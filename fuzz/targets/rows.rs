#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| retold_engine::fuzzing::rows(input));
