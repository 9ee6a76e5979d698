//! The upstream servers. Each identifies itself, and records its own faults and every request that reached it: facts for
//! the judge.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Channel, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, CONTENT_LENGTH, COOKIE, SET_COOKIE};
use hyper::http::response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::asking::{self, Asking};
use crate::topology::{Mode, ServerId, Topology, Upstream};

/// The condition of a server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Condition {
    Up,
    /// Not listening; open connections are reset.
    Refusing,
    /// Accepts requests and does not respond. Pending ones are cut off at the end.
    Hanging,
    /// Responds late, but in time: no reason for a session to move.
    Late,
    /// Responds with this status.
    Failing(u16),
    /// Closes the connection instead of responding.
    Cutting,
    /// Closes the connection in the middle of a response.
    Halving,
}

impl Condition {
    pub(crate) fn is_harmful(self) -> bool {
        !matches!(self, Condition::Up | Condition::Late)
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Condition::Up => "up",
            Condition::Refusing => "killed",
            Condition::Hanging => "hanging",
            Condition::Late => "late",
            Condition::Failing(_) => "answering 5xx",
            Condition::Cutting => "closing without an answer",
            Condition::Halving => "answering by half",
        }
    }
}

const LATE: Duration = Duration::from_millis(400);
/// How long each request takes if connections are limited.
const HOLD: Duration = Duration::from_millis(200);

/// From before a fault could be noticed until after it was repaired.
struct Spell {
    begin: Instant,
    end: Option<Instant>,
    /// Whether it accepted no connections.
    refuses: bool,
}

pub(crate) struct Backend {
    pub(crate) server: ServerId,
    topology: Arc<Topology>,
    ledger: Arc<Ledger>,
    condition: watch::Sender<Condition>,
    spells: Mutex<Vec<Spell>>,
    listening: Mutex<Option<JoinHandle<()>>>,
    pub(crate) asking: Asking,
    /// Whether its responses request draining when they should.
    says: bool,
}

impl Backend {
    pub(crate) fn new(
        server: ServerId,
        topology: &Arc<Topology>,
        ledger: &Arc<Ledger>,
        says: bool,
    ) -> Self {
        Backend {
            server,
            topology: topology.clone(),
            ledger: ledger.clone(),
            condition: watch::Sender::new(Condition::Up),
            spells: Mutex::default(),
            listening: Mutex::default(),
            asking: Asking::default(),
            says,
        }
    }

    fn upstream(&self) -> &Upstream {
        &self.topology.upstreams[self.topology.servers[self.server].upstream]
    }

    pub(crate) fn listen(self: &Arc<Self>) -> io::Result<()> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.topology.servers[self.server].address.into())?;
        let listener = socket.listen(1024)?;
        *lock(&self.listening) = Some(tokio::spawn(accept(self.clone(), listener)));
        Ok(())
    }

    pub(crate) async fn injure(self: &Arc<Self>, condition: Condition) {
        if condition.is_harmful() {
            lock(&self.spells).push(Spell {
                begin: Instant::now(),
                end: None,
                refuses: condition == Condition::Refusing,
            });
        }
        if condition == Condition::Refusing {
            let listening = lock(&self.listening).take();
            if let Some(task) = listening {
                task.abort();
                // The socket is closed when the task has ended.
                let _ = task.await;
            }
        }
        self.condition.send_replace(condition);
    }

    pub(crate) fn heal(self: &Arc<Self>) {
        let before = self.condition.send_replace(Condition::Up);
        if before == Condition::Refusing {
            self.listen().expect("the address was ours before");
        }
        if let Some(spell) = lock(&self.spells).last_mut() {
            spell.end.get_or_insert_with(Instant::now);
        }
    }

    /// Whether it had a fault at any time between the two.
    pub(crate) fn was_injured(&self, from: Instant, to: Instant) -> bool {
        lock(&self.spells)
            .iter()
            .any(|spell| spell.begin <= to && spell.end.is_none_or(|end| end >= from))
    }

    /// Whether it accepted no connections at any time between the two.
    pub(crate) fn refused(&self, from: Instant, to: Instant) -> bool {
        lock(&self.spells).iter().any(|spell| {
            spell.refuses && spell.begin <= to && spell.end.is_none_or(|end| end >= from)
        })
    }

    /// Removes periods that ended before.
    pub(crate) fn forget(&self, before: Instant) {
        lock(&self.spells).retain(|spell| spell.end.is_none_or(|end| end >= before));
    }
}

async fn accept(backend: Arc<Backend>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(backend.clone(), stream));
            }
            // No file descriptors left, or a client that has disconnected.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(backend: Arc<Backend>, stream: TcpStream) {
    let mut condition = backend.condition.subscribe();
    let _ = stream.set_nodelay(true);
    let service = {
        let backend = backend.clone();
        service_fn(move |request| answer(backend.clone(), request))
    };
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = &mut connection => {}
        _ = condition.wait_for(|condition| *condition == Condition::Refusing) => {
            let stream = connection.into_parts().io.into_inner();
            // Closing then sends RST.
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    }
}

type Body = BoxBody<Bytes, io::Error>;

/// An error makes hyper close the connection.
async fn answer(
    backend: Arc<Backend>,
    request: Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    let (head, body) = request.into_parts();
    let condition = *backend.condition.borrow();
    let visit = Visit::read(&backend, &head.headers, condition);
    let client = number(&head.headers, "x-client");
    let size = number(&head.headers, "x-size") as usize;
    let request = number(&head.headers, "x-request");
    let is_post = head.method == Method::POST;
    let begins = is_post || !visit.has_cookie;
    let is_logged_in = visit.is_logged_in;
    backend.ledger.note(request, visit);
    body.collect().await.map_err(io::Error::other)?;

    match condition {
        Condition::Up | Condition::Refusing => {
            if backend.upstream().max_conns().is_some() {
                tokio::time::sleep(HOLD).await;
            }
        }
        Condition::Late => tokio::time::sleep(LATE).await,
        Condition::Hanging => {
            let mut condition = backend.condition.subscribe();
            let _ = condition.wait_for(|now| *now != Condition::Hanging).await;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Condition::Cutting => return Err(io::ErrorKind::ConnectionAborted.into()),
        Condition::Failing(status) => {
            let answer = head_of(&backend).status(status);
            return Ok(answer.body(whole("failing")).expect("a valid answer"));
        }
        Condition::Halving => {
            let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
            tokio::spawn(async move {
                let _ = sender.send_data(Bytes::from_static(b"half")).await;
                // hyper discards data that it has not written yet.
                tokio::time::sleep(Duration::from_millis(20)).await;
                sender.abort(io::ErrorKind::ConnectionAborted.into());
            });
            let answer = head_of(&backend).header(CONTENT_LENGTH, 1000);
            return Ok(answer.body(body.boxed()).expect("a valid answer"));
        }
    }

    backend.ledger.end(request, backend.server);
    let mut answer = head_of(&backend);
    if let Some(value) = application_cookie(&backend, client, begins.then_some(request)) {
        let name = backend.upstream().cookie();
        answer = answer.header(SET_COOKIE, format!("{name}={value}; Path=/"));
    }
    if let (Some(name), true) = (backend.upstream().follows(), is_post) {
        let value = match is_logged_in {
            true => "; Max-Age=0".to_owned(),
            false => format!("user{request}"),
        };
        answer = answer.header(SET_COOKIE, format!("{name}={value}; Path=/"));
    }
    let body = whole(vec![b'.'; size]);
    Ok(answer.body(body).expect("a valid answer"))
}

/// Sets the fields of all responses of a server.
fn head_of(backend: &Backend) -> response::Builder {
    let head = Response::builder().header("X-Server", backend.server);
    if backend.says && backend.asking.is_on() {
        head.header(asking::FIELD, 1)
    } else {
        head
    }
}

fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into())
        .map_err(|never: Infallible| match never {})
        .boxed()
}

/// In the modes that need one: the value of the cookie that the application sets. For learned sessions, it sets one when a
/// client logs in, which `begins` a session.
fn application_cookie(backend: &Backend, client: u64, begins: Option<u64>) -> Option<String> {
    match backend.upstream().mode() {
        Mode::Insert => None,
        Mode::Rewrite | Mode::Prefix => Some(application_value(client)),
        Mode::Learn => begins.map(|request| format!("session{request}")),
    }
}

fn application_value(client: u64) -> String {
    format!("app{client}")
}

/// The session variables of a request: sent to the server before it is chosen, and to the client at the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) verdict: String,
    /// The address of the session's previous server.
    pub(crate) previous: String,
}

impl Told {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let text = |name| {
            let field = headers.get(name).and_then(|value| value.to_str().ok());
            field.unwrap_or_default().to_owned()
        };
        Told {
            verdict: text("x-verdict"),
            previous: text("x-previous"),
        }
    }
}

/// A server's record of a request that reached it.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) server: ServerId,
    /// When it arrived, and when the response was about to be sent.
    pub(crate) at: Instant,
    pub(crate) until: Option<Instant>,
    /// The generation of the configuration by which nginx sent it.
    pub(crate) generation: usize,
    pub(crate) condition: Condition,
    /// Whether the upstream's cookie was sent.
    has_cookie: bool,
    /// Whether the followed cookie of the application was sent.
    is_logged_in: bool,
    /// A cookie that should have been hidden, or was damaged.
    pub(crate) leaked: Option<String>,
    pub(crate) told: Told,
}

impl Visit {
    fn read(backend: &Backend, headers: &HeaderMap, condition: Condition) -> Self {
        let upstream = backend.upstream();
        let application = application_value(number(headers, "x-client"));
        let find = |name: String| {
            let fields = headers.get_all(COOKIE).iter();
            fields
                .flat_map(|field| cookie::Cookie::split_parse(field.to_str().unwrap_or_default()))
                .flatten()
                .find(|cookie| cookie.name() == name)
        };
        let seen = find(upstream.cookie());
        Visit {
            server: backend.server,
            at: Instant::now(),
            until: None,
            generation: number(headers, "x-generation") as usize,
            condition,
            has_cookie: seen.is_some(),
            is_logged_in: upstream.follows().and_then(find).is_some(),
            leaked: seen
                .map(|cookie| cookie.value().to_owned())
                .filter(|value| upstream.hides() && *value != application),
            told: Told::read(headers),
        }
    }
}

fn number(headers: &HeaderMap, name: &str) -> u64 {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or_default()
}

/// The servers that each request has reached, by the number of the request.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<HashMap<u64, Vec<Visit>>>);

impl Ledger {
    fn note(&self, request: u64, visit: Visit) {
        lock(&self.0).entry(request).or_default().push(visit);
    }

    /// Records that the server is about to respond.
    fn end(&self, request: u64, server: ServerId) {
        let mut visits = lock(&self.0);
        let visits = visits.get_mut(&request).into_iter().flatten();
        if let Some(visit) = visits.filter(|visit| visit.server == server).last() {
            visit.until = Some(Instant::now());
        }
    }

    pub(crate) fn of(&self, request: u64) -> Vec<Visit> {
        lock(&self.0).get(&request).cloned().unwrap_or_default()
    }

    pub(crate) fn take(&self, request: u64) -> Vec<Visit> {
        lock(&self.0).remove(&request).unwrap_or_default()
    }
}

/// A panic while a lock is held ends the program.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread has panicked")
}
