# docs/guides/grpc.md: its file and commands, with services of tests/clients/grpc.py.

use Sticky qw(Guides Multiplex Nginx);

our $page = 'docs/guides/grpc.md';
our %id = (A => '5b3f96c1', B => 'a07d24e8');

# "services" are those that run, both without it.
guide_sections($page, '');
add_block_preprocessor(sub {
    my ($block) = @_;
    my $client = $block->client;
    $block->set_value(client => "our \@services = map { Multiplex->service(\$_, \$port{\$_}) } qw(" . ($block->services // 'A B') . ");\n$client\n\@services = ();");
});

# The result of a call: the service, the name of its server, and the final status.
sub call {
    my ($client, $id, $session) = @_;
    my @fields = (['content-type', 'application/grpc'], ['te', 'trailers'], defined $session ? ['x-session', $session] : ());
    $client->order({ask => $id, method => 'POST', path => '/service/Say', body => "\0\0\0\0\2hi", end => JSON::PP::true(), fields => \@fields});
    my $answer = $client->answer($id);
    my %fields = map { @$_ } @{$answer->{fields} // []};
    return join ' ', $fields{'x-server'} // $answer->{status}, $fields{'x-session'} // '-', $fields{'grpc-status'} // '-';
}

run_tests();

__DATA__

=== the commands
--- client
follow_transcript((transcripts($page))[0]);



=== calls of two sessions on one connection
--- client
my $client = Multiplex->new('h2c', 1983);
my %first = map { split ' ', call($client, "first $_") =~ s/ 0$//r } 1, 2;
equals(join(' ', map { "$_=$first{$_}" } sort keys %first), "A=$id{A} B=$id{B}", 'the first calls');
for my $name (qw(A B)) {
    equals(call($client, "$name $_", $id{$name}), "$name $id{$name} 0", "call $_ of the session of $name") for 1 .. 3;
}
holds(call($client, 'unknown', 'nobody') =~ /^[AB] \w{8} 0$/, 'with a name of no server another answers');



=== an unreachable service: another one answers with its own name
--- services: B
--- may_fail
--- client
my $client = Multiplex->new('h2c', 1983);
equals(call($client, $_, $id{A}), "B $id{B} 0", "call $_") for 1, 2;



=== fallback=off: 502, which is UNAVAILABLE
--- services: B
--- may_fail
--- but: lookup=$http_x_session; => lookup=$http_x_session fallback=off;
--- client
my $client = Multiplex->new('h2c', 1983);
holds(call($client, $_, $id{A}) =~ /^502 /, "call $_") for 1, 2;
equals(call($client, 3, $id{B}), "B $id{B} 0", 'another session');
