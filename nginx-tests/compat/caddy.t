# Migration from Caddy: accept=caddy. The cookies are computed as Caddy does, and no client may move.
#
# Source of the values: the formula of hashCookie in modules/caddyhttp/reverseproxy/selectionpolicies.go, for the address that
# Caddy connects to.
#
# lib/Upstreams.pm has the servers and the sections, lib/Movers.pm the clients.

use Digest::SHA 'hmac_sha256_hex';
use Sticky qw(Movers Upstreams Visits);

our @names = qw(A B C);
our %md5 = %id{@names};
our %id = map { $_ => lc } @names;
our %keyed = map { $_ => hmac_sha256_hex($line{$_}, 'hunter2') } @names;
our %unkeyed = map { $_ => hmac_sha256_hex($line{$_}, '') } @names;

mover_sections('');

run_tests();

__DATA__

=== with and without a secret
--- upstreams
upstream open   { session_sticky hash=plain accept=caddy; SERVERS }
upstream secret { session_sticky accept=caddy accept_key=hunter2 fallback=off; NO_IDS }
upstream long   { session_sticky accept=caddy accept_key=KEY; NO_IDS }
upstream idle   { zone z 64k; least_conn; session_sticky hash=plain maxidle=1h accept=caddy accept_key=hunter2; SERVERS }
--- client
nobody_moves('/open/', \%unkeyed, \%id);
nobody_moves('/secret/', \%keyed, \%md5);
nobody_moves('/long/', {map { $_ => hmac_sha256_hex($line{$_}, 'KEY') } @names}, \%md5);
nobody_moves('/idle/', \%keyed, {map { $_ => lc . '\|\d+\|\d+' } @names});



=== the name of a server, and one without a port
--- upstreams
upstream u { session_sticky hash=plain accept=caddy; server localhost:1985 id=a max_fails=0; server localhost id=none max_fails=0; server C: id=c; }
--- client
my @asked = everywhere('/u/', 'route=' . hmac_sha256_hex('localhost:1985', ''));
holds(tried(@asked) =~ /^\S+:1985/, 'a name');
@asked = everywhere('/u/', 'route=' . hmac_sha256_hex('localhost:80', ''));
holds(tried(@asked) =~ /^\S+:80\b/, 'a name without a port');
--- no_error_log
[alert]
[emerg]



=== in every worker, and again after a reload
--- workers: 2
--- upstreams
upstream u { session_sticky hash=plain accept=caddy accept_key=hunter2; SERVERS }
--- client
for (1, 2) {
    my @bound = everywhere('/u/', "route=$keyed{B}");
    equals(bodies(@bound), 'B', 'the session stays');
    equals(cookies(@bound), 'b', 'and gets the new value');
    holds(reload(), 'nginx is reloaded') if $_ == 1;
}



=== a server that is not available: the same as with the module's own values
--- upstreams
upstream on  { session_sticky hash=plain accept=caddy; server A: id=a; server B: id=b down; server C: id=c; }
upstream off { session_sticky hash=plain accept=caddy fallback=off; server A: id=a; server B: id=b down; server C: id=c; }
--- client
equals(bodies(everywhere('/on/', "route=$unkeyed{B}")), 'A | C', 'fallback=on');
equals(bodies(everywhere('/off/', "route=$unkeyed{B}")), '502', 'fallback=off');
--- error_log
names server "b" of upstream "off", which is down, with "fallback=off"



=== the output of explain, and no output of the secret
--- locations
location /status { session_sticky_status; }
--- upstreams
upstream u { session_sticky hash=plain accept=caddy accept_key=hunter2; SERVERS }
--- client
equals(scheme_of('u', $keyed{B}), 'caddy', 'the scheme');
for my $path ('/status', '/status/upstreams/u', "/status/upstreams/u/explain?value=$keyed{B}") {
    holds(index(visit($path, undef, 1983), 'hunter2') < 0, $path);
}
--- no_error_log
hunter2
[alert]
[crit]



=== other values identify no server
--- upstreams
upstream u     { session_sticky hash=plain accept=caddy accept_key=hunter2; SERVERS }
upstream other { session_sticky hash=plain accept=caddy accept_key=hunter3; SERVERS }
upstream open  { session_sticky hash=plain accept=caddy; SERVERS }
upstream none  { session_sticky hash=plain; SERVERS }
upstream named { session_sticky hash=plain accept=caddy accept_key=hunter2 fallback=off; SERVERS }
--- client
my $value = $keyed{B};
my @other = (uc $value, substr($value, 1), "${value}0", substr($value, 0, 32), "$value|", "|$value", $unkeyed{B}, $md5{B}, '0' x 64,
             hmac_sha256_hex('hunter2', $line{B}), hmac_sha256_hex("$line{B}0", 'hunter2'), 'f' x 4000);
first_visits('/u/', @other);
first_visits("/$_/", $value) for qw(other open none);
for my $value (@other) {
    holds(status(visit('/named/', "route=$value", 1983)) =~ /^(?:200|502)$/, substr("with fallback=off: $value", 0, 60));
}
--- no_error_log
[alert]
[emerg]
