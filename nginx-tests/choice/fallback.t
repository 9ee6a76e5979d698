# A session whose server cannot be had: fallback=on moves it and binds the client anew, fallback=off answers 502.
#
# Sections of this file's own:
#   upstream  what stands in "upstream u"
# The servers A, B and C answer with their name, or with 503 where the argument fail names them. D and E are dead:
# nobody listens. H takes the connection and never answers. X-Upstream says whom nginx asked, in order.
# Where nobody was left to ask, nginx adds the upstream's own name to the list. ID_x stands for the id of server x.

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

=== dead server, fallback=on: another answers, and the client is bound to that one
--- upstream
    server 127.0.0.1:1998;
    server 127.0.0.1:1985;
    session_sticky;
--- visits
route=ID_D -> A, X-Upstream "127.0.0.1:1998, 127.0.0.1:1985", sets "route=ID_A; Path=/"
route=ID_A -> A, X-Upstream "127.0.0.1:1985", sets nothing



=== dead server, fallback=on in a zone, with least_conn: another answers, and the client is bound to that one
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



=== dead server, fallback=on with limits: both stamps start anew
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



=== dead server, fallback=off: 502, asked once, nothing set
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



=== server past max_fails, fallback=off: 502 without asking anyone
--- upstream
    server 127.0.0.1:1998 max_fails=1 fail_timeout=10m;
    server 127.0.0.1:1985;
    session_sticky fallback=off;
--- visits
route=ID_D -> 502, X-Upstream like "127\.0\.0\.1:1998(?:, u)?", sets nothing
route=ID_D -> 502, X-Upstream like "(?!.*127).*", sets nothing



=== server that is down, fallback=on: the client is bound anew
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



=== server that is down, fallback=off: 502 without asking anyone
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



=== no server of that id, fallback=on: as a first visit
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



=== no server of that id, fallback=off: 502 without asking anyone
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



=== no server of that id, fallback=off, and a single server: 502 all the same
--- upstream
    server 127.0.0.1:1985;
    session_sticky fallback=off;
--- more_headers
Cookie: route=00000000000000000000000000000000
--- error_code: 502
--- response_headers_like
X-Upstream: (?!.*127).*
Set-Cookie:



=== a worker lives on after a 502 of fallback=off, and serves the others
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky fallback=off;
--- visits
route=nobody -> 502, sets nothing
route=ID_B -> sets nothing
-> sets like "route=(?:ID_A|ID_B); Path=/"



=== no cookie, fallback=off: the balancer decides
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky fallback=off;
--- visits
-> A, sets "route=ID_A; Path=/"
-> B, sets "route=ID_B; Path=/"



=== no cookie, fallback=off, and the balancer's choice is dead: the next
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



=== proxy_next_upstream http_503, fallback=off: the page of the server is passed on
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



=== an answer that proxy_next_upstream does not name is the answer, and the session stays
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



=== a timeout with nobody else to ask: 504, and nothing set
--- upstream
    server 127.0.0.1:1996;
    session_sticky;
--- location
proxy_read_timeout 300ms;
--- visits
-> 504, sets nothing
route=ID_H -> 504, sets nothing



=== tried means tried: the dead server of the session is asked once, though the balancer would choose it next
--- upstream
    server 127.0.0.1:1998 weight=1000 max_fails=0;
    server 127.0.0.1:1985;
    session_sticky;
--- visits
route=ID_D -> A, X-Upstream "127.0.0.1:1998, 127.0.0.1:1985", sets "route=ID_A; Path=/"
route=ID_D -> A, X-Upstream "127.0.0.1:1998, 127.0.0.1:1985", sets "route=ID_A; Path=/"
route=ID_D -> A, X-Upstream "127.0.0.1:1998, 127.0.0.1:1985", sets "route=ID_A; Path=/"



=== tried means tried, with hash: the dead server is asked once
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



=== tried means tried, with ip_hash: the dead server is asked once
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



=== tried means tried, with random: the dead server is asked once
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



=== two dead servers: each is asked once, then the living one
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



=== all dead: each is asked once, 502, and nothing set
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



=== the dead server's session moves to the backup when only that is left, and names the backup
--- upstream
    server 127.0.0.1:1998;
    server 127.0.0.1:1987 backup;
    session_sticky;
--- visits
route=ID_D -> C, X-Upstream "127.0.0.1:1998, 127.0.0.1:1987", sets "route=ID_C; Path=/"
route=ID_C -> C, X-Upstream "127.0.0.1:1987", sets nothing



=== a first visitor whom only the backup can serve is bound to the backup
--- upstream
    server 127.0.0.1:1998;
    server 127.0.0.1:1987 backup;
    session_sticky;
--- response_body
C
--- response_headers
Set-Cookie: route=ID_C; Path=/



=== a dead backup's session moves to a primary
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



=== mode=prefix, a dead server: another answers; only the backend's own Set-Cookie could bind
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
