# mode=route and "sticky route": the request itself names its server. No cookie is ever set, and nothing is hidden.
#
# Sections of this file's own:
#   upstream  the content of "upstream u"
#   location  directives in addition to proxy_pass
# E is unreachable. X-Upstream lists the servers tried. With the argument fail=NAME, that server answers 503.

use Sticky;

$port{E} = 1998;

our $servers = servers(<<'_EOC_', qw(A B C));
location / {
    if ($arg_fail = NAME) { return 503; }
    return 200 "NAME $request_uri cookie=[$http_cookie]\n";
}
_EOC_

may_warn(qr/ is also that of upstream /);
client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstream = defined $block->upstream ? "upstream u {\n" . $block->upstream . "}\n" : '';
    fill($block, "large_client_header_buffers 4 32k;\n$servers$upstream");
    $block->set_value(config => ($block->config // '') . <<'_EOC_' . ($block->location // '') . 'proxy_pass http://u; }')
add_header X-Upstream "$upstream_addr" always;
location / {
_EOC_
        if defined $block->upstream;
});

run_tests();

__DATA__

=== the first non-empty variable names the server, later ones are ignored
--- upstream
server 127.0.0.1:1985 route=a;
server 127.0.0.1:1986 route=b;
server 127.0.0.1:1987 route=c;
session_sticky mode=route lookup=$arg_route lookup=$cookie_route lookup=$http_x_route;
--- visits
/t?route=b -> B, sets nothing
/t?route=b route=c | X-Route: c -> B, sees "route=c", sets nothing
route=c | X-Route: b -> C, sees "route=c", sets nothing
X-Route: b -> B, sees nothing, sets nothing
/t?route= route= | X-Route: c -> C, sees "route=", sets nothing
/t?route=nobody route=c -> [ABC], sees "route=c", sets nothing



=== "sticky route": the same
--- upstream
server 127.0.0.1:1985 route=a;
server 127.0.0.1:1986 route=b;
server 127.0.0.1:1987 route=c;
sticky route $arg_route $cookie_route $http_x_route;
--- visits
/t?route=b -> B, sets nothing
/t?route=b route=c | X-Route: c -> B, sees "route=c", sets nothing
route=c | X-Route: b -> C, sees "route=c", sets nothing
X-Route: b -> B, sees nothing, sets nothing
/t?route= route= | X-Route: c -> C, sees "route=", sets nothing



=== a server is named by its id=, or else its route=, or else the MD5 of its address
--- upstream
server 127.0.0.1:1985 id=one route=a;
server 127.0.0.1:1986 route=b;
server 127.0.0.1:1987;
session_sticky mode=route lookup=$arg_route fallback=off;
--- visits
/t?route=one -> A
/t?route=b -> B
/t?route=ID_C -> C
/t?route=a -> 502, sets nothing
/t?route=ID_A -> 502
/t?route=ID_B -> 502
/t?route=127.0.0.1:1987 -> 502



=== a map extracts the route from a session ID, with a named capture
--- http_config
map $cookie_jsessionid $route_of_cookie { ~.+\.(?P<route>\w+)$ $route; }
map $request_uri $route_of_path { ~jsessionid=.+\.(?P<route>\w+)$ $route; }
--- upstream
server 127.0.0.1:1985 route=a;
server 127.0.0.1:1986 route=b;
session_sticky mode=route lookup=$route_of_cookie lookup=$route_of_path fallback=off;
--- visits
JSESSIONID=0123.b -> B, sees "JSESSIONID=0123.b", sets nothing
JSESSIONID=0123.a -> A, sees "JSESSIONID=0123.a", sets nothing
/t;jsessionid=0123.b -> B
/t;jsessionid=0123.b JSESSIONID=0123.a -> A
JSESSIONID=0123.c -> 502
JSESSIONID=0123 -> [AB], sees "JSESSIONID=0123", sets nothing



=== the comparison is case-sensitive and uses the whole text
--- upstream
server 127.0.0.1:1985 route=a;
server 127.0.0.1:1986 route=Some.Route:8080;
session_sticky mode=route lookup=$arg_route fallback=off;
--- visits
/t?route=Some.Route:8080 -> B
/t?route=some.route:8080 -> 502
/t?route=Some.Route:808 -> 502
/t?route=Some.Route:80800 -> 502
/t?route=%61 -> 502
/t?route=a%00 -> 502
/t?route=a~ -> 502
/t?route=~a -> 502
/t?route=a| -> 502
/t?route=a|1| -> 502
/t?route="a" -> 502



=== what surrounds an ID is removed for the accept= forms, but is part of a route
--- upstream
server 127.0.0.1:1985 route=a;
server 127.0.0.1:1986 route=b;
session_sticky mode=route lookup=$arg_route accept=md5,index fallback=off;
--- visits
/t?route=b -> B
/t?route=ID_B -> B
/t?route=ID_B|1600000000|1600000000 -> B
/t?route=1 -> B
/t?route=b|1600000000|1600000000 -> 502
/t?route=b|1600000000 -> 502
/t?route="b" -> 502
/t?route=b~x -> 502



=== accept=md5: clients that still name the server by its address
--- upstream
server 127.0.0.1:1985 id=a;
server 127.0.0.1:1986 id=b;
session_sticky mode=route lookup=$arg_route lookup=$cookie_route accept=md5;
--- visits
/t?route=ID_B -> B, sets nothing
/t?route=ID_B -> B, sets nothing
route=ID_A -> A, sees "route=ID_A", sets nothing
route=b -> B, sees "route=b", sets nothing



=== a route of 8 kB, with binary bytes, with text that could break a log line: names no server and does no harm
--- upstream
server 127.0.0.1:1985 route=a;
server 127.0.0.1:1986 route=b;
session_sticky mode=route lookup=$cookie_route lookup=$http_x_route;
--- client
my %routes = (
    '8 kB' => 'b' x 8192, '%00' => '%00', 'bytes' => "\x80\xff\x01\x7f", 'a percent format' => '%s%n%V%*s',
    'quotes' => '"\\"', 'a pipe' => '|', 'pipes' => '|' x 1000, 'a tilde' => '~', 'a line break to be' => '\r\n\x0d',
);
for my $what (sort keys %routes) {
    my %served;
    for (1 .. 4) {
        my $response = visit('/t', "route=$routes{$what}");
        $served{status($response) . ' ' . substr body($response), 0, 1} = 1;
        equals(set($response), '', "$what: nothing is set") if $_ == 1;
    }
    equals(scalar(keys %served), 1, "$what: always the same server: @{[%served]}");
    holds(exists $served{'200 A'} || exists $served{'200 B'}, "$what: the server answers");
}
my $response = response(say_to_nginx("GET /t HTTP/1.0\r\nX-Route: b\0\r\n\r\n"));
equals(status($response), '400', 'nginx itself rejects a zero byte');
is_served_by_b() for 1 .. 2;
sub is_served_by_b { equals(substr(body(visit('/t', 'route=b')), 0, 1), 'B', 'the worker lives') }



=== an unknown route: always the same server, selected by hashing the route, and a message is logged
--- upstream
server 127.0.0.1:1985 route=a;
server 127.0.0.1:1986 route=b;
server 127.0.0.1:1987 route=c;
session_sticky mode=route lookup=$arg_route;
--- client
my %served;
for my $name (map { "gone$_" } 1 .. 30) {
    my %of_name = map { substr(body(visit("/t?route=$name")), 0, 1) => 1 } 1 .. 3;
    equals(scalar(keys %of_name), 1, "$name: one server");
    $served{$_}++ for keys %of_name;
}
equals(join(' ', sort keys %served), 'A B C', 'routes are spread over all servers');
--- error_log
session_sticky: route for upstream "u" is unknown, id "gone1"



=== "sticky route": an unknown route is load-balanced
--- upstream
server 127.0.0.1:1985 route=a;
server 127.0.0.1:1986 route=b;
server 127.0.0.1:1987 route=c;
sticky route $arg_route;
--- visits
/t?route=gone -> A
/t?route=gone -> B
/t?route=gone -> C
/t?route=b -> B



=== an unreachable server: always the same other server serves the session until its own is back
--- upstream
server 127.0.0.1:1998 route=e;
server 127.0.0.1:1985 route=a;
server 127.0.0.1:1986 route=b;
server 127.0.0.1:1987 route=c;
session_sticky mode=route lookup=$arg_route;
--- client
my %served = map { substr(body(visit('/t?route=e')), 0, 1) => 1 } 1 .. 12;
equals(scalar(keys %served), 1, "always the same server: @{[keys %served]}");
--- error_log
session_sticky: server "e" of upstream "u" is not available, another server handles this request: 127.0.0.1:1998 (connection failed)



=== "sticky route": an unreachable server: each request is load-balanced
--- upstream
server 127.0.0.1:1998 route=e;
server 127.0.0.1:1985 route=a;
server 127.0.0.1:1986 route=b;
sticky route $arg_route;
--- client
my %served = map { substr(body(visit('/t?route=e')), 0, 1) => 1 } 1 .. 6;
equals(join(' ', sort keys %served), 'A B', 'both servers serve it');



=== fallback=off: an unreachable, down or unknown server
--- upstream
server 127.0.0.1:1998 route=e max_fails=0;
server 127.0.0.1:1985 route=a down;
server 127.0.0.1:1986 route=b;
session_sticky mode=route lookup=$arg_route fallback=off;
--- client
my %wanted = (e => '502 127.0.0.1:1998', a => '502 ', x => '502 ', b => '200 127.0.0.1:1986');
for my $route (sort keys %wanted) {
    my $response = visit("/t?route=$route");
    # If no server was left, nginx appends the name of the upstream.
    my $asked = head('X-Upstream', $response) =~ s/(?:, )?u$//r;
    equals(status($response) . " $asked", $wanted{$route}, "route $route");
    equals(set($response), '', "route $route: nothing is set");
}
equals(status(visit('/t')), '200', 'a request without a route is load-balanced');
--- error_log
session_sticky: route names server "a" of upstream "u", which is down, with "fallback=off": 127.0.0.1:1985 (down)
session_sticky: route names server "x" of upstream "u", which is unknown, with "fallback=off"



=== fallback=unknown: an unknown route is served, an unreachable server is not replaced
--- upstream
server 127.0.0.1:1998 route=e max_fails=0;
server 127.0.0.1:1986 route=b;
session_sticky mode=route lookup=$arg_route fallback=unknown;
--- visits
/t?route=e -> 502, X-Upstream like "127\.0\.0\.1:1998(?:, u)?", sets nothing
/t?route=x -> B, X-Upstream like ".*127\.0\.0\.1:1986", sets nothing



=== proxy_next_upstream: fallback=on tries another server, fallback=off passes the error response on
--- http_config
upstream strict { server 127.0.0.1:1985 route=a; server 127.0.0.1:1986 route=b; session_sticky mode=route lookup=$arg_route fallback=off; }
--- upstream
server 127.0.0.1:1985 route=a max_fails=0;
server 127.0.0.1:1986 route=b max_fails=0;
session_sticky mode=route lookup=$arg_route;
--- config
proxy_next_upstream error timeout http_503;
location /strict { proxy_pass http://strict; }
--- visits
/t?route=b&fail=B -> A, X-Upstream "127.0.0.1:1986, 127.0.0.1:1985", sets nothing
/strict?route=b&fail=B -> 503, X-Upstream "127.0.0.1:1986", sets nothing



=== a shared route selects the first available of its servers
--- upstream
server 127.0.0.1:1998 route=x max_fails=0;
server 127.0.0.1:1986 route=x;
server 127.0.0.1:1987 route=c;
session_sticky mode=route lookup=$arg_route fallback=off;
--- visits
/t?route=x -> B, X-Upstream "127.0.0.1:1998, 127.0.0.1:1986"
/t?route=x -> B, X-Upstream "127.0.0.1:1998, 127.0.0.1:1986"
/t?route=c -> C, X-Upstream "127.0.0.1:1987"



=== drain: the server gets only requests that name it
--- upstream
server 127.0.0.1:1985 route=a drain;
server 127.0.0.1:1986 route=b;
session_sticky mode=route lookup=$arg_route;
--- visits
/t?route=a -> A
/t?route=x -> B
/t?route=y -> B
-> B
-> B
/t?route=a -> A



=== one of two servers with a route drains: the other one is used
--- upstream
server 127.0.0.1:1985 route=x drain;
server 127.0.0.1:1986 route=x;
server 127.0.0.1:1987 route=c;
session_sticky mode=route lookup=$arg_route;
--- visits
/t?route=x -> B
/t?route=x -> B



=== max_conns: while the server is full, another one serves the request, or none
--- upstream
server 127.0.0.1:1996 route=held max_conns=1;
server 127.0.0.1:1986 route=b;
session_sticky mode=route lookup=$arg_route;
--- http_config
upstream strict { server 127.0.0.1:1995 route=held max_conns=1; server 127.0.0.1:1986 route=b; session_sticky mode=route lookup=$arg_route fallback=off; }
--- config
location /strict { proxy_pass http://strict; }
--- client
for ([1996, '/t', '200 B'], [1995, '/strict', '502 <']) {
    my ($at, $path, $wanted) = @$_;
    my $server = serve($at);
    my $asked = ask("$path?route=held");
    my $held = taken($server);
    my $other = visit("$path?route=held");
    equals(status($other) . ' ' . substr(body($other), 0, 1), $wanted, "$path: the server is full");
    answer($held, 'held');
    equals(body(answer_of($asked)), 'held', "$path: the first request is answered");
    is_served($server, "$path: the server is available again", "$path?route=held");
}



=== sticky_no_fallback has the effect of fallback=off, also for "sticky route"
--- skip_nginx: 8: > 1.29.5
--- upstream
server 127.0.0.1:1998 route=e max_fails=0;
server 127.0.0.1:1986 route=b;
sticky route $arg_route;
--- location
sticky_no_fallback;
--- visits
/t?route=e -> 502, X-Upstream like "127\.0\.0\.1:1998(?:, u)?"
/t?route=x -> 502, X-Upstream like "(?!.*127).*"
/t?route=b -> B, X-Upstream "127.0.0.1:1986"



=== sticky_no_fallback and sticky_hide_cookie in locations of mode=route
--- http_config
upstream own { server 127.0.0.1:1998 route=e max_fails=0; server 127.0.0.1:1986 route=b; session_sticky mode=route lookup=$arg_route; }
--- upstream
server 127.0.0.1:1986 route=b;
session_sticky mode=route lookup=$arg_route;
--- config
location /strict { sticky_no_fallback; proxy_pass http://own; }
location /silent { sticky_hide_cookie; proxy_pass http://own; }
--- visits
/strict?route=e -> 502, sets nothing
/strict?route=x -> 502, sets nothing
/strict?route=b -> B, sets nothing
/silent?route=e route=1 -> B, sees "route=1", sets nothing
/silent?route=b route=1 -> B, sees "route=1", sets nothing
