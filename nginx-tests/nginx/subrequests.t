# Subrequests: each selects its server by its own upstream's cookie; only the main request sets cookies.
#
#   SSI           page and include from one upstream, from two, from two with one cookie name; includes that fail, are
#                 redirected, are stored in a variable, or are many; a page that hides its cookie
#   auth_request  of the same upstream and of another; denied, answered by a login page, failing, redirected internally
#   mirror        to the same upstream and to another; never answered, refused; the view of a hidden cookie
#   slice         every part of a file is from the session's server; from the cache
#   addition      before and after the body

use Sticky qw(Caches);

our $http = servers(<<'_EOC_') . <<'_EOC_';
default_type text/html;
location = /page { return 200 'NAME page [<!--#include virtual="/part" -->] cookie=[$http_cookie]'; }
location = /pages { return 200 'NAME pages [<!--#include virtual="/part" --><!--#include virtual="/part?2" --><!--#include virtual="/part?3" wait="yes" -->]'; }
location = /two { return 200 'NAME two [<!--#include virtual="/part" -->][<!--#include virtual="/second" -->]'; }
location = /kept { return 200 'NAME kept [<!--#include virtual="/part" set="x" --><!--#echo var="x" encoding="none" -->]'; }
location = /part { return 200 'NAME part cookie=[$http_cookie]'; }
location = /second { return 200 'NAME second cookie=[$http_cookie]'; }
location = /503 { return 503 'NAME is busy'; }
location = /accel { add_header X-Accel-Redirect /inside; return 200; }
location = /401 { return 401; }
location = /403 { return 403; }
location = /file { alias html/NAME.txt; etag off; add_header Last-Modified ""; add_header Cache-Control max-age=60; }
_EOC_
    upstream u      { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
    upstream other  { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky cookie=other; }
    upstream same   { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky; }
    upstream strict { server 127.0.0.1:1987; server 127.0.0.1:1999 max_fails=0; session_sticky cookie=other hash=plain fallback=off; }
    upstream aging  { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky cookie=other maxidle=1h; }
    upstream hiding { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky option=indirect; }
    upstream cutting { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=app mode=prefix; }
    upstream plain  { server 127.0.0.1:1987; }
    upstream dead   { server 127.0.0.1:1999 max_fails=0; session_sticky cookie=other; }
    upstream copies { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky cookie=copy hash=plain; }
    upstream both   { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain; }
_EOC_

may_warn(qr/ is also that of upstream /);
client_sections();
add_block_preprocessor(sub {
    my $block = shift;
    my ($config, $cache) = own_cache($block->config // '');
    $block->set_value('config', $config);
    fill($block, $cache . $http);
});

run_tests();

__DATA__

=== SSI, page and include from one upstream: a first visit gets the cookie of the page's server
--- config
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://u; }
--- request
GET /page
--- response_headers
Set-Cookie: route=ID_A; Path=/
--- response_body_like: ^A page \[[AB] part cookie=\[\]\]



=== SSI, page and include from one upstream: both are from the session's server
--- config
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://u; }
--- visits
/page route=ID_B -> says "B page [B part cookie=[route=ID_B]] cookie=[route=ID_B]", sets nothing
/page route=ID_A -> says "A page [A part cookie=[route=ID_A]] cookie=[route=ID_A]", sets nothing
/page route=ID_B -> says "B page [B part cookie=[route=ID_B]] cookie=[route=ID_B]", sets nothing



=== SSI, an include from another upstream: each uses its own cookie
--- config
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://other; }
--- visits
/page route=ID_B; other=ID_D -> says like "^B page \[D part", sets nothing
/page other=ID_C; route=ID_A -> says like "^A page \[C part", sets nothing



=== SSI, an include from another upstream: only the page sets its cookie
--- config
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://other; }
--- visits
/page other=ID_D -> says like "^A page \[D part", sets "route=ID_A; Path=/"
/page route=ID_B -> says like "^B page \[[CD] part", sets nothing



=== SSI, an include from another upstream with the same cookie name: the page's session is kept
--- config
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://same; }
--- request
GET /page
--- more_headers
Cookie: route=ID_B
--- response_headers
!Set-Cookie
--- response_body_like: ^B page \[[CD] part cookie=\[route=



=== SSI, an include whose session would be renewed or has ended sets nothing
--- config
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://aging; }
--- visits
/page route=ID_B; other=ID_D|NOW-60|NOW-60 -> says like "^B page \[D part", sets nothing
/page route=ID_B; other=ID_D|1|1 -> says like "^B page \[[CD] part", sets nothing



=== SSI, a page from an upstream without session_sticky, a file, or nginx itself: includes set nothing
--- config
location = /page { ssi on; proxy_pass http://plain; }
location = /file.html { ssi on; root html; }
location = /own { ssi on; default_type text/html; return 200 'own [<!--#include virtual="/part" -->]'; }
location = /part { proxy_pass http://u; }
--- user_files
>>> file.html
file [<!--#include virtual="/part" -->]
--- visits
/page route=ID_B -> says like "^C page \[B part", sets nothing
/file.html route=ID_B -> says like "^file \[B part", sets nothing
/own route=ID_B -> says like "^own \[B part", sets nothing
/own -> says like "^own \[[AB] part", sets nothing



=== SSI, an include without an available server: the page's cookie is set nevertheless
--- config
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://dead; }
--- request
GET /page
--- response_headers
Set-Cookie: route=ID_A; Path=/
--- response_body_like: ^A page \[.*502 Bad Gateway



=== SSI, an include with fallback=off whose server is unreachable: the page's session is kept
--- config
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://strict; }
--- visits
/page route=ID_B; other=127.0.0.1:1999 -> says like "^B page \[.*502 Bad Gateway", sets nothing
/page route=ID_B; other=127.0.0.1:1987 -> says like "^B page \[C part", sets nothing



=== SSI, an include that an error_page redirects to another upstream
--- config
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://dead; error_page 502 = @other; }
location @other { proxy_pass http://other; }
--- visits
/page other=ID_D -> says like "^A page \[D part", sets "route=ID_A; Path=/"
/page other=ID_C; route=ID_B -> says like "^B page \[C part", sets nothing



=== SSI, an include stored in a variable
--- config
location = /kept { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://other; }
--- visits
/kept other=ID_D -> says like "^A kept \[D part", sets "route=ID_A; Path=/"
/kept other=ID_D; route=ID_B -> says like "^B kept \[D part", sets nothing



=== SSI, three parallel includes and one that waits: all from the session's server
--- config
location = /pages { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://other; }
--- request
GET /pages
--- more_headers
Cookie: route=ID_B; other=ID_D
--- response_headers
!Set-Cookie
--- response_body_like: ^B pages \[D part [^]]*\]D part [^]]*\]D part



=== SSI, includes from several upstreams: each uses only its own session
--- config
location = /two { ssi on; proxy_pass http://hiding; }
location = /part { proxy_pass http://other; }
location = /second { proxy_pass http://u; }
--- request
GET /two
--- more_headers
Cookie: a=b; route=ID_B; other=ID_D
--- response_headers
!Set-Cookie
--- response_body chomp
B two [D part cookie=[a=b; other=ID_D]][B second cookie=[a=b; other=ID_D]]



=== SSI, a page that hides its cookie, and its includes: hidden from all, and still read
--- config
location = /page { ssi on; proxy_pass http://hiding; }
location = /part { proxy_pass http://hiding; }
--- visits
/page a=b; route=ID_B -> says "B page [B part cookie=[a=b]] cookie=[a=b]"
/page route=ID_B -> says "B page [B part cookie=[]] cookie=[]"
/part a=b; route=ID_B -> says "B part cookie=[a=b]"



=== SSI, an include that hides its cookie from its own server only
--- config
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://hiding; }
--- request
GET /page
--- more_headers
Cookie: a=b; route=ID_B
--- response_body chomp
B page [B part cookie=[a=b]] cookie=[a=b; route=ID_B]



=== SSI with mode=prefix: the ID is removed once, for the page and for its includes
--- config
location = /page { ssi on; proxy_pass http://cutting; }
location = /part { proxy_pass http://cutting; }
--- request
GET /page
--- more_headers
Cookie: app=ID_B~x~y
--- response_body chomp
B page [B part cookie=[app=x~y]] cookie=[app=x~y]



=== SSI, a HEAD request and a missing page
--- config
location = /page { ssi on; proxy_pass http://u; }
location = /part { proxy_pass http://other; }
--- request
HEAD /page
--- more_headers
Cookie: other=ID_D
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== auth_request of the same upstream: a first visit gets the cookie of the main request's server
--- config
location = /auth { internal; proxy_pass http://u; }
location / { auth_request /auth; auth_request_set $auth $upstream_addr; add_header X-Auth $auth; proxy_pass http://u; }
--- request
GET /t
--- response_headers
X-Auth: 127.0.0.1:1985
Set-Cookie: route=ID_B; Path=/
--- response_body
B /t cookie=[]



=== auth_request of the same upstream: the session's server answers both
--- config
location = /auth { internal; proxy_pass http://u; }
location / { auth_request /auth; auth_request_set $auth $upstream_addr; add_header X-Auth $auth; proxy_pass http://u; }
--- visits
route=ID_B -> B, X-Auth "127.0.0.1:1986", sets nothing
route=ID_B -> B, X-Auth "127.0.0.1:1986", sets nothing
route=ID_A -> A, X-Auth "127.0.0.1:1985", sets nothing



=== auth_request of another upstream: each uses its own cookie, and only the main request's is set
--- config
location = /auth { internal; proxy_pass http://other; }
location / { auth_request /auth; auth_request_set $auth $upstream_addr; add_header X-Auth $auth; proxy_pass http://u; }
--- visits
other=ID_D -> A, X-Auth "127.0.0.1:1988", sets "route=ID_A; Path=/"
other=ID_D; route=ID_B -> B, X-Auth "127.0.0.1:1988", sets nothing
route=ID_B -> B, X-Auth "127.0.0.1:1987", sets nothing



=== auth_request before a response that is not from an upstream server: nothing is set
--- config
location = /auth { internal; proxy_pass http://u; }
location = /file.txt { auth_request /auth; root html; }
location = /plain { auth_request /auth; proxy_pass http://plain; }
--- user_files
>>> file.txt
mine
--- visits
/file.txt -> says like "^mine", sets nothing
/plain -> C, sets nothing



=== auth_request whose response is redirected internally: its cookie is not set
--- config
location = /accel { internal; proxy_pass http://u; }
location = /inside { internal; return 200; }
location = /file.txt { auth_request /accel; root html; }
location = /plain { auth_request /accel; proxy_pass http://plain; }
location = /sticky { auth_request /accel; proxy_pass http://other; }
--- user_files
>>> file.txt
mine
--- visits
/file.txt -> says like "^mine", sets nothing
/plain -> C, sets nothing
/sticky -> C, sets "other=ID_C; Path=/"
/sticky other=ID_D; route=ID_B -> D, sets nothing



=== auth_request that is denied, or fails: nothing is set
--- config
location = /403 { internal; proxy_pass http://u; }
location = /503 { internal; proxy_pass http://u; }
location = /dead { internal; proxy_pass http://dead; }
location / { auth_request /403; proxy_pass http://u; }
location /fails { auth_request /503; proxy_pass http://u; }
location /dies { auth_request /dead; proxy_pass http://u; }
--- visits
/ -> 403, sets nothing
/fails -> 500, sets nothing
/dies -> 500, sets nothing



=== auth_request that is denied, and a login page from a sticky upstream: the cookie of that upstream
--- config
location = /accel { add_header X-Accel-Redirect /inside; return 200; }
location = /401 { internal; proxy_pass http://u; }
location / { auth_request /401; error_page 401 = @login; proxy_pass http://u; }
location @login { proxy_pass http://other; }
--- visits
-> C /t, sets "other=ID_C; Path=/"
route=ID_B -> D /t, sets "other=ID_D; Path=/"
other=ID_D -> D /t, sets nothing



=== mirror to the same upstream: the session's server gets both, and its response is the main request's
--- config
location / { mirror /copy; proxy_pass http://both; }
location = /copy { internal; proxy_pass http://both$request_uri; }
--- client
my ($mine, $not_mine) = map { serve($_) } 1992, 1991;
my $asked = ask('/t', 'a=b; route=127.0.0.1:1992');
my @both = map { taken($mine) } 1, 2;
equals(scalar(grep { request_of($_) =~ m{^GET /t HTTP.*^Cookie: a=b; route=127\.0\.0\.1:1992\r$}ms } @both), 2,
             'the request and its copy reach the server named in the cookie');
answer($_, 'done', "Set-Cookie: app=1\r\n") for @both;
my $got = response($asked);
equals(body($got), 'done', 'the client gets one response');
equals(set($got), 'app=1', "which sets the server's cookie once");
holds(!taken($not_mine, 0), 'the other server gets no request');



=== mirror of a first visit: two servers, and the cookie of the main request's server
--- config
location / { mirror /copy; proxy_pass http://both; }
location = /copy { internal; proxy_pass http://both; proxy_set_header X-Copy 1; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $asked = ask('/t');
my @both = map { taken($_) } @servers;
my ($copy) = grep { request_of($both[$_]) =~ /^X-Copy/m } 0, 1;
holds(defined $copy, 'one server has the request, the other the copy');
answer($_, 'done') for @both;
equals(set(response($asked)), 'route=127.0.0.1:' . (1992 - $copy) . '; Path=/',
             'the cookie has the ID of the server that got the request');



=== mirror to another sticky upstream: its own cookie selects the server, and it sets nothing
--- config
location / { mirror /copy; proxy_pass http://u; }
location = /copy { internal; proxy_pass http://copies$request_uri; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $asked = ask('/t', 'route=ID_B; copy=127.0.0.1:1992');
my $copy = taken($servers[1]);
holds($copy, 'the copy reaches its server');
answer($copy, 'copy');
my $got = response($asked);
equals(body($got), "B /t cookie=[route=ID_B; copy=127.0.0.1:1992]\n", "the request reaches the other upstream's server");
equals(set($got), '', 'nothing is set');

$asked = ask('/t');
answer($copy, 'copy') if $copy = taken(\@servers);
equals(set(response($asked)) =~ s/=.*//r, 'route', 'a first visit gets one cookie');



=== mirror to a silent server, and to an unreachable one: the client's response and cookie are not delayed
--- config
location / { mirror /copy; proxy_pass http://u; }
location = /copy { internal; proxy_pass http://copies; proxy_read_timeout 300ms; proxy_next_upstream off; }
location /dead { mirror /no-copy; proxy_pass http://u; }
location = /no-copy { internal; proxy_pass http://dead; }
--- client
my @silent = map { serve($_) } 1991, 1992;
my $asked = ask('/t');
equals(set(answer_of($asked)), 'route=ID_A; Path=/', 'silent: the cookie of the server that answered');
$asked = ask('/t', 'route=ID_B');
equals(body(answer_of($asked)), "B /t cookie=[route=ID_B]\n", "silent: the session's server answers");
$asked = ask('/dead', 'route=ID_B');
my $got = response($asked);
equals(body($got), "B /dead cookie=[route=ID_B]\n", "unreachable: the session's server answers");
equals(set($got), '', 'unreachable: nothing is set');



=== mirror of a request with a hidden cookie: it is hidden in the copy too
--- config
location / { mirror /copy; proxy_pass http://hiding; }
location = /copy { internal; proxy_pass http://copies; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $asked = ask('/t', 'a=b; route=ID_B; copy=127.0.0.1:1991');
my $copy = taken($servers[0]);
equals(head('Cookie', request_of($copy)), 'a=b; copy=127.0.0.1:1991', 'the cookie is hidden in the copy');
answer($copy, 'copy') if $copy;
equals(body(response($asked)), "B /t cookie=[a=b; copy=127.0.0.1:1991]\n", 'the cookie is hidden in the request');



=== mirror that waits while its request is redirected to a location that hides the cookie: the copy keeps it
--- config
location / { mirror /copy; proxy_pass http://dead; error_page 502 = @hiding; }
location = /copy {
    internal; proxy_pass http://copies;
    proxy_cache cached; proxy_cache_key one; proxy_cache_lock on; proxy_cache_lock_timeout 500ms;
}
location @hiding { proxy_pass http://hiding; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $has_lock = ask('/t', 'copy=127.0.0.1:1991');
my $locked = taken($servers[0]);
holds($locked, 'a first copy holds the cache lock');
my $asked = ask('/t', 'a=b; route=ID_B; copy=127.0.0.1:1991');
equals(body(answer_of($asked)), "B /t cookie=[a=b; copy=127.0.0.1:1991]\n", 'the cookie is hidden in the request');
my $copy = taken($servers[0]);
holds($copy, 'the second copy stops waiting');
equals(head('Cookie', request_of($copy)), 'a=b; route=' . id('B') . '; copy=127.0.0.1:1991',
       'it has its original Cookie field');



=== mirror of a request with a body
--- config
location / { mirror /copy; proxy_pass http://u; }
location = /copy { internal; proxy_pass http://copies; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $asked = say_to_nginx("POST /t HTTP/1.0\r\nHost: localhost\r\nContent-Length: 4\r\n"
                               . "Cookie: route=" . id('B') . "; copy=127.0.0.1:1991\r\n\r\nbody");
my $copy = taken($servers[0]);
holds(request_of($copy) =~ /^Content-Length: 4\r$/m, 'the copy reaches its server, with the body');
answer($copy, 'copy') if $copy;
holds(body(response($asked)) =~ /^B/, 'the request reaches its own');



=== slice: every part of a file is from the session's server
--- config
location = /file { slice 10; proxy_set_header Range $slice_range; proxy_pass http://u; }
--- user_files
>>> A.txt
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
>>> B.txt
BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB
--- visits
/file route=ID_B -> says "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\n", sets nothing
/file route=ID_A -> says "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", sets nothing
/file route=ID_B | Range: bytes=5-34 -> 206, says "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", sets nothing



=== slice, a first visit: one cookie, of the server of the first part
--- config
location = /file { slice 10; proxy_set_header Range $slice_range; proxy_pass http://u; }
--- user_files
>>> A.txt
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
>>> B.txt
BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB
--- request
GET /file
--- response_headers
Set-Cookie: route=ID_A; Path=/
--- response_body_like: ^A{10}[AB]{29}$



=== slice from the cache: missing parts are from the session's server, cached ones set nothing
--- config
location = /file {
    slice 10;
    proxy_set_header Range $slice_range;
    proxy_cache cached;
    proxy_cache_key $uri$slice_range;
    proxy_cache_valid 206 1m;
    add_header X-Cache $upstream_cache_status;
    proxy_pass http://u;
}
--- user_files
>>> A.txt
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
>>> B.txt
BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB
--- visits
/file route=ID_B | Range: bytes=10-19 -> 206, says "BBBBBBBBBB", X-Cache "MISS", sets nothing
/file Range: bytes=10-19 -> 206, says "BBBBBBBBBB", X-Cache "HIT", sets nothing
/file route=ID_A -> says "AAAAAAAAAABBBBBBBBBBAAAAAAAAAAAAAAAAAAA\n", X-Cache "MISS", sets nothing
/file route=ID_B -> says "AAAAAAAAAABBBBBBBBBBAAAAAAAAAAAAAAAAAAA\n", X-Cache "HIT", sets nothing



=== addition: the subrequests before and after the body use their own servers, and set nothing
--- config
location / { add_before_body /part; add_after_body /second; addition_types *; proxy_pass http://u; }
location = /part { proxy_pass http://other; }
location = /second { proxy_pass http://u; }
--- visits
other=ID_D; route=ID_B -> says like "^D part [^]]*\]B /t [^]]*\]\nB second", sets nothing
other=ID_D -> says like "^D part [^]]*\]A /t [^]]*\]\n[AB] second", sets "route=ID_A; Path=/"
