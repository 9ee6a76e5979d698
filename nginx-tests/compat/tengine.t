# Differences from Tengine: a block for every row of the table in docs/guides/moving-from-tengine.md, in its order. The title
# of a block has Tengine's behavior | the module's behavior.

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

    # With a master process only for several workers: it also starts nginx's cache manager, which does not free its memory,
    # as valgrind reports.
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

=== myroute=x before route=ID: the name matches as a substring, and the session is lost | exact name
--- sticky:
--- more_headers
Cookie: myroute=x; route=ID_B
--- response_headers
!Set-Cookie
--- response_body_like: ^B sees



=== route=ID after Route=ID: the name is case-insensitive | exact name
--- sticky:
--- more_headers
Cookie: Route=ID_A; route=ID_B
--- response_headers
!Set-Cookie
--- response_body_like: ^B sees



=== rewrite changes the first Set-Cookie that contains the name, mytest=abc is corrupted | exact name
--- sticky: cookie=test mode=rewrite
--- request
GET /t/sets
--- response_headers
Set-Cookie: latest=42, mytest=abc, test=ID_A; Path=/app



=== prefix changes the first Set-Cookie that contains the name, mytest=abc is corrupted | exact name
--- sticky: cookie=test mode=prefix
--- request
GET /t/sets
--- response_headers
Set-Cookie: latest=42, mytest=abc, test=ID_A~abc; Path=/app



=== a session of a server marked down still goes to it | not available
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



=== a session of a server marked down still goes to it, fallback=off | not available, 502
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986 down;
session_sticky fallback=off;
--- more_headers
Cookie: route=ID_B
--- error_code: 502
--- response_headers
!Set-Cookie



=== a failed server is tried for each request of its sessions, max_fails has no effect | max_fails applies
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=2 fail_timeout=60s;
session_sticky;
--- visits
route=ID_DEAD -> X-Tried "127.0.0.1:1999, 127.0.0.1:1985"
route=ID_DEAD -> X-Tried "127.0.0.1:1999, 127.0.0.1:1985"
route=ID_DEAD -> X-Tried "127.0.0.1:1985"
route=ID_DEAD -> X-Tried "127.0.0.1:1985"



=== bound requests only decrement conns, which underflows, and new sessions get 502 | nginx's own accounting
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



=== a cache hit with the hide directive sets an empty route=, and the session is lost | no cookie is set
--- sticky: option=indirect
--- config
location /t/ { session_sticky_hide_cookie upstream=u; proxy_pass http://u/; proxy_cache cached; add_header X-Cache $upstream_cache_status; }
--- visits
/t/cacheable -> X-Cache "MISS", sets "route=ID_A; Path=/"
/t/cacheable -> X-Cache "HIT", sets nothing
/t/cacheable route=ID_A -> X-Cache "HIT", sets nothing



=== a response redirected by X-Accel-Redirect loses its cookie | it keeps it
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



=== with a zone, failures of bound requests do not apply to other workers or other requests | they apply to all
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
for my $them (['bound requests', \@bound, 1], ['requests without a cookie', \@visitors, 0]) {
    my ($who, $responses, $failures) = @$them;
    my %workers = map { head('X-Worker', $_) => 1 } @$responses;
    equals(scalar(keys %workers), 2, "two workers have $who");
    equals(scalar(grep { head('X-Tried', $_) =~ /1999/ } @$responses), $failures, "number of $who that try the failed server");
}



=== backup is rejected | accepted, and its sessions stay
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986 backup;
session_sticky;
--- visits
-> A, sets "route=ID_A; Path=/"
route=ID_B -> B, sets nothing
-> A, sets "route=ID_A; Path=/"



=== max_conns is rejected | accepted, and applies
--- upstream
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client
my $server = serve(1991);
my $first = ask('/t/', 'route=127.0.0.1:1991');
my $held = taken($server);
holds($held, 'the first request reaches its server');
equals(head('X-Tried', visit('/t/', 'route=127.0.0.1:1991')), '127.0.0.1:1986', 'the second goes to the other server');
answer($held, 'done');
equals(body(response($first)), 'done', 'the first gets its response');



=== an earlier least_conn is silently ignored | both apply
--- upstream
least_conn;
server 127.0.0.1:1991;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client
my $server = serve(1991);
my $first = ask('/t/', 'route=127.0.0.1:1991');
my $held = taken($server);
holds($held, 'a bound request reaches its server');
my @visitors = map { head('X-Tried', visit('/t/')) } 1 .. 3;
equals("@visitors", '127.0.0.1:1986 127.0.0.1:1986 127.0.0.1:1986', 'requests without a cookie go to the idle server');
answer($held, 'done');
equals(body(response($first)), 'done', 'the bound request gets its response');



=== maxage is ignored if maxidle or maxlife is set | both apply
--- sticky: maxage=120 maxidle=40 maxlife=60
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/; Max-Age=120; Expires=DATE+120



=== no cookie in responses with a status >= 400 | with any status of a server's response
--- sticky:
--- visits
/t/404 -> 404, sets "route=ID_A; Path=/"
/t/500 -> 500, sets "route=ID_B; Path=/"



=== option=indirect without the hide directive: no cookie is set | it is set, and hidden
--- sticky: option=indirect
--- visits
-> A, sees nothing, sets "route=ID_A; Path=/"
route=ID_B -> B, sees nothing, sets nothing



=== mode=prefix without the hide directive: no cookie is set | it is set, and its ID~ is hidden
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



=== indirect: the backend receives xroute=v as x | exact name
--- sticky: option=indirect
--- visits
xroute=v -> A, sees "xroute=v"
xroute=v; route=ID_B -> B, sees "xroute=v"



=== indirect: an expired session continues if its cookie is the only one | always checked
--- sticky: option=indirect maxidle=30
--- more_headers
Cookie: route=ID_B|NOW-1000|NOW-1000
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/
--- response_body
A sees none



=== a backup server's response sets the ID of a failed primary server | of the server that responded
--- upstream
server 127.0.0.1:1999;
server 127.0.0.1:1985 backup;
session_sticky;
--- response_headers
Set-Cookie: route=ID_A; Path=/
X-Tried: 127.0.0.1:1999, 127.0.0.1:1985



=== a backup server's response repeats the client's cookie value | sets the ID of the server that responded
--- upstream
server 127.0.0.1:1999;
server 127.0.0.1:1985 backup;
session_sticky maxidle=1h;
--- more_headers
Cookie: route=ID_DEAD|NOW-10|NOW-10
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== the fallback may try the same failed server again and respond with 502, although one is available | each is tried once
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=0;
session_sticky;
--- visits
route=ID_DEAD -> X-Tried "127.0.0.1:1999, 127.0.0.1:1985"
route=ID_DEAD -> X-Tried "127.0.0.1:1999, 127.0.0.1:1985"
route=ID_DEAD -> X-Tried "127.0.0.1:1999, 127.0.0.1:1985"
route=ID_DEAD -> X-Tried "127.0.0.1:1999, 127.0.0.1:1985"



=== fallback=off tries the failed server once per server of the group | once
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



=== server-level hiding with try_files to a named location: each request starts a new session | the cookie is read once
--- sticky: option=indirect
--- config
    session_sticky_hide_cookie upstream=u;
    location /t/ { try_files /nowhere @backend; }
    location @backend { proxy_pass http://u; }
--- visits
a=b; route=ID_B -> B, sees "a=b", sets nothing
a=b; route=ID_B -> B, sees "a=b", sets nothing
a=b; route=ID_B -> B, sees "a=b", sets nothing



=== removing the cookie leaves "a=b;  c=d", or an empty header | a well-formed header, or none
--- sticky: option=indirect
--- visits
a=b; route=ID_B; c=d -> B, sees "a=b; c=d"
route=ID_B -> B, sees nothing
route=ID_B; c=d -> B, sees "c=d"
a=b; route=ID_B -> B, sees "a=b"



=== a cookie without timestamps is rejected if maxidle is set, all sessions move at once | accepted, and timestamps are set
--- sticky: maxidle=1h maxlife=2h
--- more_headers
Cookie: route=ID_B
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|STAMP; Path=/
--- response_body_like: ^B



=== mode=insertXYZ is accepted | an error with the parameter and its valid values
--- sticky: mode=insertXYZ
--- must_die
--- suppress_stderr
--- error_log eval
qr/\[emerg\](?=.*session_sticky)(?=.*mode)(?=.*insertXYZ)(?=.*\binsert\b)(?=.*\brewrite\b)(?=.*\bprefix\b)/



=== the same on purpose: 502 for an unknown ID with fallback=off
--- sticky: fallback=off
--- more_headers
Cookie: route=0123456789abcdef0123456789abcdef
--- error_code: 502
--- response_headers
!Set-Cookie



=== the same on purpose: an expired session is replaced with a new one, also with fallback=off
--- sticky: fallback=off maxidle=30
--- more_headers
Cookie: route=ID_B|NOW-1000|NOW-1000
--- response_headers_like
Set-Cookie: route=ID_A\|STAMP\|STAMP; Path=/



=== the same on purpose: timestamps up to 24 h in the future are accepted
--- sticky: maxidle=30 maxlife=60
--- more_headers
Cookie: route=ID_B|NOW+86000|NOW+86000
--- response_headers_like
Set-Cookie: route=ID_B\|STAMP\|NOW+86000; Path=/



=== the same on purpose: timestamps further in the future are treated as missing
--- sticky: maxidle=30 maxlife=60
--- visits
route=ID_B|NOW+87000|NOW-10 -> sets like "route=ID_A\|STAMP\|STAMP; Path=/"
route=ID_A|NOW-10|NOW+87000 -> sets like "route=ID_B\|STAMP\|STAMP; Path=/"



=== accepted as by Tengine: a parameter twice, the last one is used
--- sticky: cookie=one cookie=two
--- response_headers
Set-Cookie: two=ID_A; Path=/
--- error_log eval
qr/\[warn\].*cookie.*session_sticky/



=== accepted as by Tengine: the directive twice, the last one is used
--- upstream
server 127.0.0.1:1985;
session_sticky cookie=one;
session_sticky cookie=two;
--- response_headers
Set-Cookie: two=ID_A; Path=/
--- error_log eval
qr/\[warn\].*session_sticky/



=== accepted as by Tengine: rewrite with indirect
--- sticky: cookie=test mode=rewrite option=indirect
--- request
GET /t/sets
--- response_headers
Set-Cookie: latest=42, mytest=abc, test=ID_A; Path=/app
--- error_log eval
qr/\[warn\].*session_sticky.*indirect/



=== accepted as by Tengine: prefix with maxidle
--- sticky: cookie=test mode=prefix maxidle=30
--- request
GET /t/sets
--- response_headers
Set-Cookie: latest=42, mytest=abc, test=ID_A~abc; Path=/app
--- error_log eval
qr/\[warn\].*session_sticky.*maxidle/
