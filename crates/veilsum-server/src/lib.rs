//! The Veilsum coordinator as a service: rounds, staging, admission, publishing.
