//! See the module `veilsum_fuzz::terms`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| veilsum_fuzz::terms::run(data));
