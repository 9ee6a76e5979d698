//! Cookies set by other systems: the IDs that name servers in their values.
//!
//! The IDs are derived from the configuration of the server in the other system, according to its source or manual, so that
//! sessions survive a migration. Such cookies are only read: the next response sets a cookie in the policy's own scheme.

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

/// Another system whose cookies are supported.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum System {
    /// ingress-nginx.
    Ingress,
    /// Apache with mod_proxy_balancer or mod_jk, and Tomcat.
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

/// The settings needed to read the cookies of other systems.
#[derive(Default)]
pub struct Given {
    /// The backend of ingress-nginx.
    pub ingress: Option<Backend>,
    /// The secret of Angie or Caddy.
    pub secret: Box<[u8]>,
}

/// Omits the secret.
impl Debug for Given {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.ingress)
    }
}

/// The properties of a server from which other systems derive its ID.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// Its address, as nginx prints it.
    pub address: &'a [u8],
    /// The address as written in the `server` directive, if it differs from `address`.
    pub line: Option<&'a [u8]>,
    /// The ID configured for it.
    pub given: Option<&'a [u8]>,
}

impl<'a> Server<'a> {
    fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        core::iter::once(self.address).chain(self.line)
    }
}

/// The ID of a server in a value of another system that is not read like a value of the policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Named<'a> {
    /// The ID.
    pub id: &'a [u8],
    /// Whether only that system writes such values, so that a value is not malformed even if no server has the ID.
    pub is_certain: bool,
}

impl System {
    /// Returns the name of the system in configurations.
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

    /// Passes each ID that the system may use for a server to `add`.
    ///
    /// # Errors
    ///
    /// Returns an error of `add`, which signals that memory allocation has failed.
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

    /// Returns the ID in a value without quotes.
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
