//! Whole rounds, real QUIC and adversaries; see the files beside src.
