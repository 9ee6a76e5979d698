//! nginx: its folder, start, reloads, workers, and the new lines of its log.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{kill_process, Pid, Signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// How long nginx may take for a reload, for a worker to exit, or to exit itself.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The number of generations whose access logs are kept.
const LOGS: usize = 30;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) struct Nginx {
    prefix: PathBuf,
    port: u16,
    child: Child,
    master: u32,
    log_read: u64,
}

/// The version reported by `nginx -v`: (1, 28, 3).
pub(crate) fn version(binary: &Path) -> Result<(u32, u32, u32), Failure> {
    let output = std::process::Command::new(binary).arg("-v").output()?;
    let text = String::from_utf8(output.stderr)?;
    let numbers = text.rsplit('/').next().unwrap_or_default();
    let mut numbers = numbers
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|number| number.parse().ok());
    let mut next = || numbers.next().ok_or_else(|| format!("no version: {text}"));
    Ok((next()?, next()?, next()?))
}

impl Nginx {
    /// Starts it with the configuration in `prefix`.
    pub(crate) async fn start(binary: &Path, prefix: &Path, port: u16) -> Result<Self, Failure> {
        // The log for messages before it reads error_log, which cannot be set before nginx 1.19.5.
        let early_log: &[&str] = if version(binary)? < (1, 19, 5) {
            &[]
        } else {
            &["-e", "error.log"]
        };
        let child = Command::new(binary)
            .arg("-p")
            .arg(prefix)
            .args(["-c", "nginx.conf"])
            .args(early_log)
            .stdin(Stdio::null())
            .spawn()?;
        let mut nginx = Nginx {
            prefix: prefix.to_owned(),
            port,
            master: child.id().ok_or("nginx has ended")?,
            child,
            log_read: 0,
        };
        nginx.wait_for(0).await?;
        // The child may be a script that has started nginx.
        let pid = fs::read_to_string(prefix.join("nginx.pid"))?;
        nginx.master = pid.trim().parse()?;
        Ok(nginx)
    }

    pub(crate) fn master(&self) -> u32 {
        self.master
    }

    /// Waits until this generation responds.
    async fn wait_for(&mut self, generation: usize) -> Result<(), Failure> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("nginx has ended: {status}").into());
            }
            if let Ok(Ok(serving)) = timeout(PATIENCE, serving(self.port)).await {
                if serving >= generation {
                    return Ok(());
                }
            }
            sleep(LOOK_AGAIN).await;
        }
        Err(format!("generation {generation} does not answer").into())
    }

    /// Reloads, and waits until the new configuration responds.
    pub(crate) async fn reload(&mut self, generation: usize) -> Result<(), Failure> {
        signal(self.master, Signal::HUP)?;
        self.wait_for(generation).await?;
        if let Some(old) = generation.checked_sub(LOGS) {
            let _ = fs::remove_file(self.prefix.join(format!("access-{old}.log")));
        }
        Ok(())
    }

    pub(crate) fn workers(&self) -> Vec<u32> {
        let master = self.master;
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
        children
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    }

    /// The workers that are not shutting down.
    pub(crate) fn current_workers(&self) -> Vec<u32> {
        let mut workers = self.workers();
        workers.retain(|worker| {
            let title = fs::read_to_string(format!("/proc/{worker}/cmdline")).unwrap_or_default();
            title.contains("worker process") && !title.contains("shutting down")
        });
        workers
    }

    /// Terminates a worker, and waits until it has exited. `false`: it had already exited.
    pub(crate) async fn terminate(&self, worker: u32) -> Result<bool, Failure> {
        if !signal(worker, Signal::TERM)? {
            return Ok(false);
        }
        self.wait_until_gone(worker).await?;
        Ok(true)
    }

    /// Kills a worker, as a crash would, while it waits for events. `false`: it never waited, or had already exited.
    ///
    /// If a worker dies while it holds the lock of a zone, the lock is never released: nginx unlocks the mutexes of its
    /// zones then, but not the locks of the servers in them. This limitation of nginx would end the run. A waiting
    /// worker holds no lock.
    pub(crate) async fn kill(&self, worker: u32) -> Result<bool, Failure> {
        for _ in 0..100 {
            if !signal(worker, Signal::STOP)? {
                return Ok(false);
            }
            // It stops when it is scheduled next.
            sleep(Duration::from_millis(5)).await;
            if is_waiting(worker) {
                signal(worker, Signal::KILL)?;
                self.wait_until_gone(worker).await?;
                return Ok(true);
            }
            signal(worker, Signal::CONT)?;
            sleep(Duration::from_millis(5)).await;
        }
        Ok(false)
    }

    async fn wait_until_gone(&self, worker: u32) -> Result<(), Failure> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if !self.workers().contains(&worker) {
                return Ok(());
            }
            sleep(LOOK_AGAIN).await;
        }
        Err(format!("worker {worker} does not end").into())
    }

    /// Waits until there are as many workers as configured, and none of an older configuration.
    pub(crate) async fn settle(&self, workers: usize, limit: Duration) -> Result<(), Failure> {
        let end = Instant::now() + limit;
        loop {
            let (all, current) = (self.workers(), self.current_workers());
            if all.len() == workers && current.len() == workers {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!(
                    "after {limit:?} there are the workers {all:?}, of which {current:?} are new"
                )
                .into());
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Stops nginx gracefully.
    pub(crate) async fn quit(&mut self) -> Result<(), Failure> {
        signal(self.master, Signal::QUIT)?;
        let status = timeout(PATIENCE, self.child.wait()).await??;
        if !status.success() {
            return Err(format!("nginx has ended: {status}").into());
        }
        Ok(())
    }

    /// The complete lines added to the error log since the last call.
    pub(crate) fn new_log_lines(&mut self) -> io::Result<Vec<String>> {
        let mut file = fs::File::open(self.prefix.join("error.log"))?;
        file.seek(SeekFrom::Start(self.log_read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |at| at + 1);
        self.log_read += whole as u64;
        let text = String::from_utf8_lossy(&bytes[..whole]);
        Ok(text.lines().map(str::to_owned).collect())
    }
}

impl Drop for Nginx {
    /// Stops nginx, however the program ends.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = signal(self.master, Signal::TERM);
        }
    }
}

/// `false`: there is no such process.
fn signal(process: u32, signal: Signal) -> Result<bool, Failure> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    match kill_process(pid.ok_or("no process")?, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether this stopped process is inside epoll_wait() or epoll_pwait().
fn is_waiting(process: u32) -> bool {
    const EPOLL: [&str; 2] = if cfg!(target_arch = "x86_64") {
        ["232", "281"]
    } else {
        ["22", "22"]
    };
    let call = fs::read_to_string(format!("/proc/{process}/syscall")).unwrap_or_default();
    call.split(' ').next().is_some_and(|n| EPOLL.contains(&n))
}

/// The generation that responds on a new connection.
async fn serving(port: u16) -> Result<usize, Failure> {
    let mut answer = get(port, "/generation").await?;
    Ok(answer
        .split_off(answer.rfind('\n').map_or(0, |at| at + 1))
        .parse()?)
}

/// A response of nginx itself, header and body.
pub(crate) async fn get(port: u16, path: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: chaos.test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
