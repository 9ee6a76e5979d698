# A session whose server is not available: fallback=on moves it and binds it to another server, fallback=off responds with 502.
#
# Sections of this file:
#   upstream  the contents of "upstream u"
# The servers A, B and C respond with their name, with 503 if the argument "fail" is their name, or with 500 for "error". Nothing
# listens on the ports of D and E. H accepts connections and never responds. X-Upstream lists the servers tried, in order; if no
# server was left to try, nginx appends the upstream's name. ID_x is replaced with the ID of server x.

use Sticky;
use IO::Socket::INET;

@port{qw(D E H)} = (1998, 1997, 1996);

our $backends = servers(<<'_EOC_', qw(A B C));
location / {
    if ($arg_fail = NAME) { return 503; }
    if ($arg_error = NAME) { return 500; }
    return 200 "NAME\n";
}
_EOC_

my $never_answers = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port{H}, Listen => 1024, ReuseAddr => 1)
    or BAIL_OUT("cannot listen on port $port{H}: $@");

add_block_preprocessor(sub {
    my ($block) = @_;

    fill($block, "$backends\nupstream u {\n" . $block->upstream . "}\n");
    $block->set_value(config => <<'_EOC_' . ($block->location // '') . 'proxy_pass http://u; }');
add_header X-Upstream "$upstream_addr" always;
location / {
_EOC_
    $block->set_value(request => 'GET /t') if !defined $block->request;
    $block->set_value(no_error_log => qr/\[(?:crit|alert|emerg)\]/) if !defined $block->no_error_log;
});

visit_lines(answer => "NAME\n");
run_tests();

__DATA__

=== failed server, fallback=on: another one responds, and the session is bound to it
--- upstream
    server 127.0.0.1:1998;
    server 127.0.0.1:1985;
    session_sticky;
--- visits
route=ID_D -> A, X-Upstream "127.0.0.1:1998, 127.0.0.1:1985", sets "route=ID_A; Path=/"
route=ID_A -> A, X-Upstream "127.0.0.1:1985", sets nothing



=== failed server, fallback=on in a zone, with least_conn: another one responds, and the session is bound to it
--- upstream
    zone u 64k;
    least_conn;
    server 127.0.0.1:1998;
    server 127.0.0.1:1985;
    session_sticky;
--- more_headers
Cookie: route=ID_D
--- response_body
A
--- response_headers
X-Upstream: 127.0.0.1:1998, 127.0.0.1:1985
Set-Cookie: route=ID_A; Path=/



=== failed server, fallback=on with limits: both timestamps are reset
--- upstream
    server 127.0.0.1:1998;
    server 127.0.0.1:1985;
    session_sticky maxidle=1h;
--- init
my $t = time() - 1000;
$block->set_value(more_headers => ::expand("Cookie: route=ID_D|$t|$t"));
--- response_body
A
--- raw_response_headers_like eval
my $decades = CORE::join '|', map { substr($_, 0, -2) } time(), time() + 100;
main::expand("\\r\\nSet-Cookie: route=ID_A\\|((?:$decades)\\d\\d)\\|\\1; Path=/\\r\\n")



=== failed server, fallback=off: 502 after one try, without a cookie
--- upstream
    server 127.0.0.1:1998 max_fails=0;
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky fallback=off;
--- more_headers
Cookie: route=ID_D
--- error_code: 502
--- response_headers_like
X-Upstream: 127\.0\.0\.1:1998(?:, u)?
Set-Cookie:



=== server that reached max_fails, fallback=off: 502 without a try
--- upstream
    server 127.0.0.1:1998 max_fails=1 fail_timeout=10m;
    server 127.0.0.1:1985;
    session_sticky fallback=off;
--- visits
route=ID_D -> 502, X-Upstream like "127\.0\.0\.1:1998(?:, u)?", sets nothing
route=ID_D -> 502, X-Upstream like "(?!.*127).*", sets nothing



=== server that is down, fallback=on: the session is bound to another one
--- upstream
    server 127.0.0.1:1986 down;
    server 127.0.0.1:1985;
    session_sticky;
--- more_headers
Cookie: route=ID_B
--- response_body
A
--- response_headers
X-Upstream: 127.0.0.1:1985
Set-Cookie: route=ID_A; Path=/



=== server that is down, fallback=off: 502 without a try
--- upstream
    server 127.0.0.1:1986 down;
    server 127.0.0.1:1985;
    session_sticky fallback=off;
--- more_headers
Cookie: route=ID_B
--- error_code: 502
--- response_headers_like
X-Upstream: (?!.*127).*
Set-Cookie:



=== no server with that ID, fallback=on: the session is bound as on a first visit
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky;
--- more_headers
Cookie: route=00000000000000000000000000000000
--- response_body
A
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== no server with that ID, fallback=off: 502 without a try
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky fallback=off;
--- more_headers
Cookie: route=00000000000000000000000000000000
--- error_code: 502
--- response_headers_like
X-Upstream: (?!.*127).*
Set-Cookie:



=== no server with that ID, fallback=off, and a single server: also 502
--- upstream
    server 127.0.0.1:1985;
    session_sticky fallback=off;
--- more_headers
Cookie: route=00000000000000000000000000000000
--- error_code: 502
--- response_headers_like
X-Upstream: (?!.*127).*
Set-Cookie:



=== after a 502 of fallback=off, the worker processes other requests
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky fallback=off;
--- visits
route=nobody -> 502, sets nothing
route=ID_B -> sets nothing
-> sets like "route=(?:ID_A|ID_B); Path=/"



=== no cookie, fallback=off: the load-balancing method selects the server
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky fallback=off;
--- visits
-> A, sets "route=ID_A; Path=/"
-> B, sets "route=ID_B; Path=/"



=== no cookie, fallback=off, and the selected server fails: the next one is tried
--- upstream
    server 127.0.0.1:1998;
    server 127.0.0.1:1985;
    session_sticky fallback=off;
--- response_body
A
--- response_headers
X-Upstream: 127.0.0.1:1998, 127.0.0.1:1985
Set-Cookie: route=ID_A; Path=/



=== proxy_next_upstream http_503, fallback=on: the session moves
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky;
--- location
proxy_next_upstream error timeout http_503;
--- request: GET /t?fail=B
--- more_headers
Cookie: route=ID_B
--- response_body
A
--- response_headers
X-Upstream: 127.0.0.1:1986, 127.0.0.1:1985
Set-Cookie: route=ID_A; Path=/



=== proxy_next_upstream http_503, fallback=off: the server's response is passed to the client
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky fallback=off;
--- location
proxy_next_upstream error timeout http_503;
--- request: GET /t?fail=B
--- more_headers
Cookie: route=ID_B
--- error_code: 503
--- response_headers_like
X-Upstream: 127\.0\.0\.1:1986$
Set-Cookie:



=== a status not in proxy_next_upstream is passed to the client, and the session stays
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky fallback=off;
--- location
proxy_next_upstream error timeout http_503;
--- request: GET /t?error=B
--- more_headers
Cookie: route=ID_B
--- error_code: 500
--- response_headers
X-Upstream: 127.0.0.1:1986
!Set-Cookie



=== a timeout, fallback=on: the session moves
--- upstream
    server 127.0.0.1:1996;
    server 127.0.0.1:1985;
    session_sticky;
--- location
proxy_read_timeout 300ms;
--- more_headers
Cookie: route=ID_H
--- response_body
A
--- response_headers
X-Upstream: 127.0.0.1:1996, 127.0.0.1:1985
Set-Cookie: route=ID_A; Path=/



=== a timeout without another server: 504, without a cookie
--- upstream
    server 127.0.0.1:1996;
    session_sticky;
--- location
proxy_read_timeout 300ms;
--- visits
-> 504, sets nothing
route=ID_H -> 504, sets nothing



=== the failed server of the session is tried once, although the load-balancing method would select it next
--- upstream
    server 127.0.0.1:1998 weight=1000 max_fails=0;
    server 127.0.0.1:1985;
    session_sticky;
--- visits
route=ID_D -> A, X-Upstream "127.0.0.1:1998, 127.0.0.1:1985", sets "route=ID_A; Path=/"
route=ID_D -> A, X-Upstream "127.0.0.1:1998, 127.0.0.1:1985", sets "route=ID_A; Path=/"
route=ID_D -> A, X-Upstream "127.0.0.1:1998, 127.0.0.1:1985", sets "route=ID_A; Path=/"



=== hash: the failed server is tried once
--- upstream
    hash same;
    server 127.0.0.1:1998 max_fails=0;
    server 127.0.0.1:1985;
    session_sticky;
--- more_headers
Cookie: route=ID_D
--- response_headers
X-Upstream: 127.0.0.1:1998, 127.0.0.1:1985
Set-Cookie: route=ID_A; Path=/



=== ip_hash: the failed server is tried once
--- upstream
    ip_hash;
    server 127.0.0.1:1998 max_fails=0;
    server 127.0.0.1:1985;
    session_sticky;
--- more_headers
Cookie: route=ID_D
--- response_headers
X-Upstream: 127.0.0.1:1998, 127.0.0.1:1985
Set-Cookie: route=ID_A; Path=/



=== random: the failed server is tried once
--- upstream
    random;
    server 127.0.0.1:1998 weight=1000 max_fails=0;
    server 127.0.0.1:1985;
    session_sticky;
--- more_headers
Cookie: route=ID_D
--- response_headers
X-Upstream: 127.0.0.1:1998, 127.0.0.1:1985
Set-Cookie: route=ID_A; Path=/



=== two failed servers: each is tried once, then the available one
--- upstream
    server 127.0.0.1:1998 weight=1000 max_fails=0;
    server 127.0.0.1:1997 weight=1000 max_fails=0;
    server 127.0.0.1:1985;
    session_sticky;
--- more_headers
Cookie: route=ID_E
--- response_body
A
--- response_headers
X-Upstream: 127.0.0.1:1997, 127.0.0.1:1998, 127.0.0.1:1985
Set-Cookie: route=ID_A; Path=/



=== all servers fail: each is tried once, then 502 without a cookie
--- upstream
    server 127.0.0.1:1998 max_fails=0;
    server 127.0.0.1:1997 max_fails=0;
    session_sticky;
--- more_headers
Cookie: route=ID_E
--- error_code: 502
--- response_headers
X-Upstream: 127.0.0.1:1997, 127.0.0.1:1998
!Set-Cookie



=== the session of a failed server moves to the backup server if only that is left, and is bound to it
--- upstream
    server 127.0.0.1:1998;
    server 127.0.0.1:1987 backup;
    session_sticky;
--- visits
route=ID_D -> C, X-Upstream "127.0.0.1:1998, 127.0.0.1:1987", sets "route=ID_C; Path=/"
route=ID_C -> C, X-Upstream "127.0.0.1:1987", sets nothing



=== a new session is bound to the backup server if only that is left
--- upstream
    server 127.0.0.1:1998;
    server 127.0.0.1:1987 backup;
    session_sticky;
--- response_body
C
--- response_headers
Set-Cookie: route=ID_C; Path=/



=== the session of a failed backup server moves to a primary server
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1998 backup;
    session_sticky;
--- more_headers
Cookie: route=ID_D
--- response_body
A
--- response_headers
X-Upstream: 127.0.0.1:1998, 127.0.0.1:1985
Set-Cookie: route=ID_A; Path=/



=== mode=prefix, a failed server: another one responds; the session is bound only if that sets the cookie
--- upstream
    server 127.0.0.1:1998;
    server 127.0.0.1:1985;
    session_sticky mode=prefix;
--- more_headers
Cookie: route=ID_D~v
--- response_body
A
--- response_headers
X-Upstream: 127.0.0.1:1998, 127.0.0.1:1985
!Set-Cookie
