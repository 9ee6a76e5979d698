# Servers whose addresses change at run time: "server NAME resolve" of nginx 1.27.3 and newer.
#
# nginx has three workers, and port 1983 spreads connections over them. Its resolver is $dns, whose records each block sets
# (see lib/Resolver.pm). Servers on 127.0.0.x:1985 and [::1]:1985 respond with their address, and to /connection also with the
# number of the connection.
# Sections of this file:
#   upstreams  upstream blocks; /NAME/ is passed to upstream NAME. ZONE is replaced with a separate zone
#   client     see lib/Client.pm

use Sticky qw(Resolver Upstreams Visits);
use Digest::MD5 'md5_hex';
use IO::Socket::IP;
use Time::HiRes 'sleep';

our $dns = Resolver->new(1990);
our $has_ipv6 = IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1) ? 1 : 0;

our %balancers = (round_robin => '', least_conn => 'least_conn;', ip_hash => 'ip_hash;', hash => 'hash $arg_key;',
                  consistent => 'hash $arg_key consistent;', random => 'random;', random_two => 'random two;');

my $servers = join '', map { <<"_EOC_" } '1985', $has_ipv6 ? '[::1]:1985' : ();
server {
    listen $_;
    location / { return 200 "\$server_addr"; }
    location /connection { return 200 "\$server_addr \$connection"; }
}
_EOC_

my $zones = 0;

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;

    my $upstreams = $block->upstreams =~ s/\bZONE\b/'zone resolve_' . $zones++ . ' 128k'/ger;
    my $ipv6 = $block->name =~ /IPv6/ ? '' : 'ipv6=off';
    $block->set_value(http_config => <<"_EOC_" . $servers . entrance($upstreams));
resolver 127.0.0.1:1990 valid=1s $ipv6;
resolver_timeout 1s;
proxy_http_version 1.1;
proxy_set_header Connection "";
_EOC_
    $block->set_value(workers => 3);
    # The next block's nginx starts without records.
    $block->set_value(client => $block->client . '; $dns->knows();');
    $block->set_value(skip_nginx => '5: < 1.27.3');
});

# Whether this upstream has the server with this ID.
sub has {
    my ($path, $id) = @_;
    my $response = visit($path, "route=$id", 1983);
    return status($response) eq "200" && bound($response) eq '';
}

# Waits until an upstream has the first servers and none of the second.
sub settled {
    my ($path, $has, $has_not) = @_;
    my $settled = soon(sub { !(grep { !has($path, $_) } @$has) && !(grep { has($path, $_) } @{$has_not // []}) });
    return holds($settled, "$path has @$has" . ($has_not ? ", and not @$has_not" : ''));
}

# Sends requests of a session until one reaches its server; returns the request and the server's connection.
sub at_server {
    my ($path, $cookie, $server) = @_;
    my ($asked, $held);
    soon(sub {
        $asked = ask($path, $cookie, 1983);
        return 1 if $held = taken($server, 0.3);
        response($asked);
        return 0;
    });
    return ($asked, $held);
}

master_on();
worker_connections(256);
run_tests();

__DATA__

=== addresses are added and removed: sessions stay only on the remaining addresses
--- upstreams eval
CORE::join '', map { <<"_EOC_" } sort keys %main::balancers;
upstream $_ { ZONE; $main::balancers{$_} server app.test:1985 resolve; session_sticky; }
upstream ${_}_off { session_sticky hash=plain fallback=off; $main::balancers{$_} server app.test:1985 resolve; ZONE; }
_EOC_
--- client
my @paths = map { ("/$_/", "/${_}_off/") } sort keys %balancers;
my %ids = map { my $path = $_; $path => [undef, undef, map { my $name = "127.0.0.$_:1985"; $path =~ /_off/ ? $name : md5_hex($name) } 2 .. 4] } @paths;
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled($_, [@{$ids{$_}}[2, 3]], [$ids{$_}[4]]) for @paths;

$dns->knows('app.test A 127.0.0.3 127.0.0.4');
for my $path (@paths) {
    my @id = @{$ids{$path}};
    settled($path, [@id[3, 4]], [$id[2]]);
    my @stay = everywhere($path, "route=$id[3]");
    equals(bodies(@stay), '127.0.0.3', "$path: a session stays on an address that remains");
    equals(cookies(@stay), '', "$path: and keeps its cookie");
    equals(bodies(everywhere($path, "route=$id[4]")), '127.0.0.4', "$path: the new address gets its sessions");
    my @move = everywhere($path, "route=$id[2]");
    if ($path =~ /off/) {
        equals(bodies(@move), '502', "$path: no other server gets the session of the removed address");
    } else {
        holds(bodies(@move) =~ /^127\.0\.0\.[34](?: \| 127\.0\.0\.4)?$/, "$path: the session of the removed address moves");
        equals(scalar(grep { bound($_) ne md5_hex(body($_) . ':1985') } @move), 0, "$path: and is bound to its new server");
    }
    my @first = everywhere($path);
    holds(tried(@first) !~ /127\.0\.0\.2/, "$path: no new session goes to the removed address");
    holds($path =~ /ip_hash/ || bodies(@first) =~ /127\.0\.0\.4/, "$path: some go to the new address");
}

$dns->knows('app.test A 127.0.0.2 127.0.0.3');
for my $path (@paths) {
    my @id = @{$ids{$path}};
    settled($path, [@id[2, 3]], [$id[4]]);
    equals(bodies(everywhere($path, "route=$id[2]")), '127.0.0.2', "$path: an address that is added again has its previous ID");
}



=== the ID of a line is shared by all its addresses
--- upstreams
upstream id { ZONE; server app.test:1985 resolve id=app; server 127.0.0.9:1985 id=other; session_sticky hash=plain; }
--- client
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled('/id/', ['app', 'other'], ['127.0.0.2:1985']);
soon(sub { tried(everywhere('/id/')) =~ /0\.2.*0\.3.*0\.9/ });
my @app = everywhere('/id/', 'route=app');
holds(bodies(@app) =~ /^127\.0\.0\.[23]$/, 'the first of its addresses gets the sessions: ' . bodies(@app));
my ($one, $two) = bodies(@app) =~ /2$/ ? (2, 3) : (3, 2);
equals(cookies(@app), '', 'and they keep their cookie');
$dns->knows("app.test A 127.0.0.$two");
holds(soon(sub { body(visit('/id/', 'route=app', 1983)) eq "127.0.0.$two" }), 'when it is removed, the next address gets them');
my @moved = everywhere('/id/', 'route=app');
equals(bodies(@moved), "127.0.0.$two", 'in every worker');
equals(cookies(@moved), '', 'and they keep their cookie');
$dns->knows();
settled('/id/', ['other'], ['app']);
equals(cookies(everywhere('/id/', 'route=app')), 'other', 'when no address is left, sessions move to the other server');
$dns->knows('app.test A 127.0.0.5');
settled('/id/', ['app', 'other']);
equals(bodies(everywhere('/id/', 'route=app')), '127.0.0.5', 'a new address of the name gets them again');



=== a name without an address at first: 502, and sessions once it has one
--- upstreams
upstream nobody { ZONE; server app.test:1985 resolve; session_sticky; }
upstream off { ZONE; server app.test:1985 resolve; session_sticky fallback=off; }
--- client
my $id = md5_hex('127.0.0.2:1985');
$dns->knows();
for my $path ('/nobody/', '/off/') {
    equals(bodies(everywhere($path)), '502', "$path: no server for a new session");
    equals(bodies(everywhere($path, "route=$id")), '502', "$path: no server for an existing session");
}
$dns->knows('app.test A 127.0.0.2');
settled($_, [$id]) for '/nobody/', '/off/';
equals(cookies(everywhere($_)), $id, "$_: new sessions are bound to the first address") for '/nobody/', '/off/';
$dns->knows();
for my $path ('/nobody/', '/off/') {
    holds(soon(sub { status(visit($path, "route=$id", 1983)) == 502 }), "$path: no server is left");
    my @gone = everywhere($path, "route=$id");
    equals(bodies(@gone), '502', "$path: in no worker");
    equals(cookies(@gone), '', "$path: and the cookie does not change");
}
$dns->knows('app.test A 127.0.0.2');
settled($_, [$id]) for '/nobody/', '/off/';



=== a resolver that fails or does not respond does not remove servers
--- upstreams
upstream u { ZONE; server app.test:1985 resolve; session_sticky fallback=off; }
upstream v { ZONE; server app.test:1985 resolve; server new.test:1985 resolve; session_sticky fallback=off hash=plain; }
--- client
my $id = md5_hex('127.0.0.2:1985');
$dns->knows('app.test A 127.0.0.2');
settled('/u/', [$id]);
$dns->knows('app.test FAILS', 'new.test A 127.0.0.3');
settled('/v/', ['127.0.0.3:1985']);
sleep(2.5);
equals(bodies(everywhere('/u/', "route=$id")), '127.0.0.2', 'after a failure');
$dns->knows('app.test SILENT', 'new.test A 127.0.0.4');
settled('/v/', ['127.0.0.4:1985'], ['127.0.0.3:1985']);
sleep(2.5);
equals(bodies(everywhere('/u/', "route=$id")), '127.0.0.2', 'without a response');



=== a backup server that resolves
--- upstreams
upstream u {
    ZONE;
    server app.test:1985 resolve max_fails=0;
    server backup.test:1985 resolve backup;
    session_sticky hash=plain;
}
--- client
$dns->knows('app.test A 127.0.0.2', 'backup.test A 127.0.0.7');
settled('/u/', ['127.0.0.2:1985', '127.0.0.7:1985']);
equals(bodies(everywhere('/u/')), '127.0.0.2', 'new sessions go to the primary server');
equals(bodies(everywhere('/u/', 'route=127.0.0.7:1985')), '127.0.0.7', 'a session of the backup server stays');
$dns->knows('app.test A 127.0.0.2', 'backup.test A 127.0.0.8');
settled('/u/', ['127.0.0.2:1985', '127.0.0.8:1985'], ['127.0.0.7:1985']);
equals(cookies(everywhere('/u/', 'route=127.0.0.7:1985')), '127.0.0.2:1985', 'sessions of a removed backup server move to the primary server');
$dns->knows('backup.test A 127.0.0.8');
settled('/u/', ['127.0.0.8:1985'], ['127.0.0.2:1985']);
equals(cookies(everywhere('/u/', 'route=127.0.0.2:1985')), '127.0.0.8:1985', 'sessions of a removed primary server move to the backup server');
equals(cookies(everywhere('/u/')), '127.0.0.8:1985', 'and so do new sessions');



=== service: addresses and ports by SRV records, backup servers by priority
--- upstreams
upstream u { ZONE; server app.test service=http resolve; session_sticky hash=plain; }
upstream m { ZONE; session_sticky; server app.test service=http resolve; server 127.0.0.9:1985 down; }
--- client
my @hosts = ('one.test A 127.0.0.2', 'two.test A 127.0.0.3', 'three.test A 127.0.0.4');
$dns->knows(@hosts, '_http._tcp.app.test SRV 10,1,1985,one.test 10,1,1985,two.test 20,1,1985,three.test');
settled('/u/', [map { "127.0.0.$_:1985" } 2 .. 4]);
settled('/m/', [map { md5_hex("127.0.0.$_:1985") } 2 .. 4]);
equals(bodies(everywhere('/u/')), '127.0.0.2 | 127.0.0.3', 'new sessions go to the servers with the best priority');
equals(bodies(everywhere('/u/', 'route=127.0.0.4:1985')), '127.0.0.4', 'a session of another server stays');
$dns->knows(@hosts, '_http._tcp.app.test SRV 10,1,1985,one.test 20,1,1985,three.test');
settled('/u/', ['127.0.0.2:1985', '127.0.0.4:1985'], ['127.0.0.3:1985']);
equals(cookies(everywhere('/u/', 'route=127.0.0.3:1985')), '127.0.0.2:1985', 'the session of a removed server moves');
$dns->knows(@hosts, '_http._tcp.app.test SRV 20,1,1985,three.test 30,1,1985,two.test');
settled('/u/', ['127.0.0.4:1985', '127.0.0.3:1985'], ['127.0.0.2:1985']);
settled('/m/', [map { md5_hex("127.0.0.$_:1985") } 3, 4], [md5_hex('127.0.0.2:1985')]);
equals(bodies(everywhere('/u/')), '127.0.0.4', 'the former backup server is a primary server');
equals(bodies(everywhere('/u/', 'route=127.0.0.4:1985')), '127.0.0.4', 'and keeps its sessions and its ID');
equals(bodies(everywhere('/u/', 'route=127.0.0.3:1985')), '127.0.0.3', 'the former primary server is added again as a backup server, with its ID');



=== service with an ID: shared by all servers of the records
--- upstreams
upstream u { ZONE; server app.test service=http resolve id=app; server 127.0.0.9:1985 id=other; session_sticky hash=plain; }
--- client
my @hosts = ('one.test A 127.0.0.2', 'two.test A 127.0.0.3');
$dns->knows(@hosts, '_http._tcp.app.test SRV 10,1,1985,one.test 20,1,1985,two.test');
settled('/u/', ['other', 'app'], ['127.0.0.2:1985', '127.0.0.3:1985']);
equals(bodies(everywhere('/u/', 'route=app')), '127.0.0.2', 'the one with the best priority gets the sessions');
$dns->knows(@hosts, '_http._tcp.app.test SRV 20,1,1985,two.test');
holds(soon(sub { body(visit('/u/', 'route=app', 1983)) eq '127.0.0.3' }), 'when it is removed, the other one gets them');
equals(cookies(everywhere('/u/', 'route=app')), '', 'and they keep their cookie');



=== "drain" applies to every address of the name, also to new ones
--- upstreams
upstream u { ZONE; server app.test:1985 resolve drain; server 127.0.0.9:1985; session_sticky hash=plain; }
--- client
$dns->knows('app.test A 127.0.0.2');
settled('/u/', ['127.0.0.2:1985', '127.0.0.9:1985']);
equals(bodies(everywhere('/u/')), '127.0.0.9', 'new sessions go to the other server');
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled('/u/', ['127.0.0.2:1985', '127.0.0.3:1985']);
equals(bodies(everywhere('/u/', 'route=127.0.0.3:1985')), '127.0.0.3', 'a new address gets its existing sessions');
equals(bodies(everywhere('/u/')), '127.0.0.9', 'but no new sessions');
$dns->knows('app.test A 127.0.0.3');
settled('/u/', ['127.0.0.3:1985'], ['127.0.0.2:1985']);
equals(cookies(everywhere('/u/', 'route=127.0.0.2:1985')), '127.0.0.9:1985', 'sessions of a removed address do not go to the draining one');



=== "drain" with "service" applies to all servers of the records
--- upstreams
upstream u { ZONE; server app.test service=http resolve drain; server 127.0.0.9:1985; session_sticky hash=plain; }
--- client
my @hosts = ('one.test A 127.0.0.2', 'two.test A 127.0.0.3');
$dns->knows(@hosts, '_http._tcp.app.test SRV 10,1,1985,one.test 20,1,1985,two.test');
settled('/u/', ['127.0.0.2:1985', '127.0.0.3:1985']);
equals(bodies(everywhere('/u/')), '127.0.0.9', 'new sessions go to the other server');



=== fallback=unknown: the session of a removed address moves, that of a failing one does not
--- upstreams
upstream u { ZONE; server app.test:1985 resolve; server 127.0.0.9:1999 max_fails=0; session_sticky hash=plain fallback=unknown; }
--- client
$dns->knows('app.test A 127.0.0.2');
settled('/u/', ['127.0.0.2:1985']);
$dns->knows('app.test A 127.0.0.3');
settled('/u/', ['127.0.0.3:1985'], ['127.0.0.2:1985']);
equals(cookies(everywhere('/u/', 'route=127.0.0.2:1985')), '127.0.0.3:1985', 'it is bound to the new address');
equals(bodies(everywhere('/u/', 'route=127.0.0.9:1999')), '502', 'the session of a failing address gets 502');



=== IPv6 and IPv4 addresses
--- upstreams
upstream u { ZONE; server app.test:1985 resolve; session_sticky hash=plain fallback=off; }
upstream m { ZONE; server app.test:1985 resolve; session_sticky fallback=off; }
--- client
$dns->knows('app.test A 127.0.0.2', 'app.test AAAA ::1');
settled('/u/', ['127.0.0.2:1985', '[::1]:1985']);
settled('/m/', [md5_hex('127.0.0.2:1985'), md5_hex('[::1]:1985')]);
equals(bodies(everywhere('/u/', 'route=[::1]:1985')), '::1', 'a session of the IPv6 address');
equals(bodies(everywhere('/u/', 'route=127.0.0.2:1985')), '127.0.0.2', 'and of the IPv4 address');
$dns->knows('app.test AAAA ::1');
settled('/u/', ['[::1]:1985'], ['127.0.0.2:1985']);
$dns->knows('app.test A 127.0.0.2');
settled('/u/', ['127.0.0.2:1985'], ['[::1]:1985']);
settled('/m/', [md5_hex('127.0.0.2:1985')], [md5_hex('[::1]:1985')]);
--- skip_eval: 5: !$main::has_ipv6



=== two upstreams: changes of one do not affect the other
--- upstreams
upstream changes { ZONE; server one.test:1985 resolve; server two.test:1985 resolve; session_sticky fallback=off hash=plain; }
upstream lasts { ZONE; server two.test:1985 resolve; server 127.0.0.8:1985; session_sticky fallback=off hash=plain; }
--- client
$dns->knows('one.test A 127.0.0.2', 'two.test A 127.0.0.3');
settled('/changes/', ['127.0.0.2:1985', '127.0.0.3:1985']);
settled('/lasts/', ['127.0.0.3:1985', '127.0.0.8:1985']);
$dns->knows('one.test A 127.0.0.4 127.0.0.5', 'two.test A 127.0.0.3');
settled('/changes/', ['127.0.0.4:1985', '127.0.0.5:1985', '127.0.0.3:1985'], ['127.0.0.2:1985']);
for my $path ('/changes/', '/lasts/') {
    equals(bodies(everywhere($path, 'route=127.0.0.3:1985')), '127.0.0.3', "$path: the unchanged name keeps its sessions");
}
equals(bodies(everywhere('/lasts/', 'route=127.0.0.4:1985')), '502', 'the other upstream does not get the new address');
equals(bodies(everywhere('/lasts/', 'route=127.0.0.8:1985')), '127.0.0.8', 'a fixed address keeps its sessions');



=== two names with one address: it remains as long as one of them has it
--- upstreams
upstream u { ZONE; server one.test:1985 resolve; server two.test:1985 resolve; session_sticky fallback=off; }
--- client
my ($both, $one) = map { md5_hex("127.0.0.$_:1985") } 2, 3;
$dns->knows('one.test A 127.0.0.2 127.0.0.3', 'two.test A 127.0.0.2');
settled('/u/', [$both, $one]);
$dns->knows('one.test A 127.0.0.2', 'two.test A 127.0.0.4');
settled('/u/', [$both, md5_hex('127.0.0.4:1985')], [$one]);
equals(bodies(everywhere('/u/', "route=$both")), '127.0.0.2', 'its sessions stay');
$dns->knows('one.test A 127.0.0.3', 'two.test A 127.0.0.4');
settled('/u/', [$one], [$both]);



=== keepalive: a connection is used only for its own address, even after that was removed and added again
--- upstreams
upstream u { ZONE; server app.test:1985 resolve; keepalive 16; session_sticky hash=plain; }
--- client
sub asked { return map { body(visit('/u/connection', "route=127.0.0.$_[0]:1985", 1983)) } 1 .. 12 }
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled('/u/', ['127.0.0.2:1985', '127.0.0.3:1985']);
my (%two, %three);
for (1 .. 3) {
    $two{$_}++ for asked(2);
    $three{$_}++ for asked(3);
}
equals(scalar(grep { !/^127\.0\.0\.2 / } keys %two) + scalar(grep { !/^127\.0\.0\.3 / } keys %three), 0, 'each session goes to its own address');
holds(keys %two <= 6 && keys %three <= 6, 'over keepalive connections: ' . keys(%two) . ' and ' . keys(%three) . ' for 36 requests each');
$dns->knows('app.test A 127.0.0.3');
settled('/u/', ['127.0.0.3:1985'], ['127.0.0.2:1985']);
equals(join(' ', grep { !/^127\.0\.0\.3 / } asked(2), asked(3)), '', 'the removed address is not used again');
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled('/u/', ['127.0.0.2:1985', '127.0.0.3:1985']);
equals(join(' ', grep { !/^127\.0\.0\.2 / } asked(2)), '', 'its sessions use it when it is added again');
equals(join(' ', grep { !/^127\.0\.0\.3 / } asked(3)), '', 'and those of the other address use that');



=== a server is removed while requests wait for it: they are completed, and then the session moves
--- upstreams
upstream u { ZONE; server app.test:1991 resolve; server 127.0.0.9:1985; session_sticky hash=plain; }
upstream k { ZONE; least_conn; server app.test:1991 resolve; server 127.0.0.9:1985; keepalive 4; session_sticky hash=plain; }
--- client
my $server = serve(1991, '127.0.0.2');
my $mine = 'route=127.0.0.2:1991';
$dns->knows('app.test A 127.0.0.2');
for my $path ('/u/', '/k/') {
    my ($asked, $held) = at_server($path, $mine, $server);
    holds($held, "$path: a request is at its server");
    my (@more, @held);
    for (0 .. 3) {
        ($more[$_], $held[$_]) = at_server($path, $mine, $server);
    }
    equals(scalar(grep { $_ } @held), 4, "$path: and four more");
    $dns->knows();
    holds(soon(sub { body(visit($path, $mine, 1983)) eq '127.0.0.9' }), "$path: the name has no address, and the session moves");
    answer($held, 'at last');
    my $response = response($asked);
    equals(body($response), 'at last', "$path: the first request still gets its response");
    equals(bound($response), '', "$path: without a cookie");
    answer($held[0], 'later');
    equals(body(response($more[0])), 'later', "$path: and so does the next");
    close $more[1];                                           # a client that closes its connection
    $dns->knows('app.test A 127.0.0.2');
    my $returned;
    holds(soon(sub {
        my $asked = ask($path, $mine, 1983);
        my $taken = taken($server, 0.3) or return response($asked) && 0;
        answer($taken, 'back');
        return body(response($asked)) eq 'back';
    }), "$path: the server is added again while earlier requests still wait for it");
    answer($held[2], 'third');
    equals(body(response($more[2])), 'third', "$path: one of these gets its response");
    setsockopt $held[3], IO::Socket::INET::SOL_SOCKET(), IO::Socket::INET::SO_LINGER(), pack('ii', 1, 0);
    close $held[3];                                           # a reset
    close $held[1];
    holds(status(response($more[3])) =~ /^(?:200|502)$/, "$path: one that fails is completed");
    ($asked, $held) = at_server($path, $mine, $server);
    holds($held, "$path: the server gets its sessions");
    answer($held, 'well');
    equals(body(response($asked)), 'well', "$path: and responds");
}



=== max_conns: a server that is removed while it has connections starts without any when it is added again
--- upstreams
upstream u { ZONE; server app.test:1991 resolve max_conns=1; server 127.0.0.9:1985; session_sticky hash=plain; }
--- client
my $server = serve(1991, '127.0.0.2');
my $mine = 'route=127.0.0.2:1991';
$dns->knows('app.test A 127.0.0.2');
my ($old, $old_held) = at_server('/u/', $mine, $server);
holds($old_held, 'the server has a request');
equals(bodies(everywhere('/u/', $mine)), '127.0.0.9', 'and its limit is reached');
$dns->knows();
sleep(3);
equals(bodies(everywhere('/u/', $mine)), '127.0.0.9', 'it is removed');
$dns->knows('app.test A 127.0.0.2');
my ($new, $new_held) = at_server('/u/', $mine, $server);
holds($new_held, 'it is added again, and accepts a request');
answer($old_held, 'old');
equals(body(response($old)), 'old', 'the earlier request ends');
equals(bodies(everywhere('/u/', $mine)), '127.0.0.9', 'but the limit is still reached');
answer($new_held, 'new');
equals(body(response($new)), 'new', 'the second request ends');
my ($third, $third_held) = at_server('/u/', $mine, $server);
holds($third_held, 'now it accepts another one');
answer($third_held, 'third') if $third_held;



=== a server fails after it was removed: its requests get 502 or move, and the worker keeps running
--- upstreams
upstream u { ZONE; server app.test:1991 resolve; server 127.0.0.9:1985; session_sticky hash=plain; }
--- client
my $server = serve(1991, '127.0.0.2');
my $mine = 'route=127.0.0.2:1991';
$dns->knows('app.test A 127.0.0.2');
my (@asked, @held);
for (0 .. 7) {
    ($asked[$_], $held[$_]) = at_server('/u/', $mine, $server);
}
equals(scalar(grep { $_ } @held), 8, 'eight requests are at their server');
my @before = map { head('X-Worker', $_) } everywhere('/u/', 'route=127.0.0.9:1985');
$dns->knows();
holds(soon(sub { body(visit('/u/', $mine, 1983)) eq '127.0.0.9' }), 'it is removed');
close $_ for @held;
my @responses = map { response($_) } @asked;
equals(scalar(grep { status($_) !~ /^(?:200|502)$/ } @responses), 0, 'each gets a response');
my @after = map { head('X-Worker', $_) } everywhere('/u/', 'route=127.0.0.9:1985');
my %seen = map { $_ => 1 } @before, @after;
equals(scalar(keys %seen), 3, 'the workers are the same');



=== a reload keeps sessions on resolved addresses, and requests that wait
--- upstreams
upstream u { ZONE; server app.test:1985 resolve; session_sticky hash=plain fallback=off; }
upstream w { ZONE; server app.test:1991 resolve; server 127.0.0.9:1985; session_sticky hash=plain; }
--- client
my $server = serve(1991, '127.0.0.2');
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled('/u/', ['127.0.0.2:1985', '127.0.0.3:1985']);
my ($asked, $held) = at_server('/w/', 'route=127.0.0.2:1991', $server);
holds($held, 'a request waits');
holds(reload(), 'nginx is reloaded');
equals(bodies(everywhere('/u/', "route=127.0.0.$_:1985")), "127.0.0.$_", 'sessions stay') for 2, 3;
$dns->knows('app.test A 127.0.0.3 127.0.0.4');
holds(reload(), 'nginx is reloaded while the addresses change');
settled('/u/', ['127.0.0.3:1985', '127.0.0.4:1985'], ['127.0.0.2:1985']);
holds(reload(), 'nginx is reloaded again') for 1 .. 3;
equals(bodies(everywhere('/u/', "route=127.0.0.$_:1985")), "127.0.0.$_", 'sessions stay') for 3, 4;
answer($held, 'at last');
equals(body(response($asked)), 'at last', 'the request gets its response from an old worker');
