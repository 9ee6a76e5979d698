# mode=rewrite: the value of the server's own Set-Cookie field of exactly that name is replaced by the ID.

use Sticky qw(SettingServers);

# See lib/SettingServers.pm for the servers and the sections.
setting_sections('cookie=test mode=rewrite');

visit_lines(path => '/t/', answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== the value is replaced by the ID, the attributes are unchanged
--- set_cookie
test=abc; path=/x;HttpOnly; Max-Age=3;  X-Odd
--- response_headers
Set-Cookie: test=ID_A; path=/x;HttpOnly; Max-Age=3;  X-Odd
--- response_body_like: ^A



=== without attributes
--- set_cookie
test=abc
--- response_headers
Set-Cookie: test=ID_A



=== the ID is that of the server that answered
--- set_cookie
test=abc
--- visits
-> sets "test=ID_A"
-> sets "test=ID_B"



=== return visit: the session's server answers, and sees the cookie unchanged
--- more_headers
Cookie: a=b; test=ID_B; c=d
--- response_headers
!Set-Cookie
--- response_body
B cookie=[a=b; test=ID_B; c=d]



=== return visit: a value that is set again is rewritten again
--- set_cookie
test=abc; Path=/
--- visits
test=ID_B -> B, sets "test=ID_B; Path=/"
test=ID_B -> B, sets "test=ID_B; Path=/"
test=ID_B -> B, sets "test=ID_B; Path=/"



=== without Set-Cookie nothing happens
--- set_cookie
test=abc
--- request
GET /t/sets-nothing
--- response_headers
!Set-Cookie
--- response_body
A cookie=[]



=== a name that only ends with the cookie's name does not match: mytest=abc
--- set_cookie
mytest=abc; Path=/
--- response_headers
Set-Cookie: mytest=abc; Path=/



=== a name that only begins with the cookie's name does not match: testing=abc
--- set_cookie
testing=abc; Path=/
--- response_headers
Set-Cookie: testing=abc; Path=/



=== a name in different case does not match: Test=abc
--- set_cookie
Test=abc; Path=/
--- response_headers
Set-Cookie: Test=abc; Path=/



=== the name within another cookie's value or attributes does not match
--- set_cookie
x=test=1; Path=/
y=1; test=2
--- raw_response_headers_like
(?ms)^(?=.*^Set-Cookie: x=test=1; Path=/\r$)(?=.*^Set-Cookie: y=1; test=2\r$)
--- raw_response_headers_unlike
ID_A



=== of several Set-Cookie fields only the cookie's own is edited, at any position
--- set_cookie
mytest=abc
first=1; Path=/
test=abc; Path=/
latest=42
--- response_headers
Set-Cookie: mytest=abc, first=1; Path=/, test=ID_A; Path=/, latest=42



=== set twice: both fields are edited, since user agents keep the last one
--- set_cookie
test=one; Path=/
test=two; Path=/
--- response_headers
Set-Cookie: test=ID_A; Path=/, test=ID_A; Path=/



=== a quoted value is replaced with its quotes
--- set_cookie
test="abc"; Path=/
--- response_headers
Set-Cookie: test=ID_A; Path=/



=== an empty value
--- set_cookie
test=; Path=/
--- response_headers
Set-Cookie: test=ID_A; Path=/



=== a value that contains an equals sign
--- set_cookie
test=a=b=; Path=/
--- response_headers
Set-Cookie: test=ID_A; Path=/



=== a long value is replaced by the ID
--- set_cookie eval
"test=" . ("x" x 3000) . "; Path=/"
--- response_headers
Set-Cookie: test=ID_A; Path=/



=== an error page of the server is edited as well
--- set_cookie
test=abc; Path=/
--- request
GET /t/500
--- error_code: 500
--- response_headers
Set-Cookie: test=ID_A; Path=/



=== hash=plain uses the server's id=
--- http_config
    upstream u { server 127.0.0.1:1985 id=east; session_sticky cookie=test mode=rewrite hash=plain; }
--- set_cookie
test=abc; Path=/
--- response_headers
Set-Cookie: test=east; Path=/



=== domain, path and maxage of session_sticky add nothing
--- sticky: cookie=test mode=rewrite domain=.taobao.com path=/elsewhere maxage=120
--- set_cookie
test=abc; Path=/app
--- response_headers
Set-Cookie: test=ID_A; Path=/app
--- may_warn
with domain= applies only to mode=insert
with path= applies only to mode=insert
with maxage= applies only to mode=insert



=== maxidle and maxlife have no effect: the value is the ID only
--- sticky: cookie=test mode=rewrite maxidle=40 maxlife=60
--- set_cookie
test=abc; Path=/
--- response_headers
Set-Cookie: test=ID_A; Path=/
--- may_warn
with mode=rewrite ignores maxidle=
with mode=rewrite ignores maxlife=



=== fallback=off: a first visit is served
--- sticky: cookie=test mode=rewrite fallback=off
--- set_cookie
test=abc
--- response_headers
Set-Cookie: test=ID_A



=== fallback=off: an unknown ID gives 502 and no cookie
--- sticky: cookie=test mode=rewrite fallback=off
--- set_cookie
test=abc
--- more_headers
Cookie: test=nobody
--- error_code: 502
--- response_headers
!Set-Cookie



=== an unreachable server: the cookie set by the next server has that server's ID
--- http_config
    upstream u { server 127.0.0.1:1985; server 127.0.0.1:1999; session_sticky cookie=test mode=rewrite hash=plain; }
--- set_cookie
test=abc
--- more_headers
Cookie: test=127.0.0.1:1999
--- response_headers
Set-Cookie: test=127.0.0.1:1985
