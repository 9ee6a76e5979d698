# The server that a request goes to: the one of its cookie if nginx itself would consider it available, with any load-balancing
# method; otherwise the one that the method selects. Accounting is tested in balancers/bookkeeping.t.
#
# Sections of this file:
#   balancer  a load-balancing method's directive; the block then sends requests to four upstreams that have it, each for a
#             session of C, a session of A, and a new session
#   upstream  the contents of "upstream u"
# The servers A, B and C respond with their name; /count adds the number of requests on the connection; /busy responds after it
# has requested /t with the same cookie.
# D, on port 1998, is down. ID_x is replaced with the ID of server x. X-Upstream lists the servers tried.

use Sticky;

$port{D} = 1998;

my $backends = join '', map { servers(<<"_EOC_", $_) } qw(A B C);
add_header X-Id @{[id($_)]} always;
location / { return 200 "NAME\\n"; }
location /count { return 200 "NAME \$connection_requests\\n"; }
location /busy {
    add_header X-Via NAME always;
    proxy_pass http://127.0.0.1:\$TEST_NGINX_SERVER_PORT/t;
}
_EOC_

our $three_servers = join ' ', map { "server 127.0.0.1:$port{$_};" } qw(A B C);

add_block_preprocessor(sub {
    my ($block) = @_;

    my $http = $backends;

    if (defined(my $balancer = $block->balancer)) {
        $http .= <<"_EOC_";
upstream before      { session_sticky; $balancer $three_servers }
upstream after       { $balancer $three_servers session_sticky; }
upstream zone-before { zone zone-before 64k; session_sticky; $balancer $three_servers }
upstream zone-after  { $balancer $three_servers session_sticky; zone zone-after 64k; }
_EOC_
        my @upstreams = qw(before after zone-before zone-after);
        my $names_its_server = '(?=.*\r\nX-Id: (\w{32})\r\n)(?=.*\r\nSet-Cookie: route=\1; Path=/\r\n)';
        $block->set_value(config => join '', map { "location /$_ { proxy_pass http://$_; }\n" } @upstreams);
        $block->set_value(request => [map { ("GET /$_") x 3 } @upstreams]);
        $block->set_value(more_headers => [("Cookie: route=ID_C", "Cookie: route=ID_A", "") x @upstreams]);
        $block->set_value(response_body_like => [('\AC\n\z', '\AA\n\z', '\A[ABC]\n\z') x @upstreams]);
        $block->set_value(raw_response_headers_like => [('.', '.', $names_its_server) x @upstreams]);
        $block->set_value(raw_response_headers_unlike => [('Set-Cookie', 'Set-Cookie', 'Set-Cookie.*Set-Cookie') x @upstreams]);
    }

    $http .= "upstream u {\n" . $block->upstream . "}\n" if defined $block->upstream;
    fill($block, $http);
    $block->set_value(config => <<'_EOC_') if !defined $block->config;
add_header X-Upstream "$upstream_addr" always;
location / { proxy_pass http://u; }
_EOC_
    $block->set_value(request => 'GET /t') if !defined $block->request;
    $block->set_value(no_error_log => qr/\[(?:warn|error|crit|alert|emerg)\]/) if !defined $block->no_error_log;
});

# Without a master process, nginx exits without closing keepalive connections, which valgrind reports as leaks.
master_on();

visit_lines(answer => "NAME\n");
run_tests();

__DATA__

=== round robin: a session goes to its server, a new one is bound to the server that responded
--- balancer
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/



=== least_conn: a session goes to its server, a new one is bound to the server that responded
--- balancer: least_conn;
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/



=== ip_hash: a session goes to its server, a new one is bound to the server that responded
--- balancer: ip_hash;
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/



=== hash: a session goes to its server, a new one is bound to the server that responded
--- balancer: hash $request_uri;
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/



=== hash consistent: a session goes to its server, a new one is bound to the server that responded
--- balancer: hash $request_uri consistent;
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/



=== random: a session goes to its server, a new one is bound to the server that responded
--- balancer: random;
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/



=== random two least_conn: a session goes to its server, a new one is bound to the server that responded
--- balancer: random two least_conn;
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/



=== requests without a cookie are distributed as without the module
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986 weight=2;
    session_sticky;
--- visits
-> B
-> A
-> B
-> B
-> A
-> B



=== weight: sessions of the server with the lower weight stay
--- upstream
    server 127.0.0.1:1985 weight=1000;
    server 127.0.0.1:1986 weight=1;
    session_sticky;
--- visits
route=ID_B -> B
route=ID_B -> B
route=ID_B -> B



=== backup: its sessions stay while primary servers are available
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    server 127.0.0.1:1987 backup;
    session_sticky;
--- visits
route=ID_C -> C, sets nothing
-> [AB], sets like "route=(?:ID_A|ID_B); Path=/"
-> [AB], sets like "route=(?:ID_A|ID_B); Path=/"
route=ID_C -> C, sets nothing



=== backup in a zone, with a single primary server: its sessions stay
--- upstream
    zone u 64k;
    server 127.0.0.1:1985;
    server 127.0.0.1:1987 backup;
    session_sticky;
--- visits
route=ID_C -> C
route=ID_A -> A



=== a single server: the session is bound on the first visit, and stays
--- upstream
    server 127.0.0.1:1985;
    session_sticky fallback=off;
--- visits
-> A, sets "route=ID_A; Path=/"
route=ID_A -> A, sets nothing



=== proxy_pass with the upstream's name in a variable: the session stays
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky;
--- config
location / { set $to u; proxy_pass http://$to; }
--- visits
route=ID_B -> B
route=ID_B -> B



=== max_conns: a session does not go to its server while that has reached its limit, and returns afterwards
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986 max_conns=1;
    session_sticky;
--- visits
/busy route=ID_B -> A, X-Via "B", sets "route=ID_A; Path=/"
route=ID_B -> B, sets nothing
/busy route=ID_B -> A, X-Via "B", sets "route=ID_A; Path=/"
route=ID_B -> B, sets nothing
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/



=== max_fails: a failing bound request counts; the server is not tried again within fail_timeout
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1998 max_fails=1 fail_timeout=10m;
    session_sticky;
--- visits
route=ID_D -> A, X-Upstream "127.0.0.1:1998, 127.0.0.1:1985"
route=ID_D -> A, X-Upstream "127.0.0.1:1985"
route=ID_D -> A, X-Upstream "127.0.0.1:1985"
--- no_error_log eval
qr/\[(?:crit|alert|emerg)\]/



=== keepalive after session_sticky: a connection is used only for its own server's sessions
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky;
    keepalive 4;
--- config
proxy_http_version 1.1;
proxy_set_header Connection "";
location / { proxy_pass http://u; }
--- visits
/count route=ID_B -> says "B 1\n", sets nothing
/count route=ID_A -> says "A 1\n", sets nothing
/count route=ID_B -> says "B 2\n", sets nothing
/count route=ID_A -> says "A 2\n", sets nothing
/count route=ID_B -> says "B 3\n", sets nothing



=== keepalive before session_sticky: a connection is used only for its own server's sessions
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    keepalive 4;
    session_sticky;
--- config
proxy_http_version 1.1;
proxy_set_header Connection "";
location / { proxy_pass http://u; }
--- visits
/count route=ID_B -> says "B 1\n", sets nothing
/count route=ID_A -> says "A 1\n", sets nothing
/count route=ID_B -> says "B 2\n", sets nothing
/count route=ID_A -> says "A 2\n", sets nothing
/count route=ID_B -> says "B 3\n", sets nothing
