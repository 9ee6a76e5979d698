# fastcgi_pass, uwsgi_pass, scgi_pass and grpc_pass: the cookie is hidden before the request to the server is created,
# as with proxy_pass. Cookies that are set, and the other modes, are tested in protocols/fastcgi-uwsgi-scgi-grpc.t.
#
# lib/Protocols.pm describes the servers and the sections.

use Sticky qw(Protocols);

protocol_sections();

visit_lines(answer => "NAME [SEEN]\n", nothing => "NAME no Cookie\n");
run_tests();

__DATA__

=== option=indirect: the session's server answers, the cookie is hidden, others are kept
--- sticky: option=indirect
--- visits
/fastcgi a=b; route=ID_FB; c=d -> FB, sees "a=b; c=d", sets nothing
/uwsgi a=b; route=ID_UB; c=d -> UB, sees "a=b; c=d", sets nothing
/scgi a=b; route=ID_SB; c=d -> SB, sees "a=b; c=d", sets nothing
/grpc a=b; route=ID_GB; c=d -> GB, sees "a=b; c=d", sets nothing



=== option=indirect: no HTTP_COOKIE at all if nothing is left
--- sticky: option=indirect
--- visits
/fastcgi X-One: 1 | route=ID_FB | X-Two: 2 -> FB, sees nothing
/uwsgi X-One: 1 | route=ID_UB | X-Two: 2 -> UB, sees nothing
/scgi X-One: 1 | route=ID_SB | X-Two: 2 -> SB, sees nothing
/grpc X-One: 1 | route=ID_GB | X-Two: 2 -> GB, sees nothing



=== session_sticky_hide_cookie in addition to option=indirect
--- sticky: option=indirect
--- inside: session_sticky_hide_cookie upstream=NAME;
--- visits
/fastcgi a=b; route=ID_FB; c=d -> FB, sees "a=b; c=d"
/uwsgi a=b; route=ID_UB; c=d -> UB, sees "a=b; c=d"
/scgi a=b; route=ID_SB; c=d -> SB, sees "a=b; c=d"
/grpc a=b; route=ID_GB; c=d -> GB, sees "a=b; c=d"



=== session_sticky_hide_cookie with the upstream in a variable
--- sticky: option=indirect
--- config
session_sticky_hide_cookie upstream=fastcgi;
location /fastcgi { set $to fastcgi; fastcgi_pass $to; fastcgi_param REQUEST_METHOD $request_method; }
location /uwsgi   { set $to uwsgi; uwsgi_pass $to; session_sticky_hide_cookie upstream=uwsgi; }
location /scgi    { set $to scgi; scgi_pass $to; session_sticky_hide_cookie upstream=scgi; }
location /grpc    { set $to grpc; grpc_pass grpc://$to; session_sticky_hide_cookie upstream=grpc; }
--- visits
/fastcgi a=b; route=ID_FB; c=d -> FB, sees "a=b; c=d", sets nothing
/uwsgi a=b; route=ID_UB; c=d -> UB, sees "a=b; c=d", sets nothing
/scgi a=b; route=ID_SB; c=d -> SB, sees "a=b; c=d", sets nothing
/grpc a=b; route=ID_GB; c=d -> GB, sees "a=b; c=d", sets nothing



=== try_files to a named location: the session's server answers, the cookie is hidden
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
