# Migration from F5 BIG-IP: accept=bigip. The cookies are computed as BIG-IP does, and no client may move.
#
# Source of the values: the formulas of K6917, "Overview of BIG-IP persistence cookie encoding", which are checked with the values
# that it publishes.
#
# lib/Upstreams.pm has the servers and the sections, lib/Movers.pm the clients.

use IO::Socket::IP;
use Socket qw(AF_INET AF_INET6 inet_pton);
use Sticky qw(Keys Movers Upstreams Visits);

our @names = qw(A B C);
our %md5 = %id{@names};
key_file('one', $key[0]);

# The values of a server: without a route domain, and in two route domains.
sub values_of {
    my ($host, $port) = @_;
    my $swapped = unpack 'v', pack 'n', $port;
    my $is_ipv6 = $host =~ /:/;
    my $bytes = inet_pton($is_ipv6 ? AF_INET6 : AF_INET, $host);
    my $hex = unpack 'H*', $bytes;
    my $plain = $is_ipv6 ? "vi$hex.$swapped" : unpack('V', $bytes) . ".$swapped.0000";
    $hex = '00000000000000000000ffff' . $hex if !$is_ipv6;
    return ($plain, "rd5o${hex}o$port", "rd65534o${hex}o$port");
}
our $has_ipv6 = IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1) ? 1 : 0;
our $six = $has_ipv6 ? '::1' : '127.0.0.2';
our %old = map { $_ => [values_of('127.0.0.1', $port{$_})] } @names;

mover_sections('location /sets { add_header Set-Cookie "route=value"; return 200 "NAME"; }',
               KEYS => "key_file=$keys/one", SIX => $has_ipv6 ? "[$six]" : $six);

run_tests();

__DATA__

=== IPv4, with and without route domains
--- upstreams
upstream md5   { session_sticky accept=bigip; server A:; server B:; server C:; }
upstream plain { session_sticky hash=plain accept=bigip fallback=off; SERVERS }
upstream idle  { zone z 64k; least_conn; session_sticky hash=plain accept=bigip maxidle=1h; SERVERS }
upstream keys  { session_sticky hash=hmac accept=bigip KEYS; server A:; server B:; server C:; }
--- client
equals((values_of('10.1.1.100', 8080))[0], '1677787402.36895.0000', 'a published value');
equals((values_of('192.0.2.1', 80))[1], 'rd5o00000000000000000000ffffc0000201o80', 'a value with a route domain');
nobody_moves('/md5/', \%old, \%md5);
nobody_moves('/plain/', \%old, {map { $_ => lc } @names});
nobody_moves('/idle/', \%old, {map { $_ => lc . '\|\d+\|\d+' } @names});
nobody_moves('/keys/', \%old, {map { $_ => key_id($key[0], $_) } @names});
--- no_error_log
[alert]



=== IPv6
--- upstreams
server { listen SIX:1991; location / { return 200 "six"; } }
upstream u { session_sticky hash=plain accept=bigip; server SIX:1991 id=six; server A: id=a; server B: id=b; }
--- client
equals((values_of('2001:112::30', 80))[0], 'vi20010112000000000000000000000030.20480', 'a published value');
nobody_moves('/u/', {six => [values_of($six, 1991)], A => $old{A}, B => $old{B}}, {six => 'six', A => 'a', B => 'b'});



=== in every worker, and again after a reload
--- workers: 2
--- upstreams
upstream u { session_sticky hash=plain accept=bigip; SERVERS }
--- client
for (1, 2) {
    my @bound = everywhere('/u/', "route=$old{B}[0]");
    equals(bodies(@bound), 'B', 'the session stays');
    equals(cookies(@bound), 'b', 'and gets the new value');
    holds(reload(), 'nginx is reloaded') if $_ == 1;
}



=== mode=rewrite: the value is replaced when the application sets the cookie
--- upstreams
upstream u { session_sticky mode=rewrite hash=plain accept=bigip; SERVERS }
--- client
for my $value (@{$old{B}}) {
    my $response = visit('/u/sets', "route=$value", 1983);
    equals(body($response), 'B', "the session of $value stays");
    equals(bound($response), 'b', 'and gets the new value');
}



=== a server that is not available: the same as with the module's own values
--- upstreams
upstream on  { session_sticky hash=plain accept=bigip; server A: id=a; server B: id=b down; server C: id=c; }
upstream off { session_sticky hash=plain accept=bigip fallback=off; server A: id=a; server B: id=b down; server C: id=c; }
--- client
equals(bodies(everywhere('/on/', "route=$_")), 'A | C', "fallback=on: $_") for @{$old{B}};
equals(bodies(everywhere('/off/', "route=$_")), '502', "fallback=off: $_") for @{$old{B}}, values_of('192.0.2.1', 80);
--- error_log
names server "b" of upstream "off", which is down, with "fallback=off"
of upstream "off", which is unknown, with "fallback=off"
--- no_error_log
[alert]



=== the output of explain
--- locations
location /status { session_sticky_status; }
--- upstreams
upstream u { session_sticky hash=plain accept=bigip; SERVERS }
--- client
equals(scheme_of('u', $_), 'bigip', $_) for @{$old{B}};



=== other values identify no server
--- upstreams
upstream u     { session_sticky hash=plain accept=bigip; SERVERS }
upstream named { session_sticky hash=plain accept=bigip fallback=off; SERVERS }
upstream none  { session_sticky hash=plain; SERVERS }
--- client
my ($plain, $domain) = @{$old{B}};
my ($ip, $port) = split /\./, $plain;
my @other = (
    "$ip.$port", "$ip.$port.", "$ip.$port.0001", "$ip.$port.000", "$ip.$port.00000", "0$plain", "+$plain", "$ip.$port{B}.0000",
    "4294967296.$port.0000", "$ip.65536.0000", '18446744073709551616.1.0000', '-1.-1.0000', "\!$plain", 'vi' . '0' x 32,
    'vi' . '0' x 31 . '1.20480', 'vi.20480', "rd$domain", $domain =~ s/rd5/rd/r, $domain =~ s/rd5/rd-5/r, $domain =~ s/rd5/rd123456/r,
    $domain =~ s/ffff7f/FFFF7F/r, $domain =~ s/o(\d+)$/o0$1/r, $domain =~ s/o(\d+)$/o/r, $domain =~ s/o(\d+)$//r, "${domain}o1",
    'rd', 'rd5', 'rd5o', 'rd5oo', 'rd' . '5' x 4000, '!' . 'A' x 60,
);
first_visits('/u/', @other);
first_visits('/none/', @{$old{B}});
for my $value (@other) {
    holds(status(visit('/named/', "route=$value", 1983)) =~ /^(?:200|502)$/, substr("with fallback=off: $value", 0, 60));
}
--- no_error_log
[alert]
[emerg]
