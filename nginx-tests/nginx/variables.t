# An upstream that is known only at request time, and one upstream in several locations.
#
#   proxy_pass $variable    an upstream from a map, an address, a name for a resolver, upper case, a name and URI
#   the hide directive      with and without it, for this upstream and for another, in several locations of one upstream;
#                           several cookies of the name
#   other directives        proxy_set_header Cookie, proxy_hide_header, add_header Set-Cookie, proxy_cookie_path and
#                           proxy_cookie_flags, proxy_bind, https, proxy_http_version 2
#   memcached_pass          sessions as with proxy_pass

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

=== a map selects the upstream: each has its own sessions
--- config
location / { proxy_pass http://$to; }
--- visits
/?to=u route=ID_B; other=ID_D -> B, sets nothing
/?to=other route=ID_B; other=ID_D -> D, sets nothing
/?to=hiding route=ID_B; other=ID_D -> B, sets nothing
/?to=plain route=ID_B; other=ID_D -> C, sets nothing
/?to=u -> A, sets "route=ID_A; Path=/"



=== the upstream server sees the cookie only without the hide directive
--- config
location / { proxy_pass http://$to; }
location /hidden { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$to; }
--- visits
/?to=hiding a=b; route=ID_B -> B, sees "a=b; route=ID_B", sets nothing
/hidden?to=hiding a=b; route=ID_B -> B, sees "a=b", sets nothing
/hidden?to=hiding route=ID_B -> B, sees nothing, sets nothing
/hidden?to=hiding a=b; route=nobody -> A, sees "a=b", sets "route=ID_A; Path=/"



=== the hide directive for one upstream and a request to another, in one location
--- config
location / { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$to; }
--- visits
/?to=other a=b; route=ID_B; other=ID_D -> D, sees "a=b; other=ID_D", sets nothing
/?to=u a=b; route=ID_B; other=ID_D -> B, sees "a=b; other=ID_D", sets nothing
/?to=plain a=b; route=ID_B; other=ID_D -> C, sees "a=b; other=ID_D", sets nothing
/?to=hiding a=b; route=ID_B; other=ID_D -> B, sees "a=b; other=ID_D", sets nothing



=== one upstream in several locations: by name, by a variable, by a variable with the directive, and without proxy_pass
--- config
location /itself { proxy_pass http://hiding; }
location /variable { proxy_pass http://$to; }
location /directive { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$to; }
location /both { session_sticky_hide_cookie upstream=hiding; proxy_pass http://hiding; }
location /none { session_sticky_hide_cookie upstream=hiding; return 200 "none [$http_cookie]\n"; }
--- visits
/itself?to=hiding a=b; route=ID_B -> B, sees "a=b", sets nothing
/variable?to=hiding a=b; route=ID_B -> B, sees "a=b; route=ID_B", sets nothing
/directive?to=hiding a=b; route=ID_B -> B, sees "a=b", sets nothing
/both?to=hiding a=b; route=ID_B -> B, sees "a=b", sets nothing
/none?to=hiding a=b; route=ID_B -> says "none [a=b; route=ID_B]\n", sets nothing



=== several hidden cookies with the name: the first valid one is used, at any position
--- config
location / { proxy_pass http://hiding; }
location /directive { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$to; }
location /prefix { proxy_pass http://cutting; }
--- visits
route=nobody; a=b; route=ID_B; c=d -> B, sees "a=b; c=d", sets nothing
route=nobody; a=b | route=ID_B; c=d -> B, sees "a=b; c=d", sets nothing
route=nobody | a=b; c=d | route=ID_B -> B, sees "a=b; c=d", sets nothing
/directive?to=hiding route=; a=b; route=ID_B; c=d; route=ID_A -> B, sees "a=b; c=d", sets nothing
/prefix app=nobody~x; app=ID_B~y -> B, sees "app=x; app=y", sets nothing
route=nobody; a=b; route=ID_B; c=d -> B, sees "a=b; c=d", sets nothing



=== one upstream in several locations: a first visit to any starts a session for all
--- config
location /itself { proxy_pass http://hiding; }
location /variable { proxy_pass http://$to; }
location /directive { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$to; }
--- visits
/itself?to=hiding -> sets "route=ID_A; Path=/"
/variable?to=hiding -> sets "route=ID_B; Path=/"
/directive?to=hiding -> sets "route=ID_A; Path=/"
/itself?to=hiding -> sets "route=ID_B; Path=/"



=== an address that is not an upstream: the server sees the cookie and nothing is set
--- config
location / { proxy_pass http://$to; }
--- visits
/?to=address -> C, sees nothing, sets nothing
/?to=address route=ID_B -> C, sees "route=ID_B", sets nothing



=== a name for a resolver: nothing is set; names of upstreams are not resolved
--- config
resolver 127.0.0.1:1953 ipv6=off;
location / { proxy_pass http://$to; }
location /hidden { session_sticky_hide_cookie upstream=other; proxy_pass http://$to; }
--- visits
/?to=name route=ID_B; other=ID_D -> says like "^C .*other=", sets nothing
/?to=u route=ID_B; other=ID_D -> B, sets nothing
/hidden?to=name a=b; other=ID_D -> says like "^C .*cookie=\[a=b\]", sets nothing
/?to=name -> says like "^C .*cookie=\[\]", sets nothing



=== the name of the upstream in upper case
--- config
location / { session_sticky_hide_cookie upstream=hiding; proxy_pass http://$to; }
--- visits
/?to=upper a=b; route=ID_B -> B, sees "a=b", sets nothing
/?to=upper -> A, sees nothing, sets "route=ID_A; Path=/"



=== the literal name of an upstream followed by a variable
--- config
location / { proxy_pass http://hiding$request_uri; }
location /hidden { session_sticky_hide_cookie upstream=hiding; proxy_pass http://hiding$request_uri; }
--- visits
a=b; route=ID_B -> B, sees "a=b; route=ID_B", sets nothing
/hidden a=b; route=ID_B -> B, sees "a=b", sets nothing
/hidden -> A, sees nothing, sets "route=ID_A; Path=/"



=== the session's own cookie selects the upstream, and is hidden nevertheless
--- config
set $pool u;
if ($cookie_other) { set $pool other; }
location / { session_sticky_hide_cookie upstream=other; proxy_pass http://$pool; }
--- visits
/ a=b; other=ID_D -> D, sees "a=b", sets nothing
/ a=b; route=ID_B -> B, sees "a=b; route=ID_B", sets nothing
/ other=ID_D; route=ID_B -> D, sees "route=ID_B", sets nothing



=== proxy_set_header Cookie: the upstream server sees that value, and the session is the client's
--- config
location /none { proxy_set_header Cookie ""; proxy_pass http://u; }
location /own { proxy_set_header Cookie "own=1"; proxy_pass http://u; }
location /misled { proxy_set_header Cookie "route=nobody"; proxy_pass http://hiding; }
--- visits
/none route=ID_B -> B, sees nothing, sets nothing
/own route=ID_B -> B, sees "own=1", sets nothing
/misled route=ID_B -> B, sees "route=nobody", sets nothing



=== proxy_hide_header Set-Cookie hides the server's cookies, not the module's
--- config
proxy_hide_header Set-Cookie;
location / { proxy_pass http://u; }
location /prefix/ { proxy_pass http://cutting/; }
location /rewrite/ { proxy_pass http://changing/; }
--- visits
/sets -> sets "route=ID_A; Path=/"
/prefix/sets -> sets nothing
/rewrite/sets -> sets nothing



=== add_header Set-Cookie is sent in addition to the module's cookie, and is not treated as the application's
--- config
location / { proxy_pass http://u; add_header Set-Cookie "mine=1"; }
location /same { proxy_pass http://changing; add_header Set-Cookie "app=mine"; }
--- visits
-> header like "(?s)(?=.*Set-Cookie: mine=1\r\n)(?=.*Set-Cookie: route=ID_A; Path=/\r\n)", header unlike "app="
/same -> header like "Set-Cookie: app=mine\r\n", header unlike "route="
route=ID_B -> header like "Set-Cookie: mine=1\r\n", header unlike "route="



=== proxy_cookie_path edits the application's cookie before the ID is added
--- config
proxy_cookie_path /inside /outside;
location / { proxy_pass http://u; }
location /prefix/ { proxy_pass http://cutting/; }
location /rewrite/ { proxy_pass http://changing/; }
--- visits
/sets -> sets "app=x; Path=/outside, route=ID_A; Path=/"
/prefix/sets -> sets "app=ID_A~x; Path=/outside"
/rewrite/sets -> sets "app=ID_A; Path=/outside"



=== proxy_cookie_flags does so too
--- config
proxy_cookie_flags ~ secure;
location / { proxy_pass http://u; }
location /prefix/ { proxy_pass http://cutting/; }
location /rewrite/ { proxy_pass http://changing/; }
--- visits
/sets -> sets "app=x; Path=/inside; Secure, route=ID_A; Path=/"
/prefix/sets -> sets "app=ID_A~x; Path=/inside; Secure"
/rewrite/sets -> sets "app=ID_A; Path=/inside; Secure"
--- skip_nginx: 9: < 1.19.3



=== proxy_bind: requests with a session use that address like any other
--- config
location / { proxy_bind 127.0.0.9; proxy_pass http://u; }
location /away/ { proxy_bind $arg_from; proxy_pass http://u/; }
--- visits
/who route=ID_B -> says "B client=127.0.0.9 scheme=http\n", sets nothing
/who -> says "A client=127.0.0.9 scheme=http\n", sets "route=ID_A; Path=/"
/away/who?from=127.0.0.8 route=ID_B -> says "B client=127.0.0.8 scheme=http\n", sets nothing
/away/who?from=127.0.0.7 route=ID_A -> says "A client=127.0.0.7 scheme=http\n", sets nothing



=== https, by name and by a variable
--- config
# Without a zone, nginx keeps a TLS session of each server until the process ends; balancers/bookkeeping.t tests these sessions.
proxy_ssl_session_reuse off;
location / { proxy_pass https://secure; }
location /variable { set $name secure; proxy_pass https://$name; }
--- visits
-> says like "^1995 https", sets "route=127.0.0.1:1995; Path=/"
route=127.0.0.1:1996 -> says like "^1996 https", sets nothing
/variable route=127.0.0.1:1996 -> says like "^1996 https", sets nothing
/variable route=127.0.0.1:1995 -> says like "^1995 https", sets nothing



=== proxy_http_version 2: sessions over HTTP/2 to the servers, and over kept connections
--- http_config
server { listen 127.0.0.1:1993; listen 127.0.0.1:1994; http2 on; location / { return 200 "$server_port $server_protocol cookie=[$http_cookie]\n"; } }
--- config
location / { proxy_http_version 2; proxy_pass http://http2; }
--- visits
-> says "1993 HTTP/2.0 cookie=[]\n", sets "route=127.0.0.1:1993; Path=/"
a=b; route=127.0.0.1:1994; c=d -> says "1994 HTTP/2.0 cookie=[a=b; c=d]\n", sets nothing
route=127.0.0.1:1993 -> says "1993 HTTP/2.0 cookie=[]\n", sets nothing
a=b; route=127.0.0.1:1994 -> says "1994 HTTP/2.0 cookie=[a=b]\n", sets nothing
--- skip_nginx: 24: < 1.29.4



=== proxy_http_version 2: the servers' cookies are edited, and the ID is removed from requests
--- http_config
server { listen 127.0.0.1:1993; listen 127.0.0.1:1994; http2 on; location / { add_header Set-Cookie "app=x; Path=/inside"; return 200 "$server_port cookie=[$http_cookie]\n"; } }
upstream prefix  { server 127.0.0.1:1993; server 127.0.0.1:1994; session_sticky cookie=app hash=plain mode=prefix; }
upstream rewrite { server 127.0.0.1:1993; server 127.0.0.1:1994; session_sticky cookie=app hash=plain mode=rewrite; }
--- config
proxy_http_version 2;
location /prefix { proxy_pass http://prefix; }
location /rewrite { proxy_pass http://rewrite; }
--- visits
/prefix -> says "1993 cookie=[]\n", sets "app=127.0.0.1:1993~x; Path=/inside"
/prefix app=127.0.0.1:1994~y -> says "1994 cookie=[app=y]\n", sets "app=127.0.0.1:1994~x; Path=/inside"
/rewrite app=127.0.0.1:1994 -> says "1994 cookie=[app=127.0.0.1:1994]\n", sets "app=127.0.0.1:1994; Path=/inside"
--- skip_nginx: 9: < 1.29.4



=== memcached_pass: sessions as with proxy_pass
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
    equals(body($got) . ' ' . set($got), "value $set", 'the value');
}
