//! The method, target and header fields of a request.

use ngx::ffi::{ngx_table_elt_t, NGX_HTTP_GET, NGX_HTTP_HEAD, NGX_HTTP_PATCH, NGX_HTTP_POST};

use super::bytes;
use super::cookies::parts;
use super::request::Request;

/// The methods that the module distinguishes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Patch,
    Other,
}

impl<'r> Request<'r> {
    /// Returns the method.
    pub(crate) fn method(self) -> Method {
        // SAFETY: the request is live.
        match u32::try_from(unsafe { (*self.as_ptr()).method }) {
            Ok(NGX_HTTP_GET) => Method::Get,
            Ok(NGX_HTTP_HEAD) => Method::Head,
            Ok(NGX_HTTP_POST) => Method::Post,
            Ok(NGX_HTTP_PATCH) => Method::Patch,
            _ => Method::Other,
        }
    }

    /// Returns the target with its query as the client sent it, not decoded or normalized; `None` for a subrequest.
    pub(crate) fn target(self) -> Option<&'r [u8]> {
        // SAFETY: nginx keeps the text of a target in memory of its connection or of its request for as long as that lives.
        (self.is_main()).then(|| unsafe { bytes((*self.as_ptr()).unparsed_uri) })
    }

    /// Returns the decoded path, by which nginx finds locations.
    pub(crate) fn path(self) -> &'r [u8] {
        // SAFETY: nginx keeps the text of a path in memory of its request, and writes a changed path to other memory.
        unsafe { bytes((*self.as_ptr()).uri) }
    }

    /// Returns the query.
    pub(crate) fn query(self) -> &'r [u8] {
        // SAFETY: nginx keeps the text of a query in memory of its request, and writes a changed query to other memory.
        unsafe { bytes((*self.as_ptr()).args) }
    }

    /// Returns the values of the fields with this name, which must be in lower case.
    pub(crate) fn fields(self, name: &'static [u8]) -> impl Iterator<Item = &'r [u8]> {
        let fields = parts(self).flat_map(<[ngx_table_elt_t]>::iter);
        fields.filter_map(move |field| {
            // SAFETY: name and value of a field live as long as the request.
            let (key, value) = unsafe { (bytes(field.key), bytes(field.value)) };
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}
