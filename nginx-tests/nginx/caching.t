# proxy_cache: a miss reaches the session's server and sets a cookie, which is not stored; responses from the cache set
# nothing. modes/own-responses.t tests simple hits and stale and revalidated responses.
#
#   stored content     no cookie of the module, neither in the file nor for other clients; the application's cookies,
#                      and the directives needed if these are stored nevertheless; nginx's own 502
#   misses             with a session, expired, bypassed, not to be stored, HEAD converted to GET, HEAD unconverted
#   parallel requests  cache lock, its timeout, "updating", background update
#   revalidate, stale  the session's server is asked; fallback=off and an unreachable server
#   key                with the session's cookie in it
#   subrequests        auth_request and SSI from the cache
#   a cache in front   responses that set a cookie can be marked private

use Sticky;
use Time::HiRes 'sleep';

our $http = servers(<<'_EOC_') . <<'_EOC_';
location /long { add_header Cache-Control max-age=60; return 200 "NAME cookie=[$http_cookie]\n"; }
location /gone { add_header Cache-Control max-age=60 always; return 404 "NAME gone\n"; }
location /brief { add_header Cache-Control max-age=1; return 200 "NAME\n"; }
location /sets { add_header Cache-Control max-age=60; add_header Set-Cookie "app=x"; return 200 "NAME sets\n"; }
location /route { add_header Cache-Control max-age=60; add_header Set-Cookie "route=own"; return 200 "NAME sets\n"; }
location = /page { default_type text/html; return 200 'NAME page [<!--#include virtual="/long/part" -->]'; }
_EOC_
    upstream u       { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
    upstream other   { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky cookie=other; }
    upstream hiding  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky option=indirect; }
    upstream cutting { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=app mode=prefix; }
    upstream changing { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=app mode=rewrite; }
    upstream strict  { server 127.0.0.1:1985; server 127.0.0.1:1999 max_fails=0; session_sticky hash=plain fallback=off; }
    upstream played  { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain; }
_EOC_

our $cache = 'cache00';

client_sections();
add_block_preprocessor(sub {
    my $block = shift;
    # Every block has its own cache, since a cache outlives a reload.
    $cache++;
    $block->set_value('config', <<"_EOC_" . $block->config);
    proxy_cache $cache;
    proxy_cache_key \$request_uri;
    add_header X-Cache \$upstream_cache_status always;
_EOC_
    fill($block, "proxy_cache_path ${cache}_cache keys_zone=$cache:1m;\n" . $http);
});

# The contents of all files of the block's cache.
sub stored {
    my $root = Test::Nginx::Util::server_root();
    return join '', map { local (@ARGV, $/) = $_; scalar <> } glob "$root/${cache}_cache/*";
}

# A response: the cache status, the server that created the body, the cookies set.
sub told {
    my ($got) = @_;
    return join ' ', head('X-Cache', $got) || status($got), body($got) =~ /^([A-D])\b/ ? $1 : '-', set($got) || '-';
}

# Waits until responses cached for one second have expired.
sub grow_old { sleep 2.1 }

visit_lines(answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== a first visit's cookie is not in the stored file
--- config
location / { proxy_pass http://u; }
--- client
equals(told(response(ask('/long'))), 'MISS A route=ID_A; Path=/', 'a first visit gets a cookie');
eventually(sub { stored() =~ /^KEY: /m }, 'the response is stored');
holds(stored() =~ /Cache-Control/ && stored() !~ /route|Set-Cookie/i, 'the cookie is not stored');
equals(told(response(ask('/long'))), 'HIT A -', 'the next request gets the stored response');
equals(told(response(ask('/long/2'))), 'MISS B route=ID_B; Path=/', 'another page is a first visit with its own cookie');
equals(told(response(ask('/long', 'route=ID_B'))), 'HIT A -', 'so does a client with a session on another server');



=== a response that sets a cookie of the application is not stored, and each client gets its own cookie
--- config
location / { proxy_pass http://u; }
location /route { proxy_pass http://hiding; }
--- client
equals(told(response(ask('/sets'))), "MISS A app=x|route=ID_A; Path=/", 'the first');
equals(told(response(ask('/sets'))), "MISS B app=x|route=ID_B; Path=/", 'the second');
equals(told(response(ask('/sets', 'route=ID_B'))), "MISS B app=x", 'a client with a session');
equals(told(response(ask('/route', 'route=ID_B'))), "MISS B route=ID_B; Path=/", "the module's cookie replaces the application's");
equals(told(response(ask('/route', 'route=ID_A'))), "MISS A route=ID_A; Path=/", 'that is not stored either');



=== proxy_ignore_headers Set-Cookie only: the application's cookie is sent from the cache, the module's is not
--- config
proxy_ignore_headers Set-Cookie;
location / { proxy_pass http://u; }
location /prefix/ { proxy_pass http://cutting/; }
location /rewrite/ { proxy_pass http://changing/; }
location /route { proxy_pass http://hiding; }
--- client
equals(told(response(ask('/sets'))), "MISS A app=x|route=ID_A; Path=/", 'insert, the miss');
equals(told(response(ask('/sets'))), "HIT A app=x", 'insert, the hit');
equals(told(response(ask('/prefix/sets'))), "MISS A app=ID_A~x", 'prefix, the miss');
equals(told(response(ask('/prefix/sets'))), "HIT A app=x", 'prefix, the hit');
equals(told(response(ask('/rewrite/sets'))), "MISS A app=ID_A", 'rewrite, the miss');
equals(told(response(ask('/rewrite/sets'))), "HIT A app=x", 'rewrite, the hit');
equals(told(response(ask('/route'))), "MISS A route=ID_A; Path=/", "the application's cookie with the module's name, the miss");
equals(told(response(ask('/route'))), "HIT A route=own", "the application's cookie with the module's name, the hit");
holds(stored() !~ /ID_A|@{[id('A')]}/, 'no ID is stored');



=== proxy_ignore_headers and proxy_hide_header Set-Cookie: a miss sets a cookie, hits set nothing
--- config
proxy_ignore_headers Set-Cookie;
proxy_hide_header Set-Cookie;
location / { proxy_pass http://u; }
location /route { proxy_pass http://hiding; }
--- client
equals(told(response(ask('/sets'))), "MISS A route=ID_A; Path=/", 'the miss');
equals(told(response(ask('/sets'))), "HIT A -", 'the hit');
equals(told(response(ask('/sets', 'route=ID_B'))), "HIT A -", 'the hit of a client with a session');
equals(told(response(ask('/route'))), "MISS A route=ID_A; Path=/", "the application's cookie with the module's name, the miss");
equals(told(response(ask('/route'))), "HIT A -", "the application's cookie with the module's name, the hit");



=== an expired response: the session's server creates the next, and a cookie is set as for a miss
--- config
proxy_cache_valid 1s;
location / { proxy_pass http://u; }
--- client
equals(told(response(ask('/brief', 'route=ID_B'))), "MISS B -", 'a miss');
equals(told(response(ask('/brief/2'))), "MISS A route=ID_A; Path=/", "a miss of a first visit");
grow_old();
equals(told(response(ask('/brief', 'route=ID_A'))), "EXPIRED A -", 'of a client with a session on another server');
equals(told(response(ask('/brief/2'))), "EXPIRED B route=ID_B; Path=/", 'of a first visit');
equals(told(response(ask('/brief', 'route=ID_B'))), "HIT A -", 'then from the cache');



=== proxy_cache_bypass: the session's server answers, and no cookie is stored
--- config
location / { proxy_cache_bypass $arg_bypass; proxy_cache_key $uri; proxy_pass http://u; }
--- client
equals(told(response(ask('/long'))), "MISS A route=ID_A; Path=/", 'a miss');
equals(told(response(ask('/long?bypass=1', 'route=ID_B'))), "BYPASS B -", 'a client with a session bypasses the cache');
equals(told(response(ask('/long'))), "HIT B -", 'its response is stored');
equals(told(response(ask('/long?bypass=1'))), "BYPASS B route=ID_B; Path=/", 'a first visit bypasses the cache');
equals(told(response(ask('/long', 'route=ID_A'))), "HIT B -", 'its cookie is not sent from the cache');
holds(stored() !~ /@{[id('B')]}; Path/, 'nor is it in the file');



=== proxy_no_cache: each client gets its own cookie, or keeps it
--- config
location / { proxy_no_cache 1; proxy_pass http://u; }
--- client
my @told = map { told(response(ask('/long', $_))) } undef, undef, 'route=ID_B', 'route=ID_B';
equals(join(', ', @told), 'MISS A route=ID_A; Path=/, MISS B route=ID_B; Path=/, MISS B -, MISS B -', 'all miss');



=== HEAD converted to GET: it gets its own cookie, and the stored response is used for GET
--- config
location / { proxy_pass http://u; }
location /as-such/ { proxy_cache_convert_head off; proxy_cache_key $request_method$uri; proxy_cache_methods GET HEAD; proxy_pass http://u/; }
--- visits
HEAD /long -> says like "^$", X-Cache "MISS", sets "route=ID_A; Path=/"
/long -> A, X-Cache "HIT", sets nothing
HEAD /long route=ID_B -> says like "^$", X-Cache "HIT", sets nothing
HEAD /as-such/long route=ID_B -> says like "^$", X-Cache "MISS", sets nothing
HEAD /as-such/long -> says like "^$", X-Cache "HIT", sets nothing
/as-such/long -> B, X-Cache "MISS", sets "route=ID_B; Path=/"



=== POST is never stored, and sessions work as usual
--- config
location / { proxy_pass http://u; }
--- visits
/long -> A, X-Cache "MISS", sets "route=ID_A; Path=/"
POST /long route=ID_B | body "x" -> B, no X-Cache, sets nothing
POST /long body "x" -> B, no X-Cache, sets "route=ID_B; Path=/"



=== cache lock: the first request reaches its server and gets a cookie, waiting ones get the stored response and none
--- config
location / { proxy_cache_lock on; proxy_cache_lock_timeout 60s; proxy_pass http://played; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $first = ask('/t');
my $held = taken($servers[0]);
my @waiting = map { ask('/t', $_) } undef, 'route=127.0.0.1:1992';
holds($held && !taken($servers[1], 1), 'one server is asked, once');
answer($held, 'A stored', "Cache-Control: max-age=60\r\n");
equals(told(response($first)), 'MISS A route=127.0.0.1:1991; Path=/', 'the first');
equals(told(response($_)), 'HIT A -', 'a waiting request') for @waiting;



=== cache lock timeout: each request reaches its own server, and sets its own cookie
--- config
location / { proxy_cache_lock on; proxy_cache_lock_timeout 300ms; proxy_pass http://played; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $first = ask('/t', 'route=127.0.0.1:1991');
my $held = taken($servers[0]);
my $bound = ask('/t', 'route=127.0.0.1:1992');
my $second = taken($servers[1]);
holds($second, 'the request that waited too long reaches its server');
answer($second, 'B not stored', "Cache-Control: max-age=60\r\n");
equals(told(response($bound)), 'MISS B -', 'nothing is set');
answer($held, 'A stored', "Cache-Control: max-age=60\r\n");
equals(told(response($first)), 'MISS A -', 'the first request is answered');
equals(told(response(ask('/t'))), 'HIT A -', 'its response is stored');



=== updating: one request renews the response at its server, others get the old response and no cookie
--- config
location / { proxy_cache_use_stale updating; proxy_pass http://played; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $asked = ask('/t', 'route=127.0.0.1:1991');
answer(taken($servers[0]), 'A', "Cache-Control: max-age=1\r\n");
equals(told(response($asked)), 'MISS A -', 'the response is stored');
grow_old();
$asked = ask('/t', 'route=127.0.0.1:1992');
my $held = taken($servers[1]);
holds($held, 'the next client renews it, at its own server');
equals(told(response(ask('/t', $_))), 'UPDATING A -', 'meanwhile others get the old response')
    for undef, 'route=127.0.0.1:1991', 'route=nobody';
answer($held, 'B', "Cache-Control: max-age=60\r\n");
equals(told(response($asked)), 'EXPIRED B -', 'the client that renewed it gets the new response');
equals(told(response(ask('/t'))), 'HIT B -', 'so does the next');



=== background update: the client gets the old response and no cookie, its server is asked for the new one
--- config
location / { proxy_cache_use_stale updating; proxy_cache_background_update on; proxy_pass http://played; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $asked = ask('/t', 'route=127.0.0.1:1991');
answer(taken($servers[0]), 'A', "Cache-Control: max-age=1\r\n");
response($asked);
grow_old();
$asked = ask('/t', 'a=b; route=127.0.0.1:1992');
my $held = taken($servers[1]);
equals(head('Cookie', request_of($held)), 'a=b; route=127.0.0.1:1992', "the session's server is asked");
equals(told(answer_of($asked)), 'STALE A -', 'meanwhile the client gets the old response');
answer($held, 'B', "Cache-Control: max-age=1\r\n") if $held;
eventually(sub { told(response(ask('/t'))) eq 'HIT B -' }, 'then the new response is stored');
grow_old();
$asked = ask('/t');
$held = taken(\@servers);
answer($held, 'A', "Cache-Control: max-age=60\r\n") if $held;
equals(told(answer_of($asked)), 'STALE B -', 'a first visit gets the old response, and no cookie');
holds(stored() !~ /Set-Cookie/i, 'nor is one stored');



=== background update with a hidden cookie: it is hidden from that request as well, and selects the server
--- config
location / { session_sticky_hide_cookie upstream=hiding; proxy_cache_use_stale updating; proxy_cache_background_update on;
             proxy_cache_valid 1s; proxy_ignore_headers Cache-Control; proxy_pass http://hiding; }
--- client
my $got = response(ask('/long', 'a=b; route=ID_A'));
equals(body($got), "A cookie=[a=b]\n", 'a miss');
grow_old();
$got = answer_of(ask('/long', 'c=d; route=ID_B'));
equals(told($got), 'STALE A -', 'the old response');
eventually(sub { body(answer_of(ask('/long', 'c=d; route=ID_B'))) eq "B cookie=[c=d]\n" },
                 "the session's server has created the new response, and did not see the cookie");



=== revalidate: the session's server is asked, and nothing is set
--- config
location / { proxy_cache_revalidate on; proxy_pass http://played; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $asked = ask('/t', 'route=127.0.0.1:1991');
answer(taken($servers[0]), 'A', "Cache-Control: max-age=1\r\nETag: \"1\"\r\n");
response($asked);
grow_old();
$asked = ask('/t', 'route=127.0.0.1:1992');
my $held = taken($servers[1]);
equals(head('If-None-Match', request_of($held)), '"1"', "the session's server is asked");
if ($held) {
    print $held "HTTP/1.0 304 Not Modified\r\nCache-Control: max-age=1\r\n\r\n";
    close $held;
}
equals(told(response($asked)), 'REVALIDATED A -', 'the stored response, and nothing is set');
grow_old();
$asked = ask('/t', 'route=nobody');
$held = taken(\@servers);
if ($held) {
    print $held "HTTP/1.0 304 Not Modified\r\nCache-Control: max-age=1\r\n\r\n";
    close $held;
}
equals(told(response($asked)), 'REVALIDATED A -', 'nothing is set for a first visit either');
grow_old();
$asked = ask('/t', 'route=127.0.0.1:1992');
$held = taken($servers[1]);
answer($held, 'B', "Cache-Control: max-age=60\r\n") if $held;
equals(told(response($asked)), 'EXPIRED B -', 'a new response replaces it');



=== fallback=off and an unreachable server: a stale response if allowed, else 502, neither stored nor with a cookie
--- config
location / { proxy_pass http://strict; }
location /stale/ { proxy_cache_use_stale error; proxy_pass http://strict/; }
--- client
my ($here, $gone) = map { "route=127.0.0.1:$_" } 1985, 1999;
equals(told(response(ask('/stale/brief', $here))), 'MISS A -', 'a miss');
equals(told(response(ask('/stale/brief', $gone))), 'HIT A -', 'a cached response needs no server');
grow_old();
equals(told(response(ask('/stale/brief', $gone))), 'STALE A -', 'the stale response');
equals(status(response(ask('/brief', $gone))), '502', 'no response is cached');
equals(told(response(ask('/brief', $here))), 'MISS A -', 'the 502 was not stored');



=== fallback=off with nginx's 502 stored by configuration: other clients get it
--- config
location / { proxy_cache_valid 502 1m; proxy_pass http://strict; }
--- client
my ($here, $gone) = map { "route=127.0.0.1:$_" } 1985, 1999;
equals(status(response(ask('/long', $gone))), '502', 'a client whose server is unreachable');
equals(status(response(ask('/long', $here))), '502', 'a client whose server is available');



=== a key with the session in it: each server has its own cached response
--- config
location / { proxy_cache_key $uri$cookie_route; proxy_pass http://u; }
location /hidden/ { set $session $cookie_route; proxy_cache_key $uri$session; proxy_pass http://hiding/; }
--- client
for my $path ('/long', '/hidden/long') {
    my @told = map { told(response(ask($path, "route=ID_$_"))) } qw(A B A B);
    equals(join(', ', @told), 'MISS A -, MISS B -, HIT A -, HIT B -', $path);
}



=== auth_request from the cache: the main request reaches its server and sets its cookie
--- config
location / { auth_request /long; proxy_cache off; proxy_pass http://u; auth_request_set $auth $upstream_cache_status; add_header X-Auth $auth; }
location = /long { internal; proxy_pass http://other; proxy_cache_key auth; }
--- visits
-> says like "^", X-Auth "MISS", sets "route=ID_A; Path=/"
-> says like "^", X-Auth "HIT", sets "route=ID_B; Path=/"
route=ID_A; other=ID_D -> says like "^", X-Auth "HIT", sets nothing



=== SSI, an uncached page with a cached include, and the other way round
--- config
location = /page { ssi on; proxy_cache off; proxy_pass http://u; }
location = /long/part { proxy_cache_key part; proxy_pass http://other; }
location = /stored/page { ssi on; proxy_cache_valid 1m; proxy_pass http://u/page; }
--- visits
/page other=ID_D -> says like "^A page \[D cookie", sets "route=ID_A; Path=/"
/page route=ID_A -> says like "^A page \[D cookie", sets nothing
/stored/page -> says like "^B page \[D cookie", sets "route=ID_B; Path=/"
/stored/page route=ID_A -> says like "^B page \[D cookie", sets nothing



=== a cache in front of nginx: responses that set a cookie are marked private, others are not
--- http_config
map $sent_http_set_cookie $private { "" ""; default private; }
--- config
location / { add_header Cache-Control $private always; add_header X-Cache $upstream_cache_status; proxy_pass http://u; }
--- visits
/long -> sets "route=ID_A; Path=/", Cache-Control "max-age=60, private"
/long -> X-Cache "HIT", sets nothing, Cache-Control "max-age=60"
/long/2 route=ID_B -> X-Cache "MISS", sets nothing, Cache-Control "max-age=60"
/sets route=ID_B -> sets "app=x", Cache-Control "max-age=60, private"
/gone -> 404, sets "route=ID_B; Path=/", Cache-Control "max-age=60, private"
