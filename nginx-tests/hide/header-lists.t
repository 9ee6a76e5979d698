# Hiding a cookie edits a field or copies the list of header fields: nothing else changes, with any number and length of
# fields, and nginx keeps no reference to the old list.
#
# The server answers with the fields it received. Sections of this file's own:
#   sent, got   the fields of a request, separated by |, and those the server must get, byte for byte; - means none
#   led         nginx redirects the request internally to the location that passes it, so that its list is copied

use Sticky;

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

sub lines { my ($fields) = @_; return $fields eq '-' ? '' : join '', map { "$_\r\n" } split / \| /, $fields }

add_block_preprocessor(sub {
    my ($block) = @_;
    if (defined $block->sent) {
        $block->set_value(http_more => 'upstream w { server 127.0.0.1:1990; session_sticky cookie=uid option=indirect; }');
        my $pass = 'proxy_pass http://w; proxy_http_version 1.0; proxy_set_header Host ""; proxy_set_header Connection close;';
        $block->set_value(config => defined $block->led
                          ? "location / { error_page 418 = \@w; return 418; }\nlocation \@w { $pass }\n" : "location / { $pass }\n");
        $block->set_value(raw_request => "GET / HTTP/1.0\r\n" . lines($block->sent) . "\r\n");
        $block->set_value(tcp_listen => 1990);
        $block->set_value(tcp_query => "GET / HTTP/1.0\r\nConnection: close\r\n" . lines($block->got) . "\r\n");
        $block->set_value(tcp_reply => "HTTP/1.0 200 OK\r\n\r\nseen\n");
        $block->set_value(response_body => "seen\n");
    }
    $block->set_value(http_config => $http . ($block->http_more // ''));
    $block->set_value(no_error_log => qr/\[(?:crit|alert|emerg)\]/);
});

visit_lines(path => '/');
run_tests();

__DATA__

=== other fields are kept in order, with their linked lists
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



=== many fields that are unknown to nginx
--- config
    location / { proxy_pass http://u; }
--- request
GET /
--- more_headers eval
CORE::join "\n", 'Cookie: uid=x; a=b', (map { "X-$_: $_" } 1 .. 40), 'X-Last: 2'
--- response_body_like: ^Cookie=\[a=b\] .* X-Last=\[2\] $



=== variables evaluated before the cookie was hidden are evaluated again
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



=== "if" with another upstream: the cookies of both are hidden
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



=== "if" with another protocol: the cookie of its upstream is hidden as well
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



=== hundreds of cookies among hundreds of other fields
--- config
    large_client_header_buffers 16 128k;
    location / { proxy_pass http://u; }
--- raw_request eval
my $fields = CORE::join '', map { "Cookie:\r\nVia: $_\r\nX: $_\r\n" } 1 .. 300;
"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: uid=x; a=b\r\n$fields\r\n"
--- error_code: 200
--- response_body_like: ^Cookie=\[a=b



=== a single Cookie field at any position: the server gets the other fields byte for byte
--- sent: Accept: */* | cookie: a=b; uid=x; c=d | X-Last: 2
--- got:  Accept: */* | cookie: a=b; c=d | X-Last: 2



=== a single Cookie field in first place
--- sent: Cookie: uid=x; c=d | X-First: 1 | X-Last: 2
--- got:  Cookie: c=d | X-First: 1 | X-Last: 2



=== a single Cookie field in last place
--- sent: X-First: 1 | X-Last: 2 | Cookie: c=d; uid=x
--- got:  X-First: 1 | X-Last: 2 | Cookie: c=d



=== a single Cookie field that becomes empty, in first place
--- sent: Cookie: uid=x | X-First: 1 | X-Last: 2
--- got:  X-First: 1 | X-Last: 2



=== a single Cookie field that becomes empty, between others
--- sent: X-First: 1 | Cookie: uid=x | X-Last: 2
--- got:  X-First: 1 | X-Last: 2



=== a single Cookie field that becomes empty, in last place
--- sent: X-First: 1 | X-Last: 2 | Cookie: uid=x
--- got:  X-First: 1 | X-Last: 2



=== a single Cookie field that becomes empty, without others
--- sent: Cookie: uid=x
--- got:  -



=== internal redirect: a single Cookie field between others
--- led
--- sent: Accept: */* | cookie: a=b; uid=x; c=d | X-Last: 2
--- got:  Accept: */* | cookie: a=b; c=d | X-Last: 2



=== internal redirect: a single Cookie field in first place
--- led
--- sent: Cookie: uid=x; c=d | X-First: 1 | X-Last: 2
--- got:  Cookie: c=d | X-First: 1 | X-Last: 2



=== internal redirect: a single Cookie field in last place
--- led
--- sent: X-First: 1 | X-Last: 2 | Cookie: c=d; uid=x
--- got:  X-First: 1 | X-Last: 2 | Cookie: c=d



=== internal redirect: a single Cookie field that becomes empty
--- led
--- sent: X-First: 1 | Cookie: uid=x | X-Last: 2
--- got:  X-First: 1 | X-Last: 2



=== internal redirect: many fields
--- config
    location / { error_page 418 = @u; return 418; }
    location @u { proxy_pass http://u; }
--- request
GET /
--- more_headers eval
CORE::join "\n", (map { "X-$_: $_" } 1 .. 40), 'Cookie: uid=x; a=b', 'X-Last: 2'
--- response_body_like: ^Cookie=\[a=b\] .* X-Last=\[2\] $



=== a field that another module removes from a subrequest is kept in the main request and other subrequests
--- config
    ssi on;
    location /page { proxy_pass http://w/page; }
    location /part { proxy_pass http://parts; }
--- http_more
upstream w { server 127.0.0.1:1988; session_sticky cookie=uid option=indirect; }
server {
    listen 127.0.0.1:1988;
    location = /page {
        default_type text/html;
        return 200 '<!--#include virtual="/part?remove=$arg_field" wait="yes" --><!--#include virtual="/part" -->';
    }
}
server {
    listen 127.0.0.1:1989;
    location /part { return 200 "[$http_x_first $http_cookie $http_x_last]\n"; }
}
upstream parts { server 127.0.0.1:1989; }
--- visits
/page?field=Cookie X-First: 1 | X-Last: 2 | a=b; uid=x -> says "[1  2]\n[1 a=b 2]\n"
/page?field=X-Last X-First: 1 | uid=x; a=b | X-Last: 2 -> says "[1 a=b ]\n[1 a=b 2]\n"
/page?field=X-Last X-First: 1 | uid=x | X-Last: 2 -> says "[1  ]\n[1  2]\n"



=== fields linked by name before and after the cookie is hidden
--- config
    recursive_error_pages on;
    location / { scgi_pass 127.0.0.1:1; error_page 502 = @hiding; }
    location @hiding { proxy_pass http://dead; error_page 502 = @w; }
    location @w { scgi_pass w; }
--- http_more
upstream dead { server 127.0.0.1:1; session_sticky cookie=uid option=indirect; }
upstream w { server 127.0.0.1:1990; session_sticky cookie=wid option=indirect; }
--- request
GET /
--- more_headers
X-Twice: a
X-Forwarded-For: 192.0.2.1
Cookie: wid=2; uid=1; a=b
X-Forwarded-For: 192.0.2.2
X-Twice: b
--- tcp_listen: 1990
--- tcp_query eval
qr/TWICE\0a, b\0.*FOR\x{0}192.0.2.1, 192.0.2.2\0.*KIE\0a=b\0/
--- tcp_reply eval
"Status: 200\r\n\r\nscgi\n"
--- response_body
scgi
--- skip_nginx
4: < 1.23.0
--- may_warn
TCP server: failed to accept
timeout when waiting for the process
