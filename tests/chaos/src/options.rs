//! The command line.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const USAGE: &str = "usage: chaos --nginx FILE --module FILE [options]
  --seconds S               of injuries and calm together, 60 if not said
  --seed N                  what happens, and when; any if not said
  --clients N               300 if not said
  --module-alternate FILE   another build, which takes the place of the module in turns with it
  --probe FILE              the test module that tells the counters of servers
  --fault no-sticky         cookies are set that nobody follows: sessions must be found to move
  --fault stale-dns         the resolver tells what was: requests must be found on servers that are gone
  --fault stale-config      the configuration keeps servers that have left it: the same
  --fault stale-drain       nginx is not asked to drain servers: first visits must be found there
  --fault silent-drain      servers do not say that they ask to drain: the same
  --fault no-linger         servers that leave DNS keep no sessions: these must be found to move
  --fault stale-keys        the key file lacks the keys before the last one: sessions must be found lost";

/// An intentional fault of this program, to prove that it is detected.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Fault {
    None,
    NoSticky,
    StaleDns,
    StaleConfig,
    StaleDrain,
    SilentDrain,
    NoLinger,
    StaleKeys,
}

pub(crate) struct Options {
    pub(crate) nginx: PathBuf,
    pub(crate) module: PathBuf,
    pub(crate) alternate: Option<PathBuf>,
    pub(crate) probe: Option<PathBuf>,
    pub(crate) seconds: Duration,
    pub(crate) seed: u64,
    pub(crate) clients: usize,
    pub(crate) fault: Fault,
}

impl Options {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut options = Options {
            nginx: PathBuf::new(),
            module: PathBuf::new(),
            alternate: None,
            probe: None,
            seconds: Duration::from_secs(60),
            seed: clock.map_or(0, |since| since.as_secs() % 1_000_000),
            clients: 300,
            fault: Fault::None,
        };
        while let Some(name) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| format!("{name} wants a value"))?;
            let number = || {
                let number = value.parse::<u64>();
                number.map_err(|_| format!("{name} wants a number, not {value}"))
            };
            match name.as_str() {
                "--nginx" => options.nginx = value.into(),
                "--module" => options.module = value.into(),
                "--module-alternate" => options.alternate = Some(value.into()),
                "--probe" => options.probe = Some(value.into()),
                "--seconds" => options.seconds = Duration::from_secs(number()?),
                "--seed" => options.seed = number()?,
                "--clients" => options.clients = number()? as usize,
                "--fault" => {
                    options.fault = match value.as_str() {
                        "no-sticky" => Fault::NoSticky,
                        "stale-dns" => Fault::StaleDns,
                        "stale-config" => Fault::StaleConfig,
                        "stale-drain" => Fault::StaleDrain,
                        "silent-drain" => Fault::SilentDrain,
                        "no-linger" => Fault::NoLinger,
                        "stale-keys" => Fault::StaleKeys,
                        _ => return Err(format!("no fault {value}")),
                    }
                }
                _ => return Err(format!("no option {name}")),
            }
        }
        if options.nginx.as_os_str().is_empty() || options.module.as_os_str().is_empty() {
            return Err("--nginx and --module are needed".into());
        }
        if options.seconds < Duration::from_secs(30) {
            return Err("less than 30 seconds are too few to see anything".into());
        }
        Ok(options)
    }
}
