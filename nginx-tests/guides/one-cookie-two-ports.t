# docs/guides/one-cookie-two-ports.md: its configuration, and each line of its table. B1 is the second port of the machine B.

use Sticky qw(Guides);

our $page = 'docs/guides/one-cookie-two-ports.md';
our ($guide) = map { http_of($_) } nginx_files($page);

# In "but", A1: is the address of the server A1. "gone" lists servers that do not run.
client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $text = $guide;
    for my $line (split /\n/, $block->but // '') {
        my ($from, $to) = $line =~ /^(.*) => ?(.*)$/ or bail_out($line);
        $text =~ s/\Q$from\E/$to/g or bail_out("$from is not in the guide");
    }
    my %gone = map { $_ => 1 } split ' ', $block->gone // '';
    my @names = grep { !$gone{$_} } qw(A B C A1 B1 C1);
    $block->set_value(http_config => servers(qq[access_log off;\nlocation / { return 200 "NAME"; }\n], @names) . $text);
    $block->set_value(no_error_log => "[warn]\n[alert]\n[crit]\n[emerg]\n") if !defined $block->error_log && !defined $block->gone;
});

# The server of the path, and the ID set in the response.
sub served { my $response = visit(@_, 1983); return join ' ', status($response) eq '200' ? body($response) : status($response), bound($response) }

run_tests();

__DATA__

=== one machine, whichever port is requested first
--- client
for my $paths (['/', '/socket'], ['/socket', '/']) {
    for (1 .. 3) {
        my ($first, $id) = split ' ', served($paths->[0], undef);
        my ($second) = split ' ', served($paths->[1], "route=$id");
        equals(lc substr($first, 0, 1), $id, "$paths->[0]: the machine of the cookie");
        equals(substr($second, 0, 1), substr($first, 0, 1), "$paths->[1]: the same machine");
    }
}
equals(served('/', 'route=b'), 'B ', 'no new cookie');
equals(served('/socket', 'route=b'), 'B1 ', 'from either');



=== the commands
--- client
my ($visits, $drain) = transcripts($page);
follow_transcript($visits);
follow_transcript($drain);



=== parallel requests without a cookie
--- but: session_sticky hash=plain => hash $arg_client; session_sticky hash=plain
--- client
my %chosen;
for my $client (1 .. 12) {
    my ($app, $socket) = map { served("$_?client=$client", undef) =~ s/ .*//r } '/', '/socket';
    equals($socket, "${app}1", "the same machine for client $client");
    $chosen{$app} = 1;
}
equals(join(' ', sort keys %chosen), 'A B C', 'clients are spread');



=== without hash=plain nginx -t warns
--- but: hash=plain =>
--- client
my ($first, $id) = split ' ', served('/', undef);
holds(served('/socket', "route=$id") =~ /^[ABC]1 \w/, 'the cookie is replaced');
--- error_log
cookie "route" of upstream "socket" is also that of upstream "app", which has other servers or ids
--- may_warn
parameter "id" of the "server" directive has no effect



=== a machine that is missing in one upstream
--- but: server 127.0.0.1:2086 id=b; =>
--- client
equals(served('/', 'route=b'), 'B ', 'is one of the other');
--- error_log
cookie "route" of upstream "socket" is also that of upstream "app", which has other servers or ids



=== unreachable in one upstream, rebind=on
--- gone: A1
--- client
my ($server, $id) = split ' ', served('/socket', 'route=a');
holds($server =~ /^[BC]1$/, 'another machine');
equals($id, lc substr($server, 0, 1), 'with its cookie');
equals(served('/', "route=$id"), uc($id) . ' ', 'for the application too');



=== unreachable in one upstream, rebind=off
--- but: hash=plain => hash=plain rebind=off
--- gone: A1
--- client
my @lent = map { served('/socket', 'route=a') } 1 .. 4;
holds($lent[0] =~ /^[BC]1 $/, 'another machine, and no cookie');
equals("@lent", join(' ', ($lent[0]) x 4), 'always the same');
equals(served('/', 'route=a'), 'A ', 'the application stays');



=== unreachable in both, rebind=off
--- but: hash=plain => hash=plain rebind=off
--- gone: A A1
--- client
my ($app) = split ' ', served('/', 'route=a');
my ($socket) = split ' ', served('/socket', 'route=a');
equals($socket, "${app}1", 'one and the same other machine in both');



=== unreachable in one upstream, fallback=off
--- but: hash=plain => hash=plain fallback=off
--- gone: A1
--- client
equals(served('/socket', 'route=a'), '502 ', 'finds out');
equals(served('/socket', 'route=a'), '502 ', 'refused');
equals(served('/', 'route=a'), 'A ', 'the application stays');



=== drained in both
--- client
my $patch = sub {
    my ($upstream) = @_;
    my $body = '{"drain":true}';
    return status(response(say_to_nginx("PATCH /sessions/upstreams/$upstream/servers/a HTTP/1.0\r\nHost: localhost\r\n"
        . "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body", 1982)));
};
equals($patch->('app'), '200', 'app');
my @of_socket = map { served('/socket', undef) =~ s/ .*//r } 1 .. 6;
holds(scalar(grep { $_ eq 'A1' } @of_socket), 'the other still begins sessions there');
equals($patch->('socket'), '200', 'socket');
for my $path ('/', '/socket') {
    my @first = map { served($path, undef) =~ s/ .*//r } 1 .. 6;
    holds(!grep({ /^A/ } @first), "$path: no new session");
}
equals(served('/', 'route=a') . served('/socket', 'route=a'), 'A A1 ', 'those that are there stay');
