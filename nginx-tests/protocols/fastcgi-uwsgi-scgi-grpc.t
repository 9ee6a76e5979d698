# Sessions over fastcgi_pass, uwsgi_pass, scgi_pass and grpc_pass, and for HTTP/2 clients. What the servers see if the
# cookie is hidden is tested in hide/protocols.t.
#
# lib/Protocols.pm describes the servers and the sections. Sections of this file's own:
#   over_http2     the path that curl requests over HTTP/2
#   http2_request  the lines of its Cookie fields
#   http2_answer   the expected response
#   http2_cookie   the expected cookie of the module, if any

use Sticky qw(Protocols);

protocol_sections();
add_response_body_check(sub {
    my ($block, $body, $index, $repeated, $dry_run) = @_;
    return if $dry_run || !defined $block->over_http2;
    my $name = $block->name;
    my @fields = map { ('-H', "Cookie: $_") } split /\n/, $block->http2_request // '';
    open my $curl, '-|', qw(curl -s -S -i --max-time 20 --http2-prior-knowledge), @fields, 'http://127.0.0.1:1995' . $block->over_http2
        or bail_out("cannot run curl: $!");
    my $response = do { local $/; <$curl> } // '';
    like($response, qr{^HTTP/2 200}, "$name - answered over HTTP/2");
    is($response =~ /\r\n\r\n(.*)/s ? $1 : '', $block->http2_answer, "$name - the response");
    my @ours = $response =~ /^set-cookie: (s=.*)\r$/mgi;
    is(join("\n", @ours), ($block->http2_cookie // '') =~ s/\n$//r, "$name - the cookie");
});

visit_lines(answer => "NAME [SEEN]\n", nothing => "NAME no Cookie\n");
run_tests();

__DATA__

=== insert: first visits get a cookie
--- sticky: cookie=s
--- visits
/fastcgi/sets -> FA, sees nothing, sets "test=abc; Path=/, mytest=abc, s=ID_FA; Path=/"
/fastcgi/sets -> FB, sees nothing, sets "test=abc; Path=/, mytest=abc, s=ID_FB; Path=/"
/uwsgi/sets -> UA, sees nothing, sets "test=abc; Path=/, mytest=abc, s=ID_UA; Path=/"
/uwsgi/sets -> UB, sees nothing, sets "test=abc; Path=/, mytest=abc, s=ID_UB; Path=/"
/scgi/sets -> SA, sees nothing, sets "test=abc; Path=/, mytest=abc, s=ID_SA; Path=/"
/scgi/sets -> SB, sees nothing, sets "test=abc; Path=/, mytest=abc, s=ID_SB; Path=/"
/grpc/sets -> GA, sees nothing, sets "test=abc; Path=/, mytest=abc, s=ID_GA; Path=/"
/grpc/sets -> GB, sees nothing, sets "test=abc; Path=/, mytest=abc, s=ID_GB; Path=/"



=== insert: a return visit reaches its server, which sees the cookie
--- sticky: cookie=s option=direct
--- visits
/fastcgi/sets a=b; s=ID_FB -> FB, sees "a=b; s=ID_FB", sets "test=abc; Path=/, mytest=abc"
/uwsgi/sets a=b; s=ID_UB -> UB, sees "a=b; s=ID_UB", sets "test=abc; Path=/, mytest=abc"
/scgi/sets a=b; s=ID_SB -> SB, sees "a=b; s=ID_SB", sets "test=abc; Path=/, mytest=abc"
/grpc/sets a=b; s=ID_GB -> GB, sees "a=b; s=ID_GB", sets "test=abc; Path=/, mytest=abc"



=== indirect, return visit: the server's own cookie of that name is replaced
--- sticky: cookie=test option=indirect
--- visits
/fastcgi/sets a=b; test=ID_FB; c=d -> FB, sets "mytest=abc, test=ID_FB; Path=/"
/fastcgi/sets test=ID_FB -> FB, sets "mytest=abc, test=ID_FB; Path=/"
/uwsgi/sets a=b; test=ID_UB; c=d -> UB, sets "mytest=abc, test=ID_UB; Path=/"
/uwsgi/sets test=ID_UB -> UB, sets "mytest=abc, test=ID_UB; Path=/"
/scgi/sets a=b; test=ID_SB; c=d -> SB, sets "mytest=abc, test=ID_SB; Path=/"
/scgi/sets test=ID_SB -> SB, sets "mytest=abc, test=ID_SB; Path=/"
/grpc/sets a=b; test=ID_GB; c=d -> GB, sets "mytest=abc, test=ID_GB; Path=/"
/grpc/sets test=ID_GB -> GB, sets "mytest=abc, test=ID_GB; Path=/"



=== indirect, first visit: the same, and the server sees all cookies
--- sticky: cookie=test option=indirect
--- visits
/fastcgi/sets a=b -> FA, sees "a=b", sets "mytest=abc, test=ID_FA; Path=/"
/uwsgi/sets a=b -> UA, sees "a=b", sets "mytest=abc, test=ID_UA; Path=/"
/scgi/sets a=b -> SA, sees "a=b", sets "mytest=abc, test=ID_SA; Path=/"
/grpc/sets a=b -> GA, sees "a=b", sets "mytest=abc, test=ID_GA; Path=/"



=== rewrite
--- sticky: cookie=test mode=rewrite
--- visits
/fastcgi/sets test=ID_FB -> FB, sees "test=ID_FB", sets "test=ID_FB; Path=/, mytest=abc"
/uwsgi/sets test=ID_UB -> UB, sees "test=ID_UB", sets "test=ID_UB; Path=/, mytest=abc"
/scgi/sets test=ID_SB -> SB, sees "test=ID_SB", sets "test=ID_SB; Path=/, mytest=abc"
/grpc/sets test=ID_GB -> GB, sees "test=ID_GB", sets "test=ID_GB; Path=/, mytest=abc"



=== prefix: the server sees its own value
--- sticky: cookie=test mode=prefix
--- visits
/fastcgi/sets a=b; test=ID_FB~my~own; mytest=x~y
    -> FB, sees "a=b; test=my~own; mytest=x~y", sets "test=ID_FB~abc; Path=/, mytest=abc"
/uwsgi/sets a=b; test=ID_UB~my~own; mytest=x~y
    -> UB, sees "a=b; test=my~own; mytest=x~y", sets "test=ID_UB~abc; Path=/, mytest=abc"
/scgi/sets a=b; test=ID_SB~my~own; mytest=x~y
    -> SB, sees "a=b; test=my~own; mytest=x~y", sets "test=ID_SB~abc; Path=/, mytest=abc"
/grpc/sets a=b; test=ID_GB~my~own; mytest=x~y
    -> GB, sees "a=b; test=my~own; mytest=x~y", sets "test=ID_GB~abc; Path=/, mytest=abc"



=== insert: an error page of the server sets the cookie as well
--- sticky: cookie=s
--- visits
/fastcgi/missing -> 404, sets "s=ID_FA; Path=/"
/uwsgi/missing -> 404, sets "s=ID_UA; Path=/"
/scgi/missing -> 404, sets "s=ID_SA; Path=/"
/grpc/missing -> 404, sets "s=ID_GA; Path=/"



=== an HTTP/2 client: a first visit gets a cookie
--- sticky: cookie=s
--- over_http2: /http
--- http2_answer
HA no Cookie
--- http2_cookie
s=ID_HA; Path=/



=== an HTTP/2 client: a return visit reaches its server, with the cookie hidden
--- sticky: cookie=s option=indirect
--- over_http2: /http
--- http2_request
a=b; s=ID_HB; c=d
--- http2_answer
HB [a=b; c=d]



=== an HTTP/2 client: all of several Cookie fields are read, and the cookie is hidden
--- sticky: cookie=s option=indirect
--- over_http2: /http
--- http2_request
a=b
s=ID_HB
c=d
--- http2_answer
HB [a=b; c=d]



=== an HTTP/2 client over grpc_pass: a return visit reaches its server, with the cookie hidden
--- sticky: cookie=s option=indirect
--- over_http2: /grpc
--- http2_request
a=b; s=ID_GB; c=d
--- http2_answer
GB [a=b; c=d]



=== a server gets the session's previous server in the request
--- sticky: cookie=s rebind=off
--- inside
fastcgi_param HTTP_COOKIE "$session_sticky_verdict $session_sticky_previous";
uwsgi_param HTTP_COOKIE "$session_sticky_verdict $session_sticky_previous";
scgi_param HTTP_COOKIE "$session_sticky_verdict $session_sticky_previous";
grpc_set_header Cookie "$session_sticky_verdict $session_sticky_previous";
proxy_set_header Cookie "$session_sticky_verdict $session_sticky_previous";
if ($session_sticky_verdict = unknown) { return 409; }
--- visits
/fastcgi s=ID_FB -> FB, sees "valid 127.0.0.1:1986"
/uwsgi s=ID_UB -> UB, sees "valid 127.0.0.1:1988"
/scgi s=ID_SB -> SB, sees "valid 127.0.0.1:1990"
/grpc s=ID_GB -> GB, sees "valid 127.0.0.1:1992"
/http s=ID_HB -> HB, sees "valid 127.0.0.1:1994"
/fastcgi -> FA, sees "none "
/grpc -> GA, sees "none "
/fastcgi s=nobody -> 409
/uwsgi s=nobody -> 409
/scgi s=nobody -> 409
/grpc s=nobody -> 409
/http s=nobody -> 409
--- http2_request
s=ID_GB
--- over_http2: /grpc
--- http2_answer
GB [valid 127.0.0.1:1992]
