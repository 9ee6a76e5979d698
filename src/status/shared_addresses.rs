//! Servers of an upstream that have one address: to Prometheus they are one.

use core::hash::{Hash, Hasher};
use std::hash::DefaultHasher;

use hashbrown::HashTable;
use session_cookie::bytes::Sink;
use session_cookie::memory::{self, OutOfMemory};

use super::listing::{Show, ShownServer, ShownUpstream};
use super::text::Text;

/// The addresses of all servers, as they are met, and their connections.
#[derive(Default)]
pub(super) struct Addresses(Vec<(u64, u64)>);

impl Addresses {
    /// Returns those that several servers share.
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

/// What servers with one address share.
#[derive(Default)]
pub(super) struct Shared {
    /// Such addresses, in order, and the connections of all their servers.
    connections: Vec<(u64, u64)>,
    /// The addresses of the upstream that were met. Servers may come while the answer is written, so all are noted.
    met: HashTable<u64>,
}

impl Shared {
    /// Begins with the servers of an upstream.
    pub(super) fn begin_upstream(&mut self) {
        self.met.clear();
    }

    /// Notes a server, and returns the connections of all servers with its address; `None`: one with it was met before.
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

/// Returns what tells an address of an upstream from others, as the answer writes it: bytes that are no UTF-8 are all the
/// same there.
fn hash_of(server: &ShownServer<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    server.upstream().hash(&mut hasher);
    Text(server.address()).chunks(|text| hasher.write(text.as_bytes()));
    hasher.finish()
}
