# Where the first of two cookies of the name is for a server that is away and the second is followed, the second is looked at
# as if it were alone: what was known of the first counts for nothing.
#
# lib/Upstreams.pm has the servers and the sections.

use Sticky qw(Upstreams Visits);

our $now = time;

client_sections();
upstream_sections('');

# A value of server A or of the dead one, which was stamped so long ago.
sub stamped { my ($server, $ago) = @_; return join '|', $line{$server}, $now - $ago, $now - 900 }

# What a visit with these two cookies sets.
sub set_for { my ($path, @values) = @_; return set(visit($path, join('; ', map { "route=$_" } @values), 1983)) // '' }

run_tests();

__DATA__

=== refresh: its stamps are renewed when they are old, and only then
--- upstreams
upstream u { server D: max_fails=0; server A:; session_sticky hash=plain maxidle=1h refresh=5m; }
--- client
for my $first (0, 500) {
    my $set = set_for('/u/', stamped('D', $first), stamped('A', 500));
    holds($set =~ /^route=\Q$line{A}\E\|\d+\|@{[$now - 900]};/, "the first $first seconds old, the second 500: $set");
    equals(set_for('/u/', stamped('D', $first), stamped('A', 30)), '', "the first $first seconds old, the second 30");
}
--- no_error_log
[alert]



=== accept: it is upgraded
--- upstreams
upstream u { server D: max_fails=0; server A:; session_sticky hash=plain accept=md5; }
--- client
equals(set_for('/u/', $line{D}, $id{A}), "route=$line{A}; Path=/", 'another form');
equals(set_for('/u/', $line{D}, $line{A}), '', 'its own form');
--- no_error_log
[alert]
