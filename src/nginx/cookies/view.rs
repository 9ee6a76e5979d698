//! A request's own view of its `Cookie` fields.

use session_cookie::cookie::{HideRule, Name};
use session_cookie::memory::OutOfMemory;

use super::fields::Cookies;
use super::list::{is_cookie, parts, Fields};
use crate::nginx::bytes;
use crate::nginx::pool::{PoolSlot, SlotKind};
use crate::nginx::request::Request;

/// A view of the `Cookie` fields: what it was made of.
#[derive(Clone, Copy)]
pub(crate) struct View<'r> {
    /// The fields as the request sees them.
    pub(crate) installed: Cookies<'r>,
    /// The fields as the client sent them.
    pub(crate) original: Cookies<'r>,
    /// What is hidden of them.
    pub(crate) rules: &'r [HideRule<'r>],
    /// Where there is one rule, and one pair that it names: that pair.
    pub(crate) single: Option<SinglePair<'r>>,
}

/// The only pair that a rule hides in a request.
#[derive(Clone, Copy)]
pub(crate) struct SinglePair<'r> {
    /// Its name: that of the policy from which the rule is.
    pub(crate) name: &'r Name,
    /// What is hidden of it: the value, or the id that is a prefix of it.
    pub(crate) value: &'r [u8],
}

// SAFETY: no other type has `SlotKind::View`.
unsafe impl<'r> PoolSlot<'r> for View<'r> {
    const KIND: SlotKind = SlotKind::View;

    fn key(&self) -> usize {
        self.installed.key()
    }
}

impl<'r> View<'r> {
    /// Returns the newest view in which these fields are what a request sees.
    #[inline(always)]
    pub(super) fn find(request: Request<'r>, installed: Cookies<'r>) -> Option<&'r View<'r>> {
        let newest = request.pool().newest::<View>(installed.key());
        // The address of an array does not say how many fields it has.
        #[cfg(not(nginx_header_chains))]
        let newest = newest.filter(|view| view.installed == installed);
        newest
    }

    /// Returns what the request sees now.
    #[inline(always)]
    pub(crate) fn of(request: Request<'r>) -> Self {
        let current = Cookies::current(request);
        View::find(request, current).copied().unwrap_or(View {
            installed: current,
            original: current,
            rules: &[],
            single: None,
        })
    }

    /// Gives the request a view of its own, before its request to the upstream server is created: `strip` says what of
    /// each `Cookie` field that it sees now is left; a field of which nothing is left goes.
    pub(crate) fn install(
        self,
        request: Request<'r>,
        rules: &'r [HideRule<'r>],
        mut strip: impl FnMut(&'r [u8]) -> Result<&'r [u8], OutOfMemory>,
    ) -> Result<(), OutOfMemory> {
        let mut list = Fields::like(request).ok_or(OutOfMemory)?;
        for part in parts(request) {
            let mut rest = part;
            // By name, whoever put them there: what is hidden must not slip through.
            while let Some(at) = rest.iter().position(is_cookie) {
                let (before, from) = rest.split_at_checked(at).unwrap_or_default();
                list.copy(before);
                let Some((cookie, after)) = from.split_first() else {
                    break;
                };
                // SAFETY: the texts of header fields live as long as the request.
                let value = strip(unsafe { bytes(cookie.value) })?;
                if !value.is_empty() {
                    list.copy_cookie(cookie, value);
                }
                rest = after;
            }
            list.copy(rest);
        }
        list.install();

        let view = View {
            installed: Cookies::current(request),
            rules,
            single: None,
            ..self
        };
        request.pool().keep(view).ok_or(OutOfMemory)?;
        Ok(())
    }
}
