# fastcgi_pass, uwsgi_pass, scgi_pass and grpc_pass: the cookie is hidden before the request to the server is made, as with
# proxy_pass. What is set, and the other modes, are in protocols/fastcgi-uwsgi-scgi-grpc.t.
#
# lib/Protocols.pm has the servers and the sections.

use Sticky qw(Protocols);

protocol_sections();

run_tests();

__DATA__

=== option=indirect: the session is honoured, the cookie hidden, the others stay
--- sticky: option=indirect
--- request eval
["GET /fastcgi", "GET /uwsgi", "GET /scgi", "GET /grpc"]
--- more_headers eval
[map { "Cookie: a=b; route=ID_$_; c=d" } qw(FB UB SB GB)]
--- response_body eval
["FB [a=b; c=d]\n", "UB [a=b; c=d]\n", "SB [a=b; c=d]\n", "GB [a=b; c=d]\n"]
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]



=== option=indirect: no HTTP_COOKIE at all when nothing is left
--- sticky: option=indirect
--- request eval
["GET /fastcgi", "GET /uwsgi", "GET /scgi", "GET /grpc"]
--- more_headers eval
[map { "X-One: 1\nCookie: route=ID_$_\nX-Two: 2" } qw(FB UB SB GB)]
--- response_body eval
["FB no Cookie\n", "UB no Cookie\n", "SB no Cookie\n", "GB no Cookie\n"]



=== session_sticky_hide_cookie beside option=indirect
--- sticky: option=indirect
--- inside: session_sticky_hide_cookie upstream=NAME;
--- request eval
["GET /fastcgi", "GET /uwsgi", "GET /scgi", "GET /grpc"]
--- more_headers eval
[map { "Cookie: a=b; route=ID_$_; c=d" } qw(FB UB SB GB)]
--- response_body eval
[map { "$_ [a=b; c=d]\n" } qw(FB UB SB GB)]



=== session_sticky_hide_cookie where the upstream is in a variable
--- sticky: option=indirect
--- config
session_sticky_hide_cookie upstream=fastcgi;
location /fastcgi { set $to fastcgi; fastcgi_pass $to; fastcgi_param REQUEST_METHOD $request_method; }
location /uwsgi   { set $to uwsgi; uwsgi_pass $to; session_sticky_hide_cookie upstream=uwsgi; }
location /scgi    { set $to scgi; scgi_pass $to; session_sticky_hide_cookie upstream=scgi; }
location /grpc    { set $to grpc; grpc_pass grpc://$to; session_sticky_hide_cookie upstream=grpc; }
--- request eval
["GET /fastcgi", "GET /uwsgi", "GET /scgi", "GET /grpc"]
--- more_headers eval
[map { "Cookie: a=b; route=ID_$_; c=d" } qw(FB UB SB GB)]
--- response_body eval
["FB [a=b; c=d]\n", "UB [a=b; c=d]\n", "SB [a=b; c=d]\n", "GB [a=b; c=d]\n"]
--- response_headers eval
["!Set-Cookie", "!Set-Cookie", "!Set-Cookie", "!Set-Cookie"]



=== try_files to a named location: bound and hidden
--- sticky: option=indirect
--- config
location / { try_files /nonexistent @php; }
location @php { fastcgi_pass fastcgi; fastcgi_param REQUEST_METHOD $request_method; }
--- request: GET /t
--- more_headers
Cookie: route=ID_FB; a=b
--- response_body
FB [a=b]
--- response_headers
!Set-Cookie
