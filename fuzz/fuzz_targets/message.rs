//! See the module `veilsum_fuzz::message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| veilsum_fuzz::message::run(data));
