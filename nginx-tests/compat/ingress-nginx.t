# Migration from ingress-nginx: accept=ingress. The cookies are computed as ingress-nginx does, and no client may move.
#
# Source of the values: those of @minted by lua-resty-balancer 0.05 with LuaJIT 2.1 for the three servers, called as in
# balancer/sticky_balanced.lua; all others by the formulas of balancer/sticky.lua and util/nodemap.lua.
# (rootfs/etc/nginx/lua of kubernetes/ingress-nginx.)
#
# lib/Upstreams.pm has the servers and the sections, lib/Movers.pm the clients.

use Compress::Zlib 'crc32';
use Digest::MD5 'md5_hex';
use Sticky qw(Keys Movers Upstreams Visits);

our @names = qw(A B C);
our %md5 = %id{@names};
key_file('one', $key[0]);
our $backend = 'shop-web-80';
our $tail = md5_hex(md5_hex($backend) . $backend);

# Keys and the servers that they select, among A, B and C.
our @minted = (
    ['1784523424.123.41.7919', 'A'], ['1784523425.123.42.15838', 'A'], ['1784523426.123.43.23757', 'B'],
    ['1784523427.123.40.31676', 'B'], ['1784523428.123.41.39595', 'C'], ['1784523429.123.42.47514', 'C'],
    ['1784523430.123.43.55433', 'A'], ['1784523431.123.40.63352', 'C'], ['1784523432.123.41.71271', 'B'],
    ['1784523433.123.42.79190', 'C'], ['1784523434.123.43.87109', 'A'], ['1784523435.123.40.95028', 'B'],
);

# Values of "affinity-mode: persistent", by server: the current form, and the form up to 0.48.
sub persistent {
    my ($name) = @_;
    my %id = map { $_ => md5_hex($name . $line{$_}) } @names;
    my $tail = md5_hex(md5_hex($name) . $name);
    return {map { $_ => ["$id{$_}|$tail", $id{$_}] } @names};
}

# Values of "affinity-mode: balanced", by server, for servers with these addresses.
sub balanced {
    my ($keys, %address) = @_;
    my @ring;
    for my $name (keys %address) {
        my $point = 0;
        for (1 .. 160) {
            $point = crc32($address{$name} . pack 'V', $point);
            push @ring, [$point, $name];
        }
    }
    @ring = sort { $a->[0] <=> $b->[0] } @ring;
    my %values;
    for my $number (1 .. $keys) {
        my $key = sprintf '%s.%s.%s', 1784523423.5 + $number, 40 + $number % 4, ($number * 7919) % 999999;
        my $hash = crc32($key);
        my ($point) = grep { $_->[0] >= $hash } @ring;
        push @{$values{($point // $ring[0])->[1]}}, "$key|$tail";
    }
    return \%values;
}

mover_sections('location /sets { add_header Set-Cookie "route=value"; return 200 "NAME"; }',
               ACCEPT => 'accept=ingress accept_name=shop-web-80', KEYS => "$keys/one");

run_tests();

__DATA__

=== affinity-mode: persistent
--- upstreams
upstream md5   { session_sticky ACCEPT; server A:; server B:; server C:; }
upstream plain { session_sticky hash=plain ACCEPT; SERVERS }
upstream off   { session_sticky hash=plain ACCEPT fallback=off; SERVERS }
upstream zone  { zone z 64k; least_conn; session_sticky hash=plain ACCEPT; SERVERS }
upstream idle  { session_sticky hash=plain ACCEPT maxidle=1h; SERVERS }
--- client
my $old = persistent($backend);
my %id = map { $_ => lc } @names;
nobody_moves('/md5/', $old, \%md5);
nobody_moves("/$_/", $old, \%id) for qw(plain off zone);
nobody_moves('/idle/', $old, {map { $_ => lc . '\|\d{10}\|\d{10}' } @names});



=== affinity-mode: balanced
--- upstreams
upstream md5   { session_sticky ACCEPT; server A:; server B:; server C:; }
upstream plain { session_sticky hash=plain ACCEPT; SERVERS }
upstream zone  { zone z 64k; random two; session_sticky hash=plain ACCEPT fallback=off; SERVERS }
upstream other { session_sticky hash=plain accept=md5,plain,index,ingress accept_name=shop-web-80; SERVERS }
upstream more  { session_sticky hash=plain ACCEPT; SERVERS server D: id=d backup; }
upstream drain { session_sticky hash=plain ACCEPT; server A: id=a; server B: id=b drain; server C: id=c; }
upstream order { session_sticky hash=plain ACCEPT; server C: id=c weight=9; server A: id=a; server B: id=b; }
--- client
my %id = map { $_ => lc } @names;
my %minted;
push @{$minted{$_->[1]}}, "$_->[0]|$tail" for @minted;
nobody_moves("/$_/", \%minted, \%id) for qw(plain zone other more order);
nobody_moves('/md5/', \%minted, \%md5);
nobody_moves("/$_/", balanced(100, %line{@names}), \%id) for qw(plain zone more drain order);
--- error_log
is also that of upstream
--- no_error_log
[error]
[alert]
[emerg]



=== in every worker, and again after a reload
--- workers: 2
--- upstreams
upstream u { session_sticky hash=plain ACCEPT; SERVERS }
--- client
for (1, 2) {
    for my $minted (@minted[0, 2, 4]) {
        my @bound = everywhere('/u/', "route=$minted->[0]|$tail");
        equals(bodies(@bound), $minted->[1], $minted->[0]);
        equals(cookies(@bound), lc $minted->[1], 'and gets the new value');
    }
    holds(reload(), 'nginx is reloaded') if $_ == 1;
}



=== fewer servers: sessions go to the server that ingress-nginx would select
--- upstreams
upstream two { session_sticky hash=plain ACCEPT; server A: id=a; server C: id=c; }
upstream one { session_sticky hash=plain ACCEPT; server B: id=b; }
--- client
nobody_moves('/two/', balanced(50, %line{qw(A C)}), {A => 'a', C => 'c'});
nobody_moves('/one/', balanced(20, %line{B}), {B => 'b'});
--- error_log
is also that of upstream
--- no_error_log
[error]
[alert]
[emerg]



=== a server that is not available: the same as with the module's own values
--- upstreams
upstream on   { session_sticky hash=plain ACCEPT; server A: id=a; server B: id=b down; server C: id=c; }
upstream off  { session_sticky hash=plain ACCEPT fallback=off; server A: id=a; server B: id=b down; server C: id=c; }
--- client
for my $value (persistent($backend)->{B}[0], "$minted[2][0]|$tail") {
    equals(bodies(everywhere('/on/', "route=$value")), 'A | C', "fallback=on: $value");
    equals(bodies(everywhere('/off/', "route=$value")), '502', "fallback=off: $value");
}
--- error_log
names server "b" of upstream "off", which is down, with "fallback=off"



=== the output of explain
--- locations
location /status { session_sticky_status; }
--- upstreams
upstream u { session_sticky hash=plain ACCEPT; SERVERS }
--- client
equals(scheme_of('u', $_), 'ingress', $_) for persistent($backend)->{B}[0], "$minted[0][0]|$tail";
equals(scheme_of('u', 'b'), 'plain', "the module's own value");
equals(scheme_of('u', "|$tail"), '', 'an unknown value');



=== a server that was removed, with affinity-mode: persistent
--- upstreams
upstream on      { session_sticky hash=plain ACCEPT; SERVERS }
upstream unknown { session_sticky hash=plain ACCEPT fallback=unknown; SERVERS }
upstream off     { session_sticky hash=plain ACCEPT fallback=off; SERVERS }
--- client
my $gone = md5_hex("${backend}192.0.2.1:80");
first_visits("/$_/", "$gone|$tail") for qw(on unknown);
equals(bodies(everywhere('/off/', "route=$gone|$tail")), '502', 'fallback=off');
--- error_log
of upstream "off", which is unknown, with "fallback=off"
--- no_error_log
[alert]



=== other values identify no server
--- upstreams
upstream u { session_sticky hash=plain ACCEPT; SERVERS }
upstream n { session_sticky hash=plain accept=ingress accept_name=shop-web-8080; SERVERS }
upstream w { session_sticky hash=plain; SERVERS }
upstream named { session_sticky hash=plain ACCEPT fallback=off; SERVERS }
--- client
my ($id, $value) = ($minted[0][0], persistent($backend)->{B}[0]);
my @other = (
    "|$tail", $tail, "$tail|$tail", "$id", "$id|", "$id|$md5{A}", "$id|" . uc $tail, "$id|${tail}0", "$id|$tail|",
    "$id|$tail|$tail", "$id||$tail", "$id $id|$tail", "-$id|$tail", "$id,1|$tail", "a|$tail", "$md5{A}|$tail", '0' x 32 . "|$tail",
    '.' x 65 . "|$tail", '1.' x 2000 . "|$tail", "\xff.1|$tail", uc $value, substr($value, 1), "x$value", "$md5{B}|$md5{B}",
);
first_visits('/u/', @other);
first_visits($_, $value, "$id|$tail") for '/n/', '/w/';
for my $value (@other) {
    my $status = status(visit('/named/', "route=$value", 1983));
    holds($status =~ /^(?:200|502)$/, substr("with fallback=off $status: $value", 0, 80));
}
--- no_error_log
[alert]
[emerg]



=== signed values: only with accept=unsigned
--- upstreams
upstream no  { session_sticky hash=plain maxidle=1h sign key_file=KEYS ACCEPT; SERVERS }
upstream yes { session_sticky hash=plain maxidle=1h sign key_file=KEYS accept_name=shop-web-80 accept=ingress,unsigned; SERVERS }
--- client
my %new = map { $_ => lc . '\|\d{10}\|\d{10}\|[\w-]{22}' } @names;
nobody_moves('/yes/', persistent($backend), \%new);
nobody_moves('/yes/', balanced(20, %line{@names}), \%new);
first_visits('/no/', persistent($backend)->{B}[0], "$minted[0][0]|$tail");
--- error_log
"session_sticky" with accept=ingress applies only with accept=unsigned where values are signed



=== the cookie of an application: the value is replaced when the application sets it
--- upstreams
upstream rewrite { session_sticky mode=rewrite hash=plain ACCEPT; SERVERS }
--- client
for my $value (persistent($backend)->{B}[0], "$minted[2][0]|$tail") {
    my $response = visit('/rewrite/sets', "route=$value", 1983);
    equals(body($response), 'B', "the session of $value stays");
    equals(bound($response), 'b', 'and gets the new value');
}



=== without the name of the backend
--- upstreams
upstream u { session_sticky accept=md5,ingress; server A:; }
--- must_die
--- suppress_stderr
--- error_log
"session_sticky" with accept=ingress needs "accept_name=" in



=== an empty name
--- upstreams
upstream u { session_sticky accept=ingress accept_name=; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid value "" of parameter "accept_name" in "session_sticky" directive, it must be a text in



=== an unused name
--- upstreams
upstream u { session_sticky accept_name=shop-web-80; server A:; }
--- client
equals(bodies(everywhere('/u/')), 'A', 'the configuration is loaded');
--- error_log
"session_sticky" with accept_name= applies only with accept=ingress
