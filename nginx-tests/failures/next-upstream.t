# proxy_next_upstream with each of its conditions, and each kind of failure of a bound server: the client's response, the tries
# of the servers and nginx's counters are the same as without session_sticky.
#
#   each condition × each failure, with GET and with POST, without a zone and with one
#
# The failing server is the one of the cookie, 127.0.0.1:1985 or another one; 1986 responds normally.

use Sticky qw(Failures Twins);

worker_connections(4096);

our $servers = failing_servers(1985, 1986);

# The result according to nginx's documentation.
sub wants {
    my ($failure, $method, @conditions) = @_;
    my $kind = $failure{$failure};
    my $port = $failing_port{$failure} // 1985;
    return "200 of $port, fails 0 0, no new cookie" if !defined $kind;

    # A request that never reached a server can be sent to another one. An immediate reset arrives before or after the request.
    my $may_repeat = $method eq 'GET' || $failure eq 'refused' || $failure eq 'connect hang'
        || grep { $_ eq 'non_idempotent' } @conditions;
    my $next = $may_repeat && grep { $_ eq $kind } @conditions;
    my $counts = is_failure($failure) || $next && $kind !~ /^http_40[34]/;
    my $status = status_of($failure);
    return $next
        ? "200 of $port 1986, fails " . ($counts ? 1 : 0) . ' 0, bound to 1986'
        : "$status of $port, fails " . ($counts ? 1 : 0) . ' 0, no new cookie';
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
    # The condition that matches the failure, with and without non_idempotent.
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
