//! See the module `veilsum_fuzz::coordinator`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| veilsum_fuzz::coordinator::run(data));
