# drain_if= in every worker, with every load-balancing method: a server that asks to drain in a response keeps its sessions and
# gets no new ones, from the next request on, until one of its responses does not ask for it, or the time is over.
#
# A, B and C respond with their name, and ask to drain if the path has their letter after a hyphen: /u/-AB, for A and for B.
# D is down. VARIANTS is replaced with an upstream for each load-balancing method, without a zone and with one.

# Requests to drain survive a reload, so each block needs a new nginx, even in mode hup.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Upstreams Visits Running Control);
# The same clock as nginx's; Perl's own time may be some milliseconds behind it.
use Time::HiRes 'time';

our $drain = 'session_sticky drain_if=$upstream_http_x_drain drain_time=600;';

client_sections();
upstream_sections(<<'_EOC_');
location ~ "-[A-C]*NAME[A-C]*/fails" { add_header X-Drain 1 always; return 503 "NAME"; }
location ~ "/fails" { return 503 "NAME"; }
location ~ "-[A-C]*NAME" { add_header X-Drain 1 always; return 200 "NAME"; }
location ~ "zero" { add_header X-Drain 0 always; return 200 "NAME"; }
_EOC_
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = variants($block->upstreams, 'BALANCER REST', 'REST BALANCER zone ZONE 64k;') =~ s/\bDRAIN;/$drain/gr;
    $block->set_value(upstreams => $upstreams);
    $block->set_value(client => paths_of_variants($upstreams) . $block->client);
    $block->set_value(locations => $control . ($block->locations // ''));
    $block->set_value(workers => 4) if !defined $block->workers;
});

sub name_of { my ($name) = $_[0] =~ m{/(\w+)/}; return $name }

# Sends a request of a session of this server, with a path with which these servers ask to drain.
sub asks {
    my ($path, $server, $letters) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $visit = visit($path . (length $letters ? "-$letters" : ''), "route=$id{$server}", 1983);
    return equals(body($visit), $server, "$path: a session of $server, which " . ($letters =~ /$server/ ? 'asks' : 'does not ask'));
}

sub is_shown {
    my ($name, $server, $state, $asks) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $shown = shown($name, $server);
    equals($shown->{state}, $state, "$name: $server is $state");
    return equals(defined $shown->{asked_until}, !!$asks, "$name: and " . ($asks ? 'asks' : 'does not ask'));
}

master_on();
worker_connections(512);
run_tests();

__DATA__

=== a server asks to drain, and no longer asks
--- upstreams
VARIANTS
DRAIN;
server A:;
server B:;
server C:;
--- client
for my $path (@variants) {
    my $name = name_of($path);
    my $before = bodies(everywhere($path));
    asks($path, 'A', 'A');
    drains($path . '-A', 'A', 'BC');
    is_shown($name, 'A', 'draining', 1);
    asks($path, 'B', 'AB');
    drains($path . '-AB', 'B', 'C');
    asks($path, 'A', '');
    is_shown($name, 'A', 'up', 0);
    drains($path . '-B', 'B', 'AC');
    asks($path, 'B', '');
    # With ip_hash, all of them go to the same server.
    holds($before !~ /[AB]/ || bodies(everywhere($path)) =~ /[AB]/, "$path: new sessions go to them again");
}



=== the response to a new session counts as well, and 0 ends a request to drain
--- upstreams
upstream u { server A:; server B:; DRAIN; }
--- client
my @visits = map { body(visit('/u/-A', '', 1983)) } 1 .. 20;
equals(scalar(grep { $_ eq 'A' } @visits), 1, 'A asks to drain in its first response');
drains('/u/-A', 'A', 'B');
equals(body(visit('/u/zero', "route=$id{A}", 1983)), 'A', 'a response with 0');
holds(bodies(everywhere('/u/')) =~ /A/, 'new sessions go to A');



=== the log, once for all workers
--- upstreams
upstream u { server A:; server B:; DRAIN; }
--- client
everywhere('/u/-A', "route=$id{A}");
everywhere('/u/', "route=$id{A}");
my @lines = log_lines(qr/\[notice\].*session_sticky: server/);
equals(scalar(@lines), 2, 'two lines');
holds($lines[0] =~ /server 127\.0\.0\.1:1985 of upstream "u" asks to drain, until \d\d:\d\d:\d\d/, 'it asks to drain');
holds($lines[1] =~ /server 127\.0\.0\.1:1985 of upstream "u" no longer asks to drain/, 'it no longer asks');



=== a server that alternates in each response does not cause an update of all workers with each of them
--- upstreams
upstream u { server A:; server B:; DRAIN; }
--- workers: 1
--- client
my $begin = int time;
for (1 .. 200) {
    visit('/u/-A', "route=$id{A}", 1983);
    visit('/u/', "route=$id{A}", 1983);
}
my $seconds = 1 + int(time) - $begin;
my $lines = () = log_lines(qr/\[notice\].*session_sticky: server/);
# 16 changes are logged, and one end and one start per second.
holds($lines <= 18 * $seconds, "$lines lines in $seconds seconds");
eventually(sub { !defined shown('u', 'A')->{asked_until} }, 'its last response applies when the second is over');
asks('/u/', 'A', 'A');
drains('/u/-A', 'A', 'B');



=== all servers ask to drain: new sessions go to them as before; a backup server that does not ask gets them
--- upstreams
upstream u { server A:; server B:; DRAIN; }
upstream z { zone all 64k; server A:; server B:; DRAIN; }
upstream one { server A:; DRAIN; }
upstream b { server A:; server B: backup; DRAIN; }
upstream d { server A:; server B: down; server C: drain; DRAIN; }
--- client
for my $name (qw(u z)) {
    asks("/$name/", 'A', 'AB');
    drains("/$name/-A", 'A', 'B');
    asks("/$name/", 'B', 'AB');
    equals(bodies(everywhere("/$name/-AB")), 'A | B', "$name: all ask to drain");
    is_shown($name, $_, 'up', 1) for qw(A B);
    asks("/$name/", 'B', '');
    drains("/$name/-A", 'A', 'B');
    asks("/$name/", 'A', '');
    equals(bodies(everywhere("/$name/")), 'A | B', "$name: no server asks to drain");
}
asks('/one/', 'A', 'A');
equals(bodies(everywhere('/one/-A')), 'A', 'one: a single server');
asks('/b/', 'A', 'A');
drains('/b/-A', 'A', 'B');
asks('/b/', 'B', 'AB');
equals(bodies(everywhere('/b/-AB')), 'A', 'b: the backup server asks as well');
asks('/d/', 'A', 'A');
equals(bodies(everywhere('/d/-A')), 'A', 'd: the others are down, or drain by the configuration');
--- no_error_log
[alert]
[crit]



=== states set by operators determine which other servers can be selected
--- upstreams
upstream u { zone said 64k; server A:; server B:; server C:; DRAIN; }
--- client
asks('/u/', 'A', 'A');
drains('/u/-A', 'A', 'BC');
now('u', 'B', 'down');
now('u', 'C', 'drain');
equals(bodies(everywhere('/u/-A')), 'A', 'only A is left, which asks to drain');
now('u', 'C', 'up');
drains('/u/-A', 'A', 'C');



=== the others fail: servers that asked to drain get the request before it fails
--- upstreams
VARIANTS
DRAIN;
server A:;
server D: max_fails=0;
--- client
for my $path (@variants) {
    asks($path, 'A', 'A');
    my @first = everywhere($path . '-A');
    equals(bodies(@first), 'A', "$path: new sessions go to A");
    equals(scalar(grep { bound($_) ne $id{A} } @first), 0, "$path: and are bound to it");
    holds((grep { head('X-Tried', $_) ne '127.0.0.1:1999, 127.0.0.1:1985' } @first) == 0, "$path: after D was tried");
    asks($path, 'A', '');
}
--- no_error_log
[alert]
[crit]



=== servers are tried sequentially, each once, primary servers first, with and without proxy_next_upstream_tries
--- upstreams
upstream u { server A:; server B:; server D: max_fails=0; server E: max_fails=0; DRAIN; }
upstream z { zone each 64k; server A: max_fails=0; server B: max_fails=0; server D: max_fails=0; DRAIN; }
upstream b { zone each_b 64k; server A:; server D: max_fails=0; server B: backup; server E: backup max_fails=0; DRAIN; }
upstream o { server A:; server D: max_fails=0; session_sticky drain_if=$upstream_http_x_drain if=$arg_on; }
--- locations
location /two/ { proxy_pass http://u/; proxy_next_upstream_tries 2; }
location /503/ { proxy_pass http://z/; proxy_next_upstream error http_503; }
--- client
my $dead = qr/127\.0\.0\.1:199\d/;
asks('/u/', $_, 'AB') for qw(A B);
for my $visit (everywhere('/u/-AB')) {
    holds(head('X-Tried', $visit) =~ /^$dead, $dead, 127\.0\.0\.1:198[56]$/, 'u: ' . head('X-Tried', $visit));
}
equals(tried(everywhere('/two/-AB')), '127.0.0.1:1998, 127.0.0.1:1999 | 127.0.0.1:1999, 127.0.0.1:1998', 'no more than two tries');
asks('/z/', $_, 'AB') for qw(A B);
for my $visit (everywhere('/503/-AB/fails')) {
    equals(status($visit), '503', 'z: all fail');
    my @tried = split /, /, head('X-Tried', $visit);
    equals(CORE::join(' ', sort @tried), '127.0.0.1:1985 127.0.0.1:1986 127.0.0.1:1999', 'z: each is tried once');
}
for my $visit (everywhere('/503/-AB/fails', "route=$id{A}")) {
    holds(head('X-Tried', $visit) =~ /^127\.0\.0\.1:1985, 127\.0\.0\.1:1999, 127\.0\.0\.1:1986$/, 'z: a session: ' . head('X-Tried', $visit));
}
asks('/b/', $_, 'AB') for qw(A B);
equals(tried(everywhere('/b/-AB')), '127.0.0.1:1999, 127.0.0.1:1998, 127.0.0.1:1985', 'b: a primary server before a backup server');
equals(body(visit('/o/-A?on=1', "route=$id{A}", 1983)), 'A', 'o: A asks to drain');
equals(tried(everywhere('/o/-A')), '127.0.0.1:1999, 127.0.0.1:1985', 'o: also with persistence off');
equals(cookies(everywhere('/o/-A')), '', 'o: and no session starts');
--- no_error_log
[alert]
[crit]



=== max_conns is reached: servers that asked to drain are used, up to their own max_conns
--- upstreams
upstream u { zone full 64k; server A: max_conns=1; server 127.0.0.1:1988 max_conns=1; DRAIN; }
--- client
my $waiting = serve(1988);
my $first = ask('/u/-A', '', 1983);
my $other = ask('/u/-A', '', 1983);
my $taken = taken($waiting);
my ($answered) = IO::Select->new($first, $other)->can_read(10);
read_until($answered, qr/(?!)/);
asks('/u/', 'A', 'A');
my $visit = visit('/u/-A', '', 1983);
equals(body($visit), 'A', 'A, although it asks to drain');
holds((log_lines(qr/\[info\].*no other server of upstream "u" is available, 127\.0\.0\.1:1985 gets a request although it asked to drain/)) >= 1,
    'which is logged');
answer($taken, 'D');



=== sessions whose server fails, also with rebind=off, go to servers that asked to drain if there are no others
--- upstreams
upstream u { server A:; server D: max_fails=0; DRAIN; }
upstream l { server A:; server D: max_fails=0; session_sticky rebind=off drain_if=$upstream_http_x_drain; }
upstream s { server A:; server D: max_fails=0; session_sticky fallback=off drain_if=$upstream_http_x_drain; }
--- client
asks("/$_/", 'A', 'A') for qw(u l s);
my @moved = everywhere('/u/-A', "route=$id{D}");
equals(bodies(@moved), 'A', 'u: the session moves');
equals(cookies(@moved), 'ID_A', 'u: and is bound to it');
my @lent = everywhere('/l/-A', "route=$id{D}");
equals(bodies(@lent), 'A', 'l: A takes over the session');
equals(cookies(@lent), '', 'l: and keeps its cookie');
equals(bodies(everywhere('/s/-A', "route=$id{D}")), '502', 's: no other server takes over the session');
equals(bodies(everywhere('/s/-A')), 'A', 's: new sessions');
--- no_error_log
[alert]
[crit]



=== states set by operators: drain and down stay regardless of responses; up ends a request to drain until the next one
--- upstreams
upstream u { server A:; server B:; DRAIN; }
upstream z { zone word 64k; server A:; server B:; DRAIN; }
--- client
for my $name (qw(u z)) {
    my $path = "/$name/";
    now($name, 'A', 'drain');
    asks($path, 'A', '');
    drains($path, 'A', 'B');
    asks($path, 'A', 'A');
    asks($path, 'A', '');
    drains($path, 'A', 'B');
    asks($path, 'A', 'A');
    now($name, 'A', 'down');
    equals(bodies(everywhere($path, "route=$id{A}")), 'B', "$name: A is down");
    is_shown($name, 'A', 'down', 1);
    now($name, 'A', 'up');
    is_shown($name, 'A', 'up', 0);
    holds(bodies(everywhere($path)) =~ /A/, "$name: up ends the earlier request of A");
    asks($path, 'A', 'A');
    drains("$path-A", 'A', 'B');
    now($name, 'A', 'up');
    holds(bodies(everywhere($path)) =~ /A/, "$name: and once more");
    asks($path, 'A', 'A');
    drains("$path-A", 'A', 'B');
    equals(status(patch($name, 'A', '{"state":"down","for":"2s"}')), '200', "$name: down for 2 seconds");
    equals(bodies(everywhere("$path-A", "route=$id{A}")), 'B', "$name: A is down");
    eventually(sub { body(visit("$path-A", "route=$id{A}", 1983)) eq 'A' }, "$name: then it drains as requested");
    drains("$path-A", 'A', 'B');
}



=== the request to drain ends after the time without one; each response that asks renews it
--- upstreams
upstream u { server A:; server B:; session_sticky drain_if=$upstream_http_x_drain drain_time=4s; }
upstream z { zone ends 64k; server A:; server B:; session_sticky drain_if=$upstream_http_x_drain drain_time=4s; }
--- client
for my $name (qw(u z)) {
    my ($path, $until) = ("/$name/", 0);
    asks($path, 'A', 'A');
    my $begun = shown($name, 'A')->{asked_until};
    soon(sub { asks($path, 'A', 'A'); sleep 1; shown($name, 'A')->{asked_until} > $begun + 4 });
    drains("$path-A", 'A', 'B');
    $until = shown($name, 'A')->{asked_until};
    holds($until > $begun + 4, "$name: the end time moves");
    eventually(sub { body(visit($path, '', 1983)) eq 'A' }, "$name: the time is over");
    holds(time >= $until, "$name: at the reported end time");
    is_shown($name, 'A', 'up', 0);
    equals(bodies(everywhere($path)), 'A | B', "$name: in each worker");
}
my @lines = log_lines(qr/\[notice\].*no longer drains: its request to drain has expired/);
equals(scalar(@lines), 2, 'each end is logged once');
equals(scalar(log_lines(qr/asks to drain, until/)), 2, 'and each start');



=== a reload keeps requests to drain, also with drain_if= only; without drain_if=, none applies
--- upstreams
upstream u { server A:; server B:; DRAIN; }
upstream z { zone stays 64k; server A:; server B:; DRAIN; }
--- client
asks("/$_/", 'A', 'A') for qw(u z);
holds(reload(), 'nginx is reloaded');
drains("/$_/-A", 'A', 'B') for qw(u z);
now('u', 'B', 'down');
equals(bodies(everywhere('/u/-A')), 'A', 'B is down');
configure(qr/session_sticky_control on;/, 'session_sticky_control off;');
holds(reload(), 'nginx is reloaded without control');
drains("/$_/-A", 'A', 'B') for qw(u z);
is_shown('u', 'B', 'up', 0);
configure(qr/session_sticky_control off;/, 'session_sticky_control on;');
holds(reload(), 'nginx is reloaded with control');
is_shown('u', 'B', 'up', 0);
drains("/$_/-A", 'A', 'B') for qw(u z);
configure(qr/drain_if=\S+ drain_time=600/, '');
holds(reload(), 'nginx is reloaded without drain_if=');
holds(bodies(everywhere("/$_/")) =~ /A/, "$_: no server drains") for qw(u z);



=== a configuration that fails in its last step does not clear states
--- upstreams
upstream u { server A:; server B:; DRAIN; }
--- client
now('u', 'B', 'down');
configure(qr/session_sticky_control on;/, 'session_sticky_control off;');
# An address for documentation, which no machine has.
configure(qr/listen 1983/, "listen 198.51.100.1:1999;\nlisten 1983");
kill HUP => master();
eventually(sub { scalar log_lines(qr/\[emerg\].*bind\(\) to 198\.51\.100\.1:1999 failed/) }, 'the reload fails');
equals(bodies(everywhere('/u/')), 'A', 'B is down');
configure(qr/session_sticky_control off;/, 'session_sticky_control on;');
configure(qr/listen 198\.51\.100\.1:1999;/, '');
holds(reload(), 'nginx is reloaded');
is_shown('u', 'B', 'down', 0);
equals(bodies(everywhere('/u/')), 'A', 'B is still down');
--- no_error_log
[alert]
[crit]
--- may_warn
bind\(\) to



=== a killed worker does not affect requests to drain
--- upstreams
upstream u { server A:; server B:; DRAIN; }
--- client
asks('/u/', 'A', 'A');
for my $worker (children()) {
    kill_worker($worker);
    eventually(sub { my @now = children(); @now == 4 && !grep { $_ == $worker } @now }, "worker $worker is replaced");
}
drains('/u/-A', 'A', 'B');
--- no_error_log
[crit]
[emerg]
--- may_warn
exited on signal 9
