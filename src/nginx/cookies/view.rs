//! A request's own view of its `Cookie` fields.

use session_cookie::cookie::{HideRule, Name};
use session_cookie::memory::OutOfMemory;

use super::fields::Cookies;
use super::list::{is_cookie, parts, Fields};
use crate::nginx::bytes;
use crate::nginx::pool::{PoolSlot, SlotKind};
use crate::nginx::request::Request;

/// A view of the `Cookie` fields.
#[derive(Clone, Copy)]
pub(crate) struct View<'r> {
    /// The fields as the request sees them.
    pub(crate) installed: Cookies<'r>,
    /// The fields as sent by the client.
    pub(crate) original: Cookies<'r>,
    /// The rules that hide some of them.
    pub(crate) rules: &'r [HideRule<'r>],
    /// The hidden pair, if there is only one rule and one matching pair.
    pub(crate) single: Option<SinglePair<'r>>,
}

/// The only pair that a rule hides in a request.
#[derive(Clone, Copy)]
pub(crate) struct SinglePair<'r> {
    /// The name of the pair, from the policy that the rule belongs to.
    pub(crate) name: &'r Name,
    /// The hidden part of the pair: its value, or the ID at the start of the value.
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
    /// Returns the newest view in which the request sees these fields.
    #[inline(always)]
    pub(super) fn find(request: Request<'r>, installed: Cookies<'r>) -> Option<&'r View<'r>> {
        let newest = request.pool().newest::<View>(installed.key());
        // The address of an array does not determine its length.
        #[cfg(not(nginx_header_chains))]
        let newest = newest.filter(|view| view.installed == installed);
        newest
    }

    /// Returns what the request currently sees.
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

    /// Gives the request a view of its own, before nginx creates its request to the upstream server. `strip` returns what remains
    /// of each `Cookie` field that the request currently sees; if nothing remains, the field is removed.
    pub(crate) fn install(
        self,
        request: Request<'r>,
        rules: &'r [HideRule<'r>],
        mut strip: impl FnMut(&'r [u8]) -> Result<&'r [u8], OutOfMemory>,
    ) -> Result<(), OutOfMemory> {
        let mut list = Fields::like(request).ok_or(OutOfMemory)?;
        for part in parts(request) {
            let mut rest = part;
            // Matches by name, to include fields that other modules have added; they must be hidden, too.
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
