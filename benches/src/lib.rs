//! Benchmarks; see the files beside src.
