//! Explains the outcome of a session without a request of it. Nothing is reserved, marked or logged.

use core::cell::Cell;

use ngx::ffi::ngx_uint_t;
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::{Accepted, Fallback, Full};
use session_cookie::roster::{Member, Roster};
use session_cookie::status::{status, Status};
use session_cookie::verdict::{choose, Choice, Reading, Verdict};

use super::directory::Directory;
use super::linger::{Departed, Lingering};
use super::lookup::Reader;
use super::same_id::{chain, limits};
use super::servers::{Edition, IdScheme};
use super::visit::Candidate;
use crate::conf::{StickyUpstream, UpstreamConf};
use crate::nginx::exchange::Trial;
use crate::nginx::peers::{Address, Failures, Peer, Peers};
use crate::nginx::pool::Pool;
use crate::nginx::request::Request;
use crate::nginx::time::milliseconds;
use crate::nginx::time::now;
use crate::nginx::upstream::Upstream;

/// The outcome of a session.
pub(crate) struct Explained<'r> {
    pub(crate) reading: Reading<'r>,
    /// The scheme in which the session names a server, `Some(None)` for the policy's; `None` if it names no server.
    pub(crate) scheme: Option<Option<Accepted>>,
    /// The server that would serve the session; if none that it names would, the first of those.
    pub(crate) member: Option<Member<Peer>>,
    /// The generation of the servers.
    pub(crate) generation: ngx_uint_t,
    pub(crate) would: Status,
    /// The lingering server that would serve the session, if any.
    pub(crate) lingering: Option<Lingering>,
}

/// What is needed to explain the sessions of an upstream.
pub(super) struct Explanation<'a, 'r> {
    reader: Reader<'a, 'r>,
    primary: Peers<'r>,
    is_strict: bool,
}

/// Explains the outcome of a session with this value: that of a cookie, a route, or the ID of a learned session. Returns
/// `None` if the servers are changing.
pub(crate) fn explain<'r>(
    request: Request<'r>,
    upstream: Upstream<'r>,
    conf: &'r UpstreamConf,
    sticky: &'r StickyUpstream,
    value: &'r [u8],
) -> Result<Option<Explained<'r>>, OutOfMemory> {
    let lacks_memory = Cell::new(false);
    let is_strict = sticky.policy.fallback != Fallback::On;
    let explanation = Explanation::new(request, upstream, conf, sticky, is_strict, &lacks_memory);
    let Some(explanation) = explanation else {
        return Ok(None);
    };
    let mut reading = Reading::NONE;
    let named = explanation.read(sticky, value, &mut reading)?;
    let mut explained = explanation.judge(reading, named);
    if let Some(explained) = explained.as_mut().filter(|_| named.is_none()) {
        if let Some((reading, scheme, lingering)) = explanation.lingering(sticky, value)? {
            *explained = Explained {
                reading,
                scheme: Some(explanation.accepted(scheme)),
                would: Status::Bound,
                lingering: Some(lingering),
                ..*explained
            };
        }
    }
    if lacks_memory.get() {
        return Err(OutOfMemory);
    }
    Ok(explained)
}

/// Reads the value as a request to the upstream would.
fn read<'r, D: Directory<'r>>(
    directory: &D,
    sticky: &'r StickyUpstream,
    value: &'r [u8],
    pool: Pool<'r>,
    reading: &mut Reading<'r>,
) -> Result<Option<D::Found>, OutOfMemory> {
    let Some(source) = sticky.source else {
        let named = directory.read_one(value, reading);
        if named.is_none() && sticky.policy.reads_other_schemes() {
            directory.tell(value, reading);
        }
        return Ok(named);
    };
    if value.is_empty() {
        return Ok(None);
    }
    let Some(learn) = &source.learn else {
        return Ok(directory.read_id(value, reading));
    };
    let key = learn.zone.key(value);
    let Some(server) = learn.zone.find(key, milliseconds(), learn.timeout) else {
        return Ok(None);
    };
    let id = pool.copy(server.as_bytes()).ok_or(OutOfMemory)?;
    Ok(directory.read_id(id, reading))
}

impl<'a, 'r> Explanation<'a, 'r> {
    /// Creates the explanation for an upstream whose sessions are [strict](super::strict) or not. `lacks_memory` is set if
    /// memory is short.
    pub(super) fn new(
        request: Request<'r>,
        upstream: Upstream<'r>,
        conf: &'r UpstreamConf,
        sticky: &'r StickyUpstream,
        is_strict: bool,
        lacks_memory: &'a Cell<bool>,
    ) -> Option<Self> {
        let primary = upstream.primary()?;
        let reader = Reader {
            conf,
            policy: &sticky.policy,
            upstream,
            generation: primary.generation_now(),
            edition: Edition::NONE,
            pool: request.pool(),
            lacks_memory,
        };
        Some(Explanation {
            reader,
            primary,
            is_strict,
        })
    }

    /// Reads the value as a request to the upstream would.
    pub(super) fn read(
        &self,
        sticky: &'r StickyUpstream,
        value: &'r [u8],
        reading: &mut Reading<'r>,
    ) -> Result<Option<Candidate>, OutOfMemory> {
        read(&self.reader, sticky, value, self.reader.pool, reading)
    }

    /// Finds the lingering server that a value names, if it names no other. The value is read as a request would.
    pub(super) fn lingering(
        &self,
        sticky: &'r StickyUpstream,
        value: &'r [u8],
    ) -> Result<Option<(Reading<'r>, IdScheme, Lingering)>, OutOfMemory> {
        let (conf, pool) = (self.reader.conf, self.reader.pool);
        let departed = Departed::of(self.reader.upstream, conf, pool, self.reader.lacks_memory)?;
        let Some(departed) = departed else {
            return Ok(None);
        };
        let mut reading = Reading::NONE;
        let found = read(&departed, sticky, value, pool, &mut reading)?;
        Ok(found.map(|(scheme, lingering)| (reading, scheme, lingering)))
    }

    /// Returns the accepted scheme; `None` for the policy's.
    fn accepted(&self, scheme: IdScheme) -> Option<Accepted> {
        match scheme {
            IdScheme::Own => None,
            IdScheme::Accepted(number) => (self.reader.policy.accept)
                .get(usize::from(number))
                .copied(),
        }
    }

    /// Determines the outcome of a session that names these servers.
    fn judge(&self, mut reading: Reading<'r>, named: Option<Candidate>) -> Option<Explained<'r>> {
        let policy = self.reader.policy;
        let Some(named) = named else {
            return Some(Explained {
                would: self.without_server(reading.verdict),
                reading,
                scheme: None,
                member: None,
                generation: self.reader.generation,
                lingering: None,
            });
        };
        let servers = self.reader.servers()?;
        let roster = servers.by(named.scheme)?;
        let bound = self.available(roster, named);
        let leads_elsewhere =
            bound.is_some_and(|member| self.is_left_to_balancer(&servers.own, &member));
        let would = match bound {
            Some(_) if leads_elsewhere => status(
                Choice::Balance,
                reading.verdict,
                policy,
                false,
                policy.silent,
            ),
            Some(_) => Status::Bound,
            None => {
                reading.verdict = reading.verdict.down();
                self.without_server(reading.verdict)
            }
        };
        Some(Explained {
            reading,
            scheme: Some(self.accepted(named.scheme)),
            member: Some(bound.unwrap_or(named.member)),
            generation: self.reader.generation,
            would,
            lingering: None,
        })
    }

    /// Returns the server to which a request of the session would be bound; `None` if its verdict would be `down`.
    pub(super) fn would_bind(&self, named: Candidate) -> Option<Member<Peer>> {
        let servers = self.reader.servers()?;
        let leads_to_backups = self.is_strict || !self.reader.policy.as_nginx;
        // The balancer would be asked first, so the backup is not examined.
        if named.member.backup && !leads_to_backups {
            return Some(named.member);
        }
        let bound = self.available(servers.by(named.scheme)?, named);
        bound.filter(|member| leads_to_backups || !member.backup)
    }

    /// Returns the address of a server; `None` if it may be gone.
    pub(super) fn address_of(&self, member: &Member<Peer>) -> Option<Address> {
        (self.primary).address_of(member, self.reader.generation)
    }

    /// Returns the status of a session whose server is not available.
    fn without_server(&self, verdict: Verdict) -> Status {
        let policy = self.reader.policy;
        let choice = choose(verdict, policy, policy.fallback, policy.silent);
        status(choice, verdict, policy, false, policy.silent)
    }

    /// Returns the first server with the ID that would be chosen.
    fn available(&self, roster: &Roster<Peer>, named: Candidate) -> Option<Member<Peer>> {
        // A strict session avoids a server only if it accepts no connections, but prefers servers without failures.
        let failures: &[Failures] = if self.is_strict {
            &[Failures::Counted, Failures::Ignored]
        } else {
            &[Failures::Counted]
        };
        let mut terms = failures.iter().flat_map(|failures| {
            (limits(self.reader.policy.full).iter()).map(move |full| (*failures, *full))
        });
        terms.find_map(|(failures, full)| {
            let mut servers = chain(roster, named.first).map(|(_, _, member)| member);
            let is_chosen = |member: &&Member<Peer>| {
                self.is_available(member, failures, full) && !self.is_refused(member)
            };
            servers.find(is_chosen).copied()
        })
    }

    fn is_available(&self, member: &Member<Peer>, failures: Failures, full: Full) -> bool {
        let generation = self.reader.generation;
        let reason = (self.primary).reason_of(member, generation, failures);
        reason.is_some_and(|reason| !reason.is_some_and(|reason| reason.keeps_away(full)))
    }

    /// Returns whether a strict session would avoid the server because it accepts no connections.
    fn is_refused(&self, member: &Member<Peer>) -> bool {
        if !self.is_strict {
            return false;
        }
        self.address_of(member).is_some_and(|address| {
            let until = (self.reader.conf).unreachable(|servers| {
                servers.refused_until(address.as_bytes(), now(), Trial::is_connected)
            });
            until.flatten().is_some()
        })
    }

    /// Returns whether the session is left to the balancer although its server is available: like nginx, a session does not
    /// go to a backup while a primary server is available.
    fn is_left_to_balancer(&self, all: &Roster<Peer>, member: &Member<Peer>) -> bool {
        self.reader.policy.as_nginx
            && member.backup
            && !self.is_strict
            && (all.in_order_of([b"", b""])).any(|other| {
                !other.backup
                    && !other.draining
                    && self.is_available(other, Failures::Counted, Full::Move)
            })
    }
}
