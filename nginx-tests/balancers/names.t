# A "server" whose name resolves to several addresses when the configuration is read: each address is a server.
#
# The names are those of nginx-tests/hosts. Servers on port 1985 respond with their address. On port 1996, 127.0.0.2 refuses
# connections and 127.0.0.3 responds; on 1997 it is the reverse; on 1998 all refuse.
# Sections of this file:
#   upstreams  upstream blocks; /NAME/ is passed to upstream NAME. VARIANTS is replaced with an upstream for each load-balancing
#              method, without a zone and with one
#   client     see lib/Client.pm; the paths of the VARIANTS are in @variants

use Sticky qw(StickyModuleIds Upstreams Visits);
use IO::Socket::IP;

BEGIN {
    if (!gethostbyname 'pair.test') {
        die "the names of nginx-tests/hosts mean nothing here" if $> == 0;
        print "1..0 # SKIP this user may not mount nginx-tests/hosts over /etc/hosts\n";
        exit;
    }
}

may_warn(qr/ addresses, which share the id /);

my @servers = ('1985', '127.0.0.3:1996', '127.0.0.2:1997');
our $has_ipv6 = IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1) ? 1 : 0;
push @servers, '[::1]:1985' if $has_ipv6;
my $servers = join '', map { "server { listen $_; location / { return 200 \"\$server_addr\"; } }\n" } @servers;

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = variants($block->upstreams // '', 'BALANCER REST', 'zone ZONE 64k; BALANCER REST');
    $block->set_value(http_config => $servers . entrance($upstreams));
    $block->set_value(client => paths_of_variants($upstreams) . $block->client) if defined $block->client;
});

master_on();
run_tests();

__DATA__

=== md5: each address has its own ID and sessions
--- upstreams
VARIANTS
server pair.test:1985;
session_sticky;
--- client
for my $path (@variants) {
    my @first = everywhere($path);
    equals(scalar(grep { bound($_) ne md5_hex(body($_) . ':1985') } @first), 0, "$path: a new session is bound to the address that responded");
    for my $address ('127.0.0.2', '127.0.0.3') {
        my @bound = everywhere($path, 'route=' . md5_hex("$address:1985"));
        equals(bodies(@bound), $address, "$path: the sessions of $address go to it");
        equals(cookies(@bound), '', "$path: and keep their cookie");
    }
}
equals(bodies(everywhere($variants[0])), '127.0.0.2 | 127.0.0.3', 'new sessions are spread over both');



=== plain, a line without an ID: the addresses are the IDs
--- upstreams
VARIANTS
server pair.test:1985;
session_sticky hash=plain fallback=off;
--- client
for my $path (@variants) {
    for my $address ('127.0.0.2', '127.0.0.3') {
        equals(bodies(everywhere($path, "route=$address:1985")), $address, "$path: the sessions of $address go to it");
    }
    equals(bodies(everywhere($path, 'route=pair.test:1985')), '502', "$path: the name is not an ID");
}



=== plain, a line with an ID: all addresses share it, and the first one gets its sessions
--- upstreams
VARIANTS
server pair.test:1985 id=pair;
server solo.test:1985 id=solo;
session_sticky hash=plain;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, 'route=pair');
    holds(bodies(@bound) =~ /^127\.0\.0\.[23]$/, "$path: they go to one address: " . bodies(@bound));
    equals(cookies(@bound), '', "$path: and keep their cookie");
    equals(bodies(everywhere($path, 'route=solo')), '127.0.0.6', "$path: the sessions of the other server go to that one");
    my @first = everywhere($path);
    equals(scalar(grep { bound($_) ne (body($_) =~ /6$/ ? 'solo' : 'pair') } @first), 0, "$path: new sessions get the ID of the line");
}



=== an ID on a line with several addresses: nginx logs a warning
--- upstreams
upstream warned { server pair.test:1985 id=pair; server solo.test:1985 id=solo; session_sticky hash=plain; }
--- client
equals(bodies(everywhere('/warned/', 'route=solo')), '127.0.0.6', 'the configuration is loaded');
--- grep_error_log eval: qr/\[warn\].*/
--- grep_error_log_out eval
qr/\A\[warn\] \d+#\d+: server "pair\.test:1985" has 2 addresses, which share the id "pair": all its sessions go to the first of them that is available; give each address its own "server" line and "id", or omit "id", in upstream "warned" in \S+:\d+\n\z/



=== no address shares the ID: no warning about several addresses
--- upstreams
upstream md5   { server pair.test:1985 id=pair; session_sticky cookie=md5; }
upstream one   { server solo.test:1985 id=solo; server 127.0.0.2:1985 id=two; session_sticky hash=plain; }
upstream same  { server twice.test:1985 id=twice; session_sticky cookie=same hash=plain; }
upstream plain { server pair.test:1985 id=pair; }
--- client
equals(bodies(everywhere('/one/', 'route=two')), '127.0.0.2', 'the configuration is loaded');
--- error_log
parameter "id" of the "server" directive has no effect in upstream "md5"
parameter "id" of the "server" directive has no effect in upstream "plain"
--- no_error_log eval
[qr/\[warn\](?!.* has no effect in upstream )/, '[error]']



=== sticky: each address has its own ID; that of the line is accepted, and replaced
--- upstreams
upstream md5   { sticky; server pair.test:1985; server 127.0.0.9:1985 down; }
upstream zone  { zone sticky_ids 64k; server pair.test:1985; sticky no_fallback; }
upstream sha1  { sticky hash=sha1 no_fallback; server pair.test:1985 backup; server 127.0.0.9:1985 down; }
upstream hmd5  { server pair.test:1985; sticky hmac=md5 hmac_key=secret; least_conn; }
upstream raw   { sticky text=raw no_fallback; server pair.test:1985; }
upstream index { sticky hash=index; server pair.test:1985; }
--- client
my %form = (md5 => \&md5_hex, zone => \&md5_hex, sha1 => \&sha1_hex, hmd5 => sub { hmac_md5_hex($_[0], 'secret') }, raw => sub { $_[0] });
for my $name (sort keys %form) {
    my ($path, %id) = ("/$name/", map { $_ => $form{$name}->("$_:1985") } '127.0.0.2', '127.0.0.3');
    my @first = everywhere($path);
    equals(bodies(@first), '127.0.0.2 | 127.0.0.3', "$path: both addresses get new sessions");
    equals(scalar(grep { bound($_) ne $id{body($_)} } @first), 0, "$path: which are bound to the one that responded");
    for my $address (sort keys %id) {
        my @bound = everywhere($path, "route=$id{$address}");
        equals(bodies(@bound), $address, "$path: the sessions of $address go to it");
        equals(cookies(@bound), $id{$address}, "$path: and keep their ID");
    }
    my @line = everywhere($path, 'route=' . $form{$name}->('pair.test:1985'));
    equals(bodies(@line), '127.0.0.2', "$path: a session of the line goes to one of its addresses");
    equals(cookies(@line), $id{'127.0.0.2'}, "$path: and gets its ID");
}
equals(bodies(everywhere('/index/', "route=$_->[0]")), $_->[1], "index $_->[0]") for [0, '127.0.0.2'], [1, '127.0.0.3'];
my @old = everywhere('/md5/', 'route=' . md5_hex(pack('S n a4 x8', 2, 1985, "\x7f\0\0\3")));
equals(bodies(@old), '127.0.0.3', 'an ID of its releases up to 1.2.6 identifies an address');
equals(cookies(@old), md5_hex('127.0.0.3:1985'), 'and is replaced');



=== sticky: the sessions of a name continue when it gets a second address, or has only one left
--- upstreams
upstream more { sticky no_fallback; server pair.test:1985; }
upstream less { sticky no_fallback; server solo.test:1985; server 127.0.0.9:1985; }
upstream raw  { sticky no_fallback text=raw; server solo.test:1985; server 127.0.0.9:1985; }
upstream same { sticky no_fallback; server twice.test:1985; }
--- client
my @more = everywhere('/more/', 'route=' . md5_hex('pair.test:1985'));
equals(tried(@more), '127.0.0.2:1985', 'the ID of the line, from when it had one address');
my @less = everywhere('/less/', 'route=' . md5_hex('127.0.0.6:1985'));
equals(bodies(@less), '127.0.0.6', 'the ID of the remaining address');
equals(cookies(@less), md5_hex('solo.test:1985'), 'is replaced with that of the line');
my @raw = everywhere('/raw/', 'route=127.0.0.6:1985');
equals(cookies(@raw), 'solo.test:1985', 'as text=raw');
my @same = everywhere('/same/', 'route=' . md5_hex('127.0.0.5:1985'));
equals(bodies(@same), '127.0.0.5', 'an address that is listed twice is one server');



=== a shared ID: if one address fails, the next one is tried, and the session stays
--- upstreams
upstream two   { server pair.test:1996 id=pair max_fails=0; server solo.test:1985 id=solo; session_sticky hash=plain; }
upstream three { server pair.test:1997 id=pair max_fails=0; server solo.test:1985 id=solo; session_sticky hash=plain; }
--- client
my $again = 0;
for my $path ('/two/', '/three/') {
    my $lives = $path eq '/two/' ? '127.0.0.3' : '127.0.0.2';
    my @bound = everywhere($path, 'route=pair');
    equals(bodies(@bound), $lives, "$path: the available address responds");
    equals(cookies(@bound), '', "$path: and the cookie does not change");
    $again++ if tried(@bound) =~ /^127\.0\.0\.\d:\d+, 127\.0\.0\.\d:\d+$/;
}
equals($again, 1, 'in one of the two, the failing address is the first, and is tried before');



=== a shared ID, fallback=off: the next address with the ID does not count as another server
--- upstreams
upstream two   { server pair.test:1996 id=pair max_fails=1 fail_timeout=60s; server solo.test:1985 id=solo; session_sticky hash=plain fallback=off; }
upstream three { server pair.test:1997 id=pair max_fails=1 fail_timeout=60s; server solo.test:1985 id=solo; session_sticky hash=plain fallback=off; }
upstream dead  { server pair.test:1998 id=pair max_fails=1 fail_timeout=60s; server solo.test:1985 id=solo; session_sticky hash=plain fallback=off; }
--- client
my $again = 0;
for my $path ('/two/', '/three/') {
    my $lives = $path eq '/two/' ? '127.0.0.3' : '127.0.0.2';
    my @bound = everywhere($path, 'route=pair');
    equals(bodies(@bound), $lives, "$path: the available address responds");
    $again += grep { head('X-Tried', $_) =~ /, / } @bound;
}
equals($again, 1, 'a failing address is tried once, then max_fails applies');
my @bound = everywhere('/dead/', 'route=pair');
equals(bodies(@bound), '502', 'if all addresses fail, no other server is tried');
my @dialled = map { my @one = head('X-Tried', $_) =~ /127/g; scalar @one } @bound;
equals("@dialled[0 .. 2]", '2 0 0', 'each is tried once');



=== a shared ID, all addresses fail: the session moves
--- upstreams
VARIANTS
server pair.test:1998 id=pair max_fails=1 fail_timeout=60s;
server solo.test:1985 id=solo;
session_sticky hash=plain;
--- client
for my $path (@variants) {
    my @bound = everywhere($path, 'route=pair');
    equals(bodies(@bound), '127.0.0.6', "$path: the other server responds");
    equals(cookies(@bound), 'solo', "$path: and its ID is set");
    holds(head('X-Tried', $bound[0]) =~ /^127\.0\.0\.([23]):1998, 127\.0\.0\.(?!\1)[23]:1998, 127\.0\.0\.6:1985$/,
          "$path: after each address was tried once: " . head('X-Tried', $bound[0]));
    equals(head('X-Tried', $bound[-1]), '127.0.0.6:1985', "$path: later requests try none of them");
}



=== a backup server with several addresses
--- upstreams
VARIANTS
server solo.test:1985 id=solo;
server pair.test:1985 id=pair backup;
session_sticky hash=plain;
--- client
for my $path (@variants) {
    equals(bodies(everywhere($path)), '127.0.0.6', "$path: new sessions go to the primary server");
    my @bound = everywhere($path, 'route=pair');
    holds(bodies(@bound) =~ /^127\.0\.0\.[23]$/, "$path: the sessions of the backup server go to its first address");
    equals(cookies(@bound), '', "$path: and keep their cookie");
}



=== a backup server whose first address fails
--- upstreams
upstream two   { server solo.test:1985 id=solo; server pair.test:1996 id=pair max_fails=0 backup; session_sticky hash=plain; }
upstream three { server solo.test:1985 id=solo; server pair.test:1997 id=pair max_fails=0 backup; session_sticky hash=plain; }
--- client
for my $path ('/two/', '/three/') {
    my @bound = everywhere($path, 'route=pair');
    equals(bodies(@bound), $path eq '/two/' ? '127.0.0.3' : '127.0.0.2', "$path: the available one responds");
    equals(cookies(@bound), '', "$path: and the cookie does not change");
}



=== "down" on the line applies to all its addresses
--- upstreams
VARIANTS
server solo.test:1985;
server pair.test:1985 down;
session_sticky hash=plain;
--- client
for my $path (@variants) {
    for my $address ('127.0.0.2', '127.0.0.3') {
        equals(cookies(everywhere($path, "route=$address:1985")), '127.0.0.6:1985', "$path: the sessions of $address move");
    }
}



=== "drain" on the line applies to all its addresses
--- upstreams
VARIANTS
server solo.test:1985;
server pair.test:1985 drain;
session_sticky hash=plain;
--- client
for my $path (@variants) {
    for my $address ('127.0.0.2', '127.0.0.3') {
        equals(bodies(everywhere($path, "route=$address:1985")), $address, "$path: the sessions of $address stay");
    }
    equals(bodies(everywhere($path)), '127.0.0.6', "$path: new sessions go to the other server");
}



=== IPv4 and IPv6 addresses of one name
--- upstreams
upstream md5   { server dual.test:1985; session_sticky; }
upstream plain { server dual.test:1985; session_sticky hash=plain fallback=off; }
upstream both  { server dual.test:1985 id=dual; server solo.test:1985 id=solo; session_sticky hash=plain; }
--- client
equals(bodies(everywhere('/md5/', 'route=' . md5_hex('127.0.0.4:1985'))), '127.0.0.4', 'md5 of the IPv4 address');
equals(bodies(everywhere('/md5/', 'route=' . md5_hex('[::1]:1985'))), '::1', 'md5 of the IPv6 address, with its brackets');
equals(bodies(everywhere('/md5/')), '127.0.0.4 | ::1', 'new sessions are spread over both');
equals(bodies(everywhere('/plain/', 'route=127.0.0.4:1985')), '127.0.0.4', 'plain for the one');
equals(bodies(everywhere('/plain/', 'route=[::1]:1985')), '::1', 'and for the other');
my @bound = everywhere('/both/', 'route=dual');
holds(bodies(@bound) =~ /^(?:127\.0\.0\.4|::1)$/, 'the first address gets the sessions of a shared ID');
equals(cookies(@bound), '', 'and they keep their cookie');
--- skip_eval: 8: !$main::has_ipv6



=== an address listed twice, by one name or by two lines: one ID, and it is tried twice
--- upstreams
upstream name  { server twice.test:1985; server solo.test:1985; session_sticky; }
upstream lines { server 127.0.0.5:1985; server 127.0.0.5:1985; server solo.test:1985; session_sticky; }
upstream dead  { server 127.0.0.5:1998 max_fails=0; server 127.0.0.5:1998 max_fails=0; server solo.test:1985; session_sticky; }
--- client
for my $path ('/name/', '/lines/') {
    my @bound = everywhere($path, 'route=' . md5_hex('127.0.0.5:1985'));
    equals(bodies(@bound), '127.0.0.5', "$path: its sessions go to it");
    equals(cookies(@bound), '', "$path: and keep their cookie");
    my @first = everywhere($path);
    equals(scalar(grep { bound($_) ne md5_hex(body($_) . ':1985') } @first), 0, "$path: new sessions are bound to the address that responded");
}
equals(tried(everywhere('/dead/', 'route=' . md5_hex('127.0.0.5:1998'))), '127.0.0.5:1998, 127.0.0.5:1998, 127.0.0.6:1985',
       'if it fails, the session moves');



=== one address on two lines, with an ID for each
--- upstreams
upstream u { server solo.test:1985 id=a; server 127.0.0.6:1985 id=b; server pair.test:1985 id=c; session_sticky hash=plain fallback=off; }
--- client
for my $id ('a', 'b') {
    my @bound = everywhere('/u/', "route=$id");
    equals(bodies(@bound), '127.0.0.6', "the sessions of $id go to it");
    equals(cookies(@bound), '', "the cookie $id does not change");
}
equals(cookies(everywhere('/u/')), 'a | b | c', 'new sessions get all IDs');



=== a reload does not move the sessions of a name
--- upstreams
VARIANTS
server pair.test:1985;
server solo.test:1985;
session_sticky fallback=off;
--- client
holds(reload(), 'nginx is reloaded');
for my $path (@variants) {
    equals(bodies(everywhere($path, 'route=' . md5_hex("$_:1985"))), $_, "$path: $_") for map { "127.0.0.$_" } 2, 3, 6;
}



=== a name that does not resolve: nginx logs an error
--- upstreams
upstream u { session_sticky; server nobody.test:1985 id=x; }
--- request
GET /
--- must_die
--- suppress_stderr
--- error_log
host not found in upstream "nobody.test:1985"
