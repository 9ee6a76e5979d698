# follow: sessions are those of the application, whose cookie indicates whether there is one. The module's cookie is set and
# deleted along with it.
#
# lib/SettingServers.pm describes the servers, which set the fields in "set_cookie", except for /sets-nothing. X-Did is the
# status, the verdict and the action of the request.

use Sticky qw(SettingServers);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(config => "add_header X-Did \"\$session_sticky_status \$session_sticky_verdict \$session_sticky_action\" always;\n"
        . ($block->config // 'location /t/ { proxy_pass http://u/; }'));
});
setting_sections('follow=sid');

visit_lines(path => '/t/', answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== a request without the application's cookie is load-balanced, whatever other cookies it has, and gets no cookie of the module
--- visits
/t/sets-nothing -> A, sets nothing, X-Did "new none none"
/t/sets-nothing -> B, sets nothing, X-Did "new none none"
/t/sets-nothing route=ID_A -> A, sees "route=ID_A", sets nothing, X-Did "new none none"
/t/sets-nothing route=ID_A -> B, sees "route=ID_A", sets nothing, X-Did "new none none"
/t/sets-nothing route=x -> A, sets nothing, X-Did "new none none"
/t/sets-nothing asid=1; sidx=1; Sid=1; sid; a=sid=1; route=ID_A -> B, sets nothing, X-Did "new none none"
/t/sets-nothing sid=; route=ID_B -> A, sets nothing, X-Did "new none none"
/t/sets-nothing sid=""; route=ID_A -> B, sets nothing, X-Did "new none none"
POST /t/sets-nothing route=ID_B -> A, sets nothing, X-Did "new none none"



=== a request with it follows the module's cookie, which is set if missing, with the directive's attributes
--- sticky: follow=sid path=/app secure
--- visits
/t/sets-nothing sid=1; route=ID_B -> B, sees "sid=1; route=ID_B", sets nothing, X-Did "bound valid none"
/t/sets-nothing route=ID_A; sid=1 -> A, sets nothing, X-Did "bound valid none"
/t/sets-nothing sid=; route=ID_B; other=0123456789012345678901234567890123456789; sid=1 -> B, sets nothing, X-Did "bound valid none"
/t/sets-nothing a=b | Cookie: sid=1 | Cookie: route=ID_B -> B, sets nothing, X-Did "bound valid none"
/t/sets-nothing sid=1 -> A, sets "route=ID_A; Path=/app; Secure", X-Did "new none inserted"
/t/sets-nothing sid=1; route=x -> B, sets "route=ID_B; Path=/app; Secure", X-Did "new unknown inserted"



=== a session cookie of the browser: the module's cookie is one too
--- set_cookie
sid=new; Path=/; HttpOnly
--- visits
-> A, sets "sid=new; Path=/; HttpOnly, route=ID_A; Path=/", X-Did "new none inserted"
route=ID_A -> B, sets "sid=new; Path=/; HttpOnly, route=ID_B; Path=/", X-Did "new none inserted"
sid=old; route=ID_B -> B, sets "sid=new; Path=/; HttpOnly, route=ID_B; Path=/", X-Did "bound valid updated"
sid=old; route=x -> A, sets "sid=new; Path=/; HttpOnly, route=ID_A; Path=/", X-Did "new unknown inserted"
/t/500 sid=old; route=ID_B -> 500, sets "sid=new; Path=/; HttpOnly, route=ID_B; Path=/", X-Did "bound valid updated"



=== an expiry time that each response renews: it is renewed for the module's cookie too
--- set_cookie
sid=1; Max-Age=900; Expires=Wed, 01 Jan 2042 00:00:00 GMT; Path=/
--- visits
sid=1; route=ID_B -> B, sets "sid=1; Max-Age=900; Expires=Wed, 01 Jan 2042 00:00:00 GMT; Path=/, route=ID_B; Path=/; Max-Age=900; Expires=Wed, 01 Jan 2042 00:00:00 GMT", X-Did "bound valid updated"
sid=1; route=ID_B -> B, sets "sid=1; Max-Age=900; Expires=Wed, 01 Jan 2042 00:00:00 GMT; Path=/, route=ID_B; Path=/; Max-Age=900; Expires=Wed, 01 Jan 2042 00:00:00 GMT", X-Did "bound valid updated"
/t/sets-nothing sid=1; route=ID_B -> B, sets nothing, X-Did "bound valid none"



=== a cookie deleted at logout: the module's cookie is deleted too
--- set_cookie
sid=; Max-Age=0; Path=/t; Domain=a.test
--- visits
sid=1; route=ID_B -> B, sets "sid=; Max-Age=0; Path=/t; Domain=a.test, route=; Domain=a.test; Path=/t; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT", X-Did "bound valid deleted"
-> A, sets "sid=; Max-Age=0; Path=/t; Domain=a.test, route=; Domain=a.test; Path=/t; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT", X-Did "new none deleted"



=== a cookie deleted by a date in the past: the module's cookie is deleted too
--- set_cookie
sid=deleted; expires=Thu, 01-Jan-1970 00:00:10 GMT; Max-Age=x; secure
--- sticky: follow=sid httponly attr=Priority=High
--- visits
sid=1; route=ID_B -> B, sets "sid=deleted; expires=Thu, 01-Jan-1970 00:00:10 GMT; Max-Age=x; secure, route=; HttpOnly; Priority=High; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Secure", X-Did "bound valid deleted"



=== cookies with other names have no effect
--- set_cookie
sidx=1; Path=/
Sid=1
other=sid=1
sid
--- visits
route=ID_B -> A, sets "sidx=1; Path=/, Sid=1, other=sid=1, sid", X-Did "new none none"
sid=1; route=ID_B -> B, sets "sidx=1; Path=/, Sid=1, other=sid=1, sid", X-Did "bound valid none"



=== names with a __Host- or __Secure- prefix
--- sticky: follow=__Host-SID cookie=__Secure-route secure
--- set_cookie
__Host-SID=1; Secure; Path=/
SID=2; Path=/app
--- visits
-> A, sets "__Host-SID=1; Secure; Path=/, SID=2; Path=/app, __Secure-route=ID_A; Secure; Path=/"
/t/sets-nothing __Host-SID=1; __Secure-route=ID_B -> B, sets nothing
/t/sets-nothing SID=1; __Secure-route=ID_B -> B, sets nothing
/t/sets-nothing SID=1; __Secure-route=ID_B -> A, sets nothing



=== a name given by its prefix
--- sticky: follow=in_*
--- set_cookie
in_1=x; Path=/
--- visits
route=ID_B -> A, sets "in_1=x; Path=/, route=ID_A; Path=/"
in_0=x; route=ID_B -> B, sets "in_1=x; Path=/, route=ID_B; Path=/"
/t/sets-nothing in=x; ain_=x; a=in_1=x; route=ID_A -> B, sets nothing
/t/sets-nothing a=b; in_=x; route=ID_A -> A, sets nothing



=== of several names, each is a session: the module's cookie is deleted with the last
--- sticky: follow=in_*
--- set_cookie
in_1=; Path=/; Max-Age=0
--- visits
in_1=x; route=ID_B -> B, sets like "in_1=; Path=/; Max-Age=0, route=; Path=/; Max-Age=0; .*", X-Did "bound valid deleted"
in_1=x; in_2=x; route=ID_B -> B, sets like "in_1=; Path=/; Max-Age=0", X-Did "bound valid none"
in_2=x -> A, sets like "in_1=; Path=/; Max-Age=0, route=ID_A; Path=/", X-Did "new none inserted"



=== fallback=off and sticky_no_fallback: without a session nothing is refused
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1999 id=gone down; session_sticky follow=sid hash=plain fallback=off; }
upstream v { server 127.0.0.1:1985; session_sticky cookie=v follow=sid; }
--- config
location /t/ { proxy_pass http://u/; }
location /v/ { sticky_no_fallback; proxy_pass http://v/; }
--- visits
/t/sets-nothing route=gone -> A, sets nothing, X-Did "new none none"
/t/sets-nothing route=nobody -> A, sets nothing, X-Did "new none none"
/t/sets-nothing sid=1; route=gone -> 502, X-Did "refused down none"
/t/sets-nothing sid=1; route=nobody -> 502, X-Did "refused unknown none"
/t/sets-nothing sid=1 -> A, sets "route=127.0.0.1:1985; Path=/", X-Did "new none inserted"
/v/sets-nothing v=nobody -> A, sets nothing, X-Did "new none none"
/v/sets-nothing sid=1; v=nobody -> 502, X-Did "refused unknown none"
--- no_error_log
[alert]
[crit]



=== a session moves while the client has the application's cookie: the module's cookie is set even if the application sets none
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1999 id=gone down; session_sticky follow=sid hash=plain; }
upstream lent { server 127.0.0.1:1985; server 127.0.0.1:1999 id=gone down; session_sticky cookie=lent follow=sid hash=plain rebind=off; }
--- config
location /t/ { proxy_pass http://u/; }
location /lent/ { proxy_pass http://lent/; }
--- set_cookie
sid=1
--- visits
/t/sets-nothing sid=1; route=gone -> A, sets "route=127.0.0.1:1985; Path=/", X-Did "moved down inserted"
/t/sets-nothing route=gone -> A, sets nothing, X-Did "new none none"
sid=1; route=gone -> A, sets "sid=1, route=127.0.0.1:1985", X-Did "moved down inserted"
/lent/sets-nothing sid=1; lent=gone -> A, sets nothing, X-Did "lent down none"
/lent/ sid=1; lent=gone -> A, sets "sid=1, lent=gone", X-Did "lent down updated"



=== a server that fails: the session belongs to the server that sets the cookie
--- http_config
upstream u { server 127.0.0.1:1999 id=dead max_fails=0; server 127.0.0.1:1986 id=b; session_sticky follow=sid hash=plain; }
--- set_cookie
sid=1
--- visits
-> B, sets "sid=1, route=b", X-Did "new none inserted"
sid=1; route=dead -> B, sets "sid=1, route=b", X-Did "moved down inserted"
--- no_error_log
[alert]
[crit]



=== responses generated by nginx set nothing
--- config
location /t/ { return 200 "A cookie=[]\n"; }
location /gone/ { proxy_pass http://gone; }
--- http_config
upstream gone { server 127.0.0.1:1999; session_sticky follow=sid; }
--- visits
sid=1 -> A, sets nothing
/gone/ sid=1 -> 502, sets nothing
--- no_error_log
[alert]
[crit]
