# Two nginx instances in front of the same servers: a client that changes the front keeps its server.
#
#   cookie    the cookie identifies the server, whichever front has set it
#   route     so does the route that the application sends
#   learned   each front has its own zone: for a session that it does not know, a hash of its ID selects the same server on both
#
# The second front (lib/Fronts.pm) has the same upstreams. A, B and C respond with their name; /begin starts the session of
# the argument id.

use Sticky qw(Fronts);

our $servers = servers(<<'_EOC_', qw(A B C));
location / { return 200 "NAME"; }
location /begin { add_header Set-Cookie "sid=$arg_id; Path=/"; return 200 "NAME"; }
_EOC_

# The same upstreams for each front; only the zones' names differ.
sub front {
    my ($zone) = @_;
    my $list = 'server 127.0.0.1:1985 route=a; server 127.0.0.1:1986 route=b; server 127.0.0.1:1987 route=c;';
    return <<"_EOC_";
upstream cookie  { $list session_sticky; }
upstream routed  { $list session_sticky mode=route lookup=\$arg_route fallback=off; }
upstream counted { $list session_sticky mode=learn create=\$upstream_cookie_sid lookup=\$cookie_sid zone=counted_$zone:64k; }
upstream hashed  { hash \$cookie_sid consistent; $list session_sticky mode=learn create=\$upstream_cookie_sid lookup=\$cookie_sid zone=hashed_$zone:64k; }
upstream keyed   { hash \$session consistent; $list session_sticky mode=learn create=\$upstream_cookie_sid lookup=\$cookie_sid zone=keyed_$zone:64k; }
map \$arg_id \$session { '' \$cookie_sid; default \$arg_id; }
_EOC_
}

our $locations = join '', map { "location /$_/ { proxy_pass http://$_/; }\n" } qw(cookie routed counted hashed keyed);

our $server = "server { listen 127.0.0.1:1982 reuseport;\n$locations}\n";

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    fill($block, $servers . front('first'));
    $block->set_value(config => $locations);
    my $client = client_of($block);
    $block->set_value(client => sub { second_front(front('second') . $server); $client->() });
});

master_on();
run_tests();

__DATA__

=== a cookie: each front accepts cookies set by the other
--- client
for my $n (1 .. 6) {
    my ($here, $there) = $n % 2 ? qw(first second) : qw(second first);
    my $response = at($here, '/cookie/');
    my $cookie = 'route=' . bound($response);
    for (1 .. 3) {
        my $other = at($there, '/cookie/', $cookie);
        equals(body($other), body($response), "client $n changes from the $here front to the $there: the same server");
        equals(set($other), '', 'no cookie is set');
    }
}



=== a route: both fronts accept it
--- client
for my $front (qw(first second)) {
    for (['a', 'A'], ['b', 'B'], ['c', 'C']) {
        my ($route, $server) = @$_;
        equals(body(at($front, "/routed/?route=$route")), $server, "the $front front: $route is $server") for 1 .. 3;
    }
}



=== a learned session is unknown to the other front: without a hash, its server may be a different one
--- client
my %seen;
for my $n (1 .. 30) {
    my $server = body(at('first', "/counted/begin?id=s$n"));
    equals(body(at('first', '/counted/', "sid=s$n")), $server, 'the front that has learned it uses its server');
    $seen{body(at('second', '/counted/', "sid=s$n")) eq $server ? 'same' : 'another'}++;
}
holds($seen{another}, 'the other front uses a different server for some sessions');



=== hash $cookie_sid consistent with mode=learn: both fronts select the same server for a session that neither has learned
--- client
for my $n (1 .. 12) {
    my @servers = map { body(at($_, '/hashed/', "sid=unknown$n")) } qw(first second first second);
    equals(join('', @servers), $servers[0] x 4, "session $n: both fronts select $servers[0]");
}



=== hash of the ID that the session will get: a client that changes the front keeps its server from the first response on
--- client
for my $n (1 .. 12) {
    my ($here, $there) = $n % 2 ? qw(first second) : qw(second first);
    my $server = body(at($here, "/keyed/begin?id=k$n"));
    equals(body(at($there, '/keyed/', "sid=k$n")), $server, "session $n, started on the $here front, changes the front: $server");
    equals(body(at($here, '/keyed/', "sid=k$n")), $server, 'and changes back');
}



=== hash $cookie_sid consistent: a session that starts on any server moves at most once; then both fronts use the same server
--- client
for my $n (1 .. 12) {
    my $server = body(at('first', "/hashed/begin?id=m$n"));
    equals(body(at('first', '/hashed/', "sid=m$n")), $server, "session $n keeps its server on the front that has learned it");
    my $other = body(at('second', '/hashed/', "sid=m$n"));
    holds($other =~ /^[ABC]$/, "the other front selects a server by the ID: $other, learned $server");
    equals(body(at('second', '/hashed/', "sid=m$n")), $other, 'and keeps using that');
}
