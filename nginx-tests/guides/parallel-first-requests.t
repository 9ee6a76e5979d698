# docs/guides/parallel-first-requests.md: six requests on six connections, before any of them is answered.

use Sticky qw(Guides);

our $page = 'docs/guides/parallel-first-requests.md';
our ($guide) = map { http_of($_) } nginx_files($page);
our @names = qw(A B C);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $text = $guide;
    my $hash = defined $block->without_hash ? '' : 'hash $http_x_address$http_user_agent';
    $text =~ s/hash \$remote_addr\$http_user_agent( consistent;)/length $hash ? $hash . $1 : ''/e or bail_out('the guide has no such hash');
    my $answering = defined $block->answering ? servers(qq[access_log off;\nlocation / { return 200 "NAME"; }\n], @names) : '';
    $block->set_value(http_config => $answering . $text);
});

# Sends six requests as one client, then lets the servers answer, and returns the responses.
sub asked_at_once {
    my ($servers, $address, $agent) = @_;
    my @asked = map { say_to_nginx("GET /$_ HTTP/1.0\r\nX-Address: $address\r\nUser-Agent: $agent\r\n\r\n", 1983) } 1 .. 6;
    my @waiting = map { taken([values %$servers]) } @asked;
    # All requests have been sent now.
    for my $connection (@waiting) {
        my ($name) = grep { $port{$_} == $connection->sockport } @names;
        answer($connection, $name);
    }
    return map { response($_) } @asked;
}

sub seen { my %seen = map { $_ => 1 } @_; return join ' ', sort keys %seen }

run_tests();

__DATA__

=== all reach one server, and get one cookie
--- client
my %servers = map { $_ => serve($port{$_}) } @names;
my %chosen;
for my $address (map { "192.0.2.$_" } 1 .. 12) {
    my @responses = asked_at_once(\%servers, $address, 'Browser/1');
    my $name = body($responses[0]);
    equals(seen(map { body($_) } @responses), $name, "$address: one server");
    equals(seen(map { bound($_) } @responses), "ID_$name", "$address: one cookie");
    $chosen{$name} = 1;
}
equals(seen(keys %chosen), 'A B C', 'clients are spread');
my %of_agents = map { body((asked_at_once(\%servers, '192.0.2.1', "Browser/$_"))[0]) => 1 } 1 .. 12;
equals(seen(keys %of_agents), 'A B C', 'and so are those behind one address');



=== the commands
--- answering
--- client
follow_transcript((transcripts($page))[0]);



=== without hash
--- without_hash
--- client
my %servers = map { $_ => serve($port{$_}) } @names;
my @responses = asked_at_once(\%servers, '192.0.2.1', 'Browser/1');
equals(seen(map { body($_) } @responses), 'A B C', 'three servers');
equals(seen(map { bound($_) } @responses), join(' ', sort map { id($_) } @names), 'three cookies');
