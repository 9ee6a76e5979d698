# proxy_cache: a miss goes to the session's server and earns its own cookie, which is not stored; what comes out of the
# cache sets nothing. modes/own-responses.t has hits, stale and revalidated answers as such.
#
#   what is stored     no cookie of ours, in the file and for others; what the application sets, and what is needed
#                      where that is stored all the same; nginx's own 502
#   miss               bound, expired, bypassed, not to be stored, HEAD made GET, HEAD as such
#   several at once    cache lock, its time-out, "updating", background update
#   revalidate, stale  the session's server is asked; fallback=off and the server gone
#   key                with the session's cookie in it
#   subrequests        auth_request and ssi out of the cache
#   a cache in front   what sets a cookie can be marked private

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
    # A cache of its own for every block, since a cache outlives a reload.
    $cache++;
    $block->set_value('config', <<"_EOC_" . $block->config);
    proxy_cache $cache;
    proxy_cache_key \$request_uri;
    add_header X-Cache \$upstream_cache_status always;
_EOC_
    fill($block, "proxy_cache_path ${cache}_cache keys_zone=$cache:1m;\n" . $http);
});

# All that the block's cache has on disk.
sub stored {
    my $root = Test::Nginx::Util::server_root();
    return join '', map { local (@ARGV, $/) = $_; scalar <> } glob "$root/${cache}_cache/*";
}

# One response: the status of the cache, the server that wrote the body, the cookies set.
sub told {
    my ($got) = @_;
    return join ' ', head('X-Cache', $got) || status($got), body($got) =~ /^([A-D])\b/ ? $1 : '-', set($got) || '-';
}

# A second and a bit, after which what was stored for one second is old.
sub grow_old { sleep 2.1 }

visit_lines(answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== a first visitor's cookie is not in the file that is stored
--- config
location / { proxy_pass http://u; }
--- client
equals(told(response(ask('/long'))), 'MISS A route=ID_A; Path=/', 'a first visitor gets a cookie');
eventually(sub { stored() =~ /^KEY: /m }, 'the answer is stored');
holds(stored() =~ /Cache-Control/ && stored() !~ /route|Set-Cookie/i, 'and no cookie with it');
equals(told(response(ask('/long'))), 'HIT A -', 'the next gets what is stored');
equals(told(response(ask('/long/2'))), 'MISS B route=ID_B; Path=/', 'and a cookie of its own elsewhere');
equals(told(response(ask('/long', 'route=ID_B'))), 'HIT A -', 'a client of another server as well');



=== an answer that sets a cookie of the application is not stored, and everyone gets a cookie of its own
--- config
location / { proxy_pass http://u; }
location /route { proxy_pass http://hiding; }
--- client
equals(told(response(ask('/sets'))), "MISS A app=x|route=ID_A; Path=/", 'the first');
equals(told(response(ask('/sets'))), "MISS B app=x|route=ID_B; Path=/", 'the second');
equals(told(response(ask('/sets', 'route=ID_B'))), "MISS B app=x", 'one that is bound');
equals(told(response(ask('/route', 'route=ID_B'))), "MISS B route=ID_B; Path=/", 'where ours takes its place');
equals(told(response(ask('/route', 'route=ID_A'))), "MISS A route=ID_A; Path=/", 'and that is not stored either');



=== proxy_ignore_headers Set-Cookie alone: what the application set comes out of the cache, ours does not
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
equals(told(response(ask('/route'))), "MISS A route=ID_A; Path=/", "the application's of our name, the miss");
equals(told(response(ask('/route'))), "HIT A route=own", "the application's of our name, the hit");
holds(stored() !~ /ID_A|@{[id('A')]}/, 'no id is stored');



=== proxy_ignore_headers and proxy_hide_header Set-Cookie: a miss is bound, hits set nothing
--- config
proxy_ignore_headers Set-Cookie;
proxy_hide_header Set-Cookie;
location / { proxy_pass http://u; }
location /route { proxy_pass http://hiding; }
--- client
equals(told(response(ask('/sets'))), "MISS A route=ID_A; Path=/", 'the miss');
equals(told(response(ask('/sets'))), "HIT A -", 'the hit');
equals(told(response(ask('/sets', 'route=ID_B'))), "HIT A -", 'the hit of a bound client');
equals(told(response(ask('/route'))), "MISS A route=ID_A; Path=/", "the application's of our name, the miss");
equals(told(response(ask('/route'))), "HIT A -", "the application's of our name, the hit");



=== an answer that has grown old: the session's server writes the next, which earns a cookie as a miss does
--- config
proxy_cache_valid 1s;
location / { proxy_pass http://u; }
--- client
equals(told(response(ask('/brief', 'route=ID_B'))), "MISS B -", 'a miss');
equals(told(response(ask('/brief/2'))), "MISS A route=ID_A; Path=/", "a first visitor's miss");
grow_old();
equals(told(response(ask('/brief', 'route=ID_A'))), "EXPIRED A -", 'of a client of another server');
equals(told(response(ask('/brief/2'))), "EXPIRED B route=ID_B; Path=/", 'of a first visitor');
equals(told(response(ask('/brief', 'route=ID_B'))), "HIT A -", 'then out of the cache');



=== proxy_cache_bypass: the session's server answers, and stores no cookie
--- config
location / { proxy_cache_bypass $arg_bypass; proxy_cache_key $uri; proxy_pass http://u; }
--- client
equals(told(response(ask('/long'))), "MISS A route=ID_A; Path=/", 'a miss');
equals(told(response(ask('/long?bypass=1', 'route=ID_B'))), "BYPASS B -", 'a bound client goes past');
equals(told(response(ask('/long'))), "HIT B -", 'what it got is stored');
equals(told(response(ask('/long?bypass=1'))), "BYPASS B route=ID_B; Path=/", 'a first visitor goes past');
equals(told(response(ask('/long', 'route=ID_A'))), "HIT B -", 'and left no cookie');
holds(stored() !~ /@{[id('B')]}; Path/, 'not in the file either');



=== proxy_no_cache: everyone gets a cookie of its own, or stays
--- config
location / { proxy_no_cache 1; proxy_pass http://u; }
--- client
my @told = map { told(response(ask('/long', $_))) } undef, undef, 'route=ID_B', 'route=ID_B';
equals(join(', ', @told), 'MISS A route=ID_A; Path=/, MISS B route=ID_B; Path=/, MISS B -, MISS B -', 'all miss');



=== HEAD that nginx makes GET: its cookie is its own, what is stored serves GET
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



=== POST is never stored, and bound as ever
--- config
location / { proxy_pass http://u; }
--- visits
/long -> A, X-Cache "MISS", sets "route=ID_A; Path=/"
POST /long route=ID_B | body "x" -> B, no X-Cache, sets nothing
POST /long body "x" -> B, no X-Cache, sets "route=ID_B; Path=/"



=== cache lock: the first goes to its server and is bound, who waits gets what is stored and no cookie
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
equals(told(response($_)), 'HIT A -', 'who waited') for @waiting;



=== cache lock, waited for too long: each goes to its own server, and earns its own cookie
--- config
location / { proxy_cache_lock on; proxy_cache_lock_timeout 300ms; proxy_pass http://played; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $first = ask('/t', 'route=127.0.0.1:1991');
my $held = taken($servers[0]);
my $bound = ask('/t', 'route=127.0.0.1:1992');
my $second = taken($servers[1]);
holds($second, 'who waited too long is at its server');
answer($second, 'B not stored', "Cache-Control: max-age=60\r\n");
equals(told(response($bound)), 'MISS B -', 'and nothing is set');
answer($held, 'A stored', "Cache-Control: max-age=60\r\n");
equals(told(response($first)), 'MISS A -', 'the first is answered');
equals(told(response(ask('/t'))), 'HIT A -', 'its answer is stored');



=== updating: one renews it at its server, the others get the old answer and no cookie
--- config
location / { proxy_cache_use_stale updating; proxy_pass http://played; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $asked = ask('/t', 'route=127.0.0.1:1991');
answer(taken($servers[0]), 'A', "Cache-Control: max-age=1\r\n");
equals(told(response($asked)), 'MISS A -', 'the answer is stored');
grow_old();
$asked = ask('/t', 'route=127.0.0.1:1992');
my $held = taken($servers[1]);
holds($held, 'the next client renews it, at its own server');
equals(told(response(ask('/t', $_))), 'UPDATING A -', 'meanwhile the others get the old one')
    for undef, 'route=127.0.0.1:1991', 'route=nobody';
answer($held, 'B', "Cache-Control: max-age=60\r\n");
equals(told(response($asked)), 'EXPIRED B -', 'the client that renewed it');
equals(told(response(ask('/t'))), 'HIT B -', 'and the next');



=== background update: the client gets the old answer and no cookie, its server is asked for the new one
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
equals(head('Cookie', request_of($held)), 'a=b; route=127.0.0.1:1992', 'its server is asked');
equals(told(answer_of($asked)), 'STALE A -', 'the client gets the old one meanwhile');
answer($held, 'B', "Cache-Control: max-age=1\r\n") if $held;
eventually(sub { told(response(ask('/t'))) eq 'HIT B -' }, 'then the new one is there');
grow_old();
$asked = ask('/t');
$held = taken(\@servers);
answer($held, 'A', "Cache-Control: max-age=60\r\n") if $held;
equals(told(answer_of($asked)), 'STALE B -', 'a first visitor gets the old one, and no cookie');
holds(stored() !~ /Set-Cookie/i, 'nor does the cache');



=== background update where the cookie is hidden: it is hidden from that request as well, and leads it
--- config
location / { session_sticky_hide_cookie upstream=hiding; proxy_cache_use_stale updating; proxy_cache_background_update on;
             proxy_cache_valid 1s; proxy_ignore_headers Cache-Control; proxy_pass http://hiding; }
--- client
my $got = response(ask('/long', 'a=b; route=ID_A'));
equals(body($got), "A cookie=[a=b]\n", 'a miss');
grow_old();
$got = answer_of(ask('/long', 'c=d; route=ID_B'));
equals(told($got), 'STALE A -', 'the old answer');
eventually(sub { body(answer_of(ask('/long', 'c=d; route=ID_B'))) eq "B cookie=[c=d]\n" },
                 "the session's server has written the new one, and did not see the cookie");



=== revalidate: the session's server is asked whether the answer still holds, and nothing is set
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
equals(head('If-None-Match', request_of($held)), '"1"', 'its server is asked');
if ($held) {
    print $held "HTTP/1.0 304 Not Modified\r\nCache-Control: max-age=1\r\n\r\n";
    close $held;
}
equals(told(response($asked)), 'REVALIDATED A -', 'the stored answer, and nothing set');
grow_old();
$asked = ask('/t', 'route=nobody');
$held = taken(\@servers);
if ($held) {
    print $held "HTTP/1.0 304 Not Modified\r\nCache-Control: max-age=1\r\n\r\n";
    close $held;
}
equals(told(response($asked)), 'REVALIDATED A -', 'nothing set for a first visitor either');
grow_old();
$asked = ask('/t', 'route=127.0.0.1:1992');
$held = taken($servers[1]);
answer($held, 'B', "Cache-Control: max-age=60\r\n") if $held;
equals(told(response($asked)), 'EXPIRED B -', 'a new answer takes its place');



=== fallback=off and the server of the session gone: the old answer where one may be used, else 502, neither stored nor set
--- config
location / { proxy_pass http://strict; }
location /stale/ { proxy_cache_use_stale error; proxy_pass http://strict/; }
--- client
my ($here, $gone) = map { "route=127.0.0.1:$_" } 1985, 1999;
equals(told(response(ask('/stale/brief', $here))), 'MISS A -', 'a miss');
equals(told(response(ask('/stale/brief', $gone))), 'HIT A -', 'from the cache it needs no server');
grow_old();
equals(told(response(ask('/stale/brief', $gone))), 'STALE A -', 'the old answer');
equals(status(response(ask('/brief', $gone))), '502', 'no answer is there');
equals(told(response(ask('/brief', $here))), 'MISS A -', 'and the 502 was not stored for others');



=== fallback=off, and nginx told to store its 502: then others get it
--- config
location / { proxy_cache_valid 502 1m; proxy_pass http://strict; }
--- client
my ($here, $gone) = map { "route=127.0.0.1:$_" } 1985, 1999;
equals(status(response(ask('/long', $gone))), '502', 'one whose server is gone');
equals(status(response(ask('/long', $here))), '502', 'one whose server is there');



=== a key with the session in it: each server has its own answer
--- config
location / { proxy_cache_key $uri$cookie_route; proxy_pass http://u; }
location /hidden/ { set $session $cookie_route; proxy_cache_key $uri$session; proxy_pass http://hiding/; }
--- client
for my $path ('/long', '/hidden/long') {
    my @told = map { told(response(ask($path, "route=ID_$_"))) } qw(A B A B);
    equals(join(', ', @told), 'MISS A -, MISS B -, HIT A -, HIT B -', $path);
}



=== auth_request out of the cache: the request behind it goes to its server and earns its cookie
--- config
location / { auth_request /long; proxy_cache off; proxy_pass http://u; auth_request_set $auth $upstream_cache_status; add_header X-Auth $auth; }
location = /long { internal; proxy_pass http://other; proxy_cache_key auth; }
--- visits
-> says like "^", X-Auth "MISS", sets "route=ID_A; Path=/"
-> says like "^", X-Auth "HIT", sets "route=ID_B; Path=/"
route=ID_A; other=ID_D -> says like "^", X-Auth "HIT", sets nothing



=== ssi, a page that is never stored with a part that is, and the other way round
--- config
location = /page { ssi on; proxy_cache off; proxy_pass http://u; }
location = /long/part { proxy_cache_key part; proxy_pass http://other; }
location = /stored/page { ssi on; proxy_cache_valid 1m; proxy_pass http://u/page; }
--- visits
/page other=ID_D -> says like "^A page \[D cookie", sets "route=ID_A; Path=/"
/page route=ID_A -> says like "^A page \[D cookie", sets nothing
/stored/page -> says like "^B page \[D cookie", sets "route=ID_B; Path=/"
/stored/page route=ID_A -> says like "^B page \[D cookie", sets nothing



=== a cache in front of nginx: what sets a cookie is marked private, what does not is not
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
