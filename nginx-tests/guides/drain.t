# docs/guides/drain.md: its file and commands. Their effects are tested in nginx-tests/control and nginx-tests/choice.

# Server states set at run time outlive a reload, so each block needs its own nginx in mode hup too.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Guides Documents);

our $page = 'docs/guides/drain.md';

# "gone" lists servers that do not run.
guide_sections($page, sub { my ($block) = @_; return servers(qq[location / { return 200 "NAME"; }\n], grep { $_ ne ($block->gone // '') } qw(A B)) });
our $status = '/sessions/upstreams/app/servers/' . on_this_machine('192.0.2.1:8080');
sub server { return body(visit($status, undef, 1982)) }

# Sets the state of the server.
sub drained {
    my ($state) = @_;
    my $body = qq[{"state":"$state"}];
    my $response = response(say_to_nginx("PATCH $status HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body", 1982));
    return equals(status($response), 200, "the state $state");
}

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



=== the loop that waits for the sessions, here and in docs/operations.md: a restart of nginx begins the wait again
--- client
my ($loop, $same) = map { page($_) =~ /jq -es --argjson since "?\$since"? '(.*?)'/s ? $1 : bail_out("no loop in $_") } $page, 'docs/operations.md';
s/\s+/ /g for $loop, $same;
equals($same, $loop, 'both are the same');
drained('drain');
my $document = server();
# The seconds since the loop began, since counting began, and since the last request; and the open connections.
for my $case (
    [4000, 4000, 'null', 0, 'true'], [4000, 100, 'null', 0, 'false'], [100, 4000, 'null', 0, 'false'],
    [4000, 4000, 1900, 0, 'true'], [4000, 4000, 1800, 0, 'false'], [4000, 100, 1900, 0, 'true'], [4000, 4000, 1900, 1, 'false'],
) {
    my ($began, $counted, $last, $connections, $want) = @$case;
    my $now = time;
    my $then = $last eq 'null' ? $last : $now - $last;
    my $changed = $document =~ s/"since":\d+/'"since":' . ($now - $counted)/er =~ s/"last":null/"last":$then/r
        =~ s/"connections":0/"connections":$connections/r;
    equals(scalar qx{printf %s '$changed' | jq -s --argjson since @{[$now - $began]} '$loop'}, "$want\n", "@$case");
}
equals(system("printf '' | jq -es --argjson since 0 '$loop' >/dev/null") >> 8, 1, 'nginx that does not respond');
drained('up');
equals(scalar qx{printf %s '${\ server()}' | jq -s --argjson since 0 '$loop'}, "false\n", 'a server that does not drain');



=== 502 if no other server is available, although the drained one works, until it is set up
--- gone: B
--- may_fail
--- client
drained('drain');
equals(status(visit('/', undef, 1983)), 502, 'a first visit');
equals(body(visit('/', 'route=ID_A' . sprintf('|%d|%d', time, time), 1983)), 'A', 'a session of the server');
drained('up');
equals(body(visit('/', undef, 1983)), 'A', 'a first visit');



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
