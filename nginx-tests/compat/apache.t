# Migration from Apache: accept=jvmroute. The cookies are those of Apache and Tomcat, and no client may move.
#
# Source of the values: Tomcat appends a dot and its jvmRoute to the ID of a session; Apache's manual sets
# "ROUTEID=.%{BALANCER_WORKER_ROUTE}e"; find_session_route in mod_proxy_balancer.c uses the text after the first dot.
#
# lib/Upstreams.pm has the servers and the sections, lib/Movers.pm the clients.

use Sticky qw(Keys Movers Upstreams Visits);

our @names = qw(A B C);
our %md5 = %id{@names};
our $session = '6F1B09C0D4E84C6A9F2E7F0C1B2A3D4E';
our %tomcat = map { $_ => "$session.tomcat" . lc } @names;
key_file('one', $key[0]);

mover_sections(<<'_EOC_', SERVERS => 'server A: id=tomcata; server B: id=tomcatb; server C: id=tomcatc;', KEYS => "$keys/one");
location /sets { add_header Set-Cookie "route=value"; return 200 "NAME"; }
location /sees { return 200 "NAME sees [$http_cookie]"; }
_EOC_

run_tests();

__DATA__

=== jvmRoute, with mode=prefix: Tomcat receives the value that it has set
--- workers: 2
--- upstreams
upstream md5   { session_sticky mode=prefix accept=jvmroute; SERVERS }
upstream plain { session_sticky mode=prefix hash=plain accept=jvmroute fallback=off; SERVERS }
upstream keys  { session_sticky mode=prefix hash=hmac key_file=KEYS accept=jvmroute; SERVERS }
--- client
my %new = (md5 => \%md5, plain => {map { $_ => 'tomcat' . lc } @names}, keys => {map { $_ => key_id($key[0], $_) } @names});
for my $path (sort keys %new) {
    for my $name (@names) {
        my @bound = everywhere("/$path/sees", "x=1; route=$tomcat{$name}; y=2");
        equals(bodies(@bound), "$name sees [x=1; route=$tomcat{$name}; y=2]", "$path: the session of $name stays");
        equals(cookies(@bound), '', 'without a new cookie');
        my $upgraded = visit("/$path/sets", "route=$tomcat{$name}", 1983);
        equals(body($upgraded), $name, 'also if the application sets the cookie');
        equals(bound($upgraded), "$new{$path}{$name}~value", 'which then gets the new value');
        equals(body(visit("/$path/sees", 'route=' . bound($upgraded), 1983)), "$name sees [route=value]", 'and the session continues');
    }
}



=== a route after an ID that belongs to no server
--- upstreams
upstream u { session_sticky mode=prefix hash=plain accept=jvmroute; SERVERS }
--- client
equals(bodies(everywhere('/u/sees', "route=$md5{A}~$tomcat{B}")), "B sees [route=$tomcat{B}]", 'the ID of the session');
equals(bodies(everywhere('/u/sees', "route=192.0.2.1:80~$tomcat{B}")), "B sees [route=$tomcat{B}]", 'an ID with dots');
equals(bodies(everywhere('/u/sees', "route=tomcata~$tomcat{B}")), "A sees [route=$tomcat{B}]", "the module's own ID takes precedence");



=== jvmRoute, with mode=route: as Apache, without a cookie of this module
--- upstreams
map $request_uri $jsessionid { "~;route=([^;?&]+)" $1; }
upstream u { session_sticky mode=route lookup=$jsessionid lookup=$cookie_route accept=jvmroute; SERVERS }
upstream r { session_sticky mode=route lookup=$cookie_route accept=jvmroute fallback=off; server A: route=a; server B: route=b; server C:; }
--- client
for my $name (@names) {
    my @bound = everywhere('/u/', "route=$tomcat{$name}");
    equals(bodies(@bound), $name, "the session of $name stays");
    equals(cookies(@bound), '', 'without a cookie of this module');
    equals(body(visit("/u/x;route=$tomcat{$name}?a=1", "route=$tomcat{A}", 1983)), $name, "the session of $name stays, with its ID in the path");
}
equals(bodies(everywhere('/r/', "route=$session.b")), 'B', 'route= in place of id=');
equals(bodies(everywhere('/r/', "route=$session.c")), '502', 'an unknown route, with fallback=off');
--- error_log
route names server
--- no_error_log
[alert]
[emerg]



=== ROUTEID, with mode=insert
--- upstreams
upstream u { session_sticky accept=jvmroute; server A: id=1; server B: id=2; server C: id=3; }
upstream p { session_sticky hash=plain accept=jvmroute maxidle=1h; server A: id=1; server B: id=2; server C: id=3; }
--- client
nobody_moves('/u/', {A => '.1', B => '.2', C => '.3'}, \%md5);
nobody_moves('/u/', {A => "$session.1", B => "$session.2", C => "$session.3"}, \%md5);
nobody_moves('/p/', {A => '.1', B => '.2', C => '.3'}, {A => '1\|\d+\|\d+', B => '2\|\d+\|\d+', C => '3\|\d+\|\d+'});



=== a route can contain dots
--- upstreams
upstream u { session_sticky hash=plain accept=jvmroute; server A: id=a.example; server B: id=example; server C: id=c; }
--- client
nobody_moves('/u/', {A => "$session.a.example", B => "$session.example"}, {A => 'a\.example', B => 'example'});
first_visits('/u/', "$session.b.example", "$session.x.c");



=== a Tomcat that is not available: the same as with the module's own values
--- upstreams
upstream on  { session_sticky mode=prefix hash=plain accept=jvmroute; server A: id=tomcata; server B: id=tomcatb down; }
upstream off { session_sticky mode=prefix hash=plain accept=jvmroute fallback=off; server A: id=tomcata; server B: id=tomcatb down; }
--- client
equals(bodies(everywhere('/on/', "route=$tomcat{B}")), 'A', 'fallback=on');
equals(bodies(everywhere('/off/', "route=$tomcat{B}")), '502', 'fallback=off');
--- error_log
names server "tomcatb" of upstream "off", which is down, with "fallback=off"



=== the output of explain
--- locations
location /status { session_sticky_status; }
--- upstreams
upstream u { session_sticky mode=prefix hash=plain accept=jvmroute; SERVERS }
--- client
equals(scheme_of('u', $tomcat{B}), 'jvmroute', 'a route');
equals(scheme_of('u', "tomcatb~$session"), 'plain', "the module's own value");
equals(scheme_of('u', "$session.x"), '', 'an unknown value');



=== other values identify no server
--- upstreams
upstream insert { session_sticky accept=jvmroute; SERVERS }
upstream named  { session_sticky accept=jvmroute fallback=off; SERVERS }
upstream prefix { session_sticky mode=prefix accept=jvmroute; SERVERS }
upstream none   { session_sticky mode=prefix hash=plain; SERVERS }
upstream no_id  { session_sticky accept=jvmroute; server A:; server B:; server C:; }
--- client
my @other = ($session, 'tomcata', "$session.", "$session..tomcata", "$session.TOMCATA", "$session.tomcata.", "$session.tomcat",
             "$session.tomcata0", '.', '..', '.' x 4000, "$session.\xff", "$session-tomcata", "$session.tomcata|1|1");
first_visits('/insert/', @other);
first_visits('/no_id/', $tomcat{A}, "$session.$line{A}");
for my $value (@other, $tomcat{A}) {
    my $path = $value eq $tomcat{A} ? 'none' : 'prefix';
    my $shown = substr $value, 0, 50;
    equals(join(' ', sort map { body(visit("/$path/", "route=$value", 1983)) } 1 .. 3), 'A B C', "/$path/: a client with '$shown' is balanced");
    holds(status(visit('/named/', "route=$value", 1983)) =~ /^(?:200|502)$/, "'$shown' with fallback=off");
}
--- may_warn
"accept=jvmroute" has no effect in upstream "no_id"
--- no_error_log
[alert]
[emerg]
