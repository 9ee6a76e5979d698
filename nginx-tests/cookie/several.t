# Several cookies with the same name, as browsers send them for several paths or domains: the first one with an available server
# is used, otherwise the first one with a known server, otherwise the first one. Expired and malformed values have no server.
#
# lib/Upstreams.pm has the servers and the sections.

use Sticky qw(Upstreams Visits);
use IO::Select;

# The number of values with the same name that are examined.
our $most = 8;
our $now = time;

client_sections();
upstream_sections(<<'_EOC_');
location /sees { return 200 "NAME sees [$http_cookie]"; }
location /fails { if ($arg_at = NAME) { return 503; } return 200 "NAME"; }
_EOC_
# nginx logs refused connections at level [error].
add_block_preprocessor(sub { $_[0]->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n") if !defined $_[0]->no_error_log });

# The response to a request with these Cookie fields.
sub sent {
    my ($path, @fields) = @_;
    my $cookies = join '', map { 'Cookie: ' . expand($_, $now) . "\r\n" } @fields;
    return response(say_to_nginx("GET $path HTTP/1.0\r\nHost: localhost\r\n$cookies\r\n", 1983));
}

sub told {
    my ($response) = @_;
    return (status($response) == 200 ? body($response) : status($response)) . (length set($response) ? ', set ' . bound($response) : '');
}

# Tests that several requests with these fields have the same result.
sub always {
    my ($path, $fields, $wanted, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my %told = map { told(sent($path, ref $fields ? @$fields : $fields)) => 1 } 1 .. 6;
    return equals(join(' | ', sort keys %told), $wanted, "$path: " . ($what // join ' + ', ref $fields ? @$fields : $fields));
}

master_on();
run_tests();

__DATA__

=== the first value with an available server, in any number of pairs and fields
--- upstreams
upstream u    { server A:; server B:; server C: down; server D: down; session_sticky; }
upstream zone { zone several 256k; least_conn; server A:; server B:; server C: down; server D: down; session_sticky; }
upstream off  { server A:; server B:; server C: down; server D: down; session_sticky fallback=off; }
upstream off_zone { zone several 256k; server A:; server B:; server C: down; server D: down; session_sticky fallback=off; }
upstream unknown  { server A:; server B:; server C: down; server D: down; session_sticky fallback=unknown; }
upstream keeps    { server A:; server B:; server C: down; server D: down; session_sticky rebind=off; }
upstream hides    { server A:; server B:; server C: down; server D: down; session_sticky option=indirect; }
upstream rewrite  { server A:; server B:; server C: down; server D: down; session_sticky mode=rewrite; }
--- client
for my $path (map { "/$_/" } qw(u zone off off_zone unknown keeps hides rewrite)) {
    always($path, 'route=ID_C; route=ID_A', 'A');
    always($path, 'route=ID_C; route=ID_B', 'B');
    always($path, 'route=ID_A; route=ID_C', 'A');
    always($path, 'route=ID_B; route=ID_A', 'B');
    always($path, 'route=ID_A; route=ID_B', 'A');
    always($path, ['route=ID_C', 'route=ID_A'], 'A');
    always($path, ['a=1; route=ID_C; b=2', 'c=3', 'x=route=ID_B; d=4; route=ID_A'], 'A');
    always($path, 'route=ID_C; route=ID_D; route=ID_C; route=ID_B', 'B');
    always($path, ['route=ID_C; route=ID_D', 'route=ID_D', 'route="ID_B"; route=ID_A'], 'B');
    always($path, 'route=nobody; route=ID_C; route=; route=|; route=ID_A|x; route=ID_B', 'B');
    always($path, 'route=nobody; route=ID_A', 'A');
    always($path, 'route=ID_C; route=nobody; route=ID_A', 'A');
    always($path, 'route=; route=ID_A', 'A');
    always($path, 'Route=ID_B; xroute=ID_B; route=ID_C; route=ID_A', 'A', 'other names');
}



=== no server is available: the first value with a known server determines the result
--- upstreams
upstream off     { server A:; server B:; server C: down; server D: down; session_sticky fallback=off; }
upstream unknown { server A:; server B:; server C: down; server D: down; session_sticky fallback=unknown; }
upstream on      { server A:; server B: down; server C: down; server D: down; session_sticky; }
upstream strict  { server A:; server B:; server C: down; server D: down; sticky no_fallback; }
--- client
for my $path (map { "/$_/" } qw(off unknown strict)) {
    always($path, 'route=ID_C; route=ID_D', 502);
    always($path, ['route=ID_D', 'route=ID_C'], 502);
    always($path, 'route=nobody; route=ID_C', 502);
    always($path, 'route=ID_C; route=nobody', 502);
}
always('/off/', 'route=nobody; route=none', 502);
holds(told(sent('/unknown/', 'route=nobody; route=none')) =~ /^[AB], set /, '/unknown/: a new session');
always('/on/', 'route=ID_C; route=ID_D', 'A, set ID_A');
always('/on/', 'route=nobody; route=ID_D', 'A, set ID_A');



=== expired values have no server
--- upstreams
upstream u   { server A:; server B:; server C: down; session_sticky maxidle=1h maxlife=1d; }
upstream off { server A:; server B:; server C: down; session_sticky maxidle=1h maxlife=1d fallback=off; }
--- client
my $first = $now - 600;
my $last = $now - 10;
for my $path ('/u/', '/off/') {
    for (["route=ID_C|$last|$first; route=ID_A|$last|$first", 'A'],
         ["route=ID_A|1|1; route=ID_B|$last|$first", 'B'],
         ["route=ID_C|$last|$last; route=ID_A|1|$first; route=ID_A|$last|1; route=ID_B|$last|$first", 'B'],
         ["route=ID_A|99999999999|$first; route=ID_C|$last|$first; route=ID_B|$last|$first", 'B']) {
        my ($cookie, $name) = @$_;
        for (1 .. 3) {
            my $response = sent($path, $cookie);
            equals(body($response), $name, "$path: $cookie");
            holds(bound($response) =~ /^$id{$name}\|\d+\|$first$/, "$path: and the session keeps its start time");
        }
    }
}
always('/off/', "route=ID_A|1|1; route=ID_C|$last|$first", 502);
holds(told(sent('/off/', "route=ID_A|1|1; route=nobody|$last|$first")) =~ /^[AB], set /, 'an expired value is the first: a new session');



=== mode=prefix: the servers receive all values, without their prefixes
--- upstreams
upstream u    { server A:; server B:; server C: down; session_sticky mode=prefix; }
upstream zone { zone several_prefix 256k; server A:; server B:; server C: down; session_sticky mode=prefix; }
upstream off  { server A:; server B:; server C: down; session_sticky mode=prefix fallback=off; }
--- client
for my $path (map { "/$_/" } qw(u zone off)) {
    always($path, 'route=ID_C~x; route=ID_A~y', 'A');
    always($path, ['route=ID_C~x', 'route=z; route=nobody~z', 'route=ID_B~y; route=ID_A~x'], 'B');
    always("${path}sees", 'a=1; route=ID_C~x; route=ID_B~y', 'B sees [a=1; route=x; route=y]');
}
always('/off/', 'route=ID_C~x; route=ID_C~y', 502);



=== option=indirect: the servers receive no value
--- upstreams
upstream u { server A:; server B:; server C: down; session_sticky option=indirect; }
--- client
always('/u/sees', 'a=1; route=ID_C; route=ID_A; b=2', 'A sees [a=1; b=2]');



=== values in other forms: used in the same way, and replaced
--- upstreams
upstream u    { server A: id=a; server B: id=b; server C: id=c down; session_sticky hash=plain accept=md5; }
upstream off  { zone several_forms 256k; server A: id=a; server B: id=b; server C: id=c down; session_sticky hash=plain accept=md5,haproxy fallback=off; }
--- client
for my $path ('/u/', '/off/') {
    always($path, 'route=c; route=ID_A', 'A, set a');
    always($path, 'route=ID_C; route=ID_A', 'A, set a');
    always($path, 'route=ID_C; route=b', 'B');
    always($path, 'route=ID_A; route=b', 'A, set a');
    always($path, 'route=ID_B; route=ID_A; route=a', 'B, set b');
    always($path, 'route=c; route=nobody; route=ID_C; route=b; route=a', 'B');
    always($path, 'route=nobody; route=ID_A', 'A, set a');
}
always('/off/', 'route=c; route=ID_C', 502);
always('/off/', 'route=ID_C; route=c', 502);



=== a server that refuses connections: after the first failure, the other cookie is used immediately
--- upstreams
upstream u     { server D: fail_timeout=600s; server A:; server B:; session_sticky; }
upstream zone  { zone several_refused 256k; server A:; server B:; server D: fail_timeout=600s; session_sticky; }
upstream off   { server D: fail_timeout=600s; server A:; server B:; session_sticky fallback=off; }
--- client
for my $path ('/u/', '/zone/') {
    my $response = sent($path, 'route=ID_D; route=ID_B');
    equals(told($response), 'B', "$path: the other server responds to the first visit");
    equals(head('X-Tried', $response), "$line{D}, $line{B}", "$path: after both were tried");
    for (1 .. 5) {
        $response = sent($path, 'route=ID_D; route=ID_B');
        equals(told($response) . ' of ' . head('X-Tried', $response), "B of $line{B}", "$path: then only the other one is tried");
    }
}
equals(told(sent('/off/', 'route=ID_D; route=ID_B')), 502, '/off/: the first request fails');
always('/off/', 'route=ID_D; route=ID_B', 'B');



=== a server that fails: the other cookie is used before the load-balancing method
--- upstreams
upstream u { server A: max_fails=0; server B:; server C:; session_sticky; }
--- locations
location /next/ { proxy_next_upstream http_503; proxy_pass http://u/fails; }
--- client
for (1 .. 6) {
    my $response = sent('/next/?at=A', 'route=ID_A; route=ID_C');
    equals(body($response) . ' of ' . head('X-Tried', $response), "C of $line{A}, $line{C}", 'its server is tried next');
    equals(body(sent('/next/?at=none', 'route=ID_A; route=ID_C')), 'A', 'and then the first cookie is used again');
}



=== max_conns: while the first server has reached its limit, the other cookie is used, and then the first one again
--- upstreams
upstream u   { server 127.0.0.1:1990 id=x max_conns=1; server B: id=b; server C: id=c; session_sticky hash=plain; }
upstream off { server 127.0.0.1:1990 id=x max_conns=1; server B: id=b; server C: id=c; session_sticky hash=plain fallback=off; }
--- client
my $server = serve(1990);
for my $path ('/u/', '/off/') {
    my $asked = ask($path, 'route=x; route=c', 1983);
    my $held = taken($server);
    holds($held, "$path: the first request reaches its server");
    always($path, 'route=x; route=c', 'C');
    always($path, 'route=x; route=nobody; route=c; route=b', 'C');
    answer($held, 'done') if $held;
    equals(body(response($asked)), 'done', "$path: and gets its response");
    $asked = ask($path, 'route=x; route=c', 1983);
    $held = taken_unless_answered($server, $asked);
    holds($held, "$path: the next request reaches it again");
    answer($held, 'done') if $held;
    response($asked);
}



=== several workers, and a reload
--- workers: 3
--- upstreams
upstream u    { server A:; server B:; server C: down; session_sticky; }
upstream zone { zone several_workers 256k; server A:; server B:; server C: down; session_sticky fallback=off; }
--- client
for my $path ('/u/', '/zone/') {
    my @visits = everywhere($path, "route=$id{C}; route=$id{B}");
    equals(bodies(@visits) . cookies(@visits), 'B', "$path: one server, and no cookie is set");
}



=== the number of values is limited
--- upstreams
upstream u   { server A:; server B:; server C: down; session_sticky; }
upstream off { server A:; server B:; server C: down; session_sticky fallback=off; }
--- client
for my $first ('nobody', 'ID_C') {
    for my $joint ('; ', 'fields') {
        my $cookies = sub {
            my @pairs = ((("route=$first") x $_[0]), 'route=ID_B');
            return $joint eq 'fields' ? \@pairs : CORE::join($joint, @pairs);
        };
        my $what = "$first, $joint";
        always('/u/', $cookies->($most - 1), 'B', "the last value is used: $what");
        always('/off/', $cookies->($most - 1), 'B', "the last value is used: $what");
        holds(told(sent('/u/', ref $cookies->($most) ? @{$cookies->($most)} : $cookies->($most))) =~ /^[AB], set /, "a further value is not: $what");
        always('/off/', $cookies->($most), 502, "a further value is not: $what");
    }
}



=== backup servers that fail with max_fails=0: each is tried once, and a primary server takes over
--- upstreams
upstream u { server A:; server B:; server C:; server D: backup max_fails=0; server E: backup max_fails=0; session_sticky; }
--- client
for (1 .. 4) {
    my $response = sent('/u/', 'route=ID_D; route=ID_E');
    holds(told($response) =~ /^[ABC], set /, 'a primary server responds: ' . told($response));
    holds(head('X-Tried', $response) =~ /^$line{D}, $line{E}, 127\.0\.0\.1:198\d$/, 'after both: ' . head('X-Tried', $response));
}



=== fallback=off, and idle connections that are closed: the other cookie is not used after the first server was tried
--- upstreams
proxy_http_version 1.1;
proxy_set_header Connection "";
upstream u { server 127.0.0.1:1990 id=x; server B: id=b; session_sticky hash=plain fallback=off; keepalive 8; }
--- client
my $server = serve(1990);
my @asked = map { ask('/u/', 'route=x', 1983) } 1 .. 3;
my @kept = grep { $_ } map { taken($server) } @asked;
print $_ "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkept" for @kept;
equals(join(' ', map { body(response($_)) } @asked), 'kept kept kept', 'three connections stay open');
my $asked = ask('/u/', 'route=x; route=b', 1983);
my ($closed, @ready) = (0);
while (@ready = IO::Select->new($asked, $server, @kept)->can_read(patience()), @ready && !grep { $_ == $asked } @ready) {
    my ($used) = @ready;
    @kept = grep { $_ != $used } @kept;
    $used = taken($server) if $used == $server;
    close $used if $used;
    $closed++;
}
equals(told(response($asked)), 502, 'no server responds');
holds($closed > 1, "after $closed connections were closed");
close $_ for @kept;
