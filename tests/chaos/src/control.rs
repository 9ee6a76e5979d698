//! Servers that nginx is asked to drain, and to bring back: the requests, and the times of nginx's responses.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::backend::lock;
use crate::nginx::Failure;
use crate::topology::{ServerId, Topology};

/// From the response until every worker must know: a busy one may have begun a request just before.
const KNOWN: Duration = Duration::from_secs(1);
/// How often a request is sent if its worker is killed or exits.
const TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);

/// A period in which a server drains.
struct Drain {
    server: ServerId,
    asked: Instant,
    answered: Option<Instant>,
    /// When nginx was asked to end it, and when it had.
    ending: Option<Instant>,
    ended: Option<Instant>,
}

/// What nginx is asked to do.
pub(crate) struct Wish {
    pub(crate) server: ServerId,
    pub(crate) drain: bool,
    /// Whether nginx is asked at all.
    pub(crate) is_told: bool,
}

#[derive(Default)]
pub(crate) struct Drains(Mutex<Vec<Drain>>);

impl Drains {
    /// Whether nginx surely drains this server, from before the first moment until after the second.
    pub(crate) fn surely(&self, server: ServerId, from: Instant, to: Instant) -> bool {
        lock(&self.0).iter().any(|drain| {
            drain.server == server
                && drain.answered.is_some_and(|at| at + KNOWN < from)
                && drain.ending.is_none_or(|at| at > to)
        })
    }

    /// Whether nginx may have drained this server at a moment between the two.
    pub(crate) fn perhaps(&self, server: ServerId, from: Instant, to: Instant) -> bool {
        lock(&self.0).iter().any(|drain| {
            drain.server == server
                && drain.asked <= to
                && drain.ended.is_none_or(|at| at + KNOWN >= from)
        })
    }

    /// Whether nginx may have brought it back at a moment between the two.
    pub(crate) fn may_end(&self, server: ServerId, from: Instant, to: Instant) -> bool {
        lock(&self.0).iter().any(|drain| {
            drain.server == server
                && drain.ending.is_some_and(|at| at <= to)
                && drain.ended.is_none_or(|at| at + KNOWN >= from)
        })
    }

    fn begin(&self, server: ServerId) {
        lock(&self.0).push(Drain {
            server,
            asked: Instant::now(),
            answered: None,
            ending: None,
            ended: None,
        });
    }

    fn note(&self, server: ServerId, what: impl Fn(&mut Drain)) {
        let mut drains = lock(&self.0);
        let is_open = |drain: &&mut Drain| drain.server == server && drain.ended.is_none();
        drains.iter_mut().filter(is_open).for_each(what);
    }

    /// Makes nginx drain a server, or bring it back. `false`: nginx does not have the server now.
    pub(crate) async fn ask(
        &self,
        topology: &Topology,
        port: u16,
        wish: Wish,
    ) -> Result<bool, Failure> {
        let Wish { server, drain, .. } = wish;
        let now = Instant::now();
        if drain {
            self.begin(server);
        } else {
            self.note(server, |drain| drain.ending = Some(now));
        }
        let (upstream, address) = (
            topology.upstreams[topology.servers[server].upstream].name(),
            topology.servers[server].address,
        );
        // The state of the server.
        let said = drain && wish.is_told;
        let body = format!("{{\"drain\":{said}}}");
        let request = format!(
            "PATCH /status/upstreams/{upstream}/servers/{address} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut answer = String::new();
        for _ in 0..TRIES {
            // A worker may be killed before it responds, after it has made the change.
            answer = timeout(PATIENCE, send(port, &request))
                .await
                .unwrap_or_else(|_| Ok("no answer".into()))
                .unwrap_or_else(|error| error.to_string());
            let status = answer
                .strip_prefix("HTTP/1.1 ")
                .and_then(|rest| rest.get(..3));
            let done = Instant::now();
            match (status, drain) {
                (Some("200"), true) => self.note(server, |drain| drain.answered = Some(done)),
                (Some("404"), true) => {
                    // An earlier attempt, whose worker was killed, may have made the change.
                    return Ok(false);
                }
                (Some("200" | "404"), false) => {
                    self.note(server, |drain| drain.ended = Some(done));
                }
                _ => {
                    sleep(PAUSE).await;
                    continue;
                }
            }
            return Ok(status == Some("200"));
        }
        Err(format!("PATCH of {address} in {upstream} is not done: {answer}").into())
    }
}

async fn send(port: u16, request: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
