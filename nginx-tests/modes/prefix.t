# mode=prefix: "ID~" before the value of the server's own cookie, taken away again on the way back.

use Sticky qw(SettingServers);

# lib/SettingServers.pm has the servers and the sections.
setting_sections('cookie=test mode=prefix');

visit_lines(path => '/t/', answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== response: ID~ goes before the value, the attributes stay as they are
--- set_cookie
test=abc; path=/x;HttpOnly; Max-Age=3;  X-Odd
--- response_headers
Set-Cookie: test=ID_A~abc; path=/x;HttpOnly; Max-Age=3;  X-Odd



=== response: without attributes
--- set_cookie
test=abc
--- response_headers
Set-Cookie: test=ID_A~abc



=== response: the server that answered is named
--- set_cookie
test=abc
--- visits
-> sets "test=ID_A~abc"
-> sets "test=ID_B~abc"



=== response: no Set-Cookie, nothing happens
--- set_cookie
test=abc
--- request
GET /t/sets-nothing
--- response_headers
!Set-Cookie



=== response: a name that ends in ours is another: mytest=abc
--- set_cookie
mytest=abc; Path=/
--- response_headers
Set-Cookie: mytest=abc; Path=/



=== response: a name that begins with ours is another: testing=abc
--- set_cookie
testing=abc; Path=/
--- response_headers
Set-Cookie: testing=abc; Path=/



=== response: a name in other letters is another: Test=abc
--- set_cookie
Test=abc; Path=/
--- response_headers
Set-Cookie: Test=abc; Path=/



=== response: the name within another's value or attributes is not ours
--- set_cookie
x=test=1; Path=/
y=1; test=2
--- response_headers
Set-Cookie: x=test=1; Path=/, y=1; test=2



=== response: of several Set-Cookie only ours is edited, wherever it stands
--- set_cookie
mytest=abc
first=1; Path=/
test=abc; Path=/
latest=42
--- response_headers
Set-Cookie: mytest=abc, first=1; Path=/, test=ID_A~abc; Path=/, latest=42



=== response: set twice, both are edited
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



=== response: an error page of the server counts as well
--- set_cookie
test=abc; Path=/
--- request
GET /t/500
--- error_code: 500
--- response_headers
Set-Cookie: test=ID_A~abc; Path=/



=== response: hash=plain writes the server's id=
--- http_config
    upstream u { server 127.0.0.1:1985 id=east; session_sticky cookie=test mode=prefix hash=plain; }
--- set_cookie
test=abc; Path=/
--- response_headers
Set-Cookie: test=east~abc; Path=/



=== response: our own domain, path and maxage, maxidle and maxlife add nothing
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



=== request: the named server answers and sees its own value
--- more_headers
Cookie: test=ID_B~abc
--- response_headers
!Set-Cookie
--- response_body
B cookie=[test=abc]



=== request: the named server answers every time
--- visits
test=ID_B~abc -> B, sees "test=abc"
test=ID_B~abc -> B, sees "test=abc"
test=ID_B~abc -> B, sees "test=abc"



=== request: other pairs stay as they are
--- more_headers
Cookie: a=b; mytest=ID_A~x; test=ID_B~abc; x=test=ID_A~y; c=d
--- response_body
B cookie=[a=b; mytest=ID_A~x; test=abc; x=test=ID_A~y; c=d]



=== request: only the first ~ ends the id
--- more_headers
Cookie: test=ID_B~x~y
--- response_body
B cookie=[test=x~y]



=== request: an empty value comes back empty
--- more_headers
Cookie: test=ID_B~
--- response_body
B cookie=[test=]



=== request: a quoted value comes back quoted, id outside the quotes
--- more_headers
Cookie: test=ID_B~"abc"
--- response_body
B cookie=[test="abc"]



=== request: a quoted value comes back quoted, id inside the quotes
--- more_headers
Cookie: test="ID_B~abc"
--- response_body
B cookie=[test="abc"]



=== request: an application's own cookie without ID~ passes untouched and is a first visit
--- set_cookie
test=abc
--- visits
a=b; test=mine; c=d -> A, sees "a=b; test=mine; c=d", sets "test=ID_A~abc"
a=b; test=mine; c=d -> B, sees "a=b; test=mine; c=d", sets "test=ID_B~abc"



=== request: an id alone, without ~, is an application's own cookie
--- more_headers
Cookie: test=ID_B
--- response_body
A cookie=[test=ID_B]



=== request: an unknown id is a first visit, and its application value reaches the server
--- more_headers
Cookie: test=0123456789abcdef0123456789abcdef~abc
--- response_body
A cookie=[test=abc]



=== request: fallback=off, an unknown id gives 502 and no cookie
--- sticky: cookie=test mode=prefix fallback=off
--- more_headers
Cookie: test=0123456789abcdef0123456789abcdef~abc
--- error_code: 502
--- response_headers
!Set-Cookie



=== request: fallback=off, an application's own cookie is a first visit
--- sticky: cookie=test mode=prefix fallback=off
--- more_headers
Cookie: test=mine
--- response_body
A cookie=[test=mine]



=== request: a value that is set again is prefixed again, not twice
--- set_cookie
test=abc; Path=/
--- more_headers
Cookie: test=ID_B~abc
--- response_headers
Set-Cookie: test=ID_B~abc; Path=/
--- response_body
B cookie=[test=abc]



=== request: a dead server, its value goes to the next, whose cookie names that one
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



=== request: the hide directive where proxy_pass has a variable
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
