//! See the module `veilsum_fuzz::encode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| veilsum_fuzz::encode::run(data));
