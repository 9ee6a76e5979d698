# nginx-sticky-module-ng's "sticky", "sticky_no_fallback" and "sticky_hide_cookie", on every version of nginx, including those
# with their own "sticky".
#
# lib/Upstreams.pm has the servers and the sections.

use Sticky qw(StickyModuleIds Upstreams Visits);

client_sections();
upstream_sections(<<'_EOC_');
location /404 { return 404 "NAME"; }
location /accel { add_header X-Accel-Redirect /elsewhere; return 200; }
location /sees { return 200 "NAME sees [$http_cookie]"; }
location /sets { add_header Set-Cookie "other=1"; add_header Set-Cookie "route=$arg_value; HttpOnly"; return 200 "NAME"; }
_EOC_

# Tests that the cookie of each server selects it, and that its response sets the cookie again.
sub sticks {
    my ($path, %id) = @_;
    for my $name (sort keys %id) {
        my @bound = everywhere($path, "route=$id{$name}");
        equals(bodies(@bound), $name, "$path: $id{$name} selects $name");
        equals(cookies(@bound), $id{$name}, "$path: and is set again");
    }
    my $first = visit($path, undef, 1983);
    equals(set($first), "route=$id{body($first)}; Path=/", "$path: a new session gets one");
}

run_tests();

__DATA__

=== IDs in every form
--- upstreams
upstream default { sticky; server A:; server B:; }
upstream md5     { server A:; server B:; sticky hash=md5; }
upstream sha1    { sticky hash=sha1; server A:; server B:; }
upstream index   { sticky hash=index; server A:; server B:; }
upstream raw     { sticky text=raw; server A:; server B:; }
upstream hmd5    { sticky hmac=md5 hmac_key=secret; server A:; server B:; }
upstream hsha1   { sticky hmac_key=secret hmac=sha1; least_conn; server A:; server B:; }
--- client
sticks('/default/', map { $_ => md5_hex($line{$_}) } qw(A B));
sticks('/md5/', map { $_ => md5_hex($line{$_}) } qw(A B));
sticks('/sha1/', map { $_ => sha1_hex($line{$_}) } qw(A B));
sticks('/index/', A => 0, B => 1);
sticks('/raw/', %line{qw(A B)});
sticks('/hmd5/', map { $_ => hmac_md5_hex($line{$_}, 'secret') } qw(A B));
sticks('/hsha1/', map { $_ => hmac_sha1_hex($line{$_}, 'secret') } qw(A B));
--- no_error_log eval
[qr/\[warn\](?!.* is also that of upstream )/, '[crit]', '[alert]', '[emerg]']



=== text=md5 and text=sha1 of its releases: digests of the address as text, also if the line has a name
--- upstreams
upstream tmd5  { sticky text=md5; server A:; server localhost:1986; }
upstream tsha1 { sticky text=sha1 no_fallback; server A:; server localhost:1986; }
upstream taken { session_sticky accept=sha1; server A:; server localhost:1986; }
--- client
sticks('/tmd5/', map { $_ => md5_hex($line{$_}) } qw(A B));
sticks('/tsha1/', map { $_ => sha1_hex($line{$_}) } qw(A B));
equals(bodies(everywhere('/taken/', 'route=' . sha1_hex($line{B}))), 'B', 'accept=sha1 accepts them');
--- no_error_log eval
[qr/\[warn\](?!.* is also that of upstream )/, '[crit]', '[alert]', '[emerg]']



=== IDs of its releases up to 1.2.6: no client moves, and the response sets the new ID
--- upstreams
upstream md5   { sticky; server A:; server B:; }
upstream sha1  { zone sha1 64k; sticky hash=sha1 no_fallback; server A:; server B: backup; }
upstream hmd5  { sticky hmac=md5 hmac_key=secret; server A:; server local.test:1986; }
upstream hsha1 { sticky hmac=sha1 hmac_key=secret; server A:; server B:; }
upstream index { sticky hash=index no_fallback; server A:; server B:; }
--- client
# From the tests of those releases, for a server on 127.0.0.1:1984 and the key "secret".
my $known = socket_address(1984);
equals(md5_hex($known), '908c1a9fb15095f454c085282da20d92', 'md5');
equals(sha1_hex($known), '4262de333a18749d31416a617184734678797276', 'sha1');
equals(hmac_md5_hex($known, 'secret'), 'd20fd0a9eb6864058781ed6104e4c9fd', 'hmac=md5');
equals(hmac_sha1_hex($known, 'secret'), '34734c8d4b451151897b62db281c0b055e035adc', 'hmac=sha1');
my %form = (md5 => \&md5_hex, sha1 => \&sha1_hex, hmd5 => sub { hmac_md5_hex($_[0], 'secret') }, hsha1 => sub { hmac_sha1_hex($_[0], 'secret') });
my %text = (%line, 'hmd5 B' => 'local.test:1986');
for my $path (sort keys %form) {
    for my $name (qw(A B)) {
        my @bound = everywhere("/$path/", 'route=' . $form{$path}->(socket_address($port{$name})));
        equals(bodies(@bound), $name, "$path: the session of $name stays");
        equals(cookies(@bound), $form{$path}->($text{"$path $name"} // $line{$name}), "$path: with the new ID");
    }
}
equals(bodies(everywhere('/index/', 'route=' . md5_hex(socket_address($port{A})))), '502', 'index: an unknown ID');
equals(bodies(everywhere('/sha1/', 'route=' . sha1_hex(socket_address($port{C})))), '502', 'sha1: an unknown server');
--- no_error_log
[alert]
[emerg]



=== the text of the server line is hashed
--- upstreams
upstream names { sticky text=raw; server pair.test:1985; server A:; }
upstream md5   { sticky; server solo.test:1985 max_fails=0; server B:; }
upstream only  { sticky no_fallback; server solo.test:1985 max_fails=0; server B:; }
upstream zone  { zone z 64k; sticky hash=index; server A: weight=2; server B:; server C: backup; }
--- client
holds(tried(everywhere('/only/', 'route=' . md5_hex('127.0.0.6:1985'))) =~ /^127\.0\.0\.6:1985/, 'the address selects its server as well');
equals(bodies(everywhere('/only/', 'route=' . md5_hex('127.0.0.5:1985'))), '502', 'another address is unknown');
equals(tried(everywhere('/md5/', 'route=' . md5_hex('solo.test:1985'))), '127.0.0.6:1985, 127.0.0.1:1986', 'the name selects its server');
equals(cookies(everywhere('/names/', 'route=127.0.0.1:1985')), '127.0.0.1:1985', 'raw: an address as written');
equals(tried(visit('/names/', 'route=pair.test:1985', 1983)), '127.0.0.2:1985, 127.0.0.3:1985, 127.0.0.1:1985', 'raw: all addresses of a name');
equals(bodies(everywhere('/zone/', "route=$_->[0]")), $_->[1], "index $_->[0]") for ['0', 'A'], ['1', 'B'], ['2', 'C'];
--- no_error_log
[alert]
[emerg]



=== all attributes
--- upstreams
upstream u { sticky name=srv domain=.foo.bar path=/app expires=1h secure httponly; server A:; server B:; }
--- client
my $set = set(visit('/u/', undef, 1983));
holds($set =~ /^srv=@{[md5_hex($line{A})]}; Domain=\.foo\.bar; Path=\/app; Max-Age=3600; Expires=\w+, \d\d \w+ \d{4} [\d:]+ GMT; Secure; HttpOnly$/, $set);



=== a cookie in every response of a server, in place of the server's own
--- upstreams
upstream u { sticky; server A:; server B:; }
--- client
my $id = md5_hex($line{B});
equals(set(visit('/u/404', "route=$id", 1983)), "route=$id; Path=/", 'in error responses, too');
equals(set(visit('/u/sets?value=x', "route=$id", 1983)), "other=1|route=$id; Path=/", "the server's own cookie of that name is replaced");
equals(body(visit('/u/sees', "a=1; route=$id; b=2", 1983)), "B sees [a=1; route=$id; b=2]", 'the server receives the cookie');



=== a failed server: the session moves
--- upstreams
upstream u { sticky; server A:; server D:; }
--- client
my $moved = visit('/u/', 'route=' . md5_hex($line{D}), 1983);
equals(body($moved), 'A', 'to another server');
equals(set($moved), 'route=' . md5_hex($line{A}) . '; Path=/', 'permanently');
equals(body(visit('/u/', 'route=nobody', 1983)), 'A', 'a request with an unknown ID is balanced');
--- no_error_log
[alert]
[emerg]



=== no_fallback in the upstream, a server and a location
--- upstreams
upstream u { sticky no_fallback; server A:; server D: down; }
upstream v { sticky; server A:; server D: down; }
upstream w { session_sticky hash=plain; server A:; server D: down; }
--- locations
location /strict/ { sticky_no_fallback; location /strict/v/ { proxy_pass http://v/; } location /strict/w/ { proxy_pass http://w/; } }
}
server {
    listen 1982;
    sticky_no_fallback;
    location / { proxy_pass http://v/; }
--- client
my $dead = 'route=' . md5_hex($line{D});
equals(bodies(everywhere('/u/', $dead)), '502', 'upstream: a server that is down');
equals(bodies(everywhere('/u/', 'route=nobody')), '502', 'upstream: an unknown ID');
equals(bodies(everywhere('/u/')), 'A', 'upstream: a new session');
equals(bodies(everywhere('/v/', $dead)), 'A', 'without no_fallback');
equals(bodies(everywhere('/strict/v/', $dead)), '502', 'location: a server that is down');
equals(bodies(everywhere('/strict/v/', 'route=nobody')), '502', 'location: an unknown ID');
equals(bodies(everywhere('/strict/v/')), 'A', 'location: a new session');
equals(bodies(everywhere('/strict/w/', "route=$line{D}")), '502', 'location: it applies to session_sticky as well');
equals(bodies(everywhere('/w/', "route=$line{D}")), 'A', 'but not in other locations');
equals(status(visit('/', $dead, 1982)), '502', 'server');
equals(body(visit('/', undef, 1982)), 'A', 'server: a new session');
--- error_log
which is down, with "no_fallback"



=== hide_cookie in the upstream, a server and a location
--- upstreams
upstream u { sticky hide_cookie; server A:; server B:; }
upstream v { sticky; server A:; server B:; }
--- locations
location /silent/ { sticky_hide_cookie; proxy_pass http://v/; }
location /caught/ { sticky_hide_cookie; proxy_pass http://v/; proxy_intercept_errors on; error_page 404 /elsewhere; }
location /loud/ { proxy_pass http://v/; error_page 404 /silent/; }
location /accelerated/ { proxy_pass http://v/; }
location /elsewhere { return 200 redirected; }
}
server {
    listen 1982;
    sticky_hide_cookie;
    location / { location /nested/ { proxy_pass http://v/; } }
--- client
my $id = md5_hex($line{B});
for my $path ('/u/', '/silent/') {
    my @bound = everywhere($path, "route=$id");
    equals(bodies(@bound), 'B', "$path: a session with the cookie stays");
    equals(join('', map { set($_) } @bound, everywhere($path)), '', "$path: no cookie is set");
    equals(set(visit("${path}sets?value=x", "route=$id", 1983)), 'other=1', "$path: the server's own cookie is removed as well");
}
equals(set(visit('/nested/', undef, 1982)), '', 'server');
for my $path ('/silent/accel', '/caught/404') {
    my $response = visit($path, undef, 1983);
    equals(body($response), 'redirected', "$path: is redirected to another location");
    equals(set($response), '', "$path: and sets no cookie");
}
my $response = visit('/accelerated/accel', undef, 1983);
equals(body($response), 'redirected', 'without hide_cookie, a redirected response');
holds(set($response) =~ /^route=/, 'sets a cookie');
holds(set(visit('/v/', undef, 1983)) ne '', 'other locations set a cookie');



=== transfer: the application's value after the ID
--- upstreams
upstream u { sticky transfer; server A:; server B:; }
upstream v { sticky text=raw transfer delimiter=. no_fallback; server A:; server B:; }
--- client
my %id = map { $_ => md5_hex($line{$_}) } qw(A B);
equals(set(visit('/u/', undef, 1983)), "route=$id{A}; Path=/", 'no value: only the ID');
equals(set(visit('/u/sets?value=abc', "route=$id{B}", 1983)), "other=1|route=$id{B} abc; Path=/", 'the value that the server sets');
my @bound = everywhere('/u/', "a=1; route=$id{B} a b; c=2");
equals(bodies(@bound), 'B', 'the ID before it is used');
equals(cookies(@bound), "$id{B} a b", 'the value of the client is kept');
equals(set(visit('/u/sets?value=new', "route=$id{B} old", 1983)), "other=1|route=$id{B} new; Path=/", 'a new value replaces it');
equals(set(visit('/u/sets?value=', "route=$id{B} old", 1983)), "other=1|route=$id{B}; Path=/", 'an empty value removes it');
equals(body(visit('/u/sees', "route=$id{B} abc", 1983)), "B sees [route=$id{B} abc]", 'the server receives the whole cookie');
for my $name (qw(A B)) {
    @bound = everywhere('/v/', "route=$line{$name}.x.y");
    equals(bodies(@bound), $name, "IDs can contain the delimiter: $name");
    equals(cookies(@bound), "$line{$name}.x.y", 'and so can values');
}
equals(bodies(everywhere('/v/', 'route=127.0.0.9:1985.x')), '502', 'an unknown ID');
my $gone = md5_hex('127.0.0.9:1985');
equals(cookies(everywhere('/u/', "route=$gone a b")), "$id{A} a b | $id{B} a b", 'a removed server: the value is kept');
equals(cookies(everywhere('/u/', "route=$gone")), "$id{A} | $id{B}", 'without a value, only the ID');



=== together with nginx's own
--- since: 1.29.6
--- upstreams
upstream ng    { sticky name=ng; server A:; server B:; }
upstream own   { sticky cookie own path=/; server A:; server B:; }
upstream route { sticky route $arg_to; server A: route=a; server B: route=b; }
--- client
holds(set(visit('/ng/', undef, 1983)) =~ /^ng=/, "sticky-module-ng's");
my $id = md5_hex($line{B});
equals(set(visit('/own/', "own=$id", 1983)), "own=$id; path=/", "nginx's");
equals(bodies(map { visit('/route/?to=b', undef, 1983) } 1 .. 4), 'B', "nginx's by a route");



=== parameters that have no effect, or are duplicate
--- upstreams
upstream u { sticky hmac_key=k text=raw delimiter=x name=a name=route; server A:; }
--- client
equals(set(visit('/u/', undef, 1983)), "route=$line{A}; Path=/", 'the configuration is loaded');
--- error_log
duplicate parameter "name" in "sticky" directive, the last one is used
"sticky" with delimiter= applies only with transfer
"sticky" with hmac_key= applies only with hmac=



=== a name that browsers reject
--- upstreams
upstream u { sticky name=__Host-route; server A:; }
upstream v { sticky name=__Host-route secure; server A:; }
--- client
equals(set(visit('/u/', undef, 1983)), '__Host-route=' . md5_hex($line{A}) . '; Path=/', 'the configuration is loaded');
--- grep_error_log eval: qr/\[warn\].*?needs.*?:/
--- grep_error_log_out eval
[qr/\A\[warn\] .*"sticky" with a cookie "__Host-route" needs "secure", "path=\/" and no "domain=":\n\z/]
--- no_error_log
[emerg]



=== a sticky of each kind in one upstream
--- upstreams
upstream u { sticky; sticky cookie a; server A:; }
--- must_die
--- suppress_stderr
--- error_log eval
qr/"sticky" and (?:nginx's own "sticky"|"sticky cookie") are both specified, remove one of them/



=== a sticky of each kind in one upstream, in reverse order
--- upstreams
upstream u { sticky cookie a; sticky name=a; server A:; }
--- must_die
--- suppress_stderr
--- error_log eval
qr/(?:"sticky" and nginx's own "sticky"|"sticky cookie" and "sticky") are both specified, remove one of them/



=== sticky twice in one upstream
--- upstreams
upstream u { sticky hash=sha1; sticky; server A:; }
--- client
equals(set(visit('/u/', undef, 1983)), 'route=' . md5_hex($line{A}) . '; Path=/', 'the last one is used');
--- error_log
duplicate "sticky" directive, the last one is used



=== sticky and session_sticky in one upstream
--- upstreams
upstream u { session_sticky; sticky; server A:; }
--- must_die
--- suppress_stderr
--- error_log
"session_sticky" and "sticky" are both specified, remove one of them in



=== two kinds of IDs
--- upstreams
upstream u { sticky hash=md5 text=raw; server A:; }
--- must_die
--- suppress_stderr
--- error_log
"hash=", "hmac=" and "text=" are mutually exclusive in "sticky" directive in



=== hmac without a key
--- upstreams
upstream u { sticky hmac=md5; server A:; }
--- must_die
--- suppress_stderr
--- error_log
"sticky" with hmac= needs "hmac_key=" in



=== an empty key
--- upstreams
upstream u { sticky hmac=md5 hmac_key=; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid value "" of parameter "hmac_key" in "sticky" directive, it must be a text in



=== a delimiter that a cookie cannot contain
--- upstreams
upstream u { sticky transfer "delimiter=;"; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid value ";" of parameter "delimiter" in "sticky" directive, it must be text without ';' and control characters in



=== an expiry time of zero
--- upstreams
upstream u { sticky expires=0; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid value "0" of parameter "expires" in "sticky" directive, it must be a time of at least one second



=== an unknown hmac
--- upstreams
upstream u { sticky hmac=sha256 hmac_key=a; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid value "sha256" of parameter "hmac" in "sticky" directive, it must be "md5" or "sha1" in



=== a text other than raw, md5 and sha1
--- upstreams
upstream u { sticky text=base64; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid value "base64" of parameter "text" in "sticky" directive, it must be "raw", "md5" or "sha1" in



=== a single unknown parameter, also with nginx's own directive
--- upstreams
upstream u { sticky nofallback; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "nofallback" in "sticky" directive, it must be one of: name=, domain=,



=== an unknown value
--- upstreams
upstream u { sticky hash=sha256; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid value "sha256" of parameter "hash" in "sticky" directive, it must be "index", "md5" or "sha1" in



=== an unknown parameter
--- upstreams
upstream u { sticky name=a nofallback; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "nofallback" in "sticky" directive, it must be one of: name=, domain=, path=, expires=, hash=, hmac=, hmac_key=, text=, no_fallback, hide_cookie, transfer, delimiter=, secure, httponly, preserve in



=== sticky_no_fallback twice
--- upstreams
upstream u { sticky; server A:; }
--- locations
location /a { sticky_no_fallback; sticky_no_fallback; }
--- must_die
--- suppress_stderr
--- error_log
"sticky_no_fallback" directive is duplicate in
