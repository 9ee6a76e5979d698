# What nginx counts for the servers of its upstreams, by the module in tests/probe.
#
#   location = /peers { upstream_peers; }      is what the configuration needs
#
#   counters(UPSTREAM)        its servers, each {name => '127.0.0.1:1985', group => 'primary', conns => 0, ...}
#   settled(UPSTREAM, UNTIL)  the same, when no server has a connection any more, or when patience is over, or it
#                             is UNTIL, so that many together are not waited for longer than one
#   told(PEERS)               one line of text for each, of what has to be equal after equal requests
#   zone(UPSTREAM)            {lost => 0, zombies => 0, ...}, or undef
#   idle(UPSTREAM, WHAT)      a test: no connection, no reference, nothing lost in the zone

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

# Is nothing left of any request?
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

# Not current_weight: it is the turn of round robin, which a bound request does not take. Times are told by
# whether there is one: the requests to compare are not of the same second.
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
