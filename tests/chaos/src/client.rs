//! The clients: each keeps its cookies, sends one request at a time, and reports the outcomes to the judge.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cookie::{Cookie, CookieJar};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Channel, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HeaderMap, CONNECTION, COOKIE, HOST, SET_COOKIE};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::backend::Told;
use crate::topology::{ServerId, Topology, UpstreamId};

/// Longer than nginx can take to try every server of an upstream in vain.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two requests of a client.
const PAUSE: (u64, u64) = (200, 1000);

/// A request and its outcome, as its client saw it.
pub(crate) struct Outcome {
    pub(crate) request: u64,
    pub(crate) client: usize,
    pub(crate) upstream: UpstreamId,
    pub(crate) is_post: bool,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    /// Seconds since 1970 at `start` and `end`, for the timestamps in cookies.
    pub(crate) clock: (u64, u64),
    /// The value of the upstream's cookie as it was sent; `None` also without the application's cookie that it follows.
    pub(crate) cookie: Option<String>,
    pub(crate) ended: Ended,
}

pub(crate) enum Ended {
    Answered(Answer),
    /// Aborted by the client.
    Aborted,
    /// The connection broke before a response began.
    Broken {
        /// The worker of the connection, if known from an earlier response.
        worker: Option<u32>,
        /// Whether it was sent on a connection that had been idle. Then it may have been closed at that moment, and the
        /// request is repeated once, as in browsers.
        resent: bool,
        error: String,
    },
    TimedOut,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) server: Option<ServerId>,
    pub(crate) worker: u32,
    pub(crate) generation: usize,
    /// nginx's list of the servers tried: address and status.
    pub(crate) attempts: Vec<(String, u16)>,
    pub(crate) told: Told,
    /// Whether nginx reports that the session's server has answered.
    pub(crate) is_bound: bool,
    /// Whether it set the upstream's cookie.
    pub(crate) sets_cookie: bool,
    /// Whether there is a session of the application afterwards, if that is followed.
    pub(crate) is_logged_in: bool,
    /// The value of the upstream's cookie in the client's jar afterwards.
    pub(crate) cookie: Option<String>,
    /// `None`: the response is complete.
    pub(crate) truncated: Option<String>,
}

pub(crate) struct Clients {
    pub(crate) topology: Arc<Topology>,
    pub(crate) nginx: u16,
    pub(crate) seed: u64,
    pub(crate) outcomes: mpsc::UnboundedSender<Outcome>,
    pub(crate) stop: watch::Receiver<bool>,
    /// Numbers for requests.
    pub(crate) next: AtomicU64,
}

type Body = BoxBody<Bytes, Infallible>;

struct Connection {
    sender: http1::SendRequest<Body>,
    task: JoinHandle<()>,
    /// Known after the first response.
    worker: Option<u32>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The behavior of a client, constant for its lifetime.
struct Habits {
    keeps_alive: bool,
    reads_slowly: bool,
    aborts: bool,
    upstreams: Vec<UpstreamId>,
}

struct Client {
    all: Arc<Clients>,
    number: usize,
    rng: ChaCha8Rng,
    habits: Habits,
    jar: CookieJar,
    connection: Option<Connection>,
}

/// Runs one client until all are stopped.
pub(crate) async fn run(all: Arc<Clients>, number: usize) {
    // Streams with one seed are independent of each other.
    let mut rng = ChaCha8Rng::seed_from_u64(all.seed);
    rng.set_stream(number as u64 + 1);
    let count = all.topology.upstreams.len();
    let habits = Habits {
        keeps_alive: rng.random_bool(0.7),
        reads_slowly: rng.random_bool(0.1),
        aborts: rng.random_bool(0.2),
        upstreams: vec![number % count, rng.random_range(0..count)],
    };
    let mut client = Client {
        all,
        number,
        rng,
        habits,
        jar: CookieJar::new(),
        connection: None,
    };
    while !client.pause().await {
        client.visit().await;
    }
}

impl Client {
    /// Returns `true` when it is time to stop.
    async fn pause(&mut self) -> bool {
        let pause = Duration::from_millis(self.rng.random_range(PAUSE.0..PAUSE.1));
        let mut stop = self.all.stop.clone();
        let stopped = timeout(pause, stop.wait_for(|stop| *stop)).await;
        stopped.is_ok()
    }

    /// Sends one request, and another one if the first was lost with an idle connection.
    async fn visit(&mut self) {
        let upstream = *self.habits.upstreams.choose(&mut self.rng).expect("two");
        self.change_cookies(upstream);
        let is_post = self.rng.random_bool(0.15);
        let plan = Wish {
            upstream,
            is_post,
            is_slow: is_post && self.rng.random_bool(0.3),
            abort_after: (self.habits.aborts && self.rng.random_bool(0.1))
                .then(|| Duration::from_millis(self.rng.random_range(0..60))),
            size: *[0, 500, 5_000, 100_000]
                .choose(&mut self.rng)
                .expect("sizes"),
        };
        if self.send(&plan).await {
            self.send(&plan).await;
        }
    }

    /// Sometimes the cookie is still one of another system, and sometimes the application's session has ended when the
    /// client returns.
    fn change_cookies(&mut self, upstream: UpstreamId) {
        let topology = &self.all.topology;
        let upstream = &topology.upstreams[upstream];
        if upstream.accepts() && self.rng.random_bool(0.3) {
            let server = *upstream.servers.choose(&mut self.rng).expect("servers");
            let minted = topology.servers[server].minted.clone();
            self.jar.add(Cookie::new(upstream.cookie(), minted));
        }
        if let Some(name) = upstream.follows() {
            if self.rng.random_bool(0.1) {
                self.jar.force_remove(name);
            }
        }
    }

    /// Returns `true` if the request has to be repeated.
    async fn send(&mut self, wish: &Wish) -> bool {
        let request = self.all.next.fetch_add(1, Ordering::Relaxed);
        // A request that must not be repeated is not sent on a connection that may be closed at any moment.
        let idle = self.connection.take();
        let idle = idle.filter(|idle| !wish.is_post && !idle.sender.is_closed());
        let to = &self.all.topology.upstreams[wish.upstream];
        let (cookie_name, followed) = (to.cookie(), to.follows());
        let is_logged_in = |jar: &CookieJar| followed.iter().all(|name| jar.get(name).is_some());
        let value = |jar: &CookieJar| jar.get(&cookie_name).map(|c| c.value().to_owned());
        let cookie = value(&self.jar).filter(|_| is_logged_in(&self.jar));
        let (start, started) = (Instant::now(), now());

        let was_idle = idle.is_some();
        let worker = idle.as_ref().and_then(|idle| idle.worker);
        let exchange = self.exchange(wish, request, idle);
        let limit = wish.abort_after.unwrap_or(PATIENCE);
        let ended = match timeout(limit, exchange).await {
            Ok(Ok(answer)) => Ended::Answered(Answer {
                is_logged_in: is_logged_in(&self.jar),
                cookie: value(&self.jar),
                ..answer
            }),
            Ok(Err(error)) => Ended::Broken {
                worker,
                resent: was_idle,
                error: chain(&*error),
            },
            Err(_) if wish.abort_after.is_some() => Ended::Aborted,
            Err(_) => Ended::TimedOut,
        };
        let again = matches!(ended, Ended::Broken { resent: true, .. });
        // A client that is always refused finally deletes its cookies, as sites advise.
        if matches!(&ended, Ended::Answered(answer) if answer.server.is_none())
            && self.rng.random_bool(0.3)
        {
            self.jar.force_remove(cookie_name.as_str());
        }
        let _ = self.all.outcomes.send(Outcome {
            request,
            client: self.number,
            upstream: wish.upstream,
            is_post: wish.is_post,
            start,
            end: Instant::now(),
            clock: (started, now()),
            cookie,
            ended,
        });
        again
    }

    async fn exchange(
        &mut self,
        wish: &Wish,
        request: u64,
        idle: Option<Connection>,
    ) -> Result<Answer, Failure> {
        let mut connection = match idle {
            Some(idle) => idle,
            None => connect(self.all.nginx).await?,
        };
        let request = self.request(wish, request);
        let answer = connection.sender.send_request(request).await?;

        let (head, body) = answer.into_parts();
        let cookie_name = self.all.topology.upstreams[wish.upstream].cookie();
        let mut sets_cookie = false;
        for field in head.headers.get_all(SET_COOKIE) {
            let Ok(cookie) = Cookie::parse(field.to_str()?.to_owned()) else {
                continue;
            };
            if cookie.max_age().is_some_and(|age| !age.is_positive()) {
                self.jar.force_remove(cookie.name());
            } else {
                sets_cookie |= cookie.name() == cookie_name;
                self.jar.add(cookie);
            }
        }
        let worker = number(&head.headers, "x-worker")?;
        let truncated = self.read(body).await.err().map(|error| chain(&*error));
        if self.habits.keeps_alive && truncated.is_none() {
            connection.worker = Some(worker);
            self.connection = Some(connection);
        }
        Ok(Answer {
            status: head.status.as_u16(),
            server: number(&head.headers, "x-server").ok(),
            worker,
            generation: number(&head.headers, "x-generation")?,
            attempts: attempts(&head.headers)?,
            told: Told::read(&head.headers),
            is_bound: head
                .headers
                .get("x-session")
                .is_some_and(|word| word == "bound"),
            sets_cookie,
            is_logged_in: true,
            cookie: None,
            truncated,
        })
    }

    fn request(&self, wish: &Wish, number: u64) -> Request<Body> {
        let cookies: Vec<String> = self.jar.iter().map(|c| c.stripped().to_string()).collect();
        let name = self.all.topology.upstreams[wish.upstream].name();
        let mut request = Request::builder()
            .method(if wish.is_post {
                Method::POST
            } else {
                Method::GET
            })
            .uri(format!("/{name}"))
            .header(HOST, "chaos.test")
            .header("X-Request", number)
            .header("X-Client", self.number)
            .header("X-Size", wish.size);
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if !self.habits.keeps_alive {
            request = request.header(CONNECTION, "close");
        }
        let body = match (wish.is_post, wish.is_slow) {
            (false, _) => Empty::new().boxed(),
            (true, false) => Full::from(vec![b'-'; 2000]).boxed(),
            (true, true) => slow_body(),
        };
        request.body(body).expect("a valid request")
    }

    async fn read(&self, mut body: Incoming) -> Result<(), Failure> {
        while let Some(frame) = body.frame().await {
            frame?;
            if self.habits.reads_slowly {
                sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }
}

/// The properties of a client's next request.
struct Wish {
    upstream: UpstreamId,
    is_post: bool,
    is_slow: bool,
    abort_after: Option<Duration>,
    size: usize,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connect(port: u16) -> Result<Connection, Failure> {
    let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let task = tokio::spawn(async move {
        // The request that waits for the response gets the error as well.
        let _ = connection.await;
    });
    Ok(Connection {
        sender,
        task,
        worker: None,
    })
}

fn slow_body() -> Body {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        for _ in 0..5 {
            sleep(Duration::from_millis(40)).await;
            if sender
                .send_data(Bytes::from_static(&[b'-'; 400]))
                .await
                .is_err()
            {
                return;
            }
        }
    });
    body.boxed()
}

/// `$upstream_addr` and `$upstream_status`: `a, b` for consecutive tries, `a : b` after an internal redirect.
fn attempts(headers: &HeaderMap) -> Result<Vec<(String, u16)>, Failure> {
    let list = |name| -> Result<Vec<String>, Failure> {
        let field = headers.get(name).ok_or("nginx tells no attempts")?;
        Ok(field.to_str()?.split(", ").map(str::to_owned).collect())
    };
    let (addresses, statuses) = (list("x-attempts")?, list("x-statuses")?);
    addresses
        .into_iter()
        .zip(statuses)
        .map(|(address, status)| Ok((address, status.parse()?)))
        .collect()
}

fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(
    headers: &HeaderMap,
    name: &str,
) -> Result<T, Failure> {
    let field = headers.get(name).ok_or_else(|| format!("no {name}"))?;
    Ok(field.to_str()?.parse()?)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock that is set").as_secs()
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let words: Vec<String> = causes.map(ToString::to_string).collect();
    words.join(": ")
}
