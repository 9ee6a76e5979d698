//! What was said of the servers of one upstream, copied: the table is locked once, not for each server.

use session_cookie::control::{Override, State};
use session_cookie::memory::{self, OutOfMemory};

use crate::conf::UpstreamConf;
use crate::nginx::control_bits::Control;
use crate::nginx::control_zone::ControlZone;
use crate::nginx::upstream::Upstream;

/// How often it is tried to copy what others add to meanwhile.
const ATTEMPTS: usize = 4;

/// What was said of the servers of an upstream, in the order of their addresses.
#[derive(Default)]
pub(crate) struct Said {
    pub(super) generation: u64,
    servers: Vec<(AddressText, Override)>,
}

/// An address, as a text with zeros behind it: what is longer has no room in a table beside the name of an upstream.
type AddressText = [u8; 128];

fn text_of(address: &[u8]) -> AddressText {
    let mut text = [0; 128];
    text.iter_mut()
        .zip(address)
        .for_each(|(place, byte)| *place = *byte);
    text
}

impl Said {
    /// Returns what was said of the servers of an upstream, if they can be controlled; nothing, if that changes all the time.
    pub(crate) fn of_shown(
        upstream: Upstream<'_>,
        conf: &UpstreamConf,
    ) -> Result<Self, OutOfMemory> {
        let Some(zone) = conf.control.zone.get() else {
            return Ok(Said::default());
        };
        for _ in 0..ATTEMPTS {
            if let Some(said) = Said::of(upstream, zone)? {
                return Ok(said);
            }
        }
        Ok(Said::default())
    }

    /// Returns what was said of the servers of an upstream; `None`: more was said meanwhile. Memory is at hand before the
    /// table is locked.
    pub(super) fn of(
        upstream: Upstream<'_>,
        zone: ControlZone,
    ) -> Result<Option<Self>, OutOfMemory> {
        let number = zone.with(|table| table.len()).unwrap_or_default();
        let mut servers = memory::with_capacity(number)?;
        let generation = zone.with(|table| {
            table.each(|entry| {
                if entry.upstream == upstream.host() && servers.len() < servers.capacity() {
                    // Within the capacity: nothing is allocated.
                    let _ = memory::push(&mut servers, (text_of(entry.address), entry.over));
                }
            });
            (table.len() <= number).then(|| table.generation())
        });
        servers.sort_unstable_by_key(|(address, _)| *address);
        Ok(generation.flatten().map(|generation| Said {
            generation,
            servers,
        }))
    }

    /// Returns what was said of a server.
    pub(crate) fn over_of(&self, address: &[u8]) -> Option<Override> {
        if self.servers.is_empty() {
            return None;
        }
        let text = text_of(address);
        let found = self.servers.binary_search_by(|(other, _)| other.cmp(&text));
        let said = found.ok().and_then(|at| self.servers.get(at));
        said.map(|(_, over)| *over)
    }

    /// Returns what that makes of a server.
    pub(super) fn control_of(&self, address: &[u8]) -> Control {
        match self.over_of(address).map(|over| over.state) {
            None => Control::None,
            Some(State::Drain) => Control::Drain,
            Some(State::Down) => Control::Down,
        }
    }
}
