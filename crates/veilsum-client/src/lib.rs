//! The member's SDK: session, site policy, ledger, retry.
