//! From the cookie of a request to the servers that it names, and what the log says of it.

use ngx::ffi::{ngx_http_upstream_srv_conf_t, ngx_uint_t, NGX_LOG_INFO};
use ngx::ngx_log_error;
use session_cookie::action::settled;
use session_cookie::policy::{Mode, Policy};
use session_cookie::roster::{EntryId, Member};
use session_cookie::verdict::{choose, judged_values, Judge, Lookup, Reading, Verdict};

use super::known::{edition, servers};
use super::servers::Form;
use super::visit::{fallback, is_first_try, now, servers_of, Candidate, Stage, Visit};
use super::{exposed, lend};
use crate::conf::UpstreamConf;
use crate::nginx::headers_in::{Only, View};
use crate::nginx::peers::{generation_of, Peer};
use crate::nginx::{log, pool, Printable};

/// Reads the cookie, and finds the servers that it names.
#[inline(always)]
pub(super) unsafe fn read_cookie(visit: &mut Visit, conf: &'static UpstreamConf) {
    // SAFETY: the request is live, and so are its header fields; time is not before 1970.
    unsafe {
        let here = Here::of(visit, conf);
        let view = View::of(visit.request);
        let is_ours = |only: &Only| core::ptr::eq(only.name, &visit.policy.cookie);
        let only = view.only.filter(is_ours);
        if only.is_none() && conf.hides {
            exposed::look(visit);
        }

        let (policy, reading) = (visit.policy, &mut visit.reading);
        let judge = || judge(policy, here);
        let found = match only {
            Some(only) => match policy.mode {
                Mode::Prefix => judge().read_id(only.said, reading),
                _ => judge().read_value(only.said, reading),
            },
            None => judge().read(view.original.values(), reading),
        };
        if let Some((first, member)) = found {
            if is_first_try(visit.request, 0) {
                visit.settled = settled(conf.settled, reading);
            }
            visit.edition = edition(conf);
            visit.named = Some(Candidate::first(Form::Own, first, member));
            visit.stage = Stage::Bind;
        } else if visit.reading.verdict != Verdict::None || policy.accepts_unmarked() {
            read_again(visit, conf);
        }
    }
}

/// The servers that a request may get, to be looked up by id.
#[derive(Clone, Copy)]
struct Here {
    conf: &'static UpstreamConf,
    upstream: *mut ngx_http_upstream_srv_conf_t,
    generation: ngx_uint_t,
}

impl Here {
    /// The servers of a request whose balancer was prepared.
    unsafe fn of(visit: &Visit, conf: &'static UpstreamConf) -> Self {
        // SAFETY: the caller's promise.
        let generation = unsafe { generation_of(visit.below.round_robin()) };
        Here {
            conf,
            upstream: visit.upstream,
            generation,
        }
    }
}

impl<'a> Lookup<(EntryId, &'a Member<Peer>)> for Here {
    #[inline(always)]
    fn look_up(&self, id: &[u8]) -> Option<(EntryId, &'a Member<Peer>)> {
        // SAFETY: a request to this upstream is live.
        let roster = unsafe { &servers(self.conf, self.upstream, self.generation)?.own };
        let first = roster.find(id)?;
        Some((first, roster.member(first)?))
    }
}

/// The judge of the cookies that these servers may have set.
#[inline(always)]
fn judge<L: Copy>(
    policy: &'static Policy,
    servers: L,
) -> Judge<'static, L, impl Fn() -> u64 + Copy> {
    Judge {
        policy,
        servers,
        clock: now,
    }
}

/// Reads a cookie that names no server here as it stands.
#[cold]
#[inline(never)]
unsafe fn read_again(visit: &mut Visit, conf: &'static UpstreamConf) {
    // SAFETY: as in `read_cookie`.
    unsafe {
        if conf.is_foreign.get() {
            visit.reading = Reading::NONE;
            return;
        }
        let policy = visit.policy;
        let fields = View::of(visit.request).original;
        if policy.reads_other_schemes() {
            let find = |id: &[u8]| accepted_server(visit, id);
            let judge = judge(policy, find);
            let mut first = visit.reading;
            for (number, value) in judged_values(fields.values(), policy).enumerate() {
                let mut reading = Reading::NONE;
                if let Some(named) = read_one(visit, value, &mut reading) {
                    visit.reading = reading;
                    visit.edition = edition(conf);
                    visit.named = Some(named);
                    visit.stage = Stage::Bind;
                    return;
                }
                // If none names a server here, the first says what became of the cookie.
                if number == 0 {
                    judge.read_accepted(value, true, &mut first);
                }
            }
            visit.reading = first;
        }
        if visit.reading.verdict != Verdict::None {
            log_verdict(visit);
        }
        let choice = choose(visit.reading.verdict, fallback(visit));
        visit.stage = lend::or_lend(visit, choice.into());
    }
}

/// Judges one value, in our own form and in those that are accepted.
pub(super) unsafe fn read_one(
    visit: &Visit,
    value: &'static [u8],
    reading: &mut Reading<'static>,
) -> Option<Candidate> {
    // SAFETY: the request is live.
    unsafe {
        let policy = visit.policy;
        let here = Here::of(visit, visit.conf);
        let own = judge(policy, here);
        let found = own.read_value(value, reading).or_else(|| {
            let delimiter = policy.transfer.as_ref()?;
            own.read_transferred(value, delimiter, reading)
        });
        if let Some((first, member)) = found {
            return Some(Candidate::first(Form::Own, first, member));
        }
        if policy.accept.is_empty() {
            return None;
        }
        let find = |id: &[u8]| accepted_server(visit, id);
        let (named, ours) = judge(policy, find).read_accepted(value, false, reading)?;
        reading.session.id = ours;
        Some(named)
    }
}

/// The servers that an id names in an accepted form, and our own id of the first.
unsafe fn accepted_server(visit: &Visit, id: &[u8]) -> Option<(Candidate, &'static [u8])> {
    // SAFETY: as in `read_cookie`.
    unsafe {
        let servers = servers_of(visit)?;
        let (form, first, member) = servers.find_accepted(id)?;
        let ours = pool::copy((*visit.request).pool, servers.own.id(member.peer)?)?;
        Some((Candidate::first(form, first, member), ours))
    }
}

#[cold]
#[inline(never)]
unsafe fn log_verdict(visit: &Visit) {
    // SAFETY: the request and its upstream are live.
    unsafe {
        ngx_log_error!(
            NGX_LOG_INFO,
            log(visit.request),
            "session_sticky: cookie \"{}\" for upstream \"{}\" is {}, id \"{}\"",
            Printable(&visit.policy.cookie),
            (*visit.upstream).host,
            visit.reading.verdict.as_str(),
            Printable(visit.reading.session.id)
        );
    }
}
