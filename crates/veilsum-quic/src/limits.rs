//! Not the limits of a round: those stand in the task. Here are the bounds of one endpoint, from which
//! QUIC's own windows are derived, so that nobody tunes two numbers that must agree.

use std::{sync::Arc, time::Duration};

use quinn::{IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};
use thiserror::Error;

/// What one endpoint lets its peers cost.
///
/// The defaults suit a coordinator of a few hundred members with models of up to a gigabyte. Memory a
/// peer can pin is at most [`Limits::receive_window`] bytes that the application has not read, one frame
/// and [`Limits::send_queue`] queued frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame body taken in on the control stream, in bytes, until
    /// [`Link::set_frame_limit`](crate::Link::set_frame_limit) says otherwise. Default 1 MiB.
    pub frame: usize,
    /// Largest upload header, in bytes. Default 4 KiB.
    pub header: usize,
    /// Frames that wait for the network before [`Link::send`](crate::Link::send) waits. Default 64.
    pub send_queue: usize,
    /// Uploads one member may have open at once. Default 4.
    pub uploads: u32,
    /// Blob requests one member may have open at once. Default 4.
    pub fetches: u32,
    /// Bytes of one stream that may be under way unread; over a long path this over the round-trip time
    /// bounds the rate. Default 2 MiB.
    pub stream_window: u32,
    /// Bytes sent to one peer and not acknowledged, over all of its streams. Default 8 MiB.
    pub send_window: u32,
    /// Silence after which a connection is dead. Default 30 s.
    pub idle_timeout: Duration,
    /// How often a member says that it is alive; well below `idle_timeout`. Default 10 s.
    pub keep_alive: Duration,
    /// From the first packet to the coordinator's hello. Default 10 s.
    pub handshake_timeout: Duration,
    /// Handshakes under way at once; further ones wait their turn. Default 128.
    pub handshakes: usize,
    /// Handshakes under way from which a source must first show that it owns its address (QUIC Retry);
    /// 0 asks everyone. Default 32.
    pub retry_from: usize,
    /// Live connections of one identity; a newer one closes the oldest. Default 1.
    pub connections_per_identity: usize,
    /// Live connections of all identities. Default 4096.
    pub connections: usize,
    /// Lowest average rate of an upload in bytes a second, counted while the reader waits; 0 is none.
    /// Default 16 KiB/s.
    pub min_upload_rate: u64,
    /// Waiting that an upload has for free, for its header and in all for its body. Default 10 s.
    pub upload_grace: Duration,
    /// Longest pause within a blob transfer, on both sides. Default 20 s.
    pub stall_timeout: Duration,
    /// Most bytes of a blob served for one request. Default 64 MiB.
    pub blob_range: u64,
    /// Kernel buffers asked for each way, in bytes; the kernel may grant less. Default 8 MiB.
    pub socket_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 1 << 20,
            header: 4 << 10,
            send_queue: 64,
            uploads: 4,
            fetches: 4,
            stream_window: 2 << 20,
            send_window: 8 << 20,
            idle_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            handshakes: 128,
            retry_from: 32,
            connections_per_identity: 1,
            connections: 4096,
            min_upload_rate: 16 << 10,
            upload_grace: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(20),
            blob_range: 64 << 20,
            socket_buffer: 8 << 20,
        }
    }
}

/// Limits that no connection can live under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitsError {
    /// A limit of nothing.
    #[error("limit {name} is 0, wanted at least 1")]
    Zero {
        /// The field.
        name: &'static str,
    },
    /// A limit that the wire cannot express.
    #[error("limit {name} is {found}, wanted at most {wanted}")]
    TooLarge {
        /// The field.
        name: &'static str,
        /// The value, in the field's unit (milliseconds for times).
        found: u128,
        /// The most.
        wanted: u128,
    },
    /// A keep-alive that comes too late.
    #[error("keep_alive is {found:?}, wanted less than half of idle_timeout, {idle_timeout:?}")]
    KeepAlive {
        /// The interval found.
        found: Duration,
        /// The time it must stay below the half of.
        idle_timeout: Duration,
    },
}

impl Limits {
    /// Bytes one peer may have under way unread, over all of its streams: a full window for each, so
    /// that stuck uploads never hold back a control frame.
    // spec: [quic.windows]
    pub fn receive_window(&self) -> u64 {
        let streams = u64::from(self.uploads)
            .saturating_add(u64::from(self.fetches))
            .saturating_add(1);
        u64::from(self.stream_window).saturating_mul(streams)
    }

    /// What the coordinator's connections run under.
    pub(crate) fn server_transport(&self) -> Result<Arc<TransportConfig>, LimitsError> {
        let mut config = self.transport()?;
        config
            .max_concurrent_uni_streams(self.uploads.into())
            .max_concurrent_bidi_streams(self.fetches.into());
        Ok(Arc::new(config))
    }

    /// What the member's connections run under: the coordinator may open the control stream, no more.
    // spec: [quic.streams]
    pub(crate) fn client_transport(&self) -> Result<Arc<TransportConfig>, LimitsError> {
        if self.keep_alive.saturating_mul(2) >= self.idle_timeout {
            return Err(LimitsError::KeepAlive {
                found: self.keep_alive,
                idle_timeout: self.idle_timeout,
            });
        }
        let mut config = self.transport()?;
        config
            .max_concurrent_uni_streams(0_u32.into())
            .max_concurrent_bidi_streams(1_u32.into())
            .keep_alive_interval(Some(self.keep_alive));
        Ok(Arc::new(config))
    }

    fn transport(&self) -> Result<TransportConfig, LimitsError> {
        self.check()?;
        let idle = IdleTimeout::try_from(self.idle_timeout).map_err(|_| LimitsError::TooLarge {
            name: "idle_timeout",
            found: self.idle_timeout.as_millis(),
            wanted: u128::from(VarInt::MAX.into_inner()),
        })?;
        let mut config = TransportConfig::default();
        // what each is worth stands in benches/RESULTS.md, QUIC; acknowledgements and congestion control are quinn's own, since
        // turning them gains nothing there
        config
            .max_idle_timeout(Some(idle))
            // from 256 KiB to 8 MiB the rate on loopback is the same within 6 %: the width is for long paths
            .stream_receive_window(self.stream_window.into())
            .receive_window(VarInt::from_u64(self.receive_window()).unwrap_or(VarInt::MAX))
            .send_window(self.send_window.into())
            // packets of 1 452 bytes; those of 1 200 bring 0.88 of the rate for 1.09 of the processor time
            .mtu_discovery_config(Some(MtuDiscoveryConfig::default()))
            // without it 0.42 of the rate for 2.2 times the processor time
            .enable_segmentation_offload(true)
            .allow_spin(false)
            .datagram_receive_buffer_size(None);
        Ok(config)
    }

    fn check(&self) -> Result<(), LimitsError> {
        let counts = [
            ("frame", self.frame),
            ("header", self.header),
            ("send_queue", self.send_queue),
            (
                "stream_window",
                usize::try_from(self.stream_window).unwrap_or(usize::MAX),
            ),
            (
                "send_window",
                usize::try_from(self.send_window).unwrap_or(usize::MAX),
            ),
            ("handshakes", self.handshakes),
            ("connections_per_identity", self.connections_per_identity),
            ("connections", self.connections),
            (
                "blob_range",
                usize::try_from(self.blob_range).unwrap_or(usize::MAX),
            ),
        ];
        if let Some((name, _)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(LimitsError::Zero { name });
        }
        let sizes = [
            ("frame", self.frame, MAX_FRAME),
            ("header", self.header, MAX_FRAME),
            ("handshakes", self.handshakes, MAX_PERMITS),
            ("send_queue", self.send_queue, MAX_PERMITS),
        ];
        match sizes.into_iter().find(|(_, found, wanted)| found > wanted) {
            Some((name, found, wanted)) => Err(LimitsError::TooLarge {
                name,
                found: u128::try_from(found).unwrap_or(u128::MAX),
                wanted: u128::try_from(wanted).unwrap_or(u128::MAX),
            }),
            None => Ok(()),
        }
    }
}

/// What a length of 32 bits can say.
pub(crate) const MAX_FRAME: usize = u32::MAX as usize;

/// More waiting than this is a slip of the pen, and tokio's queues have an end too.
const MAX_PERMITS: usize = 1 << 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_a_valid_pair_of_transports() {
        Limits::default().server_transport().unwrap();
        Limits::default().client_transport().unwrap();
    }

    // spec: [quic.windows]
    #[test]
    fn the_connection_window_holds_a_full_window_for_every_stream() {
        let limits = Limits {
            uploads: 3,
            fetches: 2,
            stream_window: 1000,
            ..Limits::default()
        };
        assert_eq!(limits.receive_window(), 6000);
    }

    #[test]
    fn impossible_limits_are_named() {
        let no_frame = Limits {
            frame: 0,
            ..Limits::default()
        };
        assert_eq!(
            no_frame.server_transport().err(),
            Some(LimitsError::Zero { name: "frame" })
        );
        let lazy = Limits {
            keep_alive: Duration::from_secs(15),
            ..Limits::default()
        };
        assert!(matches!(
            lazy.client_transport(),
            Err(LimitsError::KeepAlive { .. })
        ));
        let forever = Limits {
            idle_timeout: Duration::MAX,
            ..Limits::default()
        };
        let error = forever.server_transport().err().unwrap();
        assert!(matches!(
            error,
            LimitsError::TooLarge {
                name: "idle_timeout",
                ..
            }
        ));
    }
}
