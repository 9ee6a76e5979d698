# mode=rewrite: the value of the server's own Set-Cookie of exactly that name becomes the id.

use Sticky qw(SettingServers);

# lib/SettingServers.pm has the servers and the sections.
setting_sections('cookie=test mode=rewrite');

visit_lines(path => '/t/', answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== the value becomes the id, the attributes stay as they are
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



=== the server that answered is named
--- set_cookie
test=abc
--- visits
-> sets "test=ID_A"
-> sets "test=ID_B"



=== return visit: the named server answers, and sees the cookie as it is
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



=== no Set-Cookie: nothing happens
--- set_cookie
test=abc
--- request
GET /t/sets-nothing
--- response_headers
!Set-Cookie
--- response_body
A cookie=[]



=== a name that ends in ours is another: mytest=abc
--- set_cookie
mytest=abc; Path=/
--- response_headers
Set-Cookie: mytest=abc; Path=/



=== a name that begins with ours is another: testing=abc
--- set_cookie
testing=abc; Path=/
--- response_headers
Set-Cookie: testing=abc; Path=/



=== a name in other letters is another: Test=abc
--- set_cookie
Test=abc; Path=/
--- response_headers
Set-Cookie: Test=abc; Path=/



=== the name within another's value or attributes is not ours
--- set_cookie
x=test=1; Path=/
y=1; test=2
--- raw_response_headers_like
(?ms)^(?=.*^Set-Cookie: x=test=1; Path=/\r$)(?=.*^Set-Cookie: y=1; test=2\r$)
--- raw_response_headers_unlike
ID_A



=== of several Set-Cookie only ours is edited, wherever it stands
--- set_cookie
mytest=abc
first=1; Path=/
test=abc; Path=/
latest=42
--- response_headers
Set-Cookie: mytest=abc, first=1; Path=/, test=ID_A; Path=/, latest=42



=== set twice: both are edited, since the user agent keeps the last
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



=== a value with an equals sign in it
--- set_cookie
test=a=b=; Path=/
--- response_headers
Set-Cookie: test=ID_A; Path=/



=== a long value shrinks to the id
--- set_cookie eval
"test=" . ("x" x 3000) . "; Path=/"
--- response_headers
Set-Cookie: test=ID_A; Path=/



=== an error page of the server counts as well
--- set_cookie
test=abc; Path=/
--- request
GET /t/500
--- error_code: 500
--- response_headers
Set-Cookie: test=ID_A; Path=/



=== hash=plain writes the server's id=
--- http_config
    upstream u { server 127.0.0.1:1985 id=east; session_sticky cookie=test mode=rewrite hash=plain; }
--- set_cookie
test=abc; Path=/
--- response_headers
Set-Cookie: test=east; Path=/



=== our own domain, path and maxage are for cookies of our own
--- sticky: cookie=test mode=rewrite domain=.taobao.com path=/elsewhere maxage=120
--- set_cookie
test=abc; Path=/app
--- response_headers
Set-Cookie: test=ID_A; Path=/app
--- may_warn
with domain= applies only to mode=insert
with path= applies only to mode=insert
with maxage= applies only to mode=insert



=== maxidle and maxlife mean nothing here: the value is the id alone
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



=== fallback=off: an unknown id gives 502 and no cookie
--- sticky: cookie=test mode=rewrite fallback=off
--- set_cookie
test=abc
--- more_headers
Cookie: test=nobody
--- error_code: 502
--- response_headers
!Set-Cookie



=== a dead server: the cookie that the next one sets names that one
--- http_config
    upstream u { server 127.0.0.1:1985; server 127.0.0.1:1999; session_sticky cookie=test mode=rewrite hash=plain; }
--- set_cookie
test=abc
--- more_headers
Cookie: test=127.0.0.1:1999
--- response_headers
Set-Cookie: test=127.0.0.1:1985
