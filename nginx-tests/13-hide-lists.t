# Hiding makes a list of header fields of the request's own: nothing else in it changes, whatever its length, and
# nothing remembers the old one.
#
# The backend answers with the fields that it got.

use strict;
use warnings;

use Test::Nginx::Socket 'no_plan';

my $sees = join '', map { "$_=[\$http_" . lc($_ =~ tr/-/_/r) . "] " } qw(Cookie X-First X-Forwarded-For Via X-Last);

our $http = <<"_EOC_";
upstream u { server 127.0.0.1:1985; session_sticky cookie=uid option=indirect; }
upstream v { server 127.0.0.1:1985; session_sticky cookie=vid option=indirect; }
server {
    listen 127.0.0.1:1985;
    large_client_header_buffers 16 128k;
    location / { return 200 "$sees\\n"; }
}
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => $http . ($block->http_more // ''));
    $block->set_value(no_error_log => qr/\[(?:crit|alert|emerg)\]/);
});

no_long_string();
no_shuffle();
no_root_location();
run_tests();

__DATA__

=== the other fields stay, in order, with their chains
--- config
    location / { proxy_pass http://u; }
--- request
GET /
--- more_headers
X-First: 1
X-Forwarded-For: 192.0.2.1
Via: a
Cookie: a=b; uid=x
X-Forwarded-For: 192.0.2.2
Cookie: uid=y
Via: b
Cookie: c=d
X-Last: 2
--- response_body_like eval
qr/^Cookie=\[a=b; c=d\] X-First=\[1\] X-Forwarded-For=\[192.0.2.1, 192.0.2.2\] Via=\[a(?:, b)?\] X-Last=\[2\] $/



=== many fields with names that nginx does not know
--- config
    location / { proxy_pass http://u; }
--- request
GET /
--- more_headers eval
CORE::join "\n", 'Cookie: uid=x; a=b', (map { "X-$_: $_" } 1 .. 40), 'X-Last: 2'
--- response_body_like: ^Cookie=\[a=b\] .* X-Last=\[2\] $



=== what was evaluated before the cookie was hidden is forgotten
--- config
    location / {
        set $early "$http_cookie,$cookie_uid";
        proxy_set_header Cookie $http_cookie;
        proxy_set_header X-First "$cookie_uid";
        proxy_pass http://u;
    }
--- request
GET /
--- more_headers
Cookie: uid=x; a=b
--- response_body_like: ^Cookie=\[a=b\] X-First=\[\] 



=== an if with another upstream: hidden from both
--- config
    location / {
        proxy_pass http://u;
        if ($arg_v) { proxy_pass http://v; }
    }
--- request
GET /?v=1
--- more_headers
Cookie: vid=2; a=b
--- response_body_like: ^Cookie=\[a=b\]



=== an if that passes with another protocol: the cookie of its upstream is hidden as well
--- config
    location / {
        proxy_pass http://u;
        if ($arg_v) { scgi_pass w; }
    }
--- http_more
upstream w { server 127.0.0.1:1990; session_sticky cookie=wid option=indirect; }
--- request
GET /?v=1
--- more_headers
Cookie: wid=2; uid=1; a=b
--- tcp_listen: 1990
--- tcp_query eval: qr/HTTP_COOKIE\0a=b\0/
--- tcp_reply eval
"Status: 200\r\n\r\nscgi\n"
--- response_body
scgi



=== hundreds of cookies among hundreds of other fields cost what they hold
--- config
    large_client_header_buffers 16 128k;
    location / { proxy_pass http://u; }
--- raw_request eval
my $fields = CORE::join '', map { "Cookie:\r\nVia: $_\r\nX: $_\r\n" } 1 .. 300;
"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: uid=x; a=b\r\n$fields\r\n"
--- error_code: 200
--- response_body_like: ^Cookie=\[a=b
