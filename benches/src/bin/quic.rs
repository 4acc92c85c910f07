//! Not the way of an upload (`veilsum bench --only ingest`): what each setting of QUIC is worth, turned alone, beside all as they are.
//!
//! Bare quinn with the keys, sockets and settings of `veilsum-quic` on loopback, some members that each send some bytes, by turns with
//! the same with one setting turned. Packets are at most 1 472 bytes here as on Ethernet, though loopback would carry 65 535: what larger
//! ones gain there tells nothing of a network. Loopback has next to no delay: what windows, acknowledgements and congestion control are
//! worth on a long path does not show here, only what they cost.
//!
//! ```sh
//! cargo run --release -p veilsum-benches --bin quic -- --members 20 --mib 8 --turns 9
//! ```

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Parser;
use cpu_time::ProcessTime;
use ed25519_dalek::SigningKey;
use quinn::{
    AckFrequencyConfig, Connection, Endpoint, MtuDiscoveryConfig, TransportConfig, VarInt,
    congestion::{BbrConfig, NewRenoConfig},
};
use tokio::task::JoinSet;
use veilsum_quic::{
    Limits,
    bare::{self, Turn},
};

/// What each setting of QUIC is worth.
#[derive(Parser)]
struct Args {
    /// Members that send at once.
    #[arg(long, default_value_t = 20)]
    members: usize,
    /// MiB that each sends.
    #[arg(long, default_value_t = 8)]
    mib: usize,
    /// Turns of each setting.
    #[arg(long, default_value_t = 9)]
    turns: usize,
    /// Rows whose name holds this text; all when absent.
    #[arg(long)]
    only: Option<String>,
}

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(args.run())
}

/// One setting that is not as the crate has it.
struct Row {
    name: &'static str,
    limits: fn(&mut Limits),
    turn: Turn,
}

impl Row {
    const fn limit(name: &'static str, limits: fn(&mut Limits)) -> Self {
        let turn = bare::as_they_are;
        Self { name, limits, turn }
    }

    const fn transport(name: &'static str, turn: Turn) -> Self {
        let limits = unlimited;
        Self { name, limits, turn }
    }
}

const ROWS: [Row; 15] = [
    Row::limit("nothing", unlimited),
    Row::transport("no segmentation offload", |transport| {
        transport.enable_segmentation_offload(false);
    }),
    Row::transport("packets of 1200, no discovery", |transport| {
        transport.mtu_discovery_config(None);
    }),
    Row::transport("packets up to 1472", |transport| {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(1472);
        transport.mtu_discovery_config(Some(discovery));
    }),
    Row::limit("stream window 256 KiB", |limits| {
        limits.stream_window = 256 << 10;
    }),
    Row::limit("stream window 1 MiB", |limits| {
        limits.stream_window = 1 << 20
    }),
    Row::limit("stream window 8 MiB", |limits| {
        limits.stream_window = 8 << 20
    }),
    Row::limit("socket buffers 208 KiB", |limits| {
        limits.socket_buffer = 208 << 10
    }),
    Row::limit("socket buffers 1 MiB", |limits| {
        limits.socket_buffer = 1 << 20
    }),
    Row::limit("socket buffers 32 MiB", |limits| {
        limits.socket_buffer = 32 << 20
    }),
    Row::transport("acknowledge every 10th", |transport| {
        acknowledge(transport, 10)
    }),
    Row::transport("acknowledge every 40th", |transport| {
        acknowledge(transport, 40)
    }),
    Row::transport("congestion NewReno", |transport| {
        transport.congestion_controller_factory(Arc::new(NewRenoConfig::default()));
    }),
    Row::transport("congestion BBR", |transport| {
        transport.congestion_controller_factory(Arc::new(BbrConfig::default()));
    }),
    Row::transport("send window 2 MiB", |transport| {
        transport.send_window(2 << 20);
    }),
];

fn unlimited(_: &mut Limits) {}

fn acknowledge(transport: &mut TransportConfig, every: u32) {
    let mut frequency = AckFrequencyConfig::default();
    frequency.ack_eliciting_threshold(VarInt::from_u32(every));
    transport.ack_frequency_config(Some(frequency));
}

impl Args {
    async fn run(&self) -> Result<(), Failure> {
        println!(
            "{:<32} {:>8} {:>8} {:>7} {:>10} {:>6} {:>6}",
            "turned", "GB/s", "as is", "ratio", "cpu ratio", "mtu", "lost"
        );
        let bytes = Bytes::from(vec![0x5a; self.mib << 20]);
        for row in &ROWS {
            if self
                .only
                .as_ref()
                .is_some_and(|only| !row.name.contains(only))
            {
                continue;
            }
            let as_is = House::open(self.members, Limits::default(), bare::as_they_are).await?;
            let mut limits = Limits::default();
            (row.limits)(&mut limits);
            let turned = House::open(self.members, limits, row.turn).await?;
            as_is.send(&bytes).await?;
            turned.send(&bytes).await?;
            let mut ratios = Vec::new();
            for _ in 0..self.turns {
                ratios.push((as_is.send(&bytes).await?, turned.send(&bytes).await?));
            }
            self.print(row, &turned, &ratios);
        }
        Ok(())
    }

    fn print(&self, row: &Row, house: &House, turns: &[(Spent, Spent)]) {
        let size = (self.members * (self.mib << 20)) as f64 / 1e9;
        let of = |figure: &dyn Fn(&(Spent, Spent)) -> f64| {
            let mut figures: Vec<f64> = turns.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let rate = |spent: &Spent| size / spent.wall.as_secs_f64();
        let ratio = of(&|(as_is, turned)| rate(turned) / rate(as_is));
        let cpu = of(&|(as_is, turned)| turned.cpu.as_secs_f64() / as_is.cpu.as_secs_f64());
        println!(
            "{:<32} {:>8.3} {:>8.3} {ratio:>7.2} {cpu:>10.2} {:>6} {:>6}",
            row.name,
            of(&|(_, turned)| rate(turned)),
            of(&|(as_is, _)| rate(as_is)),
            house.mtu(),
            house.lost(),
        );
    }
}

/// What a transfer has taken.
struct Spent {
    wall: Duration,
    cpu: Duration,
}

/// A coordinator's endpoint and its members', connected.
struct House {
    links: Vec<(Connection, Connection)>,
    /// What keeps ports open.
    _open: Vec<Endpoint>,
}

impl House {
    async fn open(members: usize, limits: Limits, turn: Turn) -> Result<Self, Failure> {
        let everybody = Arc::new(|_: &[u8; 32]| true);
        let server = bare::server(loopback(), &key(0), everybody, &limits, turn)?;
        let address = server.local_addr()?;
        let coordinator = key(0).verifying_key();
        let (mut links, mut open) = (Vec::new(), Vec::new());
        for index in 1..=members {
            let client = bare::client(loopback(), &key(index), coordinator, &limits, turn)?;
            let connecting = client.connect(address, bare::SERVER_NAME)?;
            let accepting = async {
                let incoming = server.accept().await.ok_or("no peer")?;
                Ok::<_, Failure>(incoming.await?)
            };
            let (member, peer) = tokio::join!(connecting, accepting);
            links.push((member?, peer?));
            open.push(client);
        }
        open.push(server);
        Ok(Self { links, _open: open })
    }

    async fn send(&self, bytes: &Bytes) -> Result<Spent, Failure> {
        let (start, cpu) = (Instant::now(), ProcessTime::now());
        let mut tasks = JoinSet::new();
        for (member, peer) in self.links.iter().cloned() {
            tasks.spawn(send(member, bytes.clone()));
            tasks.spawn(take(peer));
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(Spent {
            wall: start.elapsed(),
            cpu: cpu.elapsed(),
        })
    }

    /// The largest packet of the first member.
    fn mtu(&self) -> u16 {
        let first = self.links.first();
        first.map_or(0, |(member, _)| member.stats().path.current_mtu)
    }

    /// Packets that members lost.
    fn lost(&self) -> u64 {
        let lost = self
            .links
            .iter()
            .map(|(member, _)| member.stats().path.lost_packets);
        lost.sum()
    }
}

async fn send(connection: Connection, bytes: Bytes) -> Result<(), Failure> {
    let mut stream = connection.open_uni().await?;
    for block in bytes.chunks(PIECE) {
        stream.write_all(block).await?;
    }
    stream.finish()?;
    stream.stopped().await?;
    Ok(())
}

async fn take(connection: Connection) -> Result<(), Failure> {
    let mut stream = connection.accept_uni().await?;
    let mut chunks = vec![Bytes::new(); CHUNKS];
    while stream.read_chunks(&mut chunks).await?.is_some() {}
    Ok(())
}

fn key(index: usize) -> SigningKey {
    let mut seed = [3; 32];
    let places = seed.iter_mut().zip(index.to_le_bytes());
    places.for_each(|(place, byte)| *place = byte);
    SigningKey::from_bytes(&seed)
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Bytes written at once, as members write them.
const PIECE: usize = 32 << 10;

/// Datagrams taken off a stream at once.
const CHUNKS: usize = 64;
