# nginx's own counters for the servers of upstreams, read by the module in tests/probe.
#
#   location = /peers { upstream_peers; }      must be in the configuration
#
#   counters(UPSTREAM)        its servers, each {name => '127.0.0.1:1985', group => 'primary', conns => 0, ...}
#   settled(UPSTREAM, UNTIL)  the same, once no server has a connection, or after the timeout, or at the time UNTIL: several
#                             upstreams can share one timeout
#   told(PEERS)               a line for each, with the values that must be equal after equal requests
#   zone(UPSTREAM)            {lost => 0, zombies => 0, ...}, or undef
#   idle(UPSTREAM, WHAT)      a test: no connections, no references, no memory lost in the zone

package Counters;

use strict;
use warnings;

use Client;
use Exporter 'import';
use Time::HiRes ('sleep', 'time');

our @EXPORT = qw(counters settled told zone idle);

sub lines {
    my ($upstream, $kind) = @_;
    my $text = body(response(ask("/peers?upstream=$upstream")));
    return map { {map { split /=/, $_, 2 } split ' '} } $text =~ /^$kind (.*)$/mg;
}

sub counters { return [lines($_[0], 'peer')] }
sub zone { return (lines($_[0], 'zone'))[0] }

# Whether no request is left.
sub rests {
    my ($peers, $zone) = @_;
    return 0 if grep { $_->{conns} || $_->{refs} } @$peers;
    return !$zone || !$zone->{lost} && !$zone->{zombies};
}

sub settled {
    my ($upstream, $until) = @_;
    $until //= time + patience();
    while (1) {
        my $peers = counters($upstream);
        return $peers if time > $until || @$peers && rests($peers);
        sleep 0.02;
    }
}

# Without current_weight, the state of round robin, which a bound request does not change. Of times, only whether they are
# set: the compared requests are not sent in the same second.
sub told {
    my ($peers) = @_;
    return join '', map {
        my $peer = $_;
        join(' ', map { "$_=" . ($peer->{$_} // '') }
             qw(group name conns refs zombie fails max_fails max_conns weight effective_weight down))
            . join('', map { ' ' . ($peer->{$_} ? '' : 'not ') . $_ } qw(accessed checked))
            . "\n"
    } @$peers;
}

sub idle {
    my ($upstream, $what) = @_;
    my $peers = settled($upstream);
    return holds(@$peers && rests($peers, zone($upstream)), "$upstream is idle: $what");
}

1;
