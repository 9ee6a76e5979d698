# if= is evaluated once for each request to an upstream, before its server is chosen: for all attempts, and for the
# response. Each upstream of an internal redirect evaluates its own; so does each subrequest.
#
# /on/PATH answers with X-Accel-Redirect to /PATH, and /503 is a failure. The server of "dead" is unreachable.

use Sticky qw(Caches FaultyServers);

our $faulty = FaultyServers->new(1991, 1992);
may_warn(qr/ is also that of upstream /);

our $http = servers(<<'_EOC_');
location ~ ^/on(/.*) { add_header X-Accel-Redirect $1?$args; add_header Set-Cookie $arg_sets; return 200; }
location /503 { return 503; }
location /end { add_header Set-Cookie $arg_sets; add_header Cache-Control max-age=60; return 200 "NAME cookie=[$http_cookie]\n"; }
location = /page { default_type text/html; return 200 'NAME <!--#include virtual="/part?on=1" -->'; }
location /part { return 200 "part of NAME"; }
location /kept { return 200 "NAME $connection\n"; }
_EOC_

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my ($config, $cache) = own_cache($block->config // '');
    my %added = map { $_ => 1 } ($block->http_config // '') =~ /^\s*upstream (\w+)/mg;
    $block->set_value(config => "add_header X-Tried \$upstream_addr always;\n" . $config . join '', map {
        $config =~ m{location /$_/} ? '' : "location /$_/ { proxy_pass http://$_/; }\n"
    } sort keys %added);
    fill($block, $cache . $http);
});

visit_lines(answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== a variable that is set after the first attempt is empty before it, and is not evaluated again for the second
--- http_config
upstream u { server 127.0.0.1:1999 max_fails=0; server 127.0.0.1:1986; session_sticky if=$upstream_addr; }
upstream v { server 127.0.0.1:1999 max_fails=0; server 127.0.0.1:1986; session_sticky if=$upstream_status; }
upstream w { server 127.0.0.1:1999 max_fails=0; server 127.0.0.1:1986; session_sticky if=$upstream_http_cache_control; }
--- config
--- visits
/u/end -> B, sets nothing, X-Tried "127.0.0.1:1999, 127.0.0.1:1986"
/u/end -> B, sets nothing, X-Tried "127.0.0.1:1986"
/v/end -> B, sets nothing, X-Tried "127.0.0.1:1999, 127.0.0.1:1986"
/w/end -> B, sets nothing, X-Tried "127.0.0.1:1999, 127.0.0.1:1986"
--- no_error_log
[alert]
[crit]



=== a variable that is false after the first attempt was true before it: the session is used, and begins
--- http_config
map $upstream_addr $nobody_tried { volatile; "" 1; default 0; }
upstream u { server 127.0.0.1:1999 max_fails=0; server 127.0.0.1:1986; session_sticky if=$nobody_tried; }
--- config
add_header X-Late $nobody_tried always;
--- visits
/u/end -> B, sets "route=ID_B; Path=/", X-Tried "127.0.0.1:1999, 127.0.0.1:1986", X-Late "0"
/u/end route=ID_B -> B, sets nothing, X-Tried "127.0.0.1:1986", X-Late "0"
--- no_error_log
[alert]
[crit]



=== responses for which another server is tried
--- http_config
upstream u { server 127.0.0.1:1985 max_fails=0; server 127.0.0.1:1986 max_fails=0; session_sticky if=$arg_s; }
--- config
location /u/ { proxy_next_upstream http_503; proxy_pass http://u/; }
--- visits
/u/503?s=1 route=ID_B -> 503, X-Tried "127.0.0.1:1986, 127.0.0.1:1985", sets "route=ID_A; Path=/"
/u/503 route=ID_B -> 503, X-Tried "127.0.0.1:1985, 127.0.0.1:1986", sets nothing



=== X-Accel-Redirect: off, then on
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky if=$arg_u; }
upstream v { server 127.0.0.1:1986; server 127.0.0.1:1987; session_sticky cookie=v if=$arg_v; }
--- visits
/u/on/v/end -> B, sets nothing
/u/on/v/end?v=1 v=ID_C -> C, sets nothing
/u/on/v/end?v=1 v=ID_C -> C, sets nothing
/u/on/v/end?v=1 -> C, sets "v=ID_C; Path=/"
/u/on/v/end?u=1 v=ID_C -> B, sets "route=ID_A; Path=/"
/u/on/v/end?u=1&v=1 v=ID_C -> C, sets "route=ID_A; Path=/"



=== several upstreams with one cookie name: the last one that is on sets it
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky if=$arg_u; }
upstream again { server 127.0.0.1:1987; session_sticky if=$arg_again; }
--- visits
/u/on/again/end?u=1&again=1 -> C, sets "route=ID_C; Path=/"
/u/on/again/end?u=1 -> C, sets "route=ID_A; Path=/"
/u/on/again/end?again=1 -> C, sets "route=ID_C; Path=/"
/u/on/again/end -> C, sets nothing



=== X-Accel-Redirect, mode=prefix and option=indirect: cookies from servers of an upstream that is off are unchanged
--- http_config
upstream cut { server 127.0.0.1:1985; session_sticky cookie=app mode=prefix if=$arg_cut; }
upstream cut2 { server 127.0.0.1:1986; session_sticky cookie=app mode=prefix if=$arg_cut2; }
upstream hides { server 127.0.0.1:1987; session_sticky cookie=app option=indirect if=$arg_hides; }
--- visits
/cut/on/cut2/end?sets=app=x -> B, sets "app=x, app=x"
/cut/on/cut2/end?sets=app=x&cut=1 -> B, sets "app=ID_A~x, app=x"
/cut/on/cut2/end?sets=app=x&cut2=1 -> B, sets "app=x, app=ID_B~x"
/hides/on/cut2/end?sets=app=x&cut2=1 -> B, sets "app=x, app=ID_B~x"
/hides/on/cut2/end?sets=app=x&hides=1 -> B, sets "app=x, app=ID_C; Path=/"



=== error_page with intercepted errors, and if no server is left
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky if=$arg_u; }
upstream dead { server 127.0.0.1:1999 max_fails=0; session_sticky cookie=dead if=$arg_dead; }
upstream v { server 127.0.0.1:1986; server 127.0.0.1:1987; session_sticky cookie=v if=$arg_v; }
--- config
proxy_intercept_errors on;
location /u/ { error_page 503 = @v; proxy_pass http://u/; }
location /dead/ { error_page 502 = @v; proxy_pass http://dead/; }
location @v { rewrite ^ /end break; proxy_pass http://v; }
--- visits
/u/503?u=1 -> B, sets "route=ID_A; Path=/"
/u/503?v=1 v=ID_B -> B, sets nothing
/u/503?v=1 v=ID_B -> B, sets nothing
/dead/ v=ID_B -> C, sets nothing
/dead/?v=1 v=ID_B -> B, sets nothing
/dead/?dead=1&v=1 -> B, sets "v=ID_B; Path=/"
--- no_error_log
[alert]
[crit]



=== variables of an earlier upstream are available
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky; }
upstream v { server 127.0.0.1:1986; session_sticky cookie=v if=$upstream_status; }
--- visits
/v/end -> B, sets nothing
/u/on/v/end -> B, sets "v=ID_B; Path=/, route=ID_A; Path=/"



=== the same upstream a second time, on and then off
--- http_config
map $upstream_status $first { volatile; "" 1; default 0; }
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky if=$first; }
--- visits
/u/on/u/end -> B, sets "route=ID_A; Path=/"
/u/on/u/end route=ID_B -> A, sets nothing
/u/end route=ID_B -> B, sets nothing



=== subrequests: each evaluates its own, and none sets anything
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky if=$arg_u; }
upstream v { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky cookie=v if=$arg_on$http_x_v; }
--- config
location /auth/ { auth_request /asked; auth_request_set $by $upstream_addr; add_header X-By $by; proxy_pass http://u/; }
location = /asked { internal; proxy_pass http://v/end; }
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://v; }
--- visits
/auth/end?u=1 route=ID_B; v=ID_D -> B, X-By "127.0.0.1:1987", sets nothing
/auth/end route=ID_B; v=ID_D -> A, X-By "127.0.0.1:1988", sets nothing
/auth/end?u=1 v=ID_D -> B, X-By "127.0.0.1:1987", sets "route=ID_B; Path=/"
/auth/end?u=1 route=ID_B; v=ID_C | X-V: 1 -> B, X-By "127.0.0.1:1987", sets nothing
/auth/end?u=1 route=ID_B; v=ID_C | X-V: 1 -> B, X-By "127.0.0.1:1987", sets nothing
/page route=ID_A; v=ID_D -> says "A part of D", sets nothing
/page route=ID_A; v=ID_D -> says "B part of D", sets nothing
/page?u=1 v=ID_D -> says "A part of D", sets "route=ID_A; Path=/"



=== mirror: its requests evaluate their own
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky if=$arg_u; }
upstream v { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky cookie=v if=$arg_on; }
--- config
location /u/ { mirror /copy; proxy_pass http://u/; }
location = /copy { internal; proxy_set_header X-Id $arg_id; proxy_pass http://v/end?$args; }
--- client
my @on = map { visit("/u/end?on=1&id=on-$_", "v=@{[Digest::MD5::md5_hex('127.0.0.1:1992')]}"); $faulty->port_of("on-$_") } 1 .. 3;
equals("@on", '1992 1992 1992', 'a mirrored request follows its cookie');
my @off = map { visit("/u/end?id=off-$_", "v=@{[Digest::MD5::md5_hex('127.0.0.1:1992')]}"); $faulty->port_of("off-$_") } 1 .. 4;
equals(join(' ', sort @off), '1991 1991 1992 1992', 'it does not if off');



=== proxy_cache: requests that are off get no cookie, whether the response is cached or not
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky if=$arg_on; }
--- config
location / { proxy_cache cached; proxy_cache_key $uri; add_header X-Cache $upstream_cache_status; proxy_pass http://u; }
--- visits
/end/1 route=ID_B -> A, X-Cache "MISS", sets nothing
/end/1?on=1 -> A, X-Cache "HIT", sets nothing
/end/2?on=1 -> B, X-Cache "MISS", sets "route=ID_B; Path=/"
/end/2 -> B, X-Cache "HIT", sets nothing
/end/3?on=1 route=ID_B -> B, X-Cache "MISS", sets nothing



=== keepalive: requests that are off use existing connections, and keep their own
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky if=$arg_on; keepalive 8; }
--- config
location /u/ { proxy_http_version 1.1; proxy_set_header Connection $arg_say; proxy_pass http://u/; }
--- client
# Requests that are on reach B, others alternate between A and B. Both ends are this nginx; no connection is left at its
# end.
my @on = map { body(visit('/u/kept?on=1', 'route=ID_B')) } 1, 2;
my @off = map { body(visit('/u/kept', 'route=ID_B')) } 1 .. 4;
my @again = map { body(visit("/u/kept?on=1&say=close", "route=ID_$_")) } qw(A B);
equals($on[1], $on[0], 'a connection is kept');
equals($off[1], $on[0], 'off: it is used');
equals(join('', @off[2, 3]), join('', @off[0, 1]), 'off: a connection to the other server is kept too');
equals(join('', sort @again), join('', sort @off[0, 1]), 'on: both are used');



=== a keepalive connection that its server has closed is retried once
--- http_config
upstream u { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky if=$arg_on; keepalive 8; }
--- config
location = /u { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://u; }
--- client
sub planned {
    my ($id, $plan, $on) = @_;
    return response(say_to_nginx("GET /u?on=$on HTTP/1.0\r\nHost: localhost\r\nX-Id: $id\r\nX-Plan: $plan\r\n\r\n"));
}
equals(status(planned("kept-$_", 'keep', 0)), '200', 'a connection is kept') for 1, 2;
my $got = planned('closed', 'empty empty ok', 0);
holds(head('X-Tried', $got) =~ /1991.*1992|1992.*1991/, 'both were asked: ' . head('X-Tried', $got));
equals(set($got), '', 'nothing is set');
--- no_error_log
[alert]
[crit]



=== each load-balancing method makes its own choice
--- http_config
upstream least   { zone least 64k; server 127.0.0.1:1985; server 127.0.0.1:1986; least_conn; session_sticky if=$arg_on; }
upstream hash    { server 127.0.0.1:1985; server 127.0.0.1:1986; hash $arg_key; session_sticky if=$arg_on; }
upstream ring    { server 127.0.0.1:1985; server 127.0.0.1:1986; hash $arg_key consistent; session_sticky if=$arg_on; }
upstream ip      { server 127.0.0.1:1985; server 127.0.0.1:1986; ip_hash; session_sticky if=$arg_on; }
upstream random  { zone random 64k; server 127.0.0.1:1985; server 127.0.0.1:1986; random two least_conn; session_sticky if=$arg_on; }
upstream plain_hash { server 127.0.0.1:1985; server 127.0.0.1:1986; hash $arg_key; }
upstream plain_ring { server 127.0.0.1:1985; server 127.0.0.1:1986; hash $arg_key consistent; }
upstream plain_ip { server 127.0.0.1:1985; server 127.0.0.1:1986; ip_hash; }
--- client
my $served = sub { my ($path, $cookie) = @_; return substr body(visit($path, $cookie)), 0, 1 };
for my $name (qw(least hash ring ip random)) {
    for my $server (qw(A B)) {
        my %on = map { $served->("/$name/end?on=1&key=$_", "route=ID_$server") => 1 } 1 .. 8;
        equals(join('', sort keys %on), $server, "$name: a session of $server stays");
    }
    my @off = map { visit("/$name/end?key=$_", 'route=ID_A') } 1 .. 40;
    equals(join('', map { set($_) } @off), '', "$name: nothing is set");
    my $went = join '', map { substr body($_), 0, 1 } @off;
    if ($name =~ /least|random/) {
        holds($went =~ /A/ && $went =~ /B/, "$name: off: both servers are used: $went");
    } else {
        equals($went, join('', map { $served->("/plain_$name/end?key=$_") } 1 .. 40), "$name: off: the servers are the same as without session_sticky");
    }
}
