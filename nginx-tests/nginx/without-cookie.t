# Sessions without a cookie in mode=route and mode=learn, with subrequests, internal redirects, caches, upgraded connections
# and clients that disconnect. There are also upstreams with a cookie, which is called "route", the default name, which
# these modes do not use.
#
# Servers answer with NAME and the Cookie field they received, and create the session of the argument id by X-Session.
# The servers of "played", on 127.0.0.1:1991 and 1992, are played by the test.

use Sticky qw(Caches Multiplex Nginx);

our $http = servers(<<'_EOC_') . <<'_EOC_';
default_type text/html;
add_header X-Session $arg_id always;
location / { return 200 "NAME cookie=[$http_cookie]"; }
location /page { return 200 'NAME page [<!--#include virtual="/part?id=$arg_part" -->]'; }
location /accel { add_header X-Session $arg_id always; add_header X-Accel-Redirect $arg_to; return 200; }
location /503 { return 503 'NAME is busy'; }
location /401 { return 401; }
location /kept { add_header X-Session $arg_id always; add_header Cache-Control max-age=60; return 200 "NAME kept"; }
_EOC_
    upstream route   { server 127.0.0.1:1985 route=a; server 127.0.0.1:1986 route=b; session_sticky mode=route lookup=$arg_route lookup=$cookie_route; }
    upstream cookie  { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky hash=plain cookie=route; }
    upstream hiding  { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky hash=plain cookie=route option=indirect; }
    upstream cutting { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky hash=plain cookie=route mode=prefix; }
_EOC_

# Each block has its own zones, so that none starts with sessions learned by another.
our $learning = <<'_EOC_';
    upstream learn  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid zone=learnNN:64k; }
    upstream early  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid zone=earlyNN:64k header; }
    upstream second { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid zone=secondNN:64k; }
    upstream played { server 127.0.0.1:1991 max_fails=0; server 127.0.0.1:1992 max_fails=0; session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid zone=playedNN:64k; }
    upstream played_early { server 127.0.0.1:1991 max_fails=0; server 127.0.0.1:1992 max_fails=0; session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid zone=earlierNN:64k header; }
_EOC_

# The servers of six requests of a session; with load balancing there would be more than one.
sub served { my ($path) = @_; my %who = map { substr(body(visit($path)), 0, 1) => 1 } 1 .. 6; return join ' ', sort keys %who }
# The same for servers played by the test: their ports.
sub played_by {
    my ($servers, $path) = @_;
    my %who;
    for (1 .. 4) {
        my $asked = ask($path);
        my $held = taken($servers) or return 'none';
        $who{$held->sockport} = 1;
        answer($held, 'played');
        answer_of($asked);
    }
    return join ' ', sort keys %who;
}

may_warn(qr/ is also that of upstream /);
client_sections();
my $number = 0;
add_block_preprocessor(sub {
    my ($block) = @_;
    $number++;
    my ($config, $cache) = own_cache($block->config // '');
    $block->set_value(config => <<'_EOC_' . $config);
add_header X-Session $upstream_http_x_session always;
location /learned/ { proxy_pass http://learn/; }
location /second/ { proxy_pass http://second/; }
location /routed/ { proxy_pass http://route/; }
_EOC_
    fill($block, $cache . $http . $learning =~ s/NN/$number/gr);
    $block->set_value(http_config => $block->http_config =~ s/\bLISTEN\b/listens_http2('127.0.0.1:1981')/er);
});

run_tests();

__DATA__

=== X-Accel-Redirect from mode=route to a cookie of that name: each selects its own server, and the cookie is set once
--- config
location /from-route { proxy_pass http://route/accel; }
location /to-cookie  { internal; proxy_pass http://cookie/; }
location /to-hiding  { internal; proxy_pass http://hiding/; }
location /to-cutting { internal; proxy_pass http://cutting/; }
--- client
for my $to (qw(cookie hiding)) {
    my $response = visit("/from-route?route=a&to=/to-$to");
    holds(body($response) =~ /^[CD]/, "$to: the second upstream answers");
    equals(set($response) =~ s/198[78]/198N/r, 'route=127.0.0.1:198N; Path=/', "$to: it sets its cookie");
    $response = visit("/from-route?route=a&to=/to-$to", 'route=127.0.0.1:1988');
    equals(body($response), $to eq 'cookie' ? 'D cookie=[route=127.0.0.1:1988]' : 'D cookie=[]', "$to: it reads its cookie");
    equals(set($response), '', "$to: nothing is set again");
}
my $response = visit('/from-route?route=a&to=/to-cutting', 'route=127.0.0.1:1988~b');
equals(body($response), 'D cookie=[route=b]', 'prefix: it removes its ID');



=== X-Accel-Redirect from a hidden cookie to a route taken from it: a variable has what the server sees
--- config
location /from-hiding { set $kept $cookie_route; proxy_pass http://hiding/accel; }
location /to-route { internal; proxy_pass http://route/; }
location /to-kept  { internal; proxy_pass http://kept/; }
--- http_config
upstream kept { server 127.0.0.1:1985 route=a; server 127.0.0.1:1986 route=b; session_sticky mode=route lookup=$kept; }
--- client
for my $n (1 .. 3) {
    my $response = visit('/from-hiding?to=/to-kept', 'route=b');
    equals(body($response), 'B cookie=[]', 'the value stored before hiding names the server');
    equals(set($response) =~ s/198[78]/198N/r, 'route=127.0.0.1:198N; Path=/', 'the first upstream sets its own cookie');
}
my %who = map { substr(body(visit('/from-hiding?to=/to-route', 'route=b')), 0, 1) => 1 } 1 .. 4;
equals(join(' ', sort keys %who), 'A B', 'the cookie itself is hidden');



=== one location with a variable for a route or a cookie
--- config
location / { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$arg_up; }
--- client
equals(body(visit('/?up=hiding', 'route=127.0.0.1:1988')), 'D cookie=[]', 'the cookie is hidden from its servers');
equals(body(visit('/?up=route&route=b')), 'B cookie=[]', 'the route selects the server');
equals(body(visit('/?up=cookie', 'route=127.0.0.1:1988')) =~ s/ .*//r, 'D', 'the cookie selects the server in another upstream');



=== SSI: page and include have separate sessions, both of which are learned
--- config
location /page { ssi on; proxy_pass http://learn; }
location /part { proxy_pass http://second; }
--- client
for my $n (1 .. 3) {
    my ($page, $part) = body(visit("/page?id=page$n&part=part$n")) =~ /^([AB]) page \[([CD]) / or die 'no page';
    equals(served("/learned/?sid=page$n"), $page, "the page's session stays");
    equals(served("/second/?sid=part$n"), $part, "the include's session stays");
}



=== auth_request and mirror learn as well
--- config
location /auth { auth_request /check; proxy_pass http://route/; }
location /check { internal; proxy_pass http://second/?id=$cookie_id; }
location /mirror { mirror /copy; proxy_pass http://route/; }
location /copy { internal; proxy_pass http://second/?id=$cookie_id; }
--- client
for my $how (qw(auth mirror)) {
    equals(body(visit("/$how?route=b", "id=$how")) =~ s/ .*//r, 'B', "$how: the request reaches the server of its route");
    my $served = soon(sub { my $who = served("/second/?sid=$how"); return $who =~ /^[CD]$/ && $who });
    holds($served, "$how: the subrequest's session was learned: $served");
}



=== internally redirected responses: X-Accel-Redirect, error_page; with "header" as well
--- config
location /accel { proxy_pass http://learn; }
location /early { proxy_pass http://early/accel; }
location /early/ { proxy_pass http://early/; }
location /failing { proxy_pass http://learn/503; proxy_intercept_errors on; error_page 503 /sorry; }
location /failing-early { proxy_pass http://early/503; proxy_intercept_errors on; error_page 503 /sorry; }
location /failing-over { proxy_pass http://learn/503; proxy_intercept_errors on; error_page 503 = @second; }
location @second { proxy_pass http://second; }
location /sorry { return 200 "sorry"; }
--- client
# The client does not get the server's response, but the session is learned.
my %ways = (accel => ['/accel?to=/sorry', '/learned/'], early => ['/early?to=/sorry', '/early/'], failing => ['/failing?', '/learned/'],
            'failing early' => ['/failing-early?', '/early/']);
for my $way (sort keys %ways) {
    my ($path, $learned) = @{$ways{$way}};
    for my $n (1 .. 3) {
        my $id = ($way =~ tr/ //dr) . $n;
        equals(body(visit("$path&id=$id")), 'sorry', "$way: the final response");
        holds(served("$learned?sid=$id") =~ /^[AB]$/, "$way: its session is learned");
    }
}
my $response = visit('/failing-over?id=over');
holds(body($response) =~ /^[CD] /, 'the error is redirected to another upstream');
holds(served('/learned/?sid=over') =~ /^[AB]$/, 'its session is learned in the first upstream');
equals(served('/second/?sid=over'), substr(body($response), 0, 1), "the second upstream learns its own server's session");



=== X-Accel-Redirect between upstreams that learn: each learns its own server's session
--- config
location /from-learn { proxy_pass http://learn/accel; }
location /from-early { proxy_pass http://early/accel; }
location /early/ { proxy_pass http://early/; }
location /to-second { internal; proxy_pass http://second/?id=second$cookie_n; }
--- client
for (['learn', '/learned/'], ['early', '/early/']) {
    my ($from, $first) = @$_;
    for my $n (1 .. 4) {
        my $response = visit("/from-$from?id=$from$n&to=/to-second", "n=$n");
        my $second = substr body($response), 0, 1;
        holds(served("$first?sid=$from$n") =~ /^[AB]$/, "$from: its own session is learned");
        equals(served("/second/?sid=second$n"), $second, 'so is that of the second');
        equals(served("$first?sid=second$n"), 'A B', "$from: the session of the second is unknown to the first");
        equals(served("/second/?sid=$from$n"), 'C D', 'that of the first is unknown to the second');
    }
}



=== proxy_cache: a hit learns nothing, and the client's session is neither lost nor moved
--- config
location /kept { proxy_pass http://learn; proxy_cache cached; proxy_cache_key $arg_page; add_header X-Cache $upstream_cache_status; }
--- client
my $own = substr body(visit('/learned/?id=own')), 0, 1;
for my $page (1 .. 4) {
    my $miss = visit("/kept?page=$page&id=in$page&sid=other$page");
    equals(head('X-Cache', $miss), 'MISS', "page $page is fetched");
    equals(served("/learned/?sid=in$page"), substr(body($miss), 0, 1), 'it creates a session');
    my $hit = visit("/kept?page=$page&id=hit$page&sid=own");
    equals(head('X-Cache', $hit), 'HIT', "$page is cached");
}
equals(served('/learned/?sid=own'), $own, 'the session of the cached requests stays');
equals(served('/learned/?sid=hit1'), 'A B', 'a hit creates no session');



=== a slow response: its session is learned at the header with "header", else at the end; a client that disconnects
--- config
location /played/ { proxy_pass http://played/; proxy_buffering off; }
location /early/ { proxy_pass http://played_early/; proxy_buffering off; }
--- client
my @servers = (serve(1991), serve(1992));
my $begin = sub {
    my ($path) = @_;
    my $asked = ask($path);
    my $held = taken(\@servers);
    print $held "HTTP/1.0 200 OK\r\nX-Session: slow\r\nContent-Length: 8\r\n\r\nhalf";
    read_until($asked, qr/half/);
    return ($asked, $held, $held->sockport);
};
my ($asked, $held, $port) = $begin->('/early/');
equals(played_by(\@servers, '/early/?sid=slow'), $port, 'with "header" the session has its server during the response');
print $held 'done'; close $held; response($asked);
($asked, $held, $port) = $begin->('/played/');
equals(played_by(\@servers, '/played/?sid=slow'), '1991 1992', 'without it, it has none yet');
print $held 'done'; close $held; response($asked);
equals(played_by(\@servers, '/played/?sid=slow'), $port, 'at the end it has');
# A client that disconnects before the header creates no session, and its own session is kept.
my $left = ask('/played/?sid=slow');
$held = taken(\@servers);
equals($held->sockport, $port, 'a request of the session');
close $left;
eventually(sub { sysread($held, my $none, 1) == 0 }, 'the client disconnects before the header, so nginx closes its connection');
equals(played_by(\@servers, '/played/?sid=slow'), $port, 'the session stays');
$left = ask('/played/?sid=new');
$held = taken(\@servers);
close $left;
eventually(sub { sysread($held, my $none, 1) == 0 }, 'a client of a new session disconnects');
equals(played_by(\@servers, '/played/?sid=new'), '1991 1992', 'the new session is unknown');



=== an upgraded connection: learned when it ends, with "header" when it begins
--- config
proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection upgrade;
location /played/ { proxy_pass http://played/; }
location /early/ { proxy_pass http://played_early/; }
--- client
my @servers = (serve(1991), serve(1992));
for my $path ('/early/', '/played/') {
    my $asked = say_to_nginx("GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    my $held = taken(\@servers);
    print $held "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Session: socket\r\n\r\n";
    read_until($asked, qr/\r\n\r\n/);
    my $port = $held->sockport;
    print $asked 'ping';
    equals(read_until($held, qr/ping/), 'ping', "$path: data passes through");
    equals(played_by(\@servers, "$path?sid=socket"), $path eq '/early/' ? $port : '1991 1992', "$path: the session during the connection");
    close $held; close $asked;
    my $is_known = sub { played_by(\@servers, "$path?sid=socket") eq $port };
    eventually($is_known, "$path: the session is known afterwards");
}



=== HTTP/2: many requests on one connection, each with its session
--- http_config
server { LISTEN location / { proxy_pass http://learn; } location /r/ { proxy_pass http://route/; } }
--- client
my $client = Multiplex->new('h2c', 1981);
my %server;
$client->ask($_, "/?id=h$_", []) for 1 .. 8;
$server{$_} = substr $client->answer($_)->{body}, 0, 1 for 1 .. 8;
equals(join('', sort values %server), 'AAAABBBB', 'sessions are created on both servers');
for my $pass (1 .. 3) {
    $client->ask("$pass-$_", "/?sid=h$_", []) for 1 .. 8;
    my $got = join '', map { substr $client->answer("$pass-$_")->{body}, 0, 1 } 1 .. 8;
    equals($got, join('', map { $server{$_} } 1 .. 8), 'they stay there');
}
$client->ask('b', '/r/', ['x=1', 'route=b']);
equals($client->answer('b')->{body}, 'B cookie=[x=1; route=b]', 'a route in one of several fields');
$client->leave;
