# linger=time: an address that was removed from DNS keeps its sessions for the specified time.
#
# nginx has two workers, and port 1983 spreads connections over them. Its resolver is $dns (lib/Resolver.pm). Servers on
# 127.0.0.x:1985 respond with their address, for /connection also with the number of the connection; for /early with the
# request's X-Early. Port 1986 uses TLS. Blocks run their own servers on other ports.
# Sections of this file:
#   upstreams  upstream blocks; /NAME/ is passed to upstream NAME. ZONE is replaced with a separate zone, RESOLVED with a zone and
#              the servers of app.test:1985, KEYS with parameters for keyed IDs
#   each       directives of each location that passes to an upstream
#   locations  more locations on port 1983
#   client     see lib/Client.pm
#   any_version  does not skip the block with versions of nginx that cannot resolve names at run time

# Lingering addresses survive a reload, so each block needs a new nginx, even in mode hup.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Certificates Control Keys Resolver Running Status Upstreams Visits);
use Digest::MD5 'md5_hex';
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

our $dns = Resolver->new(1990);
our @names = map { s/\W+/_/gr } map { "b_$_" } 0 .. $#balancers;
key_file('one', $key[0]);

my $pair = certificate();
my $zones = 0;

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = $block->upstreams =~ s/\bRESOLVED\b/ZONE; server app.test:1985 resolve;/gr
        =~ s{\bKEYS\b}{hash=hmac key_file=$keys/one}gr =~ s/\bZONE\b/'zone linger_' . $zones++ . ' 128k'/ger;
    $block->set_value(http_config => <<"_EOC_" . entrance($upstreams, $control . ($block->locations // ''), $block->each));
resolver 127.0.0.1:1990 valid=1s ipv6=off;
resolver_timeout 1s;
proxy_http_version 1.1;
proxy_set_header Connection "";
server {
    listen 1985;
    listen 1986 ssl;
    ssl_certificate $pair.pem;
    ssl_certificate_key $pair.key;
    location / { return 200 "\$server_addr"; }
    location /connection { return 200 "\$server_addr \$connection"; }
    location /early { return 200 "\$http_x_early"; }
}
_EOC_
    $block->set_value(workers => 2) if !defined $block->workers;
    # The next block's nginx starts without records.
    $block->set_value(client => $block->client . '; $dns->knows();');
    $block->set_value(skip_nginx => '5: < 1.27.3') if !defined $block->any_version;
});

# The cookie of a session of an address, with the address as its ID.
sub of { my ($number, $port) = @_; return "route=127.0.0.$number:" . ($port // 1985) }
sub serving { my ($path, $session) = @_; return bodies(everywhere($path, $session)) }

# Waits until a session gets the wanted responses from every worker.
sub settles ($$$$) {
    my ($path, $session, $wanted, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return eventually(sub { serving($path, $session) eq $wanted }, $what);
}

# Sets the addresses of app.test. Waits until new sessions of /PATH/ use all of them, and no others.
sub has {
    my ($path, @addresses) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $wanted = join ' | ', map { "127.0.0.$_" } @addresses;
    $dns->knows(@addresses ? "app.test A $wanted" =~ tr/|//dr : ());
    return settles($path, undef, $wanted || '502', "$path has " . (join(' ', @addresses) || 'no server'));
}

sub lingering {
    my ($name) = @_;
    my $document = parsed(visit('/status?format=json', undef, 1983));
    my ($upstream) = grep { $_->{name} eq $name } @{$document->{upstreams}};
    return join ' ', sort map { $_->{address} } @{$upstream->{lingering}};
}

# What "explain" at /status reports for a session.
sub explained {
    my ($name, $session) = @_;
    my $length = length $session;
    return parsed(response(say_to_nginx("POST /status/upstreams/$name/explain HTTP/1.0\r\nHost: localhost\r\n"
        . "Content-Type: text/plain\r\nContent-Length: $length\r\n\r\n$session", 1983)));
}

master_on();
worker_connections(256);
run_tests();

__DATA__

=== an address removed from DNS keeps its sessions, and gets no new ones, until the time is over
--- upstreams
upstream u { RESOLVED session_sticky hash=plain linger=8s; }
upstream without { RESOLVED session_sticky hash=plain; }
--- client
has('/u/', 2, 3);
equals(lingering('u'), '', 'no address lingers');
my $start = time;
has('/u/', 3);
my @visits = everywhere('/u/', of(2));
equals(bodies(@visits), '127.0.0.2', 'its sessions stay');
equals(cookies(@visits), '', 'and no cookie is set');
equals(lingering('u'), '127.0.0.2:1985', 'it is reported as lingering');
equals(serving('/without/', of(2)), '127.0.0.3', 'without linger=, they move');
settles('/u/', of(2), '127.0.0.3', 'when the time is over, they move');
holds(time - $start >= 7, 'but not before');
equals(lingering('u'), '', 'it is no longer reported');
equals(scalar(log_lines(qr/a server of upstream "u" left DNS, 127\.0\.0\.2:1985, and may keep sessions for 8 seconds/)), 1, 'it is logged once');



=== by every form of session
--- upstreams
upstream md5 { RESOLVED session_sticky linger=1m; }
upstream keyed { RESOLVED session_sticky KEYS linger=1m; }
upstream stamped { RESOLVED session_sticky linger=1m maxidle=1h refresh=1m; }
upstream signs { RESOLVED session_sticky KEYS sign linger=1m maxidle=1h refresh=1m; }
upstream prefixed { RESOLVED session_sticky mode=prefix linger=1m; }
upstream rewritten { RESOLVED session_sticky mode=rewrite linger=1m; }
upstream routes { RESOLVED session_sticky mode=route lookup=$arg_r linger=1m; }
upstream learns { RESOLVED session_sticky mode=learn create=$arg_s lookup=$arg_s zone=learnt:1m linger=1m; }
upstream accepts { RESOLVED session_sticky linger=1m accept=plain,sha1; }
upstream strict { RESOLVED session_sticky linger=1m fallback=off; }
upstream unknown { RESOLVED session_sticky linger=1m fallback=unknown if=$arg_key; }
--- client
my $name = '127.0.0.2:1985';
my $md5 = md5_hex($name);
my ($now, $keyed) = (time =~ s/\..*//r, key_ids($name, $key[0]));
has('/md5/', 2, 3);
body(visit("/learns/?s=$_", undef, 1983)) for 1 .. 8;
my ($learnt) = grep { body(visit("/learns/?s=$_", undef, 1983)) eq '127.0.0.2' } 1 .. 8;
has('/md5/', 3);
my %sessions = (md5 => $md5, keyed => $keyed, stamped => "$md5|$now|$now", signs => signed('route', "$keyed|$now|$now", $key[0]),
                prefixed => "$md5~app", rewritten => $md5, strict => $md5, unknown => $md5);
for my $mode (sort keys %sessions) {
    my @visits = everywhere("/$mode/", "route=$sessions{$mode}");
    equals(bodies(@visits), '127.0.0.2', "$mode: its sessions stay");
    equals(cookies(@visits), '', "$mode: and keep their cookie");
}
equals(serving('/md5/', "route=nobody; a=b; route=$md5"), '127.0.0.2', 'with the second of two values');
equals(serving('/md5/', "route=$md5; route=" . md5_hex('127.0.0.3:1985')), '127.0.0.3', 'a server in DNS takes precedence');
my $old = visit('/stamped/', "route=$md5|" . ($now - 120) . "|$now", 1983);
holds(bound($old) =~ /^$md5\|\d+\|$now\z/, 'timestamps are renewed: ' . bound($old));
holds(bound(visit('/stamped/', "route=$md5|" . ($now - 7200) . "|$now", 1983)) =~ /^(?!$md5)/, 'a session that has ended is replaced with a new one');
equals(body(visit("/routes/?r=$md5", undef, 1983)), '127.0.0.2', 'a route') for 1 .. 4;
equals(body(visit("/learns/?s=$learnt", undef, 1983)), '127.0.0.2', 'learned sessions') for 1 .. 4;
my @visits = everywhere('/accepts/', "route=$name");
equals(bodies(@visits), '127.0.0.2', 'an ID of another scheme');
equals(cookies(@visits), $md5, 'is replaced');
my $explained = explained('accepts', $name);
equals("$explained->{verdict} $explained->{scheme} $explained->{would} $explained->{lingering}{address}", "valid plain bound $name", 'explain reports the lingering address');
holds($explained->{lingering}{seconds} > 30, 'and the remaining time');
$explained = explained('md5', md5_hex('127.0.0.3:1985'));
equals("$explained->{would} " . ($explained->{lingering} // 'none'), 'bound none', 'explain does not report it for a server in DNS');
equals(explained('learns', $learnt)->{lingering}{address}, $name, 'explain reports it for a learned session');



=== all addresses are removed: sessions stay, and other requests fail
--- upstreams eval
CORE::join '', map { "upstream $main::names[$_] { $main::balancers[$_] RESOLVED session_sticky hash=plain linger=1m; }\n" } 0 .. $#main::balancers;
--- client
has("/$names[0]/", 2, 3);
# ip_hash selects the same server for all requests of a client.
settles("/$_/", undef, '127.0.0.2 | 127.0.0.3', "$_ has both addresses") for grep { $_ ne $names[2] } @names;
has("/$names[0]/");
for my $name (@names) {
    settles("/$name/", undef, '502', "$name: no server is left");
    equals(serving("/$name/", of($_)), "127.0.0.$_", "$name: sessions of $_ stay") for 2, 3;
}
has("/$names[0]/", 4);
for my $name (@names) {
    settles("/$name/", undef, '127.0.0.4', "$name: there is a new server");
    equals(serving("/$name/", of($_)), "127.0.0.$_", "$name: sessions of $_ still stay") for 2, 3;
}



=== addresses of a service, primary and backup servers
--- upstreams
upstream u { ZONE; server app.test service=http resolve; session_sticky hash=plain linger=1m; }
--- client
my @hosts = map { "h$_.test A 127.0.0.$_" } 2 .. 4;
$dns->knows(@hosts, '_http._tcp.app.test SRV 10,1,1985,h2.test 10,1,1985,h3.test 20,1,1985,h4.test');
settles('/u/', undef, '127.0.0.2 | 127.0.0.3', 'the primary servers get new sessions');
settles('/u/', of(4), '127.0.0.4', 'the backup server keeps its sessions');
$dns->knows(@hosts, '_http._tcp.app.test SRV 10,1,1985,h3.test');
eventually(sub { lingering('u') eq '127.0.0.2:1985 127.0.0.4:1985' }, 'two addresses linger');
equals(serving('/u/', of($_)), "127.0.0.$_", "sessions of $_ stay") for 2, 3, 4;



=== an address that is added to DNS again is a normal server
--- upstreams
upstream u { RESOLVED session_sticky hash=plain linger=1m; }
--- client
has('/u/', 2, 3);
for my $round (1 .. 2) {
    has('/u/', 3);
    equals(serving('/u/', of(2)), '127.0.0.2', "round $round: its sessions stay");
    has('/u/', 2, 3);
    equals(serving('/u/', of(2)), '127.0.0.2', "round $round: and stay when it is added again");
    eventually(sub { lingering('u') eq '' }, "round $round: it no longer lingers");
}



=== a failed connection ends the lingering in all workers, and the session moves
--- upstreams
upstream u { ZONE; server app.test:1991 resolve; server 127.0.0.9:1985; session_sticky hash=plain linger=1m; }
upstream off { ZONE; server app.test:1991 resolve; server 127.0.0.9:1985; session_sticky hash=plain linger=1m fallback=off; }
upstream route { ZONE; server app.test:1991 resolve; server 127.0.0.9:1985; session_sticky mode=route lookup=$cookie_route linger=1m; }
upstream limited { ZONE; server app.test:1991 resolve; server 127.0.0.9:1985; session_sticky hash=plain linger=1m; }
--- each
proxy_next_upstream error timeout http_503;
proxy_read_timeout 1s;
--- locations
location /limited/once { proxy_pass http://limited; proxy_next_upstream_tries 1; }
--- client
my $server = serve(1991, '127.0.0.2');
my @paths = ('/u/', '/off/', '/route/', '/limited/');
my %session = map { $_ => of(2, 1991) } @paths;
$session{'/route/'} = 'route=' . md5_hex('127.0.0.2:1991');
$dns->knows('app.test A 127.0.0.2');
for my $path (@paths) {
    eventually(sub {
        my $asked = ask($path, $session{$path}, 1983);
        my $held = taken_unless_answered($server, $asked) or return response($asked) && 0;
        answer($held, 'mine');
        return response($asked) =~ /mine/;
    }, "$path has the server");
}
$dns->knows();
eventually(sub { join(' ', map { lingering($_) } qw(u off route limited)) eq join(' ', ('127.0.0.2:1991') x 4) }, 'it lingers in all of them');
for my $path (@paths) {
    my $asked = ask($path, $session{$path}, 1983);
    my $held = taken_unless_answered($server, $asked);
    answer($held, 'still mine');
    equals(body(response($asked)), 'still mine', "$path: its session stays");
    $asked = ask($path, $session{$path}, 1983);
    $held = taken($server);
    print $held "HTTP/1.0 503 no\r\n\r\n";
    close $held;
    my $response = response($asked);
    equals($path =~ /off/ ? status($response) : body($response), $path =~ /off/ ? '503' : '127.0.0.9', "$path: after an error response");
    $asked = ask($path, $session{$path}, 1983);
    $held = taken($server);
    $response = response($asked);
    close $held;
    equals($path =~ /off/ ? status($response) : body($response), $path =~ /off/ ? '504' : '127.0.0.9', "$path: after a timeout");
    $asked = ask($path, $session{$path}, 1983);
    answer(taken($server), 'mine after all');
    equals(body(response($asked)), 'mine after all', "$path: the server is excluded only for that request");
}
close $server;
equals(status(visit('/limited/once', $session{'/limited/'}, 1983)), '502', 'a request with one try gets 502');
for my $path ('/u/', '/route/') {
    equals(body(visit($path, $session{$path}, 1983)), '127.0.0.9', "$path: if it accepts no connection, the request goes to another server");
}
equals(status(visit('/off/', $session{'/off/'}, 1983)), '502', '/off/: the request gets 502');
equals(join('', map { lingering($_) } qw(u off route limited)), '', 'no address lingers any longer');
$server = serve(1991, '127.0.0.2');
equals(serving($_, $session{$_}), '127.0.0.9', "$_: no worker tries it again") for '/u/', '/route/', '/limited/';
equals(serving('/off/', $session{'/off/'}), '502', '/off/: no worker tries it again');
equals(scalar(log_lines(qr/server 127\.0\.0\.2:1991 of upstream "u" has left DNS and accepts no connection \(connection failed\)/)), 1, 'it is logged');



=== keepalive connections are reused
--- upstreams
upstream u { RESOLVED session_sticky hash=plain linger=1m; keepalive 8; }
upstream before { keepalive 8; RESOLVED session_sticky hash=plain linger=1m; }
--- client
has('/u/', 2, 3);
has('/before/', 3);
for my $path ('/u/connection', '/before/connection') {
    my %connections = map { body(visit($path, of(2), 1983)) => 1 } 1 .. 30;
    equals(scalar(grep { !/^127\.0\.0\.2 / } keys %connections), 0, "$path: all connections are to the server");
    holds(keys %connections <= 4, "$path: there are few connections: " . keys %connections);
    %connections = map { body(visit($path, of(3), 1983)) => 1 } 1 .. 30;
    equals(scalar(grep { !/^127\.0\.0\.3 / } keys %connections), 0, "$path: other sessions use their own server's connections");
}



=== an idle connection that the server has closed is not a failure
--- upstreams
upstream u { ZONE; server app.test:1991 resolve; server 127.0.0.9:1985; session_sticky hash=plain linger=1m; keepalive 4; }
--- workers: 1
--- client
my $server = serve(1991, '127.0.0.2');
my $mine = of(2, 1991);
my $kept = sub {
    my ($text) = @_;
    my $asked = ask('/u/', $mine, 1983);
    my $held = taken_unless_answered($server, $asked) or return response($asked) && undef;
    print $held "HTTP/1.1 200 OK\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
    return body(response($asked)) eq $text && $held;
};
$dns->knows('app.test A 127.0.0.2');
eventually(sub { $kept->('mine') }, 'the upstream has the server');
$dns->knows();
eventually(sub { lingering('u') }, 'it lingers');
eventually(sub { close($kept->('first') || return 0); 1 }, 'its connection stays open, and is then closed');
for (1 .. 3) {
    my $held = $kept->("number $_");
    holds($held, "request $_ gets its response");
    # Either side may be faster.
    close $held;
}
equals(lingering('u'), '127.0.0.2:1991', 'it still lingers');



=== over TLS, with and without a TLS session
--- upstreams
upstream u { ZONE; server app.test:1986 resolve; session_sticky hash=plain linger=1m; }
upstream fails { ZONE; server app.test:1985 resolve; server 127.0.0.9:1986; session_sticky hash=plain linger=1m; }
--- locations
location /u/tls { proxy_pass https://u; }
location /fails/tls { proxy_pass https://fails; }
--- client
sub tls { my ($path, $session) = @_; return bodies(map { visit("$path/tls", $session, 1983) } 1 .. 12) }
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
eventually(sub { tls('/u', of(2, 1986)) eq '127.0.0.2' }, 'it has a session');
$dns->knows('app.test A 127.0.0.3');
eventually(sub { lingering('u') && lingering('fails') }, 'it lingers');
equals(tls('/u', of(2, 1986)), '127.0.0.2', 'its sessions stay');
equals(tls('/u', of(3, 1986)), '127.0.0.3', 'and so do others');
equals(tls('/fails', of(2)), '127.0.0.9', 'a failed handshake ends it');
equals(lingering('fails'), '', 'immediately');



=== the variables of a session before its server is selected, and after that
--- upstreams
upstream u { RESOLVED session_sticky hash=plain linger=1m; }
upstream accepts { RESOLVED session_sticky accept=plain linger=1m; }
upstream route { RESOLVED session_sticky mode=route lookup=$cookie_route linger=1m; }
upstream fails { ZONE; server app.test:1991 resolve; server 127.0.0.9:1985; session_sticky hash=plain linger=1m; }
--- each
proxy_set_header X-Early $session_sticky_verdict/$session_sticky_previous;
add_header X-Late $session_sticky_verdict/$session_sticky_previous always;
add_header X-Worker $pid always;
--- client
has('/u/', 2, 3);
has('/u/', 3);
my $words = sub { my $visit = visit($_[0] . 'early', $_[1], 1983); return body($visit) . ', ' . head('X-Late', $visit) };
my $lingers = '127.0.0.2:1985';
equals($words->('/u/', of(2)), "valid/$lingers, valid/$lingers", 'the address has the session');
equals($words->('/route/', 'route=' . md5_hex($lingers)), "valid/$lingers, valid/$lingers", 'a route');
equals($words->('/accepts/', of(2)), "valid/$lingers, valid/$lingers", 'an ID of another scheme');
equals($words->('/u/', of(2) . '; ' . of(3)), 'valid/127.0.0.3:1985, valid/127.0.0.3:1985', 'a server in DNS takes precedence');
equals($words->('/u/', of(4)), 'unknown/, unknown/', 'an unknown session');
equals($words->('/fails/', of(2, 1991)), 'valid/127.0.0.2:1991, down/127.0.0.2:1991', 'the address had the session, but accepts no connection');
equals($words->('/fails/', of(2, 1991)), 'unknown/, unknown/', 'and no longer has it');



=== a worker that was suspended does not restart the lingering
--- upstreams
upstream u { RESOLVED session_sticky hash=plain linger=3s; }
--- client
has('/u/', 2, 3);
# Both workers have read the servers.
sleep 2;
my ($first, $late) = sort { $a <=> $b } children();
kill STOP => $late;
$dns->knows('app.test A 127.0.0.3');
sleep 6;
kill CONT => $late;
sleep 1.5;
equals(lingering('u'), '', 'no address lingers');
equals(serving('/u/', of(2)), '127.0.0.3', 'its sessions have moved');
equals(scalar(log_lines(qr/left DNS, 127\.0\.0\.2:1985/)), 1, 'it is logged once');



=== a request whose lingering server accepts no connection goes to one that was added to DNS meanwhile
--- upstreams
upstream u { ZONE; server app.test:1991 resolve; server other.test:1985 resolve; session_sticky hash=plain linger=1m; }
upstream tls { ZONE; server app.test:1991 resolve; server other.test:1986 resolve; session_sticky hash=plain linger=1m; }
upstream least { ZONE; least_conn; server app.test:1991 resolve; server other.test:1985 resolve; session_sticky hash=plain linger=1m; keepalive 4; }
upstream off { ZONE; server app.test:1991 resolve; server other.test:1985 resolve; session_sticky hash=plain linger=1m fallback=off; }
--- each
proxy_connect_timeout 4s;
--- locations
location /tls/tls { proxy_pass https://tls; proxy_connect_timeout 4s; }
--- client
my @names = qw(u tls least off);
$dns->knows('app.test A 127.0.0.2', 'other.test A 127.0.0.3');
eventually(sub { serving("/$_/", of(3)) eq '127.0.0.3' }, "$_ has servers") for qw(u least off);
eventually(sub { body(visit('/tls/tls', of(3, 1986), 1983)) eq '127.0.0.3' }, 'tls has servers');
$dns->knows('other.test A 127.0.0.3');
eventually(sub { !grep { lingering($_) ne '127.0.0.2:1991' } @names }, 'one address lingers');
# The listening socket's queue is full, and no connection is accepted.
my $full = IO::Socket::INET->new(LocalAddr => '127.0.0.2', LocalPort => 1991, Listen => 1, ReuseAddr => 1);
my @waiting = map { IO::Socket::INET->new(PeerAddr => '127.0.0.2', PeerPort => 1991, Blocking => 0) } 1 .. 6;
my %asked = map { $_ => ask($_ eq 'tls' ? '/tls/tls' : "/$_/", of(2, 1991), 1983) } @names;
$dns->knows('other.test A ' . join ' ', map { "127.0.0.$_" } 4 .. 90);
my %response = map { $_ => response($asked{$_}) } @names;
holds(body($response{$_}) =~ /^127\.0\.0\.\d+$/, "$_: a new server responds") for qw(u tls least);
equals(status($response{off}), '504', 'off: no other server is tried');
equals(lingering($_), '127.0.0.3:198' . ($_ eq 'tls' ? 6 : 5), "$_: only the other address lingers") for @names;



=== down: its sessions move, as they did before its removal; drain: they stay
--- upstreams
upstream u { RESOLVED session_sticky hash=plain linger=1m; }
upstream drains { ZONE; server app.test:1985 resolve drain; server 127.0.0.9:1985; session_sticky hash=plain linger=1m; }
upstream down { ZONE; server app.test:1985 resolve down; server 127.0.0.9:1985; session_sticky hash=plain linger=1m; }
--- client
has('/u/', 2, 3, 4);
settles('/drains/', of(2), '127.0.0.2', 'a draining server keeps its sessions');
now('u', '127.0.0.2:1985', 'down');
now('u', '127.0.0.3:1985', 'drain');
$dns->knows('app.test A 127.0.0.4');
eventually(sub { lingering('u') eq '127.0.0.3:1985' }, 'an address that was draining lingers');
equals(serving('/u/', of(2)), '127.0.0.4', 'sessions of an address that was down move');
equals(serving('/u/', of(3)), '127.0.0.3', 'sessions of the draining one stay');
equals(serving('/drains/', of(2)), '127.0.0.2', 'also if it drains by the configuration');
equals(serving('/down/', of(2)), '127.0.0.9', 'and they move if it is down by the configuration');



=== an ID for all addresses of a line: those in DNS have it, and if there is none, the lingering ones
--- upstreams
upstream u { ZONE; server app.test:1985 resolve id=a; server 127.0.0.9:1985 id=b; session_sticky hash=plain linger=1m; }
--- client
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
eventually(sub { serving('/u/', 'route=a') =~ /^127\.0\.0\.[23]$/ }, 'the line has servers');
$dns->knows('app.test A 127.0.0.4');
settles('/u/', 'route=a', '127.0.0.4', 'the one in DNS has the sessions');
$dns->knows();
eventually(sub { serving('/u/', undef) eq '127.0.0.9' }, 'it is removed, too');
holds(serving('/u/', 'route=a') =~ /^127\.0\.0\.[234]$/, 'a lingering address has them');



=== addresses of a removed line no longer linger, and a changed time applies at once
--- upstreams
upstream u { ZONE; server app.test:1985 resolve; server other.test:1985 resolve; session_sticky hash=plain linger=1m; }
--- client
my $first = 'app.test A 127.0.0.2 127.0.0.3';
$dns->knows($first, 'other.test A 127.0.0.4 127.0.0.5');
settles('/u/', undef, '127.0.0.2 | 127.0.0.3 | 127.0.0.4 | 127.0.0.5', 'both have servers');
$dns->knows('app.test A 127.0.0.3', 'other.test A 127.0.0.5');
eventually(sub { lingering('u') eq '127.0.0.2:1985 127.0.0.4:1985' }, 'two of them linger');
for my $round (1 .. 2) {
    holds(reload(), "$round: nginx is reloaded");
    equals(serving('/u/', of($_)), "127.0.0.$_", "$round: sessions of $_ stay") for 2, 4;
}
$dns->knows('app.test A 127.0.0.6', 'other.test A 127.0.0.5');
holds(reload(), 'nginx is reloaded while another address is removed');
settles('/u/', undef, '127.0.0.5 | 127.0.0.6', 'it is removed');
holds(reload(), 'nginx is reloaded again, before any worker has read the servers');
settles('/u/', of($_), "127.0.0.$_", "sessions of $_ stay") for 2, 3, 4;
configure(qr/server other\.test:1985 resolve;/, '');
holds(reload(), 'nginx is reloaded without the second name');
settles('/u/', of(4), '127.0.0.6', 'sessions of its address move');
equals(serving('/u/', of(2)), '127.0.0.2', 'those of the first name stay');
configure(qr/linger=1m/, 'linger=1s');
holds(reload(), 'nginx is reloaded with a shorter time');
settles('/u/', of(2), '127.0.0.6', 'it applies immediately');
# Less than a second may have passed since its removal.
settles('/u/', of(3), '127.0.0.6', 'to all addresses');



=== workers that are killed
--- upstreams
upstream u { RESOLVED session_sticky hash=plain linger=1m; }
--- no_error_log
[emerg]
--- may_warn
exited on signal 9
--- client
has('/u/', 2, 3, 4);
for my $gone (2, 3) {
    $dns->knows('app.test A ' . join ' ', map { "127.0.0.$_" } $gone + 1 .. 4);
    eventually(sub { lingering('u') =~ /\b127\.0\.0\.$gone:/ }, "$gone lingers");
    my @before = children();
    kill_worker($_) for @before;
    eventually(sub { my %now = map { $_ => 1 } children(); keys %now == 2 && !grep { $now{$_} } @before }, 'there are new workers');
    settles('/u/', of($_), "127.0.0.$_", "sessions of $_ stay") for 2 .. $gone;
}



=== an address that another service now uses: its sessions go there until the time is over
--- upstreams
upstream u { ZONE; server app.test:1991 resolve; server 127.0.0.9:1985; session_sticky hash=plain linger=8s; }
--- client
my $server = serve(1991, '127.0.0.2');
my $mine = of(2, 1991);
$dns->knows('app.test A 127.0.0.2');
my $is_served = sub {
    my ($text) = @_;
    return eventually(sub {
        my $asked = ask('/u/', $mine, 1983);
        my $held = taken_unless_answered($server, $asked) or return response($asked) && 0;
        answer($held, $text);
        return body(response($asked)) eq $text;
    }, "the session gets: $text");
};
$is_served->('mine');
$dns->knows();
eventually(sub { lingering('u') }, 'it lingers');
close $server;
$server = serve(1991, '127.0.0.2');
$is_served->('another');
eventually(sub {
    my $asked = ask('/u/', $mine, 1983);
    my $held = taken_unless_answered($server, $asked);
    answer($held, 'another') if $held;
    return body(response($asked)) eq '127.0.0.9';
}, 'then the session moves');



=== without servers that are resolved at run time, it has no effect
--- upstreams
upstream u { ZONE; server 127.0.0.2:1985; session_sticky linger=1m; }
--- any_version
--- client
equals(serving('/u/'), '127.0.0.2', 'nginx responds');
--- error_log
[warn]
parameter "linger" of "session_sticky" has no effect without
