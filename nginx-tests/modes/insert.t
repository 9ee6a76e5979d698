# mode=insert: the format of the Set-Cookie field, and when it is sent.

use Sticky qw(Certificates);

our $certificate = certificate();

our $backends = servers(<<'_EOC_', qw(A B));
location / { return 200 "NAME cookie=[$http_cookie]\n"; }
location /status/204 { return 204; }
location /status/302 { return 302 http://elsewhere/; }
location /status/404 { return 404 "NAME has no such page\n"; }
location /status/500 { return 500 "NAME failed\n"; }
location /status/503 { return 503 "NAME is busy\n"; }
location /status/304 { return 304; }
location /sets {
    add_header Set-Cookie "latest=42";
    add_header Set-Cookie "test=of-NAME; Path=/app";
    add_header Set-Cookie "other=test=1";
    return 200 "NAME\n";
}
_EOC_

client_sections();
add_block_preprocessor(sub {
    my $block = shift;
    # The section "sticky" has the parameters of session_sticky in an upstream with A and B.
    my $http = $backends;
    $http .= "upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky "
             . $block->sticky . "; }\n" if defined $block->sticky;
    fill($block, $http);
    $block->set_value('http_config', $block->http_config
                                     =~ s/CERTIFICATE/ssl_certificate $certificate.pem; ssl_certificate_key $certificate.key;/gr);

    $block->set_value('config', "location /t/ { proxy_pass http://u/; }\n") if !defined $block->config;
    $block->set_value('request', 'GET /t/')
        if !defined $block->client && !defined $block->request && !defined $block->raw_request && !defined $block->pipelined_requests;
});

visit_lines(path => '/t/', answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== first visit: the minimal format is NAME=ID; Path=/
--- sticky:
--- response_headers
Set-Cookie: route=ID_A; Path=/
--- response_body_like: ^A



=== each client without a cookie gets the ID of the server that answered
--- sticky:
--- visits
-> A, sets "route=ID_A; Path=/"
-> B, sets "route=ID_B; Path=/"



=== a valid cookie: its server answers and nothing is set
--- sticky:
--- visits
route=ID_B -> B, sets nothing
route=ID_B -> B, sets nothing
route=ID_B -> B, sets nothing



=== the next request on the same connection
--- sticky:
--- pipelined_requests eval
["GET /t/", "GET /t/", "GET /t/"]
--- more_headers eval
["", "Cookie: route=ID_A", "Cookie: route=ID_A"]
--- response_headers eval
["Set-Cookie: route=ID_A; Path=/", "!Set-Cookie", "!Set-Cookie"]
--- response_body_like eval
["^A", "^A", "^A"]



=== the name and all attributes, in order
--- sticky: cookie=SID domain=.taobao.com path=/app maxage=120 secure httponly samesite=lax partitioned
--- response_headers_like
Set-Cookie: SID=ID_A; Domain=\.taobao\.com; Path=/app; Max-Age=120; Expires=DATE+120; Secure; HttpOnly; SameSite=Lax; Partitioned



=== domain without a leading dot
--- sticky: domain=www.xxx.com
--- response_headers
Set-Cookie: route=ID_A; Domain=www.xxx.com; Path=/



=== maxage in nginx's syntax is sent in seconds
--- sticky: maxage=1h30m
--- response_headers_like
Set-Cookie: route=ID_A; Path=/; Max-Age=5400; Expires=DATE+5400



=== secure
--- sticky: secure
--- response_headers
Set-Cookie: route=ID_A; Path=/; Secure



=== secure=auto on plain HTTP: no Secure
--- sticky: secure=auto
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== secure=auto on TLS: Secure
--- sticky: secure=auto
--- http_config
    server {
        listen 127.0.0.1:1990 ssl;
        CERTIFICATE
        location / { proxy_pass http://u; }
    }
--- config
location /t/ { proxy_pass https://127.0.0.1:1990/; proxy_ssl_session_reuse off; }
--- response_headers
Set-Cookie: route=ID_A; Path=/; Secure



=== httponly
--- sticky: httponly
--- response_headers
Set-Cookie: route=ID_A; Path=/; HttpOnly



=== samesite=strict
--- sticky: samesite=strict
--- response_headers
Set-Cookie: route=ID_A; Path=/; SameSite=Strict



=== samesite=none with secure
--- sticky: secure samesite=none
--- response_headers
Set-Cookie: route=ID_A; Path=/; Secure; SameSite=None



=== samesite=$variable is evaluated for each request; an invalid value means Strict, an empty one no attribute
--- sticky: samesite=$arg_s
--- visits
/t/?s=lax -> sets "route=ID_A; Path=/; SameSite=Lax"
/t/?s=None -> sets "route=ID_B; Path=/; SameSite=None"
/t/?s=loose -> sets "route=ID_A; Path=/; SameSite=Strict"
-> sets "route=ID_B; Path=/"



=== domain= with a variable is evaluated for each request; an empty value is omitted
--- sticky: domain=$arg_d maxage=60 secure
--- visits
/t/?d=.example.com -> sets like "route=ID_A; Domain=\.example\.com; Path=/; Max-Age=60; Expires=DATE+60; Secure"
/t/?d=a_b-1.test -> sets like "route=ID_B; Domain=a_b-1\.test; Path=/; Max-Age=60; Expires=DATE+60; Secure"
-> sets like "route=ID_A; Path=/; Max-Age=60; Expires=DATE+60; Secure"



=== domain= with a variable that is not a host name adds nothing
--- sticky: domain=$http_x_domain
--- visits
X-Domain: a;Secure -> sets "route=ID_A; Path=/"
X-Domain: [::1] -> sets "route=ID_B; Path=/"
X-Domain: a b -> sets "route=ID_A; Path=/"
X-Domain: a..b -> sets "route=ID_B; Path=/"
--- error_log
[error]
of cookie "route" is not a valid host name, the cookie is set without it
--- no_error_log
[alert]
[emerg]



=== domain= with a variable within text
--- sticky: domain=.$arg_d.test
--- visits
/t/?d=a -> sets "route=ID_A; Domain=.a.test; Path=/"
-> sets "route=ID_B; Path=/"
--- no_error_log
[alert]
[emerg]



=== attr= adds any other attribute, and may be repeated
--- sticky: attr=Priority=High attr=X-Mine
--- response_headers
Set-Cookie: route=ID_A; Path=/; Priority=High; X-Mine



=== __Host- and __Secure- names
--- http_config
    upstream host { server 127.0.0.1:1985; session_sticky cookie=__Host-s secure; }
    upstream secure { server 127.0.0.1:1985; session_sticky cookie=__Secure-s secure path=/app; }
--- config
    location /host/ { proxy_pass http://host/; }
    location /secure/ { proxy_pass http://secure/; }
--- visits
/host/ -> sets "__Host-s=ID_A; Path=/; Secure"
/secure/ -> sets "__Secure-s=ID_A; Path=/app; Secure"



=== maxidle: the value contains both timestamps
--- sticky: maxidle=30
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== maxlife: the value contains both timestamps
--- sticky: maxlife=30
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== maxage works together with maxidle and maxlife
--- sticky: maxage=120 maxidle=40 maxlife=60
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/; Max-Age=120; Expires=DATE+120



=== return visit: the time of the last request is renewed, that of the first is kept
--- sticky: maxidle=1h
--- more_headers
Cookie: route=ID_B|NOW-100|NOW-5000
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|NOW-5000; Path=/
--- response_body_like: ^B



=== return visit with maxlife only: the same
--- sticky: maxlife=2h
--- more_headers
Cookie: route=ID_B|NOW-100|NOW-5000
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|NOW-5000; Path=/
--- response_body_like: ^B



=== return visit within the same second: the timestamps do not change, so nothing is set
--- sticky: maxidle=1h
--- client
my $id = id('B');
my ($unchanged, $needless);
for (1 .. 40) {
    my $now = time;
    my $response = visit('/t/', "route=$id|$now|$now");
    $unchanged = 1 if status($response) == 200 && set($response) eq '';
    $needless = 1 if set($response) =~ /^route=$id\|$now\|/;
    last if $unchanged || $needless;
    select(undef, undef, undef, 0.05);
}
holds($unchanged, 'a cookie of the current second is left alone');
holds(!$needless, 'no cookie with an unchanged value is set');



=== a cookie without timestamps is still accepted with maxidle, and gets timestamps
--- sticky: maxidle=30
--- more_headers
Cookie: route=ID_B
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|STAMP; Path=/
--- response_body_like: ^B



=== an expired session: it is load-balanced and both timestamps start over
--- sticky: maxidle=30
--- more_headers
Cookie: route=ID_B|NOW-100|NOW-200
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/
--- response_body_like: ^A



=== a cookie with an unknown ID is replaced
--- sticky:
--- more_headers
Cookie: route=0123456789abcdef0123456789abcdef
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== the cookie has the ID of the server that answered, not of the one that failed
--- http_config
    upstream u { server 127.0.0.1:1999; server 127.0.0.1:1986; session_sticky; }
--- response_headers
Set-Cookie: route=ID_B; Path=/
--- response_body_like: ^B



=== a cookie for an unreachable server: it is replaced by one for the server that answered
--- http_config
    upstream u { server 127.0.0.1:1985; server 127.0.0.1:1999; session_sticky hash=plain; }
--- more_headers
Cookie: route=127.0.0.1:1999
--- response_headers
Set-Cookie: route=127.0.0.1:1985; Path=/
--- response_body_like: ^A



=== indirect: a Set-Cookie field of exactly that name is replaced, all others are kept
--- sticky: cookie=test option=indirect
--- request
GET /t/sets
--- raw_response_headers_like
(?ms)^(?=.*^Set-Cookie: latest=42\r$)(?=.*^Set-Cookie: other=test=1\r$)(?=.*^Set-Cookie: test=ID_A; Path=/\r$)
--- raw_response_headers_unlike
(?ms)of-A|/app|(?:^Set-Cookie: test=.*){2}|(?:^Set-Cookie: .*){4}



=== indirect, return visit: the server's own cookie of that name is not sent to the client
--- sticky: cookie=test option=indirect
--- request
GET /t/sets
--- more_headers
Cookie: test=ID_B
--- raw_response_headers_like
(?ms)^(?=.*^Set-Cookie: latest=42\r$)(?=.*^Set-Cookie: other=test=1\r$)(?=.*^Set-Cookie: test=ID_B; Path=/\r$)
--- raw_response_headers_unlike
of-B
--- response_body_like: ^B



=== indirect: without such a Set-Cookie field, the module's cookie is added
--- sticky: cookie=test option=indirect
--- response_headers
Set-Cookie: test=ID_A; Path=/



=== direct: the server's own cookie of that name is kept
--- sticky: cookie=test option=direct
--- request
GET /t/sets
--- raw_response_headers_like
(?ms)^(?=.*^Set-Cookie: latest=42\r$)(?=.*^Set-Cookie: test=of-A; Path=/app\r$)(?=.*^Set-Cookie: test=ID_A; Path=/\r$)



=== direct, return visit: the server's own cookies are kept and no cookie is added
--- sticky: cookie=test
--- request
GET /t/sets
--- more_headers
Cookie: test=ID_B
--- response_headers
Set-Cookie: latest=42, test=of-B; Path=/app, other=test=1



=== direct is the default: the server sees the cookie
--- sticky:
--- more_headers
Cookie: route=ID_B
--- response_body eval
"B cookie=[route=" . Digest::MD5::md5_hex('127.0.0.1:1986') . "]\n"



=== proxy_hide_header hides the server's cookies, not the module's
--- sticky: cookie=test
--- config
location /t/ { proxy_pass http://u/; proxy_hide_header Set-Cookie; }
--- request
GET /t/sets
--- response_headers
Set-Cookie: test=ID_A; Path=/



=== add_header Set-Cookie is sent in addition to the module's cookie
--- sticky:
--- config
location /t/ { proxy_pass http://u/; add_header Set-Cookie mine=1; }
--- raw_response_headers_like
(?ms)^(?=.*^Set-Cookie: mine=1\r$)(?=.*^Set-Cookie: route=ID_A; Path=/\r$)



=== responses with any status set the cookie: 204, 302
--- sticky:
--- visits
/t/status/204 -> 204, sets "route=ID_A; Path=/"
/t/status/302 -> 302, sets "route=ID_B; Path=/"



=== responses with any status set the cookie: 304
--- sticky:
--- request
GET /t/status/304
--- error_code: 304
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== responses with any status set the cookie: 404
--- sticky:
--- request
GET /t/status/404
--- error_code: 404
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== responses with any status set the cookie: 500
--- sticky:
--- request
GET /t/status/500
--- error_code: 500
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== responses with any status set the cookie: 503
--- sticky:
--- request
GET /t/status/503
--- error_code: 503
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== if several servers fail, the cookie has the ID of the last one
--- sticky:
--- config
location /t/ { proxy_pass http://u/; proxy_next_upstream http_503; }
--- request
GET /t/status/503
--- error_code: 503
--- response_headers
Set-Cookie: route=ID_B; Path=/
--- response_body
B is busy



=== HEAD
--- sticky:
--- request
HEAD /t/
--- response_headers
Set-Cookie: route=ID_A; Path=/
--- response_body:



=== POST
--- sticky:
--- request
POST /t/
some=body
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== HTTP/1.0
--- sticky:
--- request
GET /t/ HTTP/1.0
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== HTTP/1.0, return visit
--- sticky:
--- request
GET /t/ HTTP/1.0
--- more_headers
Cookie: route=ID_B
--- response_headers
!Set-Cookie
--- response_body_like: ^B



=== a chunked response
--- http_config
    upstream u { server 127.0.0.1:1991; session_sticky hash=plain; }
--- config
location /t/ { proxy_pass http://u/; proxy_http_version 1.1; }
--- tcp_listen: 1991
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
--- response_headers
Set-Cookie: route=127.0.0.1:1991; Path=/
Transfer-Encoding: chunked
--- response_body chomp
hello world



=== a response without proxy_buffering
--- sticky:
--- config
location /t/ { proxy_pass http://u/; proxy_buffering off; }
--- response_headers
Set-Cookie: route=ID_A; Path=/
--- response_body_like: ^A



=== 101 Switching Protocols, first visit
--- http_config
    upstream u { server 127.0.0.1:1991; session_sticky hash=plain; }
--- config
    location /t/ {
        proxy_pass http://u/;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
    }
--- tcp_listen: 1991
--- tcp_reply eval
"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x05hello"
--- more_headers
Upgrade: websocket
Connection: upgrade
--- error_code: 101
--- response_headers
Set-Cookie: route=127.0.0.1:1991; Path=/
Upgrade: websocket
--- response_body eval
"\x81\x05hello"



=== 101 Switching Protocols, return visit
--- http_config
    upstream u { server 127.0.0.1:1985; server 127.0.0.1:1991; session_sticky hash=plain; }
--- config
    location /t/ {
        proxy_pass http://u/;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
    }
--- tcp_listen: 1991
--- tcp_reply eval
"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x05hello"
--- more_headers
Cookie: route=127.0.0.1:1991
Upgrade: websocket
Connection: upgrade
--- error_code: 101
--- response_headers
!Set-Cookie
--- response_body eval
"\x81\x05hello"
