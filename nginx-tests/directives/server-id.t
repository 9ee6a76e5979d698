# server … id=name: the ID of a server in the cookie, on an nginx without that parameter; nginx's own parameters and errors are
# unchanged. cookie/ids.t tests other IDs.
#
# Sections of this file:
#   upstream  the contents of "upstream u"
#   emerg     nginx must refuse to start with exactly one [emerg] line, which contains each line of this section
#   warn      nginx starts with exactly one [warn] line, which contains each line of this section
# The servers A, B and C listen on ports 1985 to 1987 of 127.0.0.1.

use Sticky qw(Verdicts);

our $backends = servers('location / { return 200 "NAME\n"; }' . "\n", qw(A B C));

verdict_sections();
add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => $backends . ($block->http_config // '')
                                     . "upstream u {\n" . $block->upstream . "}\n");
    $block->set_value(config => 'location /t { proxy_pass http://u; }') if !defined $block->config;
});

visit_lines(answer => "NAME\n");
run_tests();

__DATA__

=== with hash=plain, the cookie has the ID
--- upstream
    server 127.0.0.1:1985 id=s1;
    server 127.0.0.1:1986 id=s2;
    session_sticky hash=plain;
--- visits
-> A, sets "route=s1; Path=/"
route=s2 -> B, sets nothing
route=s1 -> A, sets nothing



=== session_sticky can precede the servers
--- upstream
    session_sticky hash=plain;
    server 127.0.0.1:1985 id=s1;
    server 127.0.0.1:1986 id=s2;
--- visits
-> A, sets "route=s1; Path=/"
route=s2 -> B, sets nothing



=== the ID is case-sensitive and must match completely
--- upstream
    server 127.0.0.1:1985 id=alpha;
    server 127.0.0.1:1986 id=beta;
    session_sticky hash=plain fallback=off;
--- visits
route=beta -> 200
route=Beta -> 502
route=bet -> 502
route=betas -> 502
--- no_error_log eval
qr/\[(?:crit|alert|emerg)\]/



=== id= can be anywhere among nginx's own parameters
--- upstream
    server 127.0.0.1:1985 id=s1 weight=1 max_fails=2 fail_timeout=3s;
    server 127.0.0.1:1986 weight=3 id=s2 max_conns=9;
    server 127.0.0.1:1987 max_fails=0 backup id=s3;
    session_sticky hash=plain;
--- visits
route=s1 -> A
route=s2 -> B
route=s3 -> C
route=s2 -> B



=== nginx's own parameters apply together with id=: weight
--- upstream
    server 127.0.0.1:1985 id=s1;
    server 127.0.0.1:1986 id=s2 weight=3;
    session_sticky hash=plain;
--- visits
-> B, sets "route=s2; Path=/"
-> A, sets "route=s1; Path=/"
-> B, sets "route=s2; Path=/"
-> B, sets "route=s2; Path=/"



=== a backup server with an ID: new sessions do not go to it, its own session does
--- upstream
    server 127.0.0.1:1985 id=s1;
    server 127.0.0.1:1986 id=s2 backup;
    session_sticky hash=plain;
--- visits
-> A, sets "route=s1; Path=/"
-> A, sets "route=s1; Path=/"
route=s2 -> B, sets nothing



=== a server that is down, with an ID: its session moves
--- upstream
    server 127.0.0.1:1985 id=s1;
    server 127.0.0.1:1986 down id=s2;
    session_sticky hash=plain;
--- more_headers
Cookie: route=s2
--- response_body
A
--- response_headers
Set-Cookie: route=s1; Path=/
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/



=== servers that share an ID: the first available one is used
--- upstream
    server 127.0.0.1:1985 id=x;
    server 127.0.0.1:1986 id=y;
    server 127.0.0.1:1987 id=y;
    session_sticky hash=plain;
--- visits
route=y -> B, sets nothing
route=y -> B, sets nothing
route=y -> B, sets nothing



=== servers that share an ID: if the first one is not available, the next one is used, and the session stays bound
--- upstream
    server 127.0.0.1:1985 id=x;
    server 127.0.0.1:1986 id=y down;
    server 127.0.0.1:1987 id=y;
    session_sticky hash=plain fallback=off;
--- visits
route=y -> C, sets nothing
route=y -> C, sets nothing



=== servers that share an ID: a primary server takes precedence over a backup server, in any order
--- upstream
    server 127.0.0.1:1985 id=y backup;
    server 127.0.0.1:1986 id=x;
    server 127.0.0.1:1987 id=y;
    session_sticky hash=plain;
--- more_headers
Cookie: route=y
--- response_body
C
--- response_headers
!Set-Cookie



=== a name that resolves to several addresses: peers that share the ID
--- http_config
server { listen 127.0.0.1:1988; listen [::1]:1988; return 200 "$server_addr\n"; }
--- upstream
    server localhost:1988 id=both;
    session_sticky hash=plain;
--- visits
-> says like "^(127.0.0.1|::1)$", sets "route=both; Path=/"
-> says like "^(127.0.0.1|::1)$", sets "route=both; Path=/"
--- no_error_log
[error]
--- skip_eval
8: `getent ahosts localhost` !~ /^::1\s.*^127\.0\.0\.1\s|^127\.0\.0\.1\s.*^::1\s/ms
--- may_warn
2 addresses, which share the id



=== an upstream without session_sticky is accepted with id=, and balances as usual
--- upstream
    server 127.0.0.1:1985 id=s1;
    server 127.0.0.1:1986 weight=1 id=s2;
--- visits
route=s1 -> A, sets nothing
route=s1 -> B, sets nothing
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/
--- may_warn
parameter "id" of the "server" directive has no effect



=== a duplicate id= is accepted with a [warn]; the last one is used
--- upstream
    server 127.0.0.1:1985 id=first id=second;
    session_sticky hash=plain;
--- warn
"server"
id
--- response_headers
Set-Cookie: route=second; Path=/



=== an empty ID is an error
--- upstream
    server 127.0.0.1:1985 id=;
    session_sticky hash=plain;
--- emerg
"server"
id



=== an ID with a space is an error
--- upstream
    server 127.0.0.1:1985 "id=s 1";
    session_sticky hash=plain;
--- emerg
"server"
id
s 1



=== an ID with a semicolon is an error
--- upstream
    server 127.0.0.1:1985 "id=s;1";
    session_sticky hash=plain;
--- emerg
"server"
id
s;1



=== an ID with a comma is an error
--- upstream
    server 127.0.0.1:1985 id=s,1;
    session_sticky hash=plain;
--- emerg
"server"
id
s,1



=== an ID with 8-bit characters is an error
--- upstream
    server 127.0.0.1:1985 id=côté;
    session_sticky hash=plain;
--- emerg
"server"
id



=== errors of nginx's own "server" directive are unchanged: an unknown parameter
--- upstream
    server 127.0.0.1:1985 id=s1 ids=2;
    session_sticky;
--- emerg
invalid parameter "ids=2" in



=== errors of nginx's own "server" directive are unchanged: an invalid value
--- upstream
    server 127.0.0.1:1985 weight=heavy id=s1;
    session_sticky;
--- emerg
invalid parameter "weight=heavy" in



=== errors of nginx's own "server" directive are unchanged: an invalid port
--- upstream
    server 127.0.0.1:99999 id=s1;
    session_sticky;
--- emerg
invalid port in upstream "127.0.0.1:99999" in



=== errors of nginx's own "server" directive are unchanged: no argument
--- upstream
    server;
    session_sticky;
--- emerg
invalid number of arguments in "server" directive in



=== "server" with only id= is an error, not a crash
--- upstream
    server id=s1;
    session_sticky;
--- emerg
server



=== accept=jvmroute, and no server has a name: [warn]
--- upstream
    session_sticky accept=jvmroute;
    server 127.0.0.1:1985;
    server 127.0.0.1:1986 drain;
--- warn
"accept=jvmroute" has no effect in upstream "u", as no server has "id=" or "route=", in
nginx.conf:



=== one server with a name is sufficient: id=
--- upstream
    session_sticky accept=jvmroute;
    server 127.0.0.1:1985;
    server 127.0.0.1:1986 id=b;



=== one server with a name is sufficient: route=
--- upstream
    server 127.0.0.1:1985;
    server 127.0.0.1:1986 route=b backup;
    session_sticky mode=route lookup=$cookie_route accept=jvmroute;
