# docs/guides/websocket.md: its file and commands. Handshakes and frames are in nginx-tests/protocols/websocket.t.

# Server states set at run time outlive a reload, so each block needs its own nginx in mode hup too.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Guides);

our $page = 'docs/guides/websocket.md';

guide_sections($page, sub { return defined $_[0]->by_hand ? '' : servers(qq[location / { return 200 "NAME"; }\n], qw(A B)) });
run_tests();

__DATA__

=== the commands: polls, drain, down
--- client
my ($polls, @steps) = transcripts($page);
follow_transcript($polls);
follow_transcript([map { @$_ } @steps]);
equals(body(visit('/', 'route=ID_A', 1983)), 'B', 'a client that reconnects goes to another server');



=== an upgrade reaches the session's server, and other requests have no Connection field
--- by_hand
--- client
my %servers = map { $_ => serve($port{$_}) } qw(A B);
my $asked = say_to_nginx("GET /socket.io/ HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: route=${\ id('B')}\r\n\r\n", 1983);
my $held = taken([values %servers]);
equals($held->sockport, $port{B}, 'the server of the session');
holds(request_of($held) =~ /^Upgrade: websocket\r$/m, 'Upgrade');
holds(request_of($held) =~ /^Connection: upgrade\r$/mi, 'Connection');
print $held "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello";
holds(read_until($asked, qr/hello/) =~ /^HTTP\/1\.1 101 .*hello$/s, 'let in');
close $held;
my $polls = ask('/socket.io/', 'route=ID_A', 1983);
my $poll = taken([values %servers]);
holds(request_of($poll) =~ /^GET \/socket\.io\/ HTTP\/1\.1\r/, 'a poll over HTTP/1.1');
holds(request_of($poll) !~ /^(?:Upgrade|Connection: upgrade)/mi, 'without Upgrade');
answer($poll, 'polled');
equals(body(response($polls)), 'polled', 'the poll');
