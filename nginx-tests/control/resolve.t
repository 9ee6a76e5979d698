# session_sticky_control and servers whose addresses change at run time ("server NAME resolve", nginx 1.27.3 and newer): the state
# of an address applies again when it is added again.
#
# Servers on 127.0.0.x:1985 respond with their address. nginx has three workers.

# Server states survive a reload, so each block needs a new nginx, even in mode hup.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Resolver Upstreams Visits Running Control);
use Digest::MD5 'md5_hex';

our $dns = Resolver->new(1990);
our @names = map { s/\W+/_/gr } map { "r_$_" } 0 .. $#balancers;
our %id_of = map { $_ => md5_hex("127.0.0.$_:1985") } 2 .. 4;

my $zones = 0;

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $number = 0;
    my $upstreams = $block->upstreams // CORE::join '', map {
        my $name = $names[$number++];
        "upstream $name { $_ server app.test:1985 resolve; session_sticky; ZONE; }\n"
    } @balancers;
    $upstreams =~ s/\bZONE\b/'zone control_' . $zones++ . ' 128k'/ge;
    $block->set_value(http_config => <<"_EOC_" . entrance($upstreams, $control));
resolver 127.0.0.1:1990 valid=1s ipv6=off;
resolver_timeout 1s;
server { listen 1985; location / { return 200 "\$server_addr"; } }
_EOC_
    $block->set_value(workers => 3);
    $block->set_value(client => $block->client . '; $dns->knows();');
    $block->set_value(skip_nginx => '5: < 1.27.3');
});

# Waits until every worker has these addresses, and no others.
sub settled {
    my ($name, @addresses) = @_;
    my $wanted = join ' | ', map { "127.0.0.$_" } @addresses;
    my $has = soon(sub {
        my $response = response(say_to_nginx("GET /status/upstreams/$name HTTP/1.0\r\nHost: localhost\r\n\r\n", 1983));
        my $said = eval { JSON::PP::decode_json(body($response)) } or return 0;
        my @has = sort map { $_->{address} =~ s/:1985//r } @{$said->{upstreams}[0]{servers}};
        return join(' | ', @has) eq $wanted;
    });
    return holds($has, "$name has $wanted");
}

master_on();
worker_connections(256);
run_tests();

__DATA__

=== a draining address: its sessions stay while other addresses change, and after it is added again
--- client
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled($_, 2, 3) for @names;
for my $name (@names) {
    now($name, '127.0.0.2:1985', 'drain');
    equals(bodies(everywhere("/$name/", "route=$id_of{2}")), '127.0.0.2', "$name: its sessions stay");
    equals(bodies(everywhere("/$name/")), '127.0.0.3', "$name: new sessions go to the other address");
}
$dns->knows('app.test A 127.0.0.2 127.0.0.4');
settled($_, 2, 4) for @names;
for my $name (@names) {
    equals(bodies(everywhere("/$name/", "route=$id_of{2}")), '127.0.0.2', "$name: another address is added, the sessions stay");
    equals(bodies(everywhere("/$name/")), '127.0.0.4', "$name: and new sessions go to that one");
}
$dns->knows('app.test A 127.0.0.4');
settled($_, 4) for @names;
$dns->knows('app.test A 127.0.0.2 127.0.0.4');
settled($_, 2, 4) for @names;
for my $name (@names) {
    equals(bodies(everywhere("/$name/")), '127.0.0.4', "$name: added again, it drains as before");
    equals(bodies(everywhere("/$name/", "route=$id_of{2}")), '127.0.0.2', "$name: and keeps its sessions");
    now($name, '127.0.0.2:1985', 'up');
}



=== an address that is down stays down after it is added again; an address that was never there is unknown
--- upstreams
upstream u { ZONE; server app.test:1985 resolve; session_sticky; }
--- client
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled('u', 2, 3);
equals(status(patch('u', '127.0.0.4:1985', '{"state":"down"}')), '404', 'the upstream does not have the address');
now('u', '127.0.0.2:1985', 'down');
equals(bodies(everywhere('/u/', "route=$id_of{2}")), '127.0.0.3', 'its sessions move');
for (1 .. 3) {
    $dns->knows('app.test A 127.0.0.3');
    settled('u', 3);
    $dns->knows('app.test A 127.0.0.2 127.0.0.3');
    settled('u', 2, 3);
    equals(bodies(everywhere('/u/')), '127.0.0.3', 'it gets no requests');
}
now('u', '127.0.0.2:1985', 'up');
holds(bodies(everywhere('/u/')) =~ /127\.0\.0\.2/, 'until its state is up');



=== the removal of a draining server does not reduce the tries of a request
--- upstreams
upstream u { ZONE; server app.test:1985 resolve; session_sticky; }
--- client
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled('u', 2, 3);
for (1 .. 3) {
    now('u', '127.0.0.2:1985', 'drain');
    $dns->knows('app.test A 127.0.0.3');
    settled('u', 3);
    equals(bodies(everywhere('/u/')), '127.0.0.3', 'one server is left');
    $dns->knows('app.test A 127.0.0.2 127.0.0.3');
    settled('u', 2, 3);
    now('u', '127.0.0.2:1985', 'up');
}
