# $session_sticky_verdict and $session_sticky_previous before the server is chosen, as in proxy_set_header and "if", and
# afterwards. See lib/EarlyWords.pm for the sections and "says".

use Sticky qw(EarlyWords Keys Upstreams);

my $key_file = key_file('keys', @key[0, 1]);

master_on();
early_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = variants($block->upstreams =~ s/\bKEYS\b/$key_file/gr, 'BALANCER REST', 'zone ZONE 128k; BALANCER REST');
    $block->set_value(upstreams => $upstreams);
    $block->set_value(client => paths_of_variants($upstreams) . $block->client);
});
run_tests();

__DATA__

=== every verdict, from a cookie
--- upstreams
upstream u      { session_sticky; server A:; server B:; server D: down; server E: backup; }
upstream limits { session_sticky cookie=l maxidle=1h maxlife=2h; server A:; server D: down; }
upstream strict { session_sticky cookie=s fallback=off; server A:; server D: down; }
upstream lends  { session_sticky cookie=k rebind=off; server A:; server D: down; }
upstream sure   { session_sticky cookie=f maxidle=1h sign key_file=KEYS; server A:; server D: down; }
upstream if     { session_sticky cookie=i if=$arg_yes; server A:; }
upstream plain  { server A:; }
upstream drains { session_sticky cookie=d; server A:; server B: drain; }
--- client
my $now = time;
says('/u/', undef, 'none -');
says('/u/', "route=$id{B}", 'valid B');
says('/u/', "route=$id{D}", 'down D');
says('/u/', 'route=nobody', 'unknown -');
says('/u/', "route=127.0.0.1:1986", 'unknown -');
says('/u/', 'route=|', 'invalid -');
says('/limits/', "l=$id{A}|$now|$now", 'valid A');
says('/limits/', "l=$id{D}|$now|$now", 'down D');
says('/limits/', "l=$id{A}|1500000000|$now", 'expired -');
says('/limits/', "l=$id{A}|$now|1500000000", 'old -');
says('/limits/', "l=$id{A}|" . ($now + 90000) . "|$now", 'invalid -');
says('/strict/', "s=$id{A}", 'valid A');
says('/lends/', "k=$id{D}", 'down D');
says('/sure/', 'f=' . signed('f', "$id{A}|$now|$now", $key[1]), 'valid A');
says('/sure/', "f=$id{A}|$now|$now", 'forged -');
says('/if/', "i=$id{A}", 'unused -');
says('/if/?yes=1', "i=$id{A}", 'valid A');
says('/plain/', "route=$id{A}", '- -');
says('/drains/', "d=$id{B}", 'valid B');
my $refused = visit('/strict/', "s=$id{D}", 1983);
equals(head('X-Final', $refused), "down/$line{D}", 'a refused request');
$refused = visit('/strict/', 's=nobody', 1983);
equals(head('X-Final', $refused), 'unknown/', 'a refused request with an unknown ID');



=== in the other modes, and with other systems' IDs
--- upstreams
upstream rewrite { session_sticky mode=rewrite; server A:; server D: down; }
upstream prefix  { session_sticky mode=prefix cookie=p; server A:; server D: down; }
upstream route   { session_sticky mode=route lookup=$arg_to accept=jvmroute; server A: id=a; server D: id=d down; server B: backup id=b; }
upstream learn   { session_sticky mode=learn lookup=$arg_s create=$arg_s zone=early:64k; server A:; server B:; }
upstream hidden  { session_sticky cookie=h option=indirect; server A:; server B:; server D: down; }
upstream plain   { session_sticky cookie=n hash=plain accept=md5,traefik; server A: id=a; server D: id=d down; }
upstream keys    { session_sticky cookie=c hash=hmac key_file=KEYS accept=md5; server A:; server D: down; }
upstream ng      { sticky name=ng transfer delimiter=.; server A:; server D: down; }
upstream as_ng   { sticky name=as hash=index no_fallback; server A:; server B:; }
--- client
says('/rewrite/', "route=$id{A}", 'valid A');
says('/rewrite/', "route=$id{D}", 'down D');
says('/prefix/', "p=$id{A}~app", 'valid A');
says('/prefix/', "p=$id{D}~app", 'down D');
says('/prefix/', 'p=app', 'none -');
says('/route/?to=a', undef, 'valid A');
says('/route/?to=b', undef, 'valid B');
says('/route/?to=d', undef, 'down D');
says('/route/?to=x', undef, 'unknown -');
says('/route/?to=x.a', undef, 'valid A');
says('/route/', undef, 'none -');
my $learned = head('X-Tried', visit('/learn/?s=one', undef, 1983));
my ($letter) = grep { $line{$_} eq $learned } qw(A B);
says('/learn/?s=one', undef, "valid $letter") for 1 .. 3;
says('/learn/?s=two', undef, 'none -');
says('/hidden/', "h=$id{B}", 'valid B');
says('/hidden/', "x=y; h=$id{B}; z=1", 'valid B');
says('/hidden/', "h=$id{D}; h=$id{B}", 'valid B');
equals(head('X-Cookie', visit('/hidden/', "x=y; h=$id{B}", 1983)), 'x=y', 'the cookie is hidden nevertheless');
says('/plain/', 'n=a', 'valid A');
says('/plain/', "n=$id{D}", 'down D');
says('/keys/', 'c=' . key_ids('A', @key[0, 1]), 'valid A');
says('/keys/', 'c=' . key_id($key[1], 'D'), 'down D');
says('/keys/', "c=$id{A}", 'valid A');
says('/keys/', 'c=' . key_id($key[2], 'A'), 'unknown -');
says('/ng/', "ng=$id{A}.app", 'valid A');
says('/as_ng/', 'as=1', 'valid B');
--- no_error_log
[alert]



=== sticky route and sticky learn: backups
--- skip_nginx: 4: > 1.29.5
--- upstreams
upstream up    { sticky route $arg_to; server A: route=a; server B: route=b backup; }
upstream both  { sticky route $arg_to; server C:; server D: route=b down; server B: route=b backup; }
upstream down  { sticky route $arg_to; server D: down; server B: route=b backup; }
--- client
says('/up/?to=b', undef, 'valid B');
says('/up/?to=a', undef, 'valid A');
says('/both/?to=b', undef, 'down D');
says('/down/?to=b', undef, 'valid B');



=== several cookies, and servers that share an ID
--- upstreams
upstream u    { session_sticky; server A:; server B:; server D: down; server E: down; }
upstream same { session_sticky cookie=s hash=plain; server D: id=x down; server B: id=x; server A:; server E: id=y down; server F: id=y down; }
upstream keep { session_sticky cookie=k hash=plain accept=md5; server D: id=x down; server E: id=x down; server A:; }
--- client
says('/u/', "route=$id{D}; route=$id{B}", 'valid B');
says('/u/', "route=nobody; route=$id{E}; route=$id{D}", 'down E');
says('/u/', 'route=|; route=nobody', 'invalid -');
says('/u/', join('; ', ('route=x') x 8, "route=$id{A}"), 'unknown -');
says('/same/', 's=x', 'valid B');
says('/same/', 's=y', 'down E');
says('/keep/', 'k=' . $id{E}, 'down E');
says('/keep/', 'k=x', 'down D');



=== a server that fails: the header for the next server is unchanged, and the final values are those at the end
--- upstreams
upstream u    { session_sticky; server A:; server D: max_fails=0; }
upstream once { session_sticky cookie=o; server A:; server D: fail_timeout=10m; }
upstream off  { session_sticky cookie=f fallback=off; server A:; server D: fail_timeout=10m; }
--- client
says('/u/', "route=$id{D}", 'valid D => down D') for 1, 2;
says('/once/', "o=$id{D}", 'valid D => down D');
says('/once/', "o=$id{D}", 'down D');
visit('/off/', "f=$id{D}", 1983);
equals(head('X-Final', visit('/off/', "f=$id{D}", 1983)), "down/$line{D}", 'a strict session is then refused without an attempt');



=== full=over: the session's server is not down
--- upstreams
upstream u { session_sticky full=over; server A: max_conns=1; server B:; }
--- client
says('/u/', "route=$id{A}", 'valid A');



=== sticky_no_fallback: the failures for which a strict session is refused
--- upstreams
upstream u { session_sticky; server A:; server B: fail_timeout=10m; }
--- locations
location /fails { proxy_next_upstream http_503; proxy_pass http://u/fails; }
location /strict { sticky_no_fallback; proxy_pass http://u/; }
--- client
says('/u/', "route=$id{B}", 'valid B');
visit('/fails', "route=$id{B}", 1983);
says('/u/', "route=$id{B}", 'down B');
says('/strict', "route=$id{B}", 'valid B');



=== a variable in proxy_pass, once evaluated
--- upstreams
upstream u     { session_sticky; server A:; server D: down; }
upstream other { session_sticky cookie=o; server B:; }
upstream plain { server A:; }
--- locations
location /by {
    set $early $session_sticky_verdict;
    add_header X-Set "[$early]";
    add_header X-Final "$session_sticky_verdict/$session_sticky_previous" always;
    proxy_pass http://$arg_name/;
}
--- client
says('/by?name=u', "route=$id{A}; o=$id{B}", 'valid A');
says('/by?name=U', "route=$id{D}", 'down D');
says('/by?name=other', "route=$id{A}; o=$id{B}", 'valid B');
says('/by?name=plain', "route=$id{A}", '- -');
says('/by?name=127.0.0.1:1985', "route=$id{A}", '- -');
equals(head('X-Set', visit('/by?name=u', "route=$id{A}", 1983)), '[]', 'not known before');
--- no_error_log
[alert]



=== in "if", "set", "return" and access phases of a location with proxy_pass to a sticky upstream
--- upstreams
map $session_sticky_verdict $maintained { down 1; }
upstream u { session_sticky; server A:; server D: down; }
--- locations
location /if/ {
    if ($session_sticky_verdict = down) { return 503 "your server $session_sticky_previous is away"; }
    proxy_pass http://u/;
}
location /map/ { if ($maintained) { return 503; } proxy_pass http://u/; }
location /inner/ {
    add_header X-Final "$session_sticky_verdict/$session_sticky_previous" always;
    if ($arg_x) { set $x 1; }
    proxy_pass http://u;
}
location /returns/ { return 200 "[$session_sticky_verdict]"; }
location /hides/ { set $before "$http_cookie"; session_sticky_hide_cookie upstream=u; proxy_pass http://u/; add_header X-Before $before; }
location = /deny { if ($session_sticky_verdict != valid) { return 403; } proxy_pass http://u/; }
--- client
equals(status(visit('/if/', "route=$id{A}", 1983)), 200, 'valid');
equals(body(visit('/if/', "route=$id{D}", 1983)), "your server $line{D} is away", 'down');
equals(status(visit('/map/', "route=$id{D}", 1983)), 503, 'in a map');
says('/inner/?x=1', "route=$id{D}", 'down D');
equals(body(visit('/returns/', "route=$id{D}", 1983)), '[]', 'a location without proxy_pass');
equals(status(visit('/deny', undef, 1983)), 403, 'no session');
equals(status(visit('/deny', "route=$id{A}", 1983)), 200, 'a session');



=== variables that refer to themselves are empty
--- upstreams
upstream u { session_sticky if=$session_sticky_verdict; server A:; }
upstream r { session_sticky mode=route lookup=$session_sticky_previous; server A:; }
upstream x { session_sticky cookie=x if=$session_sticky_previous$arg_x; server A:; }
map "$arg_x$session_sticky_verdict" $mapped { volatile; default 1; }
upstream m { session_sticky cookie=m if=$mapped; server A:; }
upstream o { session_sticky cookie=o maxidle=1h; server A:; }
upstream v { session_sticky cookie=v if=$longer; server A:; }
map "$arg_x$session_sticky_verdict" $longer { volatile; default 1; }
upstream l { session_sticky mode=route lookup=$looked_up; server A: id=a; server B: id=b; }
map "[$session_sticky_verdict]" $looked_up { volatile; "[]" a; default b; }
--- locations
location /other/ { proxy_pass http://v/; }
location /after-it/ { proxy_pass http://o/to-other; }
--- no_error_log
[error]
[alert]
--- client
says('/u/', "route=$id{A}", 'unused -');
says('/r/', undef, 'none -');
says('/x/?x=1', "x=$id{A}", 'valid A');
says('/m/?x=1', "m=$id{A}", 'valid A');
says('/l/', undef, 'valid A');
says('/after-it/', "o=$id{A}|1500000000|1500000000; v=$id{A}", 'valid A');



=== X-Accel-Redirect, error_page: the values are for the next upstream
--- upstreams
upstream u     { session_sticky; server A:; server D: down; }
upstream other { session_sticky cookie=o; server B:; server D: down; }
upstream plain { server C:; }
upstream dead  { session_sticky cookie=dead; server E: max_fails=0; }
--- locations
proxy_intercept_errors on;
location /to-other/ { proxy_pass http://u/to-other; }
location /to-file/  { proxy_pass http://u/to-file; }
location /named/    { proxy_pass http://u/fails; error_page 503 = @other; }
location /to-plain/ { proxy_pass http://u/fails; error_page 503 = /plain/; }
location /from-dead/ { proxy_pass http://dead; error_page 502 = /other/; }
location /from-plain/ { proxy_pass http://plain/to-other; }
location /asks/     { proxy_pass http://u/fails; error_page 503 = @asks; }
location @other { proxy_pass http://other; }
location @asks { if ($session_sticky_verdict = down) { return 409; } proxy_pass http://other; }
--- client
my $cookie = "route=$id{A}; o=$id{D}";
says('/to-other/', $cookie, 'down D');
says('/to-other/', "route=$id{D}; o=$id{B}", 'valid B');
says('/to-other/', "route=$id{D}", 'none -');
says('/named/', $cookie, 'down D');
says('/named/', "route=$id{D}; o=$id{B}", 'valid B');
says('/from-dead/', "dead=$id{E}; o=$id{B}", 'valid B');
says('/from-plain/', $cookie, 'down D');
equals(head('X-Final', visit('/to-file/', "route=$id{D}", 1983)), "down/$line{D}", 'a file: the last upstream');
my $plain = visit('/to-plain/', "route=$id{D}", 1983);
equals(head('X-Saw', $plain) . ' ' . head('X-Final', $plain), "down/$line{D} down/$line{D}", 'an upstream without session_sticky: the last sticky one');
equals(status(visit('/asks/', $cookie, 1983)), 409, '"if" of a named location');
equals(status(visit('/asks/', "route=$id{D}; o=$id{B}", 1983)), 200, '"if" of a named location passes the request on');



=== subrequests have their own values
--- upstreams
upstream u    { session_sticky; server A:; server D: down; }
upstream auth { session_sticky cookie=a; server B:; server D: down; }
--- locations
location /page { auth_request /auth; auth_request_set $auth "$upstream_http_x_saw"; add_header X-Auth $auth; proxy_pass http://u/;
                 add_header X-Final "$session_sticky_verdict/$session_sticky_previous"; }
location = /auth { proxy_pass http://auth/; }
location /mirrored { mirror /mirror; proxy_pass http://u/;
                 add_header X-Final "$session_sticky_verdict/$session_sticky_previous"; }
location = /mirror { proxy_pass http://auth/; }
--- client
for (["route=$id{A}; a=$id{D}", 'valid A', "down/$line{D}"], ["route=$id{D}; a=$id{B}", 'down D', "valid/$line{B}"]) {
    my ($cookie, $page, $auth) = @$_;
    my $response = visit('/page', $cookie, 1983);
    equals(said($response), $page, 'the page');
    equals(head('X-Auth', $response), $auth, 'the subrequest');
}
says('/mirrored', "route=$id{D}; a=$id{B}", 'down D');



=== unsupported load-balancing methods
--- upstreams
upstream own  { own_balancer; server A:; server B:; session_sticky; }
upstream like { own_balancer like_round_robin; server A:; server B:; session_sticky; }
--- no_error_log
[alert]
--- client
# For a worker's first request, this is not known in advance.
visit($_, undef, 1983) for '/own/', '/like/';
says('/own/', "route=$id{B}", '- -');
says('/like/', "route=$id{B}", '- -');



=== nginx's load-balancing methods, with and without a zone
--- upstreams
VARIANTS server A:; server B:; server D: down; session_sticky;
--- client
for my $path (@variants) {
    says("$path/", "route=$id{B}", 'valid B');
    says("$path/", "route=$id{D}", 'down D');
    says("$path/", undef, 'none -');
}



=== no line is logged twice, and none before the server is chosen
--- upstreams
upstream u { session_sticky; server A:; server D: down; }
--- locations
location = /none { if ($session_sticky_verdict = unknown) { return 204; } proxy_pass http://u/; }
--- client
visit('/none', 'route=nobody', 1983);
visit('/u/', 'route=stranger', 1983);
open my $log, '<', Test::Nginx::Util::server_root() . '/logs/error.log' or die $!;
my @lines = grep { /session_sticky: cookie/ } readline $log;
equals(scalar(grep { /nobody/ } @lines), 0, 'a request that is not passed');
equals(scalar(grep { /stranger/ } @lines), 1, 'a request that is passed');
