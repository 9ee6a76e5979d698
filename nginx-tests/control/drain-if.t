# drain_if= in every worker, with every balancer: a server that asks to drain with a response keeps its sessions and gets no first
# visits, from the next request on, until a response of it says otherwise, or its time is over.
#
# A, B and C answer with their name, and ask to drain if the path has their letter behind a hyphen: /u/-AB, asked of A and of B.
# D is dead. VARIANTS stands for one upstream of its rest for each balancer, without a zone and with one.

# What servers ask for outlives a reload, so each block needs an nginx of its own in mode hup too.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Upstreams Visits Running Control);
# As nginx has it; Perl's own time may be behind by some milliseconds.
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

# A session of this server comes, and these ask to drain.
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

=== a server asks, and asks no more
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
    # By ip_hash all of them go to one server.
    holds($before !~ /[AB]/ || bodies(everywhere($path)) =~ /[AB]/, "$path: first visits go there again");
}



=== what a first visit is answered counts as well, and so does 0, which asks for nothing
--- upstreams
upstream u { server A:; server B:; DRAIN; }
--- client
my @visits = map { body(visit('/u/-A', '', 1983)) } 1 .. 20;
equals(scalar(grep { $_ eq 'A' } @visits), 1, 'A asks with its first response');
drains('/u/-A', 'A', 'B');
equals(body(visit('/u/zero', "route=$id{A}", 1983)), 'A', '0 is no');
holds(bodies(everywhere('/u/')) =~ /A/, 'first visits go to A');



=== what the log says of it, once for all workers
--- upstreams
upstream u { server A:; server B:; DRAIN; }
--- client
everywhere('/u/-A', "route=$id{A}");
everywhere('/u/', "route=$id{A}");
my @lines = log_lines(qr/\[notice\].*session_sticky: server/);
equals(scalar(@lines), 2, 'two lines');
holds($lines[0] =~ /server 127\.0\.0\.1:1985 of upstream "u" asks to drain, until \d\d:\d\d:\d\d/, 'it asks');
holds($lines[1] =~ /server 127\.0\.0\.1:1985 of upstream "u" no longer asks to drain/, 'it asks no more');



=== a server that cannot decide does not make all workers begin anew with each of its responses
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
# 16 of which all are told, and an end and a beginning with each second.
holds($lines <= 18 * $seconds, "$lines lines in $seconds seconds");
eventually(sub { !defined shown('u', 'A')->{asked_until} }, 'its last word counts when the second is over');
asks('/u/', 'A', 'A');
drains('/u/-A', 'A', 'B');



=== all ask: first visits go where they went before; a backup that does not ask gets them
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
    equals(bodies(everywhere("/$name/-AB")), 'A | B', "$name: all ask");
    is_shown($name, $_, 'up', 1) for qw(A B);
    asks("/$name/", 'B', '');
    drains("/$name/-A", 'A', 'B');
    asks("/$name/", 'A', '');
    equals(bodies(everywhere("/$name/")), 'A | B', "$name: nobody asks");
}
asks('/one/', 'A', 'A');
equals(bodies(everywhere('/one/-A')), 'A', 'one: a server alone');
asks('/b/', 'A', 'A');
drains('/b/-A', 'A', 'B');
asks('/b/', 'B', 'AB');
equals(bodies(everywhere('/b/-AB')), 'A', 'b: the backup asks too');
asks('/d/', 'A', 'A');
equals(bodies(everywhere('/d/-A')), 'A', 'd: the others are down, or drain by the configuration');
--- no_error_log
[alert]
[crit]



=== what operators say counts for who could be chosen
--- upstreams
upstream u { zone said 64k; server A:; server B:; server C:; DRAIN; }
--- client
asks('/u/', 'A', 'A');
drains('/u/-A', 'A', 'BC');
now('u', 'B', 'down');
now('u', 'C', 'drain');
equals(bodies(everywhere('/u/-A')), 'A', 'only A is left, which asks');
now('u', 'C', 'up');
drains('/u/-A', 'A', 'C');



=== the others fail, or are full: servers that only asked get the request before it fails
--- upstreams
VARIANTS
DRAIN;
server A:;
server D: max_fails=0;
--- client
for my $path (@variants) {
    asks($path, 'A', 'A');
    my @first = everywhere($path . '-A');
    equals(bodies(@first), 'A', "$path: first visits get A");
    equals(scalar(grep { bound($_) ne $id{A} } @first), 0, "$path: and are bound there");
    holds((grep { head('X-Tried', $_) ne '127.0.0.1:1999, 127.0.0.1:1985' } @first) == 0, "$path: when D was tried");
    asks($path, 'A', '');
}
--- no_error_log
[alert]
[crit]



=== one after the other is tried, each once, primaries first, with proxy_next_upstream_tries and without
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
    equals(CORE::join(' ', sort @tried), '127.0.0.1:1985 127.0.0.1:1986 127.0.0.1:1999', 'z: each was tried once');
}
for my $visit (everywhere('/503/-AB/fails', "route=$id{A}")) {
    holds(head('X-Tried', $visit) =~ /^127\.0\.0\.1:1985, 127\.0\.0\.1:1999, 127\.0\.0\.1:1986$/, 'z: a session: ' . head('X-Tried', $visit));
}
asks('/b/', $_, 'AB') for qw(A B);
equals(tried(everywhere('/b/-AB')), '127.0.0.1:1999, 127.0.0.1:1998, 127.0.0.1:1985', 'b: a primary server before a backup');
equals(body(visit('/o/-A?on=1', "route=$id{A}", 1983)), 'A', 'o: A asks');
equals(tried(everywhere('/o/-A')), '127.0.0.1:1999, 127.0.0.1:1985', 'o: also without sessions');
equals(cookies(everywhere('/o/-A')), '', 'o: of which none begins');
--- no_error_log
[alert]
[crit]



=== a server that is full: those that asked are taken, up to their own max_conns
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
equals(body($visit), 'A', 'A, although it asks');
holds((log_lines(qr/\[info\].*no other server of upstream "u" is available, 127\.0\.0\.1:1985 gets a request although it asked to drain/)) >= 1,
    'as the log says');
answer($taken, 'D');



=== sessions whose own server is dead, and with rebind=off, go to others that asked when nobody else is there
--- upstreams
upstream u { server A:; server D: max_fails=0; DRAIN; }
upstream l { server A:; server D: max_fails=0; session_sticky rebind=off drain_if=$upstream_http_x_drain; }
upstream s { server A:; server D: max_fails=0; session_sticky fallback=off drain_if=$upstream_http_x_drain; }
--- client
asks("/$_/", 'A', 'A') for qw(u l s);
my @moved = everywhere('/u/-A', "route=$id{D}");
equals(bodies(@moved), 'A', 'u: the session moves');
equals(cookies(@moved), 'ID_A', 'u: and is bound there');
my @lent = everywhere('/l/-A', "route=$id{D}");
equals(bodies(@lent), 'A', 'l: the session is lent');
equals(cookies(@lent), '', 'l: and keeps its cookie');
equals(bodies(everywhere('/s/-A', "route=$id{D}")), '502', 's: no other server may serve the session');
equals(bodies(everywhere('/s/-A')), 'A', 's: first visits');
--- no_error_log
[alert]
[crit]



=== the operator's word: drain and down stay whatever the server says; up ends what it asked until it asks again
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
    holds(bodies(everywhere($path)) =~ /A/, "$name: up ends what A asked before");
    asks($path, 'A', 'A');
    drains("$path-A", 'A', 'B');
    now($name, 'A', 'up');
    holds(bodies(everywhere($path)) =~ /A/, "$name: once more");
    asks($path, 'A', 'A');
    drains("$path-A", 'A', 'B');
    equals(status(patch($name, 'A', '{"state":"down","for":"2s"}')), '200', "$name: down for 2 seconds");
    equals(bodies(everywhere("$path-A", "route=$id{A}")), 'B', "$name: A is down");
    eventually(sub { body(visit("$path-A", "route=$id{A}", 1983)) eq 'A' }, "$name: then it is what it asked for");
    drains("$path-A", 'A', 'B');
}



=== its time is over when no response has asked for so long; each that asks renews it
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
    holds($until > $begun + 4, "$name: the end moves");
    eventually(sub { body(visit($path, '', 1983)) eq 'A' }, "$name: the time is over");
    holds(time >= $until, "$name: when it is said to be");
    is_shown($name, 'A', 'up', 0);
    equals(bodies(everywhere($path)), 'A | B', "$name: in each worker");
}
my @lines = log_lines(qr/\[notice\].*no longer drains: its request to drain has expired/);
equals(scalar(@lines), 2, 'each end is told once');
equals(scalar(log_lines(qr/asks to drain, until/)), 2, 'and each begin');



=== a reload keeps what servers asked for, also with drain_if= alone; without drain_if= nothing holds
--- upstreams
upstream u { server A:; server B:; DRAIN; }
upstream z { zone stays 64k; server A:; server B:; DRAIN; }
--- client
asks("/$_/", 'A', 'A') for qw(u z);
holds(reload(), 'a reload');
drains("/$_/-A", 'A', 'B') for qw(u z);
now('u', 'B', 'down');
equals(bodies(everywhere('/u/-A')), 'A', 'B is down');
configure(qr/session_sticky_control on;/, 'session_sticky_control off;');
holds(reload(), 'a reload without control');
drains("/$_/-A", 'A', 'B') for qw(u z);
is_shown('u', 'B', 'up', 0);
configure(qr/session_sticky_control off;/, 'session_sticky_control on;');
holds(reload(), 'a reload with control');
is_shown('u', 'B', 'up', 0);
drains("/$_/-A", 'A', 'B') for qw(u z);
configure(qr/drain_if=\S+ drain_time=600/, '');
holds(reload(), 'a reload without drain_if=');
holds(bodies(everywhere("/$_/")) =~ /A/, "$_: nobody drains") for qw(u z);



=== a configuration that fails at its last step has nothing of what was said forgotten
--- upstreams
upstream u { server A:; server B:; DRAIN; }
--- client
now('u', 'B', 'down');
configure(qr/session_sticky_control on;/, 'session_sticky_control off;');
# An address of documentation, which no machine has.
configure(qr/listen 1983/, "listen 198.51.100.1:1999;\nlisten 1983");
kill HUP => master();
eventually(sub { scalar log_lines(qr/\[emerg\].*bind\(\) to 198\.51\.100\.1:1999 failed/) }, 'the reload fails');
equals(bodies(everywhere('/u/')), 'A', 'B is down');
configure(qr/session_sticky_control off;/, 'session_sticky_control on;');
configure(qr/listen 198\.51\.100\.1:1999;/, '');
holds(reload(), 'a reload');
is_shown('u', 'B', 'down', 0);
equals(bodies(everywhere('/u/')), 'A', 'B is down still');
--- no_error_log
[alert]
[crit]
--- may_warn
bind\(\) to



=== a worker that is killed takes nothing with it
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
