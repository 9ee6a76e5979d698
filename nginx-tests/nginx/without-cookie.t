# Sessions without a cookie where nginx does more than pass a request and its response: subrequests, responses that are handed
# on inside, caches, upgraded connections, clients that leave. Beside them upstreams with a cookie, which is called "route"
# like the default of a name that these modes do not use.
#
# Servers answer NAME and the Cookie they got. /begin begins the session of the argument id, by X-Session.
# On 127.0.0.1:1991 and 1992 the client plays the servers of "played".

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

# The zone is the block's own, so that none begins with what another has learned.
our $learning = <<'_EOC_';
    upstream learn  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid zone=learnNN:64k; }
    upstream early  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid zone=earlyNN:64k header; }
    upstream second { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid zone=secondNN:64k; }
    upstream played { server 127.0.0.1:1991 max_fails=0; server 127.0.0.1:1992 max_fails=0; session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid zone=playedNN:64k; }
    upstream played_early { server 127.0.0.1:1991 max_fails=0; server 127.0.0.1:1992 max_fails=0; session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid zone=earlierNN:64k header; }
_EOC_

# Which servers a session gets, asked so often that chance would show.
sub served { my ($path) = @_; my %who = map { substr(body(visit($path)), 0, 1) => 1 } 1 .. 6; return join ' ', sort keys %who }
# The same of a server that the client plays: which of them is asked.
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

=== X-Accel-Redirect from a route to a cookie of that name and back: each finds its own server, and the cookie is set once
--- config
location /from-route { proxy_pass http://route/accel; }
location /to-cookie  { internal; proxy_pass http://cookie/; }
location /to-hiding  { internal; proxy_pass http://hiding/; }
location /to-cutting { internal; proxy_pass http://cutting/; }
--- client
for my $to (qw(cookie hiding)) {
    my $response = visit("/from-route?route=a&to=/to-$to");
    holds(body($response) =~ /^[CD]/, "$to: the second upstream answers");
    equals(set($response) =~ s/198[78]/198N/r, 'route=127.0.0.1:198N; Path=/', "$to: and sets its cookie");
    $response = visit("/from-route?route=a&to=/to-$to", 'route=127.0.0.1:1988');
    equals(body($response), $to eq 'cookie' ? 'D cookie=[route=127.0.0.1:1988]' : 'D cookie=[]', "$to: it reads it");
    equals(set($response), '', "$to: nothing is set again");
}
my $response = visit('/from-route?route=a&to=/to-cutting', 'route=127.0.0.1:1988~b');
equals(body($response), 'D cookie=[route=b]', 'prefix: it cuts its ID off');



=== X-Accel-Redirect from a cookie that is hidden to a route that stands in it: a variable has what the server sees
--- config
location /from-hiding { set $kept $cookie_route; proxy_pass http://hiding/accel; }
location /to-route { internal; proxy_pass http://route/; }
location /to-kept  { internal; proxy_pass http://kept/; }
--- http_config
upstream kept { server 127.0.0.1:1985 route=a; server 127.0.0.1:1986 route=b; session_sticky mode=route lookup=$kept; }
--- client
for my $n (1 .. 3) {
    my $response = visit('/from-hiding?to=/to-kept', 'route=b');
    equals(body($response), 'B cookie=[]', 'what was kept early names the server');
    equals(set($response) =~ s/198[78]/198N/r, 'route=127.0.0.1:198N; Path=/', 'the first upstream sets its own');
}
my %who = map { substr(body(visit('/from-hiding?to=/to-route', 'route=b')), 0, 1) => 1 } 1 .. 4;
equals(join(' ', sort keys %who), 'A B', 'the cookie itself is hidden');



=== one location passes to a route or to a cookie by a variable
--- config
location / { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$arg_up; }
--- client
equals(body(visit('/?up=hiding', 'route=127.0.0.1:1988')), 'D cookie=[]', 'the cookie is hidden from its servers');
equals(body(visit('/?up=route&route=b')), 'B cookie=[]', 'the route is followed');
equals(body(visit('/?up=cookie', 'route=127.0.0.1:1988')) =~ s/ .*//r, 'D', 'another upstream follows the cookie');



=== ssi: page and part have sessions of their own, which are learned both
--- config
location /page { ssi on; proxy_pass http://learn; }
location /part { proxy_pass http://second; }
--- client
for my $n (1 .. 3) {
    my ($page, $part) = body(visit("/page?id=page$n&part=part$n")) =~ /^([AB]) page \[([CD]) / or die 'no page';
    equals(served("/learned/?sid=page$n"), $page, "the page's session stays");
    equals(served("/second/?sid=part$n"), $part, "and that of the part, which was a subrequest");
}



=== auth_request and mirror learn as well
--- config
location /auth { auth_request /check; proxy_pass http://route/; }
location /check { internal; proxy_pass http://second/?id=$cookie_id; }
location /mirror { mirror /copy; proxy_pass http://route/; }
location /copy { internal; proxy_pass http://second/?id=$cookie_id; }
--- client
for my $how (qw(auth mirror)) {
    equals(body(visit("/$how?route=b", "id=$how")) =~ s/ .*//r, 'B', "$how: the request goes by its route");
    my $served = soon(sub { my $who = served("/second/?sid=$how"); return $who =~ /^[CD]$/ && $who });
    holds($served, "$how: the subrequest was learned: $served");
}



=== responses that are handed on: X-Accel-Redirect, error_page; with "header" as well
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
# The server cannot be seen: the session has one all the same.
my %ways = (accel => ['/accel?to=/sorry', '/learned/'], early => ['/early?to=/sorry', '/early/'], failing => ['/failing?', '/learned/'],
            'failing early' => ['/failing-early?', '/early/']);
for my $way (sort keys %ways) {
    my ($path, $learned) = @{$ways{$way}};
    for my $n (1 .. 3) {
        my $id = ($way =~ tr/ //dr) . $n;
        equals(body(visit("$path&id=$id")), 'sorry', "$way: what is handed on");
        holds(served("$learned?sid=$id") =~ /^[AB]$/, "$way: its session is learned");
    }
}
my $response = visit('/failing-over?id=over');
holds(body($response) =~ /^[CD] /, 'an error is handed on to another upstream');
holds(served('/learned/?sid=over') =~ /^[AB]$/, 'its session is learned in the first');
equals(served('/second/?sid=over'), substr(body($response), 0, 1), 'and in the second, which has begun it as well');



=== X-Accel-Redirect from one that learns to another: each learns what its own server has begun
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
        equals(served("/second/?sid=second$n"), $second, 'and that of the second');
        equals(served("$first?sid=second$n"), 'A B', "$from: the session of the second is unknown to the first");
        equals(served("/second/?sid=$from$n"), 'C D', 'and the other way round');
    }
}



=== proxy_cache: a hit learns nothing, and the session that asks is neither lost nor moved
--- config
location /kept { proxy_pass http://learn; proxy_cache cached; proxy_cache_key $arg_page; add_header X-Cache $upstream_cache_status; }
--- client
my $own = substr body(visit('/learned/?id=own')), 0, 1;
for my $page (1 .. 4) {
    my $miss = visit("/kept?page=$page&id=in$page&sid=other$page");
    equals(head('X-Cache', $miss), 'MISS', "page $page is fetched");
    equals(served("/learned/?sid=in$page"), substr(body($miss), 0, 1), 'which begins a session');
    my $hit = visit("/kept?page=$page&id=hit$page&sid=own");
    equals(head('X-Cache', $hit), 'HIT', "and kept: $page");
}
equals(served('/learned/?sid=own'), $own, 'the session that was answered from the cache stays');
equals(served('/learned/?sid=hit1'), 'A B', 'none was begun by a hit');



=== a slow response: with "header" its session is known at once, else at its end; a client that leaves
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
equals(played_by(\@servers, '/early/?sid=slow'), $port, 'with "header" the session has its server while the response comes');
print $held 'done'; close $held; response($asked);
($asked, $held, $port) = $begin->('/played/');
equals(played_by(\@servers, '/played/?sid=slow'), '1991 1992', 'without, it has none yet');
print $held 'done'; close $held; response($asked);
equals(played_by(\@servers, '/played/?sid=slow'), $port, 'but at the end it has');
# A client that leaves before the header has begun nothing, and nothing of its session is lost.
my $left = ask('/played/?sid=slow');
$held = taken(\@servers);
equals($held->sockport, $port, 'a request of the session');
close $left;
eventually(sub { sysread($held, my $none, 1) == 0 }, 'whose client leaves before the header: nginx leaves, too');
equals(played_by(\@servers, '/played/?sid=slow'), $port, 'the session stays');
$left = ask('/played/?sid=new');
$held = taken(\@servers);
close $left;
eventually(sub { sysread($held, my $none, 1) == 0 }, 'a client of a new session leaves');
equals(played_by(\@servers, '/played/?sid=new'), '1991 1992', 'which is unknown');



=== a connection that is upgraded: learned when it ends, with "header" when it begins
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
    equals(read_until($held, qr/ping/), 'ping', "$path: the conversation goes on");
    equals(played_by(\@servers, "$path?sid=socket"), $path eq '/early/' ? $port : '1991 1992', "$path: while it lasts");
    close $held; close $asked;
    my $is_known = sub { played_by(\@servers, "$path?sid=socket") eq $port };
    eventually($is_known, "$path: and afterwards it is known");
}



=== HTTP/2: many requests of one connection, each with its session
--- http_config
server { LISTEN location / { proxy_pass http://learn; } location /r/ { proxy_pass http://route/; } }
--- client
my $client = Multiplex->new('h2c', 1981);
my %server;
$client->ask($_, "/?id=h$_", []) for 1 .. 8;
$server{$_} = substr $client->answer($_)->{body}, 0, 1 for 1 .. 8;
equals(join('', sort values %server), 'AAAABBBB', 'sessions begin at once on both');
for my $pass (1 .. 3) {
    $client->ask("$pass-$_", "/?sid=h$_", []) for 1 .. 8;
    my $got = join '', map { substr $client->answer("$pass-$_")->{body}, 0, 1 } 1 .. 8;
    equals($got, join('', map { $server{$_} } 1 .. 8), 'and stay');
}
$client->ask('b', '/r/', ['x=1', 'route=b']);
equals($client->answer('b')->{body}, 'B cookie=[x=1; route=b]', 'a route in one of several fields');
$client->leave;
