//! Servers of an upstream that share an address, which are a single server to Prometheus.

use core::hash::{Hash, Hasher};
use std::hash::DefaultHasher;

use hashbrown::HashTable;
use session_cookie::bytes::Sink;
use session_cookie::memory::{self, OutOfMemory};

use super::listing::{Show, ShownServer, ShownUpstream};
use super::text::Text;

/// The hashed addresses and the connections of all servers, in the order of the listing.
#[derive(Default)]
pub(super) struct Addresses(Vec<(u64, u64)>);

impl Addresses {
    /// Returns the addresses that several servers share.
    pub(super) fn shared(&mut self) -> Result<Shared, OutOfMemory> {
        let mut all = core::mem::take(&mut self.0);
        all.sort_unstable_by_key(|(address, _)| *address);
        let groups = all.chunk_by(|(one, _), (other, _)| one == other);
        let shared = groups.filter(|group| group.len() > 1).filter_map(|group| {
            let sum = (group.iter()).fold(0, |sum: u64, (_, connections)| {
                sum.saturating_add(*connections)
            });
            Some((group.first()?.0, sum))
        });
        Ok(Shared {
            connections: memory::collect(shared)?,
            met: HashTable::new(),
        })
    }
}

impl Show for Addresses {
    fn begin_upstream(&mut self, _: &ShownUpstream<'_>, _: &mut impl Sink) {}

    fn server(&mut self, server: &ShownServer<'_>, _: &mut impl Sink) -> Result<(), OutOfMemory> {
        let connections = server.look().connections as u64;
        memory::push(&mut self.0, (hash_of(server), connections))
    }

    fn end_upstream(&mut self, _: &mut impl Sink) {}
}

/// The addresses that several servers share, with their sums.
#[derive(Default)]
pub(super) struct Shared {
    /// The shared addresses, sorted, each with the connections of all its servers.
    connections: Vec<(u64, u64)>,
    /// The addresses of the current upstream that were met so far. Servers may be added while the response is being
    /// written, so all addresses are recorded.
    met: HashTable<u64>,
}

impl Shared {
    /// Begins an upstream.
    pub(super) fn begin_upstream(&mut self) {
        self.met.clear();
    }

    /// Records a server. Returns the connections of all servers with its address, or `None` if the address was met before.
    pub(super) fn meet(&mut self, server: &ShownServer<'_>) -> Result<Option<u64>, OutOfMemory> {
        let address = hash_of(server);
        if self.met.find(address, |met| *met == address).is_some() {
            return Ok(None);
        }
        memory::insert_unique(&mut self.met, address, address, |met| *met)?;
        let place = (self.connections).binary_search_by_key(&address, |(address, _)| *address);
        let shared = place.ok().and_then(|place| self.connections.get(place));
        let own = server.look().connections as u64;
        Ok(Some(shared.map_or(own, |(_, connections)| *connections)))
    }
}

/// Returns a hash of the upstream and of the address as the response shows it, where all invalid UTF-8 looks the same.
fn hash_of(server: &ShownServer<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    server.upstream().hash(&mut hasher);
    Text(server.address()).chunks(|text| hasher.write(text.as_bytes()));
    hasher.finish()
}
