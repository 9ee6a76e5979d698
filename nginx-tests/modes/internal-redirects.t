# Responses that nginx redirects internally through several sticky upstreams: each upstream whose server answered sets its
# cookie and edits its own server's fields. Of several cookies with one name, only the newest is set.

use Sticky qw(Caches);

may_warn(qr/"again" is also that of upstream "u"/);

# /on/NEXT answers with X-Accel-Redirect to /NEXT; the argument "sets" is a cookie for the server to set.
our $http = servers(<<'_EOC_') . <<'_EOC_';
location ~ ^/on(/.*) { add_header X-Accel-Redirect $1?$args; add_header Set-Cookie $arg_sets; return 200; }
location /503 { return 503; }
location /end { add_header Set-Cookie $arg_sets; add_header Cache-Control max-age=60; return 200 "NAME"; }
_EOC_
    upstream u     { server 127.0.0.1:1985; session_sticky; }
    upstream v     { server 127.0.0.1:1986; session_sticky cookie=v; }
    upstream w     { server 127.0.0.1:1987; session_sticky cookie=w; }
    upstream again { server 127.0.0.1:1987; session_sticky; }
    upstream stamping { server 127.0.0.1:1985; session_sticky cookie=s maxidle=60 option=indirect; }
    upstream cut   { server 127.0.0.1:1985; session_sticky cookie=app mode=prefix; }
    upstream cut2  { server 127.0.0.1:1986; session_sticky cookie=app mode=prefix; }
    upstream change { server 127.0.0.1:1987; session_sticky cookie=app mode=rewrite; }
    upstream repeat { server 127.0.0.1:1985; sticky name=app; }
    upstream several { server 127.0.0.1:1986; server 127.0.0.1:1987 down; session_sticky cookie=several; }
    upstream plain { server 127.0.0.1:1988; }
_EOC_

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my ($config, $cache) = own_cache(($block->config // '') . join '', map {
        "location /$_/ { proxy_pass http://$_/; }\n"
    } qw(u v w again stamping cut cut2 change repeat several plain));
    $block->set_value(config => $config);
    fill($block, $cache . $http);
});

run_tests();

__DATA__

=== three sticky upstreams in a row: three cookies
--- visits
/u/on/v/on/w/end -> sets "w=ID_C; Path=/, v=ID_B; Path=/, route=ID_A; Path=/"
HEAD /u/on/v/on/w/end -> sets "w=ID_C; Path=/, v=ID_B; Path=/, route=ID_A; Path=/"



=== upstreams without a valid cookie set one, the others do not
--- visits
/u/on/v/on/w/end v=ID_B; w=ID_C -> sets "route=ID_A; Path=/"
/u/on/v/on/w/end route=ID_A; w=ID_C -> sets "v=ID_B; Path=/"
/u/on/v/on/w/end route=ID_A; v=ID_B; w=ID_C -> sets nothing



=== an upstream that uses the second of two cookies with its name: the earlier upstream's cookie is kept
--- request: GET /u/on/several/end
--- more_headers: Cookie: several=ID_C; several=ID_B
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== for one name, only the last upstream counts, even if it sets nothing
--- visits
/u/on/v/on/again/end -> sets "route=ID_C; Path=/, v=ID_B; Path=/"
/u/on/again/end route=ID_C -> sets nothing
/again/on/u/end route=ID_C -> sets "route=ID_A; Path=/"



=== an upstream without session_sticky between them or after them
--- visits
/u/on/plain/on/v/end -> sets "v=ID_B; Path=/, route=ID_A; Path=/"
/u/on/v/on/plain/end -> sets "v=ID_B; Path=/, route=ID_A; Path=/"



=== timestamps are renewed when nginx redirects the response internally
--- request: GET /stamping/on/u/end
--- more_headers eval: "Cookie: route=" . Servers::id("A") . "; s=" . Servers::id("A") . "|" . (time() - 9) . "|" . (time() - 9)
--- raw_response_headers_like
\r\nSet-Cookie: s=\w{32}\|\d+\|\d+; Path=/\r\n
--- raw_response_headers_unlike
route=



=== a response rejected by another filter before its cookie is set: the upstream's cookie is set on the final response
--- config
location = /one/end { proxy_pass http://u/end; proxy_cache cached; error_page 412 = @sticky; }
location = /two/end { proxy_pass http://u/end; proxy_cache cached; error_page 412 = @plain; }
location @sticky { rewrite ^ /end break; proxy_pass http://v; }
location @plain { rewrite ^ /end break; proxy_pass http://plain; }
--- client
my @set = map {
    my $asked = say_to_nginx("GET $_ HTTP/1.0\r\nHost: localhost\r\nIf-Match: \"other\"\r\n\r\n");
    join ', ', sort map { s/=.*//r } heads('Set-Cookie', response($asked));
} '/one/end', '/two/end';
equals($set[0], 'route, v', 'error page of a sticky upstream: both cookies are set');
equals($set[1], 'route', "error page of an upstream without session_sticky: the first upstream's cookie is set");



=== a cached response after sticky ones
--- config
location = /cached { proxy_pass http://w/end; proxy_cache cached; add_header X-Cache $upstream_cache_status; }
--- visits
/u/on/cached -> X-Cache "MISS", sets "w=ID_C; Path=/, route=ID_A; Path=/"
/u/on/cached -> X-Cache "HIT", sets "route=ID_A; Path=/"



=== a chain of intercepted errors
--- config
recursive_error_pages on;
proxy_intercept_errors on;
location = /e { proxy_pass http://u/503; error_page 503 = @v; }
location @v { rewrite ^ /503 break; proxy_pass http://v; error_page 503 = @w; }
location @w { rewrite ^ /end break; proxy_pass http://w; }
--- request: GET /e
--- response_headers
Set-Cookie: w=ID_C; Path=/, v=ID_B; Path=/, route=ID_A; Path=/



=== mode=prefix and mode=rewrite: a field gets the ID of the server that sent it
--- visits
/cut/on/u/end?sets=app%3D -> sets "app%3D, app%3D, route=ID_A; Path=/"
/cut/on/plain/end?sets=app=x -> sets "app=ID_A~x, app=x"
/plain/on/cut/end?sets=app=x -> sets "app=x, app=ID_A~x"
/cut/on/cut2/end?sets=app=x -> sets "app=ID_A~x, app=ID_B~x"
/cut/on/change/end?sets=app=x -> sets "app=ID_A~x, app=ID_C"
/change/on/cut/on/plain/end?sets=app=x -> sets "app=ID_C, app=ID_A~x, app=x"



=== mode=prefix: so does a field changed by proxy_cookie_path; nginx adds a space since 1.19.3
--- config
proxy_cookie_path / /app;
--- request: GET /cut/on/cut2/end?sets=app=x;path=/
--- response_headers_like
Set-Cookie: app=ID_A~x; ?path=/app, app=ID_B~x; ?path=/app



=== a cookie that replaces that of its own server leaves that of another server alone
--- visits
/repeat/on/plain/end?sets=app=x -> sets "app=x, app=ID_A; Path=/"
/plain/on/repeat/end?sets=app=x -> sets "app=x, app=ID_A; Path=/"



=== an internally redirected subrequest sets nothing
--- config
location = /main { auth_request /auth; proxy_pass http://w/end; }
location = /auth { internal; proxy_pass http://u/on/v/end; }
--- request: GET /main
--- response_headers
Set-Cookie: w=ID_C; Path=/
