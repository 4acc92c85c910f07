//! See the module `veilsum_fuzz::member`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| veilsum_fuzz::member::run(data));
