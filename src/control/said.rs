//! A copy of the server states of one upstream, for which the table is locked once instead of for each server.

use session_cookie::control::{Override, Place, Standing, State};
use session_cookie::memory::{self, OutOfMemory};

use crate::nginx::control_bits::Control;
use crate::nginx::control_zone::ControlZone;
use crate::nginx::upstream::Upstream;

/// The number of attempts while other processes add servers.
const ATTEMPTS: usize = 4;

/// The states set for the servers of an upstream, and the servers that ask to drain, sorted by address.
#[derive(Default)]
pub(crate) struct Said {
    pub(super) generation: u64,
    servers: Vec<Server>,
}

struct Server {
    address: AddressText,
    place: Place,
    standing: Standing,
}

/// An address, padded with zeros: a longer one does not fit into the table together with the name of an upstream.
type AddressText = [u8; 128];

fn text_of(address: &[u8]) -> AddressText {
    let mut text = [0; 128];
    text.iter_mut()
        .zip(address)
        .for_each(|(place, byte)| *place = *byte);
    text
}

impl Said {
    /// Returns the states of an upstream's servers; none if there is no zone, or if the table keeps changing. See
    /// [`of`](Self::of).
    pub(crate) fn of_shown(
        upstream: Upstream<'_>,
        zone: Option<ControlZone>,
        can_ask: bool,
    ) -> Result<Self, OutOfMemory> {
        let Some(zone) = zone else {
            return Ok(Said::default());
        };
        for _ in 0..ATTEMPTS {
            if let Some(said) = Said::of(upstream, zone, can_ask)? {
                return Ok(said);
            }
        }
        Ok(Said::default())
    }

    /// Returns the states of an upstream's servers; `None` if servers were added in the meantime. What the configuration does
    /// not let operators or servers set is left out. Memory is reserved before the table is locked.
    pub(super) fn of(
        upstream: Upstream<'_>,
        zone: ControlZone,
        can_ask: bool,
    ) -> Result<Option<Self>, OutOfMemory> {
        let is_controlled = zone.is_controlled();
        let mut number = 0usize;
        zone.with(|table| {
            table.each_known(upstream.host(), |_, _, _| number = number.saturating_add(1));
        });
        let mut servers = memory::with_capacity(number)?;
        let generation = zone.with(|table| {
            let mut is_whole = true;
            table.each_known(upstream.host(), |place, address, standing| {
                let standing = Standing {
                    over: standing.over.filter(|_| is_controlled),
                    asked: standing.asked.filter(|_| can_ask),
                };
                is_whole = servers.len() < servers.capacity();
                if is_whole {
                    let server = Server {
                        address: text_of(address),
                        place,
                        standing,
                    };
                    // Within the capacity: nothing is allocated.
                    let _ = memory::push(&mut servers, server);
                }
            });
            is_whole.then(|| table.generation())
        });
        servers.sort_unstable_by_key(|server| server.address);
        Ok(generation.flatten().map(|generation| Said {
            generation,
            servers,
        }))
    }

    fn server(&self, address: &[u8]) -> Option<&Server> {
        if self.servers.is_empty() {
            return None;
        }
        let text = text_of(address);
        let found = (self.servers).binary_search_by(|server| server.address.cmp(&text));
        found.ok().and_then(|at| self.servers.get(at))
    }

    /// Returns the state that was set for a server.
    pub(crate) fn over_of(&self, address: &[u8]) -> Option<Override> {
        self.server(address)?.standing.over
    }

    /// Returns whether an operator has set a server to `down`.
    pub(crate) fn is_down(&self, address: &[u8]) -> bool {
        (self.over_of(address)).is_some_and(|over| over.state == State::Down)
    }

    /// Returns whether a server was set to drain, or asks to drain.
    pub(crate) fn drains(&self, address: &[u8]) -> bool {
        let over = self.over_of(address);
        over.is_some_and(|over| over.state == State::Drain) || self.asked_of(address).is_some()
    }

    /// Returns the second until which a server asks to drain.
    pub(crate) fn asked_of(&self, address: &[u8]) -> Option<u64> {
        self.server(address)?.standing.asked
    }

    /// Returns the place in the table of a server that asks to drain.
    pub(super) fn place_of_asked(&self, address: &[u8]) -> Option<Place> {
        let server = self.server(address)?;
        server.standing.asked.map(|_| server.place)
    }

    /// Returns whether any server asks to drain.
    pub(super) fn has_asked(&self) -> bool {
        (self.servers.iter()).any(|server| server.standing.asked.is_some())
    }

    /// Returns the resulting state of a server. That set by an operator wins; `obeys`: servers that ask to drain are drained.
    pub(super) fn control_of(&self, address: &[u8], obeys: bool) -> Control {
        let standing = self.server(address).map(|server| server.standing);
        match standing.unwrap_or_default() {
            Standing {
                over: Some(over), ..
            } => match over.state {
                State::Drain => Control::Drain,
                State::Down => Control::Down,
            },
            Standing { asked: Some(_), .. } if obeys => Control::Asked,
            Standing { .. } => Control::None,
        }
    }
}
