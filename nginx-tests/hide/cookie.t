# The cookies that servers see: option=indirect and mode=prefix hide the cookie, session_sticky_hide_cookie does so when the
# upstream is not known in advance, and the rest of the request is unchanged.
#
# The servers A and B of the upstreams are not nginx: they answer with the Cookie lines of the request byte for byte, except
# for HTTP/2's lower case c, or with "no Cookie" if there is none; /all returns the whole header, /503 that status.
#
# Sections of this file's own:
#   sticky  the parameters of session_sticky in "upstream u", which has the servers A and B; a first visit gets A
#   early   directives of the http block before the upstream
#   emerg   nginx must refuse to start with exactly one [emerg] line that contains each line given here
#   warn    nginx starts with exactly one [warn] line that contains each line given here
# ID_A, ID_B and ID_D stand for the IDs of the servers; D is the server of "upstream other".

use Sticky qw(RawServers Verdicts);
use IO::Socket::INET;
use Time::HiRes qw(sleep);

sub echo_cookies {
    my ($name, $head) = @_;
    return if $head !~ /\r\n\r\n/;
    my ($path) = $head =~ /^\S+ (\S+)/;
    my @cookies = $head =~ /^(Cookie:[^\r\n]*)/mig;
    s/^cookie:/Cookie:/ for @cookies;
    my $body = $path =~ /all/ ? $head : join("\n", $name, @cookies ? @cookies : 'no Cookie') . "\n";
    $body =~ s/\r//g;
    my $status = $path =~ /503/ ? '503 Busy' : '200 OK';
    return "HTTP/1.1 $status\r\nX-Server: $name\r\nConnection: close\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
}

raw_servers({map { $_ => $port{$_} } qw(A B D)}, \&echo_cookies);

# curl, used for HTTP/2, does not retry while nginx is still starting, which takes longer under valgrind.
sub wait_for_nginx {
    for (1 .. 200) {
        return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => server_port());
        sleep 0.1;
    }
}

my $version;

verdict_sections();
add_block_preprocessor(sub {
    my ($block) = @_;

    # Test::Nginx writes "http2 on" for every nginx from 1.19.9; nginx accepts it from 1.25.1.
    $version //= $Test::Nginx::Util::NginxVersion;
    $Test::Nginx::Util::NginxVersion = defined $block->http2 && $version < 1.025001 ? 1.019008 : $version;

    my $sticky = $block->sticky // '';
    fill($block, ($block->early // '') . <<"_EOC_", 'response_body_like');
upstream u {
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    session_sticky $sticky;
}
upstream other { server 127.0.0.1:1988; session_sticky cookie=other @{[$block->other // '']}; }
upstream plain { server 127.0.0.1:1985; server 127.0.0.1:1986; }
_EOC_
    $block->set_value(config => 'location / { proxy_pass http://u; }') if !defined $block->config;
});

visit_lines(answer => "NAME\nCookie: SEEN\n", nothing => "NAME\nno Cookie\n");
run_tests();

__DATA__

=== option=indirect: a=b; route=X; c=d becomes a=b; c=d, and the session's server answers
--- sticky: option=indirect
--- visits
a=b; route=ID_B; c=d -> B, sees "a=b; c=d", sets nothing
route=ID_B; a=b -> B, sees "a=b", sets nothing
a=b; route=ID_B -> B, sees "a=b", sets nothing
a=b; c=d; route=ID_B; e=f -> B, sees "a=b; c=d; e=f", sets nothing



=== option=indirect: no Cookie field at all if nothing is left
--- sticky: option=indirect
--- visits
route=ID_B -> B, sees nothing
route = ID_B ; -> B, sees nothing
route=ID_B; route=ID_A -> B, sees nothing



=== option=indirect: a request without a Cookie field is unchanged
--- sticky: option=indirect
--- response_body
A
no Cookie



=== option=indirect: every pair of the name is removed
--- sticky: option=indirect
--- more_headers
Cookie: route=ID_B; a=b; route=ID_A; c=d; route=
--- response_body
B
Cookie: a=b; c=d



=== option=indirect: pairs that merely contain the name are unchanged
--- sticky: option=indirect
--- more_headers
Cookie: xroute=v; latest="route=1"; route=ID_B; route2=w; Route=ID_A; b=route=ID_A
--- response_body
B
Cookie: xroute=v; latest="route=1"; route2=w; Route=ID_A; b=route=ID_A



=== option=indirect: a field without the cookie is unchanged, even if malformed
--- sticky: option=indirect
--- more_headers
Cookie: a=b;c = d  ;; =x; "route=y"; e
--- response_body
A
Cookie: a=b;c = d  ;; =x; "route=y"; e



=== option=indirect: no white space after the semicolons
--- sticky: option=indirect
--- visits
a=b;route=ID_B;c=d -> says like "\AB\nCookie: a=b; ?c=d\n\z"
route=ID_B;a=b -> B, sees "a=b"
a=b;route=ID_B -> B, sees "a=b"



=== option=indirect: white space and quotes around the cookie are removed with it
--- sticky: option=indirect
--- visits
a=b;  route = ID_B  ; c=d -> B, sees "a=b; c=d"
a=b; route="ID_B"; c=d -> B, sees "a=b; c=d"



=== option=indirect: an unknown, expired or malformed cookie is hidden too
--- sticky: option=indirect maxidle=60
--- visits
a=b; route=nobody; c=d -> [AB], sees "a=b; c=d"
a=b; route=ID_B|1|1; c=d -> [AB], sees "a=b; c=d"
a=b; route=ID_B|x|y; c=d -> [AB], sees "a=b; c=d"
a=b; route=; c=d -> [AB], sees "a=b; c=d"



=== option=indirect: two Cookie fields, one with only the cookie
--- sticky: option=indirect
--- visits
route=ID_B | X-Between: 1 | a=b -> B, sees "a=b"
a=b | X-Between: 1 | route=ID_B -> B, sees "a=b"



=== option=indirect: two Cookie fields, the cookie among others in both
--- sticky: option=indirect
--- more_headers
Cookie: a=b; route=ID_B
X-Between: 1
Cookie: route=ID_A; c=d
--- response_body_like eval
'\AB\nCookie: a=b(?:\nCookie: |; )c=d\n\z'



=== option=indirect: two Cookie fields, both with only the cookie
--- sticky: option=indirect
--- more_headers
Cookie: route=ID_B
Cookie: route=ID_A
--- response_body
B
no Cookie



=== option=indirect: the other fields of the request are complete and in order
--- sticky: option=indirect
--- request: GET /all
--- more_headers
X-Before: 1
Cookie: route=ID_B
X-After: 2
--- response_body_like eval
qr/^X-Before: 1\nX-After: 2\n/m



=== option=indirect: the field at any position among many (nginx allocates them twenty at a time)
--- sticky: option=indirect
--- request eval
[("GET /all") x 6]
--- more_headers eval
[map {
    my ($before, $after) = @$_;
    CORE::join "\n", (map { "X-$_: v" } 1 .. $before), "Cookie: route=ID_B", (map { "X-$_: v" } $before + 1 .. $before + $after)
} [17, 5], [18, 0], [18, 5], [19, 5], [37, 0], [39, 2]]
--- response_body_like eval
[map { my $n = $_; '\A(?!.*Cookie).*Host:[^\n]*\n.*' . CORE::join('\n', map { "X-$_: v" } 1 .. $n) . '\n\n\z' } 22, 18, 23, 24, 37, 41]
--- response_headers eval
[("X-Server: B") x 6]



=== option=direct: the server sees the unchanged field
--- sticky: option=direct
--- more_headers
Cookie: a=b;route = ID_B ;; c=d
Cookie: route=ID_A
--- response_body
B
Cookie: a=b;route = ID_B ;; c=d
Cookie: route=ID_A



=== mode=rewrite: the server sees the unchanged field
--- sticky: mode=rewrite
--- more_headers
Cookie: a=b; route=ID_B; c=d
--- response_body
B
Cookie: a=b; route=ID_B; c=d



=== mode=prefix: the ID and its ~ are removed, the application's value is kept
--- sticky: mode=prefix
--- visits
route=ID_B~value -> B, sees "route=value"
a=b; route=ID_B~value; c=d -> B, sees "a=b; route=value; c=d"
route=ID_B~a~b|c=d -> B, sees "route=a~b|c=d"
a=b; route=ID_B~; c=d -> B, sees "a=b; route=; c=d"
route=ID_B~"a b"; a=b -> B, sees "route=\"a b\"; a=b"



=== mode=prefix: a value without ~ is the application's
--- sticky: mode=prefix
--- more_headers
Cookie: a=b; route=value; c=d
--- response_body
A
Cookie: a=b; route=value; c=d



=== mode=prefix: pairs that merely contain the name keep their ~
--- sticky: mode=prefix
--- more_headers
Cookie: xroute=ID_A~x; route=ID_B~value; route2=ID_A~y
--- response_body
B
Cookie: xroute=ID_A~x; route=value; route2=ID_A~y



=== mode=prefix: an unknown ID is hidden too
--- sticky: mode=prefix
--- more_headers
Cookie: route=00000000000000000000000000000000~value
--- response_body_like
\A[AB]
Cookie: route=value
\z



=== proxy_pass with a variable and no hide directive: the session's server answers, and sees the cookie
--- sticky: option=indirect
--- config
location / { set $to u; proxy_pass http://$to; }
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b; route=ID_B
--- response_headers
!Set-Cookie
--- error_log
session_sticky: cookie "route" of upstream "u" is not hidden from its servers
"session_sticky_hide_cookie upstream=u;"
--- no_error_log eval
qr/\[(?:warn|crit|alert|emerg)\]/



=== a cookie hidden in an earlier location remains hidden if a variable selects the upstream of the next
--- sticky: mode=prefix
--- config
location / { proxy_pass http://plain; proxy_intercept_errors on; error_page 503 = @backend; session_sticky_hide_cookie upstream=u; }
location @backend { set $to u; rewrite ^ /t break; proxy_pass http://$to; }
--- more_headers
Cookie: route=ID_B~x~y
--- request: GET /503
--- response_body
B
Cookie: route=x~y
--- no_error_log
is not hidden



=== session_sticky_hide_cookie for several upstreams in one directive, selected by a map: each session's server answers, the cookie is hidden
--- sticky: mode=prefix
--- other: mode=prefix
--- http_config
map $arg_to $pool { default u; other other; }
--- config
location / {
    session_sticky_hide_cookie upstream=u upstream=other;
    proxy_pass http://$pool;
}
--- visits
route=ID_B~x~y; a=b; other=ID_D~z -> B, sees "route=x~y; a=b; other=z"
/t?to=other route=ID_B~x; other=ID_D~z -> D, sees "route=x; other=z"
route=ID_B~x -> B, sees "route=x"
/t?to=other other=ID_D~z -> D, sees "other=z"



=== session_sticky_hide_cookie for several upstreams in several directives
--- sticky: option=indirect
--- other: option=indirect
--- config
session_sticky_hide_cookie upstream=u;
session_sticky_hide_cookie upstream=other;
location / { proxy_pass http://$arg_to; }
--- visits
/t?to=u route=ID_B; a=b; other=ID_D -> B, sees "a=b"
/t?to=other route=ID_B; a=b; other=ID_D -> D, sees "a=b"
/t?to=plain route=ID_B; a=b; other=ID_D -> A, sees "a=b"



=== session_sticky_hide_cookie of an inner level replaces all of the outer level
--- sticky: option=indirect
--- other: option=indirect
--- config
session_sticky_hide_cookie upstream=u upstream=other;
location / { proxy_pass http://$arg_to; }
location /inner { session_sticky_hide_cookie upstream=other; proxy_pass http://$arg_to; }
--- visits
/t?to=plain route=ID_B; a=b; other=ID_D -> A, sees "a=b"
/inner?to=plain route=ID_B; a=b; other=ID_D -> B, sees "route=ID_B; a=b"



=== two upstreams with one cookie in mode=prefix: the ID is removed once
--- sticky: mode=prefix
--- http_config
upstream twin { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky mode=prefix; }
--- config
location / { session_sticky_hide_cookie upstream=u upstream=twin; proxy_pass http://$arg_to; }
--- visits
/t?to=u route=ID_B~x~y -> B, sees "route=x~y"
/t?to=twin route=ID_B~x~y -> B, sees "route=x~y"



=== session_sticky_hide_cookie twice for one upstream: [warn]
--- sticky: option=indirect
--- config
location / {
    session_sticky_hide_cookie upstream=u;
    session_sticky_hide_cookie upstream=U;
    proxy_pass http://$arg_to;
}
--- warn
duplicate
"U"
"session_sticky_hide_cookie"
--- request: GET /t?to=u
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b



=== session_sticky_hide_cookie twice for one upstream in one directive: [warn]
--- sticky: option=indirect
--- config
location / { session_sticky_hide_cookie upstream=u upstream=u; proxy_pass http://$arg_to; }
--- warn
duplicate
"u"
--- request: GET /t?to=u
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b



=== session_sticky_hide_cookie for several upstreams, one of which does not exist: [warn]
--- sticky: option=indirect
--- config
location / { session_sticky_hide_cookie upstream=u upstream=nosuch; proxy_pass http://$arg_to; }
--- warn
"session_sticky_hide_cookie" directive has no effect: there is no upstream "nosuch"
--- request: GET /t?to=u
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b



=== session_sticky_hide_cookie with an invalid second parameter
--- sticky: option=indirect
--- config
location / { session_sticky_hide_cookie upstream=u v; proxy_pass http://u; }
--- emerg
"session_sticky_hide_cookie"
"v"
upstream=



=== session_sticky_hide_cookie in a location with a variable in proxy_pass: the session's server answers, the cookie is hidden
--- sticky: option=indirect
--- config
location / {
    session_sticky_hide_cookie upstream=u;
    set $to u;
    proxy_pass http://$to;
}
--- visits
a=b; route=ID_B; c=d -> B, sees "a=b; c=d", sets nothing
route=ID_B -> B, sees nothing, sets nothing
-> [AB], sees nothing, sets like "route=(?:ID_A|ID_B); Path=/"



=== session_sticky_hide_cookie in a location: mode=prefix
--- sticky: mode=prefix
--- config
location / {
    session_sticky_hide_cookie upstream=u;
    set $to u;
    proxy_pass http://$to;
}
--- more_headers
Cookie: a=b; route=ID_B~v
--- response_body
B
Cookie: a=b; route=v



=== session_sticky_hide_cookie with a proxy_pass to the same upstream hides once and does no harm
--- sticky: mode=prefix
--- config
location / {
    session_sticky_hide_cookie upstream=u;
    proxy_pass http://u;
}
--- more_headers
Cookie: route=ID_B~x~y
--- response_body
B
Cookie: route=x~y



=== session_sticky_hide_cookie at server level is inherited by the locations
--- sticky: option=indirect
--- config
session_sticky_hide_cookie upstream=u;
location / {
    set $to u;
    proxy_pass http://$to;
    location /nested { set $to u; proxy_pass http://$to; }
}
--- visits
a=b; route=ID_B -> B, sees "a=b"
/nested a=b; route=ID_B -> B, sees "a=b"



=== session_sticky_hide_cookie at http level is inherited; the upstream may follow later in the file
--- early
session_sticky_hide_cookie upstream=u;
--- sticky: option=indirect
--- config
location / { set $to u; proxy_pass http://$to; }
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b
--- response_headers
!Set-Cookie



=== session_sticky_hide_cookie of a location replaces that of the server
--- sticky: option=indirect
--- other: option=indirect
--- config
session_sticky_hide_cookie upstream=other;
location / {
    session_sticky_hide_cookie upstream=u;
    set $to u;
    proxy_pass http://$to;
}
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b
--- response_headers
!Set-Cookie



=== session_sticky_header, the deprecated name, has the same effect, with a [warn]
--- sticky: option=indirect
--- config
location / {
    session_sticky_header upstream=u;
    set $to u;
    proxy_pass http://$to;
}
--- warn
session_sticky_header
session_sticky_hide_cookie
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b



=== session_sticky_hide_cookie for an upstream with option=direct hides nothing
--- sticky: option=direct
--- config
location / {
    session_sticky_hide_cookie upstream=u;
    proxy_pass http://u;
}
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b; route=ID_B
--- response_headers
!Set-Cookie
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/
--- may_warn
"session_sticky_hide_cookie" directive has no effect



=== the cookie of upstream A is hidden in requests to B, whose sessions are not affected
--- sticky: option=indirect
--- other: option=direct
--- config
location / {
    session_sticky_hide_cookie upstream=u;
    proxy_pass http://other;
}
--- visits
a=b; route=ID_B; other=ID_D -> D, sees "a=b; other=ID_D", sets nothing
a=b; route=ID_B -> D, sees "a=b", sets like "other=ID_D; Path=/"



=== the cookie of upstream A is hidden in requests to B, which hides its own too
--- sticky: option=indirect
--- other: option=indirect
--- config
location / {
    session_sticky_hide_cookie upstream=other;
    proxy_pass http://u;
}
--- visits
route=ID_B; a=b; other=ID_D -> B, sees "a=b", sets nothing
other=ID_D; route=ID_B -> B, sees nothing, sets nothing



=== the cookie of upstream A is hidden in requests to an upstream without session_sticky
--- sticky: option=indirect
--- config
location / {
    session_sticky_hide_cookie upstream=u;
    proxy_pass http://plain;
}
--- visits
a=b; route=ID_B -> A, sees "a=b", sets nothing
a=b; route=ID_B -> B, sees "a=b", sets nothing



=== session_sticky_hide_cookie for an upstream without session_sticky has no effect, with a [warn]
--- sticky: option=indirect
--- config
location / {
    session_sticky_hide_cookie upstream=plain;
    proxy_pass http://plain;
}
--- warn
"session_sticky_hide_cookie"
plain
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
A
Cookie: a=b; route=ID_B
--- response_headers
!Set-Cookie



=== session_sticky_hide_cookie for an upstream that hides nothing has no effect, with a [warn]
--- sticky
--- config
location / {
    session_sticky_hide_cookie upstream=u;
    proxy_pass http://u;
}
--- warn
"session_sticky_hide_cookie" directive has no effect: there is neither "option=indirect" nor "mode=prefix"
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b; route=ID_B



=== session_sticky_hide_cookie for an address has no effect, with a [warn]
--- sticky: option=indirect
--- config
location / {
    session_sticky_hide_cookie upstream=127.0.0.1:1985;
    proxy_pass http://127.0.0.1:1985;
}
--- warn
"session_sticky_hide_cookie"
127.0.0.1:1985
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
A
Cookie: a=b; route=ID_B
--- response_headers
!Set-Cookie



=== session_sticky_hide_cookie for an upstream that does not exist has no effect, with a [warn]
--- sticky: option=indirect
--- config
location / {
    session_sticky_hide_cookie upstream=nosuch;
    proxy_pass http://plain;
}
--- warn
"session_sticky_hide_cookie"
nosuch
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
A
Cookie: a=b; route=ID_B
--- response_headers
!Set-Cookie



=== session_sticky_hide_cookie in a location without proxy_pass sets nothing
--- sticky: option=indirect
--- config
session_sticky_hide_cookie upstream=u;
location /return { return 200 "here\n"; }
location /file { root html; }
--- user_files
>>> file
here
--- visits
/return route=ID_B -> says "here\n", sets nothing
/file route=ID_B -> says "here\n", sets nothing
/return -> says "here\n", sets nothing



=== session_sticky_hide_cookie without upstream=
--- sticky: option=indirect
--- config
location / { session_sticky_hide_cookie u; proxy_pass http://u; }
--- emerg
"session_sticky_hide_cookie"
"u"
upstream=



=== session_sticky_hide_cookie with another parameter
--- sticky: option=indirect
--- config
location / { session_sticky_hide_cookie server=u; proxy_pass http://u; }
--- emerg
"session_sticky_hide_cookie"
server=u
upstream=



=== session_sticky_hide_cookie with an empty name
--- sticky: option=indirect
--- config
location / { session_sticky_hide_cookie upstream=; proxy_pass http://u; }
--- emerg
"session_sticky_hide_cookie"
upstream=



=== session_sticky_hide_cookie without a parameter
--- sticky: option=indirect
--- config
location / { session_sticky_hide_cookie; proxy_pass http://u; }
--- emerg
session_sticky_hide_cookie



=== try_files to a named location, hidden at server level: the session's server answers, no new session
--- sticky: option=indirect
--- config
session_sticky_hide_cookie upstream=u;
location / { try_files /nonexistent @backend; }
location @backend { set $to u; proxy_pass http://$to; }
--- visits
a=b; route=ID_B -> B, sees "a=b", sets nothing
route=ID_B -> B, sees nothing, sets nothing



=== try_files to a named location that passes to the upstream by name
--- sticky: option=indirect
--- config
location / { try_files /nonexistent @backend; }
location @backend { proxy_pass http://u; }
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b
--- response_headers
!Set-Cookie



=== try_files with mode=prefix: the ID is removed once
--- sticky: mode=prefix
--- config
session_sticky_hide_cookie upstream=u;
location / { try_files /nonexistent @backend; }
location @backend { proxy_pass http://u; }
--- more_headers
Cookie: route=ID_B~x~y
--- response_body
B
Cookie: route=x~y



=== rewrite to another location: the session's server answers, the cookie is hidden
--- sticky: option=indirect
--- config
session_sticky_hide_cookie upstream=u;
location /from { rewrite ^ /to last; }
location /to { set $to u; proxy_pass http://$to; }
--- request: GET /from
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b
--- response_headers
!Set-Cookie



=== error_page to a location with proxy_pass from one without: the session's server answers, the cookie is hidden
--- sticky: option=indirect
--- config
session_sticky_hide_cookie upstream=u;
location / { root html; error_page 404 = /to; log_not_found off; }
location /to { set $to u; proxy_pass http://$to; }
--- request: GET /nonexistent
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b
--- response_headers
!Set-Cookie



=== error_page after a response of the server: the session is still known though its cookie was hidden
--- sticky: option=indirect
--- config
location / { proxy_pass http://u; proxy_intercept_errors on; error_page 503 = @again; }
location @again { rewrite ^ /t break; proxy_pass http://u; }
--- request: GET /503
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b
--- response_headers
!Set-Cookie



=== error_page after a response of the server: mode=prefix, the ID is removed once
--- sticky: mode=prefix
--- config
location / { proxy_pass http://u; proxy_intercept_errors on; error_page 503 = @again; }
location @again { rewrite ^ /t break; proxy_pass http://u; }
--- request: GET /503
--- more_headers
Cookie: route=ID_B~x~y
--- response_body
B
Cookie: route=x~y



=== error_page from one sticky upstream to another: each uses its own cookie, and a hidden cookie remains hidden
--- sticky: option=indirect
--- other: option=indirect fallback=off
--- config
location / { proxy_pass http://u; proxy_intercept_errors on; error_page 503 = @other; }
location @other { rewrite ^ /t break; proxy_pass http://other; }
--- request: GET /503
--- more_headers
Cookie: route=ID_B; a=b; other=ID_D
--- response_body
D
Cookie: a=b
--- response_headers
!Set-Cookie



=== auth_request to the upstream: the main request reaches the session's server too, with the cookie hidden
--- sticky: option=indirect
--- config
location / { auth_request /auth; proxy_pass http://u; }
location /auth { internal; proxy_pass http://u; }
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
B
Cookie: a=b
--- response_headers
!Set-Cookie



=== auth_request to the upstream: a main request to another upstream keeps its Cookie field
--- sticky: option=indirect
--- config
location / { auth_request /auth; proxy_pass http://plain; }
location /auth { internal; proxy_pass http://u; }
--- more_headers
Cookie: a=b; route=ID_B
--- response_body
A
Cookie: a=b; route=ID_B
--- response_headers
!Set-Cookie



=== $http_cookie and $cookie_NAME have what the server sees
--- sticky: option=indirect
--- config
location / {
    add_header X-Http-Cookie "[$http_cookie]";
    add_header X-Route "[$cookie_route]";
    add_header X-A "[$cookie_a]";
    proxy_pass http://u;
}
--- visits
a=b; route=ID_B; c=d -> X-Http-Cookie "[a=b; c=d]", X-Route "[]", X-A "[b]"
route=ID_B -> X-Http-Cookie "[]", X-Route "[]", X-A "[]"



=== proxy_set_header Cookie $http_cookie does not leak the cookie
--- sticky: option=indirect
--- config
location / {
    proxy_set_header Cookie $http_cookie;
    proxy_pass http://u;
}
--- visits
a=b; route=ID_B; c=d -> B, sees "a=b; c=d"
route=ID_B -> B, sees nothing



=== HTTP/2: the cookie in a separate field
--- sticky: option=indirect
--- http2
--- init: ::wait_for_nginx()
--- more_headers
Cookie: a=b
Cookie: route=ID_B
Cookie: c=d
--- response_body
B
Cookie: a=b; c=d
--- response_headers
!Set-Cookie
--- no_error_log eval
qr/\[(?:error|crit|alert|emerg)\]/
