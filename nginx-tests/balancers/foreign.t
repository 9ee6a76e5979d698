# Third-party load-balancing methods that are not based on round robin, or whose data only begin like those of round robin: the
# module does not interfere, sets no cookie, and logs one message per worker and upstream.

use Digest::MD5 'md5_hex';
use Sticky qw(Upstreams Visits);
use Time::HiRes 'sleep';

my $servers = servers('location / { return 200 "NAME"; }', qw(A B));

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => $servers . entrance(addressed($block->upstreams)));
});

# The number of messages that sessions do not stick in an upstream.
sub complaints {
    my ($upstream) = @_;
    open my $log, '<', "$Test::Nginx::Util::ErrLogFile" or die "no log: $!";
    return scalar grep { /\[error\].*"$upstream" is not based on round robin, sessions do not stick/ } <$log>;
}

# Tests that the upstream's method selects the server, even for the first request, which has a cookie.
sub is_left_alone {
    my ($path, $upstream, $id) = @_;
    for my $cookie ("route=$id->{B}", undef, 'route=gone') {
        for (1 .. 4) {
            my $response = visit($path, $cookie, 1983);
            equals(body($response), 'A', "$upstream: its method selects the server");
            equals(set($response), '', "$upstream: no cookie is set");
        }
    }
    equals(complaints($upstream), 1, "$upstream: one line in the log");
}

master_on();
run_tests();

__DATA__

=== a method with data of its own
--- upstreams
upstream own { own_balancer; server A:; server B:; session_sticky; }
--- client
is_left_alone('/own/', 'own', \%id);
--- error_log
upstream "own" is not based on round robin, sessions do not stick
--- no_error_log
[alert]
[crit]



=== data that begin like those of round robin, with the directives in either order
--- upstreams
upstream before { own_balancer like_round_robin; server A:; server B:; session_sticky; }
upstream behind { session_sticky; own_balancer like_round_robin; server A:; server B:; }
upstream strict { session_sticky fallback=off; own_balancer like_round_robin; server A:; server B:; }
--- client
is_left_alone('/before/', 'before', \%id);
is_left_alone('/behind/', 'behind', \%id);
is_left_alone('/strict/', 'strict', \%id);
--- error_log
upstream "before" is not based on round robin, sessions do not stick
upstream "behind" is not based on round robin, sessions do not stick
--- no_error_log
[alert]
[crit]



=== a method that selects no server: a cookie does not change that
--- upstreams
upstream denying { own_balancer denying; server A:; server B:; session_sticky; }
--- client
for (1 .. 3) {
    like(visit('/denying/', "route=$id{B}", 1983), qr/^HTTP\S+ 502 /, 'a cookie is not followed');
    like(visit('/denying/', undef, 1983), qr/^HTTP\S+ 502 /, 'a request without a cookie gets no server either');
}
--- no_error_log
[alert]
[crit]



=== one of nginx's methods has no server to select: a draining server keeps its sessions, from the first request on
--- upstreams
upstream least   { least_conn; server A: drain; server B: down; session_sticky; }
upstream least_z { zone least 64k; session_sticky; least_conn; server A: drain; server B: down; server C: backup down; }
upstream hashed  { session_sticky; hash $uri; server A: drain; server B: down; }
--- client
for my $upstream (qw(least least_z hashed)) {
    equals(body(visit("/$upstream/", "route=$id{A}", 1983)), 'A', "$upstream: the session of A stays") for 1, 2;
    like(visit("/$upstream/", undef, 1983), qr/^HTTP\S+ 502 /, "$upstream: other requests do not get A");
}
--- no_error_log
[alert]
[crit]
not based on round robin



=== determining which server a method of nginx would select does not count as a try of that server
--- upstreams
upstream tried { zone tried 64k; hash $arg_key; server 127.0.0.1:1990 max_fails=2 fail_timeout=2s; server B:; session_sticky; }
--- client
my ($dead) = grep { head('X-Tried', visit("/tried/?key=$_", undef, 1983)) =~ /:1990/ } 1 .. 40;
holds($dead, 'a key selects the failed server') or return;
visit("/tried/?key=$dead", undef, 1983) for 1 .. 3;
my $worker = head('X-Worker', visit("/tried/?key=$dead", undef, 1983));
kill TERM => $worker;
for (1 .. 50) {
    last if !kill 0 => $worker;
    sleep 0.1;
}
# Its fail_timeout is over, and the first request of the new worker has a session.
sleep 3.1;
my $first = visit("/tried/?key=$dead", "route=$id{B}", 1983);
equals(body($first), 'B', 'the session of B stays');
isnt(head('X-Worker', $first), $worker, 'in a new worker');
my $tries = grep { head('X-Tried', visit("/tried/?key=$dead", undef, 1983)) =~ /:1990/ } 1 .. 4;
equals($tries, 1, 'one request tries the failed server again, and it fails again');
--- no_error_log
[alert]
[crit]
not based on round robin



=== a session that another server would take over: the upstream's method selects the server
--- upstreams
upstream lent { own_balancer like_round_robin; server A:; server B:; session_sticky cookie=app mode=prefix; }
--- client
for my $number (1 .. 8) {
    equals(body(visit('/lent/', 'app=' . md5_hex($number) . '~value', 1983)), 'A', "a session without a server, $number");
}
equals(complaints('lent'), 1, 'one line in the log');
--- no_error_log
[alert]
[crit]



=== other upstreams keep their sessions
--- upstreams
upstream own   { own_balancer; server A:; server B:; session_sticky; }
upstream stick { server A:; server B:; session_sticky; }
--- client
is_left_alone('/own/', 'own', \%id);
equals(body(visit('/stick/', "route=$id{$_}", 1983)), $_, "the session of $_ stays") for qw(B A B);
--- error_log
upstream "own" is not based on round robin, sessions do not stick
--- no_error_log
[alert]
[crit]



=== a keepalive connection is closed without a response: another one is used, and the worker keeps running
--- upstreams
proxy_http_version 1.1;
proxy_set_header Connection "";
upstream own { own_balancer like_round_robin; server 127.0.0.1:1990; server B:; session_sticky; keepalive 4; }
--- client
my $server = serve(1990);
my $asked = ask('/own/', undef, 1983);
my $kept = taken($server);
holds($kept, 'the server has a connection') or return;
print $kept "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkept";
equals(body(response($asked)), 'kept', 'and responds');
$asked = ask('/own/', undef, 1983);
holds(read_until($kept, qr/\r\n\r\n/) =~ /^GET/, 'the next request uses the same connection');
close $kept;
my $again = taken_unless_answered($server, $asked);
holds($again, 'it is sent again, on another connection');
answer($again, 'again') if $again;
equals(body(response($asked)), 'again', 'and gets a response');
equals(complaints('own'), 1, 'from the same worker: one line in the log');
