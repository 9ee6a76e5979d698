# Migration from other systems: "accept=". The cookies are computed as these systems do. No client may move, and every response
# sets the cookie in the module's own form, with the start time of the session if that is known.
#
# Source of the values: HAProxy's are from HAProxy 2.6 with "cookie route insert indirect maxidle 30m maxlife 8h", which set
# "route=a|awGpU|awGpU" at 1795270991 (and "route=a|awGpU" with maxidle only); those of nginx's own directive are from nginx 1.30,
# on which the tests run; Tengine's are from a transcript, compat/published.t; sticky-module-ng's are from its manual and tests,
# compat/sticky-module-ng.t.
#
# lib/Upstreams.pm has the servers and the sections.

use Sticky qw(StickyModuleIds Upstreams Visits);

our @names = qw(A B C);
our %md5 = %id{@names};

client_sections();
upstream_sections('location /sets { add_header Set-Cookie "route=value"; return 200 "NAME sees [$http_cookie]"; }');

# A date in HAProxy's form: in units of four seconds, rounded up, in base 64.
sub haproxy_date {
    my ($date) = @_;
    my @digits = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '+', '/');
    return join '', map { $digits[(($date + 3) >> 2) >> $_ & 63] } 24, 18, 12, 6, 0;
}

# Tests that clients with these old cookies, by server, stay on their server and get cookies that match the new patterns.
sub nobody_moves {
    my ($path, $old, $new) = @_;
    my ($moved, $kept, $visits) = (0, 0, 0);
    for my $name (sort keys %$old) {
        for (1 .. 5) {
            my $response = visit($path, "a=1; route=$old->{$name}; b=2", 1983);
            $visits++;
            $moved++ if body($response) ne $name;
            my $bound = bound($response);
            $kept++ if $bound !~ /^$new->{$name}$/;
        }
        my $upgraded = visit($path, 'route=' . bound(visit($path, "route=$old->{$name}", 1983)), 1983);
        $moved++ if body($upgraded) ne $name;
    }
    holds($visits >= 10, "$path: cookies such as $old->{A}");
    equals($moved, 0, "$path: no client moves");
    equals($kept, 0, "$path: all get the new value");
}

run_tests();

__DATA__

=== Tengine: md5 with hash=plain, and plain with hash=md5
--- upstreams
upstream plain { session_sticky hash=plain accept=md5; server A: id=a; server B: id=b; server C: id=c; }
upstream md5   { session_sticky accept=plain fallback=off; server A: id=a; server B:; server C: id=c; }
upstream zone  { zone z 64k; least_conn; session_sticky hash=plain accept=plain,md5; server A: id=a; server B: id=b; server C: id=c backup; }
--- client
my %id = map { $_ => lc } @names;
nobody_moves('/plain/', \%md5, \%id);
nobody_moves('/md5/', { A => 'a', B => $line{B}, C => 'c' }, \%md5);
nobody_moves('/zone/', \%md5, \%id);
nobody_moves('/plain/', { map { $_ => "$md5{$_}|1556447041|1556447041" } @names }, \%id);
nobody_moves('/plain/', { map { $_ => "$md5{$_}|99999999999|99999999999" } @names }, \%id);



=== Tengine: timestamps are adopted
--- upstreams
upstream u { session_sticky hash=plain accept=md5 maxidle=30 maxlife=1h; server A: id=a; server B: id=b; server C: id=c; }
upstream v { session_sticky accept=plain maxidle=30; server A: id=a; server B: id=b; server C: id=c; }
--- client
my $now = time;
my ($last, $first) = ($now - 10, $now - 600);
nobody_moves('/u/', { map { $_ => "$md5{$_}|$last|$first" } @names }, { map { $_ => lc . "\\|\\d+\\|$first" } @names });
nobody_moves('/v/', { map { $_ => lc . "|$last|$first" } @names }, { map { $_ => "$md5{$_}\\|\\d+\\|$first" } @names });
nobody_moves('/u/', \%md5, { map { $_ => lc . '\|(\d+)\|\1' } @names });
my $idle = $now - 100;
equals(bodies(everywhere('/u/', "route=$md5{B}|$idle|$first")), 'A | B | C', 'but not of an expired session');



=== nginx's own: sticky cookie
--- upstreams
upstream u { session_sticky hash=plain accept=nginx; server A: id=a; server B: id=b; server C: id=c; }
--- client
nobody_moves('/u/', \%md5, { map { $_ => lc } @names });



=== nginx's own: with route=
--- since: 1.29.6
--- upstreams
upstream u   { session_sticky accept=nginx; server A: route=a; server B: route=b id=x; server C:; }
upstream own { sticky cookie route; server A: route=a; server B: route=b; server C:; }
--- client
my %old = (A => 'a', B => 'b', C => $md5{C});
nobody_moves('/u/', { A => 'a', B => 'b' }, \%md5);
equals(bodies(everywhere('/own/', "route=$old{$_}")), $_, "as nginx's own: $old{$_}") for @names;
--- no_error_log eval
[qr/\[warn\](?!.*"id".* has no effect in upstream )/, '[crit]', '[alert]', '[emerg]']
--- may_warn
parameter "id" of the "server" directive has no effect



=== sticky-module-ng: all forms
--- upstreams
upstream sha1  { session_sticky accept=sha1; server A:; server B:; server C:; }
upstream raw   { session_sticky accept=raw; server A:; server B:; server C:; }
upstream index { session_sticky accept=index; server A:; server B:; server C: backup; }
upstream hmd5  { session_sticky accept=hmac-md5 hmac_key=secret; server A:; server B:; server C:; }
upstream hsha1 { session_sticky accept=hmac-sha1 hmac_key=secret maxidle=60; server A:; server B:; server C:; }
upstream all   { session_sticky hmac_key=secret accept=md5,plain,nginx,sha1,raw,index,hmac-md5,hmac-sha1,haproxy; server A:; server B:; server C:; }
upstream names { session_sticky accept=md5,raw; server solo.test:1985 max_fails=0; server localhost:1986 max_fails=0; server C:; }
upstream pair  { session_sticky accept=raw; server C:; server pair.test:1985 max_fails=0; }
--- client
my %old = (
    sha1  => { map { $_ => sha1_hex($line{$_}) } @names },
    raw   => { map { $_ => $line{$_} } @names },
    index => { A => 0, B => 1, C => 2 },
    hmd5  => { map { $_ => hmac_md5_hex($line{$_}, 'secret') } @names },
);
for my $form (sort keys %old) {
    nobody_moves("/$form/", $old{$form}, \%md5);
    nobody_moves("/all/", $old{$form}, \%md5);
}
nobody_moves('/hsha1/', { map { $_ => hmac_sha1_hex($line{$_}, 'secret') } @names }, { map { $_ => "$md5{$_}\\|\\d+\\|\\d+" } @names });
# The servers that were tried first, without duplicates.
sub firsts {
    my ($path, $id) = @_;
    my %firsts = map { head('X-Tried', visit($path, "route=$id", 1983)) =~ s/,.*//r => 1 } 1 .. 6;
    return join ' ', sort keys %firsts;
}
equals(firsts('/names/', md5_hex('solo.test:1985')), '127.0.0.6:1985', 'md5 of a name: its address');
holds(firsts('/names/', 'localhost:1986') =~ /^\S+:1986$/, 'raw: a name');
equals(firsts('/pair/', 'pair.test:1985'), '127.0.0.2:1985', 'raw: the first of several addresses of a name');
--- no_error_log
[alert]
[emerg]



=== sticky-module-ng: the IDs of its releases up to 1.2.6
--- upstreams
upstream md5   { session_sticky hash=plain accept=md5; server A: id=a; server B: id=b; server C: id=c; }
upstream sha1  { session_sticky hash=plain accept=sha1; server A: id=a; server B: id=b; server C: id=c; }
upstream hmd5  { session_sticky hash=plain accept=hmac-md5 hmac_key=secret; server A: id=a; server B: id=b; server C: id=c; }
upstream hsha1 { session_sticky hash=plain accept=hmac-sha1 hmac_key=secret; server A: id=a; server B: id=b; server C: id=c; }
--- client
my %new = map { $_ => lc } @names;
my %old = map { $_ => socket_address($port{$_}) } @names;
nobody_moves('/md5/', { map { $_ => md5_hex($old{$_}) } @names }, \%new);
nobody_moves('/sha1/', { map { $_ => sha1_hex($old{$_}) } @names }, \%new);
nobody_moves('/hmd5/', { map { $_ => hmac_md5_hex($old{$_}, 'secret') } @names }, \%new);
nobody_moves('/hsha1/', { map { $_ => hmac_sha1_hex($old{$_}, 'secret') } @names }, \%new);



=== cookies set by other systems' directives are accepted when session_sticky replaces these
--- upstreams
upstream ng_md5    { sticky; server A:; server B:; server C:; }
upstream ng_sha1   { sticky hash=sha1; server A:; server B:; server C:; }
upstream ng_raw    { sticky text=raw; server A:; server B:; server C:; }
upstream ng_index  { sticky hash=index; server A:; server B:; server C:; }
upstream ng_hmd5   { sticky hmac=md5 hmac_key=secret; server A:; server B:; server C:; }
upstream ng_hsha1  { sticky hmac=sha1 hmac_key=secret; server A:; server B:; server C:; }
upstream plus      { sticky_cookie_insert route; server A:; server B:; server C:; }
upstream own       { sticky cookie route; server A:; server B:; server C:; }
upstream tengine   { session_sticky maxidle=60; server A:; server B:; server C:; }
upstream u { session_sticky hash=plain accept=md5,sha1,raw,index,hmac-md5,hmac-sha1,nginx hmac_key=secret; server A: id=a; server B: id=b; server C: id=c; }
--- client
for my $path (qw(ng_md5 ng_sha1 ng_raw ng_index ng_hmd5 ng_hsha1 plus own tengine)) {
    my %old;
    for (1 .. 30) {
        my $response = visit("/$path/", undef, 1983);
        $old{body($response)} = bound($response);
    }
    equals(join(' ', sort keys %old), 'A B C', "/$path/ has clients of all servers");
    nobody_moves('/u/', \%old, { map { $_ => lc } @names });
}
--- no_error_log
[error]
[alert]
[emerg]



=== HAProxy: with and without dates
--- upstreams
upstream u { session_sticky hash=plain accept=haproxy maxidle=30 maxlife=1h; server A: id=a; server B: id=b; server C: id=c; }
upstream v { session_sticky accept=haproxy; server A: id=a; server B: id=b; server C: id=c; }
upstream w { session_sticky accept=haproxy; server A:; server B: id=b; server C:; }
--- client
equals(haproxy_date(1795270991), 'awGpU', "a date that HAProxy has written");
my $now = time;
my ($last, $first) = map { haproxy_date($now - $_) } 10, 600;
my $begin = '(' . join('|', $now - 600 .. $now - 596) . ')';
nobody_moves('/u/', { map { $_ => lc . "|$last|$first" } @names }, { map { $_ => lc . "\\|\\d+\\|$begin" } @names });
nobody_moves('/u/', { map { $_ => lc . "|$last" } @names }, { map { $_ => lc . '\|\d+\|\d+' } @names });
nobody_moves('/u/', { map { $_ => lc } @names }, { map { $_ => lc . '\|(\d+)\|\1' } @names });
nobody_moves('/v/', { map { $_ => lc . "|$last|$first" } @names }, \%md5);
nobody_moves('/v/', { map { $_ => lc } @names }, \%md5);
my $idle = haproxy_date($now - 100);
equals(bodies(everywhere('/u/', "route=b|$idle|$first")), 'A | B | C', 'but not of an expired session');
equals(bodies(everywhere('/w/', "route=$_")), 'A | B | C', "a server without id= is not selected by its address: $_") for $line{C}, "$line{C}|$last";
equals(bodies(everywhere('/w/', 'route=b')), 'B', 'a server with id= is selected by it');



=== the first request of a worker finds its server by any form
--- upstreams
upstream u { session_sticky hash=plain accept=haproxy maxidle=1h; server A: id=a; server B: id=b; server C: id=c; }
--- client
my $date = haproxy_date(time);
equals(body(visit('/u/', "route=c|$date|$date", 1983)), 'C', 'its own server');



=== the module's own form takes precedence, and is not replaced
--- upstreams
upstream u { session_sticky hash=plain accept=index,md5; server A: id=1; server B: id=0; server C: id=c; }
--- client
equals(bodies(everywhere('/u/', 'route=1')), 'A', 'an ID, not an index');
equals(cookies(everywhere('/u/', 'route=1')), '', 'without a new cookie');
equals(bodies(everywhere('/u/', 'route=2')), 'C', 'an index that is not an ID');
equals(cookies(everywhere('/u/', "route=nobody; route=$md5{B}")), '0', 'the first of several values that belongs to a server');
equals(bodies(everywhere('/u/', "route=nobody")), 'A | B | C', 'a request with an unknown value is balanced');



=== a server that is not available: the same as with the module's own form
--- upstreams
upstream on   { session_sticky hash=plain accept=md5; server A: id=a; server D: id=d down; }
upstream off  { session_sticky hash=plain accept=md5 fallback=off; server A: id=a; server D: id=d down; }
--- client
my $d = md5_hex($line{D});
equals(bodies(everywhere('/on/', "route=$d")), 'A', 'fallback=on');
equals(cookies(everywhere('/on/', "route=$d")), 'a', 'binds the session to another server');
equals(bodies(everywhere('/off/', "route=$d")), '502', 'fallback=off');
--- error_log
names server "d" of upstream "off", which is down, with "fallback=off"



=== servers that share an ID: the first available one, the same as with the module's own form
--- upstreams
upstream down   { session_sticky accept=plain fallback=off; server A: id=a down; server B: id=a; server C: id=c; }
upstream dead   { session_sticky accept=haproxy; server D: id=s1 max_fails=0; server B: id=s2; server C: id=s1 backup; }
upstream drain  { session_sticky accept=plain; server A: id=a drain; server B: id=a; }
upstream all    { session_sticky accept=plain fallback=off; server A: id=a down; server D: id=a max_fails=0; server C: id=c; }
upstream prefer { session_sticky accept=plain,index; server A:; server B:; server C: id=0; }
upstream index  { session_sticky accept=index,plain; server A:; server B:; server C: id=0; }
--- client
for my $case (['down', 'a', 'B'], ['dead', 's1', 'C'], ['drain', 'a', 'B'], ['prefer', '0', 'C'], ['index', '0', 'A']) {
    my ($upstream, $id, $server) = @$case;
    my @bound = everywhere("/$upstream/", "route=$id");
    equals(bodies(@bound), $server, "$upstream: the server");
    equals(cookies(@bound), $md5{$server}, "$upstream: the cookie");
}
equals(bodies(everywhere('/all/', 'route=a')), '502', 'no server is available');
--- error_log
is also that of upstream
--- no_error_log
[alert]



=== HAProxy: the cookie of an unknown server
--- upstreams
upstream u { session_sticky accept=haproxy fallback=off; server A: id=a; server B: id=b; server C: id=c; }
upstream v { session_sticky accept=haproxy fallback=off maxidle=30; server A: id=a; server B: id=b; server C: id=c; }
--- client
my ($now, $old) = map { haproxy_date(time - $_) } 0, 100;
equals(bodies(everywhere('/u/', "route=$_")), '502', $_) for 'zz', "zz|$now", "zz|$now|$now";
equals(bodies(everywhere('/v/', "route=zz|$now|$now")), '502', 'with limits');
equals(bodies(everywhere('/v/', "route=zz|$old|$old")), 'A | B | C', 'an expired one is balanced');
equals(bodies(everywhere('/u/', "route=$_")), 'A | B | C', "malformed: $_") for "zz|!!!!!|$now", "|$now", 'a|AAAAAA|';
equals(bodies(everywhere('/u/', "route=|; route=$_")), 'A | B | C', "a malformed value before $_") for 'zz', "zz|$now|$now";
equals(bodies(everywhere('/u/', 'route=|; route=b')), 'B', 'a malformed value before that of a server');



=== malformed values of every form identify no server
--- upstreams
upstream all   { session_sticky hash=plain hmac_key=k accept=md5,plain,nginx,sha1,raw,index,hmac-md5,hmac-sha1,haproxy; server A: id=a; server B: id=b; server C: id=c; }
upstream ends  { session_sticky hash=plain hmac_key=k accept=md5,plain,nginx,sha1,raw,index,hmac-md5,hmac-sha1,haproxy maxidle=1h maxlife=1h; server A: id=a; server B: id=b; server C: id=c; }
upstream named { session_sticky accept=md5,plain,haproxy,index fallback=off; server A: id=a; server B: id=b; server C: id=c; }
--- client
my ($md5, $sha1, $date) = ($md5{B}, sha1_hex($line{B}), haproxy_date(time));
my @malformed = (
    substr($md5, 1), "${md5}0", uc $md5, "$md5~", 'z' x 32, substr($sha1, 0, 39), "${sha1}0", 'f' x 4000,
    '-1', '00', '01', '+1', '3', '0x1', '4294967297', '18446744073709551617', "$line{B}0", '127.0.0.1', ':1986',
    'b|', 'b||', "b|$date|", "b||$date", "b|$date|$date|$date", "b|" . substr($date, 1), "b|${date}A", "b|!!!!!|!!!!!",
    "b|$date|-----", "|$date|$date", 'b|1', 'b|1|', 'b|-1|-1', 'b|1|1|1', 'b|99999999999999999999|1', "b|$date|1", "\"b",
);
for my $value (@malformed) {
    my $shown = substr $value, 0, 40;
    my @asked = map { visit('/all/', "route=$value", 1983) } 1 .. 3;
    equals(bodies(@asked), 'A | B | C', "'$shown' is balanced");
    equals(cookies(@asked), 'a | b | c', "'$shown' gets a new cookie");
    holds(status(visit('/named/', "route=$value", 1983)) =~ /^(?:200|502)$/, "'$shown' with fallback=off");
}
my $past = 'AAAAA';
for my $value ("b|/////|/////", "b|$past|$past", "b|$past", "b|/////", 'b|1|1', 'b|18446744073709551615|18446744073709551615') {
    my @asked = map { visit('/ends/', "route=$value", 1983) } 1 .. 3;
    equals(bodies(@asked), 'A | B | C', "'$value': a session that has ended, or has not started");
    holds((grep { bound($_) =~ /^[abc]\|(\d{10})\|\1$/ } @asked) == 3, "'$value' gets current timestamps");
}
--- no_error_log
[alert]
[emerg]



=== without accept=, no other form is accepted
--- upstreams
upstream u { session_sticky hash=plain fallback=off; server A: id=a; server B: id=b; server C: id=c; }
--- client
equals(bodies(everywhere('/u/', "route=$_")), '502', $_) for $md5{A}, 0, $line{A}, sha1_hex($line{A});
--- no_error_log
[alert]
[emerg]



=== mode=prefix: the ID before the application's value
--- upstreams
upstream u { session_sticky mode=prefix hash=plain accept=md5; server A: id=a; server B: id=b; server C: id=c; }
--- client
for my $name (@names) {
    my $response = visit('/u/sets', "route=$md5{$name}~x", 1983);
    equals(body($response), "$name sees [route=x]", "the session of $name stays");
    equals(bound($response), lc($name) . '~value', 'and gets the new value when the application sets the cookie');
    my @bound = everywhere('/u/', "route=app; route=$md5{$name}~x");
    equals(bodies(@bound), $name, 'and stays, after a cookie without an ID');
}
equals(bodies(everywhere('/u/', 'route=app')), 'A | B | C', 'a request without an ID is balanced');



=== an unknown form
--- upstreams
upstream u { session_sticky accept=md5,sha256; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid value "md5,sha256" of parameter "accept" in "session_sticky" directive, it must be any of "md5", "plain", "nginx", "sha1", "raw", "index", "hmac-md5", "hmac-sha1", "haproxy", "ingress", "jvmroute", "traefik", "bigip", "angie", "caddy", "hmac" and "unsigned", with commas between them in



=== an HMAC without a key
--- upstreams
upstream u { session_sticky accept=hmac-sha1; server A:; }
--- must_die
--- suppress_stderr
--- error_log
"session_sticky" with accept=hmac-md5 or accept=hmac-sha1 needs "hmac_key=" in



=== a key without an HMAC
--- upstreams
upstream u { session_sticky accept=sha1 hmac_key=secret; server A:; }
--- client
equals(bodies(everywhere('/u/')), 'A', 'the configuration is loaded');
--- error_log
"session_sticky" with hmac_key= applies only with accept=hmac-md5 or accept=hmac-sha1
