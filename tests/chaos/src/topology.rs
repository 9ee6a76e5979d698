//! The upstreams under test, their servers, and nginx's configuration for them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use md5::{Digest, Md5};
use rustix::process::geteuid;
use sha2::Sha256;

use crate::keys::{self, KeyId, Made};
use crate::resolver::line_of;

/// `fail_timeout` of every server, with `max_fails=1`.
pub(crate) const FAIL_TIMEOUT: Duration = Duration::from_secs(1);
/// nginx's timeout for a server: to connect, to receive a request, to respond.
pub(crate) const SERVER_TIMEOUT: Duration = Duration::from_secs(2);
pub(crate) type ServerId = usize;
pub(crate) type UpstreamId = usize;

#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Mode {
    Insert,
    Rewrite,
    Prefix,
    Learn,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Fallback {
    On,
    Off,
    /// An unknown ID is a first visit; for a known server that is down, the response is 502.
    Unknown,
}

/// The description of an upstream.
struct Recipe {
    name: &'static str,
    /// Directives before `session_sticky` ...
    above: &'static str,
    /// ... its parameters except `cookie=` ...
    sticky: &'static str,
    /// ... and directives after it: their order must not matter.
    below: &'static str,
    primaries: usize,
    backups: usize,
    dynamic: Dynamic,
}

/// How a server is removed.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Dynamic {
    /// Its `server` directive is removed.
    Configuration,
    /// Its `server` directive gets `drain`: it keeps its sessions.
    Drain,
    /// Its address is removed from DNS.
    Dns,
}

const RECIPES: &[Recipe] = &[
    Recipe {
        name: "plain",
        above: "zone plain 256k;",
        sticky: "",
        below: "",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "least",
        above: "zone least 256k;",
        sticky: "maxidle=3s maxlife=12s",
        below: "least_conn;",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "hashed",
        above: "hash $http_x_client consistent;",
        sticky: "option=indirect",
        below: "zone hashed 256k;",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "two",
        above: "zone two 256k; random two least_conn;",
        sticky: "hash=plain",
        below: "keepalive 16;",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "alone",
        above: "keepalive 8;",
        sticky: "",
        below: "",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "leastalone",
        above: "",
        sticky: "hash=plain option=indirect maxidle=20s",
        below: "least_conn;",
        primaries: 5,
        backups: 1,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "prefixed",
        above: "zone prefixed 256k;",
        sticky: "mode=prefix",
        below: "keepalive 8;",
        primaries: 4,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "rewritten",
        above: "",
        sticky: "mode=rewrite",
        below: "",
        primaries: 4,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "strict",
        above: "zone strict 256k;",
        sticky: "fallback=off",
        below: "",
        primaries: 4,
        backups: 1,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "strictalone",
        above: "",
        sticky: "fallback=off option=indirect",
        below: "keepalive 4;",
        primaries: 4,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "unknown",
        above: "",
        sticky: "fallback=unknown hash=plain",
        below: "zone unknown 256k; least_conn;",
        primaries: 4,
        backups: 1,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "returning",
        above: "zone returning 256k;",
        sticky: "rebind=off maxidle=20s",
        below: "",
        primaries: 4,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "draining",
        above: "zone draining 256k;",
        sticky: "",
        below: "keepalive 8;",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Drain,
    },
    Recipe {
        name: "backed",
        above: "zone backed 256k;",
        sticky: "",
        below: "keepalive 16;",
        primaries: 3,
        backups: 2,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "single",
        above: "",
        sticky: "",
        below: "",
        primaries: 1,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "learned",
        above: "zone learned 256k;",
        sticky: "mode=learn timeout=4s",
        below: "keepalive 8;",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "learnedback",
        above: "least_conn;",
        sticky: "mode=learn rebind=off header timeout=3600s",
        below: "",
        primaries: 4,
        backups: 1,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "learnedstrict",
        above: "",
        sticky: "mode=learn fallback=off timeout=3600s",
        below: "zone learnedstrict 256k;",
        primaries: 4,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "keyed",
        above: "zone keyed 256k;",
        sticky: "hash=hmac",
        below: "keepalive 8;",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "signed",
        above: "least_conn;",
        sticky: "hash=hmac sign maxidle=6s maxlife=20s",
        below: "",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "fresh",
        above: "zone fresh 256k;",
        sticky: "hash=plain sign maxidle=1800s refresh=180s",
        below: "",
        primaries: 5,
        backups: 1,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "signedstrict",
        above: "",
        sticky: "sign maxlife=600s fallback=off option=indirect",
        below: "zone signedstrict 256k;",
        primaries: 4,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "keyedprefix",
        above: "",
        sticky: "hash=hmac mode=prefix",
        below: "keepalive 8;",
        primaries: 4,
        backups: 0,
        dynamic: Dynamic::Drain,
    },
    Recipe {
        name: "accepting",
        above: "zone accepting 256k;",
        sticky: "accept=traefik",
        below: "keepalive 8;",
        primaries: 4,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "asking",
        above: "zone asking 256k;",
        sticky: "maxlife=8s drain_if=$upstream_http_x_draining drain_time=8s",
        below: "keepalive 8;",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "askingalone",
        above: "",
        sticky: "fallback=off maxidle=2s drain_if=$upstream_http_x_draining drain_time=12s",
        below: "least_conn;",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "over",
        above: "zone over 256k;",
        sticky: "full=over maxlife=8s",
        below: "",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "overstrict",
        above: "keepalive 8;",
        sticky: "full=over fallback=off maxlife=4s",
        below: "",
        primaries: 4,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "following",
        above: "zone following 256k;",
        sticky: "follow=login",
        below: "keepalive 8;",
        primaries: 5,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "followstrict",
        above: "least_conn;",
        sticky: "follow=staff_* option=indirect fallback=off",
        below: "",
        primaries: 4,
        backups: 0,
        dynamic: Dynamic::Configuration,
    },
    Recipe {
        name: "names",
        above: "zone names 256k;",
        sticky: "",
        below: "keepalive 8;",
        primaries: 6,
        backups: 0,
        dynamic: Dynamic::Dns,
    },
    Recipe {
        name: "namesleast",
        above: "least_conn;",
        sticky: "option=indirect",
        below: "zone namesleast 256k;",
        primaries: 6,
        backups: 0,
        dynamic: Dynamic::Dns,
    },
    Recipe {
        name: "keyednames",
        above: "zone keyednames 256k;",
        sticky: "hash=hmac sign maxidle=600s",
        below: "keepalive 8;",
        primaries: 6,
        backups: 0,
        dynamic: Dynamic::Dns,
    },
    Recipe {
        name: "lingering",
        above: "zone lingering 256k;",
        sticky: "linger=8s",
        below: "keepalive 8;",
        primaries: 6,
        backups: 0,
        dynamic: Dynamic::Dns,
    },
];

/// The upstream with a variable in its location, so that only the directive can hide the cookie.
const BY_VARIABLE: &str = "hashed";

pub(crate) struct Upstream {
    recipe: &'static Recipe,
    pub(crate) servers: Vec<ServerId>,
}

impl Upstream {
    pub(crate) fn name(&self) -> &'static str {
        self.recipe.name
    }

    pub(crate) fn cookie(&self) -> String {
        format!("route_{}", self.recipe.name)
    }

    fn directives(&self) -> impl Iterator<Item = &'static str> {
        self.recipe
            .above
            .split(';')
            .chain(self.recipe.below.split(';'))
            .map(str::trim)
    }

    fn parameter(&self, name: &str) -> Option<&'static str> {
        self.recipe
            .sticky
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    pub(crate) fn mode(&self) -> Mode {
        match self.parameter("mode") {
            Some("prefix") => Mode::Prefix,
            Some("rewrite") => Mode::Rewrite,
            Some("learn") => Mode::Learn,
            _ => Mode::Insert,
        }
    }

    pub(crate) fn fallback(&self) -> Fallback {
        match self.parameter("fallback") {
            Some("off") => Fallback::Off,
            Some("unknown") => Fallback::Unknown,
            _ => Fallback::On,
        }
    }

    /// Whether a session moves permanently.
    pub(crate) fn rebinds(&self) -> bool {
        self.parameter("rebind") != Some("off")
    }

    /// Whether the ID must be hidden from the servers.
    pub(crate) fn hides(&self) -> bool {
        self.parameter("option") == Some("indirect") || self.mode() == Mode::Prefix
    }

    /// Whether the workers share their knowledge of the servers.
    pub(crate) fn has_zone(&self) -> bool {
        self.directives().any(|line| line.starts_with("zone "))
    }

    pub(crate) fn has_keepalive(&self) -> bool {
        self.directives().any(|line| line.starts_with("keepalive "))
    }

    /// Whether its servers are determined by DNS rather than the configuration.
    pub(crate) fn resolves(&self) -> bool {
        self.recipe.dynamic == Dynamic::Dns
    }

    /// The name that resolves to the servers.
    pub(crate) fn dns_name(&self) -> String {
        format!("{}.chaos.test", self.recipe.name)
    }

    fn is_plain(&self) -> bool {
        self.parameter("hash") == Some("plain")
    }

    /// Whether server IDs are keyed.
    fn is_keyed(&self) -> bool {
        self.parameter("hash") == Some("hmac")
    }

    fn signs(&self) -> bool {
        self.recipe.sticky.split_whitespace().any(|w| w == "sign")
    }

    /// Whether its cookie is made with keys.
    pub(crate) fn has_keys(&self) -> bool {
        self.is_keyed() || self.signs()
    }

    /// Whether clients send cookies of another system.
    pub(crate) fn accepts(&self) -> bool {
        self.parameter("accept").is_some()
    }

    pub(crate) fn max_idle(&self) -> Option<u64> {
        seconds(self.parameter("maxidle")?)
    }

    pub(crate) fn max_life(&self) -> Option<u64> {
        seconds(self.parameter("maxlife")?)
    }

    /// The application's cookie that indicates a session.
    pub(crate) fn follows(&self) -> Option<String> {
        Some(self.parameter("follow")?.replace('*', "7"))
    }

    /// The maximum number of connections of a server, not counting its sessions: of all workers together, or of each
    /// without a zone.
    pub(crate) fn max_conns(&self) -> Option<usize> {
        (self.parameter("full") == Some("over")).then_some(1)
    }

    /// How long a server drains after requesting it, if it may.
    pub(crate) fn drain_time(&self) -> Option<Duration> {
        seconds(self.parameter("drain_time")?).map(Duration::from_secs)
    }

    /// How long a server keeps its sessions after its address has left DNS.
    pub(crate) fn linger(&self) -> Option<Duration> {
        seconds(self.parameter("linger")?).map(Duration::from_secs)
    }

    /// The age at which timestamps are renewed.
    pub(crate) fn refresh(&self) -> u64 {
        self.parameter("refresh").and_then(seconds).unwrap_or(0)
    }

    /// How long an unused learned session is remembered.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        seconds(self.parameter("timeout")?).map(Duration::from_secs)
    }

    fn directive(&self, setting: &Setting) -> String {
        let (name, cookie, zone) = (self.name(), self.cookie(), setting.session_zone);
        let sticky = match self.linger() {
            Some(_) if !setting.lingers => "",
            _ => self.recipe.sticky,
        };
        if self.mode() == Mode::Learn {
            format!(
                "session_sticky {sticky} create=$upstream_cookie_{cookie} lookup=$cookie_{cookie} \
                 zone=sessions_{name}:{zone};"
            )
        } else {
            let keys = if self.has_keys() { KEY_FILE } else { "" };
            format!("session_sticky cookie={cookie} {sticky} {keys};")
        }
    }
}

/// The session variables are sent to the server, before it is chosen, and to the client afterwards.
const TOLD_EARLY: &str = "proxy_set_header X-Verdict $session_sticky_verdict; \
                          proxy_set_header X-Previous $session_sticky_previous;";

/// In the same folder as the configuration.
const KEY_FILE: &str = "key_file=keys";

fn seconds(text: &str) -> Option<u64> {
    text.strip_suffix('s')?.parse().ok()
}

pub(crate) struct Server {
    pub(crate) upstream: UpstreamId,
    pub(crate) address: SocketAddrV4,
    backup: bool,
    /// Its ID in the cookie, if not keyed. Computed here, independently of the module.
    pub(crate) id: String,
    /// Its ID in cookies of Traefik 3.3.4 and newer.
    pub(crate) minted: String,
}

/// The presence of a server in a configuration.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Membership {
    In,
    Draining,
    Out,
}

pub(crate) struct Topology {
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) servers: Vec<Server>,
    /// The total number of keys.
    keys: KeyId,
    /// The keyed IDs, with server and key.
    by_key: HashMap<String, (ServerId, KeyId)>,
}

impl Topology {
    /// `port`: all servers listen on it, each on its own address; `keys`: the total number of keys.
    pub(crate) fn new(port: u16, with_resolve: bool, keys: KeyId) -> Self {
        let mut topology = Topology {
            upstreams: Vec::new(),
            servers: Vec::new(),
            keys,
            by_key: HashMap::new(),
        };
        let recipes = RECIPES
            .iter()
            .filter(|r| with_resolve || r.dynamic != Dynamic::Dns);
        for (upstream, recipe) in recipes.enumerate() {
            let mut this = Upstream {
                recipe,
                servers: Vec::new(),
            };
            for index in 0..recipe.primaries + recipe.backups {
                let host = Ipv4Addr::new(127, 1, upstream as u8 + 1, index as u8 + 1);
                let address = SocketAddrV4::new(host, port);
                let server = topology.servers.len();
                this.servers.push(server);
                if this.is_keyed() {
                    let id = |key| keys::id(key, &address.to_string());
                    let ids = (0..keys).map(|key| (id(key), (server, key)));
                    topology.by_key.extend(ids);
                }
                topology.servers.push(Server {
                    upstream,
                    address,
                    backup: index >= recipe.primaries,
                    id: if this.is_plain() {
                        format!("srv-{index}")
                    } else {
                        hex(&Md5::digest(address.to_string()))
                    },
                    minted: hex(&Sha256::digest(format!("http://{address}"))[..8]),
                });
            }
            topology.upstreams.push(this);
        }
        topology
    }

    pub(crate) fn server_at(&self, address: &str) -> Option<ServerId> {
        self.servers
            .iter()
            .position(|server| server.address.to_string() == address)
    }

    pub(crate) fn server_of_id(&self, upstream: UpstreamId, id: &str) -> Option<ServerId> {
        let servers = &self.upstreams[upstream].servers;
        if !self.upstreams[upstream].is_keyed() {
            return servers.iter().copied().find(|&s| self.servers[s].id == id);
        }
        let (server, _) = self.by_keys(id)?;
        servers.contains(&server).then_some(server)
    }

    /// The server in a cookie of another system, if the upstream accepts it.
    pub(crate) fn server_of_minted(&self, upstream: UpstreamId, value: &str) -> Option<ServerId> {
        let upstream = &self.upstreams[upstream];
        let mut servers = upstream.servers.iter().copied();
        servers.find(|&s| upstream.accepts() && self.servers[s].minted == value)
    }

    /// The server of a keyed ID, and its keys.
    fn by_keys(&self, id: &str) -> Option<(ServerId, Vec<KeyId>)> {
        let parts = id.split('.').map(|part| self.by_key.get(part).copied());
        let (servers, keys): (Vec<_>, Vec<_>) =
            parts.collect::<Option<Vec<_>>>()?.into_iter().unzip();
        let server = *servers.first()?;
        servers
            .iter()
            .all(|s| *s == server)
            .then_some((server, keys))
    }

    /// The keys with which the value of an upstream's cookie was made.
    pub(crate) fn made(&self, upstream: UpstreamId, value: &str) -> Made {
        let upstream = &self.upstreams[upstream];
        let id = value.split(['|', '~']).next().unwrap_or_default();
        let by_keys = || self.by_keys(id).map_or(Vec::new(), |(_, keys)| keys);
        let signed_by = || {
            let (text, signatures) = value.rsplit_once('|')?;
            keys::signed_by(self.keys, &upstream.cookie(), text, signatures)
        };
        Made {
            id: upstream.is_keyed().then(by_keys),
            signatures: upstream.signs().then(|| signed_by().unwrap_or_default()),
        }
    }

    /// Whether the presence of this server is determined by DNS.
    pub(crate) fn is_resolved(&self, server: ServerId) -> bool {
        self.upstreams[self.servers[server].upstream].resolves()
    }

    /// The membership of a server in a configuration while it is present, or is not.
    pub(crate) fn membership(&self, server: ServerId, is_present: bool) -> Membership {
        let upstream = &self.upstreams[self.servers[server].upstream];
        match upstream.recipe.dynamic {
            Dynamic::Dns => Membership::In,
            _ if is_present => Membership::In,
            Dynamic::Drain => Membership::Draining,
            Dynamic::Configuration => Membership::Out,
        }
    }

    pub(crate) fn is_backup(&self, server: ServerId) -> bool {
        self.servers[server].backup
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The parameters of the configuration, apart from the upstreams.
pub(crate) struct Setting<'a> {
    pub(crate) modules: &'a [String],
    pub(crate) workers: usize,
    pub(crate) listen: u16,
    pub(crate) resolver: u16,
    pub(crate) port: u16,
    /// Additional directives of the `server` block.
    pub(crate) extra: &'a str,
    /// The size of the zones of learned sessions.
    pub(crate) session_zone: &'a str,
    /// Whether `linger=` is included.
    pub(crate) lingers: bool,
    /// Whether `session_sticky` is included; if not, its cookies are only imitated.
    pub(crate) sticky: bool,
}

impl Topology {
    /// The configuration of one generation, whose number is in each response and each request to a server, so that the
    /// servers that a request could reach are known exactly.
    pub(crate) fn configuration(
        &self,
        setting: &Setting,
        generation: usize,
        members: &[Membership],
    ) -> String {
        let mut text = String::new();
        for module in setting.modules {
            let _ = writeln!(text, "load_module {module};");
        }
        let _ = write!(
            text,
            "{user}
worker_processes {workers};
worker_rlimit_nofile 8192;
daemon off;
pid nginx.pid;
error_log error.log notice;
events {{ worker_connections 2048; }}
http {{
    log_format chaos '$msec $pid $http_x_request \"$request\" $status $request_time '
                     '\"$upstream_addr\" \"$upstream_status\" \"$upstream_response_time\" '
                     '\"$sent_http_set_cookie\"';
    access_log access-{generation}.log chaos;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    resolver {line}:{resolver} valid=1s ipv6=off;
    resolver_timeout 2s;
    proxy_connect_timeout {timeout}s;
    proxy_send_timeout {timeout}s;
    proxy_read_timeout {timeout}s;
    proxy_next_upstream error timeout http_500 http_503;
    proxy_http_version 1.1;
    proxy_set_header X-Generation {generation};
    add_header X-Generation {generation} always;
    add_header X-Worker $pid always;
    add_header X-Attempts $upstream_addr always;
    add_header X-Statuses $upstream_status always;
    add_header X-Verdict $session_sticky_verdict always;
    add_header X-Previous $session_sticky_previous always;
    add_header X-Session $session_sticky_status always;
",
            // As root, nginx would run its workers as `nobody`, which cannot access the folder.
            user = if geteuid().is_root() {
                "user root;"
            } else {
                ""
            },
            workers = setting.workers,
            line = line_of(generation),
            resolver = setting.resolver,
            timeout = SERVER_TIMEOUT.as_secs(),
        );

        if !setting.sticky {
            self.imitation(&mut text);
        }
        for upstream in &self.upstreams {
            self.upstream_block(&mut text, setting, upstream, members);
        }

        let _ = write!(
            text,
            "    server {{
        listen 127.0.0.1:{};
        location = /generation {{ access_log off; return 200 {generation}; }}
        {}
",
            setting.listen, setting.extra,
        );
        if setting.sticky {
            text.push_str(
                "        location /status { access_log off; session_sticky_status; \
                 session_sticky_control on state=control; allow 127.0.0.1; deny all; }\n",
            );
        }
        for upstream in &self.upstreams {
            let name = upstream.name();
            let connection = if upstream.has_keepalive() {
                "\"\""
            } else {
                "close"
            };
            let pass = if name == BY_VARIABLE {
                let hide = format!("session_sticky_hide_cookie upstream={name};");
                format!(
                    "set $name {name}; proxy_pass http://$name; {}",
                    if setting.sticky { hide.as_str() } else { "" }
                )
            } else {
                format!("proxy_pass http://{name};")
            };
            // The headers set in a location replace the inherited ones.
            let _ = writeln!(
                text,
                "        location = /{name} {{ {pass} proxy_set_header Connection {connection}; \
                 proxy_set_header X-Generation {generation}; {TOLD_EARLY} }}"
            );
        }
        text.push_str("    }\n}\n");
        text
    }

    /// Sets the same cookies as the module, without following them.
    fn imitation(&self, text: &mut String) {
        text.push_str("    map $upstream_addr $imitated {\n");
        for server in &self.servers {
            let cookie = self.upstreams[server.upstream].cookie();
            let _ = writeln!(text, "        {} {cookie}={};", server.address, server.id);
        }
        text.push_str("    }\n    add_header Set-Cookie $imitated always;\n");
    }

    fn upstream_block(
        &self,
        text: &mut String,
        setting: &Setting,
        upstream: &Upstream,
        members: &[Membership],
    ) {
        let recipe = upstream.recipe;
        let limits = format!("max_fails=1 fail_timeout={}s", FAIL_TIMEOUT.as_secs());
        let _ = writeln!(text, "    upstream {} {{", recipe.name);
        let _ = writeln!(text, "        {}", recipe.above);
        if setting.sticky {
            let _ = writeln!(text, "        {}", upstream.directive(setting));
        }
        if upstream.resolves() {
            let (name, port) = (upstream.dns_name(), setting.port);
            let _ = writeln!(text, "        server {name}:{port} resolve {limits};");
        } else {
            for &id in &upstream.servers {
                let server = &self.servers[id];
                if members[id] == Membership::Out {
                    continue;
                }
                let _ = write!(text, "        server {} {limits}", server.address);
                if let Some(most) = upstream.max_conns() {
                    let _ = write!(text, " max_conns={most}");
                }
                if setting.sticky && members[id] == Membership::Draining {
                    text.push_str(" drain");
                }
                if setting.sticky && upstream.is_plain() {
                    let _ = write!(text, " id={}", server.id);
                }
                let _ = writeln!(text, "{};", if server.backup { " backup" } else { "" });
            }
        }
        let _ = writeln!(text, "        {}\n    }}", recipe.below);
    }
}
