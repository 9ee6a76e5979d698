# nocache: a response that sets the cookie, or whose own cookie gets an ID, is marked as not to be stored by shared
# caches. What it specifies for browsers is unchanged.
#
# Servers send the Cache-Control fields requested in X-CC and X-CC2, and set the cookie in X-Sets; /500 responds with that
# status. Round robin alternates between A and B.

use Sticky qw(Caches);

our $http = servers(<<'_EOC_') . <<'_EOC_';
add_header Cache-Control $http_x_cc always;
add_header Cache-Control $http_x_cc2 always;
add_header Set-Cookie $http_x_sets always;
location / { return 200 "NAME\n"; }
location /204 { return 204; }
location /301 { return 301 http://elsewhere/; }
location /304 { return 304; }
location /404 { return 404 "NAME has no such page\n"; }
location /500 { return 500 "NAME failed\n"; }
location /accel { add_header X-Accel-Redirect /plain; add_header Cache-Control $http_x_accel; return 200; }
_EOC_
    upstream u       { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky nocache; }
    upstream stamps  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky nocache maxidle=1h refresh=10m; }
    upstream prefix  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky nocache cookie=app mode=prefix; }
    upstream rewrite { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky nocache cookie=app mode=rewrite; }
    upstream hides   { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky nocache cookie=app option=indirect; }
    upstream moves   { server 127.0.0.1:1985; server 127.0.0.1:1999 down; session_sticky nocache cookie=moves hash=plain; }
    upstream without { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=without; }
    upstream off     { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky nocache if=$arg_on; }
    upstream keeps   { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky nocache cookie=app preserve; }
    upstream post    { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky nocache postonly; }
_EOC_

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my ($config, $cache) = own_cache($block->config // '');
    my @upstreams = map { my ($name) = $_; $config =~ m{location /$name/} ? () : $name }
        qw(u stamps prefix rewrite hides moves without off keeps post);
    $block->set_value(config => $config . join '', map { "location /$_/ { proxy_pass http://$_/; }\n" } @upstreams);
    fill($block, $cache . $http);
});

run_tests();

__DATA__

=== the application's Cache-Control, and the result
--- visits
/u/ -> sets "route=ID_A; Path=/", Cache-Control "private"
/u/ X-CC: public -> sets "route=ID_B; Path=/", Cache-Control "private"
/u/ X-CC: max-age=60 -> Cache-Control "max-age=60, private"
/u/ X-CC: public, max-age=60 -> Cache-Control "max-age=60, private"
/u/ X-CC: max-age=60, s-maxage=600, proxy-revalidate, must-revalidate -> Cache-Control "max-age=60, must-revalidate, private"
/u/ X-CC: s-maxage=600 -> Cache-Control "private"
/u/ X-CC: no-cache -> Cache-Control "no-cache, private"
/u/ X-CC: no-store -> Cache-Control "no-store, private"
/u/ X-CC: no-store, public -> Cache-Control "no-store, private"
/u/ X-CC: private -> Cache-Control "private"
/u/ X-CC: private,  max-age=60 -> Cache-Control "max-age=60, private"
/u/ X-CC: immutable, stale-while-revalidate=30 -> Cache-Control "immutable, stale-while-revalidate=30, private"
/u/ X-CC: something-new="a, b" -> Cache-Control "something-new=\"a, b\", private"



=== private for some fields only does not prevent caching
--- visits
/u/ X-CC: private="x" -> Cache-Control "private"
/u/ X-CC: private="Set-Cookie, X-Mine", max-age=60 -> Cache-Control "max-age=60, private"
/u/ X-CC: no-cache="Set-Cookie, private", max-age=60 -> Cache-Control "no-cache=\"Set-Cookie, private\", max-age=60, private"
/u/ X-CC: extension="no-store" -> Cache-Control "extension=\"no-store\", private"
/u/ X-CC: extension="a\", private" -> Cache-Control "extension=\"a\\\", private\", private"



=== case and white space
--- visits
/u/ X-CC: PUBLIC, Max-Age=60 -> Cache-Control "Max-Age=60, private"
/u/ X-CC: Private -> Cache-Control "private"
/u/ X-CC: NO-STORE -> Cache-Control "NO-STORE, private"
/u/ X-CC: , public ,, S-MaxAge = 9 , -> Cache-Control "private"
/u/ X-CC: max-age=60	,	public -> Cache-Control "max-age=60, private"
/u/ X-CC: x-private, not-no-store -> Cache-Control "x-private, not-no-store, private"



=== two Cache-Control fields
--- visits
/u/ X-CC: public | X-CC2: max-age=60 -> Cache-Control "max-age=60, private"
/u/ X-CC: max-age=60 | X-CC2: no-cache -> Cache-Control "max-age=60, no-cache, private"
/u/ X-CC: public | X-CC2: s-maxage=60 -> Cache-Control "private"
/u/ X-CC: max-age=60 | X-CC2: private -> Cache-Control "max-age=60, private"
/u/ X-CC: no-store | X-CC2: public -> Cache-Control "no-store, private"



=== nothing is added if no cookie is set
--- visits
/u/ route=ID_B | X-CC: public, max-age=60 -> B, sets nothing, Cache-Control "public, max-age=60"
/u/ route=ID_B -> B, sets nothing, no Cache-Control
/u/ route=ID_B | X-Sets: app=x | X-CC: public -> B, sets "app=x", Cache-Control "public"
/without/ X-CC: public -> sets "without=ID_A; Path=/", Cache-Control "public"
/off/ X-CC: public -> sets nothing, Cache-Control "public"
/off/?on=1 X-CC: public -> sets "route=ID_B; Path=/", Cache-Control "private"



=== any status: 204, 301, 404, 500
--- visits
/u/204 X-CC: max-age=60 -> 204, sets "route=ID_A; Path=/", Cache-Control "max-age=60, private"
/u/301 X-CC: public, max-age=60 -> 301, sets "route=ID_B; Path=/", Cache-Control "max-age=60, private"
/u/301 -> 301, sets "route=ID_A; Path=/", Cache-Control "private"
/u/404 X-CC: max-age=60 -> 404, sets "route=ID_B; Path=/", Cache-Control "max-age=60, private"
/u/404 -> 404, sets "route=ID_A; Path=/", Cache-Control "private"
/u/500 -> 500, sets "route=ID_B; Path=/", Cache-Control "private"
/u/404 route=ID_B | X-CC: max-age=60 -> 404, sets nothing, Cache-Control "max-age=60"



=== any status: 304
--- visits
/u/304 X-CC: public, max-age=60 -> 304, sets "route=ID_A; Path=/", Cache-Control "max-age=60, private"
/u/304 route=ID_A | X-CC: public -> 304, sets nothing, Cache-Control "public"



=== nginx's own responses are unchanged
--- config
location /refused/ { deny all; proxy_pass http://u/; }
location /dead/ { proxy_pass http://dead/; }
--- http_config
upstream dead { server 127.0.0.1:1999 max_fails=0; session_sticky nocache cookie=dead; }
--- visits
/refused/ -> 403, sets nothing, no Cache-Control
/dead/ -> 502, sets nothing, no Cache-Control
--- may_warn
access forbidden by rule
connect() failed
--- no_error_log
[alert]



=== HEAD
--- visits
HEAD /u/ X-CC: public -> sets "route=ID_A; Path=/", Cache-Control "private"
HEAD /u/ route=ID_A | X-CC: public -> sets nothing, Cache-Control "public"



=== a session that is renewed, moves, or has an accepted form
--- visits
/stamps/ route=ID_B|NOW-60|NOW-99 | X-CC: public -> sets nothing, Cache-Control "public"
/stamps/ route=ID_B|NOW-601|NOW-999 | X-CC: public -> sets like "route=ID_B\|STAMP\|NOW-999; Path=/", Cache-Control "private"
/moves/ moves=127.0.0.1:1999 | X-CC: public -> sets "moves=127.0.0.1:1985; Path=/", Cache-Control "private"



=== mode=prefix and mode=rewrite: if the application's cookie gets an ID
--- visits
/prefix/ X-CC: public, max-age=60 -> sets nothing, Cache-Control "public, max-age=60"
/prefix/ X-Sets: app=x | X-CC: public, max-age=60 -> sets "app=ID_B~x", Cache-Control "max-age=60, private"
/prefix/ X-Sets: other=x | X-CC: public -> sets "other=x", Cache-Control "public"
/rewrite/ X-CC: public -> sets nothing, Cache-Control "public"
/rewrite/ X-Sets: app=x | X-CC: public -> sets "app=ID_B", Cache-Control "private"
/rewrite/ X-Sets: app=x -> sets "app=ID_A", Cache-Control "private"



=== option=indirect: if the module's cookie replaces the server's
--- visits
/hides/ app=ID_B | X-Sets: app=x | X-CC: public -> B, sets "app=ID_B; Path=/", Cache-Control "private"
/hides/ app=ID_B | X-CC: public -> B, sets nothing, Cache-Control "public"



=== preserve: nothing is added for the application's own cookie
--- visits
/keeps/ app=ID_B | X-Sets: app=x | X-CC: public -> B, sets "app=x", Cache-Control "public"
/keeps/ X-CC: public -> A, sets "app=ID_A; Path=/", Cache-Control "private"



=== postonly: nothing is added for GET
--- visits
/post/ X-CC: public -> A, sets nothing, Cache-Control "public"
POST /post/ X-CC: public | body "x" -> B, sets "route=ID_B; Path=/", Cache-Control "private"



=== X-Accel-Redirect: the final response is marked, whichever upstream sets its cookie
--- config
location /plain { proxy_pass http://without/; }
--- visits
/u/accel X-CC: public, max-age=60 -> sets "without=ID_A; Path=/, route=ID_A; Path=/", Cache-Control "max-age=60, private"
/u/accel without=ID_B | X-CC: public -> B, sets "route=ID_B; Path=/", Cache-Control "private"
/u/accel without=ID_B; route=ID_A | X-CC: public -> B, sets nothing, Cache-Control "public"
/u/accel without=ID_B; route=ID_A | X-Accel: public -> B, sets nothing, Cache-Control "public"
/u/accel without=ID_B | X-Accel: public, max-age=60 -> B, sets "route=ID_A; Path=/", Cache-Control "max-age=60, private"



=== X-Accel-Redirect: two upstreams add it only once
--- config
location /plain { proxy_pass http://prefix/; }
--- visits
/u/accel X-CC: max-age=60 | X-Sets: app=x -> sets "app=ID_A~x, route=ID_A; Path=/", Cache-Control "max-age=60, private"
/u/accel route=ID_A | X-CC: public | X-Sets: app=x -> sets "app=ID_B~x", Cache-Control "private"



=== proxy_cache: the stored response is not marked, and a hit sets nothing
--- config
proxy_cache cached;
proxy_cache_key $uri;
add_header X-Cache $upstream_cache_status always;
--- visits
/u/stored X-CC: public, max-age=60 -> A, X-Cache "MISS", sets "route=ID_A; Path=/", Cache-Control "max-age=60, private"
/u/stored -> A, X-Cache "HIT", sets nothing, Cache-Control "public, max-age=60"
/u/stored route=ID_B -> A, X-Cache "HIT", sets nothing, Cache-Control "public, max-age=60"
HEAD /u/stored -> X-Cache "HIT", sets nothing, Cache-Control "public, max-age=60"
/u/not X-CC: private -> B, X-Cache "MISS", sets "route=ID_B; Path=/", Cache-Control "private"
/u/not -> A, X-Cache "MISS", sets "route=ID_A; Path=/", Cache-Control "private"



=== X-Accel-Redirect to a cached response: it sets a cookie nevertheless, and is marked
--- config
location /plain {
    proxy_cache cached;
    proxy_cache_key $uri;
    proxy_ignore_headers Set-Cookie;
    add_header X-Cache $upstream_cache_status;
    proxy_pass http://without/;
}
--- visits
/plain without=ID_B | X-CC: public, max-age=60 -> B, X-Cache "MISS", sets nothing, Cache-Control "public, max-age=60"
/u/accel without=ID_B -> B, X-Cache "HIT", sets "route=ID_A; Path=/", Cache-Control "max-age=60, private"
/u/accel route=ID_A -> B, X-Cache "HIT", sets nothing, Cache-Control "public, max-age=60"



=== a cache in front of it: responses that set a cookie are not stored, even if that cache ignores cookies
--- config
add_header X-Cache $upstream_cache_status always;
location /cached/ {
    proxy_cache cached;
    proxy_cache_key $uri;
    proxy_ignore_headers Set-Cookie;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/u/;
}
--- visits
/cached/x X-CC: public, max-age=60 -> A, X-Cache "MISS", sets "route=ID_A; Path=/", Cache-Control "max-age=60, private"
/cached/x X-CC: public, max-age=60 -> B, X-Cache "MISS", sets "route=ID_B; Path=/", Cache-Control "max-age=60, private"
/cached/x route=ID_A | X-CC: public, max-age=60 -> A, X-Cache "MISS", sets nothing, Cache-Control "public, max-age=60"
/cached/x -> A, X-Cache "HIT", sets nothing, Cache-Control "public, max-age=60"



=== gzip
--- config
location /u/ { gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; proxy_pass http://u/; }
--- visits
/u/ X-CC: public, max-age=60 | Accept-Encoding: gzip -> sets "route=ID_A; Path=/", Content-Encoding "gzip", Cache-Control "max-age=60, private"



=== add_header Cache-Control is sent in addition
--- config
location /u/ { add_header Cache-Control "max-age=5"; proxy_pass http://u/; }
--- visits
/u/ X-CC: public -> sets "route=ID_A; Path=/", Cache-Control "private, max-age=5"
/u/ X-CC: no-cache -> sets "route=ID_B; Path=/", Cache-Control "no-cache, private, max-age=5"
/u/ -> sets "route=ID_A; Path=/", Cache-Control "private, max-age=5"
/u/ route=ID_B | X-CC: public -> sets nothing, Cache-Control "public, max-age=5"



=== proxy_hide_header Cache-Control hides the application's field, not the module's
--- config
location /u/ { proxy_hide_header Cache-Control; proxy_pass http://u/; }
--- visits
/u/ X-CC: public, max-age=60 -> sets "route=ID_A; Path=/", Cache-Control "private"
/u/ X-CC: private -> sets "route=ID_B; Path=/", Cache-Control "private"
/u/ route=ID_B | X-CC: public -> sets nothing, no Cache-Control



=== expires: it replaces the application's fields as usual, and private is kept
--- config
location /u/ { expires 1h; proxy_pass http://u/; }
--- visits
/u/ -> sets "route=ID_A; Path=/", Cache-Control "private, max-age=3600"
/u/ X-CC: public -> sets "route=ID_B; Path=/", Cache-Control "private, max-age=3600"
/u/ X-CC: public, max-age=60 -> sets "route=ID_A; Path=/", Cache-Control "max-age=3600, private"
/u/ X-CC: private -> sets "route=ID_B; Path=/", Cache-Control "private, max-age=3600"
/u/ X-CC: private, max-age=60 -> sets "route=ID_A; Path=/", Cache-Control "max-age=3600, private"
/u/ X-CC: no-store -> sets "route=ID_B; Path=/", Cache-Control "max-age=3600, private"
/u/ X-CC: public | X-CC2: max-age=60, private -> sets "route=ID_A; Path=/", Cache-Control "max-age=3600, private"
/u/ route=ID_B | X-CC: public -> sets nothing, Cache-Control "max-age=3600"



=== expires -1: browsers revalidate each time
--- config
location /u/ { expires -1; add_header Cache-Control stale-if-error=9; proxy_pass http://u/; }
--- visits
/u/ -> sets "route=ID_A; Path=/", Cache-Control "private, no-cache, stale-if-error=9"
/u/ X-CC: public -> sets "route=ID_B; Path=/", Cache-Control "private, no-cache, stale-if-error=9"
/u/ X-CC: public, max-age=600 -> sets "route=ID_A; Path=/", Cache-Control "no-cache, private, stale-if-error=9"
/u/ X-CC: private, max-age=600 -> sets "route=ID_B; Path=/", Cache-Control "no-cache, private, stale-if-error=9"
/u/ route=ID_B | X-CC: public -> sets nothing, Cache-Control "no-cache, stale-if-error=9"
