# proxy_next_upstream with each of its conditions, and a bound server that fails in each of the ways there are: the
# client gets what it would get without session_sticky, the servers are asked as often, and nginx has counted the same.
#
#   each condition × each failure, with GET and with POST, without a zone and with one
#
# The server that fails is the one that the cookie names, 127.0.0.1:1985 or another; 1986 answers well.

use Sticky qw(Failures Twins);

worker_connections(4096);

our $servers = failing_servers(1985, 1986);

# What nginx's manual says that comes of it.
sub wants {
    my ($failure, $method, @conditions) = @_;
    my $kind = $failure{$failure};
    my $port = $failing_port{$failure} // 1985;
    return "200 of $port, fails 0 0, not bound anew" if !defined $kind;

    # What never reached a server may be sent to another. A reset at once comes before the request or after it.
    my $may_repeat = $method eq 'GET' || $failure eq 'refused' || $failure eq 'connect hang'
        || grep { $_ eq 'non_idempotent' } @conditions;
    my $next = $may_repeat && grep { $_ eq $kind } @conditions;
    my $counts = is_failure($failure) || $next && $kind !~ /^http_40[34]/;
    my $status = status_of($failure);
    return $next
        ? "200 of $port 1986, fails " . ($counts ? 1 : 0) . ' 0, bound to 1986'
        : "$status of $port, fails " . ($counts ? 1 : 0) . ' 0, not bound anew';
}

sub case {
    my ($failure, $method, @conditions) = @_;
    my $port = $failing_port{$failure} // 1985;
    return {
        name => "$method, $failure, proxy_next_upstream @conditions",
        servers => "server 127.0.0.1:$port; server 127.0.0.1:1986;",
        location => "proxy_next_upstream @conditions;",
        request => [{plan => exists $failing_port{$failure} ? 'ok' : $failure, method => $method}],
        wants => wants($failure, $method, @conditions),
    };
}

our %cases = (
    GET => [map { my $condition = $_; map { case($_, 'GET', $condition) } @failures } @conditions],
    # The condition that holds, with non_idempotent and without.
    POST => [
        map { (case($_, 'POST', $failure{$_} // 'error'), case($_, 'POST', $failure{$_} // 'error', 'non_idempotent')) }
        grep { $_ ne 'at once' } @failures
    ],
);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $zone = $block->zone // '';
    chomp(my $method = $block->method);
    $block->set_value(config => 'location = /peers { upstream_peers; }');
    fill($block, twins($zone =~ s/\s//gr, '', @{$cases{$method}}));
    $block->set_value(client => sub { compare($servers, @{$cases{$method}}) });
});

run_tests();

__DATA__

=== GET, without a zone
--- method: GET



=== GET, with a zone
--- method: GET
--- zone: get



=== POST, without a zone
--- method: POST



=== POST, with a zone
--- method: POST
--- zone: post
