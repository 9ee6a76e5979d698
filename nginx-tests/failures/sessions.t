# Sessions whose server fails, in cases that nginx without session_sticky does not have: servers that share an ID, fallback and
# rebind, max_conns, recovered servers, draining servers. The tries of the servers are as specified, and nginx's counters are
# those that its own load-balancing methods would have, and return to zero.
#
# Stories.pm describes the section "stories".

use Sticky qw(Counters FaultyServers Stories);

worker_connections(1024);

our $servers = FaultyServers->new(1985, 1986, 1987);

client_sections();
add_block_preprocessor(sub { live($_[0], $_[0]->directives // 'proxy_next_upstream error timeout http_503;') });

run_tests();

__DATA__

=== several servers with the same ID: each is tried once, then the one that the load-balancing method selects
--- http_config
upstream one   { server A: id=x; server B: id=x; server C: id=c; session_sticky hash=plain; }
upstream two   { zone shared 256k; server A: id=x; server B: id=x; server C: id=c; session_sticky hash=plain; }
upstream three { server A: id=x; server B: id=x backup; server C: id=c; session_sticky hash=plain; }
upstream all   { zone shared 256k; server A: id=x max_fails=3; server B: id=x max_fails=3 backup; server C: id=c max_fails=3;
                 session_sticky hash=plain; }
--- stories
one x reset ok => 200 of A B, fails 1 0 0, no new cookie
one x ok => 200 of B, fails 1 0 0, no new cookie
one x reset ok => 200 of B C, fails 1 1 0, bound to c
one x ok => 200 of C, fails 1 1 0, bound to c
two x reset 503 ok => 200 of A B C, fails 1 1 0, bound to c
two c POST reset => 502 of C, fails 1 1 1, no new cookie
three x reset reset ok => 200 of A B C, fails 1 0 1, bound to c
three x ok => 200 of C, fails 1 0 1, bound to c
all x reset 503 reset => 502 of A B C, fails 1 1 1, no new cookie
all x reset reset ok => 200 of A B C, fails 2 1 2, bound to c



=== fallback=off: no other server gets the request, for each kind of failure
--- http_config
upstream resets   { zone off 512k; server A:; server B:; session_sticky hash=plain fallback=off; }
upstream says_503 { server A:; server B:; session_sticky hash=plain fallback=off; }
upstream says_500 { server A:; server B:; session_sticky hash=plain fallback=off; }
upstream hangs    { zone off 512k; server A:; server B:; session_sticky hash=plain fallback=off; }
upstream refuses  { server R:; server B:; session_sticky hash=plain fallback=off; }
upstream posts    { server A:; server B:; session_sticky hash=plain fallback=off; }
upstream is_down  { server A: down; server B:; session_sticky hash=plain fallback=off; }
upstream group    { zone off 512k; server A: id=x; server B:; server C: id=x; session_sticky hash=plain fallback=off; }
upstream backed   { server A:; server B: backup; session_sticky hash=plain fallback=off; }
--- stories
resets 127.0.0.1:1985 reset ok => 502 of A, fails 1 0, no new cookie
resets 127.0.0.1:1985 ok => 200 of A, fails 1 0, no new cookie
resets - ok => 200 of B, fails 1 0, bound to 127.0.0.1:1986
says_503 127.0.0.1:1985 503 ok => 503 of A, fails 0 0, no new cookie
says_500 127.0.0.1:1985 500 ok => 500 of A, fails 0 0, no new cookie
hangs 127.0.0.1:1985 hang ok => 504 of A, fails 1 0, no new cookie
refuses 127.0.0.1:1999 ok => 502 of R, fails 1 0, no new cookie
refuses 127.0.0.1:1999 ok => 502 of none, fails 1 0, no new cookie
posts 127.0.0.1:1985 POST reset ok => 502 of A, fails 1 0, no new cookie
is_down 127.0.0.1:1985 ok => 502 of none, fails 0 0, no new cookie
group x reset ok => 200 of A C, fails 1 0 0, no new cookie
group x reset ok => 200 of C A, fails 1 0 1, no new cookie
group x reset reset => 502 of A C, fails 2 0 2, no new cookie
backed 127.0.0.1:1985 reset ok => 502 of A, fails 1 0, no new cookie
backed 127.0.0.1:1986 reset ok => 502 of B, fails 1 1, no new cookie
backed - ok => 502 of none, fails 1 1, no new cookie
--- no_error_log
[alert]
[crit]



=== fallback=off with a single server: its failures are counted and reset as without the module
--- http_config
upstream single { server A:; session_sticky hash=plain fallback=off; }
upstream zoned  { zone off_single 256k; server A:; session_sticky hash=plain fallback=off; }
--- stories
single 127.0.0.1:1985 reset => 502 of A, fails 0, no new cookie
single 127.0.0.1:1985 ok => 200 of A, fails 0, no new cookie
zoned 127.0.0.1:1985 reset => 502 of A, fails 0, no new cookie
zoned 127.0.0.1:1985 503 => 503 of A, fails 0, no new cookie
zoned 127.0.0.1:1986 ok => 502 of none, fails 0, no new cookie



=== fallback=unknown: another server for an unknown ID, but not for a failing server
--- http_config
upstream u { zone unknown 256k; server A:; server B:; session_sticky hash=plain fallback=unknown; }
upstream v { server A: down; server B:; session_sticky hash=plain fallback=unknown; }
--- stories
u gone ok => 200 of A, fails 0 0, bound to 127.0.0.1:1985
u gone reset ok => 200 of B A, fails 0 1, bound to 127.0.0.1:1985
u 127.0.0.1:1985 reset ok => 502 of A, fails 1 1, no new cookie
u 127.0.0.1:1985 ok => 200 of A, fails 1 1, no new cookie
v 127.0.0.1:1985 ok => 502 of none, fails 0 0, no new cookie
v gone ok => 200 of B, fails 0 0, bound to 127.0.0.1:1986



=== rebind=off: another server responds, the session keeps its own, and returns to it
--- http_config
upstream u { zone rebind 512k; server A: fail_timeout=2s; server B:; session_sticky hash=plain rebind=off; }
upstream v { server A: down; server B:; session_sticky hash=plain rebind=off; }
upstream w { server A:; server B:; server C: backup; session_sticky hash=plain rebind=off; }
upstream x { server A: id=x; server B:; server C: id=x; session_sticky hash=plain rebind=off; }
--- stories
v 127.0.0.1:1985 ok => 200 of B, fails 0 0, no new cookie
v - ok => 200 of B, fails 0 0, bound to 127.0.0.1:1986
v gone ok => 200 of B, fails 0 0, bound to 127.0.0.1:1986
w 127.0.0.1:1985 reset reset ok => 200 of A B C, fails 1 1 0, no new cookie
w 127.0.0.1:1985 ok => 200 of C, fails 1 1 0, no new cookie
x x reset ok => 200 of A C, fails 1 0 0, no new cookie
x x reset ok => 200 of C B, fails 1 0 1, no new cookie
u 127.0.0.1:1985 reset ok => 200 of A B, fails 1 0, no new cookie
--- client
my $response;
eventually(sub {
    $response = response(ask_for('ok', 'u', {cookie => 'route=127.0.0.1:1985'}));
    return head('X-Tried', $response) eq '127.0.0.1:1985';
}, 'the session returns to its server');
equals(set($response), '', 'with its cookie');
equals(join(' ', map { $_->{fails} } @{counters('u')}), '0 0', 'whose failures are reset, as without the module');



=== max_fails and fail_timeout: failures of bound requests add up, and a recovering server gets one request first
--- http_config
upstream u { zone comes_back 256k; server A: max_fails=2 fail_timeout=2s; server B:; session_sticky hash=plain; }
--- stories
u 127.0.0.1:1985 reset ok => 200 of A B, fails 1 0, bound to 127.0.0.1:1986
u 127.0.0.1:1985 reset ok => 200 of A B, fails 2 0, bound to 127.0.0.1:1986
u 127.0.0.1:1985 ok => 200 of B, fails 2 0, bound to 127.0.0.1:1986
u - ok => 200 of B, fails 2 0, bound to 127.0.0.1:1986
--- client
my ($first, $nth) = (undef, 0);
eventually(sub {
    my $id = 'back-' . ++$nth;
    $first = ask_for('wait', 'u', {cookie => 'route=127.0.0.1:1985', id => $id});
    my $port = $servers->port_of($id);
    return 1 if $port == 1985;
    $servers->go($id);
    response($first);
    return 0;
}, 'the server gets a request again');
equals(head('X-Tried', response(ask_for('ok', 'u', {cookie => 'route=127.0.0.1:1985'}))), '127.0.0.1:1986',
       'but no second one before the first has ended');
$servers->go("back-$nth");
equals(status(response($first)), 200, 'the first gets its response');
equals(join(' ', map { $_->{fails} } @{settled('u')}), '0 0', 'no failure is counted any longer');
equals(head('X-Tried', response(ask_for('ok', 'u', {cookie => 'route=127.0.0.1:1985'}))), '127.0.0.1:1985',
       'and its sessions return');



=== max_conns is reached: other requests go to other servers, while the first one is counted and referenced
--- http_config
upstream on     { zone full 512k; server A: max_conns=1; server B:; session_sticky hash=plain; }
upstream off    { zone full 512k; server A: max_conns=1; server B:; session_sticky hash=plain fallback=off; }
upstream keeps  { server A: max_conns=1; server B:; session_sticky hash=plain rebind=off; }
upstream backup { zone full 512k; server B:; server A: max_conns=1 backup; session_sticky hash=plain; }
--- client
my %story = (
    on => '200 of B, fails 0 0, bound to 127.0.0.1:1986',
    off => '502 of none, fails 0 0, no new cookie',
    keeps => '200 of B, fails 0 0, no new cookie',
    backup => '200 of B, fails 0 0, bound to 127.0.0.1:1986',
);
for my $upstream (sort keys %story) {
    my $held = ask_for('wait', $upstream, {cookie => 'route=127.0.0.1:1985', id => "full-$upstream"});
    equals($servers->port_of("full-$upstream"), 1985, "$upstream: the server has a request");
    my ($full) = grep { $_->{name} eq '127.0.0.1:1985' } @{counters($upstream)};
    equals($full->{conns}, 1, "$upstream: it is counted");
    equals($full->{refs} // 1, 1, "$upstream: it is referenced");
    chapter("$upstream 127.0.0.1:1985 ok => $story{$upstream}");
    equals(join(' ', sort map { $_->{conns} } @{counters($upstream)}), '0 1', "$upstream: the rejected request is not counted");
    $servers->go("full-$upstream");
    equals(status(response($held)), 200, "$upstream: the first gets its response");
    settled($upstream);
    chapter("$upstream 127.0.0.1:1985 ok => 200 of A, fails 0 0, no new cookie");
}



=== weight: the failure of a bound request reduces it, and requests without a cookie restore it
--- http_config
upstream u { zone weight 256k; server A: weight=6 max_fails=3; server B: weight=6; session_sticky hash=plain; }
--- stories
u 127.0.0.1:1985 reset ok => 200 of A B, fails 1 0, bound to 127.0.0.1:1986
--- client
my $weights = sub { join ' ', map { $_->{effective_weight} } @{settled('u')} };
equals($weights->(), '4 6', 'reduced by a third for one of three failures');
response(ask_for('ok', 'u', {}));
equals($weights->(), '5 6', 'increased by one');
response(ask_for('ok', 'u', {}));
equals($weights->(), '6 6', 'and by one again');
my @tried = map { head('X-Tried', response(ask_for('ok', 'u', {}))) =~ /1985/ ? 'A' : 'B' } 1 .. 12;
equals(scalar(grep { $_ eq 'A' } @tried), 6, 'both get the same number of requests again');



=== drain: a draining server fails, and another one is tried
--- http_config
upstream u { zone drain 512k; server A: drain; server B:; session_sticky hash=plain; }
upstream v { server A: drain; server B:; session_sticky hash=plain; }
upstream w { zone drain 512k; server A: drain; server B:; session_sticky hash=plain fallback=off; }
--- stories
u 127.0.0.1:1985 ok => 200 of A, fails 0 0, no new cookie
u 127.0.0.1:1985 reset ok => 200 of A B, fails 1 0, bound to 127.0.0.1:1986
u 127.0.0.1:1985 ok => 200 of B, fails 1 0, bound to 127.0.0.1:1986
v 127.0.0.1:1985 503 ok => 200 of A B, fails 1 0, bound to 127.0.0.1:1986
v - ok => 200 of B, fails 1 0, bound to 127.0.0.1:1986
v 127.0.0.1:1985 ok => 200 of B, fails 1 0, bound to 127.0.0.1:1986
w 127.0.0.1:1985 reset ok => 502 of A, fails 1 0, no new cookie



=== drain: a draining server is not tried for other sessions
--- http_config
upstream x { zone drained 256k; server A: drain; server B: drain; session_sticky hash=plain; }
--- stories
x 127.0.0.1:1985 ok => 200 of A, fails 0 0, no new cookie
x - ok => 502 of none, fails 0 0, no new cookie



=== drain: if only draining servers are left, there is no further try; older versions have one, without a server
--- http_config
upstream x { zone all_drain 256k; server A: drain; server B: drain; session_sticky hash=plain; }
--- stories
x 127.0.0.1:1985 reset ok => 502 of A, fails 1 0, no new cookie
--- skip_nginx: 3: < 1.19.6



=== tries: the server of the cookie counts as one
--- directives: proxy_next_upstream error; proxy_next_upstream_tries 2;
--- http_config
upstream u { server A: id=x max_fails=9; server B: id=x max_fails=9; server C: id=c max_fails=9; session_sticky hash=plain; }
upstream v { zone tries 256k; server A: max_fails=9; server B: max_fails=9; server C: backup max_fails=9; session_sticky hash=plain; }
upstream w { zone tries 256k; server A: drain max_fails=9; server B: max_fails=9; server C: max_fails=9; session_sticky hash=plain; }
--- stories
u x reset reset ok => 502 of A B, fails 1 1 0, no new cookie
u c reset ok => 200 of C A, fails 1 1 1, bound to x
v 127.0.0.1:1985 reset reset ok => 502 of A B, fails 1 1 0, no new cookie
v 127.0.0.1:1987 reset ok => 200 of C A, fails 1 1 1, bound to 127.0.0.1:1985
w 127.0.0.1:1985 reset reset ok => 502 of A B, fails 1 1 0, no new cookie



=== time: a try that takes too long is the last one
--- directives: proxy_next_upstream error timeout; proxy_next_upstream_timeout 10ms;
--- http_config
upstream u { zone time 256k; server A: id=x; server B: id=x; server C: id=c; session_sticky hash=plain; }
upstream v { zone time 256k; server A:; server B:; session_sticky hash=plain fallback=off; }
--- stories
u x hang ok => 504 of A, fails 1 0 0, no new cookie
v 127.0.0.1:1985 hang ok => 504 of A, fails 1 0, no new cookie
