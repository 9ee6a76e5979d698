# Responses that nginx makes itself set nothing; those that it hands on inside keep what they earned.

use Sticky qw(Caches);
use IO::Socket::INET;

# 127.0.0.1:1998 accepts connections and never answers, 127.0.0.1:1999 refuses them.

our $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 1998, Listen => 64, ReuseAddr => 1)
    or bail_out("cannot listen on 127.0.0.1:1998: $!");

my $big = 'x' x 1500;
our $http_config = servers(<<'_EOC_' =~ s/BIG/$big/r, qw(A B C));
location / { return 200 "NAME $uri cookie=[$http_cookie]\n"; }
location /sets { add_header Set-Cookie "test=abc; Path=/app"; return 200 "NAME\n"; }
location /cacheable {
    add_header Cache-Control max-age=60;
    add_header ETag '"1"';
    add_header Last-Modified "Sun, 06 Nov 1994 08:49:37 GMT";
    return 200 "NAME\n";
}
location /confirmed {
    add_header Cache-Control max-age=1;
    add_header ETag '"1"';
    if ($http_if_none_match) { return 304; }
    return 200 "NAME\n";
}
location /briefly { add_header Cache-Control max-age=1; return 200 "NAME\n"; }
location /once {
    add_header Cache-Control max-age=1;
    if ($http_x_fail) { return 500; }
    return 200 "NAME\n";
}
location /404 { return 404 "NAME has no such page\n"; }
location /503 { return 503 "NAME is busy\n"; }
location /too-big { add_header X-Big "BIG"; return 200 "NAME\n"; }
location /accel { add_header X-Accel-Redirect /inside; return 200; }
location /accel-other { add_header X-Accel-Redirect /other; return 200; }
location /accel-plain { add_header X-Accel-Redirect /plain; return 200; }
location /accel-file { add_header X-Accel-Redirect /file.txt; return 200; }
location /accel-sets {
    add_header X-Accel-Redirect /inside;
    add_header Set-Cookie "mytest=1";
    add_header Set-Cookie "test=abc; Path=/app";
    return 200;
}
_EOC_

$http_config .= <<'_EOC_';
    upstream u         { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
    upstream hiding    { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky option=indirect; }
    upstream stamping  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky maxidle=1h; }
    upstream rewriting { server 127.0.0.1:1985; session_sticky cookie=test mode=rewrite; }
    upstream prefixing { server 127.0.0.1:1985; session_sticky cookie=test mode=prefix; }
    upstream other     { server 127.0.0.1:1987; session_sticky cookie=other; }
    upstream plain     { server 127.0.0.1:1987; }
    upstream dead      { server 127.0.0.1:1999; session_sticky; }
    upstream mute      { server 127.0.0.1:1998; session_sticky; }
    upstream half      { server 127.0.0.1:1985; server 127.0.0.1:1999; session_sticky hash=plain fallback=off; }
_EOC_

add_block_preprocessor(sub {
    my $block = shift;
    my ($config, $cache) = own_cache($block->config);
    $block->set_value('config', $config);
    fill($block, $cache . $http_config);
    $block->set_value('no_error_log', "[alert]\n[crit]\n[emerg]\n") if !defined $block->no_error_log;
});

visit_lines(path => '/t/');
run_tests();

__DATA__

=== 502, all servers dead
--- config
location /t/ { proxy_pass http://dead/; }
--- request
GET /t/
--- error_code: 502
--- response_headers
!Set-Cookie



=== 502, fallback=off and the bound server dead
--- config
location /t/ { proxy_pass http://half/; }
--- request
GET /t/
--- more_headers
Cookie: route=127.0.0.1:1999
--- error_code: 502
--- response_headers
!Set-Cookie



=== 502, fallback=off and the id unknown
--- config
location /t/ { proxy_pass http://half/; }
--- request
GET /t/
--- more_headers
Cookie: route=nobody
--- error_code: 502
--- response_headers
!Set-Cookie



=== 502, a header that does not fit the buffer
--- config
location /t/ { proxy_pass http://u/; proxy_buffer_size 1k; }
--- request
GET /t/too-big
--- error_code: 502
--- response_headers
!Set-Cookie



=== 504, a server that never answers
--- config
location /t/ { proxy_pass http://mute/; proxy_read_timeout 200ms; }
--- request
GET /t/
--- error_code: 504
--- response_headers
!Set-Cookie



=== 502 with an error_page of a local file
--- config
    location /t/ { proxy_pass http://dead/; error_page 502 /sorry.txt; }
    location = /sorry.txt { root html; }
--- user_files
>>> sorry.txt
sorry
--- request
GET /t/
--- error_code: 502
--- response_headers
!Set-Cookie
--- response_body
sorry



=== 502 with an error_page of another sticky upstream: that one's cookie
--- config
    location /t/ { proxy_pass http://dead/; error_page 502 = @other; }
    location @other { proxy_pass http://other; }
--- request
GET /t/
--- response_headers
Set-Cookie: other=ID_C; Path=/
--- response_body_like: ^C



=== 504 with an error_page of an upstream without session_sticky
--- config
    location /t/ { proxy_pass http://mute/; proxy_read_timeout 200ms; error_page 504 = @plain; }
    location @plain { proxy_pass http://plain; }
--- request
GET /t/
--- response_headers
!Set-Cookie
--- response_body_like: ^C



=== return, in a location that hides
--- config
location /t/ { session_sticky_hide_cookie upstream=hiding; return 200 "mine\n"; }
--- visits
-> says "mine\n", sets nothing
a=b; route=x; c=d -> says "mine\n", sets nothing



=== return, in a location that would proxy
--- config
location /t/ { if ($arg_away) { return 302 /away; } proxy_pass http://u; }
--- request
GET /t/?away=1
--- more_headers
Cookie: route=ID_B
--- error_code: 302
--- response_headers
!Set-Cookie



=== a local file under a server-level hide directive
--- config
    session_sticky_hide_cookie upstream=hiding;
    location /file.txt { root html; }
--- user_files
>>> file.txt
mine
--- visits
/file.txt -> sets nothing
/file.txt route=nobody -> sets nothing
/missing.txt route=nobody -> 404, sets nothing



=== an upstream without session_sticky, under a hide directive
--- config
location /t/ { session_sticky_hide_cookie upstream=hiding; proxy_pass http://plain/; }
--- request
GET /t/
--- more_headers
Cookie: a=b; route=ID_A
--- response_headers
!Set-Cookie
--- response_body
C / cookie=[a=b]



=== access refused in a sticky location
--- config
location /t/ { deny all; proxy_pass http://u/; }
--- request
GET /t/
--- more_headers
Cookie: route=ID_B
--- error_code: 403
--- response_headers
!Set-Cookie



=== a body too large for a sticky location
--- config
location /t/ { client_max_body_size 1; proxy_pass http://u/; }
--- request
POST /t/
more than one byte
--- error_code: 413
--- response_headers
!Set-Cookie



=== cached hit: the miss earns a cookie, hits set nothing and the cookie is not stored for others
--- config
location /t/ { proxy_pass http://u/; proxy_cache cached; add_header X-Cache $upstream_cache_status; }
--- visits
/t/cacheable -> says "A\n", X-Cache "MISS", sets "route=ID_A; Path=/"
/t/cacheable -> says "A\n", X-Cache "HIT", sets nothing
/t/cacheable route=ID_B -> says "A\n", X-Cache "HIT", sets nothing
/t/cacheable route=nobody -> says "A\n", X-Cache "HIT", sets nothing



=== cached hit where the cookie is hidden, by itself
--- config
location /t/ { proxy_pass http://hiding/; proxy_cache cached; add_header X-Cache $upstream_cache_status; }
--- visits
/t/cacheable -> X-Cache "MISS", sets "route=ID_A; Path=/"
/t/cacheable -> X-Cache "HIT", sets nothing
/t/cacheable route=ID_A -> X-Cache "HIT", sets nothing



=== cached hit where the cookie is hidden, by the directive
--- config
    location /t/ {
        session_sticky_hide_cookie upstream=hiding;
        proxy_pass http://hiding/;
        proxy_cache cached;
        add_header X-Cache $upstream_cache_status;
    }
--- visits
/t/cacheable -> X-Cache "MISS", sets "route=ID_A; Path=/"
/t/cacheable -> X-Cache "HIT", sets nothing
/t/cacheable route=ID_A -> X-Cache "HIT", sets nothing



=== cached hit where stamps would be renewed
--- config
location /t/ { proxy_pass http://stamping/; proxy_cache cached; add_header X-Cache $upstream_cache_status; }
--- visits
/t/cacheable -> header like "X-Cache: MISS", header unlike "route=;"
/t/cacheable route=ID_A|NOW-60|NOW-60 -> header like "X-Cache: HIT", header unlike "Set-Cookie"



=== cached miss of a client that is bound already: nothing is set, its server answers
--- config
location /t/ { proxy_pass http://u/; proxy_cache cached; add_header X-Cache $upstream_cache_status; }
--- request
GET /t/cacheable
--- more_headers
Cookie: route=ID_B
--- response_headers
X-Cache: MISS
!Set-Cookie
--- response_body
B



=== 304 from the cache
--- config
location /t/ { proxy_pass http://u/; proxy_cache cached; add_header X-Cache $upstream_cache_status always; }
--- visits
/t/cacheable -> X-Cache "MISS", sets "route=ID_A; Path=/"
/t/cacheable If-None-Match: "1" | If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT -> 304, X-Cache "HIT", sets nothing



=== a stale answer from the cache, its server being dead
--- config
    location /t/ {
        proxy_pass http://$arg_u/briefly;
        proxy_cache cached;
        proxy_cache_key static;
        proxy_cache_use_stale error;
        add_header X-Cache $upstream_cache_status;
    }
--- visits
/t/?u=u -> says "A\n", X-Cache "MISS", sets "route=ID_A; Path=/"
/t/?u=dead -> says "A\n", X-Cache "STALE", sets nothing
--- wait: 2.1



=== a stale answer from the cache in place of a server's error
--- config
    location /t/ {
        proxy_pass http://u/;
        proxy_cache cached;
        proxy_cache_use_stale http_500;
        proxy_set_header X-Fail $arg_fail;
        proxy_cache_key $uri;
        add_header X-Cache $upstream_cache_status;
    }
--- visits
/t/once -> says "A\n", X-Cache "MISS", sets "route=ID_A; Path=/"
/t/once?fail=1 -> says "A\n", X-Cache "STALE", sets nothing
--- wait: 2.1



=== an answer from the cache that a server has confirmed: the server that did, or nothing
--- config
    location /t/ {
        proxy_pass http://u/;
        proxy_cache cached;
        proxy_cache_revalidate on;
        add_header X-Cache $upstream_cache_status;
    }
--- visits
/t/confirmed -> says "A\n", header like "X-Cache: MISS\r\n", header unlike "Set-Cookie: (?!route=ID_A; Path=/\r)"
/t/confirmed -> says "A\n", header like "X-Cache: REVALIDATED\r\n", header unlike "Set-Cookie: (?!route=ID_B; Path=/\r)"
--- wait: 2.1



=== the answers of included parts set nothing
--- config
    location = /page { ssi on; ssi_types *; root html; }
    location = /part { proxy_pass http://u/; }
--- user_files
>>> page
[<!--#include virtual="/part" -->]
--- request
GET /page
--- response_headers
!Set-Cookie
--- response_body_like: ^\[A



=== X-Accel-Redirect to a local answer keeps the cookie
--- config
    location /t/ { proxy_pass http://u/; }
    location /inside { internal; return 200 "inside\n"; }
--- request
GET /t/accel
--- response_headers
Set-Cookie: route=ID_A; Path=/
--- response_body
inside



=== X-Accel-Redirect to a local file keeps the cookie
--- config
    location /t/ { proxy_pass http://u/; }
    location /file.txt { internal; root html; }
--- user_files
>>> file.txt
a file
--- request
GET /t/accel-file
--- response_headers
Set-Cookie: route=ID_A; Path=/
--- response_body
a file



=== X-Accel-Redirect for a client that is bound already sets nothing
--- config
    location /t/ { proxy_pass http://u/; }
    location /inside { internal; return 200 "inside\n"; }
--- request
GET /t/accel
--- more_headers
Cookie: route=ID_B
--- response_headers
!Set-Cookie



=== X-Accel-Redirect to an upstream without session_sticky keeps the cookie
--- config
    location /t/ { proxy_pass http://u/; }
    location /plain { internal; proxy_pass http://plain; }
--- request
GET /t/accel-plain
--- response_headers
Set-Cookie: route=ID_A; Path=/
--- response_body_like: ^C



=== X-Accel-Redirect to what the cache has keeps the cookie
--- config
    location /t/ { proxy_pass http://u/; }
    location /plain { internal; proxy_pass http://plain/cacheable; proxy_cache cached; add_header X-Cache $upstream_cache_status; }
--- visits
/t/accel-plain -> says "C\n", X-Cache "MISS", sets "route=ID_A; Path=/"
/t/accel-plain -> says "C\n", X-Cache "HIT", sets "route=ID_B; Path=/"



=== X-Accel-Redirect to another sticky upstream: both cookies
--- config
    location /t/ { proxy_pass http://u/; }
    location /other { internal; proxy_pass http://other; }
--- request
GET /t/accel-other
--- response_headers
Set-Cookie: other=ID_C; Path=/, route=ID_A; Path=/
--- response_body_like: ^C



=== X-Accel-Redirect, mode=rewrite: the server's cookie is rewritten all the same
--- config
    location /t/ { proxy_pass http://rewriting/; }
    location /inside { internal; return 200 "inside\n"; }
--- request
GET /t/accel-sets
--- response_headers
Set-Cookie: mytest=1, test=ID_A; Path=/app
--- response_body
inside



=== X-Accel-Redirect, mode=prefix: the server's cookie is prefixed all the same
--- config
    location /t/ { proxy_pass http://prefixing/; }
    location /inside { internal; return 200 "inside\n"; }
--- request
GET /t/accel-sets
--- response_headers
Set-Cookie: mytest=1, test=ID_A~abc; Path=/app
--- response_body
inside



=== X-Accel-Redirect under a server-level hide directive keeps the cookie
--- config
    session_sticky_hide_cookie upstream=hiding;
    location /t/ { proxy_pass http://hiding/; }
    location /inside { internal; return 200 "inside\n"; }
--- request
GET /t/accel
--- more_headers
Cookie: a=b; route=nobody
--- response_headers
Set-Cookie: route=ID_A; Path=/
--- response_body
inside



=== proxy_intercept_errors and error_page keep the cookie
--- config
    location /t/ { proxy_pass http://u/; proxy_intercept_errors on; error_page 404 503 /sorry; }
    location = /sorry { internal; return 200 "sorry\n"; }
--- visits
/t/404 -> 404, says "sorry\n", sets "route=ID_A; Path=/"
/t/503 -> 503, says "sorry\n", sets "route=ID_B; Path=/"



=== proxy_intercept_errors without a page of our own keeps the cookie
--- config
location /t/ { proxy_pass http://u/; proxy_intercept_errors on; error_page 404 /nowhere; }
--- request
GET /t/404
--- error_code: 404
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== proxy_intercept_errors, page of an upstream without session_sticky: keeps the cookie
--- config
    location /t/ { proxy_pass http://u/; proxy_intercept_errors on; error_page 404 = @plain; }
    location @plain { rewrite ^ /sorry break; proxy_pass http://plain; }
--- request
GET /t/404
--- response_headers
Set-Cookie: route=ID_A; Path=/
--- response_body_like: ^C /sorry



=== proxy_intercept_errors, page of another sticky upstream: both cookies
--- config
    location /t/ { proxy_pass http://u/; proxy_intercept_errors on; error_page 404 = /sorry; }
    location = /sorry { internal; proxy_pass http://other; }
--- request
GET /t/404
--- response_headers
Set-Cookie: other=ID_C; Path=/, route=ID_A; Path=/
--- response_body_like: ^C /sorry



=== proxy_intercept_errors for a client that is bound already sets nothing
--- config
    location /t/ { proxy_pass http://u/; proxy_intercept_errors on; error_page 404 /sorry; }
    location = /sorry { internal; return 200 "sorry\n"; }
--- request
GET /t/404
--- more_headers
Cookie: route=ID_B
--- error_code: 404
--- response_headers
!Set-Cookie



=== an error_page of nginx's own 403 that a sticky upstream serves earns its cookie
--- config
    location /t/ { deny all; error_page 403 = /other; }
    location = /other { internal; proxy_pass http://other; }
--- request
GET /t/
--- response_headers
Set-Cookie: other=ID_C; Path=/
