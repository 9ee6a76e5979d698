# Migration from Angie: accept=angie. The cookies are computed as Angie does, and no client may move.
#
# Source of the values: the formula of ngx_sticky_hash in src/core/ngx_sticky.h, for sid= or for the result of
# ngx_http_upstream_rr_peer_init_sid for an address.
#
# lib/Upstreams.pm has the servers and the sections, lib/Movers.pm the clients.

use Digest::MD5 'md5_hex';
use Sticky qw(Movers Upstreams Visits);

our @names = qw(A B C);
our %md5 = %id{@names};
our %id = map { $_ => lc } @names;
our %salted = map { $_ => md5_hex($md5{$_} . 'a secret') } @names;
our %salted_id = map { $_ => md5_hex($id{$_} . 'a secret') } @names;

mover_sections('');

run_tests();

__DATA__

=== with and without a secret, with and without sid=
--- upstreams
upstream sid    { session_sticky accept=angie; SERVERS }
upstream md5    { session_sticky hash=plain accept=angie; NO_IDS }
upstream given  { session_sticky hash=plain accept=angie "accept_key=a secret"; SERVERS }
upstream secret { session_sticky accept=angie "accept_key=a secret" fallback=off; NO_IDS }
upstream idle   { zone z 64k; least_conn; session_sticky maxidle=1h accept=angie "accept_key=a secret"; SERVERS }
--- client
nobody_moves('/sid/', \%id, \%md5);
nobody_moves('/md5/', \%md5, {map { $_ => quotemeta $line{$_} } @names});
nobody_moves('/given/', \%salted_id, \%id);
nobody_moves('/secret/', \%salted, \%md5);
nobody_moves('/idle/', \%salted_id, {map { $_ => "$md5{$_}\\|\\d+\\|\\d+" } @names});



=== servers with id= that had no sid=
--- upstreams
upstream secret { session_sticky hash=plain accept=angie "accept_key=a secret"; SERVERS }
upstream open   { session_sticky hash=plain accept=angie,md5; SERVERS }
upstream id     { session_sticky hash=plain accept=angie; SERVERS }
--- client
nobody_moves('/secret/', \%salted, \%id);
nobody_moves('/open/', \%md5, \%id);
first_visits('/id/', $md5{B});



=== sticky route
--- upstreams
upstream u { session_sticky mode=route lookup=$arg_route accept=angie "accept_key=a secret"; SERVERS }
--- client
equals(body(visit("/u/?route=$salted_id{$_}", undef, 1983)), $_, "the session of $_ stays") for @names;



=== in every worker, and again after a reload
--- workers: 2
--- upstreams
upstream u { session_sticky hash=plain accept=angie "accept_key=a secret"; SERVERS }
--- client
for (1, 2) {
    my @bound = everywhere('/u/', "route=$salted_id{B}");
    equals(bodies(@bound), 'B', 'the session stays');
    equals(cookies(@bound), 'b', 'and gets the new value');
    holds(reload(), 'nginx is reloaded') if $_ == 1;
}



=== a server that is not available: the same as with the module's own values
--- upstreams
upstream on  { session_sticky hash=plain accept=angie "accept_key=a secret"; server A: id=a; server B: id=b down; server C: id=c; }
upstream off { session_sticky hash=plain accept=angie "accept_key=a secret" fallback=off; server A: id=a; server B: id=b down; server C: id=c; }
--- client
equals(bodies(everywhere('/on/', "route=$salted_id{B}")), 'A | C', 'fallback=on');
equals(bodies(everywhere('/off/', "route=$salted_id{B}")), '502', 'fallback=off');
--- error_log
names server "b" of upstream "off", which is down, with "fallback=off"



=== the output of explain, and no output of the secret
--- locations
location /status { session_sticky_status; }
--- upstreams
upstream u { session_sticky hash=plain accept=angie "accept_key=a secret"; SERVERS }
--- client
equals(scheme_of('u', $salted_id{B}), 'angie', 'the scheme');
for my $path ('/status', '/status/upstreams/u', "/status/upstreams/u/explain?value=$salted_id{B}") {
    holds(index(visit($path, undef, 1983), 'secret') < 0, $path);
}
--- no_error_log
a secret
[alert]
[crit]



=== other values identify no server
--- upstreams
upstream u     { session_sticky hash=plain accept=angie "accept_key=a secret"; SERVERS }
upstream other { session_sticky hash=plain accept=angie "accept_key=another"; SERVERS }
upstream open  { session_sticky hash=plain accept=angie; SERVERS }
upstream none  { session_sticky hash=plain; SERVERS }
upstream named { session_sticky hash=plain accept=angie "accept_key=a secret" fallback=off; SERVERS }
--- client
my $value = $salted_id{B};
my @other = (uc $value, substr($value, 1), "${value}0", "$value|", "|$value", $md5{B}, md5_hex('a secretb'), md5_hex('a secret'),
             md5_hex(md5_hex('b') . 'a secret'), '0' x 32, 'f' x 4000);
first_visits('/u/', @other);
first_visits("/$_/", $value) for qw(other open none);
for my $value (@other) {
    holds(status(visit('/named/', "route=$value", 1983)) =~ /^(?:200|502)$/, substr("with fallback=off: $value", 0, 60));
}
--- no_error_log
[alert]
[emerg]



=== an unused secret
--- upstreams
upstream u { session_sticky accept_key=secret; server A:; }
--- client
equals(bodies(everywhere('/u/')), 'A', 'the configuration is loaded');
--- error_log
"session_sticky" with accept_key= applies only with accept=angie or accept=caddy



=== an empty secret
--- upstreams
upstream u { session_sticky accept=angie accept_key=; server A:; }
--- must_die
--- suppress_stderr
--- error_log
invalid value "" of parameter "accept_key" in "session_sticky" directive, it must be a text in
