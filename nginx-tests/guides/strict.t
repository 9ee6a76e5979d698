# docs/guides/strict.md: its file, its commands, and each line of its table. Server A does not run unless "runs" says so.

use IO::Socket::INET;
use Sticky qw(Guides Documents);
use Time::HiRes ();

our $page = 'docs/guides/strict.md';

guide_sections($page, sub {
    my ($block) = @_;
    return servers(qq[location / { return 200 "NAME"; }\nlocation /500 { return 500 "NAME failed"; }\nlocation /503 { return 503 "NAME is busy"; }\n],
        split ' ', $block->runs // 'B');
});

sub at { my ($path, $cookie) = @_; return visit($path, $cookie, 1983) }
sub in_short {
    my ($response) = @_;
    return join ' ', status($response), head('Retry-After', $response) || '-', body($response) =~ s/.*<title>(.*?)<.*/$1/sr, set($response);
}
sub told { return in_short(at(@_)) }

our $page_of_outage = '503 30 One moment ';
our $page_if_late = '504 - No answer ';
our $page_if_ended = '410 - Session ended ';

run_tests();

__DATA__

=== the commands
--- may_fail
--- client
follow_transcript((transcripts($page))[0]);



=== an unreachable server
--- may_fail
--- client
equals(told('/', 'route=ID_A'), $page_of_outage, "request $_ of its session") for 1 .. 5;
equals(told('/', 'route=ID_B'), '200 - B ', 'another session');
equals(told('/') =~ s/ route=.*//r, '200 - B', 'a first visit');



=== a session of a server that has been removed, until its user begins a new one
--- may_fail
--- client
my $ended = at('/', 'route=nobody');
equals(in_short($ended), $page_if_ended, 'the page');
my ($action) = body($ended) =~ /<form method=post action=(\S+?)>/;
holds(defined $action, 'has a form');
$action //= '/';
my $new = response(say_to_nginx("POST $action HTTP/1.0\r\nHost: localhost\r\nCookie: route=nobody\r\nContent-Length: 0\r\n\r\n", 1983));
equals(join(' ', status($new), set($new)), '303 route=; Path=/; Max-Age=0', 'its button');
like(head('Location', $new), qr{^http://[^/]+/$}, 'leads to the first page');
equals(told('/') =~ s/ route=.*//r, '200 - B', 'which is a first visit');



=== a removed server, with fallback=unknown, and no server is available
--- runs: C
--- but: fallback=off => fallback=unknown
--- may_fail
--- client
equals(told('/', 'route=nobody'), $page_of_outage, 'not refused, so it is an outage');



=== after an outage, one failed request in each fail_timeout
--- but: max_fails=3 fail_timeout=10s; => max_fails=3 fail_timeout=1s;
--- may_fail
--- client
told('/', 'route=ID_A') for 1 .. 5;
sleep 3;
told('/', 'route=ID_A') for 1 .. 3;
--- grep_error_log: connect() failed
--- grep_error_log_out
connect() failed
connect() failed
connect() failed
connect() failed



=== requests that begin a new session, whatever fallback= says
--- but: samesite=lax; => samesite=lax maxidle=30m follow=SID if=$arg_on;
--- client
my $session = time;
$session = "route=ID_A|$session|$session";
equals(told('/?on=1', "SID=a; $session"), $page_of_outage, 'a session of A');
my %begins = (
    'no cookie' => '/?on=1 SID=a',
    'maxidle=' => '/?on=1 SID=a; route=ID_A|1000000000|1000000000',
    'an empty value' => '/?on=1 SID=a; route=',
    'no value of ours' => '/?on=1 SID=a; route=a|b',
    'from the future' => "/?on=1 SID=a; route=ID_A|4000000000|4000000000",
    'follow=' => "/?on=1 $session",
    'if=' => "/?on=0 SID=a; $session",
);
for my $what (sort keys %begins) {
    my ($path, $cookie) = split ' ', $begins{$what}, 2;
    like(told($path, $cookie), qr/^200 - B /, $what);
}
--- may_fail



=== a wrong signature begins a new session, too
--- but: samesite=lax; => samesite=lax maxidle=30m sign key_file=sticky.keys;
--- client
like(told('/', 'route=ID_A|' . time . '|' . time . '|AAAAAAAAAAAAAAAAAAAAAA'), qr/^200 - B /, 'forged');
--- may_fail



=== of two cookies, the first that names an available server counts
--- client
equals(told('/', 'route=ID_A; route=ID_B'), $page_of_outage, "request $_: A may be there") for 1 .. 3;
equals(told('/', 'route=ID_A; route=ID_B'), '200 - B ', 'A is known to be away');
equals(told('/', 'route=nobody; route=ID_B'), '200 - B ', 'no server has the first ID');
--- may_fail



=== an id that two servers share
--- but
server 192.0.2.1:8080 max_fails => server 192.0.2.1:8080 id=a max_fails
server 192.0.2.2:8080 max_fails => server 192.0.2.2:8080 id=a max_fails
samesite=lax; => samesite=lax hash=plain;
--- client
equals(told('/', 'route=a'), '200 - B ', 'the other one serves it');
--- may_fail



=== each refusal is two lines of the error log
--- but: server 192.0.2.1:8080 max_fails=3 fail_timeout=10s; => server 192.0.2.1:8080 down;
--- client
equals(told('/', 'route=ID_A'), $page_of_outage, 'its session');
--- error_log eval
[qr/session_sticky: cookie "route" names server "\w+" of upstream "app", which is down, with "fallback=off"/, 'no live upstreams']



=== a server that has been removed, with fallback=unknown
--- but: fallback=off => fallback=unknown
--- may_fail
--- client
equals(told('/', 'route=ID_A'), $page_of_outage, 'no other server');
equals(told('/', 'route=nobody') =~ s/ route=.*//r, '200 - B', 'an unknown ID starts a new session');



=== a server that is down
--- runs: A B
--- but: server 192.0.2.1:8080 max_fails=3 fail_timeout=10s; => server 192.0.2.1:8080 down;
--- may_fail
--- client
equals(told('/', 'route=ID_A'), $page_of_outage, 'its session');



=== the server's own errors, and late responses
--- runs: A B
--- but: proxy_connect_timeout 3s; => proxy_connect_timeout 3s; proxy_read_timeout 300ms;
--- may_fail
--- client
equals(told('/500', 'route=ID_A'), '500 - A failed ', '500');
equals(told('/503', 'route=ID_A'), '503 - A is busy ', '503');



=== a request that the server may have processed
--- but: proxy_connect_timeout 3s; => proxy_connect_timeout 3s; proxy_read_timeout 300ms;
--- may_fail
--- client
my $server = serve($port{A});
equals(told('/', 'route=ID_A'), $page_if_late, 'no response in time');
close taken($server);
my $asked = say_to_nginx(expand("POST / HTTP/1.0\r\nHost: localhost\r\nCookie: route=ID_A\r\nContent-Length: 3\r\n\r\na=b"), 1983);
close taken($server);
equals(in_short(response($asked)), $page_if_late, 'the connection is closed without a response');
# nginx has not counted these requests as failed connections.
my $next = ask('/', 'route=ID_A', 1983);
answer(taken($server), 'A');
equals(in_short(response($next)), '200 - A ', 'the next request');



=== a server that does not answer connection attempts
--- but: proxy_connect_timeout 3s; => proxy_connect_timeout 300ms;
--- may_fail
--- client
# The queue of connections that are not accepted is full.
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port{A}, Listen => 1, ReuseAddr => 1);
my @queued = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port{A}, Blocking => 0) } 1 .. 4;
my $began = Time::HiRes::time();
equals(told('/', 'route=ID_A'), $page_of_outage, "request $_ of its session") for 1 .. 3;
holds(Time::HiRes::time() - $began >= 0.8, 'three timeouts');
equals(told('/', 'route=ID_A'), $page_of_outage, 'refused');
--- error_log eval
[qr/upstream timed out .* while connecting/, qr/session_sticky: .* with "fallback=off"/]
