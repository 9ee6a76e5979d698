# docs/guides/drain.md: its file and commands. Their effects are tested in nginx-tests/control and nginx-tests/choice.

# Server states set at run time outlive a reload, so each block needs its own nginx in mode hup too.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Guides Documents);

our $page = 'docs/guides/drain.md';

guide_sections($page, servers(qq[location / { return 200 "NAME"; }\n], qw(A B)));
our $status = '/sessions/upstreams/app/servers/' . on_this_machine('192.0.2.1:8080');
sub server { return body(visit($status, undef, 1982)) }

run_tests();

__DATA__

=== the commands in sequence
--- client
my @transcripts = transcripts($page);
my $server = $transcripts[0][0];
my $session = 'route=ID_A' . sprintf('|%d|%d', time, time);
for my $at (0 .. $#transcripts) {
    # Its first line names the server for all commands.
    follow_transcript([$at ? $server : (), @{$transcripts[$at]}]);
    # The third shows that there was no request yet.
    equals(body(visit('/', $session, 1983)), $at == 3 ? 'B' : 'A', "a session of the server after transcript $at") if $at >= 2;
}



=== by the configuration, without control: the server keeps its sessions, and the status shows when they leave
--- but
session_sticky_control on state=/var/lib/session_sticky/state; =>
server 192.0.2.1:8080; => server 192.0.2.1:8080 drain;
--- client
holds(server() =~ /"state":"draining"/, 'it drains');
holds(server() =~ /"connections":0,.*"leaving":\{"last_minute":0,"last":null\}/s, 'without a session yet');
equals(body(visit('/', 'route=ID_A' . sprintf('|%d|%d', time, time), 1983)), 'A', 'a session of it');
eventually(sub { server() =~ /"leaving":\{"last_minute":1,"last":\d+\}/ }, 'is seen');
equals(join('', map { body(visit('/', undef, 1983)) } 1 .. 4), 'BBBB', 'first visits go elsewhere');



=== by the configuration: down
--- but: server 192.0.2.1:8080; => server 192.0.2.1:8080 down;
--- client
equals(body(visit('/', 'route=ID_A' . sprintf('|%d|%d', time, time), 1983)), 'B', 'its sessions move');



=== maxidle= that was added: the session of a cookie without times continues, and ends by it from then on
--- client
my $response = visit('/', 'route=ID_A', 1983);
equals(body($response), 'A', 'it continues');
holds(bound($response) =~ /^${\ id('A')}\|\d+\|\d+$/, 'and has times');



=== terminating pods: the address is reserved until the time of linger= is over
--- client
my ($section) = page($page) =~ /^## Terminating pods\n(.*?)^## /ms;
my ($valid, $linger, $grace, $hook) = $section =~ /valid=(\d+)s;.* linger=(\d+)m;.*terminationGracePeriodSeconds: (\d+)\n.*"sleep", "(\d+)"/s;
# DNS may cache a response for 30 seconds.
holds(60 * $linger + $valid + 30 < $hook, 'preStop ends after it');
holds($hook < $grace, 'the application has time to end');
