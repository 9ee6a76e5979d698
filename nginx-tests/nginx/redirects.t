# Internal redirects: each upstream on the way reads its own cookie, and the servers that answered set their cookies; of
# several with one name, only the newest.
#
#   error_page               from an unreachable upstream to another: with another cookie name, the same name, back to the
#                            same upstream, a chain of three, with fallback=off, from nginx's own 404 and 413
#   proxy_intercept_errors   an error response leads to another upstream, to the same one, to an unreachable one
#   X-Accel-Redirect         to another upstream, to the same one, twice, to a named location, to none
#   try_files, index, rewrite, internal, post_action
#   with the cookie hidden, with mode=prefix and mode=rewrite: error_page, proxy_intercept_errors, X-Accel-Redirect

use Sticky;

our $http = servers(<<'_EOC_') . <<'_EOC_';
location = /404 { return 404 "NAME has no such page\n"; }
location = /503 { return 503 "NAME is busy\n"; }
location = /accel { add_header X-Accel-Redirect /inside; return 200; }
location = /accel-named { add_header X-Accel-Redirect @inside; return 200; }
location = /accel-on { add_header X-Accel-Redirect /accel-here; return 200; }
location = /accel-here { add_header X-Accel-Redirect /inside; return 200; }
location = /accel-nowhere { add_header X-Accel-Redirect /nowhere; return 200; }
location = /accel-sets { add_header X-Accel-Redirect /inside; add_header Set-Cookie "app=x"; return 200; }
location = /sets { add_header Set-Cookie "app=x"; return 200 "NAME sets cookie=[$http_cookie]\n"; }
_EOC_
    upstream u       { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
    upstream other   { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky cookie=other; }
    upstream same    { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky; }
    upstream hiding  { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky cookie=other option=indirect; }
    upstream cutting { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=app mode=prefix; }
    upstream changing { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=app mode=rewrite; }
    upstream plain   { server 127.0.0.1:1987; }
    upstream dead    { server 127.0.0.1:1999 max_fails=0; session_sticky; }
    upstream dead_hiding { server 127.0.0.1:1999 max_fails=0; session_sticky option=indirect; }
    upstream dead_other { server 127.0.0.1:1999 max_fails=0; session_sticky cookie=other; }
    upstream strict  { server 127.0.0.1:1985; server 127.0.0.1:1999 max_fails=0; session_sticky fallback=off; }
    upstream both    { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain; }
_EOC_

# Not a running server.
$port{DEAD} = 1999;

may_warn(qr/ is also that of upstream /);
client_sections();
add_block_preprocessor(sub { fill($_[0], $http) });

run_tests();

__DATA__

=== error_page, an unreachable upstream and another cookie: the second upstream's session is used
--- config
location / { proxy_pass http://dead; error_page 502 = @other; }
location @other { proxy_pass http://other; }
--- visits
-> C, sees nothing, sets "other=ID_C; Path=/"
other=ID_D -> D, sees "other=ID_D", sets nothing
route=ID_A; other=ID_D -> D, sees "route=ID_A; other=ID_D", sets nothing



=== error_page, an unreachable upstream and the same cookie name: the second upstream's session is used
--- config
location / { proxy_pass http://dead; error_page 502 = @same; }
location @same { proxy_pass http://same; }
--- visits
-> C, sets "route=ID_C; Path=/"
route=ID_D -> D, sets nothing
route=ID_A -> D, sets "route=ID_D; Path=/"



=== error_page, fallback=off and an unreachable or unknown server: the second upstream answers, with its own session
--- config
location / { proxy_pass http://strict; error_page 502 = @other; }
location @other { proxy_pass http://other; }
--- visits
route=ID_DEAD -> C, sets "other=ID_C; Path=/"
route=nobody; other=ID_D -> D, sets nothing
route=ID_A -> A, sets nothing
route=ID_A; other=ID_D -> A, sets nothing



=== error_page to a location by its URI, with a request body
--- config
location / { proxy_pass http://dead; error_page 502 = /instead; }
location = /instead { internal; proxy_pass http://other; proxy_method POST; }
--- request
POST /t
a body
--- more_headers
Cookie: other=ID_D
--- response_headers
!Set-Cookie
--- response_body_like: ^D /instead



=== error_page, two unreachable upstreams, and a third that answers: only that one's cookie
--- config
recursive_error_pages on;
location / { proxy_pass http://dead; error_page 502 = @second; }
location @second { proxy_pass http://dead_other; error_page 502 = @third; }
location @third { proxy_pass http://same; }
--- visits
-> C, sets "route=ID_C; Path=/"
route=ID_D; other=ID_C -> D, sets nothing



=== error_page, both upstreams unreachable: nothing is set
--- config
recursive_error_pages on;
location / { proxy_pass http://dead; error_page 502 = @second; }
location @second { proxy_pass http://dead_other; }
--- request
GET /t
--- error_code: 502
--- response_headers
!Set-Cookie



=== error_page, an unreachable upstream and another, both with hidden cookies: both are hidden, each is read
--- config
location / { proxy_pass http://dead_hiding; error_page 502 = @second; }
location @second { proxy_pass http://hiding; }
--- visits
a=b; route=ID_A; other=ID_D -> D, sees "a=b", sets nothing
route=ID_A; a=b -> C, sees "a=b", sets "other=ID_C; Path=/"



=== error_page, an unreachable upstream with a hidden cookie, and another with the same cookie name not hidden
--- config
location / { proxy_pass http://dead_hiding; error_page 502 = @same; }
location @same { proxy_pass http://same; }
--- request
GET /t
--- more_headers
Cookie: a=b; route=ID_D
--- response_headers
!Set-Cookie
--- response_body
D /t cookie=[a=b]



=== error_page of a 504: the server that was too slow sets nothing, the second one does
--- config
location / { proxy_pass http://both; proxy_read_timeout 200ms; proxy_next_upstream off; error_page 504 = @other; }
location @other { proxy_pass http://other; }
--- client
my @silent = map { serve($_) } 1991, 1992;
my $got = response(ask('/t', 'route=127.0.0.1:1992'));
equals(set($got), 'other=ID_C; Path=/', 'a first visit to the second upstream gets a cookie');
holds(request_of(taken($silent[1])) =~ /^GET/, "the session's server was asked first");
holds(!taken($silent[0], 0), 'no other server was asked');
$got = response(ask('/t', 'route=127.0.0.1:1992; other=ID_D'));
equals(body($got) =~ s/ .*//sr . set($got), 'D', 'a session reaches its server, and nothing is set');



=== error_page to a sticky upstream for requests rejected by nginx itself
--- config
location / { error_page 404 = @u; root html; }
location /large { client_max_body_size 1; error_page 413 = @u; proxy_pass http://other; }
location @u { proxy_pass http://u; }
--- visits
-> A, sets "route=ID_A; Path=/"
route=ID_B -> B, sets nothing
POST /large route=ID_B; other=ID_D | body "more than one byte" -> B, sets nothing



=== proxy_intercept_errors, to another upstream with the same cookie name: the cookie of the last server
--- config
location = /503 { proxy_pass http://u; proxy_intercept_errors on; error_page 503 = @same; }
location @same { rewrite ^ /page break; proxy_pass http://same; }
--- visits
/503 -> C /page, sets "route=ID_C; Path=/"
/503 route=ID_B -> D /page, sets "route=ID_D; Path=/"
/503 route=ID_D -> D /page, sets nothing



=== proxy_intercept_errors, to the same upstream: one cookie, of the server that sent the page
--- config
location = /503 { proxy_pass http://u; proxy_intercept_errors on; error_page 503 = @again; }
location @again { rewrite ^ /page break; proxy_pass http://u; }
--- visits
/503 -> B /page, sets "route=ID_B; Path=/"
/503 route=ID_B -> B /page, sets nothing



=== proxy_intercept_errors, to an unreachable sticky upstream: the cookie of the server that answered
--- config
location = /503 { proxy_pass http://u; proxy_intercept_errors on; error_page 503 = @dead; }
location @dead { proxy_pass http://dead_other; }
--- request
GET /503
--- error_code: 502
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== proxy_intercept_errors with both cookies sent: both sessions are kept
--- config
location = /404 { proxy_pass http://u; proxy_intercept_errors on; error_page 404 = @other; }
location @other { rewrite ^ /page break; proxy_pass http://other; }
--- request
GET /404
--- more_headers
Cookie: route=ID_B; other=ID_D
--- response_headers
!Set-Cookie
--- response_body_like: ^D /page



=== proxy_intercept_errors, mode=prefix and mode=rewrite, to a server that sets the cookie: it gets that server's ID
--- config
location = /503 { proxy_pass http://other; proxy_intercept_errors on; error_page 503 = @sets; }
location = /404 { proxy_pass http://other; proxy_intercept_errors on; error_page 404 = @changes; }
location @sets { rewrite ^ /sets break; proxy_pass http://cutting; }
location @changes { rewrite ^ /sets break; proxy_pass http://changing; }
--- visits
/503 app=ID_B~x; other=ID_D -> says like "^B sets cookie=\[app=x; other=", sets "app=ID_B~x"
/404 app=ID_B; other=ID_D -> says like "^B sets cookie=\[app=", sets "app=ID_B"



=== X-Accel-Redirect to another sticky upstream: its session is used, and each sets its own cookie
--- config
location / { proxy_pass http://u; }
location = /inside { internal; proxy_pass http://other; }
--- visits
/accel route=ID_B; other=ID_D -> D /inside, sets nothing
/accel other=ID_D -> D /inside, sets "route=ID_A; Path=/"
/accel route=ID_B -> C /inside, sets "other=ID_C; Path=/"



=== X-Accel-Redirect to the same upstream: a session is kept, a first visit gets one cookie
--- config
location / { proxy_pass http://u; }
location = /inside { internal; proxy_pass http://u; }
--- visits
/accel route=ID_B -> B /inside, sets nothing
/accel -> B /inside, sets "route=ID_B; Path=/"



=== X-Accel-Redirect to a location with the same cookie name: the server of the last response
--- config
location / { proxy_pass http://u; }
location = /inside { internal; proxy_pass http://same; }
--- visits
/accel -> C /inside, sets "route=ID_C; Path=/"
/accel route=ID_D -> D /inside, sets nothing



=== X-Accel-Redirect to a named location, which changes neither URI nor method
--- config
location / { proxy_pass http://u; }
location @inside { rewrite ^ /inside break; proxy_pass http://plain; }
location /other/ { proxy_pass http://u/; }
--- visits
/accel-named -> C /inside, sets "route=ID_A; Path=/"
/other/accel-named route=ID_B -> C /inside, sets nothing



=== X-Accel-Redirect twice: every upstream on the way sets its cookie
--- config
location / { proxy_pass http://u; }
location = /accel-here { internal; proxy_pass http://other; }
location = /inside { internal; return 200 "inside\n"; }
--- visits
/accel-on -> says "inside\n", sets "other=ID_C; Path=/, route=ID_A; Path=/"
/accel-on other=ID_D -> says "inside\n", sets "route=ID_B; Path=/"
/accel-on route=ID_B -> says "inside\n", sets "other=ID_D; Path=/"



=== X-Accel-Redirect to a missing file: nginx's own response, with the cookie of the server
--- config
location / { proxy_pass http://u; }
location = /nowhere { internal; root html; }
--- visits
/accel-nowhere -> 404, sets "route=ID_A; Path=/"
/accel-nowhere route=ID_B -> 404, sets nothing



=== X-Accel-Redirect with mode=prefix to another sticky upstream: each reads its own cookie, the ID is hidden from both
--- config
location / { proxy_pass http://cutting; }
location = /inside { internal; proxy_pass http://other; }
--- request
GET /accel-sets
--- more_headers
Cookie: app=ID_B~x; other=ID_D
--- response_body_like: ^D /inside cookie=\[app=x; other=



=== X-Accel-Redirect, and X-Accel-Redirect ignored: the response is the server's
--- config
location / { proxy_pass http://u; proxy_ignore_headers X-Accel-Redirect; }
--- request
GET /accel
--- more_headers
Cookie: other=ID_D
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== X-Accel-Redirect, and a HEAD request
--- config
location / { proxy_pass http://u; }
location = /inside { internal; proxy_pass http://other; }
--- request
HEAD /accel
--- more_headers
Cookie: route=ID_B
--- response_headers
Set-Cookie: other=ID_C; Path=/



=== try_files: a file sets nothing, other requests reach the session's server
--- config
location / { root html; try_files $uri @u; }
location @u { proxy_pass http://u; }
--- user_files
>>> file.txt
a file
--- visits
/file.txt route=ID_B -> says like "^a file", sets nothing
route=ID_B -> B /t, sets nothing
-> A /t, sets "route=ID_A; Path=/"



=== try_files to a location with an error_page for an unreachable upstream
--- config
recursive_error_pages on;
location / { root html; try_files $uri @dead; }
location @dead { proxy_pass http://dead; error_page 502 = @other; }
location @other { proxy_pass http://other; }
--- visits
-> C /t, sets "other=ID_C; Path=/"
other=ID_D; route=ID_A -> D /t, sets nothing



=== index and rewrite redirect to another location: the session's server
--- config
location = / { root html; index index.html; }
location = /index.html { proxy_pass http://u; }
location /old { rewrite ^/old(.*) /new$1 last; }
location /new { internal; proxy_pass http://u; }
--- user_files
>>> index.html
never sent
--- visits
/ route=ID_B -> B /index.html, sets nothing
/old/x route=ID_B -> B /new/x, sets nothing
/new/x route=ID_B -> 404, says like "404 Not Found", sets nothing



=== post_action: the additional request reaches its server, and sets nothing
--- config
location / { proxy_pass http://u; post_action @done; }
location /mine { post_action @done; return 200 "mine\n"; }
location @done { proxy_pass http://both; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $asked = ask('/t', 'a=b; route=127.0.0.1:1992');
my $action = taken($servers[1]);
holds(request_of($action) =~ /^Cookie: a=b; route=127\.0\.0\.1:1992\r$/m, 'the additional request reaches its server');
answer($action, 'done', "Set-Cookie: action=1\r\n") if $action;
my $got = response($asked);
equals(body($got), "A /t cookie=[a=b; route=127.0.0.1:1992]\n", 'the response is from the upstream of the main request');
equals(set($got), 'route=ID_A; Path=/', 'so is the cookie');

$asked = ask('/mine');
$action = taken(\@servers);
holds($action, "the additional request of nginx's own response reaches a server");
answer($action, 'done') if $action;
equals(set(response($asked)), '', 'nothing is set');
