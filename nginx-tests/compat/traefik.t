# Migration from Traefik: accept=traefik. The cookies are computed as Traefik does, and no client may move.
#
# Source of the values: the formulas of pkg/server/service/loadbalancer/sticky.go of 3.3.4 and newer; of pkg/server/service of
# 3.0 (service.go and loadbalancer/wrr); of oxy's roundrobin/stickycookie, which 2.5 to 2.11 used. Before these, the value is the
# URL itself.
#
# lib/Upstreams.pm has the servers and the sections, lib/Movers.pm the clients.

use Digest::SHA 'sha256_hex';
use Math::BigInt;
use Sticky qw(Movers Upstreams Visits);

our @names = qw(A B C);
our %md5 = %id{@names};
our ($basis, $prime, $most) = map { Math::BigInt->new($_) } qw(0xcbf29ce484222325 0x100000001b3 0xffffffffffffffff);

sub fnv {
    my ($text, $multiplies_first) = @_;
    my $hash = $basis->copy;
    for my $byte (map { ord } split //, $text) {
        $hash = ($hash * $prime) & $most if $multiplies_first;
        $hash ^= $byte;
        $hash = ($hash * $prime) & $most if !$multiplies_first;
    }
    return $hash->as_hex =~ s/^0x//r;
}
sub fnv_1 { my ($text) = @_; return fnv($text, 1) }
sub fnv_1a { my ($text) = @_; return fnv($text, 0) }

# The values of a URL by all formulas, the newest first.
sub values_of {
    my ($url) = @_;
    my $padded = '0' x (16 - length fnv_1a($url)) . fnv_1a($url);
    return [substr(sha256_hex($url), 0, 16), fnv_1($padded), fnv_1a($url), $url];
}

mover_sections('');

run_tests();

__DATA__

=== every release, with every form of the URL
--- upstreams
upstream md5   { session_sticky accept=traefik; server A:; server B:; server C:; }
upstream plain { session_sticky hash=plain accept=traefik fallback=off; server A: id=a; server B: id=b; server C: id=c; }
upstream idle  { zone z 64k; least_conn; session_sticky accept=traefik maxidle=1h; server A:; server B:; server C:; }
--- client
equals(fnv_1('foobar'), '340d8765a4dda9c2', 'a published FNV-1');
equals(fnv_1a('foobar'), '85944171f73967e8', 'a published FNV-1a');
for my $url ('http://%s', 'http://%s/', 'https://%s', 'https://%s/', 'h2c://%s') {
    my %old = map { $_ => values_of(sprintf $url, $line{$_}) } @names;
    nobody_moves('/md5/', \%old, \%md5);
    nobody_moves('/plain/', \%old, {map { $_ => lc } @names});
    nobody_moves('/idle/', \%old, {map { $_ => "$md5{$_}\\|\\d+\\|\\d+" } @names});
}



=== the name of a server
--- upstreams
upstream u { session_sticky hash=plain accept=traefik; server localhost:1985 id=a max_fails=0; server B: id=b; server C: id=c; }
--- client
for my $value (@{values_of('http://localhost:1985')}) {
    my @asked = everywhere('/u/', "route=$value");
    holds(tried(@asked) =~ /^\S+:1985/, $value);
}
nobody_moves('/u/', {B => values_of("http://$line{B}"), C => values_of("http://$line{C}")}, {B => 'b', C => 'c'});
--- no_error_log
[alert]
[emerg]



=== in every worker, and again after a reload
--- workers: 2
--- upstreams
upstream u { session_sticky hash=plain accept=traefik; server A: id=a; server B: id=b; server C: id=c; }
--- client
for (1, 2) {
    my @bound = everywhere('/u/', 'route=' . values_of("http://$line{B}")->[0]);
    equals(bodies(@bound), 'B', 'the session stays');
    equals(cookies(@bound), 'b', 'and gets the new value');
    holds(reload(), 'nginx is reloaded') if $_ == 1;
}



=== a server that is not available: the same as with the module's own values
--- upstreams
upstream on  { session_sticky accept=traefik; server A:; server B: down; server C:; }
upstream off { session_sticky accept=traefik fallback=off; server A:; server B: down; server C:; }
--- client
my $value = values_of("http://$line{B}")->[0];
equals(bodies(everywhere('/on/', "route=$value")), 'A | C', 'fallback=on');
equals(bodies(everywhere('/off/', "route=$value")), '502', 'fallback=off');
equals(bodies(everywhere('/off/', 'route=' . values_of('http://192.0.2.1:80')->[0])), '502', 'a server that was removed');
--- error_log
of upstream "off", which is down, with "fallback=off"
of upstream "off", which is unknown, with "fallback=off"
--- no_error_log
[alert]



=== the output of explain
--- locations
location /status { session_sticky_status; }
--- upstreams
upstream u { session_sticky accept=traefik; server A:; server B:; server C:; }
--- client
equals(scheme_of('u', $_), 'traefik', $_) for @{values_of("http://$line{B}")};



=== other values identify no server
--- upstreams
upstream u     { session_sticky accept=traefik; server A:; server B:; server C:; }
upstream named { session_sticky accept=traefik fallback=off; server A:; server B:; server C:; }
upstream none  { session_sticky hash=plain; server A:; server B:; server C:; }
--- client
my $url = "http://$line{B}";
my $sha256 = sha256_hex($url);
my @other = (
    $sha256, substr($sha256, 0, 15), substr($sha256, 0, 17), substr($sha256, 16, 16), uc substr($sha256, 0, 16), fnv_1($url),
    fnv_1(fnv_1($url)), '0' . fnv_1a($url), "ftp://$line{B}", "http:/$line{B}", 'http://', "http://$line{B}//", "http://$line{B}/x",
    uc $url, $line{B}, "$url|1|x", 'http://' . 'a' x 4000,
);
first_visits('/u/', @other);
first_visits('/none/', @{values_of($url)});
for my $value (@other) {
    holds(status(visit('/named/', "route=$value", 1983)) =~ /^(?:200|502)$/, substr("with fallback=off: $value", 0, 60));
}
--- no_error_log
[alert]
[emerg]
