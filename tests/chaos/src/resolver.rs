//! A resolver for the names of the upstreams whose servers are in DNS.
//!
//! Each configuration of nginx uses a separate address of the resolver, so that the answers it got are known: the
//! workers of an older configuration continue to send queries, at different times than those of the newer one.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, UdpSocket as StdUdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use simple_dns::rdata::{RData, A};
use simple_dns::{Packet, PacketFlag, ResourceRecord, CLASS, QTYPE, RCODE, TYPE};
use tokio::net::UdpSocket;

use crate::backend::lock;

/// The number of different addresses. When one is used again, no worker of its previous configuration is left.
const LINES: usize = 200;

/// The resolver's address for a configuration.
pub(crate) fn line_of(generation: usize) -> Ipv4Addr {
    line(generation % LINES)
}

fn line(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 2, 0, 1).to_bits() + number as u32)
}

/// The answer for a name, with its time and the address to which nginx had sent the query.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) at: Instant,
    line: Ipv4Addr,
    pub(crate) addresses: Vec<Ipv4Addr>,
}

/// A period in which an address is not in DNS.
#[derive(Clone, Copy)]
pub(crate) struct Absence {
    address: Ipv4Addr,
    pub(crate) begin: Instant,
    pub(crate) end: Option<Instant>,
}

#[derive(Default)]
struct Name {
    addresses: Vec<Ipv4Addr>,
    absences: Vec<Absence>,
    answers: Vec<Answer>,
}

pub(crate) struct Resolver {
    names: Mutex<HashMap<String, Name>>,
    /// Always sends the first addresses, while the record contains the current ones.
    stale: bool,
}

impl Resolver {
    pub(crate) fn start(port: u16, stale: bool) -> io::Result<Arc<Self>> {
        let resolver = Arc::new(Resolver {
            names: Mutex::default(),
            stale,
        });
        for line in (0..LINES).map(line) {
            let socket = StdUdpSocket::bind((line, port))?;
            socket.set_nonblocking(true)?;
            let socket = UdpSocket::from_std(socket)?;
            tokio::spawn(serve(resolver.clone(), line, socket));
        }
        Ok(resolver)
    }

    pub(crate) fn set(&self, name: &str, addresses: Vec<Ipv4Addr>) {
        let mut names = lock(&self.names);
        let name = names.entry(name.to_owned()).or_default();
        let now = Instant::now();
        for absence in &mut name.absences {
            if addresses.contains(&absence.address) {
                absence.end.get_or_insert(now);
            }
        }
        let gone = name.addresses.iter().filter(|a| !addresses.contains(a));
        name.absences.extend(gone.map(|&address| Absence {
            address,
            begin: now,
            end: None,
        }));
        name.addresses = addresses;
    }

    /// The periods in which an address was not in DNS, in order.
    pub(crate) fn absences(&self, name: &str, address: &Ipv4Addr) -> Vec<Absence> {
        let names = lock(&self.names);
        let absences = names.get(name).map_or(&[][..], |name| &name.absences);
        let is_own = |absence: &&Absence| absence.address == *address;
        absences.iter().filter(is_own).copied().collect()
    }

    /// The answers for this name on a line between the two, in order.
    pub(crate) fn told(
        &self,
        name: &str,
        line: Ipv4Addr,
        from: Instant,
        to: Instant,
    ) -> Vec<Answer> {
        let names = lock(&self.names);
        let answers = names.get(name).map_or(&[][..], |name| &name.answers);
        answers
            .iter()
            .filter(|answer| answer.line == line && from <= answer.at && answer.at <= to)
            .cloned()
            .collect()
    }

    /// Removes old records.
    pub(crate) fn forget(&self, before: Instant) {
        for name in lock(&self.names).values_mut() {
            name.answers.retain(|answer| answer.at >= before);
            (name.absences).retain(|absence| absence.end.is_none_or(|end| end >= before));
        }
    }

    fn answer(&self, line: Ipv4Addr, query: &[u8]) -> Option<Vec<u8>> {
        let query = Packet::parse(query).ok()?;
        let question = query.questions.first()?;
        let asked = question.qname.to_string();
        let mut reply = query.clone().into_reply();
        reply.set_flags(PacketFlag::RECURSION_AVAILABLE);

        let mut names = lock(&self.names);
        match names.get_mut(&asked) {
            Some(name) if question.qtype == QTYPE::TYPE(TYPE::A) => {
                let told = match name.answers.first() {
                    Some(first) if self.stale => first.addresses.clone(),
                    _ => name.addresses.clone(),
                };
                for address in told {
                    let data = RData::A(A::from(address));
                    let qname = question.qname.clone();
                    reply
                        .answers
                        .push(ResourceRecord::new(qname, CLASS::IN, 1, data));
                }
                name.answers.push(Answer {
                    at: Instant::now(),
                    line,
                    addresses: name.addresses.clone(),
                });
            }
            Some(_) => {}
            None => *reply.rcode_mut() = RCODE::NameError,
        }
        reply.build_bytes_vec().ok()
    }
}

async fn serve(resolver: Arc<Resolver>, line: Ipv4Addr, socket: UdpSocket) {
    let mut query = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut query).await {
        if let Some(reply) = resolver.answer(line, &query[..length]) {
            let _ = socket.send_to(&reply, from).await;
        }
    }
}
