//! The table `[limits]`: bounds of connections, the same for coordinator and member.

use super::units::{Size, Time};
use serde::Deserialize;
use veilsum_quic::Limits;

/// What is absent has the transport's default.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsTable {
    idle_timeout: Option<Time>,
    keep_alive: Option<Time>,
    handshake_timeout: Option<Time>,
    stall_timeout: Option<Time>,
    upload_grace: Option<Time>,
    min_upload_rate: Option<Size>,
    connections: Option<usize>,
    handshakes: Option<usize>,
    uploads_per_member: Option<u32>,
}

impl LimitsTable {
    /// The transport's limits.
    pub fn limits(self) -> Limits {
        let default = Limits::default();
        let time = |time: Option<Time>, default| time.map_or(default, |Time(time)| time);
        Limits {
            idle_timeout: time(self.idle_timeout, default.idle_timeout),
            keep_alive: time(self.keep_alive, default.keep_alive),
            handshake_timeout: time(self.handshake_timeout, default.handshake_timeout),
            stall_timeout: time(self.stall_timeout, default.stall_timeout),
            upload_grace: time(self.upload_grace, default.upload_grace),
            min_upload_rate: self
                .min_upload_rate
                .map_or(default.min_upload_rate, |Size(rate)| rate),
            connections: self.connections.unwrap_or(default.connections),
            handshakes: self.handshakes.unwrap_or(default.handshakes),
            uploads: self.uploads_per_member.unwrap_or(default.uploads),
            ..default
        }
    }
}
