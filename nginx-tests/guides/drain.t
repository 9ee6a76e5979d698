# docs/guides/drain.md: its file and commands. What each does is tried in nginx-tests/control and nginx-tests/choice.

# What servers are told outlives a reload, so each block needs an nginx of its own in mode hup too.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Guides);

our $page = 'docs/guides/drain.md';

guide_sections($page, servers(qq[location / { return 200 "NAME"; }\n], qw(A B)));
run_tests();

__DATA__

=== the commands, one after the other
--- client
my @transcripts = transcripts($page);
my $server = $transcripts[0][0];
my $session = 'route=ID_A' . sprintf('|%d|%d', time, time);
for my $at (0 .. $#transcripts) {
    # Its first line says which server, for all of them.
    follow_transcript([$at ? $server : (), @{$transcripts[$at]}]);
    # The third says that none has come yet.
    equals(body(visit('/', $session, 1983)), $at == 3 ? 'B' : 'A', "a session of the server after transcript $at") if $at >= 2;
}
