//! Whole rounds in one process: simulated members, drop-out scripts, cost accounting.
