# Where we leave Tengine: a block for every row of that table in the manual, in its order. A
# block's name says what Tengine does | and what we do.

use Sticky qw(Caches);

# 127.0.0.1:1999, DEAD, refuses connections.
$port{DEAD} = 1999;

our $backends = servers(<<'_EOC_', qw(A B));
set $sees none;
if ($http_cookie) { set $sees "[$http_cookie]"; }
location / { return 200 "NAME sees $sees\n"; }
location /cacheable { add_header Cache-Control max-age=60; return 200 "NAME\n"; }
location /accel { add_header X-Accel-Redirect /inside; return 200; }
location /404 { return 404 "NAME has no such page\n"; }
location /500 { return 500 "NAME failed\n"; }
location /sets {
    add_header Set-Cookie "latest=42";
    add_header Set-Cookie "mytest=abc";
    add_header Set-Cookie "test=abc; Path=/app";
    return 200 "NAME sees $sees\n";
}
_EOC_

client_sections();
add_block_preprocessor(sub {
    my $block = shift;

    # A master only where it takes two workers: it would start nginx's cache manager too, which leaves
    # its memory to the end of the process, so that valgrind complains.
    $block->workers ? master_on() : master_off();
    my ($config, $cache) = own_cache($block->config // 'location /t/ { proxy_pass http://u/; }');
    my $http = $backends . $cache;
    $http .= 'upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky ' . $block->sticky . "; }\n"
        if defined $block->sticky;
    $http .= 'upstream u { ' . $block->upstream . " }\n" if defined $block->upstream;
    fill($block, $http);
    $block->set_value('config', "$config\nadd_header X-Tried \$upstream_addr always;\n");
    $block->set_value('request', 'GET /t/') if !defined $block->request && !defined $block->client;
});

visit_lines(path => '/t/', answer => "NAME sees [SEEN]\n", nothing => "NAME sees none\n");
run_tests();

__DATA__

=== myroute=x before route=ID: the name is found as a substring and the session lost | exact name
--- sticky:
--- more_headers
Cookie: myroute=x; route=ID_B
--- response_headers
!Set-Cookie
--- response_body_like: ^B sees



=== route=ID behind Route=ID: the name is found in any case | exact name
--- sticky:
--- more_headers
Cookie: Route=ID_A; route=ID_B
--- response_headers
!Set-Cookie
--- response_body_like: ^B sees



=== rewrite edits the first Set-Cookie that contains the name, mytest=abc is corrupted | exact name
--- sticky: cookie=test mode=rewrite
--- request
GET /t/sets
--- response_headers
Set-Cookie: latest=42, mytest=abc, test=ID_A; Path=/app



=== prefix edits the first Set-Cookie that contains the name, mytest=abc is corrupted | exact name
--- sticky: cookie=test mode=prefix
--- request
GET /t/sets
--- response_headers
Set-Cookie: latest=42, mytest=abc, test=ID_A~abc; Path=/app



=== a cookie for a server marked down still goes there | not available
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986 down;
session_sticky;
--- more_headers
Cookie: route=ID_B
--- response_headers
Set-Cookie: route=ID_A; Path=/
X-Tried: 127.0.0.1:1985
--- response_body_like: ^A



=== a cookie for a server marked down still goes there, fallback=off | not available, 502
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986 down;
session_sticky fallback=off;
--- more_headers
Cookie: route=ID_B
--- error_code: 502
--- response_headers
!Set-Cookie



=== a dead server is connected to again for every request that names it, max_fails never counts | it counts
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=2 fail_timeout=60s;
session_sticky;
--- visits
route=ID_DEAD -> X-Tried "127.0.0.1:1999, 127.0.0.1:1985"
route=ID_DEAD -> X-Tried "127.0.0.1:1999, 127.0.0.1:1985"
route=ID_DEAD -> X-Tried "127.0.0.1:1985"
route=ID_DEAD -> X-Tried "127.0.0.1:1985"



=== bound requests are only counted out, conns wraps and every new visitor gets 502 | nginx's own bookkeeping
--- upstream
zone z 64k;
server 127.0.0.1:1985 max_conns=1;
server 127.0.0.1:1986 max_conns=1;
session_sticky;
--- visits
route=ID_A -> sets nothing
route=ID_B -> sets nothing
-> sets "route=ID_A; Path=/"
-> sets "route=ID_B; Path=/"



=== a cached hit under the hide directive sends route=, the session is wiped | nothing is set
--- sticky: option=indirect
--- config
location /t/ { session_sticky_hide_cookie upstream=u; proxy_pass http://u/; proxy_cache cached; add_header X-Cache $upstream_cache_status; }
--- visits
/t/cacheable -> X-Cache "MISS", sets "route=ID_A; Path=/"
/t/cacheable -> X-Cache "HIT", sets nothing
/t/cacheable route=ID_A -> X-Cache "HIT", sets nothing



=== an answer by X-Accel-Redirect loses its cookie | it keeps it
--- sticky:
--- config
    location /t/ { proxy_pass http://u/; }
    location /inside { internal; return 200 "inside\n"; }
--- request
GET /t/accel
--- response_headers
Set-Cookie: route=ID_A; Path=/
--- response_body
inside



=== with zone, failures of bound requests are not seen by the other workers, nor by the balancer | they are
--- workers: 2
--- http_config
server { listen 127.0.0.1:1983 reuseport; add_header X-Tried $upstream_addr; add_header X-Worker $pid; location /t/ { proxy_pass http://u/; } }
--- upstream
zone z 64k;
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=1 fail_timeout=60s;
session_sticky hash=plain;
--- client
my @bound = map { response(ask('/t/', 'route=127.0.0.1:1999', 1983)) } 1 .. 30;
my @visitors = map { response(ask('/t/', undef, 1983)) } 1 .. 30;
for my $them (['bound requests', \@bound, 1], ['first visitors', \@visitors, 0]) {
    my ($who, $responses, $failures) = @$them;
    my %workers = map { head('X-Worker', $_) => 1 } @$responses;
    equals(scalar(keys %workers), 2, "$who are with two workers");
    equals(scalar(grep { head('X-Tried', $_) =~ /1999/ } @$responses), $failures, "so many $who try the dead server");
}



=== backup is refused | accepted, and its sessions honoured
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986 backup;
session_sticky;
--- visits
-> A, sets "route=ID_A; Path=/"
route=ID_B -> B, sets nothing
-> A, sets "route=ID_A; Path=/"



=== max_conns is refused | accepted, and holds
--- upstream
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client
my $server = serve(1991);
my $first = ask('/t/', 'route=127.0.0.1:1991');
my $held = taken($server);
holds($held, 'the first request is at its server');
equals(head('X-Tried', visit('/t/', 'route=127.0.0.1:1991')), '127.0.0.1:1986', 'the second elsewhere');
answer($held, 'done');
equals(body(response($first)), 'done', 'the first is answered');



=== an earlier least_conn is dropped in silence | composed
--- upstream
least_conn;
server 127.0.0.1:1991;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client
my $server = serve(1991);
my $first = ask('/t/', 'route=127.0.0.1:1991');
my $held = taken($server);
holds($held, 'a bound request is at its server');
my @visitors = map { head('X-Tried', visit('/t/')) } 1 .. 3;
equals("@visitors", '127.0.0.1:1986 127.0.0.1:1986 127.0.0.1:1986', 'first visitors go to the idle one');
answer($held, 'done');
equals(body(response($first)), 'done', 'the bound request is answered');



=== maxage is ignored once maxidle or maxlife is set | both honoured
--- sticky: maxage=120 maxidle=40 maxlife=60
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/; Max-Age=120; Expires=DATE+120



=== no cookie on any status >= 400 | any status of a server that answered
--- sticky:
--- visits
/t/404 -> 404, sets "route=ID_A; Path=/"
/t/500 -> 500, sets "route=ID_B; Path=/"



=== option=indirect without the hide directive: no cookie is ever set | it is, and it is hidden
--- sticky: option=indirect
--- visits
-> A, sees nothing, sets "route=ID_A; Path=/"
route=ID_B -> B, sees nothing, sets nothing



=== mode=prefix without the hide directive: no cookie is ever set | it is, and its ID~ is hidden
--- sticky: cookie=test mode=prefix
--- visits
/t/sets -> A, sees nothing, sets "latest=42, mytest=abc, test=ID_A~abc; Path=/app"
test=ID_B~abc -> B, sees "test=abc", sets nothing



=== indirect: a backend's latest=42 is overwritten because it contains test | exact name
--- sticky: cookie=test option=indirect
--- request
GET /t/sets
--- raw_response_headers_like
(?ms)^(?=.*^Set-Cookie: latest=42\r$)(?=.*^Set-Cookie: mytest=abc\r$)(?=.*^Set-Cookie: test=ID_A; Path=/\r$)
--- raw_response_headers_unlike
 test=abc



=== indirect: xroute=v reaches the backend as x | exact name
--- sticky: option=indirect
--- visits
xroute=v -> A, sees "xroute=v"
xroute=v; route=ID_B -> B, sees "xroute=v"



=== indirect: an expired session is honoured when its cookie is alone in the header | always checked
--- sticky: option=indirect maxidle=30
--- more_headers
Cookie: route=ID_B|NOW-1000|NOW-1000
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/
--- response_body
A sees none



=== a backup's answer names a dead primary | the server that answered
--- upstream
server 127.0.0.1:1999;
server 127.0.0.1:1985 backup;
session_sticky;
--- response_headers
Set-Cookie: route=ID_A; Path=/
X-Tried: 127.0.0.1:1999, 127.0.0.1:1985



=== a backup's answer echoes the client's own cookie value | the server that answered
--- upstream
server 127.0.0.1:1999;
server 127.0.0.1:1985 backup;
session_sticky maxidle=1h;
--- more_headers
Cookie: route=ID_DEAD|NOW-10|NOW-10
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== the fallback may dial the same dead server again and answer 502 with a live one at hand | tried means tried
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=0;
session_sticky;
--- visits
route=ID_DEAD -> X-Tried "127.0.0.1:1999, 127.0.0.1:1985"
route=ID_DEAD -> X-Tried "127.0.0.1:1999, 127.0.0.1:1985"
route=ID_DEAD -> X-Tried "127.0.0.1:1999, 127.0.0.1:1985"
route=ID_DEAD -> X-Tried "127.0.0.1:1999, 127.0.0.1:1985"



=== fallback=off dials the dead server once per server of the group | tried means tried
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
server 127.0.0.1:1999 max_fails=0;
session_sticky fallback=off;
--- more_headers
Cookie: route=ID_DEAD
--- error_code: 502
--- response_headers_like
X-Tried: 127\.0\.0\.1:1999(?:, u)?



=== server-level hiding with try_files to a named location: a new session every request | read once
--- sticky: option=indirect
--- config
    session_sticky_hide_cookie upstream=u;
    location /t/ { try_files /nowhere @backend; }
    location @backend { proxy_pass http://u; }
--- visits
a=b; route=ID_B -> B, sees "a=b", sets nothing
a=b; route=ID_B -> B, sees "a=b", sets nothing
a=b; route=ID_B -> B, sees "a=b", sets nothing



=== stripping leaves "a=b;  c=d", or an empty header | a clean header, or none
--- sticky: option=indirect
--- visits
a=b; route=ID_B; c=d -> B, sees "a=b; c=d"
route=ID_B -> B, sees nothing
route=ID_B; c=d -> B, sees "c=d"
a=b; route=ID_B -> B, sees "a=b"



=== a cookie without stamps is refused once maxidle is set, every user moves at once | accepted and stamped
--- sticky: maxidle=1h maxlife=2h
--- more_headers
Cookie: route=ID_B
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|STAMP; Path=/
--- response_body_like: ^B



=== mode=insertXYZ is accepted | an error that names the parameter and the legal values
--- sticky: mode=insertXYZ
--- must_die
--- suppress_stderr
--- error_log eval
qr/\[emerg\](?=.*session_sticky)(?=.*mode)(?=.*insertXYZ)(?=.*\binsert\b)(?=.*\brewrite\b)(?=.*\bprefix\b)/



=== kept on purpose: 502 for an unknown id with fallback=off
--- sticky: fallback=off
--- more_headers
Cookie: route=0123456789abcdef0123456789abcdef
--- error_code: 502
--- response_headers
!Set-Cookie



=== kept on purpose: an expired session is a first visit, with fallback=off too
--- sticky: fallback=off maxidle=30
--- more_headers
Cookie: route=ID_B|NOW-1000|NOW-1000
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== kept on purpose: stamps up to 24 h ahead of our clock are accepted
--- sticky: maxidle=30 maxlife=60
--- more_headers
Cookie: route=ID_B|NOW+86000|NOW+86000
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|NOW+86000; Path=/



=== kept on purpose: stamps further ahead count as absent
--- sticky: maxidle=30 maxlife=60
--- visits
route=ID_B|NOW+87000|NOW-10 -> sets like "route=ID_A\|STAMP\|STAMP; Path=/"
route=ID_A|NOW-10|NOW+87000 -> sets like "route=ID_B\|STAMP\|STAMP; Path=/"



=== what Tengine loads, loads here: a parameter twice, the last one is used
--- sticky: cookie=one cookie=two
--- response_headers
Set-Cookie: two=ID_A; Path=/
--- error_log eval
qr/\[warn\].*cookie.*session_sticky/



=== what Tengine loads, loads here: the directive twice, the last one is used
--- upstream
server 127.0.0.1:1985;
session_sticky cookie=one;
session_sticky cookie=two;
--- response_headers
Set-Cookie: two=ID_A; Path=/
--- error_log eval
qr/\[warn\].*session_sticky/



=== what Tengine loads, loads here: rewrite with indirect
--- sticky: cookie=test mode=rewrite option=indirect
--- request
GET /t/sets
--- response_headers
Set-Cookie: latest=42, mytest=abc, test=ID_A; Path=/app
--- error_log eval
qr/\[warn\].*session_sticky.*indirect/



=== what Tengine loads, loads here: prefix with maxidle
--- sticky: cookie=test mode=prefix maxidle=30
--- request
GET /t/sets
--- response_headers
Set-Cookie: latest=42, mytest=abc, test=ID_A~abc; Path=/app
--- error_log eval
qr/\[warn\].*session_sticky.*maxidle/
