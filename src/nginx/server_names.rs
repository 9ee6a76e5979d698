//! What names the servers of an upstream, copied while their group is locked: whatever is made of it can wait.

use ngx::ffi::{ngx_time, ngx_uint_t, time_t};
use session_cookie::memory::{self, OutOfMemory};
use session_cookie::roster::Member;

use super::peers::{after, line_of, names_of, Look, Peer, Peers};
use super::upstream::{ServerLine, Upstream};

/// How many servers are copied in one go, and how much text of each is expected.
const SLICE: usize = 512;
const TEXT: usize = 160;

/// A server that was linked out is freed after a while, and another may be linked in at its place: then neither head
/// nor number of the list need to tell. Modules that do so wait longer than this, in seconds.
pub(crate) const WATCHED: time_t = 20;

/// A list of servers by what can be compared without reading a server. Modules that link servers in and out
/// count no generation, but they put those that they add at the head, and keep the number.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Shape {
    head: Peer,
    pub(crate) number: usize,
}

impl Shape {
    /// No list has it.
    pub(crate) const NONE: Self = Shape {
        head: Peer::NONE,
        number: usize::MAX,
    };

    /// Returns the shape of a group now. Without its lock the result may be of a moment in which it is being changed.
    #[inline(always)]
    pub(crate) fn of(peers: Peers<'_>) -> Self {
        // SAFETY: the group lives as long as its handle, and both are numbers of it: the head is not followed.
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

/// What names one server.
pub(crate) struct Known<'a> {
    pub(crate) peer: Peer,
    /// Its address as nginx prints it.
    pub(crate) name: &'a [u8],
    /// The `server` line that it comes of: its address, and whether it has `backup`.
    pub(crate) line: (&'a [u8], bool),
    /// Its address as the system has it.
    pub(crate) address: &'a [u8],
    /// nginx's own `route=`.
    pub(crate) route: Option<&'a [u8]>,
    /// Whether nginx itself read `drain` of it.
    pub(crate) draining: bool,
    /// Whether `resolve` has brought it.
    pub(crate) resolved: bool,
    /// What it was like when it was copied.
    pub(crate) look: Look,
}

impl<'a> Known<'a> {
    /// Returns what named a server that is in the list no longer, and that `resolve` had brought.
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

/// A server of a slice: as [`Known`], its texts by their lengths.
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

/// Some servers in a row.
pub(crate) struct Slice {
    servers: Vec<Copied>,
    /// Their texts, one behind the other.
    text: Vec<u8>,
    /// How much memory the texts of the next server need, if it is more than is left.
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

    /// Reserves memory before the group is locked.
    fn clear(&mut self) -> Result<(), OutOfMemory> {
        self.servers.clear();
        self.text.clear();
        self.text.try_reserve(self.wanted)?;
        Ok(())
    }

    /// Copies what names a server, unless memory had to be allocated for it.
    ///
    /// # Safety
    ///
    /// The server is in the group `peers` of `primary`, which stays locked until this returns.
    unsafe fn copy(&mut self, primary: Peers<'_>, peers: Peers<'_>, peer: Peer) -> bool {
        // SAFETY: the server is in a group that is locked, as the caller vouches, and the texts are copied before this
        // returns.
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
    /// They are of another generation than those that nginx has now.
    Changed,
    /// Memory is short.
    OutOfMemory,
}

impl From<OutOfMemory> for Uncounted {
    fn from(_: OutOfMemory) -> Self {
        Uncounted::OutOfMemory
    }
}

/// Shows each server of a group in order, none of which is locked meanwhile. Returns the shape of the list.
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
/// They are copied in slices under the lock for reading. The next one continues where the last one ended: what it
/// continues from is still in the list as long as generation and shape are the same, and is not read before they are
/// compared.
pub(crate) struct Walk {
    slice: Slice,
    generation: ngx_uint_t,
    shape: Shape,
    /// The server that was copied last.
    last: Option<Peer>,
    /// How many servers were copied.
    passed: usize,
    /// When that was.
    at: time_t,
    ended: bool,
}

impl Walk {
    /// Returns a walk that goes so many servers at a time.
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

    /// Begins anew, with the servers of a generation.
    pub(crate) fn begin(&mut self, generation: ngx_uint_t) {
        self.generation = generation;
        self.shape = Shape::NONE;
        self.last = None;
        self.passed = 0;
        self.ended = false;
    }

    /// Returns how many servers were passed.
    pub(crate) fn passed(&self) -> usize {
        self.passed
    }

    /// Copies the next servers of the group; `false`: there are none.
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
        // SAFETY: the group is locked; generation and shape say that the last server is still in it.
        let next = unsafe { after(peers, self.last) };
        // SAFETY: `after` found the server in the group, which is locked since.
        unsafe { self.copy(primary, peers, next) };
        drop(locked);
        Ok(!self.slice.servers.is_empty() || !self.ended)
    }

    /// Copies servers from this one on.
    ///
    /// # Safety
    ///
    /// The server is one of the group `peers` of `primary`, if there is one, and the group stays locked until this returns.
    unsafe fn copy(&mut self, primary: Peers<'_>, peers: Peers<'_>, mut next: Option<Peer>) {
        // SAFETY: the group is locked, as the caller vouches, so the server that follows one of its list is in the list too.
        unsafe {
            while let Some(peer) = next.filter(|peer| self.slice.copy(primary, peers, *peer)) {
                self.last = next;
                self.passed = self.passed.saturating_add(1);
                next = after(peers, Some(peer));
            }
        }
        self.ended = next.is_none();
    }

    /// Copies one server of a generation, and nothing else; `false`: it may be gone.
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
        // A second time where memory is to be reserved first.
        for _ in 0..2 {
            self.slice.clear()?;
            let _locked = peers.lock_for_reading();
            if primary.generation() != generation {
                break;
            }
            // SAFETY: the generation was compared under the lock, which is still held, so the server is there.
            if unsafe { self.slice.copy(primary, peers, member.peer) } {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Continues with the servers as they are now: behind as many as were passed, whichever these are.
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
            // SAFETY: the group is locked, and the last server was found in it since.
            let next = unsafe { after(peers, self.last) };
            if next.is_none() {
                break;
            }
            self.last = next;
        }
    }

    /// Returns the servers that were copied last.
    pub(crate) fn servers(&self) -> impl Iterator<Item = Known<'_>> {
        self.slice.iter()
    }
}

/// Shows each server of an upstream, primary and backup, as they are now.
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
