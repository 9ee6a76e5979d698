# Balancers of other modules that are not based on round robin, or whose data only begins like its own: requests are
# left to them, nothing is set, and the log says so once in each worker and upstream.

use Digest::MD5 'md5_hex';
use Sticky qw(Upstreams Visits);
use Time::HiRes 'sleep';

my $servers = servers('location / { return 200 "NAME"; }', qw(A B));

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => $servers . entrance(addressed($block->upstreams)));
});

# How often the log says that sessions do not stick in an upstream.
sub complaints {
    my ($upstream) = @_;
    open my $log, '<', "$Test::Nginx::Util::ErrLogFile" or die "no log: $!";
    return scalar grep { /\[error\].*"$upstream" is not based on round robin, sessions do not stick/ } <$log>;
}

# Its balancer chooses, also for the first request of all, which has a cookie.
sub is_left_alone {
    my ($path, $upstream, $id) = @_;
    for my $cookie ("route=$id->{B}", undef, 'route=gone') {
        for (1 .. 4) {
            my $response = visit($path, $cookie, 1983);
            equals(body($response), 'A', "$upstream: its balancer chooses");
            equals(set($response), '', "$upstream: no cookie is set");
        }
    }
    equals(complaints($upstream), 1, "$upstream: one line in the log");
}

master_on();
run_tests();

__DATA__

=== data of its own
--- upstreams
upstream own { own_balancer; server A:; server B:; session_sticky; }
--- client
is_left_alone('/own/', 'own', \%id);
--- error_log
upstream "own" is not based on round robin, sessions do not stick
--- no_error_log
[alert]
[crit]



=== data that begins like that of round robin, in either order
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



=== a balancer that gives a request no server: a cookie does not get it one
--- upstreams
upstream denying { own_balancer denying; server A:; server B:; session_sticky; }
--- client
for (1 .. 3) {
    like(visit('/denying/', "route=$id{B}", 1983), qr/^HTTP\S+ 502 /, 'a cookie is not followed');
    like(visit('/denying/', undef, 1983), qr/^HTTP\S+ 502 /, 'nor does a request without one get a server');
}
--- no_error_log
[alert]
[crit]



=== a balancer of nginx that has no server to choose: a draining one keeps its sessions, from the first request on
--- upstreams
upstream least   { least_conn; server A: drain; server B: down; session_sticky; }
upstream least_z { zone least 64k; session_sticky; least_conn; server A: drain; server B: down; server C: backup down; }
upstream hashed  { session_sticky; hash $uri; server A: drain; server B: down; }
--- client
for my $upstream (qw(least least_z hashed)) {
    equals(body(visit("/$upstream/", "route=$id{A}", 1983)), 'A', "$upstream: the session of A is there") for 1, 2;
    like(visit("/$upstream/", undef, 1983), qr/^HTTP\S+ 502 /, "$upstream: nobody else gets A");
}
--- no_error_log
[alert]
[crit]
not based on round robin



=== asking a balancer of nginx which server it would choose is no try of that server
--- upstreams
upstream tried { zone tried 64k; hash $arg_key; server 127.0.0.1:1990 max_fails=2 fail_timeout=2s; server B:; session_sticky; }
--- client
my ($dead) = grep { head('X-Tried', visit("/tried/?key=$_", undef, 1983)) =~ /:1990/ } 1 .. 40;
holds($dead, 'a key leads to the dead server') or return;
visit("/tried/?key=$dead", undef, 1983) for 1 .. 3;
my $worker = head('X-Worker', visit("/tried/?key=$dead", undef, 1983));
kill TERM => $worker;
for (1 .. 50) {
    last if !kill 0 => $worker;
    sleep 0.1;
}
# The time of its failures is over, and the first request of the new worker is one that has a session.
sleep 3.1;
my $first = visit("/tried/?key=$dead", "route=$id{B}", 1983);
equals(body($first), 'B', 'the session of B is there');
isnt(head('X-Worker', $first), $worker, 'in a new worker');
my $tries = grep { head('X-Tried', visit("/tried/?key=$dead", undef, 1983)) =~ /:1990/ } 1 .. 4;
equals($tries, 1, 'one request tries the dead server again, and has found it dead');
--- no_error_log
[alert]
[crit]
not based on round robin



=== a session that another server would serve in place of its own: its balancer chooses
--- upstreams
upstream lent { own_balancer like_round_robin; server A:; server B:; session_sticky cookie=app mode=prefix; }
--- client
for my $number (1 .. 8) {
    equals(body(visit('/lent/', 'app=' . md5_hex($number) . '~value', 1983)), 'A', "the session of no server, $number");
}
equals(complaints('lent'), 1, 'one line in the log');
--- no_error_log
[alert]
[crit]



=== the upstreams of others stick
--- upstreams
upstream own   { own_balancer; server A:; server B:; session_sticky; }
upstream stick { server A:; server B:; session_sticky; }
--- client
is_left_alone('/own/', 'own', \%id);
equals(body(visit('/stick/', "route=$id{$_}", 1983)), $_, "the session of $_ is there") for qw(B A B);
--- error_log
upstream "own" is not based on round robin, sessions do not stick
--- no_error_log
[alert]
[crit]



=== a kept connection that is closed without an answer: another one, and the worker lives
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
equals(body(response($asked)), 'kept', 'which is kept');
$asked = ask('/own/', undef, 1983);
holds(read_until($kept, qr/\r\n\r\n/) =~ /^GET/, 'the next request comes by it');
close $kept;
my $again = taken_unless_answered($server, $asked);
holds($again, 'and again, by another');
answer($again, 'anew') if $again;
equals(body(response($asked)), 'anew', 'which is answered');
equals(complaints('own'), 1, 'by the same worker: one line in the log');
