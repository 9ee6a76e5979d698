//! Warns about upstreams whose cookies overwrite each other: a client can reach both through one `server` block, the cookies
//! have the same name, domain and path, and neither upstream accepts the cookies of the other.

use session_cookie::id::{Digest, Id};
use session_cookie::keys::Keys;
use session_cookie::memory::{push, OutOfMemory};
use session_cookie::policy::{Accepted, Hash, Mode, Policy};

use crate::conf::{policy_of, MainConf, Reached, Sticky, UpstreamConf};
use crate::nginx::complex_value::ComplexValue;
use crate::nginx::conf::Conf;
use crate::nginx::upstream::{ServerLine, Upstream};
use crate::nginx::{string, Printable};

/// Records the upstreams that the location being merged passes requests to. If it selects the upstream by a variable, these
/// are assumed to be the upstreams in `hidden`, whose cookies it hides.
pub(crate) fn note(
    cf: Conf<'static>,
    main: &mut MainConf,
    hidden: &[&[u8]],
) -> Result<(), OutOfMemory> {
    let by_variable = cf.has_content_handler() && cf.passed_upstreams().next().is_none();
    let hidden = hidden.iter().filter(|_| by_variable);
    let upstreams = cf
        .passed_upstreams()
        .chain(hidden.filter_map(|name| cf.upstream(name)));
    for upstream in upstreams.filter(|upstream| policy_of(*upstream).is_some()) {
        let reached = of_server(&mut main.reached, cf.server_block())?;
        if !reached.contains(&upstream) {
            push(reached, upstream)?;
        }
    }
    Ok(())
}

/// Returns the upstreams recorded for a `server` block. nginx merges all locations of a block before those of the next one.
fn of_server(
    reached: &mut Vec<Reached>,
    server: usize,
) -> Result<&mut Vec<Upstream<'static>>, OutOfMemory> {
    if reached.last().is_none_or(|last| last.server != server) {
        let upstreams = Vec::new();
        push(reached, Reached { server, upstreams })?;
    }
    let last = reached.last_mut().ok_or(OutOfMemory)?;
    Ok(&mut last.upstreams)
}

/// Warns once about each upstream whose sessions conflict with those of another. Called after the http block has been read.
pub(crate) fn check(cf: Conf<'_>, main: &MainConf) -> Result<(), OutOfMemory> {
    let mut told = Vec::new();
    for reached in &main.reached {
        for (at, upstream) in reached.upstreams.iter().enumerate() {
            let before = reached.upstreams.get(..at).unwrap_or_default();
            let Some(cookie) = Cookie::of(*upstream) else {
                continue;
            };
            if let Some((other, how)) = first_that_differs(*upstream, &cookie, before)? {
                if !told.contains(upstream) {
                    push(&mut told, *upstream)?;
                    warn(cf, &cookie, *upstream, other, how);
                }
            }
        }
    }
    Ok(())
}

/// Returns the first of `others` that has the same cookie and does not accept its values, and how it differs.
fn first_that_differs<'c>(
    upstream: Upstream<'c>,
    cookie: &Cookie<'_>,
    others: &[Upstream<'c>],
) -> Result<Option<(Upstream<'c>, &'static str)>, OutOfMemory> {
    // Servers are compared only if the cookies are the same.
    let is_same = |other: &&Upstream<'c>| Cookie::of(**other).is_some_and(|other| other == *cookie);
    for other in others.iter().filter(is_same) {
        let how = if Servers::of(upstream)?.differ_from(&Servers::of(*other)?) {
            "has other servers or ids"
        } else if !read_each_other(upstream, *other) {
            "signs it differently"
        } else {
            continue;
        };
        return Ok(Some((*other, how)));
    }
    Ok(None)
}

/// Returns whether two upstreams accept each other's signatures.
fn read_each_other(one: Upstream<'_>, other: Upstream<'_>) -> bool {
    let (Some(one), Some(other)) = (policy_of(one), policy_of(other)) else {
        return true;
    };
    let reads = |policy: &Policy, other: &Policy| match (&policy.signer, &other.signer) {
        (None, _) => true,
        (Some(_), None) => policy.accepts_unsigned,
        (Some(_), Some(_)) => policy.keys.understand(&other.keys),
    };
    reads(one, other) && reads(other, one)
}

fn warn(
    cf: Conf<'_>,
    cookie: &Cookie<'_>,
    upstream: Upstream<'_>,
    other: Upstream<'_>,
    how: &'static str,
) {
    cf.warn_of_block(format_args!(
        "cookie \"{}\" of upstream \"{}\" is also that of upstream \"{}\", which {how} and is reached from the same \
         \"server\" block, a client that visits both loses its session each time: give the cookies \
         different names or paths in {}",
        Printable(cookie.name),
        string(upstream.host()),
        string(other.host()),
        upstream.declared_at()
    ));
}

/// The name, domain and path, by which browsers distinguish cookies. Text with variables is compared as it is written.
struct Cookie<'c> {
    name: &'c [u8],
    domain: &'c [u8],
    path: &'c [u8],
}

impl PartialEq for Cookie<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.domain.eq_ignore_ascii_case(other.domain)
            && self.path == other.path
    }
}

impl<'c> Cookie<'c> {
    /// Returns the cookie of an upstream, if it is known from the configuration: the application does not set it, and its
    /// path is not taken from the request.
    fn of(upstream: Upstream<'c>) -> Option<Self> {
        let sticky = upstream.conf::<Sticky>()?.sticky.as_ref()?;
        let policy = &sticky.policy;
        if !matches!(policy.mode, Mode::Insert | Mode::Repeat) || policy.silent {
            return None;
        }
        let path = sticky.path.as_ref();
        let path = path.map_or(&*policy.path, ComplexValue::text);
        let domain = match &sticky.domain {
            Some(compiled) => compiled.text(),
            None => policy.domain.as_deref().unwrap_or_default(),
        };
        let domain = domain.strip_prefix(b".").unwrap_or(domain);
        (!path.is_empty()).then_some(Cookie {
            name: &policy.cookie,
            domain,
            path,
        })
    }
}

/// The servers of an upstream, as far as they are known from the configuration.
#[derive(Default)]
struct Servers<'c> {
    /// Whether other forms of IDs are accepted.
    accepts: bool,
    /// The keys with which IDs are made, if any.
    writes: Option<&'c Keys>,
    /// The keys with which IDs are accepted, if any.
    reads: Option<&'c Keys>,
    addresses: Set<'c>,
    ids: Set<'c>,
}

impl<'c> Servers<'c> {
    /// Returns whether two upstreams do not accept each other's cookies. Sharing a cookie is intended if the servers have
    /// the same IDs, such as two ports of the same machines, or if each upstream accepts the form of the other.
    fn differ_from(&self, other: &Self) -> bool {
        let is_understood =
            self.addresses == other.addresses && self.reads(other) && other.reads(self);
        self.ids != other.ids && !is_understood
    }

    /// Returns whether it accepts the IDs of the other upstream, as far as the directives show.
    fn reads(&self, other: &Self) -> bool {
        match other.writes {
            Some(keys) => self.reads.is_some_and(|own| own.understand(keys)),
            None => self.accepts,
        }
    }

    /// Returns the servers of an upstream.
    fn of(upstream: Upstream<'c>) -> Result<Self, OutOfMemory> {
        let mut all = Servers::default();
        let Some(conf) = upstream.conf::<Sticky>() else {
            return Ok(all);
        };
        let Some(policy) = conf.policy() else {
            return Ok(all);
        };
        let is_by_keys = policy.hash == Hash::Hmac;
        let is_key = |form: &Accepted| matches!(form, Accepted::Key(_));
        all.accepts = !policy.accept.iter().all(is_key);
        all.writes = is_by_keys.then_some(&policy.keys);
        let reads_keys = is_by_keys || policy.accept.iter().any(is_key);
        all.reads = reads_keys.then_some(&policy.keys);
        for (index, line) in upstream.lines().enumerate() {
            for name in names(&line) {
                push(&mut all.addresses.0, Id::from(name))?;
                push(&mut all.ids.0, id(conf, policy, &line, index, name))?;
            }
        }
        all.addresses.finish();
        all.ids.finish();
        Ok(all)
    }
}

/// Returns the ID of one address of a `server` line.
fn id<'c>(
    conf: &UpstreamConf,
    policy: &Policy,
    line: &ServerLine<'c>,
    index: usize,
    name: &'c [u8],
) -> Id<'c> {
    match policy.hash {
        Hash::Plain => {
            let given = conf.server_confs.get(line.name, line.is_backup);
            let given = given.and_then(|given| given.id).or(line.route);
            Id::from(given.unwrap_or(name))
        }
        Hash::Md5 | Hash::Given => Id::md5(name),
        Hash::Sha1 => Id::of_address(name, Digest::Sha1, &[]),
        Hash::Index => Id::number(index as u64),
        Hash::Hmac => policy.keys.own_id(name),
        Hash::Line(digest) => Id::of_address(line.name, digest, &policy.hmac_key),
    }
}

/// Returns the addresses of a server as nginx prints them, or its name if it is resolved at run time.
fn names<'c>(line: &ServerLine<'c>) -> impl Iterator<Item = &'c [u8]> {
    let addresses = line.addresses();
    let name = (addresses.len() == 0).then_some(line.name);
    addresses.chain(name)
}

/// A set of texts.
#[derive(Default)]
struct Set<'c>(Vec<Id<'c>>);

impl Set<'_> {
    /// Sorts and deduplicates the texts, so that sets can be compared.
    fn finish(&mut self) {
        self.0
            .sort_unstable_by(|one, other| one.iter().cmp(other.iter()));
        self.0.dedup_by(|one, other| **one == **other);
    }
}

impl PartialEq for Set<'_> {
    fn eq(&self, other: &Self) -> bool {
        let texts = self.0.iter().map(|text| &**text);
        texts.eq(other.0.iter().map(|text| &**text))
    }
}
