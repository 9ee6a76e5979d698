//! A run from its beginning to its end.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::seq::IndexedRandom;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, sleep_until, timeout};

use crate::backend::{Backend, Ledger};
use crate::client::{self, Clients, Outcome};
use crate::control::Wish;
use crate::counters::Counters;
use crate::history::Handover;
use crate::judge::{Judge, Tally};
use crate::keys::{self, KeyId};
use crate::log::LogJudge;
use crate::memory::{self, Memory};
use crate::nginx::{get, version, Failure, Nginx};
use crate::options::{Fault, Options};
use crate::plan::{plan, Action, Phases, Signal};
use crate::report::{Report, Rule};
use crate::resolver::Resolver;
use crate::topology::{Membership, ServerId, Setting, Topology};
use crate::world::World;

const WORKERS: usize = 4;
/// The location where tests/probe reports the counters of servers.
const PROBE_LOCATION: &str = "location = /counters { access_log off; upstream_peers; }";
/// The file that `load_module` names, in the folder of the run.
const MODULE: &str = "session_sticky.so";
/// The key file, next to the configuration, which exists only while nginx reads it.
const KEYS: &str = "keys";
/// For clients to start, and memory to be allocated for the first time.
const WARM_UP: Duration = Duration::from_secs(4);
/// Faults without reloads, before the end.
const LAST_GENERATION: Duration = Duration::from_secs(12);
/// Load without faults at the end.
const CALM: Duration = Duration::from_secs(10);
/// The alternating sizes of the zones of learned sessions. Each has room for all of them.
const SESSION_ZONES: [&str; 2] = ["1m", "2m"];
/// How long old workers may take to exit: they have slow clients, and requests to servers that hung.
const OLD_WORKERS: Duration = Duration::from_secs(30);
/// How much a worker may grow in the calm phase, in KiB: pools and buffers that no request needed before.
const CALM_GROWTH: u64 = 1024;
/// How much the master may grow after its tenth reload, in KiB.
const MASTER_GROWTH: u64 = 1024;
/// Reloads until the heap of the master reaches its size.
const FIRST_RELOADS: usize = 10;

/// Returns `true` if there was no violation.
pub(crate) async fn run(options: &Options) -> Result<bool, Failure> {
    let limit = options.seconds + Duration::from_secs(180);
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = timeout(limit, conduct(options)) => {
            outcome.map_err(|_| format!("not at its end after {limit:?}"))?
        }
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        _ = terminated.recv() => Err("terminated".into()),
    }
}

async fn conduct(options: &Options) -> Result<bool, Failure> {
    let folder = std::env::temp_dir().join(format!("chaos.{}", std::process::id()));
    fs::create_dir(&folder)?;
    println!("seed {}, logs in {}", options.seed, folder.display());

    let mut run = Run::start(options, &folder).await?;
    let report = run.carry_out(options).await;
    drop(run);
    let report = match report {
        Ok(report) => report,
        Err(error) => return Err(format!("{error}\nlogs are in {}", folder.display()).into()),
    };
    report.print();
    if report.failed() > 0 {
        println!(
            "to see it again: --seed {} --seconds {}; logs are in {}",
            options.seed,
            options.seconds.as_secs(),
            folder.display()
        );
        return Ok(false);
    }
    fs::remove_dir_all(&folder)?;
    Ok(true)
}

struct Ports {
    nginx: u16,
    resolver: u16,
    servers: u16,
}

impl Ports {
    /// In a separate network namespace, the first three are free. They are below the ephemeral ports: a killed server
    /// must be able to use its port again.
    fn find() -> Result<Self, Failure> {
        let local = Ipv4Addr::LOCALHOST;
        let is_free = |base: &u16| {
            TcpListener::bind((local, *base)).is_ok()
                && UdpSocket::bind((local, *base + 1)).is_ok()
                && TcpListener::bind(("127.1.1.1", *base + 2)).is_ok()
        };
        let base = (8000..30_000).step_by(100).find(is_free);
        let base = base.ok_or("no free ports")?;
        Ok(Ports {
            nginx: base,
            resolver: base + 1,
            servers: base + 2,
        })
    }
}

#[derive(Default)]
struct Counts {
    injuries: HashMap<&'static str, u64>,
    reloads: u64,
    replacements: u64,
    resizes: u64,
    killed: usize,
    terminated: usize,
    left_configuration: u64,
    left_dns: u64,
    drained: u64,
    asked: u64,
    new_keys: usize,
    removed_keys: usize,
}

struct Run {
    world: Arc<World>,
    nginx: Nginx,
    setting: OwnedSetting,
    members: Vec<bool>,
    log: LogJudge,
    report: Report,
    counts: Counts,
    /// The maximum growth of a worker in the calm phase.
    calm_growth: u64,
    /// The master's memory after each reload.
    master: Vec<Memory>,
    judging: JoinHandle<Judge>,
    outcomes: Option<mpsc::UnboundedSender<Outcome>>,
    background: Vec<JoinHandle<()>>,
    folder: PathBuf,
    files: Vec<PathBuf>,
    rng: ChaCha8Rng,
}

/// The parameters of each configuration.
struct OwnedSetting {
    modules: Vec<String>,
    ports: Ports,
    extra: String,
    fault: Fault,
    /// The fate of learned sessions at the next reload, and the size of their zones after it.
    handover: Handover,
    session_zone: usize,
    /// The newest first.
    keys: Vec<KeyId>,
}

impl Run {
    async fn start(options: &Options, folder: &Path) -> Result<Self, Failure> {
        let ports = Ports::find()?;
        let with_resolve = version(&options.nginx)? >= (1, 27, 3);
        // More keys than are planned: one a second.
        let keys = options.seconds.as_secs() as KeyId;
        let topology = Arc::new(Topology::new(ports.servers, with_resolve, keys));
        let ledger = Arc::new(Ledger::default());
        let resolver = Resolver::start(ports.resolver, options.fault == Fault::StaleDns)?;
        let mut backends = Vec::new();
        for server in 0..topology.servers.len() {
            let says = options.fault != Fault::SilentDrain;
            let backend = Arc::new(Backend::new(server, &topology, &ledger, says));
            backend.listen()?;
            backends.push(backend);
        }
        let world = Arc::new(World::new(topology, backends, ledger, resolver));

        let mut files = vec![options.module.clone()];
        files.extend(options.alternate.clone());
        fs::copy(&options.module, folder.join(MODULE))?;
        let mut modules = vec![folder.join(MODULE).display().to_string()];
        let mut extra = String::new();
        if let Some(probe) = &options.probe {
            modules.push(fs::canonicalize(probe)?.display().to_string());
            extra = PROBE_LOCATION.to_owned();
        }
        let members = vec![true; world.topology.servers.len()];
        let setting = OwnedSetting {
            modules,
            ports,
            extra,
            fault: options.fault,
            handover: Handover::Kept,
            session_zone: 0,
            keys: vec![0],
        };
        tell_dns(&world, &members);
        write_configuration(folder, &world, &setting, &members)?;
        let nginx = Nginx::start(&options.nginx, folder, setting.ports.nginx).await?;
        fs::remove_file(folder.join(KEYS))?;
        world.history.seen(0);
        until_servers_answer(&world.topology, setting.ports.nginx).await?;

        let (outcomes, heard) = mpsc::unbounded_channel();
        let judging = tokio::spawn(judge(Judge::new(world.clone()), heard));
        let watching = world.clone();
        let background = vec![tokio::spawn(async move { watching.watch().await })];
        Ok(Run {
            world,
            nginx,
            setting,
            members,
            log: LogJudge::default(),
            report: Report::default(),
            counts: Counts::default(),
            calm_growth: 0,
            master: Vec::new(),
            judging,
            outcomes: Some(outcomes),
            background,
            folder: folder.to_owned(),
            files,
            rng: ChaCha8Rng::seed_from_u64(options.seed ^ 1),
        })
    }

    async fn carry_out(&mut self, options: &Options) -> Result<Report, Failure> {
        let begin = Instant::now();
        let (stop, stopped) = watch::channel(false);
        let all = Arc::new(Clients {
            topology: self.world.topology.clone(),
            nginx: self.setting.ports.nginx,
            seed: options.seed,
            outcomes: self.outcomes.take().expect("taken once"),
            stop: stopped,
            next: AtomicU64::new(1),
        });
        let clients: Vec<_> = (0..options.clients)
            .map(|number| tokio::spawn(client::run(all.clone(), number)))
            .collect();
        // When the last client has ended, the judge gets no more outcomes.
        drop(all);

        let end = options.seconds - CALM;
        let phases = Phases {
            begin: WARM_UP,
            last_reload: end - LAST_GENERATION,
            end,
        };
        let steps = plan(options.seed, &self.world.topology, phases);
        for step in steps {
            sleep_until((begin + step.at).into()).await;
            self.act(step.action).await?;
        }

        self.calm().await;
        let end = begin.elapsed();
        let _ = stop.send(true);
        for client in clients {
            timeout(client::PATIENCE, client).await??;
        }
        self.settle().await;
        self.counters().await?;
        self.stop_nginx().await;
        self.judge_master();

        let judge = (&mut self.judging).await?;
        for task in &self.background {
            task.abort();
        }
        let mut report = std::mem::take(&mut self.report);
        report.merge(std::mem::take(&mut self.log.report));
        judge_throughput(&mut report, &judge.tally, options.clients, end);
        self.facts(&mut report, &judge.tally, options, end)?;
        report.merge(judge.report);
        Ok(report)
    }

    async fn act(&mut self, action: Action) -> Result<(), Failure> {
        match action {
            Action::Injure(server, condition) => {
                *self.counts.injuries.entry(condition.word()).or_default() += 1;
                self.world.backends[server].injure(condition).await;
            }
            Action::Heal(server) => self.world.backends[server].heal(),
            Action::Leave(server) | Action::Join(server) => {
                self.members[server] = matches!(action, Action::Join(_));
                if !self.members[server] {
                    if self.world.topology.is_resolved(server) {
                        self.counts.left_dns += 1;
                    } else {
                        self.counts.left_configuration += 1;
                    }
                }
                tell_dns(&self.world, &self.members);
            }
            Action::Reload => self.reload().await?,
            Action::AddKey => {
                self.counts.new_keys += 1;
                self.setting.keys.insert(0, self.counts.new_keys);
                self.reload().await?;
            }
            Action::RemoveKey => {
                self.counts.removed_keys += 1;
                self.setting.keys.pop();
                self.reload().await?;
            }
            Action::Resize => self.resize_zones(),
            Action::ReplaceModule => self.replace_module()?,
            Action::Drain(server) => {
                if self.ask_to_drain(server, true).await? {
                    self.counts.drained += 1;
                }
            }
            Action::Undrain(server) => {
                self.ask_to_drain(server, false).await?;
            }
            Action::Ask(server) => {
                self.counts.asked += 1;
                self.world.backends[server].asking.begin();
            }
            Action::AskNoMore(server) => self.world.backends[server].asking.end(),
            Action::Signal(signal) => self.end_a_worker(signal).await?,
        }
        Ok(())
    }

    async fn ask_to_drain(&self, server: ServerId, drain: bool) -> Result<bool, Failure> {
        let world = &self.world;
        let port = self.setting.ports.nginx;
        // The configuration must contain nothing of session_sticky.
        if self.setting.fault == Fault::NoSticky {
            return Ok(false);
        }
        let drain = Wish {
            server,
            drain,
            is_told: self.setting.fault != Fault::StaleDrain,
        };
        world.drains.ask(&world.topology, port, drain).await
    }

    async fn reload(&mut self) -> Result<(), Failure> {
        let generation =
            write_configuration(&self.folder, &self.world, &self.setting, &self.members)?;
        self.setting.handover = Handover::Kept;
        self.report.checked(Rule::Reloads);
        self.counts.reloads += 1;
        if let Err(error) = self.nginx.reload(generation).await {
            self.report.violation(Rule::Reloads, error.to_string());
        }
        self.world.history.seen(generation);
        // A worker that starts later must not need it.
        fs::remove_file(self.folder.join(KEYS))?;
        let mut memory = memory::of(self.nginx.master(), MODULE);
        // The channel to each worker that has not exited yet has two ends, both open here.
        let channels = 2 * self.nginx.workers().len();
        memory.descriptors = memory.descriptors.saturating_sub(channels);
        self.master.push(memory);
        let lines = self.nginx.new_log_lines()?;
        self.log.read(&lines);
        Ok(())
    }

    /// Changes the size of the zones of learned sessions in the next configuration.
    fn resize_zones(&mut self) {
        self.counts.resizes += 1;
        self.setting.session_zone = (self.setting.session_zone + 1) % SESSION_ZONES.len();
        if self.setting.handover == Handover::Kept {
            self.setting.handover = Handover::Copied;
        }
    }

    /// Like dpkg: writes a new file next to the old one, and renames it.
    fn replace_module(&mut self) -> Result<(), Failure> {
        self.counts.replacements += 1;
        self.setting.handover = Handover::Lost;
        let file = &self.files[self.counts.replacements as usize % self.files.len()];
        let new = self.folder.join("session_sticky.so.new");
        fs::copy(file, &new)?;
        fs::rename(new, self.folder.join(MODULE))?;
        Ok(())
    }

    async fn end_a_worker(&mut self, signal: Signal) -> Result<(), Failure> {
        let Some(&worker) = self.nginx.current_workers().choose(&mut self.rng) else {
            return Ok(());
        };
        let begin = Instant::now();
        let (ended, count) = match signal {
            Signal::Kill => (self.nginx.kill(worker).await?, &mut self.counts.killed),
            Signal::Term => {
                let ended = self.nginx.terminate(worker).await?;
                (ended, &mut self.counts.terminated)
            }
        };
        if ended {
            *count += 1;
            self.world.history.killed(worker, begin);
        }
        Ok(())
    }

    /// All servers are repaired, and the workers serve all clients. They must not grow.
    async fn calm(&mut self) {
        sleep(CALM / 2).await;
        let before = self.workers_memory();
        sleep(CALM / 2).await;
        let after = self.workers_memory();
        for (worker, before) in before {
            let after = after.get(&worker).copied().unwrap_or_default();
            self.calm_growth = self
                .calm_growth
                .max(after.private.saturating_sub(before.private));
            let holds = after.private > 0
                && after.private <= before.private + CALM_GROWTH
                && after.modules == before.modules;
            self.report.check(Rule::Memory, holds, || {
                format!("worker {worker} had {before}; it has {after}")
            });
        }
    }

    fn workers_memory(&self) -> HashMap<u32, Memory> {
        let workers = self.nginx.current_workers().into_iter();
        workers
            .map(|worker| (worker, memory::of(worker, MODULE)))
            .collect()
    }

    async fn settle(&mut self) {
        self.report.checked(Rule::Workers);
        if let Err(error) = self.nginx.settle(WORKERS, OLD_WORKERS).await {
            self.report.violation(Rule::Workers, error.to_string());
        }
    }

    /// No client and no old worker is left: the counters of all servers must be back at zero.
    async fn counters(&mut self) -> Result<(), Failure> {
        if self.setting.extra.is_empty() {
            return Ok(());
        }
        // Without a zone, each worker has its own counters: repeated until each has responded.
        let mut left: HashSet<u32> = self.nginx.current_workers().into_iter().collect();
        for round in 0..100 {
            if left.is_empty() {
                return Ok(());
            }
            // A client may have its response before nginx has released the server.
            let is_patient = round < 50;
            if round > 0 {
                sleep(Duration::from_millis(50)).await;
            }
            // Many in parallel: before nginx 1.21.6, one worker accepts all sequential connections.
            let mut asked = JoinSet::new();
            for _ in 0..20 {
                asked.spawn(get(self.setting.ports.nginx, "/counters"));
            }
            while let Some(answer) = asked.join_next().await {
                let answer = answer??;
                let (_, text) = answer.split_once("\r\n\r\n").unwrap_or_default();
                let counters = Counters::read(text);
                let is_final = !is_patient || counters.are_nothing();
                if is_final && left.remove(&counters.worker) {
                    counters.judge(&mut self.report);
                }
            }
        }
        Err(format!("the workers {left:?} do not answer").into())
    }

    async fn stop_nginx(&mut self) {
        self.report.checked(Rule::Workers);
        if let Err(error) = self.nginx.quit().await {
            self.report.violation(Rule::Workers, error.to_string());
        }
        let lines = self.nginx.new_log_lines().unwrap_or_default();
        self.log.read(&lines);
        let (killed, logged) = (self.counts.killed, self.log.killed);
        self.report.check(Rule::Log, killed == logged, || {
            format!("{killed} workers were killed, {logged} exited on signal 9")
        });
    }

    /// The master's memory after its last reloads, compared with the first.
    fn judge_master(&mut self) {
        let Some((first, last)) = self.master.get(FIRST_RELOADS).zip(self.master.last()) else {
            return;
        };
        let holds = last.private <= first.private + MASTER_GROWTH
            && last.descriptors <= first.descriptors
            && last.modules <= first.modules;
        self.report.check(Rule::Memory, holds, || {
            format!("the master had {first} after reload {FIRST_RELOADS}; it has {last}")
        });
    }

    fn facts(
        &self,
        report: &mut Report,
        tally: &Tally,
        options: &Options,
        end: Duration,
    ) -> Result<(), Failure> {
        let counts = &self.counts;
        let (major, minor, patch) = version(&options.nginx)?;
        report.fact("nginx", format!("{major}.{minor}.{patch}"));
        report.fact("seed", options.seed);
        report.fact("seconds", end.as_secs());
        report.fact("upstreams, servers", {
            let topology = &self.world.topology;
            format!("{}, {}", topology.upstreams.len(), topology.servers.len())
        });
        report.fact("clients", options.clients);
        report.fact("requests", tally.requests);
        report.fact("how they ended", list(&tally.statuses));
        report.fact("stayed, moved", format!("{}, {}", tally.bound, tally.moved));
        report.fact("injuries", list(&counts.injuries));
        report.fact("reloads", counts.reloads);
        report.fact("module replaced", counts.replacements);
        report.fact("zones of sessions resized", counts.resizes);
        report.fact(
            "workers ended",
            format!(
                "{} by SIGKILL, {} by SIGTERM",
                counts.killed, counts.terminated
            ),
        );
        report.fact("left the configuration", counts.left_configuration);
        report.fact("left DNS", counts.left_dns);
        report.fact("drained through nginx", counts.drained);
        report.fact("asked to drain", counts.asked);
        let (new, removed) = (counts.new_keys, counts.removed_keys);
        report.fact("keys", format!("{new} came, {removed} went"));
        report.fact("this program stood still", self.world.stalls());
        if let Some((first, last)) = self.master.first().zip(self.master.last()) {
            report.fact("master, first reload", first);
            report.fact("master, last reload", last);
        }
        report.fact(
            "worker, in the calm",
            format!("{} KiB more", self.calm_growth),
        );
        Ok(())
    }
}

fn list<K: std::fmt::Display + Ord>(counts: &HashMap<K, u64>) -> String {
    let mut words: Vec<_> = counts.iter().collect();
    words.sort();
    let words: Vec<_> = words
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    words.join(", ")
}

/// For upstreams resolved by DNS, the names get their addresses at once.
fn tell_dns(world: &World, members: &[bool]) {
    let topology = &world.topology;
    for upstream in topology.upstreams.iter().filter(|u| u.resolves()) {
        let present = upstream.servers.iter().filter(|&&server| members[server]);
        let addresses = present.map(|&server| *topology.servers[server].address.ip());
        world
            .resolver
            .set(&upstream.dns_name(), addresses.collect());
    }
}

fn write_configuration(
    folder: &Path,
    world: &World,
    setting: &OwnedSetting,
    members: &[bool],
) -> Result<usize, Failure> {
    let topology = &world.topology;
    let mut members: Vec<Membership> = (0..members.len())
        .map(|server| topology.membership(server, members[server]))
        .collect();
    let keys = setting.keys.clone();
    let generation = (world.history).begin(members.clone(), setting.handover, keys);
    let written = match setting.fault {
        Fault::StaleKeys => &setting.keys[..1],
        _ => &setting.keys,
    };
    write_keys(&folder.join(KEYS), written)?;
    if setting.fault == Fault::StaleConfig {
        members.fill(Membership::In);
    }
    let text = topology.configuration(
        &Setting {
            modules: &setting.modules,
            workers: WORKERS,
            listen: setting.ports.nginx,
            resolver: setting.ports.resolver,
            port: setting.ports.servers,
            extra: &setting.extra,
            session_zone: SESSION_ZONES[setting.session_zone],
            lingers: setting.fault != Fault::NoLinger,
            sticky: setting.fault != Fault::NoSticky,
        },
        generation,
        &members,
    );
    let new = folder.join("nginx.conf.new");
    fs::write(&new, text)?;
    fs::rename(new, folder.join("nginx.conf"))?;
    Ok(generation)
}

/// Readable by its owner only, or nginx would log a warning.
fn write_keys(path: &Path, keys: &[KeyId]) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(keys::file(keys).as_bytes())?;
    Ok(())
}

/// The addresses of names are known only after a worker has resolved them.
async fn until_servers_answer(topology: &Topology, port: u16) -> Result<(), Failure> {
    for upstream in &topology.upstreams {
        let path = format!("/{}", upstream.name());
        let mut tries = 0;
        while !get(port, &path).await?.starts_with("HTTP/1.1 200") {
            tries += 1;
            if tries > 100 {
                return Err(format!("{path} does not answer").into());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

/// Receives all outcomes until there are no more clients, and judges them.
async fn judge(mut judge: Judge, mut heard: mpsc::UnboundedReceiver<Outcome>) -> Judge {
    let mut last = Instant::now();
    while let Some(outcome) = heard.recv().await {
        judge.hear(outcome);
        let now = Instant::now();
        if now - last > Duration::from_secs(1) {
            judge.judge(now);
            last = now;
        }
    }
    judge.finish();
    judge
}

/// There must be responses at all times: fewer than a tenth of the usual number in five seconds is a standstill. And each
/// client must get some.
fn judge_throughput(report: &mut Report, tally: &Tally, clients: usize, end: Duration) {
    const WINDOW: usize = 5;
    let seconds = &tally.answers[..tally.answers.len().min(end.as_secs() as usize)];
    let mean = seconds.iter().sum::<u64>() / seconds.len().max(1) as u64;
    for (at, window) in seconds.windows(WINDOW).enumerate() {
        let answers: u64 = window.iter().sum();
        let floor = mean * WINDOW as u64 / 10;
        report.check(Rule::Throughput, answers > floor, || {
            format!(
                "{answers} answers in the {WINDOW} seconds from {at} s, {mean} a second are usual"
            )
        });
    }
    for client in 0..clients {
        let answers = tally.clients.get(&client).copied().unwrap_or_default();
        // A client with a pause of at most a second.
        report.check(Rule::Throughput, answers > end.as_secs() / 10, || {
            format!("client {client} got {answers} answers in {end:?}")
        });
    }
}
