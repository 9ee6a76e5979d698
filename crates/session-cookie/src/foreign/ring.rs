//! The ring on which ingress-nginx looks up servers by session keys (`affinity-mode: balanced`): that of
//! lua-resty-balancer, with 160 points per server.

use alloc::vec::Vec;
use core::cell::OnceCell;

use crc32fast::Hasher;

use crate::memory::{self, OutOfMemory};

/// The number of points of a server. Each point is derived from the previous one.
const POINTS: usize = 160;

/// The number of servers in the largest ring, which takes 20 MB. With more servers, no session is found.
pub const MOST_SERVERS: usize = 1 << 14;

/// The servers of a ring, and its points, which are computed on the first lookup.
#[derive(Debug)]
pub struct Ring<P> {
    /// Each server with the CRC-32 of its address, from which its points are derived.
    servers: Vec<(u32, P)>,
    /// Each element holds a point in its upper half, and the number of the server in its lower half.
    points: OnceCell<Vec<u64>>,
}

impl<P> Default for Ring<P> {
    fn default() -> Self {
        Ring {
            servers: Vec::new(),
            points: OnceCell::new(),
        }
    }
}

impl<P: Copy> Ring<P> {
    /// Adds a server. No lookup may have been made yet.
    ///
    /// # Errors
    ///
    /// Returns an error if memory allocation fails.
    pub fn add(&mut self, address: &[u8], peer: P) -> Result<(), OutOfMemory> {
        memory::push(&mut self.servers, (crc32fast::hash(address), peer))
    }

    /// Returns the server of a key: the server of the first point at or after the key's hash, or of the first point of
    /// the ring. The first lookup computes the points.
    ///
    /// # Errors
    ///
    /// Returns an error if memory allocation fails.
    pub fn find(&self, key: &[u8]) -> Result<Option<P>, OutOfMemory> {
        if self.servers.len() > MOST_SERVERS {
            return Ok(None);
        }
        let points = match self.points.get() {
            Some(points) => points,
            None => {
                let points = self.points()?;
                self.points.get_or_init(|| points)
            }
        };
        let least = u64::from(crc32fast::hash(key)) << 32;
        let at = points.partition_point(|point| *point < least);
        let point = points.get(at).or_else(|| points.first());
        let number = point.map(|point| usize::try_from(*point & 0xffff_ffff).unwrap_or(usize::MAX));
        let server = number.and_then(|number| self.servers.get(number));
        Ok(server.map(|(_, peer)| *peer))
    }

    fn points(&self) -> Result<Vec<u64>, OutOfMemory> {
        let mut all = memory::with_capacity(self.servers.len().saturating_mul(POINTS))?;
        for (number, (sum, _)) in (0_u64..).zip(&self.servers) {
            let mut point = 0_u32;
            for _ in 0..POINTS {
                let mut sum = Hasher::new_with_initial(*sum);
                sum.update(&point.to_le_bytes());
                point = sum.finalize();
                memory::push(&mut all, u64::from(point) << 32 | number)?;
            }
        }
        all.sort_unstable();
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// The expected servers were computed by lua-resty-balancer 0.05 with LuaJIT 2.1.
    #[test]
    fn servers_are_those_of_lua_resty_balancer() {
        let ring = |servers: u32, address: fn(u32) -> alloc::string::String| {
            let mut ring = Ring::default();
            for server in 0..servers {
                ring.add(address(server).as_bytes(), server).unwrap();
            }
            ring
        };
        let three = ring(3, |server| format!("127.0.0.1:{}", 1985 + server));
        for (key, server) in [
            ("1784523424.123.41.7919", 0),
            ("1784523425.123.42.15838", 0),
            ("1784523426.123.43.23757", 1),
            ("1784523427.123.40.31676", 1),
            ("1784523428.123.41.39595", 2),
            ("1784523429.123.42.47514", 2),
            ("1784523430.123.43.55433", 0),
            ("1784523431.123.40.63352", 2),
            ("1784523432.123.41.71271", 1),
            ("1784523433.123.42.79190", 2),
            ("1784523434.123.43.87109", 0),
            ("1784523435.123.40.95028", 1),
        ] {
            assert_eq!(three.find(key.as_bytes()), Ok(Some(server)), "{key}");
        }
        let many = |servers| {
            ring(servers, |server| {
                let [_, a, b, c] = server.to_be_bytes();
                format!("10.{a}.{b}.{c}:8080")
            })
        };
        let (thousand, more) = (many(1_000), many(10_000));
        for (ring, key, server) in [
            (&thousand, "1784523424.123.41.7919", 0x332),
            (&thousand, "1784523425.123.42.15838", 0x016),
            (&thousand, "1784523426.123.43.23757", 0x260),
            (&more, "1784523424.123.41.7919", 0x8ec),
            (&more, "1784523425.123.42.15838", 0x1024),
            (&more, "1784523426.123.43.23757", 0x1992),
        ] {
            assert_eq!(ring.find(key.as_bytes()), Ok(Some(server)), "{key}");
        }
    }

    #[test]
    fn behind_the_last_point_comes_the_first() {
        let mut ring = Ring::default();
        ring.add(b"192.0.2.1:80", 1).unwrap();
        ring.add(b"192.0.2.2:80", 2).unwrap();
        let points = ring.points().unwrap();
        let (first, last) = (points[0], points[points.len() - 1]);
        let past_last = (0_u64..)
            .map(|number| format!("{number}.1.1"))
            .find(|key| u64::from(crc32fast::hash(key.as_bytes())) > last >> 32)
            .unwrap();
        let server = [1, 2][usize::try_from(first & 0xffff_ffff).unwrap()];
        assert_eq!(ring.find(past_last.as_bytes()), Ok(Some(server)));
    }

    #[test]
    fn a_ring_may_be_empty_and_not_too_large() {
        let mut ring = Ring::default();
        assert_eq!(ring.find(b"1.2.3"), Ok(None));
        let mut ring_of = |servers: usize| {
            while ring.servers.len() < servers {
                ring.servers.push((crc32fast::hash(b"a"), 1));
            }
            ring.points.take();
            ring.find(b"1.2.3")
        };
        assert_eq!(ring_of(MOST_SERVERS), Ok(Some(1)));
        assert_eq!(ring_of(MOST_SERVERS + 1), Ok(None));
    }
}
