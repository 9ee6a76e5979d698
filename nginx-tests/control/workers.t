# session_sticky_control in every worker, with every balancer: who is drained keeps its sessions and gets no new ones, who is
# down gets nothing, from the first request after the answer on; and what was said stays over a reload.
#
# A, B and C answer with their name; D is dead. VARIANTS stands for one upstream of its rest for each balancer, without a zone and
# with one.

# What was said of servers outlives a reload, so each block needs an nginx of its own in mode hup too.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Upstreams Visits Running Control);

client_sections();
upstream_sections('location /slow { return 200 "NAME"; }');
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = variants($block->upstreams, 'BALANCER REST', 'REST BALANCER zone ZONE 64k;');
    $block->set_value(upstreams => $upstreams);
    $block->set_value(client => paths_of_variants($upstreams) . $block->client);
    $block->set_value(locations => $control . ($block->locations // ''));
    $block->set_value(workers => 4) if !defined $block->workers;
});

sub name_of { my ($name) = $_[0] =~ m{/(\w+)/}; return $name }

master_on();
worker_connections(512);
run_tests();

__DATA__

=== drained now, in every worker, and up again
--- upstreams
VARIANTS
session_sticky;
server A:;
server B:;
server C:;
--- client
for my $path (@variants) {
    my $name = name_of($path);
    my $before = bodies(everywhere($path));
    now($name, 'A', 'drain');
    drains($path, 'A', 'BC');
    now($name, 'B', 'drain');
    drains($path, 'B', 'C');
    now($name, 'A', 'up');
    drains($path, 'B', 'AC');
    now($name, 'B', 'up');
    # By ip_hash all of them go to one server.
    holds($before !~ /[AB]/ || bodies(everywhere($path)) =~ /[AB]/, "$path: first visits go there again");
}



=== down now, in every worker: its sessions move, and come back to nobody else
--- upstreams
VARIANTS
session_sticky;
server A:;
server B:;
server C:;
--- client
for my $path (@variants) {
    my $name = name_of($path);
    everywhere($path, "route=$id{A}");
    now($name, 'A', 'down');
    my @moved = everywhere($path, "route=$id{A}");
    holds(bodies(@moved) =~ /^[BC](?: \| C)?$/, "$path: the sessions of A move: " . bodies(@moved));
    equals(scalar(grep { bound($_) ne $id{body($_)} } @moved), 0, "$path: and are bound there");
    holds(bodies(everywhere($path)) !~ /A/, "$path: first visits go elsewhere");
    now($name, 'A', 'up');
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: a session of A that did not come meanwhile goes there again");
}



=== fallback=off: the sessions of a server that is down are refused, those of one that drains stay
--- upstreams
upstream off { session_sticky fallback=off; server A:; server B:; }
upstream off_zone { zone off_zone 64k; session_sticky fallback=off; server A:; server B:; }
--- client
for my $name (qw(off off_zone)) {
    now($name, 'A', 'drain');
    equals(bodies(everywhere("/$name/", "route=$id{A}")), 'A', "$name: draining");
    now($name, 'A', 'down');
    equals(bodies(everywhere("/$name/", "route=$id{A}")), '502', "$name: down");
    equals(bodies(everywhere("/$name/", "route=$id{B}")), 'B', "$name: another");
    now($name, 'A', 'up');
    equals(bodies(everywhere("/$name/", "route=$id{A}")), 'A', "$name: up");
}
my @lines = log_lines(qr/is down, with "fallback=off": 127\.0\.0\.1:1985 \(down by session_sticky_control\)/);
holds(@lines >= 2, 'the log says who has taken it down');
--- no_error_log
[alert]
[crit]



=== an upstream with one server
--- upstreams
upstream one { session_sticky; server A:; }
upstream one_zone { zone one_zone 64k; session_sticky; server A:; }
upstream one_hash { hash $arg_key; session_sticky; server A:; }
upstream one_random { random; session_sticky; server A:; zone one_random 64k; }
--- client
for my $name (qw(one one_zone one_hash one_random)) {
    now($name, 'A', 'drain');
    equals(bodies(everywhere("/$name/", "route=$id{A}")), 'A', "$name: its sessions stay while it drains");
    equals(bodies(everywhere("/$name/")), '502', "$name: and it gets no new ones");
    now($name, 'A', 'down');
    equals(bodies(everywhere("/$name/", "route=$id{A}")), '502', "$name: down");
    now($name, 'A', 'up');
    equals(bodies(everywhere("/$name/")), 'A', "$name: up");
}
--- no_error_log
[alert]
[crit]



=== backups: drained as any other, and asked where all others drain
--- upstreams
upstream u { session_sticky; server A:; server B: backup; server C: backup; }
upstream z { zone backups 64k; session_sticky; server A:; server B: backup; server C: backup; }
--- client
for my $name (qw(u z)) {
    now($name, 'A', 'drain');
    drains("/$name/", 'A', 'BC');
    now($name, 'B', 'drain');
    drains("/$name/", 'A', 'C');
    drains("/$name/", 'B', 'C');
    now($name, 'B', 'down');
    holds(bodies(everywhere("/$name/", "route=$id{B}")) eq 'C', "$name: a session of a backup that is down moves");
    now($name, $_, 'up') for qw(A B);
    equals(bodies(everywhere("/$name/")), 'A', "$name: first visits");
}



=== keepalive: connections that are kept are used by sessions only
--- upstreams
upstream u { server A:; server B:; session_sticky; keepalive 8; }
upstream z { zone kept 64k; server A:; server B:; session_sticky; keepalive 8; }
--- client
for my $name (qw(u z)) {
    everywhere("/$name/");
    now($name, 'A', 'drain');
    drains("/$name/", 'A', 'B');
    now($name, 'A', 'up');
}



=== rebind=off: nobody is lent to a server that drains
--- upstreams
upstream u { server A:; server B:; server C:; session_sticky rebind=off; }
upstream z { zone lent 64k; server A:; server B:; server C:; session_sticky rebind=off; }
--- client
for my $name (qw(u z)) {
    now($name, 'A', 'down');
    now($name, 'B', 'drain');
    equals(bodies(everywhere("/$name/", "route=$id{A}")), 'C', "$name: the requests of A are lent to C");
    now($name, $_, 'up') for qw(A B);
    equals(bodies(everywhere("/$name/", "route=$id{A}")), 'A', "$name: and are A's again");
}



=== several servers of one id: those that drain come last
--- upstreams
upstream u { session_sticky hash=plain; server A: id=x; server B: id=x; server C: id=y; }
upstream z { zone shared 64k; session_sticky hash=plain; server A: id=x; server B: id=x; server C: id=y; }
--- client
for my $name (qw(u z)) {
    equals(bodies(everywhere("/$name/", 'route=x')), 'A', "$name: the first of them");
    now($name, 'A', 'drain');
    equals(bodies(everywhere("/$name/", 'route=x')), 'B', "$name: while it drains, the next");
    now($name, 'B', 'down');
    equals(bodies(everywhere("/$name/", 'route=x')), 'A', "$name: if that is down, the one that drains");
    now($name, 'A', 'up');
    now($name, 'B', 'drain');
    equals(bodies(everywhere("/$name/", 'route=x')), 'A', "$name: the other way round");
    now($name, 'B', 'up');
}



=== the tries of a request: a session whose draining server is dead goes on to another, and so does a first visit
--- upstreams
VARIANTS
session_sticky;
server D: max_fails=0;
server A: max_fails=0;
server B: max_fails=0;
--- client
for my $path (@variants) {
    my $name = name_of($path);
    now($name, 'D', 'drain');
    my @moved = everywhere($path, "route=$id{D}");
    holds(bodies(@moved) =~ /^[AB](?: \| B)?$/, "$path: a session of a draining server that is dead moves: " . bodies(@moved));
    now($name, 'A', 'drain');
    equals(bodies(everywhere($path, "route=$id{D}")), 'B', "$path: and past another that drains");
    equals(bodies(everywhere($path)), 'B', "$path: as first visits go");
    now($name, 'B', 'drain');
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: where all drain, sessions stay");
    now($name, $_, 'up') for qw(A B D);
    my @first = everywhere($path);
    holds(bodies(@first) =~ /^[AB](?: \| B)?$/, "$path: all are tried again: " . bodies(@first));
}
--- no_error_log
[alert]
[crit]



=== a reload keeps what was said, also of servers that move in the configuration; what is gone is shown no more
--- upstreams
upstream u { session_sticky; server A:; server B:; }
upstream z { zone stays 64k; session_sticky; server A:; server B:; }
--- client
for my $name (qw(u z)) {
    now($name, 'A', 'drain');
}
holds(reload(), 'a reload');
drains("/$_/", 'A', 'B') for qw(u z);
equals(shown($_, 'A')->{control}{state}, 'drain', "$_: shown") for qw(u z);
configure(qr/server 127\.0\.0\.1:1985; server 127\.0\.0\.1:1986;/, 'server 127.0.0.1:1987; server 127.0.0.1:1986; server 127.0.0.1:1985;');
holds(reload(), 'a reload with one more');
drains("/$_/", 'A', 'BC') for qw(u z);
now($_, 'A', 'up') for qw(u z);
holds(reload(), 'once more');
holds(bodies(everywhere("/$_/")) =~ /A/, "$_: up") for qw(u z);



=== of a server that is gone nothing but that can be taken back, by its address
--- upstreams
upstream u { session_sticky; server A:; server B:; server C:; }
--- client
now('u', 'A', 'drain');
now('u', 'B', 'down');
configure(qr/server 127\.0\.0\.1:1985; server 127\.0\.0\.1:1986;/, '');
holds(reload(), 'a reload without both');
equals(status(patch('u', 'A', '{"state":"down"}')), '404', 'it cannot be taken down');
my $response = patch('u', 'A', '{"drain":false}');
equals(status($response), '200', 'it can be up');
equals(CORE::join(' ', map { $_->{address} } @{JSON::PP::decode_json(body($response))->{upstreams}[0]{servers}}), '127.0.0.1:1987',
    'the upstream is shown');
equals(status(patch('u', 'A', '{"drain":false}')), '404', 'once');
configure(qr/server 127\.0\.0\.1:1987;/, 'server 127.0.0.1:1985; server 127.0.0.1:1986;');
holds(reload(), 'a reload with both');
equals(bodies(everywhere('/u/')), 'A', 'A is up, B is still down');



=== a reload that says down, or drain, is obeyed as well
--- upstreams
upstream u { session_sticky; server A:; server B:; }
--- client
now('u', 'A', 'drain');
configure(qr/server 127\.0\.0\.1:1985;/, 'server 127.0.0.1:1985 down;');
holds(reload(), 'a reload');
equals(bodies(everywhere('/u/', "route=$id{A}")), 'B', 'A is down');
equals(shown('u', 'A')->{state}, 'down', 'as is shown');
configure(qr/ down;/, ' drain;');
holds(reload(), 'a reload');
drains('/u/', 'A', 'B');
equals(shown('u', 'A')->{configured}, 'drain', 'A drains');
configure(qr/ drain;/, ';');
holds(reload(), 'a reload');
drains('/u/', 'A', 'B');
now('u', 'A', 'up');
holds(bodies(everywhere('/u/')) =~ /A/, 'up');



=== without control in the configuration nothing holds any more
--- upstreams
upstream u { session_sticky; server A:; server B:; }
--- client
now('u', 'A', 'down');
configure(qr/session_sticky_control on;/, 'session_sticky_control off;');
holds(reload(), 'a reload');
equals(bodies(everywhere('/u/', "route=$id{A}")), 'A', 'A is up');



=== what has an end ends without anybody asking: drain becomes down, down becomes up
--- upstreams
upstream u { session_sticky; server A:; server B:; }
upstream z { zone ends 64k; session_sticky; server A:; server B:; }
--- client
for my $name (qw(u z)) {
    equals(status(patch($name, 'A', '{"state":"drain","for":"3s"}')), '200', "$name: A drains for 3 seconds");
    equals(status(patch($name, 'B', '{"state":"down","for":"3s"}')), '200', "$name: B is down for 3 seconds");
    equals(bodies(everywhere("/$name/", "route=$id{A}")), 'A', "$name: the sessions of A stay");
    eventually(sub { body(visit("/$name/", "route=$id{A}", 1983)) eq 'B' }, "$name: then A is down, and B is up");
    equals(bodies(everywhere("/$name/", "route=$id{A}")), 'B', "$name: in each worker");
    equals(bodies(everywhere("/$name/")), 'B', "$name: also for first visits");
    my $a = shown($name, 'A');
    equals("$a->{state} $a->{control}{state}", 'down down', "$name: shown");
    holds(!defined $a->{control}{until}, "$name: without an end");
    holds(!defined shown($name, 'B')->{control}, "$name: nothing is said of B");
}
my @lines = log_lines(qr/\[notice\].*is no longer/);
equals(scalar(@lines), 4, 'each end is told once');
holds((grep { /server 127\.0\.0\.1:1985 of upstream "u" is no longer draining, its time has ended: it is down now/ } @lines) == 1, 'of A');
holds((grep { /server 127\.0\.0\.1:1986 of upstream "u" is no longer down, its time has ended: it is up now/ } @lines) == 1, 'of B');



=== a worker that is killed takes nothing with it, and its successor knows
--- upstreams
upstream u { session_sticky; server A:; server B:; }
--- client
now('u', 'A', 'drain');
for my $worker (children()) {
    kill_worker($worker);
    eventually(sub { my @now = children(); @now == 4 && !grep { $_ == $worker } @now }, "worker $worker is replaced");
}
drains('/u/', 'A', 'B');
--- no_error_log
[crit]
[emerg]
--- may_warn
exited on signal 9
