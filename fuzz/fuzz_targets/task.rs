//! See the module `veilsum_fuzz::task`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| veilsum_fuzz::task::run(data));
