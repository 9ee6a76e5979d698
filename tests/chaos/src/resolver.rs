//! A resolver for the names of those upstreams whose servers DNS tells.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, UdpSocket as StdUdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use simple_dns::rdata::{RData, A};
use simple_dns::{Packet, PacketFlag, ResourceRecord, CLASS, QTYPE, RCODE, TYPE};
use tokio::net::UdpSocket;

use crate::backend::lock;

/// What nginx was told of a name, and when.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) at: Instant,
    pub(crate) addresses: Vec<Ipv4Addr>,
}

#[derive(Default)]
struct Name {
    addresses: Vec<Ipv4Addr>,
    answers: Vec<Answer>,
}

pub(crate) struct Resolver {
    names: Mutex<HashMap<String, Name>>,
    /// Sends the addresses of the beginning for ever, while the record says otherwise.
    stale: bool,
}

impl Resolver {
    pub(crate) fn start(port: u16, stale: bool) -> io::Result<Arc<Self>> {
        let socket = StdUdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        let resolver = Arc::new(Resolver {
            names: Mutex::default(),
            stale,
        });
        tokio::spawn(serve(resolver.clone(), socket));
        Ok(resolver)
    }

    pub(crate) fn set(&self, name: &str, addresses: Vec<Ipv4Addr>) {
        let mut names = lock(&self.names);
        names.entry(name.to_owned()).or_default().addresses = addresses;
    }

    /// Every set of addresses that nginx could have in use for this name between the two: the last one
    /// told before, and those told since.
    pub(crate) fn told(&self, name: &str, from: Instant, to: Instant) -> Vec<Answer> {
        let names = lock(&self.names);
        let answers = names.get(name).map_or(&[][..], |name| &name.answers);
        let first = answers.partition_point(|answer| answer.at < from);
        let last = answers.partition_point(|answer| answer.at <= to);
        answers[first.saturating_sub(1)..last].to_vec()
    }

    /// Forgets what was told long before.
    pub(crate) fn forget(&self, before: Instant) {
        for name in lock(&self.names).values_mut() {
            let old = name.answers.partition_point(|answer| answer.at < before);
            // The last of them is still in use.
            name.answers.drain(..old.saturating_sub(1));
        }
    }

    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
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
                    addresses: name.addresses.clone(),
                });
            }
            Some(_) => {}
            None => *reply.rcode_mut() = RCODE::NameError,
        }
        reply.build_bytes_vec().ok()
    }
}

async fn serve(resolver: Arc<Resolver>, socket: UdpSocket) {
    let mut query = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut query).await {
        if let Some(reply) = resolver.answer(&query[..length]) {
            let _ = socket.send_to(&reply, from).await;
        }
    }
}
