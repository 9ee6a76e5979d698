# Where the upstream is known only when the request comes, and one upstream in several locations.
#
#   proxy_pass $variable    names upstreams by a map, an address, a name that a resolver knows, upper case, a name and URI
#   the hide directive      with and without it, for this upstream and for another, in several locations of one upstream;
#                           several cookies of the name
#   what stands beside it   proxy_set_header Cookie, proxy_hide_header, add_header Set-Cookie, proxy_cookie_path and
#                           proxy_cookie_flags, proxy_bind, https, proxy_http_version 2
#   memcached_pass          is bound as any other

use Sticky qw(Certificates Resolver);

our $certificate = certificate();

our $dns = Resolver->new(1953);
$dns->knows('app.example A 127.0.0.1');

our $http = servers(<<'_EOC_') . <<"_EOC_" . <<'_EOC_';
location = /who { return 200 "NAME client=$remote_addr scheme=$scheme\n"; }
location = /sets { add_header Set-Cookie "app=x; Path=/inside"; add_header X-App 1; return 200 "NAME sets cookie=[$http_cookie]\n"; }
_EOC_
    server {
        listen 127.0.0.1:1995 ssl;
        listen 127.0.0.1:1996 ssl;
        ssl_certificate $certificate.pem;
        ssl_certificate_key $certificate.key;
        location / { return 200 "\$server_port \$scheme cookie=[\$http_cookie]\\n"; }
    }
_EOC_
    upstream u       { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
    upstream other   { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky cookie=other option=indirect; }
    upstream hiding  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky option=indirect; }
    upstream cutting { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=app mode=prefix; }
    upstream changing { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=app mode=rewrite; }
    upstream plain   { server 127.0.0.1:1987; }
    upstream secure  { server 127.0.0.1:1995; server 127.0.0.1:1996; session_sticky hash=plain; }
    upstream memory  { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain; }
    upstream http2   { server 127.0.0.1:1993; server 127.0.0.1:1994; session_sticky hash=plain option=indirect; }
    map $arg_to $to { u u; other other; hiding hiding; plain plain; address 127.0.0.1:1987; upper HIDING; name app.example:1987; }
_EOC_

client_sections();
add_block_preprocessor(sub { fill($_[0], $http) });

run_tests();

__DATA__

=== a map names the upstream: each has its sessions
--- config
location / { proxy_pass http://$to; }
--- request eval
["GET /?to=u", "GET /?to=other", "GET /?to=hiding", "GET /?to=plain", "GET /?to=u"]
--- more_headers eval
["Cookie: route=ID_B; other=ID_D", "Cookie: route=ID_B; other=ID_D", "Cookie: route=ID_B; other=ID_D",
 "Cookie: route=ID_B; other=ID_D", ""]
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "Set-Cookie: route=ID_A; Path=/"]
--- response_body_like eval
["^B", "^D", "^B", "^C", "^A"]



=== without the hide directive the server behind sees the cookie, with it it does not
--- config
location / { proxy_pass http://$to; }
location /hidden { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$to; }
--- request eval
["GET /?to=hiding", "GET /hidden?to=hiding", "GET /hidden?to=hiding", "GET /hidden?to=hiding"]
--- more_headers eval
["Cookie: a=b; route=ID_B", "Cookie: a=b; route=ID_B", "Cookie: route=ID_B", "Cookie: a=b; route=nobody"]
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "Set-Cookie: route=ID_A; Path=/"]
--- response_body eval
["B /?to=hiding cookie=[a=b; route=ID_B]\n", "B /hidden?to=hiding cookie=[a=b]\n",
 "B /hidden?to=hiding cookie=[]\n", "A /hidden?to=hiding cookie=[a=b]\n"]



=== the hide directive for one upstream where the request goes to another, in one location
--- config
location / { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$to; }
--- request eval
["GET /?to=other", "GET /?to=u", "GET /?to=plain", "GET /?to=hiding"]
--- more_headers
Cookie: a=b; route=ID_B; other=ID_D
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]
--- response_body eval
["D /?to=other cookie=[a=b; other=ID_D]\n", "B /?to=u cookie=[a=b; other=ID_D]\n",
 "C /?to=plain cookie=[a=b; other=ID_D]\n", "B /?to=hiding cookie=[a=b; other=ID_D]\n"]



=== one upstream in several locations: by itself, by a variable, by a variable with the directive, and no proxy at all
--- config
location /itself { proxy_pass http://hiding; }
location /variable { proxy_pass http://$to; }
location /directive { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$to; }
location /both { session_sticky_hide_cookie upstream=hiding; proxy_pass http://hiding; }
location /none { session_sticky_hide_cookie upstream=hiding; return 200 "none [$http_cookie]\n"; }
--- request eval
[map { "GET /$_?to=hiding" } qw(itself variable directive both none)]
--- more_headers
Cookie: a=b; route=ID_B
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]
--- response_body eval
["B /itself?to=hiding cookie=[a=b]\n", "B /variable?to=hiding cookie=[a=b; route=ID_B]\n",
 "B /directive?to=hiding cookie=[a=b]\n", "B /both?to=hiding cookie=[a=b]\n", "none [a=b; route=ID_B]\n"]



=== several cookies of the name, where they are hidden: the first valid one wins, wherever it stands
--- config
location / { proxy_pass http://hiding; }
location /directive { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$to; }
location /prefix { proxy_pass http://cutting; }
--- request eval
["GET /t", "GET /t", "GET /t", "GET /directive?to=hiding", "GET /prefix", "GET /t"]
--- more_headers eval
["Cookie: route=nobody; a=b; route=ID_B; c=d", "Cookie: route=nobody; a=b\nCookie: route=ID_B; c=d",
 "Cookie: route=nobody\nCookie: a=b; c=d\nCookie: route=ID_B", "Cookie: route=; a=b; route=ID_B; c=d; route=ID_A",
 "Cookie: app=nobody~x; app=ID_B~y", "Cookie: route=nobody; a=b; route=ID_B; c=d"]
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]
--- response_body eval
["B /t cookie=[a=b; c=d]\n", "B /t cookie=[a=b; c=d]\n", "B /t cookie=[a=b; c=d]\n", "B /directive?to=hiding cookie=[a=b; c=d]\n",
 "B /prefix cookie=[app=x; app=y]\n", "B /t cookie=[a=b; c=d]\n"]



=== one upstream in several locations: a first visit to any is bound for all
--- config
location /itself { proxy_pass http://hiding; }
location /variable { proxy_pass http://$to; }
location /directive { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$to; }
--- request eval
[map { "GET /$_?to=hiding" } qw(itself variable directive itself)]
--- response_headers eval
["Set-Cookie: route=ID_A; Path=/", "Set-Cookie: route=ID_B; Path=/", "Set-Cookie: route=ID_A; Path=/", "Set-Cookie: route=ID_B; Path=/"]



=== an address that is no upstream: the cookie is seen and nothing is set
--- config
location / { proxy_pass http://$to; }
--- request eval
["GET /?to=address", "GET /?to=address"]
--- more_headers eval
["", "Cookie: route=ID_B"]
--- response_headers eval
["!Set-Cookie", "!Set-Cookie"]
--- response_body eval
["C /?to=address cookie=[]\n", "C /?to=address cookie=[route=ID_B]\n"]



=== a name that a resolver knows: nothing is set; names of upstreams are not looked up
--- config
resolver 127.0.0.1:1953 ipv6=off;
location / { proxy_pass http://$to; }
location /hidden { session_sticky_hide_cookie upstream=other; proxy_pass http://$to; }
--- request eval
["GET /?to=name", "GET /?to=u", "GET /hidden?to=name", "GET /?to=name"]
--- more_headers eval
["Cookie: route=ID_B; other=ID_D", "Cookie: route=ID_B; other=ID_D", "Cookie: a=b; other=ID_D", ""]
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]
--- response_body_like eval
["^C .*other=", "^B", "^C .*cookie=\\[a=b\\]", "^C .*cookie=\\[\\]"]



=== the name of the upstream in upper case
--- config
location / { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$to; }
--- request eval
["GET /?to=upper", "GET /?to=upper"]
--- more_headers eval
["Cookie: a=b; route=ID_B", ""]
--- response_headers eval
["!Set-Cookie", "Set-Cookie: route=ID_A; Path=/"]
--- response_body eval
["B /?to=upper cookie=[a=b]\n", "A /?to=upper cookie=[]\n"]



=== the name of the upstream written out, and a variable behind it
--- config
location / { proxy_pass http://hiding$request_uri; }
location /hidden { session_sticky_hide_cookie upstream=hiding; proxy_pass http://hiding$request_uri; }
--- request eval
["GET /t", "GET /hidden", "GET /hidden"]
--- more_headers eval
["Cookie: a=b; route=ID_B", "Cookie: a=b; route=ID_B", ""]
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "Set-Cookie: route=ID_A; Path=/"]
--- response_body eval
["B /t cookie=[a=b; route=ID_B]\n", "B /hidden cookie=[a=b]\n", "A /hidden cookie=[]\n"]



=== the session's own cookie chooses the upstream, and is hidden all the same
--- config
set $pool u;
if ($cookie_other) { set $pool other; }
location / { session_sticky_hide_cookie upstream=other; proxy_pass http://$pool; }
--- request eval
["GET /", "GET /", "GET /"]
--- more_headers eval
["Cookie: a=b; other=ID_D", "Cookie: a=b; route=ID_B", "Cookie: other=ID_D; route=ID_B"]
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]
--- response_body eval
["D / cookie=[a=b]\n", "B / cookie=[a=b; route=ID_B]\n", "D / cookie=[route=ID_B]\n"]



=== proxy_set_header Cookie: the server behind sees what it says, and the session is the client's
--- config
location /none { proxy_set_header Cookie ""; proxy_pass http://u; }
location /own { proxy_set_header Cookie "own=1"; proxy_pass http://u; }
location /misled { proxy_set_header Cookie "route=nobody"; proxy_pass http://hiding; }
--- request eval
["GET /none", "GET /own", "GET /misled"]
--- more_headers
Cookie: route=ID_B
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]
--- response_body eval
["B /none cookie=[]\n", "B /own cookie=[own=1]\n", "B /misled cookie=[route=nobody]\n"]



=== proxy_hide_header Set-Cookie hides what the server sets, not what we do
--- config
proxy_hide_header Set-Cookie;
location / { proxy_pass http://u; }
location /prefix/ { proxy_pass http://cutting/; }
location /rewrite/ { proxy_pass http://changing/; }
--- request eval
["GET /sets", "GET /prefix/sets", "GET /rewrite/sets"]
--- response_headers eval
["Set-Cookie: route=ID_A; Path=/", "!Set-Cookie", "!Set-Cookie"]



=== add_header Set-Cookie stands beside ours, and is not taken for the application's
--- config
location / { proxy_pass http://u; add_header Set-Cookie "mine=1"; }
location /same { proxy_pass http://changing; add_header Set-Cookie "app=mine"; }
--- request eval
["GET /t", "GET /same", "GET /t"]
--- more_headers eval
["", "", "Cookie: route=ID_B"]
--- raw_response_headers_like eval
["(?s)(?=.*Set-Cookie: mine=1\r\n)(?=.*Set-Cookie: route=ID_A; Path=/\r\n)", "Set-Cookie: app=mine\r\n", "Set-Cookie: mine=1\r\n"]
--- raw_response_headers_unlike eval
["app=", "route=", "route="]



=== proxy_cookie_path and proxy_cookie_flags edit what the application sets, before its id is put in
--- config
proxy_cookie_path /inside /outside;
proxy_cookie_flags ~ secure;
location / { proxy_pass http://u; }
location /prefix/ { proxy_pass http://cutting/; }
location /rewrite/ { proxy_pass http://changing/; }
--- request eval
["GET /sets", "GET /prefix/sets", "GET /rewrite/sets"]
--- response_headers eval
["Set-Cookie: app=x; Path=/outside; Secure, route=ID_A; Path=/", "Set-Cookie: app=ID_A~x; Path=/outside; Secure",
 "Set-Cookie: app=ID_A; Path=/outside; Secure"]



=== proxy_bind: a bound client comes from that address, as every other
--- config
location / { proxy_bind 127.0.0.9; proxy_pass http://u; }
location /away/ { proxy_bind $arg_from; proxy_pass http://u/; }
--- request eval
["GET /who", "GET /who", "GET /away/who?from=127.0.0.8", "GET /away/who?from=127.0.0.7"]
--- more_headers eval
["Cookie: route=ID_B", "", "Cookie: route=ID_B", "Cookie: route=ID_A"]
--- response_headers eval
["!Set-Cookie", "Set-Cookie: route=ID_A; Path=/", "!Set-Cookie", "!Set-Cookie"]
--- response_body eval
["B client=127.0.0.9 scheme=http\n", "A client=127.0.0.9 scheme=http\n", "B client=127.0.0.8 scheme=http\n", "A client=127.0.0.7 scheme=http\n"]



=== https, by name and by a variable
--- config
# Without a zone, nginx leaves a TLS session of each server to the end of the process; balancers/bookkeeping.t has them.
proxy_ssl_session_reuse off;
location / { proxy_pass https://secure; }
location /variable { set $name secure; proxy_pass https://$name; }
--- request eval
["GET /t", "GET /t", "GET /variable", "GET /variable"]
--- more_headers eval
["", "Cookie: route=127.0.0.1:1996", "Cookie: route=127.0.0.1:1996", "Cookie: route=127.0.0.1:1995"]
--- response_headers eval
["Set-Cookie: route=127.0.0.1:1995; Path=/", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]
--- response_body_like eval
["^1995 https", "^1996 https", "^1996 https", "^1995 https"]



=== proxy_http_version 2: sessions over HTTP/2 to the servers, and over connections that are kept
--- http_config
server { listen 127.0.0.1:1993; listen 127.0.0.1:1994; http2 on; location / { return 200 "$server_port $server_protocol cookie=[$http_cookie]\n"; } }
--- config
location / { proxy_http_version 2; proxy_pass http://http2; }
--- request eval
["GET /t", "GET /t", "GET /t", "GET /t"]
--- more_headers eval
["", "Cookie: a=b; route=127.0.0.1:1994; c=d", "Cookie: route=127.0.0.1:1993", "Cookie: a=b; route=127.0.0.1:1994"]
--- response_headers eval
["Set-Cookie: route=127.0.0.1:1993; Path=/", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]
--- response_body eval
["1993 HTTP/2.0 cookie=[]\n", "1994 HTTP/2.0 cookie=[a=b; c=d]\n", "1993 HTTP/2.0 cookie=[]\n", "1994 HTTP/2.0 cookie=[a=b]\n"]
--- skip_nginx: 24: < 1.29.4



=== memcached_pass: bound as any other
--- config
location / { set $memcached_key $uri; memcached_pass memory; }
--- client
my @servers = map { serve($_) } 1991, 1992;
for (['', 0, 'route=127.0.0.1:1991; Path=/'], ['route=127.0.0.1:1992', 1, '']) {
    my ($cookie, $at, $set) = @$_;
    my $asked = ask('/t', $cookie);
    my $held = $servers[$at]->accept;
    equals(read_until($held, qr/\r\n/), "get /t\r\n", 'the server is asked for the key');
    print $held "VALUE /t 0 5\r\nvalue\r\nEND\r\n";
    my $got = response($asked);
    equals(body($got) . ' ' . set($got), "value $set", 'its value');
}
