//! See the module `veilsum_fuzz::noise`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| veilsum_fuzz::noise::run(data));
