//! See the module `veilsum_fuzz::files`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| veilsum_fuzz::files::run(data));
