//! What names the servers of an upstream, copied while their group is locked: whatever is made of it can wait.

use ngx::ffi::ngx_uint_t;
use session_cookie::memory::{self, OutOfMemory};

use super::peers::{after, line_of, names_of, Peer, Peers};
use super::upstream::Upstream;

/// How many servers are copied in one go, and how much text of each is expected.
const SLICE: usize = 512;
const TEXT: usize = 160;

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
    fn new() -> Result<Self, OutOfMemory> {
        Ok(Slice {
            servers: memory::with_capacity(SLICE)?,
            text: memory::with_capacity(SLICE.saturating_mul(TEXT))?,
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
    /// The server is in a group of `primary`, which stays locked until this returns; `backup` tells which group.
    unsafe fn copy(&mut self, primary: Peers<'_>, peer: Peer, backup: bool) -> bool {
        // SAFETY: the server is in a group that is locked, as the caller vouches, and the texts are copied before this
        // returns.
        let (names, (line, line_is_backup)) =
            unsafe { (names_of(peer), line_of(primary, peer, backup)) };
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
///
/// They are copied in slices under the lock for reading. The next one continues where the last one ended: what it
/// continues from is still in the list as long as generation and shape are the same, and is not read before they are
/// compared.
pub(crate) fn each(
    upstream: Upstream<'_>,
    peers: Peers<'_>,
    generation: ngx_uint_t,
    mut show: impl FnMut(Known<'_>) -> Result<(), OutOfMemory>,
) -> Result<Shape, Uncounted> {
    let primary = upstream.primary().ok_or(Uncounted::Changed)?;
    let backup = peers != primary;
    let mut slice = Slice::new()?;
    let mut shape = Shape::NONE;
    let mut last: Option<Peer> = None;
    loop {
        slice.clear()?;
        let locked = peers.lock_for_reading();
        let now = Shape::of(peers);
        if primary.generation() != generation || (last.is_some() && now != shape) {
            return Err(Uncounted::Changed);
        }
        shape = now;
        // SAFETY: the group is locked; generation and shape say that the last server is still in it.
        let mut next = unsafe { after(peers, last) };
        // SAFETY: `after` found the server in the group, which is locked since, and is that of the backups if `backup`.
        while let Some(peer) = next.filter(|peer| unsafe { slice.copy(primary, *peer, backup) }) {
            last = next;
            // SAFETY: the server was copied from the group, which is locked since: it is still in the list.
            next = unsafe { after(peers, Some(peer)) };
        }
        drop(locked);
        let ended = next.is_none();
        slice.iter().try_for_each(&mut show)?;
        if ended {
            return Ok(shape);
        }
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
