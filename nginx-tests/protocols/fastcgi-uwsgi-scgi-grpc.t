# Sessions over fastcgi_pass, uwsgi_pass, scgi_pass and grpc_pass, and for clients that speak HTTP/2. What the servers see
# where the cookie is hidden is in hide/protocols.t.
#
# lib/Protocols.pm has the servers and the sections. Sections of this file's own:
#   over_http2     curl asks for this path over HTTP/2,
#   http2_request  with Cookie fields of these lines,
#   http2_answer   and gets this,
#   http2_cookie   and this cookie of ours, or none

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
    is($response =~ /\r\n\r\n(.*)/s ? $1 : '', $block->http2_answer, "$name - the answer");
    my @ours = $response =~ /^set-cookie: (s=.*)\r$/mgi;
    is(join("\n", @ours), ($block->http2_cookie // '') =~ s/\n$//r, "$name - the cookie");
});

run_tests();

__DATA__

=== insert: the first visitors are bound
--- sticky: cookie=s
--- request eval
[map { ("GET /$_/sets", "GET /$_/sets") } qw(fastcgi uwsgi scgi grpc)]
--- response_headers eval
[map { "Set-Cookie: test=abc; Path=/, mytest=abc, s=ID_$_; Path=/" } qw(FA FB UA UB SA SB GA GB)]
--- response_body eval
[map { "$_ no Cookie\n" } qw(FA FB UA UB SA SB GA GB)]



=== insert: a return visit goes to its server, which sees the cookie
--- sticky: cookie=s option=direct
--- request eval
[map { "GET /$_/sets" } qw(fastcgi uwsgi scgi grpc)]
--- more_headers eval
[map { "Cookie: a=b; s=ID_$_" } qw(FB UB SB GB)]
--- response_headers eval
[("Set-Cookie: test=abc; Path=/, mytest=abc") x 4]
--- response_body eval
[map { "$_ [a=b; s=ID_$_]\n" } qw(FB UB SB GB)]



=== indirect: of a return visit, the server's own cookie of that name is replaced
--- sticky: cookie=test option=indirect
--- request eval
[map { ("GET /$_/sets", "GET /$_/sets") } qw(fastcgi uwsgi scgi grpc)]
--- more_headers eval
[map { ("Cookie: a=b; test=ID_$_; c=d", "Cookie: test=ID_$_") } qw(FB UB SB GB)]
--- response_headers eval
[map { ("Set-Cookie: mytest=abc, test=ID_$_; Path=/") x 2 } qw(FB UB SB GB)]
--- response_body_like eval
[map { ("^$_ ") x 2 } qw(FB UB SB GB)]



=== indirect: of a first visit as well, and the server sees what there is
--- sticky: cookie=test option=indirect
--- request eval
[map { "GET /$_/sets" } qw(fastcgi uwsgi scgi grpc)]
--- more_headers
Cookie: a=b
--- response_headers eval
[map { "Set-Cookie: mytest=abc, test=ID_$_; Path=/" } qw(FA UA SA GA)]
--- response_body eval
[map { "$_ [a=b]\n" } qw(FA UA SA GA)]



=== rewrite
--- sticky: cookie=test mode=rewrite
--- request eval
[map { "GET /$_/sets" } qw(fastcgi uwsgi scgi grpc)]
--- more_headers eval
[map { "Cookie: test=ID_$_" } qw(FB UB SB GB)]
--- response_headers eval
[map { "Set-Cookie: test=ID_$_; Path=/, mytest=abc" } qw(FB UB SB GB)]
--- response_body eval
[map { "$_ [test=ID_$_]\n" } qw(FB UB SB GB)]



=== prefix: the server sees its own value
--- sticky: cookie=test mode=prefix
--- request eval
[map { "GET /$_/sets" } qw(fastcgi uwsgi scgi grpc)]
--- more_headers eval
[map { "Cookie: a=b; test=ID_$_~my~own; mytest=x~y" } qw(FB UB SB GB)]
--- response_headers eval
[map { "Set-Cookie: test=ID_$_~abc; Path=/, mytest=abc" } qw(FB UB SB GB)]
--- response_body eval
[map { "$_ [a=b; test=my~own; mytest=x~y]\n" } qw(FB UB SB GB)]



=== insert: an error page of the server counts as well
--- sticky: cookie=s
--- request eval
[map { "GET /$_/missing" } qw(fastcgi uwsgi scgi grpc)]
--- error_code eval
[404, 404, 404, 404]
--- response_headers eval
[map { "Set-Cookie: s=ID_$_; Path=/" } qw(FA UA SA GA)]



=== an HTTP/2 client: the first visit is bound
--- sticky: cookie=s
--- over_http2: /http
--- http2_answer
HA no Cookie
--- http2_cookie
s=ID_HA; Path=/



=== an HTTP/2 client: a return visit goes to its server, the cookie hidden
--- sticky: cookie=s option=indirect
--- over_http2: /http
--- http2_request
a=b; s=ID_HB; c=d
--- http2_answer
HB [a=b; c=d]



=== an HTTP/2 client: of several Cookie fields each is read, and the one with the cookie hidden
--- sticky: cookie=s option=indirect
--- over_http2: /http
--- http2_request
a=b
s=ID_HB
c=d
--- http2_answer
HB [a=b; c=d]



=== an HTTP/2 client over grpc_pass: a return visit goes to its server, the cookie hidden
--- sticky: cookie=s option=indirect
--- over_http2: /grpc
--- http2_request
a=b; s=ID_GB; c=d
--- http2_answer
GB [a=b; c=d]
