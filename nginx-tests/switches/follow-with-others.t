# follow with the other parameters, and with nginx's processing of responses and requests: proxy_cookie_*, caches,
# subrequests, X-Accel-Redirect.
#
# The servers set the cookies in the arguments a, b and c. /on/PATH answers with X-Accel-Redirect to /PATH. The
# configuration has a location /NAME/ for each upstream. X-Did is $session_sticky_action.

use Sticky qw(Caches);

our $http = servers(<<'_EOC_', qw(A B C));
add_header Set-Cookie $arg_a;
add_header Set-Cookie $arg_b;
location ~ ^/on(/.*) { add_header Set-Cookie $arg_a; add_header Set-Cookie $arg_b; add_header X-Accel-Redirect $1?$arg_then=$arg_c; return 200; }
location /503 { add_header Set-Cookie $arg_a always; return 503; }
location = /page { default_type text/html; return 200 'NAME <!--#include virtual="/part/?a=sid=1" -->'; }
location / { return 200 "NAME cookie=[$http_cookie]\n"; }
_EOC_

may_warn(qr/ is also that of upstream |also sets a cookie "route"/);
client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my ($config, $cache) = own_cache($block->config // '');
    my @added = ($block->http_config // '') =~ /^\s*upstream (\w+)/mg;
    $block->set_value(config => "add_header X-Did \$session_sticky_action always;\n" . $config . join '', map {
        $config =~ m{location /$_/} ? '' : "location /$_/ { proxy_pass http://$_/; }\n"
    } @added);
    fill($block, $cache . $http);
});

visit_lines(answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== proxy_cookie_path, proxy_cookie_domain and proxy_cookie_flags are applied first
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky follow=sid; }
--- config
location /u/ {
    proxy_cookie_path /app /;
    proxy_cookie_domain inside.test outside.test;
    proxy_cookie_flags sid secure samesite=lax;
    proxy_pass http://u/;
}
--- visits
/u/?a=sid=1;Path=/app;Domain=inside.test -> A, sets like "sid=1;.*, route=ID_A; Domain=outside.test; Path=/; Secure; SameSite=Lax"
/u/?a=sid=;Path=/app;Domain=inside.test sid=1 -> A, sets like "sid=;.*, route=; Domain=outside.test; Path=/; Max-Age=0; Expires=.*; Secure; SameSite=Lax"
--- skip_nginx
2: < 1.19.3



=== proxy_hide_header: fields that the client does not get are not followed
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky follow=sid; }
--- config
location /u/ { proxy_hide_header Set-Cookie; proxy_pass http://u/; }
--- visits
/u/?a=sid=1 -> A, sets nothing, X-Did "none"
/u/?a=sid= sid=1; route=ID_A -> A, sets nothing, X-Did "none"
/u/?a=sid=1 sid=1 -> A, sets "route=ID_A; Path=/", X-Did "inserted"



=== option=indirect: the module's cookie is always hidden, and a server's cookie of that name is removed
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky follow=sid option=indirect; }
--- visits
/u/ route=ID_B -> A, sees "", sets nothing
/u/ sid=1; route=ID_A; a=b -> A, sees "sid=1; a=b", sets nothing
/u/ route=ID_A; sid=1 -> A, sees "sid=1", sets nothing
/u/?a=sid=2 sid=1; route=ID_A -> A, sees "sid=1", sets "sid=2, route=ID_A"
/u/?a=route=x route=ID_A -> B, sees "", sets nothing, X-Did "none"
/u/?a=route=x sid=1; route=ID_A -> A, sets "route=ID_A; Path=/", X-Did "updated"
/u/?a=route=x&b=sid=1 -> A, sets "sid=1, route=ID_A", X-Did "inserted"
/u/?a=route=x&b=sid=;Path=/old sid=1; route=ID_A -> A, sets like "sid=;Path=/old, route=ID_A; Path=/, route=; Path=/old; .*", X-Did "updated"
/u/?a=route=x&b=sid=;Path=/old route=ID_A -> B, sets like "sid=;Path=/old, route=; Path=/old; .*", X-Did "deleted"



=== preserve: the application's cookie with the module's name is kept, and the module adds none
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky follow=sid preserve; }
--- visits
/u/?a=route=x&b=sid=1 -> A, sets "route=x, sid=1", X-Did "preserved"
/u/?a=route=&b=sid= sid=1; route=ID_A -> A, sets "route=, sid=", X-Did "deleted"
/u/?a=route=x -> A, sets "route=x", X-Did "preserved"
/u/?a=route=x sid=1 -> A, sets "route=x", X-Did "preserved"
/u/?b=sid=1 -> A, sets "sid=1, route=ID_A", X-Did "inserted"



=== if=: off, nothing is followed
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky follow=sid if=$arg_on; }
--- visits
/u/?a=sid=1 sid=1; route=ID_B -> A, sets "sid=1", X-Did "none"
/u/?a=sid=1&on=1 sid=1; route=ID_A -> A, sets "sid=1, route=ID_A", X-Did "updated"
/u/?on=1 route=ID_A -> B, sets nothing, X-Did "none"



=== postonly: only the response to a POST sets or deletes the module's cookie
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky follow=sid postonly; }
--- visits
/u/?a=sid=1 -> A, sets "sid=1", X-Did "none"
POST /u/?a=sid=1 -> B, sets "sid=1, route=ID_B", X-Did "inserted"
POST /u/ route=ID_B -> A, sets nothing, X-Did "none"
POST /u/ sid=1 -> B, sets "route=ID_B; Path=/", X-Did "inserted"
/u/?a=sid= sid=1; route=ID_B -> B, sets "sid=", X-Did "none"
POST /u/?a=sid= sid=1; route=ID_B -> B, sets like "sid=, route=; Max-Age=0; .*", X-Did "deleted"
/u/?a=sid=;Path=/old sid=1; route=x -> B, sets "sid=;Path=/old", X-Did "none"



=== accept=: a value in another form is upgraded if the application has a session
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky follow=sid accept=plain; }
--- visits
/u/ route=127.0.0.1:1986 -> A, sets nothing
/u/ sid=1; route=127.0.0.1:1986 -> B, sets "route=ID_B; Path=/", X-Did "updated"
/u/?a=sid=2 sid=1; route=127.0.0.1:1986 -> B, sets "sid=2, route=ID_B", X-Did "updated"



=== timestamps are renewed if the application has a session, and with the application's cookie
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky follow=sid maxidle=1h maxlife=1d refresh=10m; }
--- visits
/u/ route=ID_B|NOW-900|NOW-999 -> A, sets nothing
/u/ sid=1; route=ID_B|NOW-900|NOW-999 -> B, sets like "route=ID_B\|STAMP\|NOW-999; Path=/", X-Did "updated"
/u/ sid=1; route=ID_B|NOW-60|NOW-999 -> B, sets nothing, X-Did "none"
/u/?a=sid=2;Max-Age=9 sid=1; route=ID_B|NOW-60|NOW-999 -> B, sets like "sid=2;Max-Age=9, route=ID_B\|NOW-60\|NOW-999; Max-Age=9", X-Did "updated"
/u/?a=sid=2 sid=1; route=ID_B|NOW-900|NOW-999 -> B, sets like "sid=2, route=ID_B\|STAMP\|NOW-999", X-Did "updated"
/u/?a=sid=2 sid=1; route=ID_B|NOW-7200|NOW-9999 -> B, sets like "sid=2, route=ID_B\|STAMP\|STAMP", X-Did "inserted"



=== nocache: every response that sets the module's cookie, and no other
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky follow=sid nocache; }
--- visits
/u/?a=sid=1 -> A, sets "sid=1, route=ID_A", Cache-Control "private"
/u/?a=sid= -> A, sets like "sid=, route=; .*", Cache-Control "private"
/u/?a=other=1 -> A, sets "other=1", no Cache-Control
/u/ sid=1 -> A, sets "route=ID_A; Path=/", Cache-Control "private"
/u/?a=sid=;Path=/old sid=1 -> A, sets like "sid=;Path=/old, route=ID_A; Path=/, route=; Path=/old; .*", Cache-Control "private"



=== proxy_cache: pages without a session are stored, and cached responses set nothing
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky follow=sid; }
--- config
location / {
    proxy_cache cached;
    proxy_cache_key $uri;
    proxy_cache_valid 1m;
    add_header X-Cache $upstream_cache_status;
    proxy_pass http://u;
}
--- visits
/1 -> A, X-Cache "MISS", sets nothing
/1 sid=1 -> A, X-Cache "HIT", sets nothing
/2 sid=1; route=ID_A -> A, X-Cache "MISS", sets nothing
/2 sid=1; route=ID_B -> A, X-Cache "HIT", sets nothing
/3?a=sid=1 -> B, X-Cache "MISS", sets "sid=1, route=ID_B"
/3?a=sid=1 sid=1; route=ID_B -> B, X-Cache "MISS", sets "sid=1, route=ID_B"
/4 sid=1 -> A, X-Cache "MISS", sets "route=ID_A; Path=/"
/4 -> A, X-Cache "HIT", sets nothing



=== subrequests: each follows its session, and none sets anything
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky follow=sid; }
upstream v { server 127.0.0.1:1986; server 127.0.0.1:1987; session_sticky cookie=v follow=sid; }
--- config
location /auth/ { auth_request /asked; auth_request_set $by $upstream_addr; add_header X-By $by; proxy_pass http://u/; }
location = /asked { internal; proxy_pass http://v/?a=sid=1; }
location = /page { ssi on; proxy_pass http://u; }
location /part/ { proxy_pass http://v/; }
--- visits
/auth/ sid=1; route=ID_B; v=ID_C -> B, X-By "127.0.0.1:1987", sets nothing
/auth/ route=ID_B; v=ID_C -> A, X-By "127.0.0.1:1986", sets nothing
/page sid=1; route=ID_B; v=ID_C -> says "B C cookie=[sid=1; route=ID_B; v=ID_C]\n", sets nothing



=== X-Accel-Redirect: the session belongs to the server that set the application's cookie
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky follow=sid; }
upstream again { server 127.0.0.1:1986; session_sticky follow=sid; }
upstream other { server 127.0.0.1:1987; session_sticky cookie=other follow=sid; }
upstream plain { server 127.0.0.1:1986; session_sticky; }
upstream none { server 127.0.0.1:1987; }
--- visits
/u/on/none/?a=sid=1 -> C, sets "sid=1, route=ID_A"
/u/on/again/?a=sid=1 -> B, sets "sid=1, route=ID_A"
/u/on/again/?a=sid=1 sid=0 -> B, sets "sid=1, route=ID_A"
/u/on/again/?a=sid=1 sid=0; route=ID_B -> B, sets "sid=1, route=ID_A"
/u/on/again/?a=sid= sid=0; route=ID_B -> B, sets like "sid=, route=; Max-Age=0; .*"
/u/on/again/ sid=0 -> B, sets "route=ID_B; Path=/"
/u/on/again/ -> B, sets nothing
/u/on/again/?then=a&c=sid=2 -> B, sets "sid=2, route=ID_B"
/u/on/again/?a=sid=1&then=a&c=sid=2 -> B, sets "sid=1, sid=2, route=ID_B"
/u/on/other/?a=sid=1 -> C, sets "sid=1, route=ID_A"
/u/on/other/?a=sid=1&then=a&c=sid=2 -> C, sets "sid=1, sid=2, other=ID_C, route=ID_A"
/u/on/other/ sid=0 -> C, sets "other=ID_C; Path=/, route=ID_A; Path=/"
/u/on/plain/?a=sid=1 -> B, sets "sid=1, route=ID_A"
/u/on/plain/ -> B, sets "route=ID_B; Path=/"
/plain/on/u/ -> A, sets "route=ID_B; Path=/"
/plain/on/u/ sid=1 -> A, sets "route=ID_A; Path=/"
/plain/on/u/?then=a&c=sid=2 -> A, sets "sid=2, route=ID_A"
/none/on/u/?a=sid=1 -> A, sets "sid=1"



=== X-Accel-Redirect of a POST, with postonly
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky follow=sid postonly; }
upstream again { server 127.0.0.1:1986; session_sticky follow=sid postonly; }
--- visits
POST /u/on/again/?a=sid=1 -> B, sets "sid=1, route=ID_A"
/u/on/again/?a=sid=1 -> B, sets "sid=1"
POST /u/on/again/?a=sid= sid=1; route=ID_A -> B, sets like "sid=, route=; Max-Age=0; .*"



=== intercepted errors: cookies of the discarded response are not sent, so they are not followed
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky follow=sid; }
upstream v { server 127.0.0.1:1986; session_sticky cookie=v follow=sid; }
--- config
location /u/ { proxy_intercept_errors on; error_page 503 = @v; proxy_pass http://u/; }
location @v { rewrite ^ /? break; proxy_pass http://v; }
--- visits
/u/503?a=sid=1 -> B, sets nothing
/u/503?a=sid= sid=1; route=ID_A; v=ID_B -> B, sets nothing
/u/503 sid=1 -> B, sets "v=ID_B; Path=/, route=ID_A; Path=/"
/u/503 -> B, sets nothing
--- no_error_log
[alert]
[crit]
