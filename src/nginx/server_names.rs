//! The names and properties of an upstream's servers, copied under the lock of their group and processed without it.

use ngx::ffi::{ngx_time, ngx_uint_t, time_t};
use session_cookie::memory::{self, OutOfMemory};
use session_cookie::roster::Member;

use super::peers::{after, line_of, names_of, Look, Peer, Peers};
use super::upstream::{ServerLine, Upstream};

/// How many servers are copied under one lock, and how many bytes of text are expected for each.
const SLICE: usize = 512;
const TEXT: usize = 160;

/// A removed server is freed after a delay, and a server added later may get its memory; head and number of the list may then be
/// unchanged. Modules that add and remove servers wait longer than this, in seconds.
pub(crate) const WATCHED: time_t = 20;

/// The properties of a server list that can be compared without reading any server. Modules that add and remove servers do not
/// change the generation, but they insert new servers at the head and keep `number` up to date.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Shape {
    head: Peer,
    pub(crate) number: usize,
}

impl Shape {
    /// The shape of no list.
    pub(crate) const NONE: Self = Shape {
        head: Peer::NONE,
        number: usize::MAX,
    };

    /// Returns the current shape of a group. Without the lock, the result may be that of a list that is being changed.
    #[inline(always)]
    pub(crate) fn of(peers: Peers<'_>) -> Self {
        // SAFETY: the group lives as long as its handle; both are members of it, and the head is not dereferenced.
        unsafe {
            Shape {
                head: Peer::new((*peers.as_ptr()).peer),
                number: (*peers.as_ptr()).number,
            }
        }
    }
}

impl Default for Shape {
    fn default() -> Self {
        Shape::NONE
    }
}

/// The names and properties of a server.
pub(crate) struct Known<'a> {
    pub(crate) peer: Peer,
    /// The address as nginx prints it.
    pub(crate) name: &'a [u8],
    /// The `server` directive of the server: its address, and whether it has `backup`.
    pub(crate) line: (&'a [u8], bool),
    /// The address as a `struct sockaddr`.
    pub(crate) address: &'a [u8],
    /// The value of nginx's own `route=`.
    pub(crate) route: Option<&'a [u8]>,
    /// Whether the server has nginx's own `drain`.
    pub(crate) draining: bool,
    /// Whether `resolve` has added it.
    pub(crate) resolved: bool,
    /// The state of the server when it was copied.
    pub(crate) look: Look,
}

impl<'a> Known<'a> {
    /// Returns the names of a server that was added by `resolve` and is no longer in the list.
    pub(crate) fn gone(name: &'a [u8], address: &'a [u8], line: &ServerLine<'a>) -> Self {
        Known {
            peer: Peer::NONE,
            name,
            line: (line.name, line.is_backup),
            address,
            route: line.route,
            draining: false,
            resolved: true,
            look: Look::NONE,
        }
    }
}

/// A server of a slice: like [`Known`], with the lengths of its texts.
struct Copied {
    peer: Peer,
    name: usize,
    line: usize,
    address: usize,
    route: Option<usize>,
    line_is_backup: bool,
    draining: bool,
    resolved: bool,
    look: Look,
}

/// A number of consecutive servers.
pub(crate) struct Slice {
    servers: Vec<Copied>,
    /// The concatenated texts of the servers.
    text: Vec<u8>,
    /// How much memory the texts of the next server need, if they did not fit.
    wanted: usize,
}

impl Slice {
    fn new(servers: usize) -> Result<Self, OutOfMemory> {
        Ok(Slice {
            servers: memory::with_capacity(servers)?,
            text: memory::with_capacity(servers.saturating_mul(TEXT))?,
            wanted: 0,
        })
    }

    /// Empties the slice, and reserves memory before the group is locked.
    fn clear(&mut self) -> Result<(), OutOfMemory> {
        self.servers.clear();
        self.text.clear();
        self.text.try_reserve(self.wanted)?;
        Ok(())
    }

    /// Copies a server, unless that would need a memory allocation.
    ///
    /// # Safety
    ///
    /// The server is in the group `peers` of `primary`, which stays locked until this returns.
    unsafe fn copy(&mut self, primary: Peers<'_>, peers: Peers<'_>, peer: Peer) -> bool {
        // SAFETY: the caller guarantees that the server is in a locked group, and the texts are copied before this returns.
        let (names, (line, line_is_backup), look) = unsafe {
            let line = line_of(primary, peer, peers != primary);
            (names_of(peer), line, peers.look(peer))
        };
        let texts = [
            names.name,
            line,
            names.address,
            names.route.unwrap_or_default(),
        ];

        let length = texts
            .iter()
            .fold(0usize, |sum, text| sum.saturating_add(text.len()));
        let left = self.text.capacity().saturating_sub(self.text.len());
        if length > left || self.servers.len() == self.servers.capacity() {
            self.wanted = length;
            return false;
        }
        let server = Copied {
            peer,
            name: names.name.len(),
            line: line.len(),
            address: names.address.len(),
            route: names.route.map(<[u8]>::len),
            line_is_backup,
            draining: names.draining,
            resolved: names.resolved,
            look,
        };
        let copied = (texts.iter()).try_for_each(|text| memory::append(&mut self.text, text));
        copied.is_ok() && memory::push(&mut self.servers, server).is_ok()
    }

    fn iter(&self) -> impl Iterator<Item = Known<'_>> {
        let mut rest = self.text.as_slice();
        let mut take = move |length| {
            let (text, after) = rest.split_at_checked(length).unwrap_or_default();
            rest = after;
            text
        };
        self.servers.iter().map(move |copied| Known {
            peer: copied.peer,
            name: take(copied.name),
            line: (take(copied.line), copied.line_is_backup),
            address: take(copied.address),
            route: copied.route.map(&mut take),
            draining: copied.draining,
            resolved: copied.resolved,
            look: copied.look,
        })
    }
}

/// Why the servers could not be counted.
pub(crate) enum Uncounted {
    /// nginx's servers now have a different generation.
    Changed,
    /// Memory is short.
    OutOfMemory,
}

impl From<OutOfMemory> for Uncounted {
    fn from(_: OutOfMemory) -> Self {
        Uncounted::OutOfMemory
    }
}

/// Calls `show` for each server of a group in order, without holding the lock. Returns the shape of the list.
pub(crate) fn each(
    upstream: Upstream<'_>,
    peers: Peers<'_>,
    generation: ngx_uint_t,
    mut show: impl FnMut(Known<'_>) -> Result<(), OutOfMemory>,
) -> Result<Shape, Uncounted> {
    let mut walk = Walk::new(SLICE)?;
    walk.begin(generation);
    while walk.advance(upstream, peers)? {
        walk.servers().try_for_each(&mut show)?;
    }
    Ok(walk.shape)
}

/// A walk along the servers of a group.
///
/// The servers are copied in slices under the read lock. Each slice continues after the last server of the previous one. That
/// server is still in the list if generation and shape are unchanged after at most [`WATCHED`] seconds, and it is not read
/// before this has been checked.
pub(crate) struct Walk {
    slice: Slice,
    generation: ngx_uint_t,
    shape: Shape,
    /// The server copied last.
    last: Option<Peer>,
    /// The number of servers copied.
    passed: usize,
    /// The time of the last copy.
    at: time_t,
    ended: bool,
}

impl Walk {
    /// Returns a walk that copies up to this number of servers at a time.
    pub(crate) fn new(slice: usize) -> Result<Self, OutOfMemory> {
        Ok(Walk {
            slice: Slice::new(slice)?,
            generation: 0,
            shape: Shape::NONE,
            last: None,
            passed: 0,
            at: 0,
            ended: false,
        })
    }

    /// Starts from the beginning, with the servers of a generation.
    pub(crate) fn begin(&mut self, generation: ngx_uint_t) {
        self.generation = generation;
        self.shape = Shape::NONE;
        self.last = None;
        self.passed = 0;
        self.ended = false;
    }

    /// Returns the number of servers copied.
    pub(crate) fn passed(&self) -> usize {
        self.passed
    }

    /// Copies the next servers of the group; returns `false` if there are none.
    pub(crate) fn advance(
        &mut self,
        upstream: Upstream<'_>,
        peers: Peers<'_>,
    ) -> Result<bool, Uncounted> {
        self.slice.clear()?;
        if self.ended {
            return Ok(false);
        }
        let primary = upstream.primary().ok_or(Uncounted::Changed)?;
        let locked = peers.lock_for_reading();
        let (shape, now) = (Shape::of(peers), ngx_time());
        let is_same = shape == self.shape && now.wrapping_sub(self.at) <= WATCHED;
        if primary.generation() != self.generation || (self.last.is_some() && !is_same) {
            return Err(Uncounted::Changed);
        }
        self.shape = shape;
        self.at = now;
        // SAFETY: the group is locked. Generation and shape are unchanged, and no more than `WATCHED` seconds have passed, so
        // the last server is still in it.
        let next = unsafe { after(peers, self.last) };
        // SAFETY: `after` found the server in the group, which is still locked.
        unsafe { self.copy(primary, peers, next) };
        drop(locked);
        Ok(!self.slice.servers.is_empty() || !self.ended)
    }

    /// Copies servers, beginning with this one.
    ///
    /// # Safety
    ///
    /// The server, if any, is in the group `peers` of `primary`, which stays locked until this returns.
    unsafe fn copy(&mut self, primary: Peers<'_>, peers: Peers<'_>, mut next: Option<Peer>) {
        // SAFETY: the caller guarantees that the group is locked, so the server after one in its list is in the list, too.
        unsafe {
            while let Some(peer) = next.filter(|peer| self.slice.copy(primary, peers, *peer)) {
                self.last = next;
                self.passed = self.passed.saturating_add(1);
                next = after(peers, Some(peer));
            }
        }
        self.ended = next.is_none();
    }

    /// Copies a single server of a generation; returns `false` if it may have been removed.
    pub(crate) fn look_at(
        &mut self,
        upstream: Upstream<'_>,
        member: &Member<Peer>,
        generation: ngx_uint_t,
    ) -> Result<bool, OutOfMemory> {
        let Some(primary) = upstream.primary() else {
            return Ok(false);
        };
        let Some(peers) = primary.group_of(member) else {
            return Ok(false);
        };
        // Tries again after reserving memory if the first attempt found too little.
        for _ in 0..2 {
            self.slice.clear()?;
            let _locked = peers.lock_for_reading();
            if primary.generation() != generation {
                break;
            }
            // SAFETY: the generation was compared under the lock, which is still held, so the server exists.
            if unsafe { self.slice.copy(primary, peers, member.peer) } {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Continues in the current list, after the same number of servers, even if these are different ones.
    pub(crate) fn catch_up(&mut self, upstream: Upstream<'_>, peers: Peers<'_>) {
        let Some(primary) = upstream.primary() else {
            return;
        };
        let _locked = peers.lock_for_reading();
        self.generation = primary.generation();
        self.shape = Shape::of(peers);
        self.at = ngx_time();
        self.last = None;
        for _ in 0..self.passed {
            // SAFETY: the group is locked, and the last server was found in it under this lock.
            let next = unsafe { after(peers, self.last) };
            if next.is_none() {
                break;
            }
            self.last = next;
        }
    }

    /// Returns the servers copied last.
    pub(crate) fn servers(&self) -> impl Iterator<Item = Known<'_>> {
        self.slice.iter()
    }
}

/// Calls `show` for each current server of an upstream, primary and backup.
pub(crate) fn each_of_all(
    upstream: Upstream<'_>,
    mut show: impl FnMut(Known<'_>) -> Result<(), OutOfMemory>,
) -> Result<(), Uncounted> {
    let primary = upstream.primary().ok_or(Uncounted::Changed)?;
    let generation = {
        let _locked = primary.lock_for_reading();
        primary.generation()
    };
    each(upstream, primary, generation, &mut show)?;
    if let Some(backups) = primary.next() {
        each(upstream, backups, generation, &mut show)?;
    }
    Ok(())
}
