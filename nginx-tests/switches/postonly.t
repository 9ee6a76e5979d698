# postonly: only the response to a POST sets the cookie, whatever the reason. A session that cannot get a cookie is
# served by always the same other server while its own is unavailable.

use Sticky qw(Upstreams Visits);

client_sections();
upstream_sections(<<'_EOC_');
location /sets { add_header Set-Cookie "route=own; HttpOnly"; return 200 "NAME"; }
location /accel { add_header X-Accel-Redirect $arg_to; return 200; }
location /503 { return 503; }
_EOC_

# The servers of eight identical requests, each listed once; with load balancing there would be more than one.
sub bodies_of { my ($path, $cookie) = @_; return bodies(map { visit($path, $cookie, 1983) } 1 .. 8) }

sub posted {
    my ($path, $cookie, $method) = @_;
    $cookie = defined $cookie ? "Cookie: " . Servers::expand($cookie) . "\r\n" : '';
    $method //= 'POST';
    return response(say_to_nginx("$method $path HTTP/1.0\r\nHost: localhost\r\n${cookie}Content-Length: 1\r\n\r\nx", 1983));
}

run_tests();

__DATA__

=== first visits: POST sets the cookie, other methods do not
--- upstreams
upstream u { session_sticky postonly; server A:; server B:; }
--- client
equals(bodies_of('/u/'), 'A | B', 'GET is load-balanced');
equals(cookies(map { visit('/u/', undef, 1983) } 1 .. 4), '', 'GET sets no cookie');
equals(set(posted('/u/', undef, $_)), '', "$_ sets no cookie") for qw(HEAD PUT DELETE PATCH OPTIONS);
my %bound = map { my $response = posted('/u/'); body($response) => bound($response) } 1 .. 2;
equals($bound{$_}, $id{$_}, "POST sets the cookie of $_") for qw(A B);
equals(set(posted('/u/', undef, 'PoST')), '', 'methods are case-sensitive');
equals(set(posted('/u/sets')) =~ s/route=[0-9a-f]+;/route=ID;/r, 'route=own; HttpOnly|route=ID; Path=/', "in addition to the server's own");
--- no_error_log
[alert]



=== a valid cookie selects the server with any method, and nothing is set
--- upstreams
upstream u { session_sticky postonly; server A:; server B:; }
--- client
for my $name (qw(A B)) {
    equals(bodies_of('/u/', "route=$id{$name}"), $name, "GET of $name");
    my @posts = map { posted('/u/', "route=$id{$name}") } 1 .. 4;
    equals(bodies(@posts), $name, "POST of $name");
    equals(cookies(@posts), '', 'nothing is set');
}



=== timestamps are renewed by POST
--- upstreams
upstream idle { session_sticky postonly maxidle=1h cookie=idle; server A:; server B:; }
upstream refreshed { session_sticky postonly maxidle=1h refresh=10m cookie=refreshed; server A:; server B:; }
--- client
my $now = time;
for my $name (qw(idle refreshed)) {
    my $cookie = "$name=$id{B}|" . ($now - 700) . '|' . ($now - 900);
    my $response = visit("/$name/", $cookie, 1983);
    equals(body($response) . set($response), 'B', "$name: GET reaches the server, and renews nothing");
    $response = posted("/$name/", $cookie);
    holds(body($response) eq 'B' && bound($response) =~ /^$id{B}\|\d+\|@{[$now - 900]}$/, "$name: POST renews it: " . bound($response));
    my $expired = "$name=$id{B}|" . ($now - 3700) . '|' . ($now - 4000);
    equals(set(visit("/$name/", $expired, 1983)), '', "$name: GET with an expired session");
    holds(bound(posted("/$name/", $expired)) =~ /^[0-9a-f]{32}\|(\d+)\|\1$/, "$name: POST begins a new session");
}
my $young = "refreshed=$id{B}|" . ($now - 60) . '|' . ($now - 900);
equals(set(posted('/refreshed/', $young)), '', 'POST keeps fresh timestamps');



=== a session whose server is down: GET is always served by the same other one, POST moves the session
--- upstreams
upstream u { session_sticky postonly; server A:; server B:; server C:; server D: down; }
--- client
my $lent = bodies_of('/u/', "route=$id{D}");
holds($lent =~ /^[ABC]$/, "always the same other server: $lent");
equals(cookies(map { visit('/u/', "route=$id{D}", 1983) } 1 .. 4), '', 'nothing is set');
my $response = posted('/u/', "route=$id{D}");
equals(bound($response), $id{body($response)}, 'POST moves the session');
$lent = bodies_of('/u/', 'route=nobody');
holds($lent =~ /^[ABC]$/, "the same for an unknown ID: $lent");
$response = posted('/u/', 'route=nobody');
equals(bound($response), $id{body($response)}, 'POST gives it a new cookie');
equals(bodies_of('/u/', 'route=|'), 'A | B | C', 'an invalid cookie counts as none');



=== the same if the server fails
--- upstreams
upstream u { session_sticky postonly; server A:; server B:; server C:; server D: max_fails=0; }
--- locations
location /tried/ { proxy_next_upstream error non_idempotent; proxy_pass http://u/; }
--- client
my @visits = map { visit('/tried/', "route=$id{D}", 1983) } 1 .. 8;
my $lent = bodies(@visits);
holds($lent =~ /^[ABC]$/, "always the same other server: $lent");
equals(cookies(@visits), '', 'nothing is set');
my $response = posted('/tried/', "route=$id{D}");
equals(bound($response), $id{body($response)}, 'POST moves the session');
--- no_error_log
[alert]



=== fallback=off: the same as without postonly
--- upstreams
upstream strict { session_sticky postonly fallback=off; server A:; server D: down; }
--- client
for my $cookie ("route=$id{D}", 'route=nobody') {
    equals(status(visit('/strict/', $cookie, 1983)), '502', 'GET');
    equals(status(posted('/strict/', $cookie)), '502', 'POST');
}
equals(set(visit('/strict/', undef, 1983)), '', 'GET without a cookie');
equals(bound(posted('/strict/')), $id{A}, 'POST without a cookie');
--- no_error_log
[alert]



=== accept=: a cookie in another form is upgraded by POST
--- upstreams
upstream u { session_sticky postonly accept=plain; server A:; server B:; }
--- client
equals(bodies_of('/u/', "route=$line{B}"), 'B', 'GET reaches its server');
equals(set(visit('/u/', "route=$line{B}", 1983)), '', 'nothing is set');
equals(bound(posted('/u/', "route=$line{B}")), $id{B}, 'POST upgrades the cookie');



=== option=indirect: a server's own cookie of that name is removed nevertheless
--- upstreams
upstream u { session_sticky postonly option=indirect; server A:; server B:; }
--- client
equals(set(visit('/u/sets', undef, 1983)), '', 'a first visit by GET');
equals(set(visit('/u/sets', "route=$id{B}", 1983)), '', 'GET of a session');
equals(set(posted('/u/sets', "route=$id{B}")), "route=$id{B}; Path=/", "POST replaces it with the module's cookie");



=== preserve: the application's cookie is set, by any method
--- upstreams
upstream u { session_sticky postonly preserve option=indirect; server A:; server B:; }
--- client
equals(set(visit('/u/sets', undef, 1983)), 'route=own; HttpOnly', 'GET');
equals(set(posted('/u/sets')), 'route=own; HttpOnly', 'POST');
equals(set(visit('/u/', undef, 1983)), '', "GET, without an application's cookie");
holds(bound(posted('/u/')) =~ /^[0-9a-f]{32}$/, "POST, without an application's cookie");



=== X-Accel-Redirect: nginx continues with GET, and the cookie for the POST is set
--- upstreams
upstream u { session_sticky postonly; server A:; }
upstream v { session_sticky postonly cookie=v; server B:; }
upstream plain { server C:; }
upstream all { session_sticky cookie=all; server C:; }
--- locations
location = /file { return 200 "file"; }
location /by-method/ { proxy_pass http://plain/; add_header X-Method $request_method; }
--- client
equals(head('X-Method', posted('/u/accel?to=/by-method/')), 'GET', 'nginx continues with GET');
equals(set(posted("/u/accel?to=$_")), "route=$id{A}; Path=/", "to $_") for '/file', '/plain/', '/v/';
equals(set(posted('/u/accel?to=/all/')), "all=$id{C}; Path=/|route=$id{A}; Path=/", 'to an upstream that sets its cookie by any method');
equals(set(visit("/u/accel?to=$_", undef, 1983)), '', "GET to $_") for '/file', '/plain/', '/v/';



=== X-Accel-Redirect to the same upstream: the session of the POST is renewed and upgraded as without it
--- upstreams
upstream stamps { session_sticky postonly maxidle=1h; server A:; }
upstream moved { session_sticky postonly hash=plain accept=md5 cookie=moved; server A:; }
--- client
my $old = time - 500;
my $set = set(posted('/stamps/accel?to=/stamps/', "route=$id{A}|$old|$old"));
holds($set =~ /^route=$id{A}\|(\d+)\|$old; Path=\/$/ && $1 > $old, "renewed: $set");
equals(set(posted('/moved/accel?to=/moved/', "moved=$id{A}")), "moved=$line{A}; Path=/", 'upgraded');
equals(set(visit('/moved/accel?to=/moved/', "moved=$id{A}", 1983)), '', 'GET');



=== X-Accel-Redirect to an upstream with the same cookie name: the GET does not set that cookie
--- upstreams
upstream u { session_sticky postonly; server A:; }
upstream other { session_sticky postonly; server B:; }
upstream all { session_sticky; server C:; }
--- may_warn
is also that of upstream
--- client
equals(set(posted('/u/accel?to=/other/')), "route=$id{A}; Path=/", 'the cookie for the POST is set');
equals(set(posted('/u/accel?to=/u/')), "route=$id{A}; Path=/", 'the same upstream');
equals(set(posted('/u/accel?to=/u/', "route=$id{A}")), '', 'the same upstream, with a session');
equals(set(posted('/u/accel?to=/other/', "route=$id{A}")), '', 'a session of the first upstream');
equals(set(posted('/u/accel?to=/other/', "route=$id{B}")), '', 'a session of the second upstream is kept');
equals(set(posted('/u/accel?to=/all/')), "route=$id{C}; Path=/", 'an upstream that sets its cookie by any method');
equals(set(visit('/u/accel?to=/other/', undef, 1983)), '', 'GET');
--- no_error_log
[error]



=== intercepted errors, and error_page to a named location, which keeps the method
--- upstreams
upstream u { session_sticky postonly; server A:; }
upstream v { session_sticky postonly cookie=v; server B:; }
--- locations
proxy_intercept_errors on;
location /named/ { error_page 503 = @v; proxy_pass http://u/; }
location /by-uri/ { error_page 503 = /v/; proxy_pass http://u/; }
location @v { rewrite ^ / break; proxy_pass http://v; }
--- client
equals(set(posted('/named/503')), "v=$id{B}; Path=/|route=$id{A}; Path=/", 'by name');
equals(set(posted('/by-uri/503')), "route=$id{A}; Path=/", 'by URI');
equals(set(visit('/named/503', undef, 1983)), '', 'GET');



=== a subrequest of a POST is a GET, and sets nothing
--- upstreams
upstream u { session_sticky postonly; server A:; }
upstream v { session_sticky postonly cookie=v; server B:; }
--- locations
location = /u/main { auth_request /asked; proxy_pass http://u/; }
location = /asked { internal; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_pass http://v/; }
--- client
equals(set(posted('/u/main')), "route=$id{A}; Path=/", 'only the main request');



=== proxy_method changes the method for the server, not that of the client
--- upstreams
upstream u { session_sticky postonly; server A:; }
upstream v { session_sticky postonly cookie=v; server B:; }
--- locations
location /u/as-get { proxy_method GET; proxy_pass http://u/; }
location /v/as-post { proxy_method POST; proxy_pass http://v/; }
--- client
equals(set(posted('/u/as-get')), "route=$id{A}; Path=/", 'POST');
equals(set(visit('/v/as-post', undef, 1983)), '', 'GET');



=== other load-balancing methods, and a zone
--- upstreams
upstream least { zone least 64k; least_conn; session_sticky postonly cookie=least; server A:; server B:; server D: down; }
upstream hash  { hash $arg_key; session_sticky postonly cookie=hash; server A:; server B:; server D: down; }
upstream ip    { ip_hash; session_sticky postonly cookie=ip; server A:; server B:; server D: down; }
--- client
for my $name (qw(least hash ip)) {
    equals(set(visit("/$name/?key=1", undef, 1983)), '', "$name: GET");
    my $response = posted("/$name/?key=1");
    equals(bound($response), $id{body($response)}, "$name: POST");
    holds(bodies_of("/$name/?key=1", "$name=$id{D}") =~ /^[AB]$/, "$name: always the same other server");
    equals(bodies(map { visit("/$name/?key=$_", "$name=$id{B}", 1983) } 1 .. 8), 'B', "$name: a session stays");
}
