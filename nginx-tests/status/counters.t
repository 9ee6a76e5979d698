# session_sticky_status counts exactly what the variables report in the log, request by request: each request once, with its
# upstream, status, verdict, action and server. See lib/Counted.pm for the notation.
#
# Differences, which the notation shows: a request is counted for the last server it was sent to, even if that did not
# answer; a refused request for the session's server; and an internally redirected request for each of the upstreams on its
# way, while the log has only the last.

use Sticky qw(Upstreams Counted FaultyServers Caches Nginx Multiplex Certificates Keys);

our $faulty = FaultyServers->new(1991, 1992);
@port{qw(one two)} = (1991, 1992);
$line{$_} = "127.0.0.1:$port{$_}", $id{$_} = id($_) for qw(one two);
our $certificate = certificate();
our $key_file = key_file('keys', $key[0]);

client_sections();
counted_sections(<<'_EOC_');
default_type text/html;
location /sets { add_header Set-Cookie "route=own"; return 200 "NAME"; }
location /deletes { add_header Set-Cookie "route=; Max-Age=0"; return 200 "NAME"; }
location /to-file { add_header X-Accel-Redirect /file; return 200 "NAME"; }
location /to-other { add_header X-Accel-Redirect /other/; return 200 "NAME"; }
location /to-u { add_header X-Accel-Redirect /u/; return 200 "NAME"; }
location /to-444 { add_header X-Accel-Redirect /444; return 200 "NAME"; }
location /fails { return 503; }
location /refuses { return 403; }
location /brief { add_header Cache-Control max-age=1; add_header Last-Modified "Mon, 28 Sep 1970 06:00:00 GMT"; return 200 "NAME"; }
location /long { add_header Cache-Control max-age=60; return 200 "NAME"; }
location /ssi { return 200 'NAME <!--#include virtual="/other/" --><!--#include virtual="/u/" -->'; }
location /kept { return 200 'NAME <!--#include virtual="/other/" set="x" --><!--#echo var="x" -->'; }
_EOC_
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(upstreams => $block->upstreams =~ s/\bKEYS\b/$key_file/gr) if defined $block->upstreams;
    return if !defined $block->locations;
    if (defined $block->multiplexed) {
        my $listens = listens_http2('127.0.0.1:1981', '127.0.0.1:1982 ssl') . (has('http_v3_module') ? ' listen 127.0.0.1:1982 quic;' : '');
        $block->set_value(more => <<"_EOC_");
server {
    $listens
    ssl_certificate $certificate.pem;
    ssl_certificate_key $certificate.key;
    location /u/ { proxy_pass http://u/; }
    location = /g/rpc { grpc_pass grpc://g; }
}
server { @{[listens_http2('127.0.0.1:1993')]} location / { default_type application/grpc; return 200 ""; } }
_EOC_
    }
    my ($locations, $cache) = own_cache($block->locations);
    $block->set_value(locations => $locations);
    $block->set_value(more => $cache . ($block->more // ''));
});

our $plans = 0;

# Sends a request with a plan to a faulty server, with additional header fields.
sub planning {
    my ($path, $plan, $cookie, $more) = @_;
    $more = ($more // "Connection: close\r\n") . (defined $cookie ? "Cookie: $cookie\r\n" : '');
    return say_to_nginx("GET $path HTTP/1.1\r\nHost: localhost\r\nX-Plan: $plan\r\nX-Id: " . ++$plans . "\r\n$more\r\n", 1983);
}

# The same, and returns the complete response.
sub planned { return response(planning(@_)) }

# The client disconnects once the server has the request and has sent text that matches PATTERN.
sub left {
    my ($path, $plan, $cookie, $wanted, $pattern) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    counts_of(sub {
        my $asked = planning($path, $plan, $cookie);
        $faulty->port_of($plans);
        read_until($asked, $pattern) if $pattern;
        close $asked;
    }, $wanted, "$path $plan " . ($cookie ? 'with a cookie' : '-'));
}

sub sends { my ($text) = @_; return response(say_to_nginx($text, 1983)) }

run_tests();

__DATA__

=== new, bound, moved, lent, refused, and every verdict
--- upstreams
upstream u      { session_sticky; server A:; server D: down; }
upstream limits { session_sticky maxidle=1h; server A:; server D: down; }
upstream life   { session_sticky maxlife=1h refresh=10m; server A:; }
upstream lends  { session_sticky rebind=off; server A:; server D: down; }
upstream strict { session_sticky fallback=off; server A:; server D: down; }
upstream known  { session_sticky fallback=unknown; server A:; server D: down; }
upstream plain  { server A:; }
upstream signed { session_sticky sign maxidle=1h key_file=KEYS; server A:; }
upstream off    { session_sticky if=$arg_sticks; server A:; }
--- client
counts('/u/', undef, 'u new/none/inserted A');
counts('/u/', "route=$id{A}", 'u bound/valid/none A') for 1 .. 3;
counts('/u/', "route=$id{D}", 'u moved/down/inserted A, away D');
counts('/u/', 'route=nobody', 'u new/unknown/inserted A');
counts('/u/', 'route=|', 'u new/invalid/inserted A');
counts('/limits/', undef, 'limits new/none/inserted A');
my $now = time;
counts('/limits/', "route=$id{A}|" . ($now - 9) . '|' . ($now - 100), 'limits bound/valid/updated A');
counts('/limits/', "route=$id{A}|1500000000|1500000000", 'limits new/expired/inserted A');
counts('/life/', "route=$id{A}|1500000000|1500000000", 'life new/old/inserted A');
counts('/life/', "route=$id{A}|$now|$now", 'life bound/valid/none A');
counts('/lends/', "route=$id{D}", 'lends lent/down/none A, away D');
counts('/lends/', "route=$id{A}", 'lends bound/valid/none A');
counts('/strict/', "route=$id{D}", 'strict refused/down/none D?');
counts('/strict/', 'route=nobody', 'strict refused/unknown/none -');
counts('/strict/', "route=$id{A}", 'strict bound/valid/none A');
counts('/known/', 'route=nobody', 'known new/unknown/inserted A');
counts('/known/', "route=$id{D}", 'known refused/down/none D?');
counts('/signed/', 'route=' . signed('route', "$id{A}|" . ($now - 9) . "|$now", $key[0]), 'signed bound/valid/updated A');
counts('/signed/', 'route=' . signed('route', "$id{A}|$now|$now", $key[1]), 'signed new/forged/inserted A') for 1 .. 2;
counts('/off/', "route=$id{A}", 'off off/unused/none A') for 1 .. 3;
counts('/off/?sticks=1', "route=$id{A}", 'off bound/valid/none A');
counts('/plain/', "route=$id{A}", '');
counts('/nothing', "route=$id{A}", '');
--- no_error_log
[alert]



=== all other modes, and third-party directives
--- upstreams
upstream indirect { session_sticky option=indirect; server A:; server D: down; }
upstream rewrite { session_sticky mode=rewrite; server A:; server D: down; }
upstream prefix  { session_sticky mode=prefix; server A:; server D: down; }
upstream route   { session_sticky mode=route lookup=$cookie_to; server A: id=a; server D: id=d down; }
upstream learn   { session_sticky mode=learn lookup=$cookie_to create=$cookie_to zone=learned:64k; server A:; }
upstream ng      { sticky hide_cookie; server A:; server D: down; }
upstream accepts { session_sticky accept=sha1,plain,raw,index; server A:; server B:; }
upstream shared  { session_sticky hash=plain; server A: id=s; server B: id=s; server D: id=d down; }
upstream backup  { session_sticky; server D: down; server B: backup; }
upstream least   { least_conn; session_sticky; server A:; server D: down; keepalive 4; }
upstream twice   { session_sticky; server A:; server A: backup; server D: down; }
upstream keeps   { session_sticky preserve option=indirect; server A:; }
upstream ends    { session_sticky preserve mode=prefix; server A:; }
upstream follows { session_sticky cookie=to follow=route; server A:; server D: down; }
--- client
counts('/indirect/', undef, 'indirect new/none/inserted A');
counts('/indirect/', "route=$id{A}", 'indirect bound/valid/none A');
counts('/rewrite/sets', undef, 'rewrite new/none/rewritten A');
counts('/rewrite/', undef, 'rewrite new/none/none A');
counts('/rewrite/sets', "route=$id{A}", 'rewrite bound/valid/rewritten A');
counts('/rewrite/', "route=$id{A}", 'rewrite bound/valid/none A');
counts('/rewrite/', "route=$id{D}", 'rewrite lent/down/none A, away D');
counts('/rewrite/sets', "route=$id{D}", 'rewrite lent/down/rewritten A, away D');
counts('/prefix/sets', "route=$id{A}~v", 'prefix bound/valid/prefixed A');
counts('/prefix/sets', undef, 'prefix new/none/prefixed A');
counts('/keeps/sets', undef, 'keeps new/none/preserved A');
counts('/keeps/deletes', "route=$id{A}", 'keeps bound/valid/deleted A');
counts('/ends/sets', "route=$id{A}~v", 'ends bound/valid/prefixed A');
counts('/ends/deletes', "route=$id{A}~v", 'ends bound/valid/deleted A');
counts('/follows/', "to=$id{A}", 'follows new/none/none A') for 1 .. 2;
counts('/follows/', 'route=s', 'follows new/none/inserted A');
counts('/follows/', "route=s; to=$id{A}", 'follows bound/valid/none A') for 1 .. 2;
counts('/follows/', "route=s; to=$id{D}", 'follows moved/down/inserted A, away D');
counts('/follows/sets', "to=$id{A}", 'follows new/none/inserted A');
counts('/follows/sets', "route=s; to=$id{A}", 'follows bound/valid/updated A');
counts('/follows/deletes', "route=s; to=$id{A}", 'follows bound/valid/deleted A');
counts('/follows/deletes', undef, 'follows new/none/deleted A');
counts('/prefix/', "route=$id{A}~v", 'prefix bound/valid/none A');
counts('/route/', 'to=a', 'route bound/valid/none A');
counts('/route/', 'to=d', 'route lent/down/none A, away D');
counts('/route/', 'to=x', 'route lent/unknown/none A');
counts('/route/', undef, 'route new/none/none A');
counts('/learn/', 'to=x', 'learn new/none/none A');
counts('/learn/', 'to=x', 'learn bound/valid/none A');
counts('/learn/', undef, 'learn new/none/none A');
counts('/ng/', "route=$id{D}", 'ng lent/down/none A, away D');
counts('/ng/', "route=$id{A}", 'ng bound/valid/none A');
counts('/accepts/', "route=$line{B}", 'accepts bound/valid/updated B');
counts('/accepts/', 'route=1', 'accepts bound/valid/updated B');
counts('/accepts/', "route=$id{B}", 'accepts bound/valid/none B');
counts('/shared/', 'route=s', 'shared bound/valid/none A') for 1 .. 3;
counts('/shared/', 'route=d', 'shared moved/down/inserted A, away D');
counts('/backup/', undef, 'backup new/none/inserted B');
counts('/backup/', "route=$id{B}", 'backup bound/valid/none B');
counts('/backup/', "route=$id{D}", 'backup moved/down/inserted B, away D');
counts('/least/', undef, 'least new/none/inserted A');
counts('/least/', "route=$id{A}", 'least bound/valid/none A') for 1 .. 3;
counts('/twice/', "route=$id{A}", 'twice bound/valid/none A');
counts('/twice/', undef, 'twice new/none/inserted A');



=== nginx's own sticky route and sticky learn, with backups
--- before: 1.29.5
--- upstreams
upstream up    { sticky route $cookie_to; server A:; server B: route=b backup; }
upstream gone  { sticky route $cookie_to; server D: max_fails=0; server B: route=b backup; server C: route=c backup; }
upstream learn { sticky learn lookup=$cookie_to create=$cookie_to zone=backups:64k; server D: max_fails=0; server B: backup; }
--- client
counts('/up/', 'to=b', 'up lent/valid/none A, away B');
counts('/gone/', 'to=b', 'gone bound/valid/none B') for 1 .. 2;
counts('/gone/', 'to=c', 'gone bound/valid/none C');
counts('/learn/', 'to=x', 'learn new/none/none B');
counts('/learn/', 'to=x', 'learn bound/valid/none B');



=== servers that fail, with another server left or none
--- upstreams
upstream u      { session_sticky; server A:; server D: max_fails=0; }
upstream lends  { session_sticky rebind=off; server A:; server D: max_fails=0; }
upstream strict { session_sticky fallback=off; server A:; server D: max_fails=0; }
upstream route  { session_sticky mode=route lookup=$cookie_to; server D: id=d max_fails=0; server E: id=e max_fails=0; server A: id=a; }
upstream single { session_sticky; server D:; }
upstream dead   { session_sticky; server D: max_fails=0; server E: max_fails=0; }
upstream marked { session_sticky; server D: fail_timeout=1h; server E: fail_timeout=1h; }
upstream last   { session_sticky; server D: max_fails=0; server E: fail_timeout=1h; }
upstream nobody { session_sticky; server D: down; server E: down; }
--- locations
location /u/off { proxy_pass http://u/; proxy_next_upstream off; }
location /u/passes { proxy_pass http://u/fails; proxy_next_upstream http_503; }
--- client
counts('/u/', "route=$id{D}", 'u moved/down/inserted A, away D') for 1 .. 2;
counts('/u/', undef, 'u new/none/inserted A') for 1 .. 4;
counts('/u/off', "route=$id{D}", 'u bound/valid/none D?');
counts('/u/passes', "route=$id{A}", 'u moved/down/none D?, away A');
counts('/lends/', "route=$id{D}", 'lends lent/down/none A, away D');
counts('/strict/', "route=$id{D}", 'strict bound/valid/none D?');
counts('/route/', 'to=d', 'route lent/down/none A, away D');
counts('/route/', 'to=x', 'route lent/unknown/none A');
counts('/single/', "route=$id{D}", 'single bound/valid/none D?');
counts('/single/', undef, 'single new/none/none D?');
counts('/dead/', "route=$id{D}", 'dead moved/down/none E?, away D');
counts('/marked/', "route=$id{E}", 'marked moved/down/none D?, away E');
counts('/marked/', undef, 'marked new/none/none -');
counts('/marked/', "route=$id{D}", 'marked moved/down/none -, away D');
counts('/last/', "route=$id{E}", 'last moved/down/none D?, away E');
counts('/last/', "route=$id{D}", 'last moved/down/none -, away D');
counts('/nobody/', undef, 'nobody new/none/none -');
counts('/nobody/', "route=$id{E}", 'nobody moved/down/none -, away E');



=== the only server that is not down fails: since 1.19, nginx has no attempt left then; before, it made another
--- since: 1.19.0
--- upstreams
upstream alone { session_sticky; server D: max_fails=0; server E: down; }
--- client
counts('/alone/', "route=$id{D}", 'alone bound/valid/none D?');



=== internal redirects
--- upstreams
upstream u      { session_sticky; server A:; server B: down; }
upstream other  { session_sticky cookie=other; server C:; }
upstream dead   { session_sticky cookie=dead; server D: max_fails=0; }
upstream strict { session_sticky fallback=off; server A:; server D: down; }
upstream plain  { server B:; }
--- locations
proxy_intercept_errors on;
location /u/intercepted { proxy_pass http://u/fails; error_page 503 = /file; }
location /u/to-plain   { proxy_pass http://u/fails; error_page 503 = /plain/; }
location /to-live/     { proxy_pass http://dead; error_page 502 = /u/; }
location /dead/left    { proxy_pass http://dead; error_page 502 = /file; }
location /strict/left  { proxy_pass http://strict; error_page 502 = /file; }
location /444          { return 444; }
location /dead/444     { proxy_pass http://dead; error_page 502 = /444; }
location /u/named      { proxy_pass http://dead; error_page 502 = @named; }
location @named        { proxy_pass http://u; }
location /u/twice      { proxy_pass http://u/fails; error_page 503 = /u/; }
location /round/       { proxy_pass http://u/fails; error_page 503 = /u/to-other; }
--- client
counts('/u/to-file', undef, 'u new/none/inserted A');
counts('/u/to-file', "route=$id{A}", 'u bound/valid/none A');
counts('/u/to-other', undef, '+u new/none/inserted A | other new/none/inserted C');
counts('/u/to-other', "route=$id{A}; other=$id{C}", '+u bound/valid/none A | other bound/valid/none C');
counts('/u/to-other', "route=$id{B}; other=$id{C}", '+u moved/down/inserted A, away B | other bound/valid/none C');
counts('/u/to-u', "route=$id{A}", '+u bound/valid/none A | u bound/valid/none A');
counts('/other/to-u', undef, '+other new/none/inserted C | u new/none/inserted A');
counts('/u/intercepted', "route=$id{A}", 'u bound/valid/none A');
counts('/u/intercepted', undef, 'u new/none/inserted A');
counts('/u/to-plain', "route=$id{B}", 'u moved/down/inserted A, away B');
counts('/u/to-plain', "route=$id{A}", 'u bound/valid/none A');
counts('/to-live/', "route=$id{A}; dead=$id{D}", '+dead bound/valid/none D? | u bound/valid/none A');
counts('/to-live/', undef, '+dead new/none/none D? | u new/none/inserted A');
counts('/dead/left', undef, 'dead new/none/none D?');
counts('/strict/left', "route=$id{D}", 'strict refused/down/none D?');
counts('/dead/444', undef, 'dead new/none/none D?');
counts('/u/to-444', "route=$id{A}", 'u bound/valid/none A');
counts('/u/to-444', undef, 'u new/none/none A');
counts('/u/named', "route=$id{A}", '+dead new/none/none D? | u bound/valid/none A');
counts('/u/twice', "route=$id{A}", '+u bound/valid/none A | u bound/valid/none A');
counts('/round/', "route=$id{A}", '+u bound/valid/none A | +u bound/valid/none A | other new/none/inserted C');



=== subrequests
--- upstreams
upstream u     { session_sticky; server A:; server B:; }
upstream other { session_sticky cookie=other; server C:; }
--- locations
location = /u/auth-other { auth_request /other/auth; proxy_pass http://u/; }
location = /u/auth-u     { auth_request /u/auth; proxy_pass http://u/; }
location = /auth/no    { auth_request /u/refuses; proxy_pass http://other/; }
location = /u/mirrored   { mirror /other/copy; proxy_pass http://u/; }
location = /added      { add_before_body /other/before; add_after_body /u/after; addition_types *; return 200 "text"; }
location = /u/ssi      { ssi on; proxy_pass http://u/ssi; }
location = /u/kept     { ssi on; proxy_pass http://u/kept; }
location = /u/auth     { proxy_pass http://u/; }
--- client
my $cookie = "route=$id{B}; other=$id{C}";
counts('/u/auth-other', $cookie, 'other bound/valid/none C | u bound/valid/none B');
wants('');
counts('/auth/no', $cookie, 'u bound/valid/none B');
counts('/u/mirrored', $cookie, 'other bound/valid/none C | u bound/valid/none B');
counts('/added', $cookie, 'other bound/valid/none C | u bound/valid/none B');
counts('/u/ssi', $cookie, 'other bound/valid/none C | u bound/valid/none B | u bound/valid/none B');
counts('/u/kept', $cookie, 'other bound/valid/none C | u bound/valid/none B');
counts('/u/kept', "route=$id{B}", 'other new/none/none C | u bound/valid/none B');
counts('/u/auth-u', $cookie, 'u bound/valid/none B | u bound/valid/none B');



=== post_action
--- upstreams
upstream u     { session_sticky; server A:; server B: down; }
upstream after { session_sticky cookie=after; server C:; server D: max_fails=0; }
--- locations
location /u/main { proxy_pass http://u/; post_action /after/then; }
location /then   { return 200 "x"; post_action /after/then; }
--- client
counts('/u/main', "route=$id{A}; after=$id{C}", '+u bound/valid/none A | after bound/valid/none C');
counts('/u/main', "after=$id{D}", '+u new/none/inserted A | after moved/down/none C, away D');
counts('/then', "after=$id{C}", 'after bound/valid/none C');



=== cached responses are not counted, requests to servers are
--- upstreams
upstream u    { session_sticky; server A:; }
upstream dead { session_sticky hash=plain; server 127.0.0.1:1991 max_fails=0; }
--- locations
proxy_cache cached;
proxy_cache_key $uri;
location = /u/brief      { proxy_pass http://u; proxy_cache_revalidate on; }
location = /u/background { proxy_pass http://u/brief; proxy_cache_use_stale updating; proxy_cache_background_update on; }
location = /dead/stale   { proxy_pass http://dead; proxy_cache_valid 200 1s; proxy_cache_use_stale error; }
--- client
my $cookie = "route=$id{A}";
counts('/u/long', undef, 'u new/none/inserted A');
counts('/u/long', $_, '') for undef, $cookie;
counts('/u/brief', $cookie, 'u bound/valid/none A');
counts('/u/background', $cookie, 'u bound/valid/none A');
counts_of(sub { planned('/dead/stale', 'ok') }, 'dead new/none/inserted one', 'stored in the cache');
sleep 2;
counts('/u/brief', $cookie, 'u bound/valid/none A');
counts('/u/background', $cookie, 'u bound/valid/none A');
counts_of(sub { planned('/dead/stale', 'reset', "route=$line{one}") }, 'dead bound/valid/none one?', 'stale, as the server failed');
counts_of(sub { planned('/dead/stale', 'reset') }, 'dead new/none/none one?', 'stale, for a first visit');



=== a client that disconnects before, in and after the header
--- upstreams
upstream u      { session_sticky hash=plain; server 127.0.0.1:1991 max_fails=0; server 127.0.0.1:1992 max_fails=0; }
upstream first  { session_sticky hash=plain; server 127.0.0.1:1991 max_fails=0; server 127.0.0.1:1992 down; }
upstream strict { session_sticky hash=plain fallback=off; server 127.0.0.1:1991 max_fails=0; server 127.0.0.1:1992 max_fails=0; }
upstream learn  { session_sticky mode=learn lookup=$cookie_to create=$cookie_to zone=left:64k; server 127.0.0.1:1991 max_fails=0; }
--- locations
proxy_cache_key $request_uri$pid;
location = /u/cached { proxy_cache cached; proxy_read_timeout 1s; proxy_next_upstream off; proxy_pass http://u; }
location = /strict/cached { proxy_cache cached; proxy_read_timeout 1s; proxy_pass http://strict; }
location = /u/unbuffered { proxy_request_buffering off; proxy_http_version 1.1; proxy_pass http://u; }
location = /first/ignored { proxy_ignore_client_abort on; proxy_pass http://first/; }
--- client
my ($one, $two) = map { "route=$line{$_}" } qw(one two);
left('/u/', 'hang', $one, 'u bound/valid/none one?');
left('/u/', 'header-hang', $two, 'u bound/valid/none two');
left('/u/', 'body-hang', $one, 'u bound/valid/none one', qr/\r\n\r\n/);
left('/first/', 'hang', undef, 'first new/none/none one?');
left('/first/', 'body-hang', undef, 'first new/none/inserted one', qr/\r\n\r\n/);
left('/u/', 'reset hang', $one, 'u moved/down/none two?, away one');
left('/strict/', 'hang', $one, 'strict bound/valid/none one?');
left('/strict/', 'body-hang', $one, 'strict bound/valid/none one', qr/\r\n\r\n/);
left('/learn/', 'hang', 'to=x', 'learn new/none/none one?');
left('/u/cached', 'hang', $one, 'u bound/valid/none one?');
left('/strict/cached', 'hang', $one, 'strict bound/valid/none one?');
left('/first/ignored', 'wait', undef, '');
$faulty->go($plans);
wants('first new/none/inserted one');
as_wanted('proxy_ignore_client_abort');
counts_of(sub {
    my $asked = say_to_nginx("POST /u/unbuffered HTTP/1.1\r\nHost: localhost\r\nX-Plan: hang\r\nX-Id: " . ++$plans
                             . "\r\nCookie: $two\r\nContent-Length: 10\r\n\r\nabc", 1983);
    select undef, undef, undef, 0.5;
    close $asked;
}, 'u bound/valid/none two?', 'in the middle of its request');



=== kept connections, and closed ones
--- upstreams
upstream u      { session_sticky hash=plain; server 127.0.0.1:1991; server 127.0.0.1:1992; keepalive 4; }
upstream strict { session_sticky hash=plain fallback=off; server 127.0.0.1:1991; server 127.0.0.1:1992; keepalive 4; }
--- locations
proxy_http_version 1.1;
proxy_set_header Connection "";
--- client
my $cookie = "route=$line{one}";
for my $upstream (qw(u strict)) {
    counts_of(sub { planned("/$upstream/", 'keep', $cookie) }, "$upstream bound/valid/none one", "$upstream: a connection to keep");
    counts_of(sub { planned("/$upstream/", 'keep', $cookie) }, "$upstream bound/valid/none one", "$upstream: the connection is reused");
    counts_of(sub { planned("/$upstream/", 'empty keep', $cookie) }, "$upstream bound/valid/none one", "$upstream: the kept connection is closed");
    # No connection is left when nginx ends.
    counts_of(sub { planned("/$upstream/", 'ok', $cookie) }, "$upstream bound/valid/none one", "$upstream: a connection that is not kept");
}
counts_of(sub { planned('/u/', 'keep', $cookie) }, 'u bound/valid/none one', 'a connection to keep');
counts_of(sub { planned('/u/', 'empty empty ok', $cookie) }, 'u moved/down/inserted two, away one', 'closed again');



=== HEAD, bodies, and several requests on one connection
--- upstreams
upstream u { session_sticky; server A:; server D: down; }
--- client
my $end = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
counts_of(sub { sends("HEAD /u/ $end\r\n") }, 'u new/none/inserted A', 'HEAD');
counts_of(sub { sends("HEAD /u/ ${end}Cookie: route=$id{A}\r\n\r\n") }, 'u bound/valid/none A', 'HEAD, bound');
counts_of(sub { sends("POST /u/ ${end}Cookie: route=$id{A}\r\nContent-Length: 3\r\n\r\na=b") }, 'u bound/valid/none A', 'POST');
counts_of(sub { sends("POST /u/ ${end}Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n") }, 'u new/none/inserted A', 'in chunks');
counts_of(sub { sends("GET /u/\r\n") }, 'u new/none/inserted A', 'HTTP/0.9');
my $on = "HTTP/1.1\r\nHost: localhost\r\n\r\n";
counts_of(sub { sends("GET /u/ ${on}GET /u/ ${on}GET /u/ $end\r\n") }, 'u new/none/inserted A | u new/none/inserted A | u new/none/inserted A',
          'three pipelined requests');



=== HTTP/2, HTTP/3, gRPC and WebSocket
--- upstreams
upstream u { session_sticky; server A:; server D: down; }
upstream g { session_sticky; server 127.0.0.1:1993; server D: down; }
upstream w { session_sticky; server 127.0.0.1:1991; server D: down; }
--- multiplexed
--- locations
location = /g/rpc { grpc_pass grpc://g; }
location = /w/socket { proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_pass http://w; }
--- client
my %listens = (h2c => 1981, h2 => 1982, h3 => 1982);
$line{rpc} = '127.0.0.1:1993';
$id{rpc} = Digest::MD5::md5_hex($line{rpc});
for my $protocol ('h2c', 'h2', has('http_v3_module') ? 'h3' : ()) {
    my $client = Multiplex->new($protocol, $listens{$protocol});
    my $asked = 0;
    my $ask = sub { my ($path, @cookies) = @_; $client->ask(++$asked, $path, \@cookies); $client->answer($asked) };
    counts_of(sub { $ask->('/u/') }, 'u new/none/inserted A', "$protocol: a first visit");
    counts_of(sub { $ask->('/u/', 'a=b', "route=$id{A}") }, 'u bound/valid/none A', "$protocol: a return");
    counts_of(sub { $ask->('/u/', "route=$id{D}") }, 'u moved/down/inserted A, away D', "$protocol: moved");
    counts_of(sub { $ask->('/g/rpc') }, 'g new/none/inserted rpc', "$protocol: gRPC");
    counts_of(sub { $ask->('/g/rpc', "route=$id{rpc}") }, 'g bound/valid/none rpc', "$protocol: gRPC, bound");
    counts_of(sub {
        $client->ask($_, '/u/', ["route=$id{A}"]) for 101 .. 105;
        $client->answer($_) for 101 .. 105;
    }, join(' | ', ('u bound/valid/none A') x 5), "$protocol: several at once");
    $client->leave;
}
my $upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
for my $wanted (['', 'w new/none/inserted one'], ["Cookie: route=$id{one}\r\n", 'w bound/valid/none one']) {
    counts_of(sub {
        my $socket = planning('/w/socket', 'upgrade', undef, $upgrade . $wanted->[0]);
        read_until($socket, qr/\r\n\r\n/);
        print $socket 'bye';
        response($socket);
    }, $wanted->[1], 'a WebSocket connection');
}



=== an unsupported load-balancing method
--- upstreams
upstream own  { own_balancer; server A:; server B:; session_sticky; }
upstream like { own_balancer like_round_robin; server A:; server B:; session_sticky; }
--- client
for my $upstream (qw(own like)) {
    counts("/$upstream/", $_, "$upstream off") for "route=$id{B}", undef, 'route=nobody';
}



=== a draining server: its sessions' requests in the last minute, and the time of the last one
--- upstreams
upstream u { session_sticky; server A:; server B: drain; server C: down; }
--- client
my $leaving = sub { (grep { $_->{address} eq $line{$_[0]} } @{counted('u')->{servers}})[0]{leaving} };
equals(join(' ', map { $_ // 'null' } @{$leaving->('B')}{qw(last_minute last)}), '0 null', 'no requests yet');
equals($leaving->('A'), undef, 'only draining servers have the member');
my $before = time;
counts('/u/', "route=$id{B}", 'u bound/valid/none B') for 1 .. 3;
counts('/u/', undef, 'u new/none/inserted A') for 1 .. 3;
equals($leaving->('B')->{last_minute}, 3, 'requests in the last minute');
holds($leaving->('B')->{last} >= $before && $leaving->('B')->{last} <= time, 'time of the last request');



=== upstreams with unusual names
--- upstreams
upstream "a.b-c_d" { session_sticky; server A:; }
upstream "UP.Case" { session_sticky; server A:; }
upstream "a'b&c"   { session_sticky; server A:; }
upstream '<i>"x"'  { session_sticky; server A:; }
upstream "uÃ¼" { session_sticky; server A:; }
upstream "uÿ"   { session_sticky; server A:; }
--- locations
location = /0 { set $to "a.b-c_d"; proxy_pass http://$to; }
location = /1 { set $to "UP.Case"; proxy_pass http://$to; }
location = /2 { set $to "a'b&c"; proxy_pass http://$to; }
location = /3 { set $to '<i>"x"'; proxy_pass http://$to; }
location = /4 { set $to "uÃ¼"; proxy_pass http://$to; }
location = /5 { set $to "uÿ"; proxy_pass http://$to; }
--- client
my @names = ('a.b-c_d', 'UP.Case', q(a'b&c), '<i>"x"', "u\x{fc}", "u\x{fffd}");
for my $number (0 .. $#names) {
    visit("/$number", undef, 1983);
    visit("/$number", "route=$id{A}", 1983);
    wants("$names[$number] new/none/inserted A | $names[$number] bound/valid/none A");
    as_wanted("upstream $number");
}
