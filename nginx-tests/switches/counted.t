# The counts of session_sticky_status when persistence is switched off, and when the application's own cookie is preserved,
# compared with the variables in the log. See lib/Counted.pm for the notation.

use Sticky qw(Upstreams Counted FaultyServers Visits);

our $faulty = FaultyServers->new(1991);
$port{one} = 1991;
$line{one} = '127.0.0.1:1991';

client_sections();
counted_sections(<<'_EOC_');
location /sets { add_header Set-Cookie "route=$arg_value"; return 200 "NAME"; }
location /to-on { add_header X-Accel-Redirect /on/; return 200 "NAME"; }
location /to-off { add_header X-Accel-Redirect /off/; return 200 "NAME"; }
_EOC_

sub posts {
    my ($path, $cookie, $wanted) = @_;
    $cookie = defined $cookie ? "Cookie: $cookie\r\n" : '';
    return counts_of(sub { response(say_to_nginx("POST $path HTTP/1.0\r\nHost: localhost\r\n$cookie\r\n", 1983)) }, $wanted, "POST $path");
}

master_on();
run_tests();

__DATA__

=== if=: off is off, with any cookie and any mode
--- upstreams
upstream u      { session_sticky if=$arg_on; server A:; server D: down; }
upstream strict { session_sticky if=$arg_on fallback=off; server A:; server D: down; }
upstream prefix { session_sticky if=$arg_on mode=prefix; server A:; }
upstream route  { session_sticky if=$arg_on mode=route lookup=$cookie_to; server A: id=a; server D: id=d down; }
upstream learn  { session_sticky if=$arg_on mode=learn lookup=$cookie_to create=$cookie_to zone=learned:64k; server A:; }
--- client
for my $cookie (undef, "route=$id{A}", "route=$id{D}", 'route=nobody', 'route=|') {
    counts('/u/', $cookie, 'u off/unused/none A');
    counts('/strict/', $cookie, 'strict off/unused/none A');
}
counts('/u/?on=1', "route=$id{A}", 'u bound/valid/none A');
counts('/u/?on=1', "route=$id{D}", 'u moved/down/inserted A, away D');
counts('/u/?on=1', undef, 'u new/none/inserted A');
counts('/prefix/sets?value=x', "route=$id{A}~x", 'prefix off/unused/none A');
counts('/prefix/sets?on=1&value=x', "route=$id{A}~x", 'prefix bound/valid/prefixed A');
counts('/route/', 'to=d', 'route off/unused/none A');
counts('/route/?on=1', 'to=a', 'route bound/valid/none A');
counts('/learn/', 'to=x', 'learn off/unused/none A');
counts('/learn/?on=1', 'to=x', 'learn new/none/none A');
counts('/learn/', 'to=x', 'learn off/unused/none A');
counts('/learn/?on=1', 'to=x', 'learn bound/valid/none A');



=== if=: counted once, however many servers are tried, and also if none answers
--- upstreams
upstream u    { session_sticky if=$arg_on; server D: max_fails=0; server A:; }
upstream dead { session_sticky if=$arg_on; server D: max_fails=0; server E: max_fails=0; }
upstream f    { session_sticky if=$arg_on; server 127.0.0.1:1991; }
--- client
counts('/u/', undef, 'u off/unused/none A') for 1 .. 4;
counts('/dead/', undef, 'dead off/unused/none -') for 1 .. 2;
my $asked;
counts_of(sub {
    $asked = say_to_nginx("GET /f/ HTTP/1.0\r\nHost: localhost\r\nX-Id: leaves\r\nX-Plan: hang\r\n\r\n", 1983);
    $faulty->port_of('leaves');
    close $asked;
}, 'f off/unused/none -', 'a client that disconnects');
counts_of(sub {
    response(say_to_nginx("GET /f/ HTTP/1.0\r\nHost: localhost\r\nX-Id: cut\r\nX-Plan: body-empty\r\n\r\n", 1983));
}, 'f off/unused/none one', 'a response that is cut off');



=== if=: each upstream of an internal redirect counts separately
--- upstreams
upstream on  { session_sticky cookie=on; server A:; server D: down; }
upstream off { session_sticky if=$arg_on; server B:; server D: down; }
--- locations
location /intercepted/ { proxy_intercept_errors on; error_page 404 = /on/; proxy_pass http://off/missing/; }
location = /on/main { auth_request /off/sub; proxy_pass http://on/; }
location = /off/sub { proxy_pass http://off/; }
--- client
counts('/off/to-on', undef, '+off off/unused/none B | on new/none/inserted A');
counts('/on/to-off', undef, '+on new/none/inserted A | off off/unused/none B');
counts('/on/to-off?on=1', undef, '+on new/none/inserted A | off off/unused/none B');
counts('/on/main', "on=$id{A}", 'off off/unused/none B | on bound/valid/none A');



=== if=: in every worker, with a zone
--- workers: 3
--- upstreams
map $uri $on { /u/on/ 1; default 0; }
upstream u { zone u 64k; session_sticky if=$on; server A:; server B:; }
--- client
for my $path ('/u/', '/u/on/') {
    my @visits = everywhere($path, "route=$id{A}");
    wants($path eq '/u/' ? 'u off/unused/none -' : 'u bound/valid/none A') for @visits;
    as_wanted("$path, once per request");
}



=== preserve: cookies set or deleted by the application
--- upstreams
upstream u      { session_sticky preserve; server A:; server D: down; }
upstream hidden { session_sticky preserve option=indirect; server A:; server D: down; }
upstream strict { session_sticky preserve fallback=off; server A:; }
upstream prefix { session_sticky preserve mode=prefix; server A:; server D: down; }
upstream rewrite { session_sticky preserve mode=rewrite; server A:; }
upstream ng     { sticky preserve; server A:; server D: down; }
upstream plain  { session_sticky; server A:; }
--- client
for my $name (qw(u hidden ng)) {
    my $away = $name eq 'ng' ? 'lent/down' : 'moved/down';
    my $again = $name eq 'ng' ? 'updated' : 'none';
    counts("/$name/sets?value=x", undef, "$name new/none/preserved A");
    counts("/$name/sets?value=", undef, "$name new/none/deleted A");
    counts("/$name/sets?value=x", "route=$id{A}", "$name bound/valid/preserved A");
    counts("/$name/sets?value=", "route=$id{A}", "$name bound/valid/deleted A");
    counts("/$name/", "route=$id{A}", "$name bound/valid/$again A");
    counts("/$name/", undef, "$name new/none/inserted A");
}
counts('/u/sets?value=', "route=$id{D}", 'u moved/down/deleted A, away D');
counts('/strict/sets?value=', "route=$id{A}", 'strict bound/valid/deleted A');
counts('/prefix/sets?value=x', "route=$id{A}~x", 'prefix bound/valid/prefixed A');
counts('/prefix/sets?value=', "route=$id{A}~x", 'prefix bound/valid/deleted A');
counts('/rewrite/sets?value=x', "route=$id{A}", 'rewrite bound/valid/rewritten A');
counts('/rewrite/sets?value=', "route=$id{A}", 'rewrite bound/valid/deleted A');
counts('/plain/sets?value=', "route=$id{A}", 'plain bound/valid/none A');



=== postonly: POST binds sessions, other methods are lent a server
--- upstreams
upstream u { session_sticky postonly; server A:; server D: down; }
--- client
counts('/u/', undef, 'u new/none/none A');
posts('/u/', undef, 'u new/none/inserted A');
counts('/u/', "route=$id{A}", 'u bound/valid/none A');
posts('/u/', "route=$id{A}", 'u bound/valid/none A');
counts('/u/', "route=$id{D}", 'u lent/down/none A, away D');
posts('/u/', "route=$id{D}", 'u moved/down/inserted A, away D');
counts('/u/', 'route=nobody', 'u lent/unknown/none A');
posts('/u/', 'route=nobody', 'u new/unknown/inserted A');



=== refresh=: a session with fresh timestamps continues, and nothing is set
--- upstreams
upstream u { session_sticky maxidle=1h refresh=10m; server A:; server D: down; }
upstream lends { session_sticky maxidle=1h refresh=10m rebind=off; server A:; server D: down; }
upstream hides { session_sticky maxidle=1h refresh=10m option=indirect; server A:; }
--- client
my $now = time;
my ($young, $old, $gone) = map { '|' . ($now - $_) . '|' . ($now - 9000) } 60, 700, 3700;
counts('/u/', "route=$id{A}$young", 'u bound/valid/none A') for 1 .. 3;
counts('/u/', "route=$id{A}$old", 'u bound/valid/updated A');
counts('/u/', "route=$id{A}$gone", 'u new/expired/inserted A');
counts('/u/', "route=$id{D}$young", 'u moved/down/inserted A, away D');
counts('/lends/', "route=$id{D}$young", 'lends lent/down/none A, away D');
counts('/lends/', "route=$id{D}$old", 'lends lent/down/updated A, away D');
counts('/hides/sets?value=x', "route=$id{A}$young", 'hides bound/valid/updated A');
counts('/hides/', "route=$id{A}$young", 'hides bound/valid/none A');
