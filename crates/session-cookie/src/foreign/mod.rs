//! Cookies that other systems have set: what they call a server, and where that stands in their values.
//!
//! Each is made of what the configuration of that system says of a server, by its own source or manual, so that sessions
//! outlive a move here. All is read, and nothing written: the next response brings a cookie of the policy's own form.

mod angie;
mod bigip;
mod caddy;
pub mod ingress;
mod jvmroute;
mod ring;
mod traefik;

use alloc::boxed::Box;
use core::fmt::{self, Debug, Formatter};

use self::ingress::Backend;
use crate::memory::OutOfMemory;

pub use ring::{Ring, MOST_SERVERS};

/// Another system whose cookies are understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum System {
    /// ingress-nginx.
    Ingress,
    /// Apache with mod_proxy_balancer or mod_jk, and Tomcats.
    Jvmroute,
    /// Traefik.
    Traefik,
    /// F5 BIG-IP.
    Bigip,
    /// Angie's `sticky cookie`.
    Angie,
    /// Caddy.
    Caddy,
}

/// What has to be known of other systems.
#[derive(Default)]
pub struct Given {
    /// The backend of ingress-nginx.
    pub ingress: Option<Backend>,
    /// The secret of Angie or Caddy.
    pub secret: Box<[u8]>,
}

/// Without the secret.
impl Debug for Given {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.ingress)
    }
}

/// What another system may call a server by.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// Its address, as nginx prints it.
    pub address: &'a [u8],
    /// What the `server` line says in place of that, if it is something else.
    pub line: Option<&'a [u8]>,
    /// The id that is configured for it.
    pub given: Option<&'a [u8]>,
}

impl<'a> Server<'a> {
    fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        core::iter::once(self.address).chain(self.line)
    }
}

/// What names a server in the value of another system, where that is read in another way than our own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Named<'a> {
    /// The id.
    pub id: &'a [u8],
    /// Whether only that system writes such values: then one is not malformed if no server has the id.
    pub is_certain: bool,
}

impl System {
    /// Returns the word for it in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            System::Ingress => "ingress",
            System::Jvmroute => "jvmroute",
            System::Traefik => "traefik",
            System::Bigip => "bigip",
            System::Angie => "angie",
            System::Caddy => "caddy",
        }
    }

    /// Hands over each id that the system may have given a server.
    ///
    /// # Errors
    ///
    /// Memory is short: what `add` returns.
    pub fn each_id(
        self,
        server: &Server<'_>,
        given: &Given,
        add: &mut dyn FnMut(&[u8]) -> Result<(), OutOfMemory>,
    ) -> Result<(), OutOfMemory> {
        match self {
            System::Ingress => match &given.ingress {
                Some(backend) => backend.each_id(server.address, add),
                None => Ok(()),
            },
            System::Jvmroute => match server.given {
                Some(id) => jvmroute::each_id(id, add),
                None => Ok(()),
            },
            System::Bigip => bigip::each_id(server.address, add),
            System::Angie => angie::each_id(server.given, server.address, &given.secret, add),
            System::Caddy => {
                let mut names = server.names();
                names.try_for_each(|name| caddy::each_id(name, &given.secret, add))
            }
            System::Traefik => {
                let mut names = server.names();
                names.try_for_each(|name| traefik::each_id(name, add))
            }
        }
    }

    /// Returns what names a server in a value without quotes.
    pub fn named<'a>(self, value: &'a [u8], given: &Given) -> Option<Named<'a>> {
        match self {
            System::Ingress => {
                given.ingress.as_ref()?.split(value)?;
                Some(Named {
                    id: value,
                    is_certain: true,
                })
            }
            System::Traefik | System::Angie | System::Caddy => None,
            System::Bigip => bigip::without_domain(value).map(|id| Named {
                id,
                is_certain: false,
            }),
            System::Jvmroute => jvmroute::route(value).map(|id| Named {
                id,
                is_certain: false,
            }),
        }
    }
}
