# Strict sessions: a request is refused without an attempt only while its server is down, full, or known not to accept
# connections: the last max_fails attempts were refused, timed out, or failed in the TLS handshake, and fail_timeout has
# not passed yet. A request whose kept connection turns out to be closed is retried once.
#
# Stories.pm describes the format of stories. "R:" refuses connections.
# Sections of this file's own:
#   upstreams   a template for many upstreams: SERVER is replaced by a server that accepts no connection, for each reason;
#               MAX by each value of max_fails, and ZONE by a zone or nothing
#   keepalive   connections are kept

use Sticky qw(Certificates Counters Failures FaultyServers Stories);
use File::Temp 'tempdir';
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(sleep time);

master_on();
worker_connections(4096);

our $servers = failing_servers(1985, 1986, 1987);
our $at_a = '127.0.0.1:1985';
our $at_r = '127.0.0.1:1999';
our $valgrind = $ENV{TEST_NGINX_USE_VALGRIND} // '';
our $fail_timeout = $valgrind ? 20 : 2;

# Sockets without a listener; the second file was left behind by a server.
my $folder = tempdir(CLEANUP => 1);
IO::Socket::UNIX->new(Local => "$folder/left.sock", Listen => 1)->close;

my ($good, $bad) = (certificate(), certificate());
my $tls = <<"_EOC_";
server { listen 127.0.0.1:1993; location / { return 200; } }
server {
    listen 127.0.0.1:1994 ssl;
    ssl_certificate $bad.pem;
    ssl_certificate_key $bad.key;
    location / { return 200; }
}
server {
    listen 127.0.0.1:1995 ssl;
    ssl_certificate $good.pem;
    ssl_certificate_key $good.key;
    location / { proxy_pass http://127.0.0.1:1985; }
}
_EOC_
my $https = "proxy_pass https://NAME; proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_trusted_certificate $good.pem;";

my @reasons = (
    {reason => 'refused', server => $at_r, wants => '502 of R'},
    {reason => 'no such socket', server => "unix:$folder/none.sock", wants => '502 of unix'},
    {reason => 'a socket that nobody listens on', server => "unix:$folder/left.sock", wants => '502 of unix'},
    {reason => 'a full queue', server => '127.0.0.1:1992', wants => '504 of 1992'},
    {reason => 'no answer in the handshake', server => $at_a, wants => '504 of A', https => 1},
    {reason => 'no TLS there', server => '127.0.0.1:1993', wants => '502 of 1993', https => 1},
    {reason => 'a reset in the handshake', server => '127.0.0.1:1991', wants => '502 of 1991', https => 1},
    {reason => 'a certificate that is not trusted', server => '127.0.0.1:1994', wants => '502 of 1994', https => 1},
);
# Under valgrind, a few values suffice.
my @max_fails = ('', map { "max_fails=$_" } $valgrind ? (2, 0) : (1, 2, 3, 0));

# The upstreams created by the section "upstreams".
our %upstreams;

sub upstreams {
    my ($line) = @_;
    %upstreams = ();
    my $http = '';
    for my $reason (@reasons) {
        for my $max (@max_fails) {
            for my $zone ('', 'zone connections 8m;') {
                my $name = 'u' . keys %upstreams;
                $upstreams{$name} = {%$reason, name => $name, what => "$reason->{reason}, $max $zone",
                                     max => $max =~ /(\d)/ ? $1 : 1};
                my $server = "server $reason->{server} id=x";
                $http .= "upstream $name { " . ($line =~ s/SERVER/$server/r =~ s/MAX/$max/r =~ s/ZONE/$zone/r) . " }\n";
            }
        }
    }
    return $http;
}

sub each_gets {
    my ($cookie, $wanted, $what) = @_;
    my @upstreams = map { $upstreams{$_} } sort keys %upstreams;
    my @got = outcomes(map { [$_->{name}, $cookie, 'ok'] } @upstreams);
    my @wrong;
    for my $nth (0 .. $#upstreams) {
        my $wants = ref $wanted ? $wanted->($upstreams[$nth]) : $wanted;
        push @wrong, "$upstreams[$nth]{what}: $got[$nth], not $wants" if $got[$nth] !~ /^(?:$wants)$/;
    }
    return equals(join("\n", @wrong), '', $what);
}

# The worker process, or the only process.
sub worker {
    open my $file, '<', $Test::Nginx::Util::PidFile or return 0;
    chomp(my $master = readline $file);
    open my $children, '<', "/proc/$master/task/$master/children" or return $master;
    return (split ' ', readline($children) // '')[-1] // $master;
}

sub reset_now {
    my ($connection) = @_;
    setsockopt($connection, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
    close $connection;
}

# Leaves the connection open.
sub answer_and_keep { my ($connection) = @_; print $connection "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkept" }

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => $block->http_config =~ s/SECONDS/$fail_timeout/gr) if defined $block->http_config;
    if (defined $block->upstreams) {
        $block->set_value(http_config => upstreams($block->upstreams));
        # nginx logs a missing socket at [crit].
        $block->set_value(error_log => "[crit]");
        $block->set_value(no_error_log => "[alert]\n[emerg]\n");
    }
    my $next = $block->directives // 'proxy_next_upstream error timeout http_503;';
    $next .= ' proxy_http_version 1.1; proxy_set_header Connection "";' if defined $block->keepalive;
    live($block, sub { $next . (($upstreams{$_[0]} // {})->{https} || $_[0] =~ /^tls/ ? $https : '') });
    $block->set_value(http_config => $tls . $block->http_config);
});

run_tests();

__DATA__

=== after max_fails failed connections the server is not tried any more
--- upstreams: ZONE SERVER MAX; server B:; session_sticky hash=plain fallback=off;
--- client
for my $nth (1 .. 4) {
    each_gets('x', sub { !$_[0]{max} || $nth <= $_[0]{max} ? $_[0]{wants} : '502 of none' }, "request $nth");
}
each_gets('', sub { $_[0]{https} ? '50[24] of .*' : '200 of (?:.* )?B' }, 'first visitors are served') for 1 .. 2;
each_gets('127.0.0.1:1986', sub { $_[0]{https} ? '50[24] of B|502 of none' : '200 of B' }, 'sessions of other servers are served');



=== fallback=unknown, with another load-balancing method
--- upstreams: least_conn; ZONE SERVER MAX; server B:; session_sticky hash=plain fallback=unknown;
--- client
for my $nth (1 .. 4) {
    each_gets('x', sub { !$_[0]{max} || $nth <= $_[0]{max} ? $_[0]{wants} : '502 of none' }, "request $nth");
}
each_gets('gone', sub { $_[0]{https} ? '50[24] of .*' : '200 of (?:.* )?B' }, 'an ID without a server is load-balanced');



=== sticky_no_fallback in the location
--- directives: sticky_no_fallback;
--- upstreams: ZONE SERVER MAX; server B:; session_sticky hash=plain;
--- client
for my $nth (1 .. 4) {
    each_gets('x', sub { !$_[0]{max} || $nth <= $_[0]{max} ? $_[0]{wants} : '502 of none' }, "request $nth");
}



=== several servers with the ID: the one that accepts connections serves the request
--- upstreams: ZONE SERVER MAX; server C: id=x; server B:; session_sticky hash=plain fallback=off;
--- client
# C does not support TLS.
for my $nth (1 .. 4) {
    each_gets('x', sub {
        my $known = $_[0]{max} && $nth > $_[0]{max};
        return $_[0]{https} ? '50[24] of .*' : $known ? '200 of C' : $_[0]{wants} =~ s/^\d+/200/r . ' C';
    }, "request $nth");
}



=== the only server of an upstream is always tried
--- upstreams: ZONE SERVER MAX; session_sticky hash=plain fallback=off;
--- client
each_gets('x', sub { $_[0]{wants} }, "request $_") for 1 .. 3;



=== known not to accept connections: a backup server
--- upstreams: ZONE server B:; SERVER MAX backup; session_sticky hash=plain fallback=off;
--- client
for my $nth (1 .. 4) {
    each_gets('x', sub { !$_[0]{max} || $nth <= $_[0]{max} ? $_[0]{wants} : '502 of none' }, "request $nth");
}



=== a failed first visit counts too
--- http_config
upstream u { server R: id=x; server B:; session_sticky hash=plain fallback=off; }
upstream v { zone learnt 256k; server R: id=x max_fails=2; server B:; session_sticky hash=plain fallback=off; }
--- stories
u - ok => 200 of R B, fails 1 0, bound to 127.0.0.1:1986
u x ok => 502 of none, fails 1 0, no new cookie
v - ok => 200 of R B, fails 1 0, bound to 127.0.0.1:1986
v x ok => 502 of R, fails 2 0, no new cookie
v x ok => 502 of none, fails 2 0, no new cookie
v - ok => 200 of B, fails 2 0, bound to 127.0.0.1:1986



=== the server is tried again after fail_timeout, and once it is back, earlier failures do not count
--- http_config
upstream one  { zone back 512k; server 127.0.0.1:1990 max_fails=1 fail_timeout=SECONDSs; server B:; session_sticky hash=plain fallback=off; }
upstream two  { server 127.0.0.1:1990 max_fails=2 fail_timeout=SECONDSs; server B:; session_sticky hash=plain fallback=off; }
--- client
my $mine = '127.0.0.1:1990';
my @both = ('one', 'two');
equals(join(' | ', outcomes(map { [$_, $mine, 'ok'] } @both)), '502 of 1990 | 502 of 1990', 'the server is not running');
equals(join(' | ', outcomes(['two', $mine, 'ok'])), '502 of 1990', 'max_fails=2 allows another attempt');
equals(join(' | ', outcomes(map { [$_, $mine, 'ok'] } @both)), '502 of none | 502 of none', 'then both are known not to accept connections');
for my $upstream (@both) {
    eventually(sub { (outcomes([$upstream, $mine, 'ok']))[0] eq '502 of 1990' }, "$upstream: the server is tried again");
    equals((outcomes([$upstream, $mine, 'ok']))[0], '502 of none', "$upstream: the attempt failed, so the next request is refused");
}
my $server = serve(1990);
for my $upstream (@both) {
    my $asked;
    eventually(sub {
        $asked = ask_for('ok', $upstream, {cookie => "route=$mine"});
        my $taken = taken_unless_answered($server, $asked);
        answer($taken, 'back') if $taken;
        return $taken;
    }, "$upstream: once back, the server gets a request");
    equals(body(response($asked)), 'back', "$upstream: the server answers");
    my @asked = map { ask_for('ok', $upstream, {cookie => "route=$mine"}) } 1 .. 5;
    my @taken = grep { $_ } map { taken($server, 2) } @asked;
    equals(scalar @taken, 5, "$upstream: it gets all further requests");
    answer($_, 'back') for @taken;
    equals(join(' ', map { body(response($_)) } @asked), 'back back back back back', "$upstream: it answers all of them");
}
close $server;
eventually(sub { (outcomes(['two', $mine, 'ok']))[0] eq '502 of 1990' }, 'stopped again, the server is tried');
equals((outcomes(['two', $mine, 'ok']))[0], '502 of 1990', 'its earlier failures do not count');
equals((outcomes(['two', $mine, 'ok']))[0], '502 of none', 'its new failures count');



=== a server that is also a backup: while one peer is being tried again, the other is used
--- directives: proxy_next_upstream error timeout http_503;
--- http_config
upstream twice { server 127.0.0.1:1990 max_fails=1 fail_timeout=SECONDSs; server 127.0.0.1:1990 max_fails=1 fail_timeout=SECONDSs backup; server B:; session_sticky hash=plain fallback=off; }
--- client
my $mine = '127.0.0.1:1990';
(outcomes(['twice', $mine, 'ok']));
equals((outcomes(['twice', $mine, 'ok']))[0], '502 of none', 'the server accepts no connections');
my $server = serve(1990);
my ($asked, $taken);
eventually(sub {
    $asked = ask_for('ok', 'twice', {cookie => "route=$mine"});
    $taken = taken_unless_answered($server, $asked);
    return $taken;
}, 'once back, the server gets a request');
return if !$taken;
print $taken "HTTP/1.1 503 Not Now\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
close $taken;
my $again = taken($server, 5);
holds($again, 'after a 503, the server is asked once more, as the backup');
answer($again, 'backup') if $again;
equals(body(response($asked)), 'backup', 'the backup answers');



=== a slow response to the attempt after fail_timeout does not block other requests
--- directives: proxy_next_upstream error timeout; proxy_read_timeout 60s;
--- http_config
upstream u { zone slow_again 512k; server 127.0.0.1:1990 max_fails=1 fail_timeout=SECONDSs; server B:; session_sticky hash=plain fallback=off; }
--- client
my $mine = '127.0.0.1:1990';
my $ask = sub { ask_for('ok', 'u', {cookie => "route=$mine"}) };
equals((outcomes(['u', $mine, 'ok']))[0], '502 of 1990', 'the server is not running');
my $server = serve(1990);
my ($asked, $slow);
eventually(sub {
    $asked = $ask->();
    return $slow = taken_unless_answered($server, $asked);
}, 'the server gets a request again, and delays its response');
my @others = map { $ask->() } 1 .. 3;
my @taken = map { taken_unless_answered($server, $_) } @others;
equals(scalar(grep { $_ } @taken), 3, 'other requests reach the server in the meantime');
answer($_, 'back') for grep { $_ } $slow, @taken;
equals(join(' ', map { body(response($_)) } $asked, @others), 'back back back back', 'all requests are answered');



=== a server that accepts a connection between refusals, but times out: the count starts over
--- http_config
upstream u { server 127.0.0.1:1990 max_fails=2 fail_timeout=600s; server B:; session_sticky hash=plain fallback=off; }
--- client
my $mine = '127.0.0.1:1990';
equals((outcomes(['u', $mine, 'ok']))[0], '502 of 1990', 'the server refuses the connection');
my $server = serve(1990);
my $asked = ask_for('ok', 'u', {cookie => "route=$mine"});
my $taken = taken($server);
holds($taken, 'the server is back');
equals(outcome(response($asked)), '504 of 1990', 'its response times out');
close $taken if $taken;
$asked = ask_for('ok', 'u', {cookie => "route=$mine"});
$taken = taken($server);
holds($taken, 'the server gets the next request');
answer($taken, 'back') if $taken;
equals(body(response($asked)), 'back', 'the server answers');



=== workers learn separately that a server accepts no connections, and none tries too often
--- workers: 3
--- http_config
upstream zoned   { zone known 512k; server R: id=x max_fails=2; server B:; session_sticky hash=plain fallback=off; }
upstream without { server R: id=x max_fails=1; server B:; session_sticky hash=plain fallback=off; }
--- client
my %max = (zoned => 2, without => 1);
for my $upstream (sort keys %max) {
    my (%asked, %tried);
    for my $nth (1 .. 300) {
        my $response = response(ask_for('ok', $upstream, {cookie => 'route=x'}));
        my $worker = head('X-Worker', $response);
        $asked{$worker}++;
        $tried{$worker} += outcome($response) eq '502 of R';
        last if $nth >= 60 && keys %asked == 3 && !grep { $_ <= $max{$upstream} } values %asked;
    }
    equals(scalar(keys %asked), 3, "$upstream: every worker gets requests");
    equals(join(' ', grep { !$_ || $_ > $max{$upstream} } values %tried), '', "$upstream: every worker has tried, at most max_fails times");
}



=== down: refused without a try; draining: served
--- http_config
upstream u { zone down 512k; server A: id=a down; server B: id=b drain; server C:; session_sticky hash=plain fallback=off; }
upstream v { server A: id=a down max_fails=0; server B:; session_sticky hash=plain fallback=unknown; }
--- stories
u a ok => 502 of none, fails 0 0 0, no new cookie
u a POST ok => 502 of none, fails 0 0 0, no new cookie
u b ok => 200 of B, fails 0 0 0, no new cookie
u b 503 ok => 503 of B, fails 0 0 0, no new cookie
u b hang ok => 504 of B, fails 0 1 0, no new cookie
u b ok => 200 of B, fails 0 1 0, no new cookie
v a ok => 502 of none, fails 0 0, no new cookie



=== max_conns: requests are refused while the server is full, with a zone in every worker
--- workers: 3
--- http_config
upstream off     { zone full 512k; server A: max_conns=1; server B:; session_sticky hash=plain fallback=off; }
upstream unknown { zone full 512k; server A: max_conns=1; server B:; session_sticky hash=plain fallback=unknown; }
upstream failed  { zone full 512k; server A: max_conns=1; server B:; session_sticky hash=plain fallback=off; }
upstream group   { zone full 512k; server A: id=127.0.0.1:1985 max_conns=1; server B: id=127.0.0.1:1985 max_conns=1; server C:;
                   session_sticky hash=plain fallback=off; }
--- stories
failed 127.0.0.1:1985 hang ok => 504 of A, fails 1 0, no new cookie
--- client
for my $upstream (qw(off unknown failed)) {
    my $held = ask_for('wait', $upstream, {cookie => "route=$at_a", id => "full-$upstream"});
    equals($servers->port_of("full-$upstream"), 1985, "$upstream: the server is full");
    my @refused = outcomes(map { [$upstream, $at_a, 'ok'] } 1 .. 12);
    equals(join(' | ', grep { $_ ne '502 of none' } @refused), '', "$upstream: other requests are refused");
    $servers->go("full-$upstream");
    equals(status(response($held)), 200, "$upstream: the first request is answered");
    eventually(sub { (outcomes([$upstream, $at_a, 'ok']))[0] eq '200 of A' }, "$upstream: then others are served");
}
my $held = ask_for('wait', 'group', {cookie => "route=$at_a", id => 'full-group'});
equals($servers->port_of('full-group'), 1985, 'group: one server is full');
equals((outcomes(['group', $at_a, '503 ok']))[0], '503 of B', 'group: only the other server is left');
my $second = ask_for('wait', 'group', {cookie => "route=$at_a", id => 'full-second'});
equals($servers->port_of('full-second'), 1986, 'group: the other server is full as well');
equals((outcomes(['group', $at_a, 'ok']))[0], '502 of none', 'group: other requests are refused');
$servers->go($_) for 'full-group', 'full-second';
equals(outcome(response($held)), '200 of A', 'group: the first request is answered');
equals(outcome(response($second)), '200 of B', 'group: the second request is answered');



=== stale connection: the same server is asked once more, over a new connection
--- keepalive
--- http_config
upstream u { zone stale 512k; server A:; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
upstream v { server A:; server B:; keepalive 4; session_sticky hash=plain fallback=unknown; }
upstream w { zone stale 512k; server B:; server A: backup; session_sticky hash=plain fallback=off; keepalive 4; }
upstream x { zone stale 512k; server A: id=127.0.0.1:1985 max_fails=0; server B: id=127.0.0.1:1985; server C:; session_sticky hash=plain fallback=off; keepalive 4; }
upstream y { server A:; session_sticky hash=plain fallback=off; keepalive 4; }
upstream z { server A: max_fails=1; server B:; sticky text=raw no_fallback; keepalive 4; }
--- client
for my $upstream (qw(u v w x y z)) {
    for my $how ('empty', 'reset') {
        my @wanted = ([keep => '200 of A'], ["$how ok" => '200 of A A'], [keep => '200 of A'], ["$how keep" => '200 of A A'],
                      ["$how 503 ok" => '503 of A A', '200 of A A B'], [keep => '200 of A'],
                      ["$how $how ok" => '502 of A A', '200 of A A B']);
        for (@wanted) {
            my ($plan, $wanted, $group) = @$_;
            $wanted = $group if $upstream eq 'x' && $group;
            equals((outcomes([$upstream, $at_a, $plan]))[0], $wanted, "$upstream: $plan");
        }
        my $next = (outcomes([$upstream, $at_a, 'ok']))[0];
        holds($next =~ /^200 of [AB]$/, "$upstream: the session is not refused: $next");
    }
}



=== stale connection, POST: retried only if nginx is allowed to
--- keepalive
--- directives: proxy_next_upstream error timeout http_503;
--- http_config
upstream u { zone stale_post 512k; server A:; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 POST empty ok => 502 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 ok => 200 of A, fails 0 0, no new cookie



=== stale connection, POST that may be retried
--- keepalive
--- directives: proxy_next_upstream error timeout http_503 non_idempotent;
--- http_config
upstream u { zone stale_idem 512k; server A:; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
--- stories
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 POST empty ok => 200 of A A, fails 0 0, no new cookie
u 127.0.0.1:1985 keep => 200 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 POST reset 503 ok => 503 of A A, fails 0 0, no new cookie
u 127.0.0.1:1985 ok => 200 of A, fails 0 0, no new cookie



=== two kept connections, both stale: one 502, then the session is served again
--- keepalive
--- http_config
upstream u { zone stale_many 256k; server A:; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
--- client
my @held = map { ask_for('wait-keep', 'u', {cookie => "route=$at_a", id => "many-$_"}) } 1 .. 2;
equals($servers->port_of("many-$_"), 1985, "request $_ has reached the server") for 1 .. 2;
$servers->go("many-$_") for 1 .. 2;
equals(status(response($_)), 200, 'it is answered') for @held;
settled('u');
equals(status(response(ask_for('empty reset ok', 'u', {cookie => "route=$at_a"}))), 502, 'both connections fail');
equals((outcomes(['u', $at_a, 'ok']))[0], '200 of A', 'the session is served');



=== a connection that is stale before the request is sent does not count as a refused one
--- keepalive
--- error_log eval: qr/connect\(\) failed \(104: .*\) while connecting to upstream/
--- http_config
upstream u { server 127.0.0.1:1990 id=x max_fails=1 fail_timeout=600s; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
--- client
my $server = serve(1990);
for my $method ('GET', 'POST') {
    my $asked = ask_for('ok', 'u', {cookie => 'route=x'});
    my $kept = taken($server);
    holds($kept, "$method: the server has a connection") or last;
    answer_and_keep($kept);
    equals(body(response($asked)), 'kept', "$method: the connection is kept");
    # nginx finds the request and the reset at the same time, in this order.
    my $next = connected(1980);
    sleep($valgrind ? 2 : 0.3);
    kill STOP => worker();
    my $body = $method eq 'POST' ? 'x=y' : '';
    print $next "$method /u HTTP/1.0\r\nHost: localhost\r\nCookie: route=x\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    sleep 0.1;
    reset_now($kept);
    sleep 0.1;
    kill CONT => worker();
    my $again = taken($server);
    holds($again, "$method: once it is closed, the server is asked over a new connection");
    answer($again, 'again') if $again;
    equals(body(response($next)), 'again', "$method: the server answers");
    $asked = ask_for('ok', 'u', {cookie => 'route=x'});
    $again = taken_unless_answered($server, $asked);
    holds($again, "$method: the session is not refused");
    answer($again, 'again') if $again;
    response($asked);
}



=== stale connection to a server that is gone: it is known not to accept connections
--- keepalive
--- http_config
upstream u { server 127.0.0.1:1990 id=x max_fails=1 fail_timeout=600s; server B:; session_sticky hash=plain fallback=off; keepalive 4; }
--- client
my $server = serve(1990);
my $asked = ask_for('ok', 'u', {cookie => 'route=x'});
my $kept = taken($server);
holds($kept, 'the server has a connection');
answer_and_keep($kept) if $kept;
equals(body(response($asked)), 'kept', 'the connection is kept');
$asked = ask_for('ok', 'u', {cookie => 'route=x'});
my $request = read_until($kept, qr/\r\n\r\n/);
holds($request =~ /^GET/, 'the next request uses it');
close $server;
reset_now($kept);
equals(outcome(response($asked)), '502 of 1990 1990', 'the server is gone');
equals((outcomes(['u', 'x', 'ok']))[0], '502 of none', 'the server is known not to accept connections');



=== TLS: a failed handshake makes the server refuse sessions, a failed response does not
--- http_config
upstream tls_good { zone tls 512k; server 127.0.0.1:1995 id=x; server B:; session_sticky hash=plain fallback=off; }
upstream tls_keep { server 127.0.0.1:1995 id=x; server B:; session_sticky hash=plain fallback=off; keepalive 2; }
--- client
for my $upstream (qw(tls_good tls_keep)) {
    for (['503 ok', '503 of 1995'], ['ok', '200 of 1995'], ['hang ok', '504 of 1995'], ['ok', '200 of 1995'], ['reset ok', '502 of 1995'],
         ['ok', '200 of 1995']) {
        my ($plan, $wanted) = @$_;
        equals((outcomes([$upstream, 'x', $plan]))[0], $wanted, "$upstream: $plan");
    }
}
