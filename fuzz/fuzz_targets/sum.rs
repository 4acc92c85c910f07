//! See the module `veilsum_fuzz::sum`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| veilsum_fuzz::sum::run(data));
