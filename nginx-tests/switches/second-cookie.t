# If the first of two cookies of the name is for an unavailable server and the second is followed, the second is treated
# as if it were the only one: state from the first is not used.
#
# lib/Upstreams.pm describes the servers and the sections.

use Sticky qw(Upstreams Visits);

our $now = time;

client_sections();
upstream_sections('');

# A value of server A or of the unreachable one, with a timestamp of this age.
sub stamped { my ($server, $ago) = @_; return join '|', $line{$server}, $now - $ago, $now - 900 }

# The cookie that a visit with these two cookies sets.
sub set_for { my ($path, @values) = @_; return set(visit($path, join('; ', map { "route=$_" } @values), 1983)) // '' }

run_tests();

__DATA__

=== refresh: its timestamps are renewed only when they are old
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
equals(set_for('/u/', $line{D}, $id{A}), "route=$line{A}; Path=/", 'a value in another form');
equals(set_for('/u/', $line{D}, $line{A}), '', "a value in the upstream's own form");
--- no_error_log
[alert]
