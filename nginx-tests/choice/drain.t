# "server … drain": the server keeps its sessions and gets no new ones. nginx 1.29.6 and newer read the parameter
# themselves, the module does for older ones; what happens is the same.
#
# A, B and C answer with their name; D, E and F are dead.
# Sections of this file's own:
#   upstreams  upstream blocks, in which A: is the address of A; /NAME/ leads to upstream NAME. VARIANTS stands for one
#              upstream of its rest for each balancer, without a zone and with one
#   location   more directives of these locations
#   client     see lib/Client.pm; VARIANTS' paths are in @variants

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

# The servers that a response's request tried, by their letters.
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

=== sessions stay, nobody comes
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
        equals(bodies(@bound), $name, "$path: a session of $name stays");
        equals(cookies(@bound), '', "$path: with its cookie");
    }
    my @first = everywhere($path);
    holds(bodies(@first) =~ /^(?:B \| C|B|C)$/, "$path: first visitors go to the others: " . bodies(@first));
    equals(scalar(grep { bound($_) ne $id{body($_)} } @first), 0, "$path: and are bound there");
    holds(bodies(everywhere($path, 'route=nobody')) !~ /A/, "$path: nor comes who has a cookie of nobody");
}



=== by the workers of a zone as by one
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
    equals(cookies(@bound), '', "$path: with their cookie");
    equals(bodies(everywhere($path)), 'A', "$path: nobody comes");
}



=== a session that ended is a first visit
--- upstreams
upstream u { session_sticky maxidle=1h; server A: drain; server B:; }
upstream v { session_sticky maxlife=1h hash=plain fallback=off; server A: id=a drain; server B: id=b; }
--- client
my $now = CORE::time;
equals(bodies(everywhere('/u/', "route=$id{A}|$now|$now")), 'A', 'one that lasts stays');
equals(bodies(everywhere('/u/', "route=$id{A}|1|1")), 'B', 'one that was idle too long is bound elsewhere');
equals(bodies(everywhere('/v/', "route=a|$now|$now")), 'A', 'one that lasts stays');
equals(bodies(everywhere('/v/', "route=a|1|1")), 'B', 'one that lived too long is bound elsewhere');



=== drain and backup: sessions stay on the backup, and it takes over for nobody
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
    equals(cookies(@bound), '', "$path: with their cookie");
    equals(bodies(everywhere($path, "route=$id{D}")), 'B', "$path: the dead server's do not come");
    equals(bodies(everywhere($path)), 'B', "$path: nor do first visitors");
}



=== drain and backup, all primaries dead: the other backup takes over, or nobody
--- upstreams
VARIANTS
session_sticky;
server D: max_fails=1 fail_timeout=60s;
server A: backup drain;
server C: backup;
--- client
for my $path (@variants) {
    equals(bodies(everywhere($path)), 'C', "$path: first visitors go to the other backup");
    equals(bodies(everywhere($path, "route=$id{D}")), 'C', "$path: as do the dead server's sessions");
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: the sessions of the draining one stay");
}



=== drain and backup, alone with a dead primary
--- upstreams
VARIANTS
session_sticky;
server D: max_fails=0;
server A: backup drain;
--- client
for my $path (@variants) {
    equals(bodies(everywhere($path)), '502', "$path: first visitors get 502");
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: sessions stay");
}



=== a draining primary beside a backup: first visitors go to the backup
--- upstreams
VARIANTS
session_sticky;
server A: drain;
server B: backup;
--- client
for my $path (@variants) {
    equals(bodies(everywhere($path)), 'B', "$path: first visitors go to the backup");
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: sessions of the primary stay");
    equals(bodies(everywhere($path, "route=$id{B}")), 'B', "$path: and those of the backup");
}



=== drain and id: the id is the cookie's, and new sessions have others
--- upstreams
VARIANTS
session_sticky hash=plain fallback=off;
server A: id=a drain;
server B: drain id=b;
server C: id=c;
--- client
for my $path (@variants) {
    equals(bodies(everywhere($path, 'route=' . lc)), $_, "$path: $_") for qw(A B C);
    equals(cookies(everywhere($path)), 'c', "$path: new sessions have another");
}



=== all servers drain: sessions stay, first visitors get 502
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
    equals(bodies(@first), '502', "$path: nobody may come");
    equals(cookies(@first), '', "$path: and gets no cookie");
}



=== all servers drain and one is dead: its sessions have nowhere to go
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
    equals(scalar(grep { letters($_) =~ /A/ } @bound), 0, "$path: and the other not");
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: the other keeps its own");
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
    equals(bodies(@bound), 'B', "$path: the other server answers");
    equals(cookies(@bound), $id{B}, "$path: and the client is bound there");
    equals(join(' ', map { letters($_) } @bound[0 .. 3]), 'DB DB B B', "$path: after max_fails the dead one is left alone");
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
    equals($wrong, undef, "$path: D first, then the others until one answers, none twice (" . join(' ', sort keys %tried) . ')');
}



=== a draining server fails: proxy_next_upstream_tries is the limit
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
    equals(scalar(grep { letters($_) !~ /^D[EF]$/ } @bound), 0, "$path: D and one other");
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
    equals(cookies(@bound), '', "$path: and the cookie holds");
}



=== a draining server fails, fallback=off: 502, and no other is tried
--- upstreams
VARIANTS
session_sticky fallback=off;
server D: drain max_fails=2 fail_timeout=60s;
server B:;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{D}");
    equals(bodies(@bound), '502', "$path: 502");
    equals(join(' ', map { letters($_) } @bound[0 .. 3]), 'D D  ', "$path: it is tried twice, as max_fails says");
}



=== a draining server fails: its backup takes over in the same request
--- upstreams
VARIANTS
session_sticky;
server D: drain max_fails=0;
server B: backup;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{D}");
    equals(join(' ', map { letters($_) } @bound), join(' ', ('DB') x @bound), "$path: first the one, then the other");
    equals(cookies(@bound), $id{B}, "$path: and the session moves");
}



=== a draining backup fails: the primary takes over in the same request
--- upstreams
VARIANTS
session_sticky;
server B:;
server D: backup drain max_fails=0;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{D}");
    equals(join(' ', map { letters($_) } @bound), join(' ', ('DB') x @bound), "$path: first the one, then the other");
    equals(cookies(@bound), $id{B}, "$path: and the session moves");
}



=== a first visitor whose servers all fail does not end on a draining one
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
    equals(scalar(grep { letters($_) !~ /^(?:EF|FE)$/ } @first), 0, "$path: after both were tried");
}



=== a single server that drains: sessions stay, first visitors get 502
--- upstreams
VARIANTS
session_sticky;
server A: drain;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{A}");
    equals(bodies(@bound), 'A', "$path: sessions stay");
    equals(cookies(@bound), '', "$path: with their cookie");
    equals(bodies(everywhere($path)), '502', "$path: nobody comes");
}



=== a single server that drains and is dead: 502 after one try
--- upstreams
VARIANTS
session_sticky;
server D: drain;
--- client
for my $path (@variants) {
    my @bound = map { visit($path, "route=$id{D}", 1983) } 1 .. 3;
    equals(join(' ', map { letters($_) . status($_) } @bound), 'D502 D502 D502', "$path: one try");
}



=== drain twice is drain; of drain and down the last counts
--- upstreams
upstream twice { session_sticky; server A: drain drain; server B:; }
upstream down  { session_sticky; server A: drain down; server B:; }
upstream drain { session_sticky; server A: down drain; server B:; }
--- client
equals(bodies(everywhere('/twice/', "route=$id{A}")), 'A', 'twice: sessions stay');
equals(bodies(everywhere('/twice/')), 'B', 'twice: nobody comes');
equals(cookies(everywhere('/down/', "route=$id{A}")), $id{B}, 'drain down: sessions move');
equals(bodies(everywhere('/down/')), 'B', 'drain down: nobody comes');
equals(bodies(everywhere('/drain/', "route=$id{A}")), 'A', 'down drain: sessions stay');
equals(bodies(everywhere('/drain/')), 'B', 'down drain: nobody comes');



=== max_conns holds for a draining server
--- upstreams
upstream u { session_sticky hash=plain; server 127.0.0.1:1991 drain max_conns=1; server B:; }
upstream z { zone drain_max_conns 64k; session_sticky hash=plain; server 127.0.0.1:1991 drain max_conns=1; server B:; }
--- client
my $server = serve(1991);
for my $path ('/u/', '/z/') {
    my $asked = ask($path, 'route=127.0.0.1:1991', 1983);
    my $held = taken($server);
    holds($held, "$path: a session is there");
    equals(bodies(everywhere($path, 'route=127.0.0.1:1991')), 'B', "$path: the next moves");
    answer($held, 'done');
    equals(body(response($asked)), 'done', "$path: the first is answered");
    $asked = ask($path, 'route=127.0.0.1:1991', 1983);
    $held = taken($server);
    holds($held, "$path: then there is room again");
    answer($held, 'done');
    response($asked);
}



=== without session_sticky drain is down
--- upstreams
upstream u { server A: drain; server B:; }
upstream v { zone drain_without 64k; server A: drain; }
--- client
equals(bodies(everywhere('/u/')), 'B', 'nobody comes');
equals(bodies(everywhere('/v/')), '502', 'not even where there is no other');



=== a reload begins the draining, another ends it
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
equals(bodies(everywhere($_, "route=$id{A}")), 'A', "$_: a session of A") for @variants;
holds(edited('server 127.0.0.1:1985;', 'server 127.0.0.1:1985 drain;'), 'A drains from a reload on');
for my $path (@variants) {
    my @bound = everywhere($path, "route=$id{A}");
    equals(bodies(@bound), 'A', "$path: its sessions stay");
    equals(cookies(@bound), '', "$path: with their cookie");
    equals(bodies(everywhere($path)), 'B', "$path: nobody comes");
}
holds(edited('server 127.0.0.1:1985 drain;', 'server 127.0.0.1:1985;'), 'until another reload');
my $came = 0;
for my $path (@variants) {
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: sessions stay");
    $came++ if bodies(everywhere($path)) =~ /A/;
}
holds($came >= @variants - 2, 'first visitors come again');



=== of several servers with one id, the draining one comes last
--- upstreams
VARIANTS
session_sticky hash=plain;
server A: drain id=x;
server B: id=x;
server C: id=y;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, 'route=x');
    equals(bodies(@bound), 'B', "$path: the session is that of the other server of the id");
    equals(cookies(@bound), '', "$path: with its cookie");
    my @first = everywhere($path);
    holds(bodies(@first) !~ /A/, "$path: nobody comes");
}



=== of several servers with one id, the draining one is there when the others fail
--- upstreams
VARIANTS
session_sticky hash=plain;
server A: drain id=x;
server D: id=x max_fails=0;
server C: id=y;
--- client
for my $path (@variants) {
    my $response = visit($path, 'route=x', 1983);
    equals(body($response), 'A', "$path: the draining one serves");
    equals(letters($response), 'DA', "$path: after the other");
}
