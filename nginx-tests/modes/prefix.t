# mode=prefix: "ID~" is prepended to the value of the server's own cookie, and removed from requests.

use Sticky qw(SettingServers);

# See lib/SettingServers.pm for the servers and the sections.
setting_sections('cookie=test mode=prefix');

visit_lines(path => '/t/', answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== response: ID~ is prepended to the value, the attributes are unchanged
--- set_cookie
test=abc; path=/x;HttpOnly; Max-Age=3;  X-Odd
--- response_headers
Set-Cookie: test=ID_A~abc; path=/x;HttpOnly; Max-Age=3;  X-Odd



=== response: without attributes
--- set_cookie
test=abc
--- response_headers
Set-Cookie: test=ID_A~abc



=== response: the ID is that of the server that answered
--- set_cookie
test=abc
--- visits
-> sets "test=ID_A~abc"
-> sets "test=ID_B~abc"



=== response: without Set-Cookie nothing happens
--- set_cookie
test=abc
--- request
GET /t/sets-nothing
--- response_headers
!Set-Cookie



=== response: a name that only ends with the cookie's name does not match: mytest=abc
--- set_cookie
mytest=abc; Path=/
--- response_headers
Set-Cookie: mytest=abc; Path=/



=== response: a name that only begins with the cookie's name does not match: testing=abc
--- set_cookie
testing=abc; Path=/
--- response_headers
Set-Cookie: testing=abc; Path=/



=== response: a name in different case does not match: Test=abc
--- set_cookie
Test=abc; Path=/
--- response_headers
Set-Cookie: Test=abc; Path=/



=== response: the name within another cookie's value or attributes does not match
--- set_cookie
x=test=1; Path=/
y=1; test=2
--- response_headers
Set-Cookie: x=test=1; Path=/, y=1; test=2



=== response: of several Set-Cookie fields only the cookie's own is edited, at any position
--- set_cookie
mytest=abc
first=1; Path=/
test=abc; Path=/
latest=42
--- response_headers
Set-Cookie: mytest=abc, first=1; Path=/, test=ID_A~abc; Path=/, latest=42



=== response: if the cookie is set twice, both fields are edited
--- set_cookie
test=one; Path=/
test=two; Path=/
--- response_headers
Set-Cookie: test=ID_A~one; Path=/, test=ID_A~two; Path=/



=== response: a quoted value keeps its quotes
--- set_cookie
test="abc"; Path=/
--- response_headers_like
Set-Cookie: test=(?:ID_A~"abc"|"ID_A~abc"); Path=/



=== response: an empty value
--- set_cookie
test=; Path=/
--- response_headers
Set-Cookie: test=ID_A~; Path=/



=== response: a long value
--- set_cookie eval
"test=" . ("x" x 3000) . "; Path=/"
--- response_headers eval
"Set-Cookie: test=ID_A~" . ("x" x 3000) . "; Path=/"



=== response: an error page of the server is edited as well
--- set_cookie
test=abc; Path=/
--- request
GET /t/500
--- error_code: 500
--- response_headers
Set-Cookie: test=ID_A~abc; Path=/



=== response: hash=plain uses the server's id=
--- http_config
    upstream u { server 127.0.0.1:1985 id=east; session_sticky cookie=test mode=prefix hash=plain; }
--- set_cookie
test=abc; Path=/
--- response_headers
Set-Cookie: test=east~abc; Path=/



=== response: domain, path, maxage, maxidle and maxlife of session_sticky add nothing
--- sticky: cookie=test mode=prefix domain=.taobao.com path=/elsewhere maxage=120 maxidle=40 maxlife=60
--- set_cookie
test=abc; Path=/app
--- response_headers
Set-Cookie: test=ID_A~abc; Path=/app
--- may_warn
with domain= applies only to mode=insert
with path= applies only to mode=insert
with maxage= applies only to mode=insert
with mode=prefix ignores maxidle=
with mode=prefix ignores maxlife=



=== request: the session's server answers and sees its own value
--- more_headers
Cookie: test=ID_B~abc
--- response_headers
!Set-Cookie
--- response_body
B cookie=[test=abc]



=== request: the session's server answers every time
--- visits
test=ID_B~abc -> B, sees "test=abc"
test=ID_B~abc -> B, sees "test=abc"
test=ID_B~abc -> B, sees "test=abc"



=== request: other pairs are unchanged
--- more_headers
Cookie: a=b; mytest=ID_A~x; test=ID_B~abc; x=test=ID_A~y; c=d
--- response_body
B cookie=[a=b; mytest=ID_A~x; test=abc; x=test=ID_A~y; c=d]



=== request: only the first ~ ends the ID
--- more_headers
Cookie: test=ID_B~x~y
--- response_body
B cookie=[test=x~y]



=== request: an empty value is restored
--- more_headers
Cookie: test=ID_B~
--- response_body
B cookie=[test=]



=== request: a quoted value is restored with its quotes, ID outside the quotes
--- more_headers
Cookie: test=ID_B~"abc"
--- response_body
B cookie=[test="abc"]



=== request: a quoted value is restored with its quotes, ID inside the quotes
--- more_headers
Cookie: test="ID_B~abc"
--- response_body
B cookie=[test="abc"]



=== request: an application's cookie without ID~ is unchanged and means a first visit
--- set_cookie
test=abc
--- visits
a=b; test=mine; c=d -> A, sees "a=b; test=mine; c=d", sets "test=ID_A~abc"
a=b; test=mine; c=d -> B, sees "a=b; test=mine; c=d", sets "test=ID_B~abc"



=== request: an ID alone, without ~, is an application's cookie
--- more_headers
Cookie: test=ID_B
--- response_body
A cookie=[test=ID_B]



=== request: an unknown ID means a first visit, and the application's value reaches the server
--- more_headers
Cookie: test=0123456789abcdef0123456789abcdef~abc
--- response_body
A cookie=[test=abc]



=== request: fallback=off, an unknown ID gives 502 and no cookie
--- sticky: cookie=test mode=prefix fallback=off
--- more_headers
Cookie: test=0123456789abcdef0123456789abcdef~abc
--- error_code: 502
--- response_headers
!Set-Cookie



=== request: fallback=off, an application's cookie means a first visit
--- sticky: cookie=test mode=prefix fallback=off
--- more_headers
Cookie: test=mine
--- response_body
A cookie=[test=mine]



=== request: a value that is set again gets one prefix, not two
--- set_cookie
test=abc; Path=/
--- more_headers
Cookie: test=ID_B~abc
--- response_headers
Set-Cookie: test=ID_B~abc; Path=/
--- response_body
B cookie=[test=abc]



=== request: an unreachable server: the value reaches another server, whose cookie has that server's ID
--- http_config
    upstream u { server 127.0.0.1:1985; server 127.0.0.1:1999; session_sticky cookie=test mode=prefix hash=plain; }
--- set_cookie
test=new
--- more_headers
Cookie: test=127.0.0.1:1999~abc
--- response_headers
Set-Cookie: test=127.0.0.1:1985~new
--- response_body
A cookie=[test=abc]



=== request: the hide directive with a variable in proxy_pass
--- config
    location /t/ {
        set $backend u;
        session_sticky_hide_cookie upstream=u;
        proxy_pass http://$backend/;
    }
--- more_headers
Cookie: a=b; test=ID_B~abc
--- response_body
B cookie=[a=b; test=abc]
