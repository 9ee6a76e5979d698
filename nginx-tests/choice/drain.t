# "server … drain": the server keeps its sessions and gets no new ones. nginx 1.29.6 and newer parse the parameter themselves, the
# module parses it in older ones; the behavior is the same.
#
# A, B and C respond with their name; D, E and F are down.
# Sections of this file:
#   upstreams  upstream blocks, in which A: is the address of A; /NAME/ is passed to upstream NAME. VARIANTS is replaced with an
#              upstream for each load-balancing method, without a zone and with one
#   location   inserted into these locations
#   client     see lib/Client.pm; the paths of the VARIANTS are in @variants

use Sticky qw(Upstreams Visits);

my $servers = servers(<<'_EOC_', qw(A B C));
location / { return 200 "NAME"; }
location /connection { return 200 "NAME $connection"; }
_EOC_

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = variants(addressed($block->upstreams), 'BALANCER REST', 'REST BALANCER zone ZONE 64k;');
    $block->set_value(http_config => $servers . entrance($upstreams, '', $block->location));
    $block->set_value(client => paths_of_variants($upstreams) . $block->client);
});

# The servers tried for a response, by their letters.
sub letters {
    my ($response) = @_;
    my %letter = reverse %port;
    return join '', map { $letter{$_} } head('X-Tried', $response) =~ /127\.0\.0\.1:(\d+)/g;
}

master_on();
worker_connections(512);
log_level('notice');
run_tests();

__DATA__

=== sessions stay, and there are no new ones
--- upstreams
VARIANTS
session_sticky;
server A: drain;
server B:;
server C:;
--- client
for my $path (@variants) {
    for my $name (qw(A B C)) {
        my @bound = everywhere($path, "route=$id{$name}");
        equals(bodies(@bound), $name, "$path: sessions of $name stay");
        equals(cookies(@bound), '', "$path: and keep their cookie");
    }
    my @first = everywhere($path);
    holds(bodies(@first) =~ /^(?:B \| C|B|C)$/, "$path: new sessions go to other servers: " . bodies(@first));
    equals(scalar(grep { bound($_) ne $id{body($_)} } @first), 0, "$path: and are bound to these");
    holds(bodies(everywhere($path, 'route=nobody')) !~ /A/, "$path: so do requests with an unknown ID");
}



=== the same in all workers that share a zone
--- workers: 3
--- upstreams
VARIANTS
session_sticky;
server A:;
server B: drain;
--- client
for my $path (grep { /zone/ } @variants) {
    my @bound = everywhere($path, "route=$id{B}");
    equals(bodies(@bound), 'B', "$path: sessions stay");
    equals(cookies(@bound), '', "$path: and keep their cookie");
    equals(bodies(everywhere($path)), 'A', "$path: no new sessions");
}



=== a session that has ended goes to another server
--- upstreams
upstream u { session_sticky maxidle=1h; server A: drain; server B:; }
upstream v { session_sticky maxlife=1h hash=plain fallback=off; server A: id=a drain; server B: id=b; }
--- client
my $now = CORE::time;
equals(bodies(everywhere('/u/', "route=$id{A}|$now|$now")), 'A', 'a valid session stays');
equals(bodies(everywhere('/u/', "route=$id{A}|1|1")), 'B', 'a session that was idle too long is bound to another server');
equals(bodies(everywhere('/v/', "route=a|$now|$now")), 'A', 'a valid session stays');
equals(bodies(everywhere('/v/', "route=a|1|1")), 'B', 'a session that lasted too long is bound to another server');



=== drain and backup: sessions of the backup server stay, and it gets no others
--- upstreams
VARIANTS
session_sticky;
server B:;
server D: max_fails=1 fail_timeout=60s;
server A: backup drain;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{A}");
    equals(bodies(@bound), 'A', "$path: its sessions stay");
    equals(cookies(@bound), '', "$path: and keep their cookie");
    equals(bodies(everywhere($path, "route=$id{D}")), 'B', "$path: sessions of the failed server go to another one");
    equals(bodies(everywhere($path)), 'B', "$path: and so do new sessions");
}



=== drain and backup, all primary servers fail: the other backup server takes over
--- upstreams
VARIANTS
session_sticky;
server D: max_fails=1 fail_timeout=60s;
server A: backup drain;
server C: backup;
--- client
for my $path (@variants) {
    equals(bodies(everywhere($path)), 'C', "$path: new sessions go to the other backup server");
    equals(bodies(everywhere($path, "route=$id{D}")), 'C', "$path: and so do sessions of the failed server");
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: sessions of the draining server stay");
}



=== drain and backup, with a single failed primary server
--- upstreams
VARIANTS
session_sticky;
server D: max_fails=0;
server A: backup drain;
--- client
for my $path (@variants) {
    equals(bodies(everywhere($path)), '502', "$path: new sessions get 502");
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: sessions stay");
}



=== a draining primary server and a backup server: new sessions go to the backup server
--- upstreams
VARIANTS
session_sticky;
server A: drain;
server B: backup;
--- client
for my $path (@variants) {
    equals(bodies(everywhere($path)), 'B', "$path: new sessions go to the backup server");
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: sessions of the primary server stay");
    equals(bodies(everywhere($path, "route=$id{B}")), 'B', "$path: and so do those of the backup server");
}



=== drain and id: sessions with the ID stay, and new sessions get other IDs
--- upstreams
VARIANTS
session_sticky hash=plain fallback=off;
server A: id=a drain;
server B: drain id=b;
server C: id=c;
--- client
for my $path (@variants) {
    equals(bodies(everywhere($path, 'route=' . lc)), $_, "$path: $_") for qw(A B C);
    equals(cookies(everywhere($path)), 'c', "$path: new sessions get another ID");
}



=== all servers drain: sessions stay, new sessions get 502
--- upstreams
VARIANTS
session_sticky;
server A: drain;
server B: drain;
server C: drain;
--- client
for my $path (@variants) {
    equals(bodies(everywhere($path, "route=$id{$_}")), $_, "$path: $_") for qw(A B C);
    my @first = everywhere($path);
    equals(bodies(@first), '502', "$path: requests without a session get 502");
    equals(cookies(@first), '', "$path: and no cookie");
}



=== all servers drain and one fails: its sessions get 502
--- upstreams
VARIANTS
session_sticky;
server A: drain;
server D: drain max_fails=1 fail_timeout=60s;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{D}");
    equals(bodies(@bound), '502', "$path: 502");
    equals(scalar(grep { letters($_) =~ /D/ } @bound), 1, "$path: it is tried once");
    equals(scalar(grep { letters($_) =~ /A/ } @bound), 0, "$path: and the other one is not tried");
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: the other one keeps its sessions");
}



=== a draining server fails: the session moves, in the same request
--- upstreams
VARIANTS
session_sticky;
server D: drain max_fails=2 fail_timeout=60s;
server B:;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{D}");
    equals(bodies(@bound), 'B', "$path: the other server responds");
    equals(cookies(@bound), $id{B}, "$path: and the session is bound to it");
    equals(join(' ', map { letters($_) } @bound[0 .. 3]), 'DB DB B B', "$path: after max_fails failures, the failed server is not tried");
}



=== a draining server fails: all others may be tried
--- upstreams
VARIANTS
session_sticky;
server D: drain max_fails=0;
server E: max_fails=0;
server F: max_fails=0;
server B:;
--- client
for my $path (@variants) {
    my (%tried, $wrong);
    for my $key (1 .. 12) {
        my $response = visit("$path?key=$key", "route=$id{D}", 1983);
        $wrong .= letters($response) . ' ' if letters($response) !~ /^D(?!.*(.).*\1)[EF]*B$/;
        $tried{letters($response)} = 1;
    }
    equals($wrong, undef, "$path: D first, then the others until one responds, none twice (" . join(' ', sort keys %tried) . ')');
}



=== a draining server fails: proxy_next_upstream_tries limits the tries
--- upstreams
VARIANTS
session_sticky;
server D: drain max_fails=0;
server E: max_fails=0;
server F: max_fails=0;
--- location: proxy_next_upstream_tries 2;
--- client
for my $path (@variants) {
    my @bound = map { visit("$path?key=$_", "route=$id{D}", 1983) } 1 .. 6;
    equals(scalar(grep { letters($_) !~ /^D[EF]$/ } @bound), 0, "$path: D and one other server");
    equals(bodies(@bound), '502', "$path: then 502");
}



=== a draining server fails: proxy_next_upstream off, one try
--- upstreams
VARIANTS
session_sticky;
server D: drain max_fails=0;
server B:;
--- location: proxy_next_upstream off;
--- client
for my $path (@variants) {
    my @bound = map { visit("$path?key=$_", "route=$id{D}", 1983) } 1 .. 3;
    equals(join(' ', map { letters($_) . status($_) } @bound), 'D502 D502 D502', "$path: 502");
    equals(cookies(@bound), '', "$path: and the cookie does not change");
}



=== a draining server fails, fallback=off: 502, and no other server is tried
--- upstreams
VARIANTS
session_sticky fallback=off;
server D: drain max_fails=2 fail_timeout=60s;
server B:;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{D}");
    equals(bodies(@bound), '502', "$path: 502");
    equals(join(' ', map { letters($_) } @bound[0 .. 3]), 'D D  ', "$path: it is tried twice, up to max_fails");
}



=== a draining server fails: the backup server takes over in the same request
--- upstreams
VARIANTS
session_sticky;
server D: drain max_fails=0;
server B: backup;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{D}");
    equals(join(' ', map { letters($_) } @bound), join(' ', ('DB') x @bound), "$path: both are tried in this order");
    equals(cookies(@bound), $id{B}, "$path: and the session moves");
}



=== a draining backup server fails: the primary server takes over in the same request
--- upstreams
VARIANTS
session_sticky;
server B:;
server D: backup drain max_fails=0;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{D}");
    equals(join(' ', map { letters($_) } @bound), join(' ', ('DB') x @bound), "$path: both are tried in this order");
    equals(cookies(@bound), $id{B}, "$path: and the session moves");
}



=== a new session does not go to a draining server when all others fail
--- upstreams
VARIANTS
session_sticky;
server A: drain;
server E: max_fails=0;
server F: max_fails=0;
--- client
for my $path (@variants) {
    my @first = everywhere($path);
    equals(bodies(@first), '502', "$path: 502");
    equals(scalar(grep { letters($_) !~ /^(?:EF|FE)$/ } @first), 0, "$path: after both others were tried");
}



=== a single server that drains: sessions stay, new sessions get 502
--- upstreams
VARIANTS
session_sticky;
server A: drain;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{A}");
    equals(bodies(@bound), 'A', "$path: sessions stay");
    equals(cookies(@bound), '', "$path: and keep their cookie");
    equals(bodies(everywhere($path)), '502', "$path: no new sessions");
}



=== a single server that drains and fails: 502 after one try
--- upstreams
VARIANTS
session_sticky;
server D: drain;
--- client
for my $path (@variants) {
    my @bound = map { visit($path, "route=$id{D}", 1983) } 1 .. 3;
    equals(join(' ', map { letters($_) . status($_) } @bound), 'D502 D502 D502', "$path: one try");
}



=== "drain drain" is "drain"; of "drain" and "down", the last one applies
--- upstreams
upstream twice { session_sticky; server A: drain drain; server B:; }
upstream down  { session_sticky; server A: drain down; server B:; }
upstream drain { session_sticky; server A: down drain; server B:; }
--- client
equals(bodies(everywhere('/twice/', "route=$id{A}")), 'A', 'twice: sessions stay');
equals(bodies(everywhere('/twice/')), 'B', 'twice: no new sessions');
equals(cookies(everywhere('/down/', "route=$id{A}")), $id{B}, 'drain down: sessions move');
equals(bodies(everywhere('/down/')), 'B', 'drain down: no new sessions');
equals(bodies(everywhere('/drain/', "route=$id{A}")), 'A', 'down drain: sessions stay');
equals(bodies(everywhere('/drain/')), 'B', 'down drain: no new sessions');



=== max_conns applies to a draining server
--- upstreams
upstream u { session_sticky hash=plain; server 127.0.0.1:1991 drain max_conns=1; server B:; }
upstream z { zone drain_max_conns 64k; session_sticky hash=plain; server 127.0.0.1:1991 drain max_conns=1; server B:; }
--- client
my $server = serve(1991);
for my $path ('/u/', '/z/') {
    my $asked = ask($path, 'route=127.0.0.1:1991', 1983);
    my $held = taken($server);
    holds($held, "$path: a session uses the server");
    equals(bodies(everywhere($path, 'route=127.0.0.1:1991')), 'B', "$path: the next session moves");
    answer($held, 'done');
    equals(body(response($asked)), 'done', "$path: the first one gets its response");
    $asked = ask($path, 'route=127.0.0.1:1991', 1983);
    $held = taken($server);
    holds($held, "$path: then the server accepts another one");
    answer($held, 'done');
    response($asked);
}



=== without session_sticky, "drain" means "down"
--- upstreams
upstream u { server A: drain; server B:; }
upstream v { zone drain_without 64k; server A: drain; }
--- client
equals(bodies(everywhere('/u/')), 'B', 'the server gets no requests');
equals(bodies(everywhere('/v/')), '502', 'even if there is no other server');



=== a reload starts the draining, another one ends it
--- workers: 2
--- upstreams
VARIANTS
session_sticky;
server A:;
server B:;
--- client
sub edited {
    my ($from, $to) = @_;
    my $file = server_root() . '/conf/nginx.conf';
    open my $in, '<', $file or return 0;
    my $text = CORE::join '', CORE::readline $in;
    $text =~ s/\Q$from\E/$to/g or return 0;
    open my $out, '>', $file or return 0;
    print $out $text;
    close $out;
    return reload();
}
equals(bodies(everywhere($_, "route=$id{A}")), 'A', "$_: a session of A stays") for @variants;
holds(edited('server 127.0.0.1:1985;', 'server 127.0.0.1:1985 drain;'), 'a reload makes A drain');
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{A}");
    equals(bodies(@bound), 'A', "$path: its sessions stay");
    equals(cookies(@bound), '', "$path: and keep their cookie");
    equals(bodies(everywhere($path)), 'B', "$path: no new sessions");
}
holds(edited('server 127.0.0.1:1985 drain;', 'server 127.0.0.1:1985;'), 'another reload ends it');
my $came = 0;
for my $path (@variants) {
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: sessions stay");
    $came++ if bodies(everywhere($path)) =~ /A/;
}
holds($came >= @variants - 2, 'there are new sessions again');



=== of several servers with the same ID, the draining one is the last choice
--- upstreams
VARIANTS
session_sticky hash=plain;
server A: drain id=x;
server B: id=x;
server C: id=y;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, 'route=x');
    equals(bodies(@bound), 'B', "$path: the session goes to the other server with the ID");
    equals(cookies(@bound), '', "$path: and keep their cookie");
    my @first = everywhere($path);
    holds(bodies(@first) !~ /A/, "$path: no new sessions");
}



=== of several servers with the same ID, the draining one is used if the others fail
--- upstreams
VARIANTS
session_sticky hash=plain;
server A: drain id=x;
server D: id=x max_fails=0;
server C: id=y;
--- client
for my $path (@variants) {
    my $response = visit($path, 'route=x', 1983);
    equals(body($response), 'A', "$path: the draining one responds");
    equals(letters($response), 'DA', "$path: after the other one was tried");
}
