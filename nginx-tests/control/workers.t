# session_sticky_control in every worker, with every load-balancing method: a draining server keeps its sessions and gets no new
# ones, and a server that is down gets no requests, from the first request after the response on. States survive a reload.
#
# A, B and C respond with their name; D is down. VARIANTS is replaced with an upstream for each load-balancing method, without a
# zone and with one.

# Server states survive a reload, so each block needs a new nginx, even in mode hup.
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

=== a server drains immediately in every worker, and is up again
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
    # With ip_hash, all of them go to the same server.
    holds($before !~ /[AB]/ || bodies(everywhere($path)) =~ /[AB]/, "$path: new sessions go to it again");
}



=== a server is down immediately in every worker: its sessions move, and those that made no request return to it
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
    equals(scalar(grep { bound($_) ne $id{body($_)} } @moved), 0, "$path: and are bound to their new server");
    holds(bodies(everywhere($path)) !~ /A/, "$path: new sessions go to other servers");
    now($name, 'A', 'up');
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: a session of A that made no request meanwhile goes to A");
}



=== fallback=off: sessions of a server that is down get 502, those of a draining one stay
--- upstreams
upstream off { session_sticky fallback=off; server A:; server B:; }
upstream off_zone { zone off_zone 64k; session_sticky fallback=off; server A:; server B:; }
--- client
for my $name (qw(off off_zone)) {
    now($name, 'A', 'drain');
    equals(bodies(everywhere("/$name/", "route=$id{A}")), 'A', "$name: draining");
    now($name, 'A', 'down');
    equals(bodies(everywhere("/$name/", "route=$id{A}")), '502', "$name: down");
    equals(bodies(everywhere("/$name/", "route=$id{B}")), 'B', "$name: another server");
    now($name, 'A', 'up');
    equals(bodies(everywhere("/$name/", "route=$id{A}")), 'A', "$name: up");
}
my @lines = log_lines(qr/is down, with "fallback=off": 127\.0\.0\.1:1985 \(down by session_sticky_control\)/);
holds(@lines >= 2, 'the log has the reason');
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



=== backup servers: they can drain as well, and are used if all others drain
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
    holds(bodies(everywhere("/$name/", "route=$id{B}")) eq 'C', "$name: a session of a backup server that is down moves");
    now($name, $_, 'up') for qw(A B);
    equals(bodies(everywhere("/$name/")), 'A', "$name: new sessions");
}



=== keepalive: connections of a draining server are used only by its sessions
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



=== rebind=off: a draining server does not take over sessions
--- upstreams
upstream u { server A:; server B:; server C:; session_sticky rebind=off; }
upstream z { zone lent 64k; server A:; server B:; server C:; session_sticky rebind=off; }
--- client
for my $name (qw(u z)) {
    now($name, 'A', 'down');
    now($name, 'B', 'drain');
    equals(bodies(everywhere("/$name/", "route=$id{A}")), 'C', "$name: C takes over the sessions of A");
    now($name, $_, 'up') for qw(A B);
    equals(bodies(everywhere("/$name/", "route=$id{A}")), 'A', "$name: and they return to A");
}



=== several servers with the same ID: draining ones are the last choice
--- upstreams
upstream u { session_sticky hash=plain; server A: id=x; server B: id=x; server C: id=y; }
upstream z { zone shared 64k; session_sticky hash=plain; server A: id=x; server B: id=x; server C: id=y; }
--- client
for my $name (qw(u z)) {
    equals(bodies(everywhere("/$name/", 'route=x')), 'A', "$name: the first one");
    now($name, 'A', 'drain');
    equals(bodies(everywhere("/$name/", 'route=x')), 'B', "$name: while it drains, the next one");
    now($name, 'B', 'down');
    equals(bodies(everywhere("/$name/", 'route=x')), 'A', "$name: if that is down, the draining one");
    now($name, 'A', 'up');
    now($name, 'B', 'drain');
    equals(bodies(everywhere("/$name/", 'route=x')), 'A', "$name: the reverse");
    now($name, 'B', 'up');
}



=== the tries of a request: a session whose draining server fails goes to another one, and so does a new session
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
    holds(bodies(@moved) =~ /^[AB](?: \| B)?$/, "$path: a session of a failed draining server moves: " . bodies(@moved));
    now($name, 'A', 'drain');
    equals(bodies(everywhere($path, "route=$id{D}")), 'B', "$path: but not to another draining server");
    equals(bodies(everywhere($path)), 'B', "$path: and so do new sessions");
    now($name, 'B', 'drain');
    equals(bodies(everywhere($path, "route=$id{A}")), 'A', "$path: if all drain, sessions stay");
    now($name, $_, 'up') for qw(A B D);
    my @first = everywhere($path);
    holds(bodies(@first) =~ /^[AB](?: \| B)?$/, "$path: all are used again: " . bodies(@first));
}
--- no_error_log
[alert]
[crit]



=== a reload keeps the states, even if servers change their place in the configuration
--- upstreams
upstream u { session_sticky; server A:; server B:; }
upstream z { zone stays 64k; session_sticky; server A:; server B:; }
--- client
for my $name (qw(u z)) {
    now($name, 'A', 'drain');
}
holds(reload(), 'nginx is reloaded');
drains("/$_/", 'A', 'B') for qw(u z);
equals(shown($_, 'A')->{control}{state}, 'drain', "$_: it is reported") for qw(u z);
configure(qr/server 127\.0\.0\.1:1985; server 127\.0\.0\.1:1986;/, 'server 127.0.0.1:1987; server 127.0.0.1:1986; server 127.0.0.1:1985;');
holds(reload(), 'nginx is reloaded with another server');
drains("/$_/", 'A', 'BC') for qw(u z);
now($_, 'A', 'up') for qw(u z);
holds(reload(), 'nginx is reloaded again');
holds(bodies(everywhere("/$_/")) =~ /A/, "$_: up") for qw(u z);



=== the state of a removed server can only be reverted, by its address
--- upstreams
upstream u { session_sticky; server A:; server B:; server C:; }
--- client
now('u', 'A', 'drain');
now('u', 'B', 'down');
configure(qr/server 127\.0\.0\.1:1985; server 127\.0\.0\.1:1986;/, '');
holds(reload(), 'nginx is reloaded without both servers');
equals(status(patch('u', 'A', '{"state":"down"}')), '404', 'it cannot be taken down');
my $response = patch('u', 'A', '{"drain":false}');
equals(status($response), '200', 'its state can be reverted');
equals(CORE::join(' ', map { $_->{address} } @{JSON::PP::decode_json(body($response))->{upstreams}[0]{servers}}), '127.0.0.1:1987',
    'the response has the upstream');
equals(status(patch('u', 'A', '{"drain":false}')), '404', 'but only once');
configure(qr/server 127\.0\.0\.1:1987;/, 'server 127.0.0.1:1985; server 127.0.0.1:1986;');
holds(reload(), 'nginx is reloaded with both servers');
equals(bodies(everywhere('/u/')), 'A', 'A is up, B is still down');



=== "down" or "drain" of a reloaded configuration applies as well
--- upstreams
upstream u { session_sticky; server A:; server B:; }
--- client
now('u', 'A', 'drain');
configure(qr/server 127\.0\.0\.1:1985;/, 'server 127.0.0.1:1985 down;');
holds(reload(), 'nginx is reloaded');
equals(bodies(everywhere('/u/', "route=$id{A}")), 'B', 'A is down');
equals(shown('u', 'A')->{state}, 'down', 'as is reported');
configure(qr/ down;/, ' drain;');
holds(reload(), 'nginx is reloaded');
drains('/u/', 'A', 'B');
equals(shown('u', 'A')->{configured}, 'drain', 'A drains');
configure(qr/ drain;/, ';');
holds(reload(), 'nginx is reloaded');
drains('/u/', 'A', 'B');
now('u', 'A', 'up');
holds(bodies(everywhere('/u/')) =~ /A/, 'up');



=== without control in the configuration, no state applies any longer
--- upstreams
upstream u { session_sticky; server A:; server B:; }
--- client
now('u', 'A', 'down');
configure(qr/session_sticky_control on;/, 'session_sticky_control off;');
holds(reload(), 'nginx is reloaded');
equals(bodies(everywhere('/u/', "route=$id{A}")), 'A', 'A is up');



=== states end at their end times: drain becomes down, down becomes up
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
    equals(bodies(everywhere("/$name/")), 'B', "$name: and for new sessions");
    my $a = shown($name, 'A');
    equals("$a->{state} $a->{control}{state}", 'down down', "$name: it is reported");
    holds(!defined $a->{control}{until}, "$name: without an end time");
    holds(!defined shown($name, 'B')->{control}, "$name: no state is set for B");
}
my @lines = log_lines(qr/\[notice\].*is no longer/);
equals(scalar(@lines), 4, 'each end is told once');
holds((grep { /server 127\.0\.0\.1:1985 of upstream "u" is no longer draining, its time has ended: it is down now/ } @lines) == 1, 'of A');
holds((grep { /server 127\.0\.0\.1:1986 of upstream "u" is no longer down, its time has ended: it is up now/ } @lines) == 1, 'of B');



=== a killed worker does not affect the states, and its successor applies them
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
