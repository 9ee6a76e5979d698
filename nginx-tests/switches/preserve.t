# preserve: the application may set the cookie itself, in particular to end a session. Its field is sent to the client
# unchanged, without a cookie of the module in addition; with mode=prefix and mode=rewrite this applies only to fields
# that delete the cookie.
#
# lib/SettingServers.pm describes the servers, which set the fields in "set_cookie". X-Did is $session_sticky_action.

use Sticky qw(SettingServers);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(config => "add_header X-Did \$session_sticky_action always;\n" . ($block->config // 'location /t/ { proxy_pass http://u/; }'));
});
setting_sections('preserve option=indirect');

# Set-Cookie fields of a server: those that delete the cookie, those that do not, and those that set another.
my %forms = (
    'max-age-0'    => 'route=x; Max-Age=0',
    'max-age-00'   => 'route=x; max-age = 00 ; Path=/',
    'negative'     => 'route=x; Path=/; MAX-AGE=-1',
    'tomcat'       => 'route=; Max-Age=0; Expires=Thu, 01-Jan-1970 00:00:10 GMT; Path=/; HttpOnly',
    'tomcat-value' => 'route=x; Expires=Thu, 01-Jan-1970 00:00:10 GMT; Path=/',
    'php'          => 'route=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/',
    'rfc1123'      => 'route=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
    'rfc850'       => 'route=x; Expires=Thursday, 01-Jan-70 00:00:00 GMT',
    'asctime'      => 'route=x; Expires=Thu Jan  1 00:00:00 1970',
    'recent'       => 'route=x; Expires=Mon, 01 Jan 2024 10:00:00 GMT',
    'lower'        => 'route=x;expires=thu, 01 jan 1970 00:00:00 gmt',
    'both'         => 'route=x; Max-Age=0; Expires=Fri, 31 Dec 9999 23:59:59 GMT',
    'unreadable'   => 'route=x; Max-Age=soon; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
    'last'         => 'route=x; Max-Age=60; Max-Age=0',
    'quoted'       => 'route="x"; Max-Age=0',

    'lives'        => 'route=x; Path=/',
    'lives-long'   => 'route=x; Max-Age=60',
    'lives-first'  => 'route=x; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
    'lives-last'   => 'route=x; Max-Age=0; Max-Age=60',
    'lives-date'   => 'route=x; Expires=Fri, 31 Dec 9999 23:59:59 GMT',
    'lives-zero'   => 'route=x; Expires=0',
    'lives-word'   => 'route=x; Max-Age',
    'lives-other'  => 'route=x; X-Max-Age=0; Expired=Thu, 01 Jan 1970 00:00:00 GMT',
    'lives-value'  => 'route=Max-Age=0',
    'lives-odd'    => 'route="; Max-Age=60',

    'not-other'    => 'routes=; Max-Age=0',
    'not-case'     => 'Route=; Max-Age=0',
    'not-pair'     => 'route; Max-Age=0',
    'not-inside'   => 'a=route=; Max-Age=0',
);
our @kinds = map { [$_, $forms{$_}] } sort keys %forms;

sub outcome {
    my ($path, $cookie) = @_;
    my $response = visit($path, $cookie);
    return set($response) . ' ' . head('X-Did', $response);
}

visit_lines(path => '/t/', answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== the application's cookie is sent to the client instead of the module's
--- set_cookie
route=own; Path=/app; HttpOnly
other=1
--- visits
-> A, sets "route=own; Path=/app; HttpOnly, other=1", X-Did "preserved"
route=ID_B -> B, sees nothing, sets "route=own; Path=/app; HttpOnly, other=1", X-Did "preserved"
route=nobody -> B, sets "route=own; Path=/app; HttpOnly, other=1", X-Did "preserved"
/t/sets-nothing -> A, sets "route=ID_A; Path=/", X-Did "inserted"
/t/sets-nothing route=ID_B -> B, sets nothing, X-Did "none"



=== logout: the cookie is deleted, and the next request is a first visit
--- set_cookie
route=; Path=/; Max-Age=0
--- visits
/t/sets-nothing route=ID_B -> B, sets nothing, X-Did "none"
route=ID_B -> B, sets "route=; Path=/; Max-Age=0", X-Did "deleted"
/t/sets-nothing -> A, sets "route=ID_A; Path=/", X-Did "inserted"



=== option=direct: the same
--- sticky: preserve
--- set_cookie
route=; Path=/; Max-Age=0
--- visits
route=ID_B -> B, sees "route=ID_B", sets "route=; Path=/; Max-Age=0", X-Did "deleted"
-> A, sets "route=; Path=/; Max-Age=0", X-Did "deleted"
/t/sets-nothing -> B, sets "route=ID_B; Path=/", X-Did "inserted"
--- no_error_log
[warn]
[error]



=== without preserve, the module's cookie replaces the application's, or is sent in addition
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky option=indirect; }
upstream v { server 127.0.0.1:1985; session_sticky cookie=other; }
--- config
location /t/ { proxy_pass http://u/; }
location /v/ { proxy_pass http://v/; }
--- set_cookie
route=; Path=/; Max-Age=0
other=; Max-Age=0
--- visits
route=ID_A -> A, sets "other=; Max-Age=0, route=ID_A; Path=/", X-Did "updated"
/v/ -> A, sets "route=; Path=/; Max-Age=0, other=; Max-Age=0, other=ID_A; Path=/", X-Did "inserted"
--- may_warn
a server of upstream "v" also sets a cookie "other", and browsers keep only one of them



=== a field that deletes the cookie: an empty value
--- set_cookie
route=
--- visits
route=ID_B -> sets "route=", X-Did "deleted"



=== a field that deletes the cookie: empty quotes
--- set_cookie
route=""; Path=/
--- visits
route=ID_B -> sets "route=\"\"; Path=/", X-Did "deleted"



=== a field that deletes the cookie: white space
--- set_cookie
route = ; Path=/
--- visits
route=ID_B -> sets "route = ; Path=/", X-Did "deleted"



=== fields that delete the cookie, and fields that do not
--- http_config eval
my $locations = CORE::join '', map { my $text = $_->[1] =~ s/(["\\])/\\$1/gr; "location /$_->[0] { add_header Set-Cookie \"$text\"; return 200 x; }\n" } @main::kinds;
"server { listen 127.0.0.1:1991; $locations }
upstream u { server 127.0.0.1:1991; session_sticky preserve; }
upstream hides { server 127.0.0.1:1991; session_sticky preserve option=indirect; }
upstream prefix { server 127.0.0.1:1991; session_sticky preserve mode=prefix; }
upstream rewrite { server 127.0.0.1:1991; session_sticky preserve mode=rewrite; }\n"
--- config
location /t/ { proxy_pass http://u/; }
location /hides/ { proxy_pass http://hides/; }
location /prefix/ { proxy_pass http://prefix/; }
location /rewrite/ { proxy_pass http://rewrite/; }
--- client
my $id = Digest::MD5::md5_hex('127.0.0.1:1991');
for (@kinds) {
    my ($kind, $field) = @$_;
    my $did = $kind =~ /^not-/ ? 'none' : $kind =~ /^lives/ ? 'preserved' : 'deleted';
    equals(outcome("/t/$kind", "route=$id"), "$field $did", "$field: insert");
    equals(outcome("/hides/$kind", "route=$id"), "$field $did", "$field: option=indirect");
    equals(outcome("/t/$kind"), $did eq 'none' ? "$field|route=$id; Path=/ inserted" : "$field $did", "$field: a first visit");
    my %edited = (prefix => $field =~ s/^route *= */$&$id~/r . ' prefixed', rewrite => $field =~ s/^route=\K[^;]*/$id/r . ' rewritten');
    for my $mode (sort keys %edited) {
        my $wanted = $did eq 'preserved' ? $edited{$mode} : "$field $did";
        equals(outcome("/$mode/$kind", $mode eq 'prefix' ? "route=$id~x" : "route=$id"), $wanted, "$field: mode=$mode");
    }
}



=== mode=prefix: a field that deletes the cookie gets no ID, one that sets it does
--- sticky: mode=prefix preserve
--- set_cookie
route=; Max-Age=0; Expires=Thu, 01-Jan-1970 00:00:10 GMT; Path=/app
other=; Max-Age=0
--- visits
route=ID_B~x -> B, sees "route=x", sets "route=; Max-Age=0; Expires=Thu, 01-Jan-1970 00:00:10 GMT; Path=/app, other=; Max-Age=0", X-Did "deleted"
-> A, sets "route=; Max-Age=0; Expires=Thu, 01-Jan-1970 00:00:10 GMT; Path=/app, other=; Max-Age=0", X-Did "deleted"



=== mode=prefix without preserve: the ID is prepended to an empty value
--- sticky: mode=prefix
--- set_cookie
route=; Max-Age=0
--- visits
route=ID_B~x -> B, sees "route=x", sets "route=ID_B~; Max-Age=0", X-Did "prefixed"



=== mode=rewrite without preserve: the ID replaces an empty value
--- sticky: mode=rewrite
--- set_cookie
route=; Max-Age=0
--- visits
route=ID_B -> B, sets "route=ID_B; Max-Age=0", X-Did "rewritten"



=== with timestamps: a field that ends the session is sent without the module's cookie
--- sticky: preserve option=indirect maxidle=1h maxlife=1d
--- set_cookie
route=; Max-Age=0
--- visits
route=ID_B|NOW-60|NOW-99 -> B, sets "route=; Max-Age=0", X-Did "deleted"
/t/sets-nothing route=ID_B|NOW-60|NOW-99 -> B, sets like "route=ID_B\|STAMP\|NOW-99; Path=/", X-Did "updated"
/t/sets-nothing -> A, sets like "route=ID_A\|STAMP\|STAMP; Path=/", X-Did "inserted"



=== with fresh timestamps, which are not renewed
--- sticky: preserve maxidle=1h refresh=10m
--- set_cookie
route=; Max-Age=0
--- visits
route=ID_B|NOW-60|NOW-99 -> B, sets "route=; Max-Age=0", X-Did "deleted"
/t/sets-nothing route=ID_B|NOW-60|NOW-99 -> B, sets nothing, X-Did "none"



=== two fields of that name: the last counts
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky preserve; }
--- set_cookie
route=; Max-Age=0
route=own
--- visits
route=ID_A -> A, sets "route=; Max-Age=0, route=own", X-Did "preserved"



=== two fields of that name, in reverse order
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky preserve option=indirect; }
--- set_cookie
route=own; Path=/app
route=; Max-Age=0; Path=/
--- visits
route=ID_A -> A, sets "route=own; Path=/app, route=; Max-Age=0; Path=/", X-Did "deleted"



=== two fields of that name, mode=prefix: each is treated separately
--- sticky: mode=prefix preserve
--- set_cookie
route=; Max-Age=0; Path=/old
route=own; Path=/
--- visits
route=ID_A~x -> A, sets "route=; Max-Age=0; Path=/old, route=ID_A~own; Path=/", X-Did "prefixed"



=== a session that moves: the application deletes the cookie
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1999 down; session_sticky preserve hash=plain; }
--- set_cookie
route=; Max-Age=0
--- visits
route=127.0.0.1:1999 -> A, sets "route=; Max-Age=0", X-Did "deleted"
/t/sets-nothing route=127.0.0.1:1999 -> A, sets "route=127.0.0.1:1985; Path=/", X-Did "inserted"



=== an error response of the server ends the session too
--- set_cookie
route=; Max-Age=0
--- visits
/t/500 route=ID_B -> 500, sets "route=; Max-Age=0", X-Did "deleted"



=== a value in another form is not upgraded by a field that deletes it
--- sticky: preserve accept=plain
--- set_cookie
route=; Max-Age=0
--- visits
route=127.0.0.1:1986 -> B, sets "route=; Max-Age=0", X-Did "deleted"
/t/sets-nothing route=127.0.0.1:1986 -> B, sets "route=ID_B; Path=/", X-Did "updated"



=== proxy_cookie_path and proxy_cookie_domain are applied first
--- config
location /t/ { proxy_cookie_path /app /; proxy_cookie_domain inside.test outside.test; proxy_pass http://u/; }
--- set_cookie
route=; Max-Age=0; path=/app; domain=inside.test
--- visits
route=ID_B -> B, sets like "route=; Max-Age=0; path=/; domain=outside.test", X-Did "deleted"



=== proxy_hide_header Set-Cookie: fields that the client does not get are not preserved
--- config
location /t/ { proxy_hide_header Set-Cookie; proxy_pass http://u/; }
--- set_cookie
route=; Max-Age=0
--- visits
-> A, sets "route=ID_A; Path=/", X-Did "inserted"
route=ID_B -> B, sets nothing, X-Did "none"



=== if= off: the application's cookies are kept, in every mode
--- http_config
upstream u { server 127.0.0.1:1985; session_sticky preserve if=$arg_on; }
upstream prefix { server 127.0.0.1:1985; session_sticky preserve mode=prefix cookie=app if=$arg_on; }
--- config
location /t/ { proxy_pass http://u/; }
location /prefix/ { proxy_pass http://prefix/; }
--- set_cookie
route=; Max-Age=0
app=; Max-Age=0
--- visits
route=ID_A -> sets "route=; Max-Age=0, app=; Max-Age=0", X-Did "none"
/t/?on=1 route=ID_A -> sets "route=; Max-Age=0, app=; Max-Age=0", X-Did "deleted"
/prefix/ app=ID_A~x -> sets "route=; Max-Age=0, app=; Max-Age=0", X-Did "none"
/prefix/?on=1 app=ID_A~x -> sets "route=; Max-Age=0, app=; Max-Age=0", X-Did "deleted"



=== "sticky" of nginx-sticky-module-ng: without preserve its cookie replaces any other, with it the session can end
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; sticky preserve; }
upstream v { server 127.0.0.1:1985; server 127.0.0.1:1986; sticky name=app preserve path=/app; }
upstream w { server 127.0.0.1:1985; server 127.0.0.1:1986; sticky name=old; }
--- config
location /t/ { proxy_pass http://u/; }
location /v/ { proxy_pass http://v/; }
location /w/ { proxy_pass http://w/; }
--- set_cookie
route=; Max-Age=0
app=x
old=; Max-Age=0
--- visits
route=ID_B -> B, sees "route=ID_B", sets "route=; Max-Age=0, app=x, old=; Max-Age=0", X-Did "deleted"
/v/ app=ID_B -> B, sets "route=; Max-Age=0, app=x, old=; Max-Age=0", X-Did "preserved"
/v/sets-nothing app=ID_B -> B, sets "app=ID_B; Path=/app", X-Did "updated"
/w/ old=ID_B -> B, sets "route=; Max-Age=0, app=x, old=ID_B; Path=/", X-Did "updated"
/t/sets-nothing route=ID_B -> B, sets "route=ID_B; Path=/", X-Did "updated"
/t/sets-nothing -> A, sets "route=ID_A; Path=/", X-Did "inserted"



=== X-Accel-Redirect: each upstream considers its own server's fields
--- http_config
server {
    listen 127.0.0.1:1991;
    location /logout { add_header Set-Cookie "s=; Max-Age=0"; add_header X-Accel-Redirect $arg_to; return 200; }
    location /login { add_header Set-Cookie "s=own"; add_header X-Accel-Redirect $arg_to; return 200; }
    location / { return 200 "end"; }
}
upstream u { server 127.0.0.1:1991; session_sticky preserve cookie=s; }
upstream v { server 127.0.0.1:1985; session_sticky preserve cookie=v; }
upstream again { server 127.0.0.1:1985; session_sticky preserve option=indirect cookie=s; }
upstream prefix { server 127.0.0.1:1991; session_sticky preserve mode=prefix cookie=s; }
upstream plain { server 127.0.0.1:1985; }
--- config
location /t/ { proxy_pass http://u/; }
location /v/ { proxy_pass http://v/; }
location /again/ { proxy_pass http://again/; }
location /prefix/ { proxy_pass http://prefix/; }
location /plain/ { proxy_pass http://plain/; }
--- set_cookie
v=; Max-Age=0
--- visits
/t/logout?to=/plain/ s=x -> sets "s=; Max-Age=0, v=; Max-Age=0"
/t/logout?to=/v/ -> sets "s=; Max-Age=0, v=; Max-Age=0", X-Did "deleted"
/t/logout?to=/v/sets-nothing -> sets "s=; Max-Age=0, v=ID_A; Path=/", X-Did "inserted"
/t/login?to=/v/ -> sets "s=own, v=; Max-Age=0", X-Did "deleted"
/prefix/logout?to=/plain/sets-nothing -> sets "s=; Max-Age=0"
/prefix/login?to=/plain/sets-nothing -> sets like "s=[0-9a-f]{32}~own"
/t/logout?to=/again/sets-nothing s=ID_A -> sets "s=; Max-Age=0"
--- may_warn
is also that of upstream



=== X-Accel-Redirect to an upstream with the same cookie but without preserve: a field that ends the session ends it
--- http_config
server {
    listen 127.0.0.1:1991;
    location /logout { add_header Set-Cookie "s=; Max-Age=0"; add_header X-Accel-Redirect $arg_to; return 200; }
    location / { return 200 "end"; }
}
upstream u { server 127.0.0.1:1991; session_sticky preserve cookie=s; }
upstream v { server 127.0.0.1:1985; session_sticky cookie=s; }
upstream stamps { server 127.0.0.1:1985; session_sticky cookie=s maxidle=1h; }
--- config
location /t/ { proxy_pass http://u/; }
location /v/ { proxy_pass http://v/; }
location /stamps/ { proxy_pass http://stamps/; }
--- visits
/t/logout?to=/v/sets-nothing s=x -> sets "s=; Max-Age=0"
/t/logout?to=/v/sets-nothing s=ID_A -> sets "s=; Max-Age=0"
/t/logout?to=/stamps/sets-nothing s=ID_A -> sets "s=; Max-Age=0"
/v/sets-nothing -> sets "s=ID_A; Path=/"
--- may_warn
is also that of upstream



=== transfer: the application's value is passed on, and a field that deletes it ends the session
--- http_config
server {
    listen 127.0.0.1:1991;
    location /logout { add_header Set-Cookie "s=; Max-Age=0"; return 200 "end"; }
    location /login { add_header Set-Cookie "s=own; Path=/"; return 200 "end"; }
}
upstream u { server 127.0.0.1:1991; sticky name=s transfer preserve; }
--- config
location /t/ { proxy_pass http://u/; }
--- visits
/t/login -> sets like "s=[0-9a-f]{32}.own; ?.*"
/t/logout s=x -> sets "s=; Max-Age=0"



=== X-Accel-Redirect: a field that ends the session ends it, even if another response of the upstream is sent
--- http_config
server {
    listen 127.0.0.1:1991;
    location ~ ^/logout(/.*) { add_header Set-Cookie "$arg_name=; Max-Age=0"; add_header X-Accel-Redirect $1; return 200; }
    location ~ ^/accel(/.*) { add_header X-Accel-Redirect $1?$args; return 200; }
    location / { return 200 "end"; }
}
upstream u { server 127.0.0.1:1991; session_sticky preserve cookie=u; }
upstream stamps { server 127.0.0.1:1991; session_sticky preserve cookie=stamps maxidle=1h; }
upstream hides { server 127.0.0.1:1991; session_sticky preserve cookie=hides option=indirect maxidle=1h; }
upstream ng { server 127.0.0.1:1991; sticky preserve name=ng; }
upstream prefix { server 127.0.0.1:1991; session_sticky preserve cookie=u mode=prefix; }
upstream plain { server 127.0.0.1:1991; }
upstream other { server 127.0.0.1:1985; session_sticky preserve cookie=u; }
--- config
location /u/ { proxy_pass http://u/; }
location /stamps/ { proxy_pass http://stamps/; }
location /hides/ { proxy_pass http://hides/; }
location /ng/ { proxy_pass http://ng/; }
location /prefix/ { proxy_pass http://prefix/; }
location /plain/ { proxy_pass http://plain/; }
location /other/ { proxy_pass http://other/; }
--- request: GET /u/
--- client
my $id = Digest::MD5::md5_hex('127.0.0.1:1991');
my $now = time;
for my $name (qw(u stamps hides ng)) {
    for my $way ("/$name/logout/$name/", "/$name/logout/plain/", "/plain/logout/$name/", "/$name/accel/$name/logout/$name/") {
        for my $cookie (undef, "$name=$id", "$name=$id|" . ($now - 60) . '|' . ($now - 90), "$name=nobody") {
            equals(set(visit("$way?name=$name", $cookie)), "$name=; Max-Age=0", "$way " . ($cookie // '-'));
        }
    }
    equals(set(visit("/$name/accel/$name/logout/plain/?name=$name", "$name=$id")), "$name=; Max-Age=0", "$name: the second of three");
    holds(set(visit("/$name/logout/$name/?name=x")) =~ /^x=; Max-Age=0\|$name=$id\b/, "$name: another cookie has no effect");
}
equals(set(visit('/u/logout/other/?name=u')), 'u=; Max-Age=0', 'another upstream with the same cookie');
equals(set(visit('/u/logout/prefix/?name=u', "u=$id~x")), 'u=; Max-Age=0', 'mode=prefix after it');
equals(set(visit('/prefix/logout/u/?name=u', "u=$id")), 'u=; Max-Age=0', 'mode=prefix before it');
--- may_warn
is also that of upstream
