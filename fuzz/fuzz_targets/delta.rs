//! See the module `veilsum_fuzz::delta`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| veilsum_fuzz::delta::run(data));
