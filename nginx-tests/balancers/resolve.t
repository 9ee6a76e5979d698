# Servers whose addresses come and go at run time: "server NAME resolve" of nginx 1.27.3 and newer.
#
# nginx has three workers, and port 1983 spreads connections over them. Its resolver is $dns, which each block tells
# what to answer (see lib/Resolver.pm). Whatever 127.0.0.x:1985 and [::1]:1985 is asked, it answers with its address,
# and on :1985/connection also with the number of the connection.
# Sections of this file's own:
#   upstreams  upstream blocks; /NAME/ leads to upstream NAME. ZONE is a zone of its own
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
    # The next block's nginx begins with names that are nobody.
    $block->set_value(client => $block->client . '; $dns->knows();');
    $block->set_value(skip_nginx => '5: < 1.27.3');
});

# Does this upstream have the server that the id names?
sub has {
    my ($path, $id) = @_;
    my $response = visit($path, "route=$id", 1983);
    return status($response) eq "200" && bound($response) eq '';
}

# Waits until an upstream has these servers, and not those.
sub settled {
    my ($path, $has, $has_not) = @_;
    my $settled = soon(sub { !(grep { !has($path, $_) } @$has) && !(grep { has($path, $_) } @{$has_not // []}) });
    return holds($settled, "$path has @$has" . ($has_not ? ", and not @$has_not" : ''));
}

# Asks for a session's server until it is there: the request, and what the server has of it.
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

=== addresses come and go: sessions stay on those that stay, and only there
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
    equals(bodies(@stay), '127.0.0.3', "$path: a session stays on the address that stays");
    equals(cookies(@stay), '', "$path: with its cookie");
    equals(bodies(everywhere($path, "route=$id[4]")), '127.0.0.4', "$path: the new address has its sessions");
    my @move = everywhere($path, "route=$id[2]");
    if ($path =~ /off/) {
        equals(bodies(@move), '502', "$path: no other may take the session of the address that went");
    } else {
        holds(bodies(@move) =~ /^127\.0\.0\.[34](?: \| 127\.0\.0\.4)?$/, "$path: the session of the address that went moves");
        equals(scalar(grep { bound($_) ne md5_hex(body($_) . ':1985') } @move), 0, "$path: and is bound where it went");
    }
    my @first = everywhere($path);
    holds(tried(@first) !~ /127\.0\.0\.2/, "$path: no first visitor goes to the address that went");
    holds($path =~ /ip_hash/ || bodies(@first) =~ /127\.0\.0\.4/, "$path: some go to the new one");
}

$dns->knows('app.test A 127.0.0.2 127.0.0.3');
for my $path (@paths) {
    my @id = @{$ids{$path}};
    settled($path, [@id[2, 3]], [$id[4]]);
    equals(bodies(everywhere($path, "route=$id[2]")), '127.0.0.2', "$path: an address that returns has its old id");
}



=== an id given on the line is shared by all its addresses
--- upstreams
upstream id { ZONE; server app.test:1985 resolve id=app; server 127.0.0.9:1985 id=other; session_sticky hash=plain; }
--- client
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled('/id/', ['app', 'other'], ['127.0.0.2:1985']);
soon(sub { tried(everywhere('/id/')) =~ /0\.2.*0\.3.*0\.9/ });
my @app = everywhere('/id/', 'route=app');
holds(bodies(@app) =~ /^127\.0\.0\.[23]$/, 'the first of its addresses has the sessions: ' . bodies(@app));
my ($one, $two) = bodies(@app) =~ /2$/ ? (2, 3) : (3, 2);
equals(cookies(@app), '', 'with their cookie');
$dns->knows("app.test A 127.0.0.$two");
holds(soon(sub { body(visit('/id/', 'route=app', 1983)) eq "127.0.0.$two" }), 'when that goes, the next takes them');
my @moved = everywhere('/id/', 'route=app');
equals(bodies(@moved), "127.0.0.$two", 'in every worker');
equals(cookies(@moved), '', 'with the same cookie');
$dns->knows();
settled('/id/', ['other'], ['app']);
equals(cookies(everywhere('/id/', 'route=app')), 'other', 'when none is left, sessions move to the other server');
$dns->knows('app.test A 127.0.0.5');
settled('/id/', ['app', 'other']);
equals(bodies(everywhere('/id/', 'route=app')), '127.0.0.5', 'a new address of the name takes them again');



=== a name that is nobody at first: 502, and then sessions
--- upstreams
upstream nobody { ZONE; server app.test:1985 resolve; session_sticky; }
upstream off { ZONE; server app.test:1985 resolve; session_sticky fallback=off; }
--- client
my $id = md5_hex('127.0.0.2:1985');
$dns->knows();
for my $path ('/nobody/', '/off/') {
    equals(bodies(everywhere($path)), '502', "$path: nobody for a first visitor");
    equals(bodies(everywhere($path, "route=$id")), '502', "$path: nor for a session");
}
$dns->knows('app.test A 127.0.0.2');
settled($_, [$id]) for '/nobody/', '/off/';
equals(cookies(everywhere($_)), $id, "$_: the first address binds first visitors") for '/nobody/', '/off/';
$dns->knows();
for my $path ('/nobody/', '/off/') {
    holds(soon(sub { status(visit($path, "route=$id", 1983)) == 502 }), "$path: nobody is left");
    my @gone = everywhere($path, "route=$id");
    equals(bodies(@gone), '502', "$path: in no worker");
    equals(cookies(@gone), '', "$path: and the cookie is not touched");
}
$dns->knows('app.test A 127.0.0.2');
settled($_, [$id]) for '/nobody/', '/off/';



=== a resolver that fails or is silent takes no server away
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
equals(bodies(everywhere('/u/', "route=$id")), '127.0.0.2', 'without an answer');



=== a backup that resolves
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
equals(bodies(everywhere('/u/')), '127.0.0.2', 'first visitors go to the primary');
equals(bodies(everywhere('/u/', 'route=127.0.0.7:1985')), '127.0.0.7', 'a session on the backup stays');
$dns->knows('app.test A 127.0.0.2', 'backup.test A 127.0.0.8');
settled('/u/', ['127.0.0.2:1985', '127.0.0.8:1985'], ['127.0.0.7:1985']);
equals(cookies(everywhere('/u/', 'route=127.0.0.7:1985')), '127.0.0.2:1985', 'a backup that went loses its sessions to the primary');
$dns->knows('backup.test A 127.0.0.8');
settled('/u/', ['127.0.0.8:1985'], ['127.0.0.2:1985']);
equals(cookies(everywhere('/u/', 'route=127.0.0.2:1985')), '127.0.0.8:1985', 'a primary that went to the backup');
equals(cookies(everywhere('/u/')), '127.0.0.8:1985', 'as first visitors do');



=== service: addresses and ports by SRV records, backups by priority
--- upstreams
upstream u { ZONE; server app.test service=http resolve; session_sticky hash=plain; }
upstream m { ZONE; session_sticky; server app.test service=http resolve; server 127.0.0.9:1985 down; }
--- client
my @hosts = ('one.test A 127.0.0.2', 'two.test A 127.0.0.3', 'three.test A 127.0.0.4');
$dns->knows(@hosts, '_http._tcp.app.test SRV 10,1,1985,one.test 10,1,1985,two.test 20,1,1985,three.test');
settled('/u/', [map { "127.0.0.$_:1985" } 2 .. 4]);
settled('/m/', [map { md5_hex("127.0.0.$_:1985") } 2 .. 4]);
equals(bodies(everywhere('/u/')), '127.0.0.2 | 127.0.0.3', 'first visitors go to those of the best priority');
equals(bodies(everywhere('/u/', 'route=127.0.0.4:1985')), '127.0.0.4', 'a session on one of the others stays');
$dns->knows(@hosts, '_http._tcp.app.test SRV 10,1,1985,one.test 20,1,1985,three.test');
settled('/u/', ['127.0.0.2:1985', '127.0.0.4:1985'], ['127.0.0.3:1985']);
equals(cookies(everywhere('/u/', 'route=127.0.0.3:1985')), '127.0.0.2:1985', 'the session of one that went moves');
$dns->knows(@hosts, '_http._tcp.app.test SRV 20,1,1985,three.test 30,1,1985,two.test');
settled('/u/', ['127.0.0.4:1985', '127.0.0.3:1985'], ['127.0.0.2:1985']);
settled('/m/', [map { md5_hex("127.0.0.$_:1985") } 3, 4], [md5_hex('127.0.0.2:1985')]);
equals(bodies(everywhere('/u/')), '127.0.0.4', 'what was a backup is a primary');
equals(bodies(everywhere('/u/', 'route=127.0.0.4:1985')), '127.0.0.4', 'and keeps its sessions and its id');
equals(bodies(everywhere('/u/', 'route=127.0.0.3:1985')), '127.0.0.3', 'what was a primary returns as a backup, with its id');



=== service with an id: shared by what the records name
--- upstreams
upstream u { ZONE; server app.test service=http resolve id=app; server 127.0.0.9:1985 id=other; session_sticky hash=plain; }
--- client
my @hosts = ('one.test A 127.0.0.2', 'two.test A 127.0.0.3');
$dns->knows(@hosts, '_http._tcp.app.test SRV 10,1,1985,one.test 20,1,1985,two.test');
settled('/u/', ['other', 'app'], ['127.0.0.2:1985', '127.0.0.3:1985']);
equals(bodies(everywhere('/u/', 'route=app')), '127.0.0.2', 'the best has the sessions');
$dns->knows(@hosts, '_http._tcp.app.test SRV 20,1,1985,two.test');
holds(soon(sub { body(visit('/u/', 'route=app', 1983)) eq '127.0.0.3' }), 'when it goes, the other takes them');
equals(cookies(everywhere('/u/', 'route=app')), '', 'with the same cookie');



=== drain is about every address that the name will have
--- upstreams
upstream u { ZONE; server app.test:1985 resolve drain; server 127.0.0.9:1985; session_sticky hash=plain; }
--- client
$dns->knows('app.test A 127.0.0.2');
settled('/u/', ['127.0.0.2:1985', '127.0.0.9:1985']);
equals(bodies(everywhere('/u/')), '127.0.0.9', 'no first visitor comes');
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled('/u/', ['127.0.0.2:1985', '127.0.0.3:1985']);
equals(bodies(everywhere('/u/', 'route=127.0.0.3:1985')), '127.0.0.3', 'a new address may have sessions from before');
equals(bodies(everywhere('/u/')), '127.0.0.9', 'but no first visitors');
$dns->knows('app.test A 127.0.0.3');
settled('/u/', ['127.0.0.3:1985'], ['127.0.0.2:1985']);
equals(cookies(everywhere('/u/', 'route=127.0.0.2:1985')), '127.0.0.9:1985', 'sessions of one that went do not go to the other');



=== drain with service is about all that the records name
--- upstreams
upstream u { ZONE; server app.test service=http resolve drain; server 127.0.0.9:1985; session_sticky hash=plain; }
--- client
my @hosts = ('one.test A 127.0.0.2', 'two.test A 127.0.0.3');
$dns->knows(@hosts, '_http._tcp.app.test SRV 10,1,1985,one.test 20,1,1985,two.test');
settled('/u/', ['127.0.0.2:1985', '127.0.0.3:1985']);
equals(bodies(everywhere('/u/')), '127.0.0.9', 'no first visitor comes');



=== fallback=unknown: the session of an address that went is a first visit, that of one that fails is not
--- upstreams
upstream u { ZONE; server app.test:1985 resolve; server 127.0.0.9:1999 max_fails=0; session_sticky hash=plain fallback=unknown; }
--- client
$dns->knows('app.test A 127.0.0.2');
settled('/u/', ['127.0.0.2:1985']);
$dns->knows('app.test A 127.0.0.3');
settled('/u/', ['127.0.0.3:1985'], ['127.0.0.2:1985']);
equals(cookies(everywhere('/u/', 'route=127.0.0.2:1985')), '127.0.0.3:1985', 'it is bound to the new one');
equals(bodies(everywhere('/u/', 'route=127.0.0.9:1999')), '502', 'one that is dead gives 502');



=== IPv6 beside IPv4
--- upstreams
upstream u { ZONE; server app.test:1985 resolve; session_sticky hash=plain fallback=off; }
upstream m { ZONE; server app.test:1985 resolve; session_sticky fallback=off; }
--- client
$dns->knows('app.test A 127.0.0.2', 'app.test AAAA ::1');
settled('/u/', ['127.0.0.2:1985', '[::1]:1985']);
settled('/m/', [md5_hex('127.0.0.2:1985'), md5_hex('[::1]:1985')]);
equals(bodies(everywhere('/u/', 'route=[::1]:1985')), '::1', 'a session of the one');
equals(bodies(everywhere('/u/', 'route=127.0.0.2:1985')), '127.0.0.2', 'and of the other');
$dns->knows('app.test AAAA ::1');
settled('/u/', ['[::1]:1985'], ['127.0.0.2:1985']);
$dns->knows('app.test A 127.0.0.2');
settled('/u/', ['127.0.0.2:1985'], ['[::1]:1985']);
settled('/m/', [md5_hex('127.0.0.2:1985')], [md5_hex('[::1]:1985')]);
--- skip_eval: 5: !$main::has_ipv6



=== two upstreams: what happens to one is nothing to the other
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
    equals(bodies(everywhere($path, 'route=127.0.0.3:1985')), '127.0.0.3', "$path: the name that stays keeps its sessions");
}
equals(bodies(everywhere('/lasts/', 'route=127.0.0.4:1985')), '502', 'the other knows nothing of what came');
equals(bodies(everywhere('/lasts/', 'route=127.0.0.8:1985')), '127.0.0.8', 'a fixed address stays');



=== two names with one address: it stays as long as one of them has it
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



=== keepalive: a kept connection is used for its own address only, also after that went and returned
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
equals(scalar(grep { !/^127\.0\.0\.2 / } keys %two) + scalar(grep { !/^127\.0\.0\.3 / } keys %three), 0, 'each goes to its own');
holds(keys %two <= 6 && keys %three <= 6, 'on kept connections: ' . keys(%two) . ' and ' . keys(%three) . ' for 36 requests each');
$dns->knows('app.test A 127.0.0.3');
settled('/u/', ['127.0.0.3:1985'], ['127.0.0.2:1985']);
equals(join(' ', grep { !/^127\.0\.0\.3 / } asked(2), asked(3)), '', 'the one that went is not asked again');
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled('/u/', ['127.0.0.2:1985', '127.0.0.3:1985']);
equals(join(' ', grep { !/^127\.0\.0\.2 / } asked(2)), '', 'its sessions are on it when it returned');
equals(join(' ', grep { !/^127\.0\.0\.3 / } asked(3)), '', 'and those of the other on the other');



=== a server that goes while it answers: the answer comes, then the session moves
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
    holds(soon(sub { body(visit($path, $mine, 1983)) eq '127.0.0.9' }), "$path: the name is nobody, the session moves");
    answer($held, 'at last');
    my $response = response($asked);
    equals(body($response), 'at last', "$path: the first is answered all the same");
    equals(bound($response), '', "$path: and needs no cookie");
    answer($held[0], 'later');
    equals(body(response($more[0])), 'later', "$path: so is the next");
    close $more[1];                                           # a client that does not wait
    $dns->knows('app.test A 127.0.0.2');
    my $returned;
    holds(soon(sub {
        my $asked = ask($path, $mine, 1983);
        my $taken = taken($server, 0.3) or return response($asked) && 0;
        answer($taken, 'back');
        return body(response($asked)) eq 'back';
    }), "$path: the server returns while others of its first life are still at work");
    answer($held[2], 'third');
    equals(body(response($more[2])), 'third', "$path: one of these is answered");
    setsockopt $held[3], IO::Socket::INET::SOL_SOCKET(), IO::Socket::INET::SO_LINGER(), pack('ii', 1, 0);
    close $held[3];                                           # a reset
    close $held[1];
    holds(status(response($more[3])) =~ /^(?:200|502)$/, "$path: one that fails is done with");
    ($asked, $held) = at_server($path, $mine, $server);
    holds($held, "$path: the server takes its sessions");
    answer($held, 'well');
    equals(body(response($asked)), 'well', "$path: and answers");
}



=== max_conns: a server that went with connections and returned starts empty, and fills
--- upstreams
upstream u { ZONE; server app.test:1991 resolve max_conns=1; server 127.0.0.9:1985; session_sticky hash=plain; }
--- client
my $server = serve(1991, '127.0.0.2');
my $mine = 'route=127.0.0.2:1991';
$dns->knows('app.test A 127.0.0.2');
my ($old, $old_held) = at_server('/u/', $mine, $server);
holds($old_held, 'it has a request');
equals(bodies(everywhere('/u/', $mine)), '127.0.0.9', 'and is full');
$dns->knows();
sleep(3);
equals(bodies(everywhere('/u/', $mine)), '127.0.0.9', 'it goes');
$dns->knows('app.test A 127.0.0.2');
my ($new, $new_held) = at_server('/u/', $mine, $server);
holds($new_held, 'it returns, and is empty');
answer($old_held, 'old');
equals(body(response($old)), 'old', 'the request of its first life ends');
equals(bodies(everywhere('/u/', $mine)), '127.0.0.9', 'which makes no room: it is still full');
answer($new_held, 'new');
equals(body(response($new)), 'new', 'the second ends');
my ($third, $third_held) = at_server('/u/', $mine, $server);
holds($third_held, 'now there is room');
answer($third_held, 'third') if $third_held;



=== a bound server fails after it went: the request is refused or moves, and the worker lives
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
holds(soon(sub { body(visit('/u/', $mine, 1983)) eq '127.0.0.9' }), 'it goes');
close $_ for @held;
my @responses = map { response($_) } @asked;
equals(scalar(grep { status($_) !~ /^(?:200|502)$/ } @responses), 0, 'each gets an answer');
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
equals(body(response($asked)), 'at last', 'the request is answered by the workers of before');
